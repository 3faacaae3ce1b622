"""n-step actor-critic: the recursion against walking every trajectory, and long horizons."""

import numpy as np
import pytest

from mdptools import MDP, ModelError
from mdptools.policies import SoftmaxAt
from mdptools.verify import n_step_moments, reward_to_go_moments
from recursion_models import (
    HORIZON,
    MODELS,
    assert_moments,
    assert_same,
    moments_of,
    random_model,
    walked,
)


def n_step_row(mdp, pi, n, v, c, length=HORIZON):
    """sum_t c^t psi_t times the next n rewards and the critic behind them, step by step."""
    psi, gamma = SoftmaxAt(mdp).score(pi), mdp.gamma

    def row(steps):
        states = [step[0] for step in steps] + [step[3] for step in steps[-1:]]
        over = bool(steps) and (mdp.terminal[states[-1]] or length == mdp.horizon)
        X = np.zeros(psi.shape[2])
        for t, (s, a, *_) in enumerate(steps):
            last = min(t + n, len(steps))
            G = sum(gamma ** (k - t) * steps[k][2] for k in range(t, last))
            if last < len(steps) or not over:
                G += gamma ** (last - t) * v[last, states[last]]
            X += c**t * psi[s, a] * (G - v[t, s])
        return X

    return row


@pytest.mark.parametrize("seed", range(MODELS))
def test_moments_are_what_enumeration_says(seed):
    """n = 1, 2, 3 and more than there are steps; c = gamma and 1; critics that depend on time; on
    the model's horizon, and cut before.

    Seen failing: k_ij of the same step for those of the next; gamma for gamma^2; C_m for C_{m-1};
    the sum over m steps in U; final left out; no bootstrap at a cut.
    """
    mdp, pi, _, critic, table = random_model(seed)
    timed = np.vstack([table, critic])
    paths = {length: walked(mdp, pi, length) for length in (HORIZON, 2)}
    for n, length, v, c in [
        (1, HORIZON, np.tile(critic, (HORIZON + 1, 1)), mdp.gamma),
        (2, HORIZON, timed, mdp.gamma),
        (3, HORIZON, timed, 1.0),
        (7, HORIZON, timed, mdp.gamma),
        (2, 2, timed[:3], 0.3),
    ]:
        keywords = {"critic": v, "time_discount": c, "horizon": length}
        expected = moments_of(paths[length], n_step_row(mdp, pi, n, v, c, length))
        assert_moments(n_step_moments(mdp, pi, n, **keywords), *expected)
        variances = n_step_moments(mdp, pi, n, **keywords, detail="variance")
        assert variances.covariance is None
        assert_moments(variances, *expected)
        mean = n_step_moments(mdp, pi, n, **keywords, detail="mean")
        np.testing.assert_allclose(mean.mean, expected[0], atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_without_a_horizon_it_is_the_limit(seed):
    """Against 120 steps; n = 1 is the one-step actor-critic, n = H is GPOMDP with a baseline.

    Seen failing: n - 1 steps for A^n; c for c^2 in the solve of M.
    """
    mdp, pi, _, critic, _ = random_model(seed, hurry=0.3)
    forever = mdp.with_objective(gamma=0.8)
    for n in (1, 2, 4):
        for c in (0.8, 1.0):
            keywords = {"critic": critic, "time_discount": c}
            found = n_step_moments(forever, pi, n, **keywords)
            assert_same(found, n_step_moments(forever, pi, n, **keywords, horizon=120))
            variances = n_step_moments(forever, pi, n, **keywords, detail="variance")
            np.testing.assert_allclose(variances.variance, found.variance, rtol=1e-12, atol=1e-14)
    one = n_step_moments(forever, pi, 1, critic=critic)
    assert_same(one, reward_to_go_moments(forever, pi, critic=critic), 1e-12)
    whole = n_step_moments(mdp, pi, HORIZON, critic=critic)
    assert_same(whole, reward_to_go_moments(mdp, pi, baseline=critic), 1e-12)


def test_refusals():
    """Seen failing: n = 0; an endless sum."""
    mdp, pi, *_ = random_model(0)
    with pytest.raises(ModelError, match="n is 0; it must be an int >= 1"):
        n_step_moments(mdp, pi, 0, critic=0.0)
    with pytest.raises(ModelError, match=r"critic has shape \(3,\)"):
        n_step_moments(mdp, pi, 2, critic=np.zeros(3))
    endless = MDP([[[1.0]]], [[1.0]], gamma=0.9)
    with pytest.raises(ModelError, match="scores are not discounted"):
        n_step_moments(endless, [[1.0]], 2, critic=0.0, time_discount=1.0)
