"""The discriminating models have what mistakes trip over; degenerate ones are degenerate."""

from functools import partial

import numpy as np
import pytest

import estimator_mutants as mutants
from mdptools import MDP, check_estimator, evaluate, kernel, solve, uniform_policy
from mdptools.estimators import gpomdp, reinforce
from mdptools.policies import Softmax
from mdptools.sampling import rollout
from mdptools.structure import reachable
from mdptools.testing._degenerate import MAKERS
from mdptools.testing.models import (
    behaviour_for,
    critic_for,
    degenerate_mdps,
    discriminating_mdp,
    lab,
    policy_for,
)
from mdptools.verify import count_trajectories, enumerate_trajectories

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_hides_a_mistake(seed):
    """Seen failing: gamma = 1; no terminal state; rewards below 1; all positive; a uniform start; a
    uniform policy; behaviour = pi; a critic that knows terminal states; horizon 3."""
    mdp = discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    pi, b, v = family.probs(theta), behaviour_for(mdp, seed), critic_for(mdp, seed)
    assert (mdp.objective, mdp.gamma, mdp.horizon) == ("finite", 0.9, 4)
    law = mdp.branches
    live = law.row // 2 < 3
    assert (law.reward[live] > 1).any() and (law.reward[live] < -1).any()
    assert (np.abs(law.reward[live]) < 1).any()
    assert len(set(law.reward[live])) == live.sum()
    assert 0 < mdp.mu[3] < 0.1 and len(set(mdp.mu)) == 4
    assert np.abs(pi[:3] - 0.5).max() > 0.1
    assert np.abs(pi[:3] - b[:3]).max() > 0.1 and b.min() > 0.05
    assert np.abs(v).min() >= 0.5 and (v > 0).any() and (v < 0).any()
    assert 300 < count_trajectories(mdp, (family, theta)) < 1000

    (batch,) = enumerate_trajectories(mdp, (family, theta))
    ended = mdp.terminal[batch.s[:, -1]]
    lengths = set(batch.lengths[ended])
    assert {0, 1, 2, 3, 4} == lengths
    assert 0.1 < batch.weight[ended].sum() < 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_one_successor_carries_two_rewards(seed):
    """Seen failing: without the third branch."""
    law = discriminating_mdp(seed).branches
    pairs = list(zip(law.row.tolist(), law.next_state.tolist(), strict=True))
    assert len(pairs) - len(set(pairs)) == 1


def test_the_seed_decides():
    """Seen failing: with a generator that is shared."""
    assert discriminating_mdp(3).equals(discriminating_mdp(3))
    assert not discriminating_mdp(3).equals(discriminating_mdp(4))
    mdp = discriminating_mdp()
    assert (behaviour_for(mdp, 1) == behaviour_for(mdp, 1)).all()
    assert not (policy_for(mdp, 1)[1] == policy_for(mdp, 2)[1]).any()


# --- what other models hide ---------------------------------------------------------------------


def lab_on(mdp, seed, theta=None):
    family, some = policy_for(mdp, seed)
    theta = some if theta is None else theta
    parts = (behaviour_for(mdp, seed), critic_for(mdp, seed), family.score(theta))
    return mutants.Lab(mdp, family, theta, family.probs(theta), *parts)


def undiscounted(mdp, seed):
    return lab_on(mdp.with_objective(gamma=1.0, horizon=mdp.horizon), seed)


def endless(mdp, seed):
    P, R = mdp.P.copy(), mdp.R.copy()
    P[3], R[3] = [[0.5, 0.5, 0, 0], [0.2, 0, 0.8, 0]], [0.7, -1.3]
    return lab_on(MDP(P, R, 0.9, horizon=mdp.horizon, mu=mdp.mu, terminal=()), seed)


def all_equal(mdp, seed):
    R = np.repeat(1.0 - mdp.terminal, 2).reshape(-1, 2)
    return lab_on(MDP(mdp.P, R, 0.9, horizon=mdp.horizon, mu=mdp.mu), seed)


def indifferent(mdp, seed):
    return lab_on(mdp, seed, np.zeros((4, 2)))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("make", "hidden"),
    [
        (undiscounted, "B01 B04 B24 B43 B50 B51 B54"),
        (endless, "B11 B19 B23 B24"),
        (all_equal, "B18"),
        (indifferent, "B17"),
    ],
)
def test_what_other_models_hide(make, hidden, seed):
    """The same mistakes are found on the discriminating model: tests/verify/test_check.py.

    Seen failing: with B02 among the hidden; each model left as it is.
    """
    for name in hidden.split():
        mutant = mutants.MUTANTS[name]
        mdp = discriminating_mdp(seed).with_objective(horizon=2 if mutant.batch > 1 else 4)
        found = check_estimator(**mutant.arguments(make(mdp, seed)))
        assert found.outcome == "unbiased", name
    seen = check_estimator(**mutants.MUTANTS["B02"].arguments(make(discriminating_mdp(seed), seed)))
    assert seen.outcome == "biased"


# --- at the edge ----------------------------------------------------------------------------------

DEGENERATE = degenerate_mdps()


@pytest.mark.parametrize("name", DEGENERATE)
def test_everything_stands_on_degenerate_models(name):
    """Evaluated, solved, sampled; estimators that are right are found so.

    Seen failing: REINFORCE with its returns divided by their standard deviation.
    """
    mdp = DEGENERATE[name]
    pi = uniform_policy(mdp)
    found = evaluate(mdp, pi)
    assert np.isfinite(found.J) and found.certificate.bound < 1e-4
    best = solve(mdp)
    assert best.certificate.bound < 1e-4
    if mdp.objective == "average":
        return
    family = Softmax(mdp)
    theta = np.zeros(family.shape)
    for estimator in (reinforce, gpomdp):
        checked = check_estimator(
            partial(estimator, family=family, theta=theta, gamma=mdp.gamma),
            mdp,
            (family, theta),
            limit=3000,
        )
        assert checked.outcome == "unbiased"
    batch = rollout(mdp, pi, 100, rng=0, max_steps=20)
    assert batch.n == 100 and batch.r.shape == batch.mask.shape


def test_each_is_what_its_name_says():
    """Seen failing: starts spread; every action allowed; no noise; a law with one reward each."""
    models = degenerate_mdps()
    assert len(models) == 24
    assert {mdp.objective for mdp in models.values()} == {
        "discounted",
        "finite",
        "total",
        "average",
    }
    starts = models["starts_where_it_ends"]
    assert (rollout(starts, uniform_policy(starts), 5, rng=0).lengths == 0).all()
    assert models["rare"].branches.prob.min() == 1e-12
    assert not models["refused_actions"].allowed.all()
    assert models["reward_noise"].reward_std.any()
    assert models["two_rewards_on_one_successor"].law is not None
    assert models["never_ends"].terminal.sum() == 0 == models["periodic"].terminal.sum()
    assert not reachable(models["out_of_reach"])[4]
    assert kernel.is_sparse(models["sparse"].P)
    twins = models["twins"]
    assert solve(twins).optimal_actions.all()
    for name, make in MAKERS.items():
        assert make.__doc__.endswith("."), name
        assert models[name].equals(make())


@pytest.mark.parametrize("seed", range(3))
def test_a_lab_is_its_parts(seed):
    """Seen failing: seed 0 whatever is asked for."""
    one = lab(seed)
    assert one.mdp.equals(discriminating_mdp(seed))
    assert (one.pi == one.family.probs(policy_for(one.mdp, seed)[1])).all()
    assert (one.behaviour == behaviour_for(one.mdp, seed)).all()
    assert (one.critic == critic_for(one.mdp, seed)).all()
    assert one.policy == (one.family, one.theta)
