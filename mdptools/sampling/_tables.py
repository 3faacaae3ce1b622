"""Alias tables: one uniform number decides action, successor and reward at once.

Takes     an MDP and a policy.
Gives     for each state cells of equal size, each split between at most two branches.
Source    Walker (1977), "An efficient method for generating discrete random variables with general
          distributions", ACM TOMS 3, 253-256; made by the sweep of Vose (1991) in closed form.
Not here  walking through them (`_rollout`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, FloatSA, IntArray
from ..model import MDP


@dataclass(frozen=True, slots=True, eq=False)
class StepTables:
    """What can happen in one step, by state; and by time, if the policy depends on it.

    Cell c has two halves, 2c and 2c + 1: its own branch, and the one that fills it up. A uniform
    number in [0, cells) chooses the cell by its whole part, the half by its fraction.

    Attributes
    ----------
    cells : (S,) array
        How many cells a state has at time 0; 0 if it is terminal.
    first : (S,) array of int
        The first half of its first cell.
    keep : (2C,) array
        Which share of its cell the first half has; the same for both halves.
    next_cells : (2C,) array
    next_first : (2C,) array of int
        ``cells`` and ``first`` of the successor, at the time of its next step.
    next_state, action : (2C,) arrays of int32
    reward, std, logp : (2C,) arrays
        Of the branch of each half: the mean of its reward, its noise, log pi(a | s).
    """

    cells: FloatArray
    first: IntArray
    keep: FloatArray
    next_cells: FloatArray
    next_first: IntArray
    next_state: NDArray[np.int32]
    action: NDArray[np.int32]
    reward: FloatArray
    std: FloatArray | None
    logp: FloatArray


def step_tables(mdp: MDP, pi: FloatSA) -> StepTables:
    """The tables of a model under pi, (S, A) or (H, S, A). Time and memory O(branches) or H times.

    A branch whose probability underflows to 0 is not drawn.
    """
    law, row = mdp.branches, mdp.branches.row
    chosen = pi.reshape(-1, mdp.R.size)[:, row]  # (1 or H, B)
    prob = np.where(mdp.terminal[row // mdp.n_actions], 0.0, chosen * law.prob)
    n_times = len(prob)
    time, branch = np.nonzero(prob)
    at = time * mdp.n_states + row[branch] // mdp.n_actions
    count = np.bincount(at, minlength=n_times * mdp.n_states)
    offsets = np.concatenate(([0], np.cumsum(count)))
    keep, other = alias(prob[time, branch], offsets)

    # From here on by halves. A time-dependent policy is not asked after its last time.
    time, branch = np.repeat(time, 2), np.stack((branch, branch[other]), axis=1).reshape(-1)
    successor = np.minimum(time + 1, n_times - 1) * mdp.n_states + law.next_state[branch]
    cells, first = count.astype(float), 2 * offsets[:-1]
    return StepTables(
        cells=cells[: mdp.n_states],
        first=first[: mdp.n_states],
        keep=np.repeat(keep, 2),
        next_cells=cells[successor],
        next_first=first[successor],
        next_state=law.next_state[branch].astype(np.int32),
        action=(row[branch] % mdp.n_actions).astype(np.int32),
        reward=law.reward[branch],
        std=None if mdp.reward_std is None else mdp.reward_std.reshape(-1)[row[branch]],
        logp=np.log(chosen[time, branch]),
    )


def alias(weights: FloatArray, offsets: IntArray) -> tuple[FloatArray, IntArray]:
    """Alias tables of many laws at once.

    Parameters
    ----------
    weights : (C,) array
        > 0; those of law i are ``offsets[i]:offsets[i + 1]``. They need not sum to one.
    offsets : (n + 1,) array of int

    Returns
    -------
    keep : (C,) array
        What share of cell c is c's own; in [0, 1].
    other : (C,) array of int
        Whose the rest is: a cell of the same law.

    Notes
    -----
    Scale each law to mean 1. The light cells, below 1, are filled up in their order by the heavy
    ones in theirs; a heavy cell that has nothing left to give is filled up by the next heavy one.
    With E_j what the heavy cells up to j can give, and D_i what the light ones before i have asked
    for: i is filled by the first heavy j with E_j > D_i, and heavy j is left with 1 + E_j - D at
    the first light cell with D >= E_j. Both are neighbours in one sorted list of all E and D, so
    nothing has to be done cell by cell. Errs by round-off, k eps in a law of k branches. Laws of
    similar sizes are treated together: time O(C log C), memory O(C).
    """
    keep, other = np.ones(len(weights)), np.arange(len(weights))
    count = np.diff(offsets)
    group = np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64)  # sizes 2^(g-1) < k <= 2^g
    for g in np.unique(group[count > 1]):
        laws = np.flatnonzero((group == g) & (count > 1))
        column = np.arange(1 << int(g))
        real = column < count[laws, None]
        cell = offsets[laws, None] + np.where(real, column, 0)
        share, filler = _sweep(np.where(real, weights[cell], 0.0), real)
        keep[cell[real]] = share[real]
        other[cell[real]] = np.take_along_axis(cell, filler, axis=1)[real]
    return keep, other


def _sweep(weights: FloatArray, real: np.ndarray) -> tuple[FloatArray, IntArray]:
    """Share (n, k) that each cell keeps and the column that fills it up; one law in each row."""
    n, width = weights.shape
    scaled = weights * (real.sum(axis=1) / weights.sum(axis=1))[:, None]
    heavy = scaled >= 1
    light = real & ~heavy
    asked = np.where(light, 1 - scaled, 0.0)
    given = np.where(heavy, scaled - 1, 0.0)
    key = np.where(heavy, given.cumsum(axis=1), asked.cumsum(axis=1) - asked)
    order = np.lexsort((light, key, ~real), axis=1)  # where equal, heavy cells stand first

    def ordered(x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(x, order, axis=1)

    key, light_here = ordered(key), ordered(light)
    next_heavy, next_light = _following(ordered(heavy)), _following(light_here)
    all_asked = np.append(key, asked.sum(axis=1, keepdims=True), axis=1)
    all_asked[:, :width][~light_here] = 0.0
    demand = np.take_along_axis(all_asked, next_light, axis=1)
    share = np.where(light_here, ordered(scaled), 1 + key - demand)
    has_filler = next_heavy < width  # round-off may leave the last cells without
    share = np.where(has_filler, np.clip(share, 0.0, 1.0), 1.0)
    filler = np.take_along_axis(order, np.where(has_filler, next_heavy, 0), axis=1)

    shares, fillers = np.empty((n, width)), np.empty((n, width), dtype=np.int64)
    np.put_along_axis(shares, order, share, axis=1)
    np.put_along_axis(fillers, order, filler, axis=1)
    return shares, fillers


def _following(marked: np.ndarray) -> IntArray:
    """The first marked column behind each column; the width where there is none."""
    n, width = marked.shape
    place = np.where(marked, np.arange(width), width)[:, ::-1]
    nearest = np.minimum.accumulate(place, axis=1)[:, ::-1]
    behind: IntArray = np.append(nearest[:, 1:], np.full((n, 1), width), axis=1)
    return behind
