"""Check an estimator: whether its mean is what it should be.

Takes     an estimator, an MDP, a policy, the name of what is estimated.
Gives     a `Verdict`: exact, by enumerating every trajectory, where there are few enough.
Source    formula: bias = sum over trajectories of P(trajectory) row - target. It is a rational
          function of the model's numbers: where these are random it is zero only if it must be.
Not here  reasons (`_explain`), sampling-based verdicts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, readonly
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy, split_policy
from ..sampling import Trajectories
from ._enumeration import CHUNK, LIMIT, Sums, check_limit, chunk_for, served
from ._explain import explain
from ._rows import Caller, Estimator, each_batch
from ._targets import Answer, answers
from ._tree import Tree, check_length, noisy_law
from ._verdict import Case, Verdict, Witness

ROUNDOFF = 1e-9  # relative, for float64 rows
ROUNDOFF_SINGLE = 3e-6  # for float32 rows
WIDE = 512  # no covariance matrix above so many coordinates
QUICK = 100_000  # reasons that need enumeration are not looked for among more trajectories
TOP = 5


def check_estimator(
    estimator: Estimator,
    mdp: MDP,
    policy: Any,
    *,
    target: Any = "policy_gradient",
    behaviour: Any = None,
    horizon: int | None = None,
    style: str = "batch",
    route: str = "auto",
    batch: int = 1,
    alpha: float = 1e-6,
    beta: float = 1e-3,
    tol: float = 0.01,
    rng: Any = 0,
    limit: int = LIMIT,
) -> Verdict:
    """Whether the mean of an estimator is what it estimates.

    Parameters
    ----------
    estimator : function Trajectories -> (N, D) or (N, *shape of the target) array
        One row for each trajectory.
    mdp : MDP
        With a horizon, or without: then trajectories are cut after ``horizon`` steps.
    policy : (family, theta), or pi, (S, A) or (H, S, A)
        A bare pi stands for the tabular softmax at theta = log pi.
    target : str, array, or function (mdp, policy) -> array
        A name in `TARGETS`, or what the mean should be.
    behaviour : pi, or (family, theta), optional
        Who acts, if not ``policy``; ``logp`` of the trajectories is theirs.
    horizon : int, optional
        Where to cut trajectories of a model without a horizon. If omitted: nowhere if every
        trajectory ends by itself, else after as many steps as ``limit`` allows.
    style : {"batch"}
        How the estimator is called: with many trajectories at once.
    route : {"auto", "exact"}
        Both enumerate.
    batch : int
        For estimators of a whole batch, such as one that subtracts the mean of the batch: it is
        called with so many independent trajectories at a time, for every tuple of them, and its
        rows (or its one row) are averaged. What the batches share is then in the mean.
    alpha, beta, tol, rng
        Error rates, tolerance and seed of a statistical verdict. An exact one needs none of them.
    limit : int
        More trajectories (or tuples of them) than that are refused.

    Returns
    -------
    Verdict
        ``outcome`` is "unbiased" or "biased"; ``claim`` says what the mean is, or is not.

    Raises
    ------
    ModelError
        If there are more trajectories than ``limit`` (the number is named); if the estimator
        returns the wrong number of rows, rows of another shape than the target, numbers that are
        not finite, or different answers for the same data.

    Notes
    -----
    Where some trajectories are cut, two answers are honest, and the claim says which it is: the
    target of the model that stops there (returns stop), or what these steps can tell of the target
    of the endless model (returns continued by the exact V). Targets named "..._infinite" accept
    only the second kind.

    A |bias| counts if it is above ``1e-9 scale`` (``3e-6 scale`` for float32 rows); scale is the
    largest of |target| and of the mean |row|, so that a target of zero is no special case. To that
    are added a few eps of the rewards, for targets that are zero because large numbers cancel.

    Time O(n) for n trajectories, about a second for a million if the estimator is vectorised.

    Examples
    --------
    >>> from mdptools import MDP, Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5, horizon=2)
    >>> family, theta = Softmax(mdp), np.zeros((1, 2))
    >>> def mine(batch):  # REINFORCE, but its return is not discounted
    ...     return family.accumulate(theta, batch.s[:, :-1], batch.a, batch.mask.astype(float)) * (
    ...         batch.r.sum(axis=1, keepdims=True)
    ...     )
    >>> verdict = check_estimator(mine, mdp, (family, theta))
    >>> verdict.outcome, verdict.bias, verdict.explanations[0].name
    ('biased', array([[-0.125,  0.125]]), 'nothing discounted')
    """
    _check_words(style, route)
    batch = check_count(batch, "batch")
    tree = Tree(served(mdp), policy if behaviour is None else behaviour)
    split_policy(mdp, policy)  # for its checks
    length, cut = _length(tree, horizon, limit, batch)
    count = tree.count(length)
    check_limit(mdp, count, limit, length, batch)
    honest = answers(mdp, policy, target, length if cut else None)
    shape = honest[0].value.shape
    size = max(honest[0].value.size, 1)
    chunk = chunk_for(CHUNK, max(length, size))
    caller = Caller(estimator, shape, batch)
    sums = Sums("covariance" if size <= WIDE else "variance")
    for weights, rows, _ in each_batch(caller, tree, length, chunk):
        sums.add(weights, rows)
    moments = sums.moments(count)
    mean = moments.mean.reshape(shape)
    relative = _relative(caller.precision)
    answer, scale, threshold = _nearest(honest, mean, sums.size, relative, _floor(tree, length))
    bias = mean - answer.value
    biased = not np.abs(bias).max(initial=0.0) <= threshold  # so that nan is biased
    witness = _witness(mdp, bias, mean, answer.value)
    if biased and batch == 1:
        witness = _with_trajectories(witness, caller, tree, length, chunk)
    case = Case(mdp, policy, behaviour, length, cut, target, answer, batch)
    verdict = Verdict(
        outcome="biased" if biased else "unbiased",
        claim=f"the mean of a row is {'not ' if biased else ''}{answer.claim}",
        route="exact",
        target=answer.value,
        mean=readonly(mean),
        bias=readonly(bias),
        covariance=moments.covariance,
        variance=np.zeros(size) if moments.variance is None else moments.variance,
        scale=scale,
        threshold=threshold,
        n=count**batch,
        steps=length,
        mass=moments.mass,
        witness=witness,
        notes=_notes(case, tree, scale, bias, relative=relative, biased=biased),
        case=case,
    )
    if not biased:
        return verdict
    found = explain(verdict, enumerate=count <= QUICK)
    return replace(verdict, explanations=tuple(one for one in found if one.matches))


def _check_words(style: str, route: str) -> None:
    if style != "batch":
        raise ModelError(
            f"style is {style!r}; what is served is 'batch', a function of Trajectories that "
            f"returns one row for each. For a function of one trajectory at a time: "
            f"lambda batch: np.stack([f(batch[i]) for i in range(batch.n)])."
        )
    if route not in ("auto", "exact"):
        raise ModelError(
            f"route is {route!r}; what is served is 'exact', which enumerates all trajectories, "
            f"and 'auto', which chooses it."
        )


def _length(tree: Tree, horizon: Any, limit: int, batch: int) -> tuple[int, bool]:
    """The number of steps, and whether some trajectories are cut there."""
    mdp = tree.mdp
    length = check_length(mdp, horizon)
    if mdp.horizon is not None:
        if length != mdp.horizon:
            raise ModelError(
                f"horizon is {horizon}, but the model ends after {mdp.horizon} actions. For "
                f"another horizon: mdp.with_objective(horizon={horizon})."
            )
        return mdp.horizon, False
    fits = limit if batch == 1 else _root(limit, batch)
    if length is None:
        length = tree.depth(fits) or max(tree.cap(fits), 1)
    return length, tree.is_cut(length)


def _root(limit: int, batch: int) -> int:
    """The largest n with n**batch <= limit."""
    n = int(limit ** (1 / batch)) + 1
    while n**batch > limit:
        n -= 1
    return n


def _relative(precision: float) -> float:
    """The round-off that is accepted, relative to the scale, by the type of the rows."""
    if precision <= EPS:
        return ROUNDOFF
    return max(ROUNDOFF_SINGLE, 25 * precision)


def _floor(tree: Tree, length: int) -> float:
    """Round-off of sums of rewards, which stays where they cancel."""
    law, final = noisy_law(tree.mdp), tree.mdp.final
    largest = float(np.abs(law.reward).max(initial=0.0))
    if final is not None:
        largest += float(np.abs(final).max())
    return 64 * EPS * length * largest


def _nearest(
    honest: tuple[Answer, ...],
    mean: FloatArray,
    sizes: FloatArray,
    relative: float,
    floor: float,
) -> tuple[Answer, float, float]:
    """The first honest answer that the mean equals; if none, the one to report against."""
    judged = []
    for answer in honest:
        scale = max(float(np.abs(answer.value).max(initial=0.0)), float(sizes.max(initial=0.0)))
        threshold = relative * scale + floor
        if np.abs(mean - answer.value).max(initial=0.0) <= threshold:
            return answer, scale, threshold
        judged.append((answer, scale, threshold))
    return judged[0]


def _witness(mdp: MDP, bias: FloatArray, mean: FloatArray, target: FloatArray) -> Witness:
    index = np.unravel_index(int(np.abs(bias).argmax()), bias.shape) if bias.size else ()
    at = tuple(int(i) for i in index)
    name = f"coordinate {list(at)}" if at else "the mean"
    if bias.shape == (mdp.n_states, mdp.n_actions):
        name = f"state {mdp.name_of_state(at[0])}, action {mdp.name_of_action(at[1])}"
    elif bias.shape == (mdp.n_states,):
        name = f"state {mdp.name_of_state(at[0])}"
    return Witness(at, name, float(bias[at]), float(mean[at]), float(target[at]))


def _with_trajectories(
    witness: Witness, caller: Caller, tree: Tree, length: int, chunk: int
) -> Witness:
    """The trajectories that push the mean furthest in the direction of the bias."""
    shape = caller.shape or ()
    column = int(np.ravel_multi_index(witness.index, shape)) if shape else 0
    best: Trajectories | None = None
    parts: FloatArray = np.zeros(0)
    for weights, rows, batch in each_batch(caller, tree, length, chunk):
        if batch is None:
            continue
        part = weights * (rows[:, column] - witness.target)
        top = np.argsort(-np.sign(witness.bias) * part, kind="stable")[:TOP]
        some = batch[top]
        best = some if best is None else Trajectories.concatenate([best, some])
        parts = np.concatenate((parts, part[top]))
        top = np.argsort(-np.sign(witness.bias) * parts, kind="stable")[:TOP]
        best, parts = best[top], parts[top]
    return replace(witness, trajectories=best, contributions=readonly(parts))


def _notes(
    case: Case, tree: Tree, scale: float, bias: FloatArray, *, relative: float, biased: bool
) -> tuple[str, ...]:
    mdp, notes = case.mdp, []
    if case.cut:
        notes.append(f"trajectories that run for {case.length} steps are cut there (truncated)")
    if scale == 0:
        notes.append(
            "every row is zero, and so is the target: these trajectories decide nothing. Take a "
            "longer horizon or another model (mdptools.testing.models has some)"
        )
    if mdp.reward_std is not None:
        notes.append(
            "reward noise was enumerated as +-reward_std: exact for estimators that are affine in "
            "each reward, an approximation for others"
        )
    if relative > ROUNDOFF:
        notes.append(
            f"rows of low precision: a bias up to {relative:.2g} of their size counts as round-off"
        )
    elif biased and np.abs(bias).max() <= ROUNDOFF_SINGLE * scale:
        notes.append(
            "a bias as small as this is what float32 arithmetic leaves: rows that are computed "
            "in float32 should be returned in float32"
        )
    if case.behaviour is not None:
        missing = _unsupported(case, tree)
        if missing:
            notes.append(missing)
    return tuple(notes)


def _unsupported(case: Case, tree: Tree) -> str:
    """What the policy does and the behaviour never does."""
    mdp = case.mdp
    pi = check_policy(mdp, split_policy(mdp, case.policy)[0])
    missing = np.argwhere((pi > 0) & (tree.pi == 0) & ~mdp.terminal[:, None])
    if not len(missing):
        return ""
    *_, s, a = (int(i) for i in missing[0])
    return (
        f"the behaviour never takes action {mdp.name_of_action(a)} in state "
        f"{mdp.name_of_state(s)}, which the policy takes: no importance weight makes up for that"
    )
