"""Exact rational arithmetic: values, optimal actions and ties without any round-off.

Takes     an MDP; its floats are rational numbers, and are taken at their word.
Gives     `ExactSolution`: Fractions. `to_solution` rounds them to floats once.
Source    Puterman (1994), sections 4.5, 6.4 and 7.2; elimination without fractions: Bareiss (1968).
Not here  certificates of floating-point answers (certificates).

Two truths can be asked for. "normalised" divides each row of P, mu and each row of a policy by its
sum: the probabilities that were meant. "stored" takes the numbers as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatSA, IntArray, readonly
from ..certificates import Certificate
from ..checks import check_count, check_served, check_tol
from ..errors import ConvergenceError, ModelError
from ..markup import Html, Shown, facts, table
from ..model import MDP
from ..policies import check_policy
from ..structure import recurrent_classes
from ..words import number
from ._infinite import Ends, find_ends
from ._policy_iteration import policy_iteration
from ._solution import ASKED, Solution, one_hot, within
from ._total_reward import total_reward

Rows: TypeAlias = Literal["normalised", "stored"]
Vector: TypeAlias = tuple[Fraction, ...]
Table: TypeAlias = tuple[tuple[Fraction | float, ...], ...]  # -inf at refused pairs

MOST_STATES, MOST_STATES_PURE = 300, 60
"""What is solved within seconds: by FLINT, and by Python's own integers."""

EXACT = "exact rational arithmetic; the error is that of rounding the result to floats"


@dataclass(frozen=True, slots=True, eq=False)
class ExactSolution(Shown):
    """Values as exact fractions. On a finite horizon, time is the first axis of everything.

    Attributes
    ----------
    V : (S,) or (H+1, S) tuple of Fraction, reward units
    Q : (S, A) or (H, S, A) tuple of Fraction, reward units
        The float -inf at refused pairs.
    pi : (S,) or (H, S) tuple of int, or None
        The actions of an optimal policy; None for the values of a given policy.
    optimal_actions : (S, A) or (H, S, A) tuple of bool
        Where Q is the largest of its state, ties decided exactly. For the values of a given
        policy: what is greedy by its Q.
    J : Fraction, reward units
        ``mu @ V``, or ``mu @ V[0]``.
    rows : {"normalised", "stored"}
        Which truth this is.
    sweeps : int
        Policies that were evaluated; on a finite horizon, backups.
    """

    V: Any
    Q: Any
    pi: Any
    optimal_actions: Any
    J: Fraction
    rows: Rows
    sweeps: int

    def _shown(self) -> Iterator[Html]:
        """For notebooks: J and each value as a fraction and as a float."""
        yield facts([("J", f"{self.J}, about {number(float(self.J))}"), ("rows", self.rows)])
        timed = isinstance(self.V[0], tuple)
        V, best = (self.V[0], self.optimal_actions[0]) if timed else (self.V, self.optimal_actions)
        yield table(
            ["state", "optimal actions", "V", "about"],
            (
                [s, [a for a, it_is in enumerate(best[s]) if it_is], str(x), float(x)]
                for s, x in enumerate(V)
            ),
            caption="at the first step" if timed else "",
            total=len(V),
            what="state",
        )

    def to_solution(self, *, tol: float | None = None) -> Solution:
        """Round to floats, with a bound that is the largest rounding.

        Parameters
        ----------
        tol : float, reward units, optional
            Largest accepted error.

        Returns
        -------
        Solution
            ``certificate.bound`` is at most half an ulp of the largest |V|, |Q| or |J|, ``loss``
            is 0 and ``optimal_actions`` are exactly the optimal ones. All this is said of the
            truth that ``rows`` names, and not of the other.

        Raises
        ------
        ModelError
            If these are the values of a given policy.
        ConvergenceError
            If ``tol`` is below the rounding.
        """
        if self.pi is None:
            raise ModelError(
                "these are the values of a given policy: there is no Solution of them. For floats "
                "use numpy.array(exact.V, dtype=float)."
            )
        tol = check_tol(tol)
        V, Q, J = _floats(self.V), _floats(self.Q), float(self.J)
        errors = (_rounding(V, self.V), _rounding(Q, self.Q), abs(Fraction(J) - self.J))
        bound = _float_above(max(errors))
        solution = Solution(
            V=readonly(V),
            Q=readonly(Q),
            pi=one_hot(np.array(self.pi), Q.shape[-1]),
            optimal_actions=readonly(np.array(self.optimal_actions, dtype=bool)),
            J=J,
            certificate=Certificate(
                bound=bound,
                loss=0.0,
                residual=0.0,
                theorem=EXACT,
                lower=readonly(np.nextafter(V, -np.inf)),
                upper=readonly(np.nextafter(V, np.inf)),
            ),
            method="solve_exactly",
            reason=ASKED,
            sweeps=self.sweeps,
        )
        return within(solution, tol, np.inf if tol is None else tol, floor=bound, cure="")


def solve_exactly(
    mdp: MDP, *, rows: Rows = "normalised", max_states: int | None = None
) -> ExactSolution:
    """The optimum as exact fractions.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite or total.
    rows : {"normalised", "stored"}
        Whether rows of P, and mu, are divided by their sums, or taken as they are.
    max_states : int, optional
        The largest model that is tried: 300 states if omitted, 60 where python-flint is not
        installed.

    Returns
    -------
    ExactSolution
        R and gamma are the exact values of ``mdp.R`` and ``mdp.gamma``.

    Raises
    ------
    ModelError
        If the model is too large, or its total reward is infinite or undefined (the states are
        named); if ``rows="stored"`` is asked of a total reward whose rows do not sum to one
        exactly (mass that appears from nothing can go round for ever); if stored rows sum to more
        than 1 / gamma.

    Notes
    -----
    Policy iteration from the policy that floats find, so most often one linear solve; improvements
    are decided exactly. Numbers grow to about 100 S bits: time O(S^4) with FLINT's solver by
    lifting, O(S^5) without it. Finite: H backups, numbers of 100 H bits.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0, 1]], [[0.75, 0.25], [1, 0]]], [[1, 0], [0, 0]], gamma=0.5)
    >>> solution = solve_exactly(mdp)
    >>> solution.V
    (Fraction(8, 5), Fraction(4, 5))
    >>> solution.to_solution().certificate.bound < 1.2e-16
    True
    """
    check_served(
        mdp, "solve_exactly", "discounted", "finite", "total", instead="a model with one of these"
    )
    model = _Exact(mdp, rows, max_states)
    if mdp.objective == "finite":
        return _backward(model)
    if mdp.objective == "discounted":
        start = _actions_by_floats(policy_iteration, mdp)
        return _improve(model, mdp.allowed.argmax(axis=1) if start is None else start)
    start = _actions_by_floats(total_reward, mdp)
    ends = find_ends(mdp)
    return _improve(model, ends.start if start is None else start, ends)


def evaluate_exactly(
    mdp: MDP, pi: Any, *, rows: Rows = "normalised", max_states: int | None = None
) -> ExactSolution:
    """The values of a policy as exact fractions.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite or total.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    rows, max_states
        As `solve_exactly`; "normalised" divides the rows of pi too.

    Returns
    -------
    ExactSolution
        ``pi`` is None, ``optimal_actions`` are those that are greedy by Q.

    Raises
    ------
    ModelError
        As `solve_exactly`; if pi is no policy of the model; total reward: if pi can stay for ever
        among states with rewards, be they entered or not (they are named).

    Notes
    -----
    One linear solve; cost as `solve_exactly`.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [[1], [0]], gamma=1)
    >>> evaluate_exactly(mdp, [[1], [1]]).V
    (Fraction(2, 1), Fraction(0, 1))
    """
    check_served(
        mdp,
        "evaluate_exactly",
        "discounted",
        "finite",
        "total",
        instead="a model with one of these",
    )
    policy = check_policy(mdp, pi)
    model = _Exact(mdp, rows, max_states)
    if mdp.objective == "finite":
        timed = np.broadcast_to(policy, (mdp.horizon or 0, *mdp.R.shape))
        return _backward(model, [model.weights(pi_t) for pi_t in timed])
    V = _values(model, policy, model.weights(policy))
    return _solution(model, V, model.backup(V), None, 1)


class _Exact:
    """A model in integers: what the functions below ask it."""

    def __init__(self, mdp: MDP, rows: Rows, max_states: int | None) -> None:
        if rows not in ("normalised", "stored"):
            raise ModelError(f"rows is {rows!r}; it must be 'normalised' or 'stored'.")
        if max_states is None:
            most = MOST_STATES if _flint() else MOST_STATES_PURE
            cure = "" if _flint() else "install python-flint (pip install 'mdptools[rational]'), "
        else:
            most, cure = check_count(max_states, "max_states"), ""
        if mdp.n_states > most:
            raise ModelError(
                f"the model has {mdp.n_states} states; exact arithmetic is tried up to {most}: "
                f"{cure}pass max_states={mdp.n_states} and be patient, or use solve, whose bounds "
                f"are proved as well."
            )
        self.mdp, self.rows = mdp, rows
        self.gamma = Fraction(mdp.gamma)
        self.R = [[Fraction(r) for r in row] for row in mdp.R.tolist()]
        self.mu = self.law(mdp.mu)
        self.successors: list[list[list[int]]]
        self.parts: list[list[list[int]]]  # P[s, a, t] = parts / wholes
        self.wholes: list[list[int]]
        self._read(mdp)

    def _read(self, mdp: MDP) -> None:
        n_states, n_actions = mdp.R.shape
        row, successor, prob = kernel.branches(mdp.P)
        ends = np.searchsorted(row, np.arange(n_states * n_actions + 1))
        self.successors = [[[] for _ in range(n_actions)] for _ in range(n_states)]
        self.parts = [[[] for _ in range(n_actions)] for _ in range(n_states)]
        self.wholes = [[1] * n_actions for _ in range(n_states)]
        for s, a in np.argwhere(mdp.allowed).tolist():
            one = slice(ends[s * n_actions + a], ends[s * n_actions + a + 1])
            self.successors[s][a] = successor[one].tolist()
            parts, whole = _over_one(prob[one].tolist())
            off = sum(parts) - whole
            if self.rows == "normalised":
                whole += off
            elif off and mdp.objective == "total" and not mdp.terminal[s]:
                raise ModelError(
                    f"P[{s}, {a}] sums to 1 {'-' if off < 0 else '+'} {abs(off) / whole:.3g}: the "
                    f"exact total reward of stored rows is not defined. Use rows='normalised'."
                )
            elif mdp.objective == "discounted" and self.gamma * sum(parts) >= whole:
                raise ModelError(
                    f"gamma times the sum of P[{s}, {a}] is not below 1: the exact values of "
                    f"stored rows need not exist. Use rows='normalised'."
                )
            self.parts[s][a], self.wholes[s][a] = parts, whole

    def law(self, weights: FloatArray) -> list[Fraction]:
        """A distribution in fractions."""
        exact = [Fraction(x) for x in weights.tolist()]
        total = sum(exact) if self.rows == "normalised" else Fraction(1)
        return [x / total for x in exact]

    def weights(self, pi: FloatSA) -> list[list[tuple[int, Fraction]]]:
        """For each state the actions that a policy takes, and how often."""
        return [[(a, w) for a, w in enumerate(self.law(row)) if w] for row in pi]

    def backup(self, V: Sequence[Fraction]) -> Table:
        """R + gamma P V, -inf at refused pairs."""
        V_parts, V_whole = _over_one(V)
        allowed = self.mdp.allowed.tolist()

        def pair(s: int, a: int) -> Fraction | float:
            if not allowed[s][a]:
                return -math.inf
            later = zip(self.parts[s][a], self.successors[s][a], strict=True)
            mean = Fraction(sum(p * V_parts[t] for p, t in later), self.wholes[s][a] * V_whole)
            return self.R[s][a] + self.gamma * mean

        n_states, n_actions = self.mdp.R.shape
        return tuple(tuple(pair(s, a) for a in range(n_actions)) for s in range(n_states))

    def chain(self, weights: list[list[tuple[int, Fraction]]]) -> list[dict[int, Fraction]]:
        """P_pi: for each state its successors and their probabilities."""
        table: list[dict[int, Fraction]] = [{} for _ in weights]
        for s, actions in enumerate(weights):
            for a, w in actions:
                share = w / self.wholes[s][a]
                for part, t in zip(self.parts[s][a], self.successors[s][a], strict=True):
                    table[s][t] = table[s].get(t, Fraction(0)) + share * part
        return table


def _actions_by_floats(planner: Callable[..., Solution], mdp: MDP) -> IntArray | None:
    """The actions that a planner finds, also where it can prove little about them."""
    try:
        solution = planner(mdp, tol=np.inf)
    except ConvergenceError as error:
        if error.solution is None:
            return None
        solution = error.solution
    actions: IntArray = solution.pi.argmax(axis=1)
    return actions


def _improve(model: _Exact, actions: IntArray, ends: Ends | None = None) -> ExactSolution:
    """Policy iteration; an action is changed for a strictly better one only, so it ends.

    With total reward an episode may also rest, where going round is free. If all states of such a
    place are worth the same and less than that, no change of a single action shows it.
    """
    mdp = model.mdp
    chosen = actions.tolist()
    sweeps = 0
    while True:
        sweeps += 1
        pi = one_hot(np.array(chosen), mdp.n_actions)
        V = _values(model, pi, [[(a, Fraction(1))] for a in chosen])
        Q = model.backup(V)
        improved = [
            a if max(row) == row[a] else row.index(max(row))
            for a, row in zip(chosen, Q, strict=True)
        ]
        if ends is not None:
            for states in ends.components:
                if all(V[s] < 0 for s in states):
                    for s in states.tolist():
                        improved[s] = int(ends.start[s])
        if improved == chosen:
            return _solution(model, V, Q, tuple(chosen), sweeps)
        chosen = improved


def _backward(
    model: _Exact, policies: Sequence[list[list[tuple[int, Fraction]]]] | None = None
) -> ExactSolution:
    """Backward induction, or the values of one policy for each time."""
    mdp = model.mdp
    horizon = mdp.horizon or 0
    final = np.zeros(mdp.n_states) if mdp.final is None else mdp.final
    V: list[Vector] = [tuple(Fraction(x) for x in final.tolist())]
    Q: list[Table] = []
    for t in reversed(range(horizon)):
        Q.insert(0, model.backup(V[0]))
        if policies is None:
            V.insert(0, tuple(Fraction(max(row)) for row in Q[0]))
        else:
            V.insert(0, _mean_of_actions(policies[t], Q[0]))
    pi = tuple(tuple(row.index(max(row)) for row in Q_t) for Q_t in Q)
    return ExactSolution(
        V=tuple(V),
        Q=tuple(Q),
        pi=pi if policies is None else None,
        optimal_actions=tuple(_ties(Q_t) for Q_t in Q),
        J=sum((m * v for m, v in zip(model.mu, V[0], strict=True)), Fraction(0)),
        rows=model.rows,
        sweeps=horizon,
    )


def _mean_of_actions(weights: list[list[tuple[int, Fraction]]], Q: Table) -> Vector:
    return tuple(
        sum((w * Fraction(row[a]) for a, w in actions), Fraction(0))
        for actions, row in zip(weights, Q, strict=True)
    )


def _solution(
    model: _Exact, V: Vector, Q: Table, pi: tuple[int, ...] | None, sweeps: int
) -> ExactSolution:
    return ExactSolution(
        V=V,
        Q=Q,
        pi=pi,
        optimal_actions=_ties(Q),
        J=sum((m * v for m, v in zip(model.mu, V, strict=True)), Fraction(0)),
        rows=model.rows,
        sweeps=sweeps,
    )


def _ties(Q: Table) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(q == best for q in row) for row in Q for best in [max(row)])


def _values(model: _Exact, pi: FloatSA, weights: list[list[tuple[int, Fraction]]]) -> Vector:
    """V of a stationary policy: (I - gamma P_pi) V = R_pi where episodes do not stay for ever."""
    mdp = model.mdp
    kept = ~mdp.terminal
    if mdp.objective == "total":
        for members in recurrent_classes(mdp, pi):
            kept[members] = False
            if (mdp.R[members] != 0)[pi[members] > 0].any():
                raise _never_ends(mdp, members)
    states = np.flatnonzero(kept).tolist()
    number_of = {s: i for i, s in enumerate(states)}
    chain = model.chain(weights)
    matrix, right = [], []
    for s in states:
        row = [Fraction(0)] * (len(states) + 1)
        row[number_of[s]] = Fraction(1)
        for t, p in chain[s].items():
            if t in number_of:
                row[number_of[t]] -= model.gamma * p
        row[-1] = sum((w * model.R[s][a] for a, w in weights[s]), Fraction(0))
        parts, _ = _over_one(row)  # both sides times the same number
        matrix.append(parts[:-1])
        right.append(parts[-1])
    V = [Fraction(0)] * mdp.n_states
    for s, v in zip(states, _solve(matrix, right), strict=True):
        V[s] = v
    return tuple(V)


def _never_ends(mdp: MDP, members: IntArray) -> ModelError:
    names = ", ".join(mdp.name_of_state(int(s)) for s in members[:10])
    more = f" and {len(members) - 10} more" if len(members) > 10 else ""
    return ModelError(
        f"the total reward is infinite or undefined: a policy stays for ever in states {names}"
        f"{more}, which are not terminal and have rewards. Use gamma < 1 or horizon=."
    )


# --- numbers ------------------------------------------------------------------------------------


def _over_one(numbers: Sequence[Any]) -> tuple[list[int], int]:
    """Integers and a common denominator."""
    ratios = [x.as_integer_ratio() for x in numbers]
    whole = math.lcm(*(q for _, q in ratios))
    return [p * (whole // q) for p, q in ratios], whole


def _flint() -> Any:
    """The module, or None."""
    try:
        import flint
    except ImportError:
        return None
    return flint


def _solve(matrix: list[list[int]], right: list[int]) -> list[Fraction]:
    """x with matrix x = right, in integers; the matrix is not singular."""
    flint = _flint()
    if flint is None or not right:
        return _solve_by_elimination(matrix, right)
    x = flint.fmpz_mat(matrix).solve(flint.fmpz_mat([[b] for b in right]))
    return [Fraction(int(x[i, 0].p), int(x[i, 0].q)) for i in range(len(right))]


def _solve_by_elimination(matrix: list[list[int]], right: list[int]) -> list[Fraction]:
    """Bareiss's elimination: every division by the pivot before comes out even.

    The rows are those of I - gamma P_pi times positive numbers: no pivot is 0, as all leading
    minors of such a matrix are positive.
    """
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    before = 1
    for k, top in enumerate(rows):
        pivot = top[k]
        for row in rows[k + 1 :]:
            factor = row[k]
            row[k:] = [
                (pivot * x - factor * y) // before for x, y in zip(row[k:], top[k:], strict=True)
            ]
        before = pivot
    x: list[Fraction] = []  # from the last to the first, as integers over the determinant
    scaled: list[int] = []
    for k in reversed(range(len(rows))):
        top = rows[k]
        later = sum(a * b for a, b in zip(top[k + 1 : -1], reversed(scaled), strict=True))
        scaled.append((before * top[-1] - later) // top[k])
        x.append(Fraction(scaled[-1], before))
    return x[::-1]


def _floats(table: Any) -> FloatArray:
    """Nested tuples as an array, each number rounded to the nearest float."""
    return np.array(table, dtype=float)


def _rounding(rounded: FloatArray, exact: Any) -> Fraction:
    """The largest error of rounding, over the finite numbers."""
    numbers = np.array(exact, dtype=object).ravel().tolist()
    return max(
        (
            abs(Fraction(x) - v)
            for x, v in zip(rounded.ravel().tolist(), numbers, strict=True)
            if math.isfinite(x)
        ),
        default=Fraction(0),
    )


def _float_above(x: Fraction) -> float:
    """The smallest float that is not below x >= 0."""
    nearest = float(x)
    return nearest if Fraction(nearest) >= x else math.nextafter(nearest, math.inf)
