"""The gradient report: exact columns against enumeration, promises against outcomes."""

import numpy as np
import pytest

import oracles
from mdptools import MDP, ModelError, Softmax
from mdptools.estimators import actor_critic, gpomdp, reinforce
from mdptools.gradients import policy_gradient
from mdptools.problems import garnet
from mdptools.sampling import rollout
from mdptools.verify import _report, gradient_report, reward_to_go_moments


def model(seed, **keywords):
    """Three live states and one terminal, rewards of both signs."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(4), (4, 2))
    R = 3 * rng.normal(size=(4, 2))
    P[3], R[3] = [0, 0, 0, 1], 0
    mdp = MDP(P, R, mu=[0.5, 0.3, 0.1, 0.1], **keywords)
    return mdp, (Softmax(mdp), rng.normal(size=(4, 2)))


@pytest.mark.parametrize("keywords", [{"gamma": 0.8}, {"gamma": 1.0}, {"horizon": 4}])
def test_exact_columns_are_those_of_the_sampled_estimators(keywords):
    """Bias and deviation of each row against 40,000 trajectories of the same estimator: each
    coordinate of the mean within 5 standard errors (an error rate of 1e-4 for all rows).

    Seen failing: a baseline that the sampled estimator does not subtract; the critic of another
    time; the deviation of the mean for that of a row.
    """
    mdp, (family, theta) = model(1, **keywords)
    report = gradient_report(mdp, (family, theta), n=1000)
    gradient = policy_gradient(mdp, family, theta)
    V, gamma, g = gradient.evaluation.V, mdp.gamma, gradient.value.reshape(-1)
    batch = rollout(mdp, family.probs(theta), 40_000, rng=1, max_steps=400)
    estimates = [
        reinforce(batch, family, theta, gamma),
        gpomdp(batch, family, theta, gamma),
        gpomdp(batch, family, theta, gamma, baseline=V if mdp.horizon is None else V[:-1]),
        gpomdp(batch, family, theta, gamma, baseline=gradient.J),
        gpomdp(batch, family, theta, gamma, time_discount=1.0),
        actor_critic(batch, family, theta, gamma, V),
    ]
    for row, estimate in zip(report.rows, estimates, strict=False):
        deviation = np.sqrt(estimate.var(axis=0).sum())
        assert abs(deviation / row.deviation - 1) < 0.05, row.name
        off = estimate.mean(axis=0) - g
        error = estimate.std(axis=0) / 200
        if row.outcome == "unbiased":
            assert (np.abs(off) <= 5 * error + 1e-12).all(), row.name
        else:
            assert abs(np.linalg.norm(off) - row.bias) <= 5 * np.linalg.norm(error), row.name
        assert row.holds, row.name


def test_the_bias_of_a_short_horizon_is_what_enumeration_says():
    """Seen failing: the recursion's c and kappa exchanged."""
    mdp, (family, theta) = model(2, gamma=0.7, horizon=4)
    report = gradient_report(mdp, (family, theta), n=100)
    pi = family.probs(theta)
    psi = family.score(theta)

    def row(steps):
        X, G = np.zeros(8), 0.0
        for s, a, r, _ in reversed(steps):
            G = r + 0.7 * G
            X = X + psi[s, a] * G
        return X

    mean, covariance = oracles.moments_by_walking(mdp, pi, 4, row)
    found = report.rows[4]
    g = report.gradient.value.reshape(-1)
    assert found.name == "gamma^t left out" and found.outcome == "biased"
    assert found.bias == pytest.approx(np.linalg.norm(mean - g), rel=1e-12)
    assert found.deviation == pytest.approx(np.sqrt(np.trace(covariance)), rel=1e-12)
    assert found.relative_bias == pytest.approx(found.bias / np.linalg.norm(g), rel=1e-12)


def test_promises_follow_the_model_and_not_the_name():
    """With gamma = 1, or with one decision only, leaving gamma^t out is no mistake.

    Seen failing: the promise "biased" written beside the name.
    """
    undiscounted, policy = model(3, gamma=1.0)
    row = gradient_report(undiscounted, policy, n=100).rows[4]
    assert (row.promise, row.outcome) == ("unbiased", "unbiased")
    one_step, policy = model(3, gamma=0.5, horizon=1)
    rows = gradient_report(one_step, policy, n=100).rows
    assert {row.outcome for row in rows} == {row.promise for row in rows} == {"unbiased"}


def test_a_gradient_below_its_certificate_has_no_shares():
    """Rewards of zero: nothing is a share of nothing.

    Seen failing: 0 / 0 given out as nan; a needed number of trajectories of 0.
    """
    mdp = MDP([[[0.5, 0.5], [0.2, 0.8]], [[0.5, 0.5], [0.5, 0.5]]], [[0, 0], [0, 0]], gamma=0.9)
    rows = gradient_report(mdp, [[0.5, 0.5], [0.5, 0.5]], n=100).rows
    assert all(row.relative_bias is None and row.needed is None for row in rows)
    assert all(row.holds for row in rows)


def test_rows_whose_late_steps_count_are_cut_alone():
    """At gamma = 0.5 a cap of some 20 steps cuts nothing off, but where gamma^t is left out.

    Seen failing: the cap of a row not said.
    """
    mdp = garnet(3, 2, 2, gamma=0.5, rng=0)
    policy = (Softmax(mdp), np.random.default_rng(0).normal(size=(3, 2)))
    report = gradient_report(mdp, policy, n=100)
    assert report.cap_bias is None and report.holds
    assert [row.name for row in report.rows if row.cap] == ["whole return", "gamma^t left out"]
    row = report.rows[4]
    assert row.cap == report.cap
    cut = reward_to_go_moments(mdp, policy, horizon=report.cap, time_discount=1.0)
    assert row.deviation == pytest.approx(cut.deviation, rel=1e-9)


def test_where_so_many_steps_take_too_long_whole_episodes_are_left(monkeypatch):
    """Seen failing: the sample of cut episodes held against the mean of whole ones."""
    monkeypatch.setattr(_report, "MOST_STEPS", 6)
    mdp, policy = model(0, gamma=0.99)
    cut = gradient_report(mdp, policy, n=100)
    assert {row.cap for row in cut.rows} == {6}
    monkeypatch.setattr(_report, "EXACT_WORK", 1)
    report = gradient_report(mdp, policy, n=100)
    assert report.cap == 6 and report.holds
    assert all(row.cap is row.sampled is None for row in report.rows)
    whole = reward_to_go_moments(mdp, policy, time_discount=1.0)
    assert report.rows[4].deviation == pytest.approx(whole.deviation, rel=1e-12)


def test_what_the_cap_cuts_off_is_measured():
    """gamma = 0.9999 and no end: 2,000 steps are a fifth of the weight.

    Seen failing: the cut computed from the whole horizon of laws; a cap for models that end.
    """
    mdp = garnet(3, 2, 2, gamma=0.9999, rng=0)
    theta = np.random.default_rng(0).normal(size=(3, 2))
    report = gradient_report(mdp, (Softmax(mdp), theta), n=100)
    assert report.cap == 2000
    assert report.cut == pytest.approx(0.9999**2000, rel=1e-6)
    shorter = policy_gradient(mdp.with_objective(horizon=2000), Softmax(mdp), theta).value
    apart = np.linalg.norm(shorter - report.gradient.value)
    assert report.cap_bias == pytest.approx(apart, rel=1e-9)
    assert report.holds
    ends, policy = model(0, gamma=0.9)
    assert gradient_report(ends, policy, n=100).cap_bias is None


def test_what_is_no_seed_is_refused():
    """Seen failing: NumPy's own error for a seed below zero."""
    mdp, policy = model(0, gamma=0.9)
    with pytest.raises(ModelError, match=r"rng is -1; it must be a numpy.random.Generator"):
        gradient_report(mdp, policy, n=100, rng=-1)
