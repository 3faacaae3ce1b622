"""The gradient report: every gradient estimator beside the exact gradient, on one model.

Takes     an MDP, a policy, a number of trajectories to sample.
Gives     `GradientReport`: for each estimator its exact bias and standard deviation from the
          recursions, and what a seeded sample gave.
Source    the recursions of `_reward_to_go` and `_whole_return`.
Not here  estimators of the user's own (`_check`), the page that is printed (cli).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatSA
from ..checks import check_count, check_rng, check_served
from ..estimators import actor_critic, gpomdp, reinforce
from ..evaluation import evaluate
from ..gradients import Gradient, policy_gradient
from ..markup import Html, Shown, facts, listed, table
from ..model import MDP
from ..policies import Family, split_policy, uniform_policy
from ..sampling import Trajectories, rollout
from ..structure import is_proper
from ..words import bounded
from ._moments import Moments
from ._report_words import REPORT_COLUMNS, REPORT_HEAD, cells, notes
from ._reward_to_go import reward_to_go_moments
from ._whole_return import whole_return_moments

CUT = 1e-6  # the share of the weight that a cap may cut off without being spoken of
MOST_STEPS = 2_000  # a cap for episodes that go on
WORK = 2_000_000  # transitions that are sampled, at most
ROWS = 1_000_000  # numbers in one batch of estimator rows
EXACT_WORK = 2_000_000_000  # steps times (S, A, D): some seconds for one recursion
FAR = 10.0  # by Chebyshev a mean is that many standard errors off once in 100 samples


@dataclass(frozen=True, slots=True, eq=False)
class EstimatorRow(Shown):
    """One estimator: what it gives exactly, and what a sample of it gave.

    Attributes
    ----------
    name : str
    promise : {"unbiased", "biased"}
        What theory says of it on this model: the bias that visits, values and the critic predict.
    bias : float
        |mean - gradient|, Euclidean; exact.
    relative_bias : float or None
        bias / |gradient|; None where |gradient| is below its certificate.
    deviation : float
        Standard deviation of one trajectory's row: the root of the summed variances.
    needed : float or None
        Trajectories for an error of 10 % of |gradient| (root mean square); inf if the bias alone
        is larger; None where |gradient| is below its certificate.
    sampled : float or None
        |sample mean - gradient| in standard errors; about 1 if unbiased. None if the deviation is
        infinite or 0, or if it is that of whole episodes while those sampled are cut.
    agrees : bool
        Whether the sample is within 10 standard errors of the exact mean, where they can be
        compared. By Chebyshev's inequality at most one sample in 100 is not, whatever its law.
    outcome : {"unbiased", "biased"}
    cap : int or None
        The steps after which the episodes of the exact numbers are cut; None for whole episodes.
    note : str
        Why the deviation is infinite.
    """

    name: str
    promise: Literal["unbiased", "biased"]
    bias: float
    relative_bias: float | None
    deviation: float
    needed: float | None
    sampled: float | None
    agrees: bool
    outcome: Literal["unbiased", "biased"]
    cap: int | None
    note: str

    @property
    def holds(self) -> bool:
        """Whether the verdict is the promised one and the sample agrees."""
        return self.outcome == self.promise and self.agrees


@dataclass(frozen=True, slots=True, eq=False)
class GradientReport(Shown):
    """Exact truth beside sampled estimators.

    Attributes
    ----------
    gradient : Gradient
        The exact policy gradient of the model, J and their certificates.
    norm : float
        |gradient|, Euclidean.
    rows : tuple of EstimatorRow
    n : int
        Trajectories sampled.
    n_transitions : int
    cap : int or None
        Where episodes are cut; None if all ran to their end.
    cut : float
        The share of the weight sum_t gamma^t Pr(running at t) that the cap cuts off.
    cap_bias : float or None
        What the cap does to the gradient, where the exact columns are those of capped episodes.
    wrong_critic : str
        Whose values the wrong critic holds.
    stopped : str
        By what the sample was stopped; empty if it was not. The exact columns are whole.
    """

    gradient: Gradient
    norm: float
    rows: tuple[EstimatorRow, ...]
    n: int
    n_transitions: int
    cap: int | None
    cut: float
    cap_bias: float | None
    wrong_critic: str
    stopped: str = ""

    @property
    def holds(self) -> bool:
        """Whether every row is as promised."""
        return all(row.holds for row in self.rows)

    def cells(self) -> list[list[str]]:
        """The table in words: for each row its name, bias, share of |g| and so on."""
        return [cells(row) for row in self.rows]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the table does not say: where episodes are cut, and what does not hold."""
        return tuple(notes(self))

    def _shown(self) -> Iterator[Html]:
        """For notebooks: J, |g| and the table."""
        J, known = self.gradient.J, self.gradient.evaluation.J_certificate.bound
        norm = bounded(self.norm, self.gradient.certificate.bound)
        yield facts([("J", bounded(J, known)), ("|g|", norm), ("trajectories", self.n)])
        yield table(REPORT_HEAD, self.cells(), what="estimator", right=set(REPORT_HEAD[1:-1]))
        yield listed([REPORT_COLUMNS, *self.notes])


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An estimator: its rows from trajectories, its exact moments, and what theory predicts."""

    name: str
    estimate: Callable[[Trajectories], FloatArray]
    moments: Callable[[int | None], Moments]
    predicted: FloatArray | None = None  # its bias; None says that there is none
    discounted: bool = True  # whether what happens late counts little
    bootstraps: bool = False  # whether a cut episode goes on in its critic


def gradient_report(
    mdp: MDP,
    policy: Any,
    *,
    n: int | None = None,
    rng: Any = 0,
    progress: Callable[[str], object] | None = None,
) -> GradientReport:
    """Exact bias and spread of every gradient estimator, beside a sample of each.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite or total.
    policy : pi (S, A), or (family, theta)
    n : int, optional
        Trajectories to sample; as many as some seconds allow if omitted.
    rng : Generator or int
        The same seed gives the same report.
    progress : function of str, optional
        Told what is being done.

    Returns
    -------
    GradientReport

    Raises
    ------
    ModelError
        As `policy_gradient`.

    Notes
    -----
    The exact columns are those of whole episodes. Where a cap cuts off more than 1e-6 of the
    weight they are those of the capped estimator, beside the gradient of the first ``cap`` steps:
    returns stop there, a critic stands for what would follow. ``cap_bias`` says what the cap does
    to the gradient. An estimator in which late steps count as much as early ones may be cut where
    the others are not: `EstimatorRow.cap`. Where so many steps of the recursion would take too
    long and episodes end almost surely, whole episodes are left, and no sample to compare. Ctrl-C
    ends the sample; the report is that of the batches that were complete, if there is one.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> mdp = line_world(gamma=0.9)
    >>> report = gradient_report(mdp, [[0.5, 0.5]] * 5, n=1000)
    >>> [row.name for row in report.rows if row.outcome == "biased"]
    ['gamma^t left out', 'actor-critic, wrong V']
    """
    check_served(mdp, "gradient_report", "discounted", "finite", "total", instead="evaluate")
    say = progress or (lambda _: None)
    say("the exact gradient")
    pi, family, theta = split_policy(mdp, policy)
    gradient = policy_gradient(mdp, family, theta)
    laws = _laws(mdp, pi)
    running = laws.sum(axis=1)
    ends = is_proper(mdp, pi)
    cap, cut = _cap(mdp, running, gradient.evaluation.Z, ends=ends)
    capped = cap is not None and cut > CUT
    expected = float(running[:cap].sum()) if cap else float(mdp.horizon or 1)
    n = max(100, min(20_000, int(WORK / max(expected, 1.0)))) if n is None else n
    check_count(n, "n")
    target = gradient.value.reshape(-1)
    cut_target = bootstrapped = target
    visits = gradient.evaluation.visits
    if cap is not None:
        say("what the cap does")
        shorter = policy_gradient(mdp.with_objective(horizon=cap), family, theta)
        cut_target = shorter.value.reshape(-1)
        visits = (mdp.gamma ** np.arange(cap)) @ laws[:cap]
        bootstrapped = _pulled(mdp, family, theta, visits, gradient.evaluation.A)
    wrong_name, wrong = _wrong_critic(mdp, pi)
    values = gradient.evaluation.V if not capped else shorter.evaluation.V
    baseline = values[:-1] if values.ndim == 2 else values  # V of the end is no baseline
    candidates = list(
        _candidates(mdp, (family, theta), gradient, laws[:cap], visits, baseline, wrong)
    )
    say(f"{n} trajectories")
    sampled, stopped = (np.zeros((len(candidates), family.size)), 0, 0), ""
    generator = check_rng(rng)
    try:
        for batch in _batches(mdp, pi, n, cap, family.size, expected, generator):
            of_batch = np.stack([one.estimate(batch).sum(axis=0) for one in candidates])
            # at once: what an interruption leaves must fit together
            sampled = (
                sampled[0] + of_batch,
                sampled[1] + batch.n,
                sampled[2] + batch.n_transitions,
            )
    except KeyboardInterrupt:
        if not sampled[1]:
            raise
        stopped = f"the sample was stopped by Ctrl-C after {sampled[1]:,} of {n:,} trajectories"
    sums, n, n_transitions = sampled
    rows = []
    for total, candidate in zip(sums, candidates, strict=True):
        say(candidate.name)
        late = cap is not None and not candidate.discounted and running[cap:].sum() > CUT
        row_cap = cap if capped or late else None
        if row_cap and ends and row_cap * mdp.R.size * family.size > EXACT_WORK:
            row_cap = None
        sample_mean = total / n if row_cap or not (capped or late) else None
        stops = bootstrapped if candidate.bootstraps else cut_target
        truth = stops if row_cap else target
        rows.append(_row(candidate, row_cap, sample_mean, n, truth, gradient))
    return GradientReport(
        gradient=gradient,
        norm=float(np.linalg.norm(target)),
        rows=tuple(rows),
        n=n,
        n_transitions=n_transitions,
        cap=cap,
        cut=cut,
        cap_bias=float(np.linalg.norm(cut_target - target)) if capped else None,
        wrong_critic=wrong_name,
        stopped=stopped,
    )


def _laws(mdp: MDP, pi: FloatSA) -> FloatArray:
    """Pr(s_t = s, the episode is running), (T, S): to the horizon or 2 MOST_STEPS."""
    steps = mdp.horizon or 2 * MOST_STEPS
    laws = np.zeros((steps, mdp.n_states))
    law = np.where(mdp.terminal, 0.0, mdp.mu)
    timed = np.broadcast_to(pi, (steps, *mdp.allowed.shape))
    for t in range(steps):
        laws[t] = law
        law = kernel.push(mdp.P, law[:, None] * timed[t])
        law[mdp.terminal] = 0.0
        if law.sum() < 1e-18:
            break
    return laws


def _cap(mdp: MDP, running: FloatArray, whole: float, *, ends: bool) -> tuple[int | None, float]:
    """Where to cut episodes, and how much of the weight that cuts off."""
    if mdp.horizon is not None:
        return None, 0.0
    weight = running * mdp.gamma ** np.arange(len(running))
    left = np.maximum(whole - np.cumsum(weight), 0.0) / whole if whole > 0 else 0 * weight
    enough = np.flatnonzero(left <= CUT / 10)
    cap = int(min(enough[0] + 1 if len(enough) else MOST_STEPS, MOST_STEPS))
    if ends and running[min(4 * cap, len(running)) - 1] < CUT:
        cap = min(4 * cap, len(running))  # then hardly an episode is cut at all
    return cap, float(left[cap - 1])


def _batches(
    mdp: MDP, pi: FloatSA, n: int, cap: int | None, size: int, expected: float, rng: Any
) -> Iterator[Trajectories]:
    """n trajectories in batches that fit into memory."""
    steps = cap or mdp.horizon or 1
    at_once = max(1, min(n, ROWS // max(size, 1), 4 * ROWS // steps))
    for first in range(0, n, at_once):
        yield rollout(mdp, pi, min(at_once, n - first), rng=rng, max_steps=cap)


def _candidates(
    mdp: MDP,
    policy: tuple[Family, Any],
    gradient: Gradient,
    laws: FloatArray,
    visits: FloatArray,
    baseline: FloatArray,
    wrong: FloatArray,
) -> Iterator[_Candidate]:
    """The estimators of the report.

    ``laws`` (T, S) are those of running episodes, ``visits`` what they add up to with gamma^t.
    """
    family, theta = policy
    gamma, found = mdp.gamma, gradient.evaluation
    timed = mdp.horizon is not None

    def to_go(**keywords: Any) -> Callable[[int | None], Moments]:
        return lambda cap: reward_to_go_moments(
            mdp, policy, horizon=cap, detail="variance", **keywords
        )

    # Without gamma^t each decision counts as often as it is taken.
    counted = laws if timed else laws.sum(axis=0)
    without_gamma = _pulled(mdp, family, theta, counted - visits, found.A)
    # A critic's error counts where the next state is worth something.
    error = np.where(mdp.terminal, 0.0, wrong - found.V)
    if timed:
        error[-1] = 0.0
        after = np.stack([gamma * kernel.expect(mdp.P, row) for row in error[1:]])
    else:
        after = gamma * kernel.expect(mdp.P, error)
    by_critic = _pulled(mdp, family, theta, visits, after)

    yield _Candidate(
        "whole return",
        lambda batch: reinforce(batch, family, theta, gamma),
        lambda cap: whole_return_moments(mdp, policy, horizon=cap, detail="variance"),
        discounted=False,
    )
    yield _Candidate(
        "reward-to-go",
        lambda batch: gpomdp(batch, family, theta, gamma),
        to_go(),
    )
    yield _Candidate(
        "reward-to-go less V",
        lambda batch: gpomdp(batch, family, theta, gamma, baseline=baseline),
        # Where episodes are not cut after all, the baseline is V of whole ones.
        lambda cap: to_go(baseline=baseline if cap or timed else found.V)(cap),
    )
    yield _Candidate(
        "reward-to-go less J",
        lambda batch: gpomdp(batch, family, theta, gamma, baseline=found.J),
        to_go(baseline=found.J),
    )
    yield _Candidate(
        "gamma^t left out",
        lambda batch: gpomdp(batch, family, theta, gamma, time_discount=1.0),
        to_go(time_discount=1.0),
        predicted=without_gamma,
        discounted=False,
    )
    yield _Candidate(
        "actor-critic, exact V",
        lambda batch: actor_critic(batch, family, theta, gamma, found.V),
        to_go(critic=found.V),
        bootstraps=True,
    )
    yield _Candidate(
        "actor-critic, wrong V",
        lambda batch: actor_critic(batch, family, theta, gamma, wrong),
        to_go(critic=wrong),
        predicted=by_critic,
        bootstraps=True,
    )


def _pulled(mdp: MDP, family: Family, theta: Any, visits: FloatArray, A: FloatArray) -> FloatArray:
    """The gradient with these visits and advantages, as one row."""
    dJ_dpi = visits[..., None] * np.where(mdp.allowed, A, 0.0)
    return family.pullback(theta, dJ_dpi).reshape(-1)


def _wrong_critic(mdp: MDP, pi: FloatSA) -> tuple[str, FloatArray]:
    """The values of another policy: the uniform one, or where pi is that, one that leans."""
    other = uniform_policy(mdp)
    live = ~mdp.terminal
    if np.abs(pi - other)[live].max(initial=0.0) > 1e-3:
        return "the uniform policy", evaluate(mdp, other).V
    last = mdp.n_actions - 1 - mdp.allowed[:, ::-1].argmax(axis=1)
    leaning = other / 2
    leaning[np.arange(mdp.n_states), last] += 0.5
    return "a policy that leans to the last action", evaluate(mdp, leaning).V


def _row(
    candidate: _Candidate,
    cap: int | None,
    sample_mean: FloatArray | None,
    n: int,
    target: FloatArray,
    gradient: Gradient,
) -> EstimatorRow:
    moments = candidate.moments(cap)
    norm, known = float(np.linalg.norm(target)), gradient.certificate.bound
    bias = float(np.linalg.norm(moments.mean - target))
    deviation = moments.deviation
    size = max(norm, deviation if np.isfinite(deviation) else 0.0)
    threshold = known + 1e-9 * size
    error = deviation / float(np.sqrt(n))
    sampled, agrees = None, True
    if sample_mean is not None:
        off = float(np.linalg.norm(sample_mean - moments.mean))
        agrees = not off > FAR * error + threshold  # never where error is inf
        if 0 < error < np.inf:
            sampled = float(np.linalg.norm(sample_mean - target)) / error
    predicted = 0.0 if candidate.predicted is None else float(np.linalg.norm(candidate.predicted))
    wanted = 0.1 * norm
    needed: float | None = None
    if norm > known:
        needed = deviation**2 / (wanted**2 - bias**2) if bias < wanted else np.inf
    return EstimatorRow(
        name=candidate.name,
        promise="unbiased" if predicted <= threshold else "biased",
        bias=bias,
        relative_bias=bias / norm if norm > known else None,
        deviation=deviation,
        needed=needed,
        sampled=sampled,
        agrees=agrees,
        outcome="unbiased" if bias <= threshold else "biased",
        cap=cap,
        note=moments.note,
    )
