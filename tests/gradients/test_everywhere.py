"""The gradient of V at every state, against complex steps from every start."""

from dataclasses import replace

import numpy as np
import pytest

import oracles
import smooth
from mdptools import MDP, ModelError, Softmax
from mdptools.arrays import EPS
from mdptools.gradients import policy_gradient, values_jacobian
from mdptools.policies import Direct
from mdptools.structure import every_policy_proper


@pytest.mark.parametrize("objective", ["discounted", "finite", "total"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_are_the_gradients_from_each_start(objective, seed):
    """Seen failing: the transposed visits; pi of time 0 for all times."""
    mdp, _ = smooth.random_model(seed, objective, sparse=seed % 2 == 1)
    if objective == "total" and not every_policy_proper(mdp):
        mdp = mdp.with_objective(gamma=0.9)
    for name, family, theta in smooth.families(mdp, seed):
        pi = family.probs(theta)

        def values(x, family=family):
            V, _, _ = smooth.solved(mdp, family.probs(x))
            return V[0] if V.ndim == 2 else V

        truth = oracles.complex_step(values, theta)
        found = values_jacobian(mdp, family, theta)
        time = smooth.duration(mdp, pi)
        scale = max(np.abs(mdp.R).max(), np.abs(values(theta)).max())
        assert found.shape == (4, *family.shape)
        assert np.abs(found - truth).max() <= 100 * EPS * scale * time**2, name
        assert (found[mdp.terminal] == 0).all()
        ours = policy_gradient(mdp, family, theta)
        apart = np.abs(np.tensordot(mdp.mu, found, axes=1) - ours.value).sum()
        assert apart <= 2 * ours.certificate.bound + 1e-13 * np.abs(found).sum(), name


def test_each_row_is_the_gradient_from_that_state():
    """Seen failing: the gradient of one start in all rows."""
    mdp, theta = smooth.random_model(7, "discounted", gammas=(0.9,))
    family = Softmax(mdp)
    found = values_jacobian(mdp, family, theta)
    for s in range(4):
        from_s = policy_gradient(replace(mdp, mu=np.eye(4)[s]), family, theta).value
        assert np.abs(found[s] - from_s).max() <= 1e-12 * max(np.abs(found).max(), 1e-300)


def test_average_reward_is_not_served():
    """Seen failing: with average reward served."""
    mdp, theta = smooth.random_model(0, "average")
    with pytest.raises(ModelError, match=r"values_jacobian serves .*this model's is average"):
        values_jacobian(mdp, Softmax(mdp), theta)


def test_resting_states_that_theta_can_leave_are_refused():
    """Seen failing: without the check; recurrent classes in the linear system."""
    P = np.zeros((3, 2, 3))
    P[0, :, 2] = P[2, :, 2] = P[1, 0, 1] = P[1, 1, 2] = 1
    mdp = MDP(P, [[1.0, 2.0], [0.0, 5.0], [0.0, 0.0]], gamma=1.0, mu=[1, 0, 0], terminal=[2])
    rests = np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 0.5]])
    with pytest.raises(ModelError, match=r"V has no derivative in state 1: .*theta can lead away"):
        values_jacobian(mdp, Direct(mdp), rests)
    far = np.array([[0.0, 0.0], [1000.0, -1000.0], [0.0, 0.0]])
    found = values_jacobian(mdp, Softmax(mdp), far)
    assert (found[0, 0] == [-0.25, 0.25]).all() and not found[1:].any()
