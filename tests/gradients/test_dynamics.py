"""The vector field of learning against one gradient at a time."""

import numpy as np
import pytest

import smooth
from mdptools import MDP, ModelError, Softmax
from mdptools.gradients import _dynamics, natural_gradient, policy_gradient, vector_field
from mdptools.policies import LogLinear, Timed
from mdptools.structure import every_policy_proper


@pytest.mark.parametrize("objective", smooth.OBJECTIVES)
@pytest.mark.parametrize("sparse", [False, True])
def test_each_point_is_a_policy_gradient(objective, sparse, monkeypatch):
    """Plain and natural, in one batch or several.

    Seen failing: x and y exchanged; terminal states left in the linear system; visits of time 0 for
    all times; visits without 1 - gamma in the Fisher matrix; the last batch left out.
    """
    if sparse:
        monkeypatch.setattr(_dynamics, "AT_ONCE", 50)
    for seed in range(3):
        mdp, _ = smooth.random_model(seed, objective, gammas=(0.5, 0.9), sparse=sparse)
        if objective == "total" and not every_policy_proper(mdp):
            mdp = mdp.with_objective(gamma=0.9)
        family = LogLinear(mdp, np.random.default_rng(seed).normal(size=(4, 3, 2)))
        x, y = np.array([-1.0, 0.0, 2.0]), np.array([0.5, -2.0])
        plain, natural = (vector_field(mdp, family, x, y, natural=n) for n in (False, True))
        assert plain.J.shape == plain.dx.shape == plain.dy.shape == (2, 3)
        assert natural.natural and not plain.natural
        for j in range(2):
            for i in range(3):
                at = [x[i], y[j]]
                g = policy_gradient(mdp, family, at)
                scale = np.abs(g.value).max() + abs(g.J)
                assert plain.J[j, i] == pytest.approx(g.J, abs=1e-11 * scale)
                assert [plain.dx[j, i], plain.dy[j, i]] == pytest.approx(g.value, abs=1e-10 * scale)
                n = natural_gradient(mdp, family, at).value
                size = np.abs(n).max()
                assert [natural.dx[j, i], natural.dy[j, i]] == pytest.approx(n, abs=1e-8 * size)


def test_a_plane_through_many_parameters():
    """Slopes are <g, u> and <g, v>; the natural field is that of the two parameters. The field
    remembers its plane.

    Seen failing: the origin left out; v for u; u and v exchanged in the memory.
    """
    mdp, theta = smooth.random_model(5, "discounted", gammas=(0.9,))
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 4, 3))
    family = Softmax(mdp)
    field = vector_field(mdp, family, [0.0, 0.3], [0.2], plane=(theta, u, v))
    g = policy_gradient(mdp, family, theta + 0.3 * u + 0.2 * v).value
    assert all(map(np.array_equal, field.plane, (theta, u, v)))
    assert field.dx[0, 1] == pytest.approx((g * u).sum(), rel=1e-9)
    assert field.dy[0, 1] == pytest.approx((g * v).sum(), rel=1e-9)
    # On the plane the softmax is log-linear in x and y, with features u and v.
    phi = np.stack([u, v], axis=-1)
    flat = LogLinear(mdp, phi)
    assert vector_field(mdp, flat, [0.3], [0.2]).plane is None
    through_zero = vector_field(mdp, family, [0.3], [0.2], plane=(0 * theta, u, v), natural=True)
    n = natural_gradient(mdp, flat, [0.3, 0.2]).value
    assert [through_zero.dx[0, 0], through_zero.dy[0, 0]] == pytest.approx(n, rel=1e-8)


def test_policies_that_depend_on_time():
    """Seen failing: time 0 for all times."""
    mdp, _ = smooth.random_model(2, "finite")
    family = Timed(mdp, Softmax(mdp))
    origin, u, v = np.random.default_rng(0).normal(size=(3, 5, 4, 3))
    for natural in (False, True):
        field = vector_field(mdp, family, [0.5], [0.1], plane=(origin, u, v), natural=natural)
        assert np.isfinite([field.dx, field.dy]).all()
    field = vector_field(mdp, family, [0.5], [0.1], plane=(origin, u, v))
    g = policy_gradient(mdp, family, origin + 0.5 * u + 0.1 * v)
    assert field.J[0, 0] == pytest.approx(g.J, rel=1e-12)
    assert field.dx[0, 0] == pytest.approx((g.value * u).sum(), rel=1e-10)


def test_a_bandit_flows_towards_the_better_arm():
    """pi0 pi1 (r1 - r0), in closed form. Seen failing: the sign."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    field = vector_field(mdp, Softmax(mdp), np.linspace(-2, 2, 5), [0.0])
    p = 1 / (1 + np.exp(np.linspace(-2, 2, 5)))
    assert field.dy[0] == pytest.approx(p * (1 - p))
    assert field.dx[0] == pytest.approx(-p * (1 - p))
    assert field.J[0] == pytest.approx(p)
    assert not field.J.flags.writeable


def test_bad_planes_and_lines_are_refused():
    """Seen failing: a family of 12 parameters taken; a grid of nan."""
    mdp, theta = smooth.random_model(0, "discounted")
    family = Softmax(mdp)
    with pytest.raises(ModelError, match=r"family has 12 parameters and a picture has two: hand"):
        vector_field(mdp, family, [0.0], [0.0])
    with pytest.raises(ModelError, match=r"v of the plane has shape \(3,\); it must be finite and"):
        vector_field(mdp, family, [0.0], [0.0], plane=(theta, theta, [1, 2, 3]))
    with pytest.raises(ModelError, match=r"plane must be \(origin, u, v\)"):
        vector_field(mdp, family, [0.0], [0.0], plane=theta)
    with pytest.raises(
        ModelError, match=r"y has shape \(1,\); it must be a line of finite numbers"
    ):
        vector_field(mdp, family, [0.0], [np.nan], plane=(theta, theta, theta))
