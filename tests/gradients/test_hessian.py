"""Second derivatives against complex steps of the gradient, differences of J, and each other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import oracles
import smooth
from mdptools import MDP, ModelError, Softmax
from mdptools.arrays import EPS
from mdptools.gradients import _hessian, hessian, hessian_vector_product, log_barrier
from mdptools.gradients._barrier import pair_weights
from mdptools.gradients._hessian import second_order
from mdptools.policies import Callable, Direct
from mdptools.structure import every_policy_proper
from mdptools.testing.strategies import logits, mdps

CASES = [(objective, tau) for objective in smooth.OBJECTIVES for tau in (0.0, 0.7)]
SMOOTH = [case for case in CASES if case[0] in ("discounted", "finite") or not case[1]]


def tolerance(mdp, pi, tau=0.0):
    """100 eps s L, s = 10 max(|R|, |V|) L: L = 1 / (1 - gamma) if discounted."""
    V, _, _ = smooth.solved(mdp, pi, tau)
    time = smooth.duration(mdp, pi)
    scale = max(np.abs(mdp.R).max(), np.abs(V).max(), tau * np.log(mdp.n_actions))
    return 100 * EPS * 10 * scale * time**2


@pytest.mark.parametrize(("objective", "tau"), SMOOTH)
@pytest.mark.parametrize("seed", range(4))
def test_hessian_is_the_complex_step_of_the_gradient(objective, tau, seed):
    """Every smooth family, dense and sparse.

    Seen failing: visits held fixed; Q held fixed; the curvature of the family left out; the slope
    of -tau log pi left out; pi of the time before in the visits; gamma left out of either solve;
    the law of average reward not kept at a sum of one; the gain's derivative left in the bias.
    """
    mdp, _ = smooth.random_model(seed, objective, gammas=(0.5, 0.9, 0.99), sparse=seed % 2 == 1)
    if objective == "total" and not every_policy_proper(mdp):
        mdp = mdp.with_objective(gamma=0.99)
    for name, family, theta in smooth.families(mdp, seed):
        truth = oracles.complex_step(lambda x, f=family: smooth.gradient_of(mdp, f, x, tau), theta)
        found = hessian(mdp, family, theta, tau=tau)
        tol = tolerance(mdp, family.probs(theta), tau)
        assert np.abs(found - truth.reshape(found.shape)).max() <= tol, name
        assert np.abs(truth).max() > 1e3 * tol, name


@pytest.mark.parametrize("objective", smooth.OBJECTIVES)
def test_hessian_is_the_second_difference_of_the_return(objective):
    """Nothing of the families but probs: gradients by complex steps of J, differences of these.

    Seen failing: visits held fixed; Q held fixed.
    """
    mdp, _ = smooth.random_model(2, objective, gammas=(0.9,))
    for name, family, theta in smooth.families(mdp, 5):

        def slope(x, family=family):
            return oracles.complex_step(lambda z: smooth.value_of(mdp, family.probs(z)), x)

        v = np.random.default_rng(0).normal(size=theta.shape)
        h = 1e-5
        truth = (slope(theta + h * v) - slope(theta - h * v)) / (2 * h)
        found = hessian_vector_product(mdp, family, theta, v)
        assert np.abs(found - truth).max() <= 1e-6 * np.abs(truth).max(), name


@given(
    mdp=mdps(objective="discounted", max_gamma=0.9999),
    data=st.data(),
)
def test_hessian_is_symmetric_and_flat_along_constants(mdp, data):
    """<u, Hv> = <v, Hu> and H 1_s = 0, up to gamma = 0.9999.

    Seen failing: visits held fixed; gamma left out of the derivative of visits.
    """
    theta = data.draw(logits(mdp, largest=3.0))
    family = Softmax(mdp)
    raw = second_order(mdp, family, theta).matrix()
    tol = tolerance(mdp, family.probs(theta))
    assert np.abs(raw - raw.T).max() <= tol
    blocks = raw.reshape(-1, mdp.n_states, mdp.n_actions)
    assert np.abs(blocks.sum(axis=2)).max() <= tol * mdp.n_actions
    dead = ~mdp.allowed | mdp.terminal[:, None]
    assert not np.abs(raw[dead.reshape(-1)]).any() and not raw[:, dead.reshape(-1)].any()


def test_the_matrix_is_its_products_in_any_number_of_batches(monkeypatch):
    """Seen failing: the first batch alone."""
    mdp, theta = smooth.random_model(1, "discounted")
    family = Softmax(mdp)
    whole = second_order(mdp, family, theta).matrix()
    monkeypatch.setattr(_hessian, "AT_ONCE", 60)
    parts = second_order(mdp, family, theta).matrix()
    products = [hessian_vector_product(mdp, family, theta, v) for v in np.eye(12).reshape(12, 4, 3)]
    scale = np.abs(whole).max()
    assert np.abs(parts - whole).max() <= 1e-12 * scale
    assert np.abs(np.stack(products, axis=-1).reshape(12, 12) - whole).max() <= 1e-12 * scale


@pytest.mark.parametrize("objective", ["discounted", "finite"])
def test_hessian_of_the_barrier(objective):
    """Complex steps of sum w grad log pi.

    Seen failing: the curvature of the barrier left out; its sign.
    """
    mdp, _ = smooth.random_model(4, objective)
    for name, family, theta in smooth.families(mdp, 4):
        pi = family.probs(theta)
        weights = pair_weights(mdp, pi) * 0.3
        safe = weights > 0

        def slope(z, family=family, weights=weights, safe=safe):
            return family.pullback(z, weights / np.where(safe, family.probs(z), 1.0))

        truth = oracles.complex_step(slope, theta)
        with_it = hessian(mdp, family, theta, barrier=0.3)
        without = hessian(mdp, family, theta)
        found = with_it - without
        tol = 1e-10 * max(np.abs(without).max(), np.abs(truth).max())
        assert np.abs(found - truth.reshape(found.shape)).max() <= tol, name
        assert np.abs(truth).max() > 1e3 * tol, name
        wall = log_barrier(mdp, family, theta, 0.3)
        assert np.abs(wall.gradient - slope(theta)).max() <= 1e-13


def test_any_function_with_its_derivatives_has_a_hessian():
    """Logits that bend: a product and a sine. Without the second derivative it says what to give.

    Seen failing: the curvature of the family left out.
    """
    mdp, _ = smooth.random_model(3, "discounted", gammas=(0.9,))
    phi, chi = np.random.default_rng(0).normal(size=(2, 4, 3))

    def function(x):
        return x[0] * x[1] * phi + np.sin(x[1]) * chi

    def jacobian(x):
        return np.stack([x[1] * phi, x[0] * phi + np.cos(x[1]) * chi], axis=-1)

    def hessian_product(x, v, U):
        a, b = (U * phi).sum(), (U * chi).sum()
        return np.array([a * v[1], a * v[0] - b * np.sin(x[1]) * v[1]])

    family = Callable(mdp, function, jacobian, shape=(2,), hessian_product=hessian_product)
    theta = np.array([0.7, -0.4])
    truth = oracles.complex_step(lambda x: smooth.gradient_of(mdp, family, x), theta)
    assert np.abs(hessian(mdp, family, theta) - truth).max() <= 1e-10 * np.abs(truth).max()
    with pytest.raises(ModelError, match=r"hessian_product"):
        hessian(mdp, Callable(mdp, function, jacobian, shape=(2,)), theta)


def test_a_hessian_of_average_reward_needs_one_class():
    """Seen failing: without `check_one_class`."""
    mdp = MDP(np.eye(2)[:, None], [[1.0], [0.0]], average=True)
    with pytest.raises(ModelError, match=r"2 recurrent classes, \{0\}, \{1\}, and would jump"):
        hessian(mdp, Softmax(mdp), np.zeros((2, 1)))


def test_bad_directions_and_weights_are_refused():
    """Seen failing: a direction of any shape; a negative tau."""
    mdp, theta = smooth.random_model(0, "discounted")
    family = Softmax(mdp)
    with pytest.raises(ModelError, match=r"v has shape \(12,\); it must be finite and in theta's"):
        hessian_vector_product(mdp, family, theta, theta.ravel())
    with pytest.raises(ModelError, match=r"v has shape \(4, 3\); it must be finite"):
        hessian_vector_product(mdp, family, theta, theta * np.nan)
    with pytest.raises(ModelError, match=r"tau is -1; it must be a number >= 0"):
        hessian(mdp, family, theta, tau=-1)
    with pytest.raises(ModelError, match=r"barrier is 'x'; it must be a number >= 0"):
        hessian(mdp, family, theta, barrier="x")


def test_entropy_at_the_edge_of_the_simplex_is_refused():
    """Seen failing: without `check_interior`."""
    mdp, theta = smooth.random_model(0, "discounted")
    pi = np.where(np.arange(3) == mdp.allowed.argmax(axis=1)[:, None], 1.0, 0.0)
    with pytest.raises(ModelError, match=r"pi is 0 for action .* slope of its logarithm is inf"):
        hessian(mdp, Direct(mdp), pi, tau=0.5)
    assert np.isfinite(hessian(mdp, Softmax(mdp), theta * 1e4, tau=0.5)).all()


def test_where_a_policy_rests_for_ever_directions_must_not_lead_away():
    """mu never leads there, so J has a Hessian; the direct family can leave.

    Seen failing: without the check.
    """
    P = np.zeros((3, 2, 3))
    P[0, :, 2] = P[2, :, 2] = P[1, 0, 1] = P[1, 1, 2] = 1
    mdp = MDP(P, [[1.0, 2.0], [0.0, 5.0], [0.0, 0.0]], gamma=1.0, mu=[1, 0, 0], terminal=[2])
    rests = np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])
    with pytest.raises(ModelError, match=r"V has no derivative in state 1: .*direction leads away"):
        hessian(mdp, Direct(mdp), rests)
    far = np.array([[0.0, 0.0], [1000.0, -1000.0], [0.0, 0.0]])
    found = hessian(mdp, Softmax(mdp), far)
    assert not found.any()  # the softmax of state 0 is at its inflection


@given(seed=st.integers(0, 10**6))
def test_hessian_of_total_reward(seed):
    """Episodes that end with certainty, however long. Seen failing: visits held fixed."""
    mdp, theta = smooth.random_model(seed, "total")
    assume(every_policy_proper(mdp))
    family = Softmax(mdp)
    found = hessian(mdp, family, theta)
    truth = oracles.complex_step(lambda x: smooth.gradient_of(mdp, family, x), theta)
    assert np.abs(found - truth.reshape(12, 12)).max() <= tolerance(mdp, family.probs(theta))
