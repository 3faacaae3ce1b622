"""The named experiments at a small size: the shape of each result."""

import numpy as np
import pytest

import iterations as it
from mdptools import MDP, ModelError, evaluate, uniform_policy
from mdptools.problems import bandit, dirichlet, garnet
from mdptools.studies import (
    PolicyIteration,
    experiments,
    gradient_limit,
    natural_slope,
    run_study,
    truth,
    two_arm_flow,
)

MODEL = garnet(6, 3, 3, gamma=0.9, rng=0)


def test_sweeps_show_three_rates():
    """Value iteration by gamma, the bracket by gamma times Dobrushin's, policy iteration at once.

    Seen failing: with modified policy iteration in the place of value iteration.
    """
    study = experiments.sweeps(MODEL, 60)
    plain, howard, modified = study.runs
    assert study.violated == []
    error = plain.value_error
    assert 0.88 < (error[60] / error[30]) ** (1 / 30) < 0.9 + 1e-9
    span = plain.bound("A1d").actual
    mixing = MODEL.gamma * study.truth.dobrushin
    assert (span[20] / span[0]) ** (1 / 20) <= mixing + 1e-9
    assert span[20] / span[0] < 0.1 * error[20] / error[0]
    assert howard.gap[5] == 0
    newton, linear = howard.bound("B3"), howard.bound("B1")
    assert newton.values[2] < 0.1 * linear.values[2]  # faster and faster
    assert plain.bound("A1").tightest < 1.5
    assert modified.value_error[10] < error[10]


def test_gradient_ends_like_its_law_whatever_the_rewards_are():
    """On bandits, on two states, and where an episode may end, which counts for no state.

    Seen failing: with S (A - 1) for S (A - 1) / A; with terminal states counted.
    """
    for means in ([1.0, 0.0], [5.0, 3.0, 2.0]):
        found = experiments.gradient_steps(bandit(means).with_objective(gamma=0.0), 1500)
        assert found.limit == (len(means) - 1) / len(means)
        assert abs(found.approach[1][-1] / found.limit - 1) < 0.05
        assert found.study.violated == []
        published, certified = found.study.runs
        assert certified.gap[-1] < published.gap[-1]
        loose = [published.bound("D2"), certified.bound("D3")]
        assert loose[0].median_looseness > 5 * loose[1].median_looseness
    P = np.zeros((2, 2, 2))
    P[:, 0, 1] = P[:, 1, 0] = 1
    mdp = MDP(P, [[1.0, 0.0], [0.5, 3.0]], 0.3, terminal=())
    found = experiments.gradient_steps(mdp, 1500)
    assert found.limit == 1.0  # two states, two actions
    assert abs(found.approach[1][-1] - 1) < 0.1
    assert abs(found.study[1].local_order + 1) < 0.05  # log-log, the plateau over: slope -1
    ending = MDP(
        [[[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], [[0.0, 0.2, 0.8], [0.3, 0.7, 0.0]], [[0, 0, 1]] * 2],
        [[1.0, -2.0], [0.0, 4.0], [0.0, 0.0]],
        0.4,
    )
    assert ending.terminal.tolist() == [False, False, True]
    found = experiments.gradient_steps(ending, 4000)
    assert found.limit == 1.0  # two live states
    assert abs(found.approach[1][-1] - 1) < 0.1


def test_gradient_ascent_with_small_steps_is_the_flow_of_two_arms():
    """Seen failing: with the time without its factor 2."""
    from mdptools.studies import GradientAscent

    mdp = bandit([1.0, 0.25]).with_objective(gamma=0.0)
    run = run_study(mdp, GradientAscent(step_size=0.05, theta0=[[0.3, 0.0]]), 600)[0]
    flow = two_arm_flow(0.75, 0.05 * np.arange(601), start=0.3)
    assert np.abs(run.gap / flow - 1).max() < 0.01
    with pytest.raises(ModelError, match=r"a shortfall > 0 and times >= 0"):
        two_arm_flow(0.0, [1.0])


def test_the_plateau_grows_geometrically_from_a_point_and_not_for_natural_gradient():
    """Steps to halve the gap, as counted before by a program of its own.

    Seen failing: with mu uniform for the first row; with plain gradient for the natural one; with
    tau left at 0.1.
    """
    found = experiments.plateaus((1, 2, 3, 4, 5))
    assert found.gradient == (53, 123, 277, 627, 1461)
    assert found.gradient_spread == (62, 107, 180, 283, 419)
    assert found.natural == found.natural_spread == (18, 10, 7, 6, 5)
    assert found.soft == (1, 1, 2, 2, 2)
    assert experiments.plateaus((1,), tau=1.0, most=100).soft == (100,)
    ratio = np.array(found.gradient[1:]) / found.gradient[:-1]
    assert (ratio > 2.2).all()  # geometric: a factor with each link, and it does not fall
    assert ratio[-1] >= ratio[0]
    spread = np.array(found.gradient_spread[1:]) / found.gradient_spread[:-1]
    assert (np.diff(spread) < 0).all()  # like a power
    assert (np.diff(found.natural) < 0).all()  # no plateau at all
    assert experiments.plateaus((3,), most=50).gradient == (50,)


def test_natural_gradient_ends_with_its_slope_and_tends_to_policy_iteration():
    """Seen failing: without 1 / (1 - gamma)."""
    found = experiments.natural_steps(MODEL, (0.1, 0.5), 300)
    for measured, predicted in zip(found.measured, found.predicted, strict=True):
        assert abs(measured / predicted - 1) < 0.02
    assert found.study.violated == []
    howard = experiments.sweeps(MODEL, 10)[1]
    last = found.study[-1]
    assert last.gap[5] == 0 == howard.gap[5]
    # after the first step it is policy iteration, policy by policy
    same = run_study(MODEL, PolicyIteration(pi0=last.trace.pi[1]), 20)[0]
    assert (same.trace.pi == last.trace.pi[1:22]).all()
    for run in found.study.runs[:2]:
        assert {"F1", "F2"} <= {held.name for held in run.bounds}
    with pytest.raises(ModelError, match=r"step_size is 0; it must be a number > 0"):
        natural_slope(found.study.truth, 0)


def test_entropy_buys_speed_with_bias():
    """Seen failing: with the soft gap for the plain one."""
    found = experiments.entropy(MODEL, (0.03, 0.3, 3.0), 60)
    assert all(0 < bias <= most for bias, most in zip(found.bias[1:], found.most[1:], strict=True))
    assert found.bias[0] < found.bias[1] < found.bias[2]
    for study, bias in zip(found.studies, found.bias, strict=True):
        lost = study.truth.V - evaluate(MODEL, study[-1].trace.pi[-1]).V
        assert abs(bias - lost.max()) < 1e-9
        assert study.violated == []
        slow, fast = (run.bound("G3").actual for run in study.runs[:2])
        assert fast[20] < 0.1 * slow[20]  # a larger part of the largest step
        assert {"G2", "G4"} <= {held.name for held in study[-1].bounds}


def test_the_schedule_of_mirror_descent_decides():
    """Seen failing: with one schedule for all."""
    study = experiments.mirror_schedules(MODEL, 0.01, 40)
    assert study.violated == []
    constant, growing, adaptive = study.runs[:3]
    assert growing.gap[-1] < 0.02 * constant.gap[-1]
    assert {"F3", "F5"} <= {held.name for held in constant.bounds}
    assert {"F4", "F5g"} <= {held.name for held in growing.bounds}
    assert {"F6"} <= {held.name for held in adaptive.bounds}
    assert study[4].gap[-1] == 0  # Euclidean steps end at a vertex


def test_one_over_k_crawls():
    """Seen failing: with the rescaled step in the place of 1/(k+1)."""
    study = experiments.q_learning_schedules(MODEL, 400)
    constant, plain, rescaled, power = study.runs
    assert study.violated == []
    assert plain.value_error[-1] > 10 * rescaled.value_error[-1] > 0
    assert constant.value_error[-1] < power.value_error[-1] < plain.value_error[-1]
    for run, loose in ((constant, 3.0), (plain, 3.0), (rescaled, 3.0)):
        assert run.bound("H6").median_looseness < loose
    order = np.log(plain.value_error[400] / plain.value_error[100]) / np.log(4)
    assert abs(order + (1 - MODEL.gamma)) < 0.05


def test_lambda_takes_the_bias_of_features_away():
    """Seen failing: with 1 + kappa^2 for 1 - kappa^2."""
    mdp = dirichlet(6, 2, gamma=0.9, rng=1)
    phi = np.random.default_rng(0).normal(size=(6, 4))
    found = experiments.linear_features(mdp, uniform_policy(mdp), phi)
    assert (found.ratio >= 1 - 1e-9).all()
    assert (found.ratio <= found.most * (1 + 1e-9)).all()
    assert np.abs(found.ratio[:, -1] - 1).max() < 1e-9
    assert (found.ratio[:, 0] > 1 + 1e-6).any()
    assert (np.diff(found.omega) < 0).all() and (found.omega > 0).all()  # the price: H3 is slower
    with pytest.raises(ModelError, match=r"phi has shape \(5, 1\); it must be \(S, k\), S = 6"):
        experiments.linear_features(mdp, uniform_policy(mdp), np.ones((5, 1)))


def test_a_wrong_q_harms_the_greedy_policy_and_not_the_conservative_one():
    """Seen failing: with the error left out of the greedy step."""
    worse = 0
    for seed in range(6):
        found = experiments.wrong_q(garnet(5, 3, 2, gamma=0.9, rng=seed), 0.5, 60)
        assert found.conservative.falls == []
        assert found.conservative.gap[-1] <= found.conservative.gap[0]
        # Singh and Yee (1994): what a greedy policy of a Q that is wrong by epsilon can lose.
        assert found.greedy.trace.worst_gap[-1] <= 2 * 0.5 / (1 - 0.9) ** 2
        worse += bool(found.greedy.falls)
    assert worse > 0
    with pytest.raises(ModelError, match=r"error is 2 at most; epsilon is 1"):
        experiments.wrong_q(MODEL, 1.0, error=np.full(MODEL.R.shape, 2.0))


def test_laws_refuse_what_they_do_not_cover():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"one optimal action, or only such, in each state"):
        gradient_limit(truth(bandit([1.0, 1.0, 0.0]).with_objective(gamma=0.5)))
    narrow = MDP(MODEL.P, MODEL.R, 0.9, mu=np.eye(6)[0], terminal=())
    with pytest.raises(ModelError, match=r"it assumes mu > 0 in every live state"):
        gradient_limit(truth(narrow))
    assert gradient_limit(truth(it.structured()[22])) == 0.0  # all arms are equal
