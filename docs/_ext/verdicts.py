"""Which estimator is unbiased, and when: questions, and the library's own answers to them.

Takes     the discriminating models of `mdptools.testing.models`.
Gives     for each question the verdict of `check_estimator`, by enumeration: no row is from memory.
Not here  how the answers are set (tables).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mdptools import check_estimator, estimators, evaluate
from mdptools.testing.models import Lab, lab
from mdptools.verify import Verdict

SEEDS = (0, 1, 2)  # as the fixture `mdptools_discriminating`: no mistake hides on all of them


SCORES = (
    "family.accumulate(theta, batch.s[:, :-1], batch.a, "
    "discounts * (reward_to_go(batch, gamma) - {}) * batch.mask)"
)
SURROGATE = (
    "clipped_surrogate_gradient(batch, family, theta, gamma, A[t, batch.s[:, :-1], batch.a], {})"
)
STATES = "{}(batch, family, theta, Q, weights=step_weights(batch, gamma))"


@dataclass(frozen=True)
class Row:
    """One question. ``code`` is shown as it stands, and evaluated with the names of `names`."""

    what: str
    code: str
    batch: int = 1
    asked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the library says on all models: the worst of its verdicts."""

    row: Row
    outcome: str
    bias: float  # largest |bias| as a share of the largest |target|
    deviation: float  # of one row, as a share of the same; on the first model
    says: str


@dataclass(frozen=True)
class Group:
    """Rows with the same target and the same trajectories."""

    name: str
    target: str
    rows: tuple[Row, ...]
    off_policy: bool = False
    cut: bool = False


GROUPS = {
    group.name: group
    for group in (
        Group(
            "gradient",
            "policy_gradient",
            (
                Row("whole return", "reinforce(batch, family, theta, gamma)"),
                Row("less the exact J", "reinforce(batch, family, theta, gamma, baseline=J)"),
                Row("reward to go", "gpomdp(batch, family, theta, gamma)"),
                Row("less the exact V", "gpomdp(batch, family, theta, gamma, baseline=V[:-1])"),
                Row(
                    "less any function of the state",
                    "gpomdp(batch, family, theta, gamma, baseline=wrong)",
                ),
                Row(
                    "less the mean of the other episodes",
                    SCORES.format("leave_one_out_baseline(batch, gamma)"),
                    batch=2,
                ),
                Row(
                    "less the mean of all episodes",
                    SCORES.format("batch_mean_baseline(batch, gamma)"),
                    batch=2,
                ),
                Row("gamma^t left out", "gpomdp(batch, family, theta, gamma, time_discount=1.0)"),
                Row("actor-critic, exact V", "actor_critic(batch, family, theta, gamma, V)"),
                Row("actor-critic, wrong V", "actor_critic(batch, family, theta, gamma, wrong)"),
                Row(
                    "two steps, then a wrong V",
                    "n_step_actor_critic(batch, family, theta, gamma, wrong, 2)",
                ),
                Row(
                    "as many steps as the horizon",
                    "n_step_actor_critic(batch, family, theta, gamma, wrong, horizon)",
                ),
                Row(
                    "GAE, lambda 0.95, exact V",
                    "gae_actor_critic(batch, family, theta, gamma, V, 0.95)",
                ),
                Row(
                    "GAE, lambda 0.95, wrong V",
                    "gae_actor_critic(batch, family, theta, gamma, wrong, 0.95)",
                ),
                Row(
                    "GAE, lambda 1, wrong V",
                    "gae_actor_critic(batch, family, theta, gamma, wrong, 1.0)",
                ),
                Row("all actions, exact Q", STATES.format("all_actions_gradient")),
                Row("one action, exact Q", STATES.format("one_action_gradient")),
                Row(
                    "all actions, exact Q, gamma^t left out",
                    "all_actions_gradient(batch, family, theta, Q)",
                ),
                Row("PPO's surrogate before the first step", SURROGATE.format("0.2")),
            ),
        ),
        Group(
            "gradient-off",
            "policy_gradient",
            (
                Row(
                    "whole return, weighted",
                    "reinforce(batch, family, theta, gamma, off_policy=True)",
                ),
                Row(
                    "reward to go, weighted", "gpomdp(batch, family, theta, gamma, off_policy=True)"
                ),
                Row(
                    "actor-critic, exact V, weighted",
                    "actor_critic(batch, family, theta, gamma, V, off_policy=True)",
                ),
                Row("reward to go, weights forgotten", "gpomdp(batch, family, theta, gamma)"),
                Row("PPO's surrogate after a step", SURROGATE.format("0.2")),
                Row("the same, hardly clipped", SURROGATE.format("1e9")),
            ),
            off_policy=True,
        ),
        Group(
            "return",
            "J",
            (
                Row("the return", "discounted_return(batch, gamma)"),
                Row("two steps, then the exact V", "n_step_return(batch, V, gamma, 2)[:, 0]"),
                Row("two steps, then a wrong V", "n_step_return(batch, wrong, gamma, 2)[:, 0]"),
                Row("lambda 0.9, exact V", "lambda_return(batch, V, gamma, 0.9)[:, 0]"),
                Row("lambda 0.9, wrong V", "lambda_return(batch, wrong, gamma, 0.9)[:, 0]"),
                Row("lambda 1, wrong V", "lambda_return(batch, wrong, gamma, 1.0)[:, 0]"),
                Row("a critic alone, exact Q", "direct_method(batch, pi, Q)"),
            ),
        ),
        Group(
            "return-off",
            "J",
            (
                Row("importance sampling", "importance_sampling(batch, pi, gamma)"),
                Row("per decision", "per_decision(batch, pi, gamma)"),
                Row(
                    "weighted, two episodes",
                    "weighted_importance_sampling(batch, pi, gamma)",
                    batch=2,
                ),
                Row("doubly robust, exact Q", "doubly_robust(batch, pi, gamma, Q)"),
                Row("doubly robust, wrong Q", "doubly_robust(batch, pi, gamma, wrong_Q)"),
                Row("a critic alone, exact Q", "direct_method(batch, pi, Q)"),
                Row("a critic alone, wrong Q", "direct_method(batch, pi, wrong_Q)"),
                Row("V-trace, exact V", "vtrace(batch, pi, gamma, V)[:, 0]"),
                Row("V-trace, wrong V", "vtrace(batch, pi, gamma, wrong)[:, 0]"),
                Row(
                    "V-trace, wrong V, nothing clipped",
                    "vtrace(batch, pi, gamma, wrong, rho_max=inf, c_max=inf)[:, 0]",
                ),
                Row("the return, weights forgotten", "discounted_return(batch, gamma)"),
            ),
            off_policy=True,
        ),
        Group(
            "cut",
            "J_infinite",
            (
                Row("the return, as if the cut were an end", "discounted_return(batch, gamma)"),
                Row("continued by the exact V", "n_step_return(batch, V, gamma, 4)[:, 0]"),
                Row("continued by a wrong V", "n_step_return(batch, wrong, gamma, 4)[:, 0]"),
            ),
            cut=True,
        ),
        Group(
            "gradient-cut",
            "policy_gradient_infinite",
            (
                Row(
                    "reward to go, as if the cut were an end", "gpomdp(batch, family, theta, gamma)"
                ),
                Row("actor-critic, exact V", "actor_critic(batch, family, theta, gamma, V)"),
                Row("actor-critic, wrong V", "actor_critic(batch, family, theta, gamma, wrong)"),
            ),
            cut=True,
        ),
        Group(
            "visits",
            "visits",
            (Row("discounted visits", "discounted_visits(batch, gamma, n_states)"),),
        ),
        Group(
            "fisher",
            "fisher",
            (
                Row("scores squared, with gamma^t", "sampled_fisher(batch, family, theta, gamma)"),
                Row(
                    "gamma^t left out",
                    "sampled_fisher(batch, family, theta, gamma, time_discount=1.0)",
                ),
            ),
        ),
    )
}


def names(one: Lab, *, cut: bool) -> tuple[Any, dict[str, Any]]:
    """The model of a group, and what the code of its rows may speak of."""
    mdp = one.mdp.with_objective() if cut else one.mdp
    found = evaluate(mdp, one.pi)
    scope = {name: getattr(estimators, name) for name in estimators.__all__}
    scope |= {
        "family": one.family,
        "theta": one.theta,
        "pi": one.pi,
        "gamma": mdp.gamma,
        "horizon": mdp.horizon,
        "n_states": mdp.n_states,
        "V": found.V,
        "Q": found.Q,
        "A": found.A,
        "J": found.J,
        "wrong": one.critic * ~mdp.terminal,
        "wrong_Q": np.outer(one.critic * ~mdp.terminal, [1.0, -0.5]),
        "inf": np.inf,
        "t": np.arange(mdp.horizon or 0),
        "discounts": mdp.gamma ** np.arange(mdp.horizon or 0),
    }
    return mdp, scope


def estimator(row: Row, scope: dict[str, Any]) -> Callable[[Any], Any]:
    """The function of a batch that the row shows."""
    code = compile(row.code, "<row>", "eval")
    return lambda batch: eval(code, {**scope, "batch": batch})


def verdict(group: Group, row: Row, seed: int) -> Verdict:
    """The library's verdict on one model."""
    one = lab(seed)
    if row.batch > 1:  # every tuple of trajectories is looked at: shorter ones
        one = replace(one, mdp=one.mdp.with_objective(horizon=2))
    mdp, scope = names(one, cut=group.cut)
    keywords: dict[str, Any] = {"target": group.target, "route": "exact", "batch": row.batch}
    if group.off_policy:
        keywords["behaviour"] = one.behaviour
    if group.cut:
        keywords["horizon"] = 4
    return check_estimator(estimator(row, scope), mdp, one.policy, **keywords, **row.asked)


def answers(group: Group) -> Iterator[Answer]:
    """One answer for each row: biased if it is so on any model."""
    for row in group.rows:
        seeds = SEEDS if row.batch == 1 else SEEDS[:1]
        found = [verdict(group, row, seed) for seed in seeds]
        shares = [largest(one.bias) / largest(one.target) for one in found]
        worst = found[int(np.argmax(shares))]
        first = found[0]
        yield Answer(
            row,
            "biased" if any(one.outcome == "biased" for one in found) else "unbiased",
            max(shares),
            float(np.sqrt(np.max(first.variance))) / largest(first.target),
            worst.claim,
        )


def largest(x: Any) -> float:
    """The largest |x|."""
    return float(np.abs(np.asarray(x)).max())
