"""Tasks: streams that do not meet, the same whoever runs them."""

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.verify._tasks import ROWS, Schedule, chunk_for, root_of


def draw(task):
    return task.generator().random(task.rows)


def test_each_task_has_the_stream_of_its_number():
    """Seen failing: numbers that begin anew with each run; one stream for all."""
    schedule = Schedule(7, 100, map)
    first, second = schedule.run(draw, 250), schedule.run(draw, 100)
    assert [len(x) for x in (*first, *second)] == [100, 100, 50, 100]
    for k, x in enumerate((*first, *second)):
        seeds = np.random.SeedSequence(7, spawn_key=(k,))
        assert (x == np.random.default_rng(seeds).random(len(x))).all()
    assert schedule.rows == 350
    other = Schedule(7, 100, map, (2,)).run(draw, 100)[0]
    seeds = np.random.SeedSequence(7, spawn_key=(0, 2))
    assert (other == np.random.default_rng(seeds).random(100)).all()


def test_tasks_know_how_many_rows_came_before():
    """Seen failing: with the rows of this run only."""
    schedule = Schedule(0, 10, map)
    schedule.run(draw, 15)
    assert [task.first for task in schedule.run(lambda task: task, 12)] == [15, 25]


def test_roots():
    """Seen failing: a generator that is not drawn from: the same root each time."""
    assert root_of(3) == 3
    rng = np.random.default_rng(0)
    assert root_of(rng) != root_of(rng)
    assert root_of(np.random.default_rng(0)) == root_of(np.random.default_rng(0))
    with pytest.raises(ModelError, match="rng is -1"):
        root_of(-1)


def test_sizes_of_tasks():
    """Seen failing: a task of no rows where one row is very large."""
    assert chunk_for(10, 1) == ROWS
    assert chunk_for(2**20, 1) == 4
    assert chunk_for(10, 2) == ROWS // 2
    assert chunk_for(2**30, 7) == 1


def test_a_map_that_loses_results():
    """Seen failing: without the count."""
    with pytest.raises(ModelError, match="map= returned 1 results for 3 tasks"):
        Schedule(0, 10, lambda function, tasks: [function(tasks[0])]).run(draw, 30)
