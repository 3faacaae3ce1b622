"""Values of pairs learned from trajectories in order: SARSA and expected SARSA.

Takes     `Trajectories`, a table Q0 to start from, gamma, a step size.
Gives     a new table of the same shape.
Source    Sutton and Barto (2018), sections 6.4, 6.6, 7.2 and 12.7.
Not here  choosing actions by the table while it is learned (learners).

The policy is held fixed: these evaluate who acted. Q0 is (S, A), or by time (at least T, S, A).
SARSA needs the next action. Where a trajectory was truncated nobody knows it: its last step moves
nothing, and what came before is bootstrapped from the last pair that is known. Expected SARSA needs
the policy instead, and uses that step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..sampling import Trajectories
from ._chains import StepSize, check_arguments, learned, pairs_chain, step_sizes
from ._ratios import at_steps, table_of
from ._returns import goes_on
from ._temporal_difference import sweep
from ._traces import Trace, View, run_traces
from ._updates import expected_sarsa_update


def sarsa(
    Q0: Any,
    trajectories: Trajectories,
    gamma: float,
    step_size: StepSize,
    *,
    lam: float = 0.0,
    view: View = "online",
    trace: Trace = "accumulating",
    observed: bool = False,
) -> FloatArray:
    """SARSA(lambda): Q(s_t, a_t) towards r_t + gamma Q(s_{t+1}, a_{t+1}), and along traces.

    Approaches Q of the policy that acted; what `td` says of bias holds here. lam=0 is SARSA(0);
    with lam=1 and an offline view it regresses on whole returns.

    Parameters
    ----------
    Q0 : (S, A) or (at least T, S, A) array_like, reward units
        May be -inf at refused actions.
    trajectories : Trajectories
    gamma, lam : float in [0, 1]
    step_size : float > 0, or function int -> float
        A function is asked for the k-th update of the same entry, k = 1, 2, ...
    view, trace : str
        As for `td_lambda`.
    observed : bool
        Values of observations, Q0 (n_obs, A), from ``trajectories.o``.

    Returns
    -------
    array of the shape of Q0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.7) and section 12.7: TD(lambda) on pairs. Time O(L) for each of
    the L steps of a trajectory with traces.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 2.0)]] * 2, last=[1, 1])
    >>> sarsa([[0.0, 0.0], [7.0, 7.0]], batch, 0.5, 0.5)
    array([[1.5, 1. ],
           [7. , 7. ]])
    """
    if lam == 0 and view == "online" and trace in ("accumulating", "replacing"):
        return n_step_sarsa(Q0, trajectories, gamma, 1, step_size, observed=observed)
    Q, chain = pairs_chain(trajectories, Q0, observed)
    run_traces(Q.reshape(-1), chain, gamma, lam, step_size, view, trace)
    return learned(Q, "Q")


def n_step_sarsa(
    Q0: Any,
    trajectories: Trajectories,
    gamma: float,
    n: int,
    step_size: StepSize,
    *,
    observed: bool = False,
) -> FloatArray:
    """Q(s_t, a_t) += step_size (r_t + ... + gamma^n Q(s_{t+n}, a_{t+n}) - Q(s_t, a_t)).

    Approaches Q of the policy that acted. n = 1 is SARSA(0). With n >= T it is SARSA(1), the
    regression on whole returns: with the k-th step 1/k the every-visit mean of pairs.

    Parameters
    ----------
    Q0 : (S, A) or (at least T, S, A) array_like, reward units
        May be -inf at refused actions.
    trajectories : Trajectories
    gamma : float in [0, 1]
    n : int >= 1
    step_size : float > 0, or function int -> float
        As for `sarsa`.
    observed : bool
        As for `sarsa`.

    Returns
    -------
    array of the shape of Q0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eqs. (7.4) and (7.5). Time O(N T) updates.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 2.0)]], last=[1])
    >>> n_step_sarsa([[0.0, 0.0], [7.0, 7.0]], batch, 0.5, 2, 0.5)
    array([[1., 1.],
           [7., 7.]])
    """
    check_arguments(gamma)
    Q, chain = pairs_chain(trajectories, Q0, observed)
    cells, rewards, after, done, factors = chain.ahead(gamma, check_count(n, "n"))
    flat = Q.reshape(-1).tolist()  # SARSA is TD on the chain of pairs
    sweep(flat, cells, rewards, after, done, step_sizes(step_size, cells), factors)
    return learned(np.array(flat).reshape(Q.shape), "Q")


def expected_sarsa(
    Q0: Any,
    trajectories: Trajectories,
    policy: Any,
    gamma: float,
    step_size: StepSize,
) -> FloatArray:
    """Q(s_t, a_t) += step_size (r_t + gamma sum_b pi(b|s_{t+1}) Q(s_{t+1}, b) - Q(s_t, a_t)).

    Approaches Q of ``policy``, whoever acted: given the pair, the target's mean depends on the
    model and on ``policy`` alone. Its variance is that of SARSA less that of the next action.

    Parameters
    ----------
    Q0 : (S, A) or (at least T, S, A) array_like, reward units
        May be -inf where the policy is 0.
    trajectories : Trajectories
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated. A family that sees observations stands for its mixture, pi(a|s) = sum_o
        Pr(o|s) pi(a|o).
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        As for `sarsa`.

    Returns
    -------
    array of the shape of Q0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.9); van Seijen et al. (2009). Where a trajectory was truncated
    the state it was in is bootstrapped. Time O(A) for each step.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 2.0)]], last=[1])
    >>> expected_sarsa([[0.0, 4.0], [7.0, 7.0]], batch, [[0.5, 0.5]] * 2, 0.5, 0.5)
    array([[1., 3.],
           [7., 7.]])
    """
    check_arguments(gamma)
    batch = trajectories
    Q, _ = pairs_chain(batch, Q0, observed=False)
    n_times = 1 if Q.ndim == 2 else len(Q)
    longest = int((batch.lengths + batch.truncated).max(initial=0))
    if Q.ndim == 3 and longest > n_times:
        raise ModelError(
            f"Q0 has {n_times} times; these trajectories need {longest}, that of the state in "
            f"which the longest was truncated with it."
        )
    pi = at_steps(table_of(policy), batch, "policy", batch.n_steps + 1)
    when = np.minimum(np.arange(batch.n_steps + 1), n_times - 1)
    rows = when * Q.shape[-2] + batch.s
    mask, flat = batch.mask, Q.reshape(-1, Q.shape[-1])
    here, actions = rows[:, :-1][mask].tolist(), batch.a[mask].tolist()
    after, done = rows[:, 1:][mask].tolist(), (~goes_on(batch))[mask].tolist()
    rewards, chances = batch.r[mask].tolist(), pi[:, 1:][mask]
    cells = rows[:, :-1][mask] * Q.shape[-1] + batch.a[mask]
    steps = step_sizes(step_size, cells)
    with np.errstate(over="ignore", invalid="ignore"):  # `learned` says so
        for s, a, r, s_next, pi_next, end, step in zip(
            here, actions, rewards, after, chances, done, steps, strict=True
        ):
            expected_sarsa_update(flat, s, a, r, s_next, pi_next, end, step, gamma)
    return learned(Q, "Q")
