"""Enumeration: every trajectory with its probability, and exact means over all of them.

Takes     an MDP, a policy, a number of steps; a function of trajectories.
Gives     batches of `Trajectories` whose weights are probabilities; `Moments`.
Source    formula: E[f] = sum over trajectories of P(trajectory) f(trajectory).
Not here  what the mean should be (`_targets`), recursions that need no enumeration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ..policies import split_policy
from ..sampling import Trajectories
from ._moments import Moments
from ._rows import Caller, Estimator, each_batch
from ._tree import Tree, check_length, words

Detail = Literal["covariance", "variance", "mean"]

LIMIT = 2_000_000
CHUNK = 2**16
_NUMBERS = 2**23  # so many float64 in the rows of one chunk: 64 MB


def enumerate_trajectories(
    mdp: MDP,
    policy: Any,
    *,
    horizon: int | None = None,
    limit: int = LIMIT,
    chunk: int = CHUNK,
) -> Iterator[Trajectories]:
    """Every trajectory of positive probability, once, in batches.

    Parameters
    ----------
    mdp : MDP
        Of any objective but average reward.
    policy : pi, (S, A) or (H, S, A), or (family, theta)
        Who acts.
    horizon : int, optional
        A cap on the number of actions; what reaches it is ``truncated``, except at the model's own
        horizon, which terminates and pays ``final`` inside the last reward. Without a horizon and
        without a cap every path must end by itself.
    limit : int
        More trajectories than that are refused before the first one is made.
    chunk : int
        At most about so many trajectories in one batch.

    Yields
    ------
    Trajectories
        ``weight`` holds the probabilities, ``logp`` the logarithms of the policy's. All batches
        have the same number of steps; a start in a terminal state has length 0.

    Raises
    ------
    ModelError
        Naming the number of trajectories, if it is above ``limit``; if paths never end.

    Notes
    -----
    Breadth first until a level is larger than ``chunk``, then half by half: memory O(chunk T),
    time O(T) for each trajectory. Outcomes equal in (a, s', r) are one branch. Gaussian noise on
    rewards becomes +-reward_std with probability 1/2 each, which is exact for the mean and
    covariance of estimators that are affine in each reward.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], mu=[1.0, 0.0], horizon=2)
    >>> for batch in enumerate_trajectories(mdp, [[1.0], [1.0]]):
    ...     print(batch.s.tolist(), batch.weight.tolist())
    [[0, 0, 0], [0, 0, 1], [0, 1, 1]] [0.25, 0.25, 0.5]
    """
    tree = Tree(served(mdp), policy)
    length = _length(tree, horizon, limit)
    check_limit(mdp, tree.count(length), limit, length)
    return tree.batches(length, check_count(chunk, "chunk"))


def count_trajectories(mdp: MDP, policy: Any, *, horizon: int | None = None) -> int:
    """How many trajectories have positive probability, without making one.

    Parameters
    ----------
    mdp, policy, horizon
        As for `enumerate_trajectories`.

    Returns
    -------
    int
        Exact below 2**53, right to 15 digits above.

    Raises
    ------
    ModelError
        If paths never end and there is no horizon.

    Notes
    -----
    Counts of paths into each state, step by step: O(T S^2 A).

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.5, 0.5]]], [[1.0], [0.0]], mu=[1.0, 0.0], gamma=0.9)
    >>> count_trajectories(mdp, [[1.0], [1.0]], horizon=20) == 2**20
    True
    """
    tree = Tree(served(mdp), policy)
    return tree.count(_length(tree, horizon, None))


def exact_moments(
    estimator: Estimator,
    mdp: MDP,
    policy: Any,
    *,
    behaviour: Any = None,
    horizon: int | None = None,
    batch: int = 1,
    detail: Detail = "covariance",
    limit: int = LIMIT,
    chunk: int = CHUNK,
) -> Moments:
    """Exact mean and covariance of any function of trajectories.

    Parameters
    ----------
    estimator : function Trajectories -> (N, ...) array
        One row for each trajectory. With ``batch`` > 1 it is called with one batch at a time, and
        returns a row for each of its trajectories, (batch, ...), which are averaged, or one row,
        (1, ...), or a number. A flat answer of ``batch`` numbers might be either and is refused.
        Such a batch has no ``weight``, as one that was drawn.
    mdp, policy, horizon
        As for `enumerate_trajectories`.
    behaviour : pi, or (family, theta), optional
        Who acts instead of ``policy``.
    batch : int
        Number of independent trajectories that make one estimate. All tuples are tried: the number
        of calls is that of trajectories to this power.
    detail : {"covariance", "variance", "mean"}
    limit : int
        On the number of trajectories, or of tuples.
    chunk : int
        At most about so many trajectories in one call; fewer if rows are long.

    Returns
    -------
    Moments
        ``mean`` (D,), rows flattened; ``mass`` is the sum of all probabilities.

    Raises
    ------
    ModelError
        As `enumerate_trajectories`; if the estimator returns another number of rows, what might be
        one row or several, numbers that are not finite, or another answer when it is asked again.

    Notes
    -----
    Sums are taken pairwise within a chunk and compensated (Neumaier 1974) from chunk to chunk; the
    covariance around the mean of the first chunk. Time O(n (T + D^2)) beside the estimator's own,
    memory O(chunk (T + D)).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> found = exact_moments(lambda batch: batch.r.sum(axis=1), mdp, [[0.5, 0.5]])
    >>> found.mean, found.covariance, found.count
    (array([1.]), array([[0.5]]), 4)
    """
    tree = Tree(served(mdp), policy if behaviour is None else behaviour)
    batch = check_count(batch, "batch")
    length = _length(tree, horizon, limit)
    n = tree.count(length)
    check_limit(mdp, n, limit, length, batch)
    sums = Sums(detail)
    width = max(length, split_policy(mdp, policy)[1].size)
    chunk = chunk_for(check_count(chunk, "chunk"), width)
    for weights, rows, _ in each_batch(Caller(estimator, batch=batch), tree, length, chunk):
        sums.add(weights, rows)
    return sums.moments(n)


def chunk_for(chunk: int, width: int) -> int:
    """Fewer trajectories at once where their rows are long."""
    return max(min(chunk, _NUMBERS // max(width, 1)), min(chunk, 256))


def check_limit(mdp: MDP, count: int, limit: int, length: int, batch: int = 1) -> None:
    """Pass if so many trajectories, or tuples of ``batch`` of them, may be enumerated."""
    total = count**batch
    if total <= limit:
        return
    what = f"{words(count)} trajectories of up to {length} steps"
    if batch > 1:
        what = f"{words(total)} batches of {batch} of the {what}"
    shorter = "a smaller horizon=" if mdp.horizon is None else "mdp.with_objective(horizon=...)"
    raise ModelError(
        f"there are {what}, more than limit={limit:,}: too many to enumerate. Use {shorter}, a "
        f"smaller model, or a larger limit= (about a million a second for a vectorised estimator)."
    )


def served(mdp: MDP) -> MDP:
    """The model, if it has episodes; average reward has none."""
    if mdp.objective == "average":
        raise ModelError(
            "a model of average reward has no episodes, hence no trajectories to enumerate: look "
            "at it under another objective, mdp.with_objective(horizon=...)."
        )
    return mdp


def _length(tree: Tree, horizon: Any, limit: int | None) -> int:
    """The number of steps of every path; without a horizon the depth of the tree."""
    length = check_length(tree.mdp, horizon)
    if length is None:
        # Who only counts is not stopped by a limit.
        length = tree.depth(2**1000 if limit is None else limit)
    if length is None:
        raise ModelError(
            "without a horizon some trajectories go on for ever, or there are too many of them. "
            "Give horizon=: a cap on the number of actions."
        )
    return length


class Sums:
    """Sums of p, p x, p |x| and p (x - c)(x - c)' over batches of rows.

    Parameters
    ----------
    detail : {"covariance", "variance", "mean"}
    """

    def __init__(self, detail: Detail) -> None:
        self.detail = detail
        self.centre: FloatArray | None = None
        self._mass = Compensated()
        self._mean = Compensated()
        self._size = Compensated()
        self._square = Compensated()

    def add(self, weights: FloatArray, rows: FloatArray) -> None:
        """One more batch: probabilities (n,), rows (n, D)."""
        weighted = weights[:, None] * rows
        if self.centre is None:
            self.centre = pairwise(weighted) / max(float(weights.sum()), 1e-300)
        self._mass.add(pairwise(weights[:, None]))
        self._mean.add(pairwise(weighted))
        self._size.add(pairwise(np.abs(weighted)))
        if self.detail == "mean":
            return
        away = rows - self.centre
        if self.detail == "variance":
            self._square.add(pairwise(weights[:, None] * away**2))
        else:
            self._square.add(away.T @ (weights[:, None] * away))

    @property
    def size(self) -> FloatArray:
        """E|x|, (D,)."""
        return self._size.total

    def moments(self, count: int) -> Moments:
        """Mean and covariance of all rows that were added."""
        mean, mass = self._mean.total, float(self._mass.total[0])
        if self.detail == "mean":
            return Moments(mean, None, mass=mass, count=count)
        away = mean - mass * np.asarray(self.centre)
        if self.detail == "variance":
            variance = np.maximum(self._square.total - away**2 / mass, 0.0)
            return Moments(mean, variance, mass=mass, count=count)
        covariance = self._square.total - np.outer(away, away) / mass
        covariance = (covariance + covariance.T) / 2
        variance = np.maximum(np.diag(covariance), 0.0)
        return Moments(mean, variance, covariance, mass=mass, count=count)


class Compensated:
    """A sum of arrays that remembers what rounding took away (Neumaier 1974)."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._lost: FloatArray = np.zeros(())

    def add(self, x: FloatArray) -> None:
        """One more term."""
        if self._sum is None:
            self._sum, self._lost = np.array(x), np.zeros_like(x)
            return
        total = self._sum + x
        larger = np.abs(self._sum) >= np.abs(x)
        self._lost += np.where(larger, (self._sum - total) + x, (x - total) + self._sum)
        self._sum = total

    @property
    def total(self) -> FloatArray:
        """The sum, with what was lost put back."""
        if self._sum is None:
            raise AssertionError("nothing was added")
        return self._sum + self._lost


def pairwise(x: FloatArray) -> FloatArray:
    """The sum over the first axis, by halves: errors grow with log n instead of n."""
    while len(x) > 1:
        half = len(x) // 2
        folded = x[:half] + x[half : 2 * half]
        if len(x) % 2:
            folded[0] += x[-1]
        x = folded
    total: FloatArray = x[0]
    return total
