"""Networks as policies, with the real torch and JAX where they are installed."""

import builtins

import numpy as np
import pytest

from mdptools import MissingExtraError, ModelError, evaluate, from_jax, from_torch, policy_gradient
from mdptools.problems import grid_world

GRID = grid_world("S.#\n..G", gamma=0.9)
N_STATES, N_ACTIONS = GRID.n_states, GRID.n_actions


def two_layers_of_torch():
    """4 hidden units; dropout, which must not be felt."""
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = torch.nn.Linear(N_STATES, 4), torch.nn.Tanh(), torch.nn.Dropout(0.5)
        return torch.nn.Sequential(*layers, torch.nn.Linear(4, N_ACTIONS))


def of_torch():
    return from_torch(GRID, two_layers_of_torch(), np.eye(N_STATES))


def of_jax():
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(0)

    def network(weights):
        hidden = jax.numpy.tanh(weights["first"] + weights["bias"])
        return hidden @ weights["second"]

    first, second = rng.normal(size=(N_STATES, 4)), rng.normal(size=(4, N_ACTIONS))
    start = {"first": first, "bias": np.zeros(4), "second": second.astype(np.float32)}
    return from_jax(GRID, network, start)


@pytest.mark.parametrize("make", [of_torch, of_jax])
def test_the_gradient_through_a_network_is_the_derivative_of_the_return(make):
    """Central differences of the exact J, coordinate by coordinate, and of the first derivatives.

    Seen failing: with float32 parameters; with dropout left on (another J each time); with
    hessian_product without U."""
    family, theta = make()
    assert theta.dtype == np.float64 and theta.shape == family.shape == (family.size,)

    def value(x):
        return evaluate(GRID, family.probs(x)).J

    found, h = policy_gradient(GRID, family, theta).value, 1e-5
    wanted = [(value(theta + h * e) - value(theta - h * e)) / (2 * h) for e in np.eye(theta.size)]
    assert np.allclose(found, wanted, rtol=0, atol=1e-7 * np.abs(wanted).max())
    rng = np.random.default_rng(1)
    v, G = rng.normal(size=theta.shape), rng.normal(size=GRID.allowed.shape)
    there, back = theta + h * v, theta - h * v
    moved = (family.probs(there) - family.probs(back)) / (2 * h)
    assert np.allclose(family.pushforward(theta, v), moved, rtol=0, atol=1e-8)
    bent = (family.pullback(there, G) - family.pullback(back, G)) / (2 * h)
    assert np.allclose(family.curvature(theta, v, G), bent, rtol=0, atol=1e-8)


def test_the_module_itself_is_left_alone():
    """Seen failing: without the copy (then it is in float64 and in evaluation mode)."""
    torch = pytest.importorskip("torch")
    net = two_layers_of_torch()
    family, theta = from_torch(GRID, net, np.eye(N_STATES))
    assert net.training and next(net.parameters()).dtype == torch.float32
    before = family.probs(theta)
    torch.nn.utils.vector_to_parameters(
        torch.tensor(theta + 1, dtype=torch.float32), net.parameters()
    )
    assert np.array_equal(family.probs(theta), before)  # and it does not look at it again
    again = from_torch(GRID, net, np.eye(N_STATES))[1]
    assert np.allclose(again, theta + 1, rtol=0, atol=1e-6)


def test_integer_features_may_be_looked_up_and_pairs_have_features_of_their_own():
    """Seen failing: with integers made float (an embedding refuses them); without the last axis;
    with theta turned round."""
    torch = pytest.importorskip("torch")
    _, theta = from_torch(GRID, torch.nn.Embedding(N_STATES, N_ACTIONS), np.arange(N_STATES))
    assert theta.size == N_STATES * N_ACTIONS
    phi = np.random.default_rng(0).normal(size=(N_STATES, N_ACTIONS, 3))
    linear, weights = from_torch(GRID, torch.nn.Linear(3, 1, bias=False), phi)
    assert np.allclose(linear.logits(weights), phi @ weights, rtol=0, atol=1e-14)


def test_modules_that_do_not_fit():
    """Seen failing: with the shape found out by an error of torch's own."""
    torch = pytest.importorskip("torch")
    with pytest.raises(ModelError, match=rf"^module\(features\) has shape \({N_STATES}, 7\)"):
        from_torch(GRID, torch.nn.Linear(3, 7), np.zeros((N_STATES, 3)))
    with pytest.raises(ModelError, match=r"^the module has no parameters"):
        from_torch(GRID, torch.nn.Tanh(), np.zeros((N_STATES, N_ACTIONS)))


def test_jax_keeps_its_own_precision():
    """Seen failing: with jax_enable_x64 switched on for all."""
    jax = pytest.importorskip("jax")
    family, theta = of_jax()
    family.probs(theta)
    assert jax.numpy.ones(1).dtype == np.float32
    with pytest.raises(ModelError, match=r"^function\(theta\) has shape \(2,\)"):
        from_jax(GRID, lambda x: x, np.zeros(2))


@pytest.mark.parametrize(("ask", "library"), [(from_torch, "torch"), (from_jax, "jax")])
def test_without_the_library_the_message_names_the_extra(ask, library, monkeypatch):
    """Seen failing: with the ImportError let through."""
    found = builtins.__import__

    def missing(name, *rest):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=rf"^{library} is not .* 'mdptools\[{library}\]'"):
        ask(GRID, None, np.zeros(1))
