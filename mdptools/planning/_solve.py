"""solve: choose the planner, and say which and why.

Takes     an MDP and a tolerance.
Gives     a `Solution` with method and reason.
Not here  the planners.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..checks import check_model
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..structure import backward_levels, topological_levels
from ._average_bounds import find_components
from ._average_policy_iteration import average_policy_iteration
from ._each_state import is_uneven
from ._finite_horizon import backward_induction
from ._gauss_seidel import gauss_seidel_value_iteration
from ._linear_program import linear_program
from ._modified_policy_iteration import modified_policy_iteration
from ._policy_iteration import policy_iteration
from ._prioritized_sweeping import prioritized_sweeping
from ._relative_value_iteration import relative_value_iteration
from ._solution import ASKED, Solution, discounted_tol
from ._topological import topological_value_iteration
from ._total_reward import total_reward
from ._value_iteration import q_iteration, value_iteration
from ._watch import Callback

PLANNERS: dict[str, Callable[..., Solution]] = {
    "average_policy_iteration": average_policy_iteration,
    "backward_induction": backward_induction,
    "gauss_seidel_value_iteration": gauss_seidel_value_iteration,
    "linear_program": linear_program,
    "modified_policy_iteration": modified_policy_iteration,
    "policy_iteration": policy_iteration,
    "prioritized_sweeping": prioritized_sweeping,
    "q_iteration": q_iteration,
    "relative_value_iteration": relative_value_iteration,
    "topological_value_iteration": topological_value_iteration,
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
FEW, GLIMPSE = 2_000, 500
"""States up to which policies of average reward are evaluated in seconds, where so many sweeps have
not been enough."""
HUGE, SMALL = 10_000, 500
"""From how many states on an order is looked for, and up to which components an LU is cheap."""

FAR, WIDE = 500, 30
"""Steps back from the ends that would be as many sweeps, and states on each for a product."""

WHY_COMPONENTS = (
    f"P is sparse and no strong component has more than {SMALL} states: each is solved once, after "
    f"those that it leads to"
)
WHY_BACKWARDS = (
    f"P is sparse and ends are {FAR} steps and more away: blocks backwards from there carry news "
    f"in one sweep"
)
UNEVEN, DEAREST = 1e-8, 5e11
"""Where sweeps leave a bound of more than this share of some value, policies are evaluated; if an
LU takes at most so many multiplications: tens of seconds where it fills in, in general a hundredth
of that."""

WHY_EXACTLY = (
    "; then policy iteration: linear systems are solved more exactly than sweeps can, and where "
    "values differ much in size each state has bounds of its own"
)
WHY_NOT_SWEEPS = (
    f"average reward with one end component, which mixes too slowly for {GLIMPSE} sweeps of "
    f"relative value iteration"
)


def solve(
    mdp: MDP,
    *,
    tol: float | None = None,
    method: str = "auto",
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    infinite: str = "refuse",
) -> Solution:
    """The optimum of a model, by the planner that suits it.

    Parameters
    ----------
    mdp : MDP
    tol : float, reward units, optional
        Largest accepted error of V (average reward: of the gain) in any state; 1e-9 times max |R|
        times the largest expected (discounted) time, or one step of average reward, if omitted.
        ``certificate.lower`` and ``upper`` tell more where values differ much in size.
    method : str
        "auto", or the name of a planner.
    V0 : (S,) array_like, reward units, optional
        A warm start: the V of a similar model, say. It changes the work, not what is proved.
    history : bool
        Keep the bound after each sweep, or policy, in ``Solution.history``.
    callback : callable, optional
        Called with a `Step` after each sweep, or policy; `show_progress` is one. If it raises
        StopIteration, or at Ctrl-C, the answer is the best that was found so far: its bound is
        proved, but may be above ``tol``, and ``reason`` says what stopped it. A second Ctrl-C,
        while that answer is put together, ends it as usual.
    infinite : {"refuse", "keep"}
        Total reward: what to do where the optimum is inf or -inf, see `total_reward`.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped; ``method`` and ``reason`` say what was
        done.

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
    sparse ones; of these, where episodes can end and there are more than 10,000 states, component
    by component if all have at most 500 states, and by blocks backwards from the ends if these are
    500 steps away. Where sweeps cannot reach ``tol`` because of round-off, or none was given and
    they end with a bound of more than 1e-8 of the value of some state, policy iteration goes on
    from there, unless an LU is too dear: then each state has bounds of its own. Average: policy
    iteration on gain and bias; relative value iteration above 500 states, where one end component
    holds all that happens in the long run, unless (up to 2,000 states) 500 sweeps are not enough.

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
    options: dict[str, Any] = {"tol": tol, "V0": V0, "history": history, "callback": callback}
    if infinite != "refuse":
        if mdp.objective != "total":
            raise ModelError(
                f"infinite={infinite!r:.80} is for total reward; this model's objective is "
                f"{mdp.objective}, where no value is infinite."
            )
        options["infinite"] = infinite
    if method != "auto":
        return PLANNERS[method](mdp, **options)
    name, reason = _choose(mdp)
    if name == "relative_value_iteration" and mdp.n_states <= FEW:
        try:
            solution = relative_value_iteration(mdp, **options, max_sweeps=GLIMPSE)
        except ConvergenceError as error:
            if error.floor is not None:
                raise
            reason = WHY_NOT_SWEEPS
            solution = average_policy_iteration(mdp, **{**options, "V0": error.solution.V})
    elif mdp.objective == "discounted" and name != "policy_iteration":
        solution, exactly = _sweep_and_solve(mdp, name, options)
        reason += WHY_EXACTLY if exactly else ""
    else:
        solution = PLANNERS[name](mdp, **options)
    # In place: nobody else has seen it yet, and a copy would cost as much as a linear solve.
    object.__setattr__(solution, "reason", solution.reason.replace(ASKED, reason, 1))
    return solution


def _sweep_and_solve(mdp: MDP, name: str, options: dict[str, Any]) -> tuple[Solution, bool]:
    """The answer of sweeps; or what linear systems make of it, if more is wanted, and whether."""
    failed = None
    try:
        swept = PLANNERS[name](mdp, **options)
        enough = options["tol"] is not None or swept.reason != ASKED  # or it was stopped
        if enough or not is_uneven(mdp, swept, UNEVEN):
            return swept, False
    except ConvergenceError as error:
        if error.floor is None:
            raise
        failed, swept = error, error.solution
    try:
        if _is_cheap(mdp):
            solution = policy_iteration(mdp, **{**options, "V0": swept.V})
            wanted = discounted_tol(mdp, options["tol"])
            if solution.certificate.bound <= max(wanted, swept.certificate.bound):
                return solution, True
    except ArithmeticError:  # no LU
        pass
    except ConvergenceError as error:
        if error.solution.certificate.bound <= swept.certificate.bound:
            raise
    if failed is not None:
        raise failed
    return swept, False


def _is_cheap(mdp: MDP) -> bool:
    """Whether an LU is, at the worst, of the chain of some policy."""
    largest = mdp.n_states
    if not mdp.facts.dense:
        largest = int(topological_levels(mdp).largest.max(initial=0))
    return mdp.n_states * largest**2 <= DEAREST


def _choose(mdp: MDP) -> tuple[str, str]:
    objective = mdp.objective
    if objective == "finite":
        return "backward_induction", "the horizon is finite: one backup a step is exact"
    if objective == "total":
        return "total_reward", "gamma = 1 without a horizon: total reward until termination"
    if objective == "average":
        return _choose_average(mdp)
    if mdp.facts.dense:
        if mdp.n_states <= LARGE:
            return "policy_iteration", WHY_POLICIES
        return "modified_policy_iteration", WHY_SWEEPS
    if mdp.n_states > HUGE and mdp.facts.any_terminal:
        return _choose_order(mdp)
    return "modified_policy_iteration", WHY_SPARSE


def _choose_order(mdp: MDP) -> tuple[str, str]:
    """Whether some order of the states makes a large sparse model with ends easy.

    Asked only where episodes can end: to find the components costs as much as a few backups.
    """
    levels = topological_levels(mdp)
    if int(levels.largest.max(initial=0)) <= SMALL:
        return "topological_value_iteration", WHY_COMPONENTS
    depth = int(backward_levels(mdp, mdp.terminal).max())
    if depth >= FAR and mdp.n_states >= WIDE * depth:
        return "gauss_seidel_value_iteration", WHY_BACKWARDS
    return "modified_policy_iteration", WHY_SPARSE


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
