"""solve: choose the planner, and say which and why.

Takes     an MDP and a tolerance.
Gives     a `Solution` with method and reason.
Not here  the planners.
"""

from __future__ import annotations

from collections.abc import Callable

from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._average_bounds import find_components
from ._average_policy_iteration import average_policy_iteration
from ._finite_horizon import backward_induction
from ._linear_program import linear_program
from ._modified_policy_iteration import modified_policy_iteration
from ._policy_iteration import policy_iteration
from ._relative_value_iteration import relative_value_iteration
from ._solution import Solution
from ._total_reward import total_reward
from ._value_iteration import q_iteration, value_iteration

PLANNERS: dict[str, Callable[..., Solution]] = {
    "average_policy_iteration": average_policy_iteration,
    "backward_induction": backward_induction,
    "linear_program": linear_program,
    "modified_policy_iteration": modified_policy_iteration,
    "policy_iteration": policy_iteration,
    "q_iteration": q_iteration,
    "relative_value_iteration": relative_value_iteration,
    "total_reward": total_reward,
    "value_iteration": value_iteration,
}
"""Every planner by its name: a new one is a file, a name in the face and a row here."""

LARGE = 500  # states: from here on an LU costs more than the sweeps of most models
WHY_POLICIES = f"P is dense and has at most {LARGE:,} states"
WHY_SWEEPS = (
    f"P is dense and has more than {LARGE:,} states: sweeps of one policy cost far less than an "
    f"LU, and than value iteration's backups of all actions"
)
WHY_SPARSE = (
    "P is sparse: an LU may fill in, and sweeps of one policy cost less than value iteration's "
    "backups of all actions"
)


def solve(mdp: MDP, *, tol: float | None = None, method: str = "auto") -> Solution:
    """The optimum of a model, by the planner that suits it.

    Parameters
    ----------
    mdp : MDP
    tol : float, reward units, optional
        Largest accepted error of V (average reward: of the gain) in any state; 1e-9 times max |R|
        times the largest expected (discounted) time, or one step of average reward, if omitted.
    method : str
        "auto", or the name of a planner.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``; ``method`` and ``reason`` say what was done.

    Raises
    ------
    ModelError
        If the optimum is infinite or undefined (the states are named), if the objective or the
        method is not served.
    ConvergenceError
        If the bound cannot be brought below ``tol``; ``error.solution`` is what was reached.

    Notes
    -----
    Finite: backward induction. Total: policy iteration with bounds from both sides. Discounted:
    policy iteration for dense models up to 500 states, modified policy iteration above and for
    sparse ones. Average: policy iteration on gain and bias; relative value iteration above 500
    states, where one end component holds all that happens in the long run.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = solve(mdp)
    >>> solution.method, solution.V.round(3)
    ('policy_iteration', array([42.442, 36.047]))
    """
    check_model(mdp)
    if method not in ("auto", *PLANNERS):
        raise ModelError(f"method is {method!r:.80}; it must be 'auto' or one of {[*PLANNERS]}.")
    if method != "auto":
        return PLANNERS[method](mdp, tol=tol)
    name, reason = _choose(mdp)
    solution = PLANNERS[name](mdp, tol=tol)
    # In place: nobody else has seen it yet, and a copy would cost as much as a linear solve.
    object.__setattr__(solution, "reason", reason)
    return solution


def _choose(mdp: MDP) -> tuple[str, str]:
    objective = mdp.objective
    if objective == "finite":
        return "backward_induction", "the horizon is finite: one backup a step is exact"
    if objective == "total":
        return "total_reward", "gamma = 1 without a horizon: total reward until termination"
    if objective == "average":
        return _choose_average(mdp)
    if mdp.facts.dense and mdp.n_states <= LARGE:
        return "policy_iteration", WHY_POLICIES
    return "modified_policy_iteration", WHY_SWEEPS if mdp.facts.dense else WHY_SPARSE


def _choose_average(mdp: MDP) -> tuple[str, str]:
    """Policies where they are cheap to evaluate, or where nothing else gives two-sided bounds."""
    if mdp.n_states <= LARGE:
        return (
            "average_policy_iteration",
            f"average reward, and at most {LARGE:,} states: a policy is evaluated quickly, and it "
            f"does not matter how slowly the model mixes",
        )
    if find_components(mdp).gain_is_constant:
        return (
            "relative_value_iteration",
            f"average reward with one end component and more than {LARGE:,} states: sweeps cost "
            f"far less than evaluating policies",
        )
    return (
        "average_policy_iteration",
        "average reward with several end components: the gain may depend on the start",
    )
