"""Linear programming by HiGHS: values (primal) or occupancies (dual), discounted or on average.

Takes     an MDP, discounted or of average reward.
Gives     a `Solution` whose certificate does not trust the solver of the linear program.
Source    d'Epenoux (1963); Puterman (1994), section 6.9. Average reward: Hordijk and Kallenberg
          (1979); Puterman (1994), section 9.3.
Not here  constrained models; the occupancy of a given policy (evaluation).

The primal asks for the least V with V >= R + gamma P V, the dual for the visits x of pairs that
earn most among those that balance: what enters a state, with what starts there, leaves it. A basic
x visits one action in each state: it is the occupancy of a policy.

For average reward the primal asks for the least g with g >= P g and, for some h, g + h >= R + P h.
In the dual x is the share of time of each pair in the long run, and y says how one gets there:
x balances by itself, and x and y together take in what starts.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA, IntArray, IntS
from ..bellman import backup
from ..checks import check_served, check_tol, check_values
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..policies import deterministic_policy
from ._average_policy_iteration import average_policy_iteration
from ._policy_iteration import policy_iteration
from ._solution import ASKED, RELATIVE_TOL, Solution, discounted_tol, within
from ._watch import Callback, Step, Watch

TOLERANCE = 1e-10
"""As small as HiGHS takes it. The certificate does not rest on it."""

OPTIONS = {"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE}


def linear_program(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    form: Literal["primal", "dual"] = "primal",
) -> Solution:
    """The optimum by linear programming, polished and certified by evaluating its policy.

    Parameters
    ----------
    mdp : MDP
        Discounted, or of average reward.
    tol : float, reward units, optional
        Largest accepted error of V (average reward: of the gain) in any state; 1e-9 max|R|, times
        ``1 / (1 - gamma)`` if discounted, if omitted.
    V0 : (S,) array_like, reward units, optional
        Accepted as by every planner; HiGHS starts from a basis and has no use for it.
    history : bool
        Keep the bound of each policy that was evaluated after the program was solved.
    callback : callable, optional
        Called with a `Step` after each of these policies. If it raises StopIteration, or at Ctrl-C,
        the answer is what was found so far, with its bound. HiGHS itself is not interrupted; a
        Ctrl-C meanwhile counts when it is done.
    form : {"primal", "dual"}
        Which program HiGHS solves: that of the values, whose greedy policy is taken, or that of
        the occupancies, whose policy takes in each state the action that is visited.

    Returns
    -------
    Solution
        ``sweeps`` counts the policies that were evaluated after the program was solved: 1 if its
        policy is optimal but for round-off, more if HiGHS's tolerances hid an improvement. For
        average reward there are ``gain`` and the bias V as from `average_policy_iteration`, and
        more policies also where another pays more on the way.

    Raises
    ------
    ModelError
        If the model has another objective or ``form`` is another word.
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
    nonzeros of P, or the other way round; in practice much slower than policy iteration. HiGHS
    takes coefficients below 1e-9 for 0, so that of such probabilities only the certificate knows.

    Average reward, any number of classes. Primal: min w.g subject to g(s) >= sum_t P[s, a, t] g(t)
    and g(s) + h(s) >= R(s, a) + sum_t P[s, a, t] h(t) for all pairs. Dual: max sum x R subject to
    sum_a x(t, a) = sum_{s,a} x(s, a) P[s, a, t] and sum_a (x + y)(t, a) - sum_{s,a} y(s, a)
    P[s, a, t] = w(t), x, y >= 0. Twice as many rows and columns. The policy takes an action with
    x > 0, and with y > 0 in states that x leaves out; the primal's are its multipliers, because h
    tells nothing where one only passes. If that policy has one recurrent class x is its stationary
    law; if it has several, x is a mixture of theirs.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = linear_program(mdp, form="dual")
    >>> solution.pi, solution.V.round(3)
    (array([[0., 1.],
           [1., 0.]]), array([42.442, 36.047]))
    >>> linear_program(mdp.with_objective(average=True)).gain.round(3)
    array([3.889, 3.889])
    """
    check_served(
        mdp,
        "linear_program",
        "discounted",
        "average",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    tol = check_tol(tol)
    if form not in ("primal", "dual"):
        raise ModelError(f"form is {form!r}; it must be 'primal' or 'dual'.")
    if V0 is not None:
        check_values(V0, "V0", mdp.n_states)
    if mdp.objective == "average":
        wanted = RELATIVE_TOL * mdp.facts.reward_max if tol is None else tol
    else:
        wanted = discounted_tol(mdp, tol)
    watch = Watch("linear_program", wanted, history, callback)
    began = perf_counter()

    def relay(step: Step) -> None:
        if callback is not None:
            seconds = perf_counter() - began
            callback(step._replace(method="linear_program", tol=wanted, seconds=seconds))

    planner = average_policy_iteration if mdp.objective == "average" else policy_iteration
    pi0: FloatSA | None = None

    def improve(listener: Callback) -> Solution:
        try:
            return planner(mdp, tol=np.inf, pi0=pi0, history=history, callback=listener)
        except ConvergenceError as error:  # no bound at all: `within` says it in our name
            bad: Solution = error.solution
            return bad

    def search() -> Solution:
        nonlocal pi0
        pi0 = deterministic_policy(mdp, _actions(mdp, form))
        return improve(relay)

    def finish(found: Solution | None) -> Solution:
        found = found or improve(_stop)
        reason = watch.reason if watch.stopped else found.reason
        return within(
            replace(found, method="linear_program", reason=reason),
            tol,
            wanted,
            floor=found.certificate.bound,
            cure="",
            stopped=reason.removeprefix(ASKED),
        )

    return watch.answer(search, finish)


def _stop(step: Step) -> None:
    """One policy is enough: HiGHS was interrupted."""
    raise StopIteration


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
    """V* of a discounted model as HiGHS finds it.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    (S,) array, reward units
    """
    V = np.zeros(mdp.n_states)
    program = _program(mdp)
    if program.rewards.any():
        V[~mdp.terminal] = program.scale * _solve_primal(program).x
    return V


def dual(mdp: MDP) -> tuple[FloatSA, FloatSA]:
    """The optimal occupancy of pairs from `weights`, as HiGHS finds it.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    x : (S, A) array, (discounted) decisions
        Divided by its sum it is a law over pairs. For average reward it sums to one.
    y : (S, A) array
        For average reward, the pairs that lead to those; else 0.
    """
    program = _program(mdp)
    if not len(program.pairs):
        return np.zeros(mdp.R.shape), np.zeros(mdp.R.shape)
    found = _highs(-program.rewards, (0, None), A_eq=program.matrix.T, b_eq=program.start)
    return _by_pair(mdp, program, found.x)


def _actions(mdp: MDP, form: str) -> IntS:
    """The actions that the program prefers."""
    if mdp.objective == "discounted":
        preferred = backup(mdp, primal(mdp)) if form == "primal" else dual(mdp)[0]
    else:
        if form == "primal":
            program = _program(mdp)
            x, y = _by_pair(mdp, program, -_solve_primal(program).ineqlin.marginals)
        else:
            x, y = dual(mdp)
        preferred = np.where(x.max(axis=1, keepdims=True) > TOLERANCE, x, y)
    actions: IntS = np.where(mdp.allowed, preferred, -np.inf).argmax(axis=1)
    return actions


def _by_pair(mdp: MDP, program: Program, rows: FloatArray) -> tuple[FloatSA, FloatSA]:
    """x and y from what the rows of the primal weigh, 0 where nothing is decided."""
    x, y = np.zeros(mdp.R.shape), np.zeros(mdp.R.shape)
    x.put(program.pairs, rows[-len(program.pairs) :])
    if mdp.objective == "average":
        y.put(program.pairs, rows[: len(program.pairs)])
    return x, y


class Program(NamedTuple):
    """The primal: min start.z subject to matrix z >= rewards. The dual has its multipliers."""

    pairs: IntArray  # (n,) rows of P: those that decide something
    matrix: Any  # (n, live), or (2 n, 2 live) for average reward; sparse
    rewards: FloatArray  # of HiGHS: (R - shift) / scale, because its tolerances are absolute
    start: FloatArray
    scale: float
    shift: float


def _program(mdp: MDP) -> Program:
    """With M = E - gamma P, E(pair, s) = 1 where the pair is one of s, among live states.

    Discounted: M V >= R. Average reward, z = (g, h): M g >= 0 and E g + M h >= R.
    """
    live = ~mdp.terminal
    deciding = mdp.allowed & live[:, None]
    pairs = np.flatnonzero(deciding)
    n_pairs, n_live = len(pairs), int(live.sum())
    number = np.cumsum(deciding.reshape(-1)) - 1  # of a pair among them
    column = np.cumsum(live) - 1
    row, successor, prob = kernel.branches(mdp.P)
    kept = deciding.reshape(-1)[row] & live[successor]
    here = np.arange(n_pairs), column[pairs // mdp.n_actions]
    ahead = number[row[kept]], column[successor[kept]]
    rows, columns = (np.concatenate(both) for both in zip(here, ahead, strict=True))
    entries = np.concatenate([np.ones(n_pairs), -mdp.gamma * prob[kept]])
    rewards, start = mdp.R.take(pairs), weights(mdp)[live]
    if mdp.objective == "discounted":
        matrix = kernel.table(rows, columns, entries, n_pairs, n_live, dense=False)
        scale = mdp.facts.reward_max or 1.0
        return Program(pairs, matrix, rewards / scale, start, scale, 0.0)
    matrix = kernel.table(
        np.concatenate([rows, n_pairs + here[0], n_pairs + rows]),
        np.concatenate([columns, here[1], n_live + columns]),
        np.concatenate([entries, np.ones(n_pairs), entries]),
        2 * n_pairs,
        2 * n_live,
        dense=False,
    )
    shift = float(rewards.min())  # of all rewards alike: it moves the gain, and nothing else
    scale = float(np.ptp(rewards)) or 1.0
    rewards = np.concatenate([np.zeros(n_pairs), (rewards - shift) / scale])
    start = np.concatenate([start, np.zeros(n_live)])
    return Program(pairs, matrix, rewards, start, scale, shift)


def _solve_primal(program: Program) -> Any:
    return _highs(program.start, (None, None), A_ub=-program.matrix, b_ub=-program.rewards)


def _highs(costs: FloatArray, bounds: tuple[Any, Any], **constraints: Any) -> Any:
    """SciPy's answer with the least costs; ConvergenceError with HiGHS's words if there is none."""
    import scipy.optimize

    # Dual simplex: a basic solution is the occupancy of a deterministic policy.
    linprog: Any = scipy.optimize.linprog  # its stubs know no sparse constraints
    found = linprog(costs, bounds=bounds, method="highs-ds", options=OPTIONS, **constraints)
    if found.x is None:
        raise ConvergenceError(
            f"HiGHS gave up on the linear program: {found.message} Use solve or policy_iteration."
        )
    return found
