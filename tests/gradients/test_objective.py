"""J as scipy.optimize sees it."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

import smooth
from mdptools import ModelError, Softmax, evaluate, soft_policy_iteration, solve
from mdptools.gradients import _objective, objective, policy_gradient
from mdptools.policies import LogLinear, Timed
from mdptools.problems import garnet

SETTINGS = [
    (kind, tau, wall)
    for kind in smooth.OBJECTIVES
    for tau in (0.0, 0.5)
    for wall in (0.0, 0.2)
    if not tau or kind in ("discounted", "finite")
]


@pytest.mark.parametrize(("kind", "tau", "wall"), SETTINGS)
def test_derivatives_belong_to_the_function(kind, tau, wall):
    """check_grad on fun and jac; differences of jac for hess and hessp.

    Seen failing: jac of +J; the barrier left out of jac; the barrier left out of hess.
    """
    mdp, _ = smooth.random_model(2, kind, gammas=(0.9,))
    if kind == "total":
        mdp = smooth.random_model(1, kind)[0]
    for name, family, theta in smooth.families(mdp, 3):
        found = objective(mdp, family, tau=tau, barrier=wall)
        x = theta.ravel()
        size = np.abs(found.jac(x)).max()
        assert check_grad(found.fun, found.jac, x) <= 1e-5 * max(size, abs(found.fun(x))), name
        p = np.random.default_rng(0).normal(size=len(x))
        slope = (found.jac(x + 1e-5 * p) - found.jac(x - 1e-5 * p)) / 2e-5
        scale = np.abs(slope).max()
        assert np.abs(found.hessp(x, p) - slope).max() <= 1e-5 * scale, name
        assert np.abs(found.hess(x) @ p - slope).max() <= 1e-5 * scale, name


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact"])
def test_minimisers_of_scipy_find_the_soft_optimum(method):
    """Seen failing: hessp of the wrong sign."""
    mdp = garnet(5, n_actions=3, branching=3, gamma=0.9, rng=1)
    best = soft_policy_iteration(mdp, tau=0.2)
    found = objective(mdp, Softmax(mdp), tau=0.2)
    keywords = {
        "BFGS": {},
        "Newton-CG": {"hessp": found.hessp},
        "trust-exact": {"hess": found.hess},
    }
    tolerance = {"xtol": 1e-10} if method == "Newton-CG" else {"gtol": 1e-8}
    done = minimize(
        found.fun, np.zeros(15), jac=found.jac, method=method, options=tolerance, **keywords[method]
    )
    assert -done.fun == pytest.approx(best.J, rel=1e-7)
    assert found.theta(done.x).shape == (5, 3)


def test_bfgs_nears_the_optimum_of_the_plain_return():
    """The softmax has no maximum, J comes close. Seen failing: jac of +J."""
    mdp = garnet(4, n_actions=2, branching=2, gamma=0.8, rng=3)
    found = objective(mdp, Softmax(mdp))
    done = minimize(found.fun, np.zeros(8), jac=found.jac, method="BFGS", options={"gtol": 1e-9})
    assert -done.fun == pytest.approx(solve(mdp).J, rel=1e-5)


def test_one_evaluation_serves_all_calls_at_one_theta(monkeypatch):
    """Seen failing: without the memory; a memory that ignores x; jac handed out without a copy."""
    mdp, theta = smooth.random_model(0, "discounted")
    calls = []

    def counted(*arguments):
        calls.append(1)
        return policy_gradient(*arguments)

    monkeypatch.setattr(_objective, "policy_gradient", counted)
    found = objective(mdp, Softmax(mdp))
    x = theta.ravel()
    value, slope = found.fun(x), found.jac(x)
    assert len(calls) == 1
    assert value == -evaluate(mdp, Softmax(mdp).probs(theta)).J
    slope[:] = 0  # the caller's copy
    assert found.jac(x).any() and len(calls) == 1
    assert found.fun(x + 1) == pytest.approx(value) and len(calls) == 2
    x += np.arange(12.0)  # in place, as minimisers do
    assert found.fun(x) != value and len(calls) == 3


def test_the_walls_of_the_barrier_keep_minimisers_inside():
    """With a barrier there is a maximum. Seen failing: a barrier of the other sign."""
    mdp = garnet(4, n_actions=2, branching=2, gamma=0.8, rng=3)
    found = objective(mdp, Softmax(mdp), barrier=0.1)
    done = minimize(found.fun, np.zeros(8), jac=found.jac, method="BFGS", options={"gtol": 1e-9})
    assert np.abs(found.jac(done.x)).max() <= 1e-8
    assert Softmax(mdp).probs(found.theta(done.x)).min() > 1e-3
    assert np.linalg.eigvalsh(found.hess(done.x)).min() >= -1e-10


def test_bad_vectors_and_weights_are_refused():
    """Seen failing: any shape; any weight."""
    mdp, theta = smooth.random_model(0, "finite")
    found = objective(mdp, Timed(mdp, LogLinear(mdp, np.ones((4, 3, 2)))))
    with pytest.raises(ModelError, match=r"x has shape \(4, 3\); it must be \(D,\) = \(10,\)"):
        found.fun(theta)
    with pytest.raises(ModelError, match=r"p has shape \(3,\); it must be \(D,\) = \(10,\)"):
        found.hessp(np.zeros(10), np.zeros(3))
    with pytest.raises(ModelError, match=r"barrier is nan; it must be a number >= 0"):
        objective(mdp, Softmax(mdp), barrier=np.nan)
