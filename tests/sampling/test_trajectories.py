"""Trajectories: padded alike wherever they come from, and nothing lost in cutting and joining."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.sampling import Trajectories

EPISODES = [[(0, 1, 2.0), (3, 0, -1.0), (2, 1, 0.5)], [], [(1, 1, 4.0)]]


def three() -> Trajectories:
    return Trajectories.from_steps(EPISODES, last=[4, 5, 2], terminated=[True, True, False])


def assert_same(one: Trajectories, other: Trajectories) -> None:
    for field in fields(Trajectories):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        assert (mine is None) == (theirs is None), field.name
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs, err_msg=field.name)
            assert mine.dtype == theirs.dtype, field.name


def test_steps_are_padded_as_promised():
    """Seen failing: with s padded by 0; with mask True everywhere; with nan in the padding of logp;
    with `truncated` equal to `terminated`."""
    batch = three()
    np.testing.assert_array_equal(batch.s, [[0, 3, 2, 4], [5, 5, 5, 5], [1, 2, 2, 2]])
    np.testing.assert_array_equal(batch.a, [[1, 0, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(batch.r, [[2, -1, 0.5], [0, 0, 0], [4, 0, 0]])
    np.testing.assert_array_equal(batch.mask, [[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(np.isnan(batch.logp), batch.mask)
    np.testing.assert_array_equal(batch.logp[~batch.mask], 0.0)
    np.testing.assert_array_equal(batch.terminated, [True, True, False])
    np.testing.assert_array_equal(batch.truncated, [False, False, True])


def test_logp_is_kept():
    """Seen failing: with logp left nan."""
    logp = [[-1.0, -2.0, -3.0], [], [-4.0]]
    batch = Trajectories.from_steps(EPISODES, last=[4, 5, 2], logp=logp)
    np.testing.assert_array_equal(batch.logp, [[-1, -2, -3], [0, 0, 0], [-4, 0, 0]])


def test_sizes():
    """Seen failing: with lengths counted along the other axis; with padding counted as steps."""
    batch = three()
    assert (len(batch), batch.n, batch.n_steps, batch.n_transitions) == (3, 3, 3, 4)
    np.testing.assert_array_equal(batch.lengths, [3, 0, 1])
    assert repr(batch) == "<Trajectories: 3 of up to 3 steps, 4 in all; 2 terminated, 1 truncated>"


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int64(0), [0]),
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([2, 0, 2], [2, 0, 2]),
    ],
)
def test_indexing(index, rows):
    """Seen failing: with batch[i] of lower dimension; with -1 taken for the slice -1:0; with only
    the per-step arrays indexed."""
    batch = replace(three(), weight=np.array([0.5, 0.25, 0.125]), o=np.array([[1, 2, 3]] * 3))
    part = batch[index]
    assert part.n == len(rows)
    for field in fields(Trajectories):
        np.testing.assert_array_equal(getattr(part, field.name), getattr(batch, field.name)[rows])


def test_a_batch_can_be_looped_over():
    """Seen failing: without the IndexError behind the end (the loop never stopped)."""
    parts = [batch for batch, _ in zip(three(), range(9), strict=False)]
    assert [batch.n_transitions for batch in parts] == [3, 0, 1]
    with pytest.raises(IndexError, match="trajectory 3 of 3"):
        three()[3]


def test_concatenation_undoes_indexing():
    """Seen failing: with rows written over each other; with the batches in another order."""
    batch = replace(three(), weight=np.array([0.5, 0.25, 0.125]), o=np.array([[1, 2, 3]] * 3))
    assert_same(Trajectories.concatenate([batch[0], batch[1:]]), batch)
    assert_same(Trajectories.concatenate(list(batch)), batch)


def test_concatenation_pads_to_the_longest():
    """Seen failing: with s padded by 0; with the padding of s one column short; with T of the first
    batch; with int32 forced on all."""
    short = Trajectories.from_steps([[(1, 1, 4.0)]], last=[2], terminated=False)
    long = Trajectories.from_steps(EPISODES[:2], last=[4, 5])
    assert_same(Trajectories.concatenate([long, short]), three())
    narrow = replace(short, s=short.s.astype(np.int32))
    assert Trajectories.concatenate([narrow, narrow]).s.dtype == np.int32
    assert Trajectories.concatenate([narrow, long]).s.dtype == np.int64


def test_concatenation_refuses_half_a_field():
    """Seen failing: with the missing weights left out in silence; with an empty list accepted."""
    batch = three()
    with pytest.raises(ModelError, match="weight is None in batch 1 of 2, but not in all"):
        Trajectories.concatenate([replace(batch, weight=np.ones(3)), batch])
    with pytest.raises(ModelError, match="at least one batch"):
        Trajectories.concatenate([])


def test_arrays_cannot_be_written_but_the_callers_can():
    """Seen failing: without the view; without read-only."""
    r = np.zeros((3, 3))
    batch = replace(three(), r=r)
    r[0, 0] = 1.0
    for field in fields(Trajectories):
        value = getattr(batch, field.name)
        assert value is None or not value.flags.writeable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": np.zeros(3, dtype=int)}, r"a has shape \(3,\); it must be \(N, T\)"),
        ({"s": np.zeros((3, 3), dtype=int)}, r"s has shape \(3, 3\); it must be \(3, 4\)"),
        ({"mask": np.zeros((3, 4), dtype=bool)}, r"mask has shape \(3, 4\); it must be \(3, 3\)"),
        ({"terminated": np.zeros(2, dtype=bool)}, r"terminated has shape \(2,\); it must be \(3,"),
        ({"s": np.zeros((3, 4))}, "s is of type float64; it must hold integers: states"),
        ({"mask": np.zeros((3, 3))}, "mask is of type float64; it must hold bools"),
        ({"r": np.zeros((3, 3), dtype=bool)}, "r is of type bool; it must hold numbers"),
        ({"weight": np.zeros((3, 1))}, r"weight has shape \(3, 1\); it must be \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    """Seen failing: without the check of shapes; without that of types."""
    with pytest.raises(ModelError, match=message):
        replace(three(), **changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"episodes": [[(0, 1)]], "last": [1]}, r"step 0 of episode 0 is \(0, 1\); it must be"),
        ({"episodes": [[(0, 1, 1.0, 2)]], "last": [1]}, "The state after the last step goes into"),
        ({"episodes": [[(0, 0.5, 1.0)]], "last": [1]}, "the actions of episode 0 must be integers"),
        ({"episodes": [[(-1, 0, 1.0)]], "last": [1]}, "the states of episode 0 must be integers"),
        ({"episodes": [[(0, 0, "x")]], "last": [1]}, "the rewards of episode 0 is no array of"),
        ({"episodes": [[]], "last": [1, 2]}, r"last has shape \(2,\); it needs one state for each"),
        ({"episodes": [[]], "last": [0.5]}, "last must be integers >= 0"),
        ({"episodes": [[]], "last": [1], "terminated": [True, False]}, "terminated has shape"),
        ({"episodes": [[]], "last": [1], "terminated": 1}, "terminated has shape .* type int"),
        (
            {"episodes": [[(0, 0, 1.0)]], "last": [1], "logp": [[0.0, 0.0]]},
            r"logp of episode 0 has shape \(2,\); the episode has 1 steps",
        ),
    ],
)
def test_wrong_steps_are_refused(arguments, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        Trajectories.from_steps(**arguments)


def test_no_episode_at_all():
    """Seen failing: with max() of an empty list."""
    batch = Trajectories.from_steps([], last=[])
    assert (batch.n, batch.n_steps, batch.s.shape) == (0, 0, (0, 1))
