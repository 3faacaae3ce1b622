"""Mistakes that estimators are known to make, each with the exact mean that follows from it.

Takes     a `Case`: the model, the policy, the target, the number of steps.
Gives     names and means; biases up to numbers that are left open.
Source    three roads: the target of a changed model; the policy gradient theorem and the
          recursions; the enumeration of all trajectories.
Not here  comparing them with what was observed (`_explain`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolArray, FloatArray
from ..errors import ModelError
from ..estimators import discounted_return, reward_to_go
from ..evaluation import evaluate
from ..gradients import direct_gradient, policy_gradient
from ..model import MDP, RewardLaw
from ..policies import check_policy, split_policy
from ..sampling import Trajectories
from ._enumeration import CHUNK, Compensated, chunk_for, pairwise
from ._reward_to_go import reward_to_go_moments
from ._rows import probabilities
from ._targets import INFINITE, TARGETS
from ._tree import Tree
from ._verdict import Case

Named: TypeAlias = Iterator[tuple[str, Callable[[], Any]]]
Rows: TypeAlias = Iterator[tuple[str, FloatArray]]

MOST_TERMINAL = 8  # so many terminal states get an unknown value each
AT_ONCE = 12  # about so many mistakes are enumerated together
ON_POLICY = "the behaviour's trajectories used as if on-policy"


def means(case: Case) -> Named:
    """Mistakes whose mean needs no enumeration, as functions without arguments.

    A function raises ModelError where there is no such number.
    """
    yield from _of_changed_models(case)
    yield from _of_gradients(case)
    if case.batch > 1:
        n, target = case.batch, case.answer.value
        yield (
            f"the mean of the same batch subtracted: factor 1 - 1/{n}",
            lambda: (1 - 1 / n) * target,
        )
        yield f"a sum over the batch instead of its mean: factor {n}", lambda: n * target


def _is_gradient(case: Case) -> bool:
    return isinstance(case.target, str) and case.target.startswith("policy_gradient")


def _ending(case: Case) -> MDP:
    """The model that ends where the trajectories do."""
    mdp = case.mdp
    return mdp if mdp.horizon is not None else mdp.with_objective(horizon=case.length)


# --- the target of a changed model ---------------------------------------------------------------


def _of_changed_models(case: Case) -> Named:
    """What the target would be, were the model another."""
    function, mdp = case.answer.function, case.answer.mdp
    if function is None or mdp is None:
        return
    for name, changed in _changes(mdp):
        yield name, partial(_target_of, function, changed, case.policy)
    if case.behaviour is not None and not _is_gradient(case):
        yield ON_POLICY, partial(function, mdp, case.behaviour)
    if isinstance(case.target, str) and case.target.endswith(INFINITE):
        finite = TARGETS.get(case.target.removesuffix(INFINITE))
        if finite is not None:
            name = f"what follows step {case.length} left out"
            yield name, partial(finite, _ending(case), case.policy)


def _target_of(function: Callable[..., Any], changed: Callable[[], MDP], policy: Any) -> Any:
    return function(changed(), policy)


def _changes(mdp: MDP) -> Iterator[tuple[str, Callable[[], MDP]]]:
    gamma, horizon = mdp.gamma, mdp.horizon
    nothing = None if mdp.final is None else np.zeros(mdp.n_states)
    objective = partial(mdp.with_objective, horizon=horizon)
    if gamma < 1:
        yield "nothing discounted", partial(objective, gamma=1.0)
        yield "everything discounted twice", partial(objective, gamma=gamma**2)
    yield (
        "rewards clipped to [-1, 1]",
        partial(_paying, mdp, partial(np.clip, a_min=-1, a_max=1)),
    )
    yield "only the signs of rewards counted", partial(_paying, mdp, np.sign)
    for name, start in (
        ("starts uniform over live states instead of mu", 1.0 - mdp.terminal),
        ("starts uniform over all states instead of mu", np.ones(mdp.n_states)),
        ("starts in terminal states left out", mdp.mu * ~mdp.terminal),
    ):
        yield name, partial(replace, mdp, mu=start / max(float(start.sum()), EPS))
    if nothing is not None:
        yield "the final reward left out", partial(objective, final=nothing)
    if horizon is not None and horizon > 1:
        shorter = partial(mdp.with_objective, horizon=horizon - 1, final=nothing)
        yield "the last step left out", shorter


def _paying(mdp: MDP, change: Callable[[FloatArray], FloatArray]) -> MDP:
    """The same model with each reward changed."""
    if mdp.reward_std is not None:
        raise ModelError("what is done to Gaussian rewards has no finite law.")
    old = mdp.branches
    law = RewardLaw(old.offsets, old.next_state, change(old.reward), old.prob)
    R = law.expected_reward(mdp.n_actions)
    return replace(mdp, R=R, law=law, final=None if mdp.final is None else change(mdp.final))


# --- gradients: the recursions and the policy gradient theorem -----------------------------------


def _of_gradients(case: Case) -> Named:
    """Score estimators with one thing wrong."""
    if not _is_gradient(case):
        return
    gamma = case.mdp.gamma
    recursion, shifted = partial(_recursion, case), partial(_without_own_reward, case)
    if gamma < 1:
        yield "gamma^t left out", partial(recursion, gamma, 1.0)
        yield "the return to go not discounted", partial(recursion, 1.0, gamma)
        yield "gamma^t applied twice", partial(recursion, gamma, gamma**2)
        yield "the return to go discounted twice", partial(recursion, gamma**2, gamma)
        name = "gamma^t left out, the return to go discounted twice"
        yield name, partial(recursion, gamma**2, 1.0)
        if case.cut:
            name = "gamma^t left out, returns continued by the exact V"
            yield name, partial(_continued, case)
    if 0 < gamma < 1:
        yield "returns started one step late, at r_{t+1}", partial(shifted, 1 / gamma)
    yield "the reward of the action itself left out", partial(shifted, 1.0)
    yield "only the reward of the action itself counted", partial(recursion, 0.0, gamma)
    pi, family, _ = split_policy(case.mdp, case.policy)
    if family.shape == pi.shape:
        yield "the term - pi of the score left out", partial(_by_pi, case, pi)
        yield "the derivative taken by pi instead of theta", partial(_by_pi, case, np.ones_like(pi))
    if case.behaviour is not None:
        yield ON_POLICY, partial(_no_ratio, case)


def _recursion(case: Case, kappa: float, c: float) -> FloatArray:
    """The mean of sum_t c^t psi_t sum_k kappa^k r_{t+k}."""
    mdp = _ending(case)
    behaviour = None if case.behaviour is None else split_policy(mdp, case.behaviour)[0]
    return reward_to_go_moments(
        mdp,
        case.policy,
        behaviour=behaviour,
        return_discount=kappa,
        time_discount=c,
        detail="mean",
    ).mean


def _without_own_reward(case: Case, factor: float) -> FloatArray:
    gamma = case.mdp.gamma
    return factor * (_recursion(case, gamma, gamma) - _recursion(case, 0.0, gamma))


def _by_pi(case: Case, weights: FloatArray) -> FloatArray:
    """weights(s, a) visits(s) Q(s, a)."""
    pi, family, _ = split_policy(case.mdp, case.policy)
    by_pi = direct_gradient(_ending(case), pi).value  # (H, S, A)
    by_pi = by_pi if weights.ndim == 3 else by_pi.sum(axis=0)
    scaled: FloatArray = weights * by_pi / getattr(family, "temperature", 1.0)
    return scaled


def _continued(case: Case) -> FloatArray:
    """sum_{t < length} E[psi_t A_t] with the A of the endless model."""
    pi, family, theta = split_policy(case.mdp, case.policy)
    A = np.where(case.mdp.allowed, evaluate(case.mdp, pi).A, 0.0)
    plain = case.mdp.with_objective(gamma=1.0, horizon=case.length)
    return family.pullback(theta, evaluate(plain, pi).visits.sum(axis=0)[:, None] * A)


def _no_ratio(case: Case) -> FloatArray:
    """The mean of sum_t gamma^t psi_t G_t when somebody else acts: visits_b b Q_b . psi."""
    mdp = _ending(case)
    _, family, theta = split_policy(mdp, case.policy)
    b = check_policy(mdp, split_policy(mdp, case.behaviour)[0])
    weight, score = b * direct_gradient(mdp, b).value, family.score(theta)  # (H, S, A), (.., D)
    weight = weight if score.ndim == 4 else weight.sum(axis=0)
    total: FloatArray = np.tensordot(weight, score, axes=weight.ndim)
    return total


def biases_up_to_numbers(case: Case) -> Rows:
    """Biases of a gradient that are known but for k numbers, as columns (D, k)."""
    if not _is_gradient(case):
        return
    mdp = _ending(case)
    pi, family, theta = split_policy(mdp, case.policy)
    if pi.ndim == 3:
        return
    surprise = np.where(pi > 0, -np.log(np.where(pi > 0, pi, 1.0)), 0.0)
    for when, gamma in (("", mdp.gamma), (", not discounted,", 1.0)):
        visits = evaluate(mdp.with_objective(gamma=gamma, horizon=mdp.horizon), pi).visits.sum(0)
        name = f"an entropy bonus at each step{when} left in: {{}} times its gradient"
        yield name, family.pullback(theta, visits[:, None] * surprise).reshape(-1, 1)
    live = ~mdp.terminal[:, None] & mdp.allowed

    def of_rewards(R: FloatArray) -> FloatArray:
        paying = replace(mdp, R=np.where(live, R, 0.0), law=None, final=None, reward_std=None)
        return policy_gradient(paying, family, theta).value.reshape(-1)

    yield (
        "an entropy bonus added to each reward: {} times -log pi",
        of_rewards(surprise)[:, None],
    )
    ends = np.flatnonzero(mdp.terminal)
    if 0 < len(ends) <= MOST_TERMINAL:
        entering = [kernel.expect(mdp.P, np.eye(mdp.n_states)[end]) for end in ends]
        name = "returns continued through termination, by v(terminal) = {}"
        yield name, np.stack([of_rewards(mdp.gamma * P_end) for P_end in entering], axis=1)


def factors(case: Case) -> list[tuple[str, float]]:
    """By what the target may have been multiplied."""
    gamma = case.mdp.gamma
    named = [("rows that are always zero", 0.0), ("the wrong sign: factor -1", -1.0)]
    if 0 < gamma < 1:
        named += [
            ("discounted once too often, gamma^(t+1): factor gamma", gamma),
            ("discounted once too little, gamma^(t-1): factor 1/gamma", 1 / gamma),
            ("visits normalised to (1 - gamma) visits: factor 1 - gamma", 1 - gamma),
        ]
    pi, family, _ = split_policy(case.mdp, case.policy)
    temperature = getattr(family, "temperature", 1.0)
    if temperature != 1 and _is_gradient(case):
        named += [
            ("the 1/temperature of the score left out: factor temperature", temperature),
            ("the score divided by the temperature twice", 1 / temperature),
        ]
    ends = _ending(case)
    plain = ends.with_objective(gamma=1.0, horizon=ends.horizon)
    for name, count in (
        ("a mean over states drawn from d instead of a sum over visits", evaluate(ends, pi).Z),
        ("divided by the mean number of steps", evaluate(plain, pi).Z),
        ("divided by the largest number of steps", float(case.length)),
    ):
        if count not in (0.0, 1.0):
            named.append((f"{name}: factor 1/{count:.6g}", 1 / count))
    return named


# --- all trajectories once more ------------------------------------------------------------------


def enumerated_means(case: Case) -> dict[str, FloatArray]:
    """Means of mistakes that act on whole trajectories; ``{}`` where a factor is left open."""
    rows_of = _gradient_rows if _is_gradient(case) else _return_rows
    if not _is_gradient(case) and case.answer.value.size != 1:
        return {}
    tree = Tree(case.mdp, case.policy if case.behaviour is None else case.behaviour)
    sums: dict[str, Compensated] = {}
    chunk = chunk_for(CHUNK, case.answer.value.size * AT_ONCE)
    for batch in tree.batches(case.length, chunk):
        weights = probabilities(batch)[:, None]
        for name, rows in rows_of(case, batch):
            sums.setdefault(name, Compensated()).add(pairwise(weights * rows))
    return {name: total.total for name, total in sums.items()}


def _ratios(case: Case, batch: Trajectories) -> FloatArray:
    """pi / b of each step, (N, T); 1 on padding."""
    pi = split_policy(case.mdp, case.policy)[0]
    s, a = batch.s[:, :-1], batch.a
    chosen = pi[s, a] if pi.ndim == 2 else pi[np.arange(batch.n_steps), s, a]
    return np.where(batch.mask, chosen / np.exp(batch.logp), 1.0)


def _wrong_ratios(case: Case, batch: Trajectories) -> Rows:
    """Ratios (N, T) as somebody may have written them; 1 on padding."""
    ratio, mask = _ratios(case, batch), batch.mask
    pi, b = (split_policy(case.mdp, one)[0] for one in (case.policy, case.behaviour))
    # Asked of the tables and not of this batch, so that all batches answer alike.
    nothing = case.mdp.terminal[:, None]
    if ((pi > 0) | (b == 0) | nothing).all():
        yield "importance ratios upside down", 1 / ratio
        if ((b < 1) | nothing).all():
            logs = np.where(mask, batch.logp, -1.0)
            of_logs = np.where(mask, (np.log(ratio) + logs) / logs, 1.0)
            yield "importance ratios of log-probabilities", of_logs
    yield "importance ratios clipped at 1", np.minimum(ratio, 1.0)
    yield "the last importance ratio left out", np.where(_last(mask), 1.0, ratio)
    yield "the first importance ratio left out", np.where(np.arange(mask.shape[1]), ratio, 1.0)


def _last(mask: BoolArray) -> BoolArray:
    """The last step of each trajectory."""
    return mask & ~np.pad(mask[:, 1:], ((0, 0), (0, 1)))


def _return_rows(case: Case, batch: Trajectories) -> Rows:
    """Returns (N, 1) with one thing wrong."""
    gamma = case.mdp.gamma
    pay = gamma ** np.arange(batch.n_steps) * batch.r
    whole = pay.sum(axis=1, keepdims=True)
    if case.behaviour is not None:
        for name, ratio in _wrong_ratios(case, batch):
            so_far = np.cumprod(ratio, axis=1)
            yield f"{name} (whole trajectory)", whole * so_far[:, -1:]
            yield f"{name} (per decision)", (pay * so_far).sum(axis=1, keepdims=True)
        own = (pay * _ratios(case, batch)).sum(axis=1, keepdims=True)
        yield "each reward with the ratio of its own step only", own
        return
    yield "the first reward left out", whole - pay[:, :1]
    if 0 < gamma < 1:
        yield "returns started one step late, at r_1", (whole - pay[:, :1]) / gamma
    last = np.where(_last(batch.mask), pay, 0.0)
    yield "the last reward left out", whole - last.sum(axis=1, keepdims=True)
    yield "each return divided by its length", whole / np.maximum(batch.lengths, 1)[:, None]


def _gradient_rows(case: Case, batch: Trajectories) -> Rows:
    """Gradient estimates (N, D) with one thing wrong."""
    _, family, theta = split_policy(case.mdp, case.policy)
    gamma, mask = case.mdp.gamma, batch.mask
    powers = gamma ** np.arange(batch.n_steps)
    G = reward_to_go(batch, gamma)

    def scored(w: FloatArray, where: BoolArray = mask) -> FloatArray:
        return family.accumulate(theta, batch.s[:, :-1], batch.a, np.where(where, w, 0.0), batch.o)

    if case.behaviour is not None:
        for name, ratio in _wrong_ratios(case, batch):
            so_far = np.cumprod(ratio, axis=1)
            whole = discounted_return(batch, gamma) * so_far[:, -1]
            yield f"{name} (whole trajectory)", scored(whole[:, None])
            later = np.cumsum((powers * batch.r * so_far)[:, ::-1], axis=1)[:, ::-1]
            yield f"{name} (per decision)", scored(later)
        ratio = _ratios(case, batch)
        yield "each score with the ratio of its own step only", scored(powers * G * ratio)
        yield (
            "importance ratios of later steps left out",
            scored(powers * G * np.cumprod(ratio, axis=1)),
        )
        return
    lengths = np.maximum(batch.lengths, 1)[:, None]
    own = np.where(mask, G, 0.0).sum(axis=1, keepdims=True) / lengths
    yield "the mean of the episode's own returns as baseline", scored(powers * (G - own))
    yield "the mean of the episode's own returns as baseline, and gamma^t left out", scored(G - own)
    everywhere = np.ones_like(mask)
    yield "padding not masked in the scores", scored(G[:, :1], everywhere)
    right = scored(powers * G)
    yield "each episode divided by its length, then times {}", right / lengths
    ended = case.mdp.terminal[batch.s[:, -1]][:, None]
    yield "only episodes that enter a terminal state kept, times {}", right * ended
