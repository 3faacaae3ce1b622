"""Alias tables: each law comes back from its cells, to round-off."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools.arrays import EPS
from mdptools.sampling._tables import alias, step_tables
from walks import END, OUTCOMES, PI, PI_BY_TIME, model


def laws_of(weights, keep, other):
    """What probability each cell's owner gets in its law, times the number of cells."""
    size = len(weights)
    own = np.bincount(np.arange(size), keep, size)
    return own + np.bincount(other, 1 - keep, size)


@pytest.mark.parametrize("spread", [0, 1, 4, 30])
@pytest.mark.parametrize("longest", [1, 2, 3, 9, 70])
def test_cells_add_up_to_the_laws(spread, longest):
    """Seen failing: with `1 + key` for `1 + key - demand`; with the next light cell for the filler;
    with the demand of all but the last light cell behind the end; without `cumsum - asked`; with
    cells of a padded column counted; with groups of a law one short."""
    rng = np.random.default_rng(longest)
    for _ in range(20):
        count = rng.integers(0, longest + 1, 40)
        offsets = np.concatenate(([0], np.cumsum(count)))
        weights = rng.random(offsets[-1]) ** spread + 1e-300
        keep, other = alias(weights, offsets)
        row = np.repeat(np.arange(40), count)
        expected = weights * (count / np.bincount(row, weights, 40).clip(1e-300))[row]
        np.testing.assert_array_less(np.abs(laws_of(weights, keep, other) - expected), 8 * 70 * EPS)
        assert ((keep >= 0) & (keep <= 1)).all()
        np.testing.assert_array_equal(row[other], row)


@pytest.mark.parametrize("pi", [PI, PI_BY_TIME], ids=["stationary", "by time"])
def test_steps_have_the_probabilities_of_the_model(pi):
    """Seen failing: without pi; with the policy of time 0 at all times; with `next_first` of the
    same time; with the branches of a terminal state kept."""
    tables = step_tables(model(horizon=3), pi)
    shares = np.where(np.arange(len(tables.keep)) % 2 == 0, tables.keep, 1 - tables.keep)
    for start in range(END):
        cells, first, state = tables.cells[start], tables.first[start], start
        for t in range(3):  # follow the first half of positive share that goes on
            found = {}
            for half in range(int(first), int(first + 2 * cells)):
                step = int(tables.action[half]), int(tables.next_state[half]), tables.reward[half]
                if shares[half] > 0:
                    found[step] = found.get(step, 0) + shares[half] / cells
            table = pi[t] if pi.ndim == 3 else pi
            expected = {
                (a, s, r): table[state][a] * p
                for a in range(2)
                for p, s, r in OUTCOMES.get((state, a), [])
                if table[state][a] > 0
            }
            assert found == pytest.approx(expected, abs=1e-15)
            on = [
                half
                for half in range(int(first), int(first + 2 * cells))
                if tables.next_cells[half] > 0
            ]
            assert all(tables.next_state[half] != END for half in on)
            half = on[0]
            state = int(tables.next_state[half])
            cells, first = tables.next_cells[half], tables.next_first[half]
