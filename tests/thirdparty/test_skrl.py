"""The GAE of skrl's PPO (JAX), on a buffer of two episodes, one after the other.

It returns advantages + values: at lambda = 1 returns to go, which are estimates of V.
"""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
ppo = pytest.importorskip("skrl.agents.jax.ppo.ppo", exc_type=ImportError)

from mdptools import check_estimator, evaluate  # noqa: E402
from mdptools.testing.models import lab  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not hasattr(ppo, "_compute_gae"), reason="this skrl has no _compute_gae"),
]

ONE = lab()
SHORT = ONE.mdp.with_objective(horizon=2)


def compute_gae(**columns):
    return jax.jit(ppo._compute_gae, static_argnames=("time_limit_bootstrap",))(**columns)


def first_return(batch, *, told, bootstrap=False, added=None):
    """What it says of the first state of a buffer of two episodes.

    ``told``: what the buffer says of an episode that is cut; ``added``: what a truncation is worth,
    which skrl's PPO adds to the last reward if it bootstraps there.
    """
    if not batch.lengths[0]:
        return 0.0
    rewards, values, terminated, truncated = [], [], [], []
    for i in range(batch.n):
        n = int(batch.lengths[i])
        last = np.arange(n) == n - 1
        s = batch.s[i, n]
        over = told == "terminated" or bool(ONE.mdp.terminal[s])
        more = 0.0 if added is None or over else ONE.mdp.gamma * added[s]
        rewards.append(batch.r[i, :n] + more * last)
        values.append(ONE.critic[batch.s[i, :n]])
        terminated.append(last & over)
        truncated.append(last & (not over))
    kinds = {"rewards": rewards, "values": values, "terminated": terminated, "truncated": truncated}
    columns = {name: np.concatenate(parts)[:, None, None] for name, parts in kinds.items()}
    returns, _ = compute_gae(
        **columns,
        last_values=np.zeros((1, 1)),
        discount_factor=ONE.mdp.gamma,
        lambda_coefficient=1.0,
        time_limit_bootstrap=bootstrap,
    )
    return np.asarray(returns)[0, 0, 0]


def verdict(mdp, **how):
    horizon = {} if mdp.horizon else {"horizon": 2}
    return check_estimator(
        lambda batch: first_return(batch, **how), mdp, ONE.policy, target="J", batch=2, **horizon
    )


def test_episodes_that_terminate_are_kept_apart():
    """Unbiased, whatever the critic.

    Seen failing: with nothing told of the end.
    """
    assert verdict(SHORT, told="terminated").outcome == "unbiased"


def test_without_time_limit_bootstrap_a_truncated_episode_runs_on_into_the_next():
    """The default: `not_done` looks at `terminated` alone, so after a truncation the return goes on
    with the rewards of the next episode in the buffer.

    Seen failing: with the bootstrap.
    """
    found = verdict(SHORT, told="truncated")
    assert found.outcome == "biased"
    assert abs(found.bias) > 0.01


def test_with_time_limit_bootstrap_it_is_right():
    """Returns that stop there are unbiased, and so are those that are continued by the exact V.

    Seen failing: each without the flag.
    """
    assert verdict(SHORT, told="truncated", bootstrap=True).outcome == "unbiased"
    endless = ONE.mdp.with_objective()
    V = evaluate(endless, ONE.pi).V
    found = verdict(endless, told="truncated", bootstrap=True, added=V)
    assert found.outcome == "unbiased"
    assert "continued by the exact V" in found.claim
