"""Reasons: each mistake that has a name is named, and no other one is."""

from dataclasses import replace

import numpy as np
import pytest

import estimator_mutants as mutants
from mdptools import MDP, evaluate
from mdptools.estimators import discounted_return, gpomdp, reward_to_go
from mdptools.policies import Softmax
from mdptools.testing.models import behaviour_for, discriminating_mdp, policy_for
from mdptools.verify import check_estimator, explain

NAMED = {name: one for name, one in mutants.MUTANTS.items() if one.says}
NAMELESS = {name: one for name, one in mutants.MUTANTS.items() if not one.says}
LOOKS_LIKE = {"B48": "the mean of the same batch subtracted"}  # which is what ddof=0 does


def matching(verdict):
    return [one.name for one in explain(verdict) if one.matches]


def lab_for(mutant, seed):
    return mutants.lab(seed, horizon=2 if mutant.batch > 1 else 4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMED)
def test_mistakes_with_a_name_are_named(name, seed):
    """Seen failing: each prediction with another c, kappa, factor or sign."""
    mutant = NAMED[name]
    verdict = check_estimator(**mutant.arguments(lab_for(mutant, seed)))
    names = [one.name for one in verdict.explanations]
    assert mutant.says in names[0]
    others = [n for n in names[1:] if mutant.says not in n]
    assert others in ([], ["divided by the largest number of steps: factor 1/2"])  # 1/2 twice


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMELESS)
def test_mistakes_without_a_name_get_none(name, seed):
    """Seen failing: with a tolerance of 1e-1."""
    mutant = NAMELESS[name]
    found = matching(check_estimator(**mutant.arguments(lab_for(mutant, seed))))
    assert all(LOOKS_LIKE.get(name, "none") in n or "factor 1/2" in n for n in found)


def test_one_number_does_not_explain_one_number():
    """With one state and two actions every bias is parallel to every other.

    Seen failing: numbers left open where the rows have no more freedom than that.
    """
    mdp = MDP([[[0.5, 0.5], [0.2, 0.8]], [[0, 1], [0, 1]]], [[1, 2], [0, 0]], 0.9, horizon=3)
    policy = (Softmax(mdp), np.array([[0.3, -0.4], [0.0, 0.0]]))
    verdict = check_estimator(lambda b: gpomdp(b, *policy, 0.77), mdp, policy)
    assert verdict.outcome == "biased"
    assert matching(verdict) == []


def test_a_mean_of_zero_is_no_mistake_times_zero():
    """Seen failing: "only episodes that enter a terminal state kept, times 1.3e-17"."""
    lab = mutants.lab(0)
    Q = evaluate(lab.mdp, lab.policy[0].probs(lab.policy[1])).Q

    def with_corrections(batch):
        times = np.arange(batch.n_steps)
        left = reward_to_go(batch, lab.mdp.gamma) - Q[times, batch.s[:, :-1], batch.a]
        w = np.where(batch.mask, lab.mdp.gamma**times * left, 0.0)
        return lab.policy[0].accumulate(lab.policy[1], batch.s[:, :-1], batch.a, w)

    verdict = check_estimator(with_corrections, lab.mdp, lab.policy)
    assert matching(verdict) == ["rows that are always zero"]


def test_every_hypothesis_has_a_number():
    """Seen failing: the largest |bias| of each, wherever it is."""
    lab = mutants.lab(0)
    verdict = check_estimator(**mutants.MUTANTS["B01"].arguments(lab))
    found = explain(verdict)
    assert [one.matches for one in found] == sorted((one.matches for one in found), reverse=True)
    assert {one.observed for one in found} == {verdict.witness.bias}
    assert found[0].predicted == pytest.approx(found[0].observed, rel=1e-9)
    assert len({one.name for one in found}) == len(found) > 20
    undiscounted = next(one for one in found if one.name == "nothing discounted")
    plain = check_estimator(lambda b: gpomdp(b, *lab.policy, 1.0), lab.mdp, lab.policy)
    assert undiscounted.predicted == pytest.approx(plain.bias[verdict.witness.index], rel=1e-9)


def test_an_unbiased_estimator_has_no_reasons():
    """Seen failing: without the question."""
    lab = mutants.lab(0)
    verdict = check_estimator(**mutants.HARMLESS["H01"].arguments(lab))
    assert explain(verdict) == ()


def test_without_enumeration_the_formulas_are_left():
    """Seen failing: with enumeration all the same."""
    lab = mutants.lab(0)
    verdict = check_estimator(**mutants.MUTANTS["B08"].arguments(lab))
    assert not any(one.matches for one in explain(verdict, enumerate=False))
    assert explain(verdict)[0].matches


SIMPLE = {
    "rows that are always zero": lambda g: 0 * g,
    "the wrong sign": lambda g: -g,
    "discounted once too little": lambda g: g / 0.9,
    "visits normalised": lambda g: g * 0.1,
    "a constant factor 0.3": lambda g: g * 0.3,
    "divided by the largest number of steps": lambda g: g / 4,
}


@pytest.mark.parametrize("says", SIMPLE)
def test_factors(says):
    """Seen failing: factors inverted."""
    lab = mutants.lab(0)
    verdict = check_estimator(
        lambda b: SIMPLE[says](gpomdp(b, *lab.policy, 0.9)), lab.mdp, lab.policy
    )
    (name,) = matching(verdict)
    assert says in name


GRADIENTS = {
    "the return to go discounted twice": (0.81, 0.9),
    "gamma^t applied twice": (0.9, 0.81),
    "nothing discounted": (1.0, 1.0),
    "everything discounted twice": (0.81, 0.81),
    "gamma^t left out, the return to go discounted twice": (0.81, 1.0),
    "only the reward of the action itself counted": (0.0, 0.9),
}


@pytest.mark.parametrize("says", GRADIENTS)
@pytest.mark.parametrize("horizon", [None, 4])
def test_discounts(says, horizon):
    """With a horizon, and with a cap on a model that has none.

    Seen failing: kappa and c exchanged.
    """
    lab = mutants.lab(1)
    mdp = lab.mdp if horizon is None else lab.mdp.with_objective()
    kappa, c = GRADIENTS[says]
    verdict = check_estimator(
        lambda b: gpomdp(b, *lab.policy, kappa, time_discount=c),
        mdp,
        lab.policy,
        horizon=horizon,
    )
    assert matching(verdict) == [says]


def test_returns_that_go_on_and_lack_gamma_t():
    """Seen failing: visits discounted."""
    lab = mutants.lab(1)
    arguments = mutants.HARMLESS["H19"].arguments(lab)
    V = evaluate(arguments["mdp"], lab.pi).V

    def estimate(batch):
        r = batch.r.copy()
        r[:, -1] += np.where(batch.truncated, 0.9 * V[batch.s[:, -1]], 0.0)
        return gpomdp(replace(batch, r=r), *lab.policy, 0.9, time_discount=1.0)

    verdict = check_estimator(**(arguments | {"estimator": estimate}))
    assert matching(verdict) == ["gamma^t left out, returns continued by the exact V"]


def test_returns_of_others():
    """J: what is left out, and ratios of each wrong kind.

    Seen failing: last and first exchanged; per decision taken for whole trajectory.
    """
    lab = mutants.lab(2)
    ratio = mutants.importance

    def J(rows, **keywords):
        verdict = check_estimator(rows, lab.mdp, lab.policy, target="J", **keywords)
        return matching(verdict)

    pay = 0.9 ** np.arange(4)
    assert J(lambda b: (b.r * pay)[:, 1:].sum(axis=1)) == ["the first reward left out"]
    assert J(lambda b: b.r[:, 1:] @ pay[:-1]) == ["returns started one step late, at r_1"]
    assert J(lambda b: b.r[:, :-1] @ pay[:-1]) == ["the last step left out"]

    def without_last(b):
        last = b.mask & ~np.pad(b.mask[:, 1:], ((0, 0), (0, 1)))
        return np.where(last, 0.0, b.r) @ pay

    assert J(without_last) == ["the last reward left out"]
    assert J(lambda b: b.r @ pay / np.maximum(b.lengths, 1)) == [
        "each return divided by its length"
    ]
    others = {"behaviour": lab.b}
    assert J(lambda b: b.r @ pay, **others) == ["the behaviour's trajectories used as if on-policy"]
    clipped = "importance ratios clipped at 1"
    assert J(
        lambda b: (np.cumprod(np.minimum(ratio(lab, b), 1), axis=1) * b.r) @ pay, **others
    ) == [f"{clipped} (per decision)"]
    assert J(lambda b: (ratio(lab, b) * b.r) @ pay, **others) == [
        "each reward with the ratio of its own step only"
    ]
    first = J(lambda b: ratio(lab, b)[:, 1:].prod(axis=1) * (b.r @ pay), **others)
    assert "the first importance ratio left out (whole trajectory)" in first


def test_gradients_of_others():
    """Seen failing: later ratios in the prediction without them."""
    mdp = discriminating_mdp(5)
    family, theta = policy = policy_for(mdp, 5)
    lab = mutants.lab(5)
    b = behaviour_for(mdp, 5)

    def late(batch):
        so_far = np.cumprod(mutants.importance(lab, batch), axis=1)
        w = so_far * mutants.powers(lab, batch) * mutants.to_go(batch.r, 0.9)
        return mutants.weighted(lab, batch, w)

    found = matching(check_estimator(late, mdp, policy, behaviour=b))
    assert found == ["importance ratios of later steps left out"]
    upside = check_estimator(
        lambda batch: (
            (1 / mutants.importance(lab, batch)).prod(axis=1)[:, None] * mutants.right(lab, batch)
        ),
        mdp,
        policy,
        behaviour=b,
    )
    assert upside.outcome == "biased"
    no_ratio = check_estimator(lambda x: gpomdp(x, family, theta, 0.9), mdp, policy, behaviour=b)
    assert matching(no_ratio) == ["the behaviour's trajectories used as if on-policy"]


def test_final_and_starts():
    """Seen failing: final taken from every reward; starts in terminal states counted."""
    mdp = replace(discriminating_mdp(6), final=np.array([3.0, -2.0, 1.0, 0.0]))
    family, theta = policy = policy_for(mdp, 6)

    def without(batch):
        last = batch.mask[:, -1]
        r = batch.r.copy()
        r[:, -1] -= np.where(last, 0.9 * mdp.final[batch.s[:, -1]], 0.0)
        return gpomdp(replace(batch, r=r), family, theta, 0.9)

    assert matching(check_estimator(without, mdp, policy)) == ["the final reward left out"]
    started = check_estimator(
        lambda b: np.where(b.lengths > 0, discounted_return(b, 0.9) / 0.95, 0.0),
        mdp,
        policy,
        target="J",
    )
    assert matching(started) == ["starts in terminal states left out"]


def test_temperature_is_known_only_where_there_is_one():
    """Seen failing: the factors exchanged."""
    lab = mutants.lab(0)
    family = Softmax(lab.mdp, temperature=0.5)
    verdict = check_estimator(
        lambda b: 2 * gpomdp(b, family, lab.theta, 0.9), lab.mdp, (family, lab.theta)
    )
    assert matching(verdict) == ["the score divided by the temperature twice"]
    verdict = check_estimator(lambda b: 2 * gpomdp(b, *lab.policy, 0.9), lab.mdp, lab.policy)
    assert matching(verdict) == ["a constant factor 2"]


def test_a_policy_that_depends_on_time_and_other_targets_do_no_harm():
    """Seen failing: with errors let through."""
    lab = mutants.lab(0)
    pi = np.stack([lab.pi] * 4)
    verdict = check_estimator(lambda b: discounted_return(b, 1.0), lab.mdp, pi, target="J")
    assert matching(verdict) == ["nothing discounted"]
    verdict = check_estimator(lambda b: b.lengths, lab.mdp, lab.pi, target=0.0)
    assert matching(verdict) == []
    verdict = check_estimator(
        lambda b: 2.0 * (b.s[:, :1] == np.arange(4)) / lab.mdp.mu * b.r.sum(axis=1)[:, None],
        lab.mdp,
        lab.policy,
        target="V",
    )
    assert verdict.outcome == "biased" and matching(verdict) == []


def test_a_behaviour_without_choice_has_no_ratios_of_logarithms():
    """log b = 0 divides nothing; asked of the tables, so that each batch of trajectories agrees.

    Seen failing: ratios of 1 put in where log b = 0, which is what leaving the ratios out does.
    """
    lab = mutants.lab(0)
    verdict = check_estimator(
        lambda b: gpomdp(b, *lab.policy, lab.mdp.gamma),
        lab.mdp,
        lab.policy,
        behaviour=[[1.0, 0.0]] * lab.mdp.n_states,
    )
    assert matching(verdict) == ["the behaviour's trajectories used as if on-policy"]
    assert not any("log-probabilities" in one.name for one in explain(verdict))
