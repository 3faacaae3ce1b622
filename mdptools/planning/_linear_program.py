"""Linear programming for discounted models: values (primal) or occupancies (dual), by HiGHS.

Takes     a discounted MDP.
Gives     a `Solution` whose certificate does not trust the solver of the linear program.
Source    d'Epenoux (1963); Puterman (1994), section 6.9.
Not here  constrained models; the occupancy of a given policy (evaluation).

The primal asks for the least V with V >= R + gamma P V, the dual for the visits x of pairs that
earn most among those that balance: what enters a state, with what starts there, leaves it. A basic
x visits one action in each state: it is the occupancy of a policy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA
from ..bellman import backup
from ..checks import check_served, check_tol
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..policies import deterministic_policy
from ._policy_iteration import policy_iteration
from ._solution import Solution, discounted_tol, within

OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
"""As small as HiGHS takes them. The certificate does not rest on them."""


def linear_program(
    mdp: MDP, *, form: Literal["primal", "dual"] = "primal", tol: float | None = None
) -> Solution:
    """The optimum by linear programming, polished and certified by evaluating its policy.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    form : {"primal", "dual"}
        Which program HiGHS solves: that of the values, whose greedy policy is taken, or that of
        the occupancies, whose policy takes in each state the action that is visited.
    tol : float, reward units, optional
        Largest accepted error of V in any state; ``1e-9 max|R| / (1 - gamma)`` if omitted.

    Returns
    -------
    Solution
        ``sweeps`` counts the policies that were evaluated after the program was solved: 1 if its
        policy is optimal but for round-off, more if HiGHS's tolerances hid an improvement.

    Raises
    ------
    ModelError
        If the model is not discounted or ``form`` is another word.
    ConvergenceError
        If ``tol`` is below what float64 can prove; or if HiGHS gives up, with its message
        (``error.solution`` is None then).

    Notes
    -----
    Primal: min w.V subject to V(s) >= R(s, a) + gamma sum_t P[s, a, t] V(t) for all pairs. Dual:
    max sum x R subject to sum_a x(t, a) - gamma sum_{s,a} x(s, a) P[s, a, t] = w(t), x >= 0. w is
    mu if that is positive on all states that are not terminal, else uniform on them: all positive
    weights have the same V*. The optimal x is ``visits(s) pi(a|s)`` of the returned policy started
    from w, and both programs are worth w.V*. Simplex; S variables and S A constraints with the
    nonzeros of P, or the other way round; in practice much slower than policy iteration.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = linear_program(mdp, form="dual")
    >>> solution.pi, solution.V.round(3)
    (array([[0., 1.],
           [1., 0.]]), array([42.442, 36.047]))
    """
    check_served(
        mdp,
        "linear_program",
        "discounted",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    wanted = discounted_tol(mdp, check_tol(tol))
    if form not in ("primal", "dual"):
        raise ModelError(f"form is {form!r}; it must be 'primal' or 'dual'.")
    preferred = backup(mdp, primal(mdp)) if form == "primal" else dual(mdp)
    actions = np.where(mdp.allowed, preferred, -np.inf).argmax(axis=1)
    try:
        found = policy_iteration(mdp, tol=np.inf, pi0=deterministic_policy(mdp, actions))
    except ConvergenceError as error:  # no bound at all: `within` says it in our name
        found = error.solution
    return within(
        replace(found, method="linear_program"),
        tol,
        wanted,
        floor=found.certificate.bound,
        cure="",
    )


def weights(mdp: MDP) -> FloatS:
    """What the states weigh: mu, or uniform where mu leaves out a state that is not terminal.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    (S,) array
        Zero on terminal states.
    """
    live = ~mdp.terminal
    if (mdp.mu[live] > 0).all():
        return np.where(live, mdp.mu, 0.0)
    return np.where(live, 1 / max(int(live.sum()), 1), 0.0)


def primal(mdp: MDP) -> FloatS:
    """V* as HiGHS finds it.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    (S,) array, reward units
    """
    V = np.zeros(mdp.n_states)
    pairs, matrix = _pairs_less_successors(mdp)
    live = ~mdp.terminal
    if mdp.facts.reward_max > 0:
        rewards = mdp.R.take(pairs) / mdp.facts.reward_max  # the tolerances are absolute
        x = _highs(weights(mdp)[live], (None, None), A_ub=-matrix, b_ub=-rewards)
        V[live] = mdp.facts.reward_max * x
    return V


def dual(mdp: MDP) -> FloatSA:
    """The optimal occupancy of pairs from `weights`, as HiGHS finds it.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    (S, A) array, (discounted) decisions
        Divided by its sum it is a law over pairs.
    """
    visits = np.zeros(mdp.R.shape)
    pairs, matrix = _pairs_less_successors(mdp)
    if len(pairs):
        costs = -mdp.R.take(pairs) / (mdp.facts.reward_max or 1.0)
        start = weights(mdp)[~mdp.terminal]
        visits.put(pairs, _highs(costs, (0, None), A_eq=matrix.T, b_eq=start))
    return visits


def _pairs_less_successors(mdp: MDP) -> tuple[Any, Any]:
    """The pairs that decide something, and a sparse E - gamma P: one row for each of them.

    E says where a pair is, P where it leads; columns are the states that are not terminal.
    """
    live = ~mdp.terminal
    deciding = mdp.allowed & live[:, None]
    pairs = np.flatnonzero(deciding)
    number = np.cumsum(deciding.reshape(-1)) - 1  # of a pair among them
    column = np.cumsum(live) - 1
    row, successor, prob = kernel.branches(mdp.P)
    kept = deciding.reshape(-1)[row] & live[successor]
    matrix = kernel.table(
        np.concatenate([np.arange(len(pairs)), number[row[kept]]]),
        np.concatenate([column[pairs // mdp.n_actions], column[successor[kept]]]),
        np.concatenate([np.ones(len(pairs)), -mdp.gamma * prob[kept]]),
        len(pairs),
        int(live.sum()),
        dense=False,
    )
    return pairs, matrix


def _highs(costs: FloatArray, bounds: tuple[Any, Any], **constraints: Any) -> FloatArray:
    """The x with the least costs; ConvergenceError with HiGHS's words if it finds none."""
    import scipy.optimize

    # Dual simplex: a basic solution is the occupancy of a deterministic policy.
    linprog: Any = scipy.optimize.linprog  # its stubs know no sparse constraints
    found = linprog(costs, bounds=bounds, method="highs-ds", options=OPTIONS, **constraints)
    if found.x is None:
        raise ConvergenceError(
            f"HiGHS gave up on the linear program: {found.message} Use solve or policy_iteration."
        )
    x: FloatArray = found.x
    return x
