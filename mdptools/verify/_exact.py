"""The exact routes: every trajectory, or all that a program can draw; no error rates.

Takes     a `Question`.
Gives     a `Verdict`.
Source    formula: bias = sum over trajectories of P(trajectory) row - target. It is a rational
          function of the model's numbers: where these are random it is zero only if it must be.
Not here  which route is taken (`_check`), reasons (`_explain`), samples (`_sampled`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import FloatArray, readonly
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy, split_policy
from ..sampling import Trajectories
from ._enumeration import CHUNK, Sums, check_limit, chunk_for
from ._explain import explain
from ._moments import Moments
from ._question import (
    ROUNDOFF,
    ROUNDOFF_SINGLE,
    Question,
    claim,
    cut_words,
    offset,
    relative_roundoff,
    reward_roundoff,
)
from ._rows import Caller, each_batch
from ._styles import adapt_sampler
from ._tape import enumerate_program, program_moments
from ._targets import Answer
from ._tree import Tree, check_length
from ._verdict import Case, Verdict, Witness, witness_of

WIDE = 512  # no covariance matrix above so many coordinates
QUICK = 100_000  # reasons that need enumeration are not looked for among more trajectories
TOP = 5


class Enumeration:
    """All trajectories of a question, counted and not yet made.

    Parameters
    ----------
    question : Question
        With a model.
    mdp : MDP
        Its model.
    """

    def __init__(self, question: Question, mdp: MDP) -> None:
        self.question, self.mdp = question, mdp
        self.tree = Tree(mdp, question.acting)
        self.length, self.cut = _length(self.tree, question.horizon, question.limit, question.batch)
        self.count = self.tree.count(self.length)

    @property
    def fits(self) -> bool:
        """Whether there are few enough."""
        return bool(self.count**self.question.batch <= self.question.limit)

    def verdict(self) -> Verdict:
        """The verdict, or a ModelError that names the number if there are too many."""
        asked, mdp, tree, length = self.question, self.mdp, self.tree, self.length
        check_limit(mdp, self.count, asked.limit, length, asked.batch)
        honest = asked.answers(length if self.cut else None)
        shape, size = honest[0].value.shape, max(honest[0].value.size, 1)
        chunk = chunk_for(CHUNK, max(length, size))
        caller = Caller(asked.estimator, shape, asked.batch, asked.layout)
        sums = Sums("covariance" if size <= WIDE else "variance")
        for weights, rows, _ in each_batch(caller, tree, length, chunk):
            sums.add(weights, rows)
        moments = sums.moments(self.count)
        relative = relative_roundoff(caller.precision)
        judged = _judged(asked, honest, moments, sums.size, relative, reward_roundoff(mdp, length))
        if judged.biased and asked.batch == 1:
            seen = _with_trajectories(judged.witness, caller, tree, length, chunk)
            judged = replace(judged, witness=seen)
        case = Case(
            mdp,
            asked.policy,
            asked.behaviour,
            length,
            self.cut,
            asked.target,
            judged.answer,
            asked.batch,
        )
        n, notes = self.count**asked.batch, _notes(case, tree, judged)
        verdict = replace(_verdict("exact", judged, moments, n, length, notes), case=case)
        if not judged.biased or asked.up_to_scale:
            return verdict
        found = explain(verdict, enumerate=self.count <= QUICK)
        return replace(verdict, explanations=tuple(one for one in found if one.matches))


def by_tape(question: Question, limit: int) -> Verdict:
    """The verdict on one row of a sampler, from all that it can draw."""
    asked = question
    honest = asked.answers(None)
    rows = adapt_sampler(asked.estimator, honest[0].value.shape, asked.layout)

    def one(rng: Any) -> FloatArray:
        row: FloatArray = rows(1, rng)[0]
        return row

    # A program that draws from elsewhere has one path, and another answer each time.
    first, again = (next(enumerate_program(one, limit=limit))[1] for _ in range(2))
    if not np.array_equal(first, again):
        raise ModelError(
            "the sampler gives different answers for the same draws: some of its randomness does "
            "not come from the rng that it is handed, or it remembers earlier calls."
        )
    size = honest[0].value.size
    moments = program_moments(one, limit=limit, detail="covariance" if size <= WIDE else "variance")
    variance = np.zeros(size) if moments.variance is None else moments.variance
    relative = relative_roundoff(rows.precision)
    sizes = np.sqrt(moments.mean**2 + variance)
    judged = _judged(asked, honest, moments, sizes, relative, 0.0)
    notes = ["one row is what f(1, rng) returns; that f(n, rng) returns n of them is not checked"]
    return _verdict("tape", judged, moments, moments.count or 0, 0, tuple(notes))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A mean, and the honest answer that it was compared with.

    Attributes
    ----------
    answer : Answer
    biased : bool
    bias, mean : arrays of the target's shape
    scale, threshold, relative : float
    witness : Witness
    """

    answer: Answer
    biased: bool
    bias: FloatArray
    mean: FloatArray
    scale: float
    threshold: float
    relative: float
    witness: Witness
    up_to_scale: bool

    @property
    def claim(self) -> str:
        """What the mean is, or is not."""
        return claim(self.answer, up_to_scale=self.up_to_scale, biased=self.biased)


def _judged(
    asked: Question,
    honest: tuple[Answer, ...],
    moments: Moments,
    sizes: FloatArray,
    relative: float,
    floor: float,
) -> Judged:
    """The first honest answer that the mean equals; if none, the one to report against."""
    mean = moments.mean.reshape(honest[0].value.shape)
    found = []
    for answer in honest:
        scale = max(float(np.abs(answer.value).max(initial=0.0)), float(sizes.max(initial=0.0)))
        threshold = relative * scale + floor
        bias = offset(answer, mean, up_to_scale=asked.up_to_scale)
        biased = not np.abs(bias).max(initial=0.0) <= threshold  # so that nan is biased
        witness = witness_of(bias, mean, answer.value, asked.mdp, asked.layout)
        judged = Judged(
            answer, biased, bias, mean, scale, threshold, relative, witness, asked.up_to_scale
        )
        if not biased:
            return judged
        found.append(judged)
    return found[0]


def _verdict(
    route: str, judged: Judged, moments: Moments, n: int, length: int, notes: tuple[str, ...]
) -> Verdict:
    """The verdict, without its reasons."""
    size = judged.mean.size
    return Verdict(
        outcome="biased" if judged.biased else "unbiased",
        claim=judged.claim,
        route=route,
        target=judged.answer.value,
        mean=readonly(judged.mean),
        bias=readonly(judged.bias),
        covariance=moments.covariance,
        variance=np.zeros(size) if moments.variance is None else moments.variance,
        scale=judged.scale,
        threshold=judged.threshold,
        n=n,
        steps=length,
        mass=moments.mass,
        witness=judged.witness,
        notes=notes,
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


def _notes(case: Case, tree: Tree, judged: Judged) -> tuple[str, ...]:
    mdp, notes = case.mdp, []
    if case.cut:
        notes.append(cut_words(mdp, tree.pi, case.length))
    if judged.scale == 0:
        notes.append(
            "every row is zero, and so is the target: these trajectories decide nothing. Take a "
            "longer horizon or another model (mdptools.testing.models has some)"
        )
    if mdp.reward_std is not None:
        notes.append(
            "reward noise was enumerated as +-reward_std: exact for estimators that are affine in "
            "each reward, an approximation for others"
        )
    if judged.relative > ROUNDOFF:
        notes.append(
            f"rows of low precision: a bias up to {judged.relative:.2g} of their size counts as "
            "round-off"
        )
    elif judged.biased and np.abs(judged.bias).max() <= ROUNDOFF_SINGLE * judged.scale:
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
