"""Trajectories: a batch of episodes as padded arrays.

Takes     arrays, or episodes written as lists of steps.
Gives     the noun that samplers make and estimators take.
Not here  drawing them (`_rollout`), their probabilities (`_log_prob`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, as_floats, readonly
from ..errors import ModelError
from ..markup import Html, Shown, facts, table

_PER_STEP = ("a", "r", "mask", "logp", "o")  # (N, T); s is (N, T+1), the others (N,)


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Trajectories(Shown):
    """N episodes of at most T steps; the shorter ones are padded.

    Behind the end of an episode ``s`` repeats its last state, ``a``, ``r`` and ``logp`` are 0 and
    ``mask`` is False. Each trajectory is terminated (it entered a terminal state, or reached the
    model's horizon), or truncated (a limit of the sampler cut it), never both.

    Attributes
    ----------
    s : (N, T+1) array of int
        ``s[:, t]`` is the state in which ``a[:, t]`` is taken.
    a : (N, T) array of int
    r : (N, T) array, reward units
        ``r[:, t]`` is the reward for ``a[:, t]``. Where a finite horizon H ends, ``gamma *
        final(s_H)`` is inside ``r[:, H-1]``.
    mask : (N, T) array of bool
        Which steps there are.
    terminated, truncated : (N,) arrays of bool
    logp : (N, T) array
        log pi(a_t | s_t) of the policy that acted; nan where nobody knows it.
    o : (N, T) array of int, optional
        Observations, where the policy saw nothing else.
    weight : (N,) array, optional
        Probabilities, where trajectories are enumerated and not drawn.

    Raises
    ------
    ModelError
        If the shapes or types do not fit together; if a mask has holes, or a trajectory is not
        either terminated or truncated.

    Notes
    -----
    All arrays are read-only. Samplers write them time by time: ``r.T[t]`` is contiguous in memory.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 2.0), (3, 0, -1.0)], [(0, 0, 1.0)]], last=[4, 4])
    >>> batch
    <Trajectories: 2 of up to 2 steps, 3 in all; 2 terminated, 0 truncated>
    >>> batch.s
    array([[0, 3, 4],
           [0, 4, 4]])
    >>> batch.lengths, batch[1].r
    (array([2, 1]), array([[1., 0.]]))
    """

    s: IntArray
    a: IntArray
    r: FloatArray
    mask: BoolArray
    terminated: BoolArray
    truncated: BoolArray
    logp: FloatArray
    o: IntArray | None = None
    weight: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.a)
        if len(shape) != 2:
            raise ModelError(f"a has shape {shape}; it must be (N, T), padded with 0.")
        n, n_steps = shape
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            array = np.asarray(value).view()  # the caller's own array stays as writable as it was
            wanted = shape if field.name in _PER_STEP else (n,)
            wanted = (n, n_steps + 1) if field.name == "s" else wanted
            if array.shape != wanted:
                raise ModelError(
                    f"{field.name} has shape {array.shape}; it must be {wanted}, as a is (N, T) = "
                    f"{shape}."
                )
            kinds, words = _KINDS.get(field.name, ("fc", "numbers"))
            if kinds == "fc" and array.dtype.kind in "iu":
                array = array.astype(float)
            if array.dtype.kind not in kinds:
                raise ModelError(f"{field.name} is of type {array.dtype}; it must hold {words}.")
            object.__setattr__(self, field.name, readonly(array))
        self._check_ends()

    def _check_ends(self) -> None:
        """Each episode is a run of steps, then padding, and ends in one of two ways."""
        gaps = np.argwhere(self.mask[:, 1:] > self.mask[:, :-1])
        if len(gaps):
            i, t = (int(k) for k in gaps[0])
            raise ModelError(
                f"mask[{i}] is False at step {t} and True at step {t + 1}: an episode has no "
                f"holes; behind its end mask stays False. An episode that was reset is another row."
            )
        both = np.flatnonzero(self.terminated == self.truncated)
        if len(both):
            i = int(both[0])
            how = "both terminated and truncated" if self.terminated[i] else "neither"
            raise ModelError(
                f"trajectory {i} is {how}: it must be one of the two, terminated (it ended by "
                f"itself) or truncated (it was cut)."
            )

    # -- sizes -------------------------------------------------------------------------------
    @property
    def n(self) -> int:
        """N, the number of trajectories."""
        return len(self.a)

    @property
    def n_steps(self) -> int:
        """T, the number of steps that there is room for."""
        return int(self.a.shape[1])

    @property
    def n_transitions(self) -> int:
        """The number of steps taken, padding not counted."""
        return int(np.count_nonzero(self.mask))

    @property
    def lengths(self) -> IntArray:
        """(N,), the number of steps of each trajectory."""
        return readonly(np.count_nonzero(self.mask, axis=1).astype(np.int64))

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return (
            f"<Trajectories: {self.n} of up to {self.n_steps} steps, {self.n_transitions} in all; "
            f"{np.count_nonzero(self.terminated)} terminated, "
            f"{np.count_nonzero(self.truncated)} truncated>"
        )

    def _shown(self) -> Iterator[Html]:
        """For notebooks: how many there are, and the first of them."""
        yield facts(
            [
                ("trajectories", self.n),
                ("steps", f"{self.n_transitions:,} in all, up to {self.n_steps:,} in one"),
                ("terminated", int(np.count_nonzero(self.terminated))),
                ("truncated", int(np.count_nonzero(self.truncated))),
            ]
        )
        yield table(
            ["trajectory", "steps", "sum of rewards", "states"],
            (
                [i, length, float(self.r[i, :length].sum()), self.s[i, : length + 1]]
                for i, length in enumerate(self.lengths.tolist())
            ),
            total=self.n,
            what="trajectory/trajectories",
        )

    # -- parts and sums ----------------------------------------------------------------------
    def __getitem__(self, index: Any) -> Trajectories:
        """Some of the trajectories; ``batch[i]`` is a batch of one. T stays as it is.

        ``index`` is an int, a slice, a mask (N,) or an array of ints.
        """
        chosen = index
        if not isinstance(index, slice) and np.ndim(index) == 0:
            i = operator.index(index)
            if not -self.n <= i < self.n:
                raise IndexError(f"trajectory {i} of {self.n}")
            chosen = slice(i % self.n, i % self.n + 1)
        parts: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, x in parts.items():
            parts[name] = None if x is None else x[chosen]
        return Trajectories(**parts)

    @classmethod
    def concatenate(cls, batches: Sequence[Trajectories]) -> Trajectories:
        """One batch of several, padded to the longest.

        Parameters
        ----------
        batches : sequence of Trajectories
            At least one. All have ``o`` and ``weight``, or none.

        Returns
        -------
        Trajectories

        Raises
        ------
        ModelError
            If there is none, or some have ``o`` or ``weight`` and some have not.

        Examples
        --------
        >>> one = Trajectories.from_steps([[(0, 0, 1.0)]], last=[1])
        >>> two = Trajectories.from_steps([[(2, 1, 0.5), (0, 0, 1.0)]], last=[1])
        >>> Trajectories.concatenate([one, two]).s
        array([[0, 1, 1],
               [2, 0, 1]])
        """
        parts = list(batches)
        if not parts:
            raise ModelError("concatenate needs at least one batch.")
        n, n_steps = sum(b.n for b in parts), max(b.n_steps for b in parts)
        joined: dict[str, Any] = {}
        for field in fields(cls):
            arrays = [getattr(b, field.name) for b in parts]
            missing = [i for i, x in enumerate(arrays) if x is None]
            if missing:
                if len(missing) < len(arrays):
                    raise ModelError(
                        f"{field.name} is None in batch {missing[0]} of {len(arrays)}, but not in "
                        f"all: leave it out of all, or give it to all."
                    )
                continue
            if arrays[0].ndim == 1:
                joined[field.name] = np.concatenate(arrays)
                continue
            width = n_steps + 1 if field.name == "s" else n_steps
            whole = np.zeros((width, n), dtype=np.result_type(*arrays)).T
            row = 0
            for x in arrays:
                whole[row : row + len(x), : x.shape[1]] = x
                if field.name == "s":
                    whole[row : row + len(x), x.shape[1] :] = x[:, -1:]
                row += len(x)
            joined[field.name] = whole
        return cls(**joined)

    @classmethod
    def from_steps(
        cls,
        episodes: Sequence[Sequence[tuple[int, int, float]]],
        last: Any,
        *,
        terminated: Any = True,
        logp: Sequence[Sequence[float]] | None = None,
    ) -> Trajectories:
        """A batch from episodes that were collected step by step.

        Parameters
        ----------
        episodes : N lists of (s, a, r)
            The state, the action taken there and its reward, in order. A list may be empty.
        last : (N,) array_like of int
            The state after the last step of each episode (where it is empty: its only state).
        terminated : bool or (N,) array_like of bool
            Whether the episode ended by itself; otherwise it was truncated.
        logp : N lists of float, optional
            log pi(a | s) of each step under the policy that acted. nan if omitted: then no
            estimator can weigh them by importance ratios.

        Returns
        -------
        Trajectories

        Raises
        ------
        ModelError
            Naming the episode and the step that is wrong.

        Examples
        --------
        >>> batch = Trajectories.from_steps(
        ...     [[(0, 1, 2.0)], []], last=[3, 3], terminated=[False, True]
        ... )
        >>> batch.r, batch.truncated
        (array([[2.],
               [0.]]), array([ True, False]))
        """
        n = len(episodes)
        final = _integers(last, "last")
        if final.shape != (n,):
            raise ModelError(f"last has shape {final.shape}; it needs one state for each of {n}.")
        ended = np.asarray(terminated)
        if ended.dtype != np.bool_ or ended.shape not in ((), (n,)):
            raise ModelError(
                f"terminated has shape {ended.shape} and type {ended.dtype}; it must be True, "
                f"False, or one of them for each of {n} episodes."
            )
        n_steps = max((len(steps) for steps in episodes), default=0)
        s = np.tile(final, (n_steps + 1, 1)).T
        a, r = np.zeros((n_steps, n), np.int64).T, np.zeros((n_steps, n)).T
        mask, known = np.zeros((n_steps, n), bool).T, np.zeros((n_steps, n)).T
        for i, steps in enumerate(episodes):
            length = len(steps)
            if not length:
                continue
            table = _steps(steps, i)
            s[i, :length] = _integers(table[0], f"the states of episode {i}")
            a[i, :length] = _integers(table[1], f"the actions of episode {i}")
            r[i, :length] = as_floats(table[2], f"the rewards of episode {i}")
            mask[i, :length] = True
            known[i, :length] = np.nan
            if logp is not None:
                given = as_floats(logp[i], f"logp of episode {i}")
                if given.shape != (length,):
                    raise ModelError(
                        f"logp of episode {i} has shape {given.shape}; the episode has {length} "
                        f"steps."
                    )
                known[i, :length] = given
        ended = np.broadcast_to(ended, (n,)).copy()
        return cls(s=s, a=a, r=r, mask=mask, terminated=ended, truncated=~ended, logp=known)


_KINDS = {
    "s": ("iu", "integers: states"),
    "a": ("iu", "integers: actions"),
    "o": ("iu", "integers: observations"),
    "mask": ("b", "bools"),
    "terminated": ("b", "bools"),
    "truncated": ("b", "bools"),
}


def _integers(x: Any, name: str) -> IntArray:
    """``x`` as int64, if it holds integers >= 0."""
    array = np.asarray(x)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu" or (array < 0).any():
        raise ModelError(f"{name} must be integers >= 0; got {array.tolist()!r:.80}.")
    return array.astype(np.int64)


def _steps(steps: Sequence[tuple[int, int, float]], i: int) -> tuple[list[Any], ...]:
    """States, actions and rewards of one episode, as three lists."""
    for t, step in enumerate(steps):
        if len(step) != 3:
            raise ModelError(
                f"step {t} of episode {i} is {step!r:.80}; it must be (s, a, r). The state after "
                f"the last step goes into last=."
            )
    states, actions, rewards = zip(*steps, strict=True)
    return list(states), list(actions), list(rewards)
