"""Oracles: the right answers, found slowly, in exact fractions, without the package.

Takes     any object with P (S, A, S) array or (S*A, S) SciPy sparse, R (S, A), gamma, horizon, mu,
          final, allowed, terminal and objective (`mdptools.MDP` is one, a SimpleNamespace another).
          Floats are taken at their word: 0.1 means the 53-bit number that Python holds.
Gives     nested lists of `fractions.Fraction` indexed like the arrays of the package, with the
          floats inf, -inf and nan where a value is infinite or undefined and -inf at refused pairs.
          `floats` makes an array of them, `largest_error` compares exactly.
Source    Puterman (1994), sections 4.5, 6.4 and 7.2; de Alfaro (1997) for end components.
Not here  speed (S <= 8, please), error bounds, anything imported from mdptools.

Two truths. Rows of P in floats seldom sum to one exactly. ``normalise_rows=False`` takes the
numbers as they are; ``normalise_rows=True`` divides every row of P, mu and every row of a policy
exactly by its sum. A certificate has to cover the truth that it speaks of: the tests ask for both.
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

try:
    import flint
except ImportError:  # the extra "rational"; the fractions below give the same answers, later
    flint = None

INF = math.inf
NAN = math.nan
MOST_POLICIES = 3000  # what enumerating deterministic policies may cost
MOST_TRAJECTORIES = 200_000  # what enumerating trajectories may cost
MOST_STEPS = 1000  # longer trajectories are taken for endless ones


# --- from floats to fractions, and back ---------------------------------------------------------


def fraction(x):
    """The exact value of a finite float, an int, a NumPy scalar or a Fraction."""
    if isinstance(x, Fraction):
        return x
    if isinstance(x, (int, np.integer)):  # np.int64 inside a Fraction would overflow in silence
        return Fraction(int(x))
    return Fraction(float(x))


def floats(values):
    """Nested lists of Fractions as a float64 array, each entry rounded once."""
    return np.array(values, dtype=object).astype(np.float64)


def largest_error(values, exact):
    """max |values - exact| as a Fraction; inf if shapes, infinities or nans disagree.

    values: array of floats. exact: nested lists of the same shape. Equal infinities count as 0.
    A Fraction compares exactly with a float: ``largest_error(sol.V, V) <= certificate.bound``.
    """
    values, exact = np.asarray(values, dtype=object), np.asarray(exact, dtype=object)
    if values.shape != exact.shape:
        return INF
    worst = Fraction(0)
    for x, y in zip(values.ravel(), exact.ravel(), strict=True):
        if math.isfinite(x) and math.isfinite(y):
            worst = max(worst, abs(fraction(x) - fraction(y)))
        elif x != y:  # nan is different from everything
            return INF
    return worst


@dataclass(frozen=True)
class Exact:
    """A model in fractions. Indices are those of the arrays; refused rows of P are zeros."""

    P: list  # P[s][a][t]
    R: list  # R[s][a]
    gamma: Fraction
    horizon: int | None
    mu: list
    final: list  # zeros if the model has none; 0 on terminal states
    allowed: list  # allowed[s][a], bool
    terminal: list  # terminal[s], bool
    objective: str
    normalised: bool

    @property
    def n_states(self):
        return len(self.R)

    @property
    def n_actions(self):
        return len(self.R[0])

    @property
    def live(self):
        """The states in which decisions are taken."""
        return [s for s in range(self.n_states) if not self.terminal[s]]

    def actions(self, s):
        """The allowed actions of s."""
        return [a for a in range(self.n_actions) if self.allowed[s][a]]

    def successors(self, s, a):
        """The states that (s, a) reaches with positive probability."""
        return [t for t in range(self.n_states) if self.P[s][a][t] > 0]


def _divided_by_sum(row):
    total = sum(row)
    return [x / total for x in row] if total != 0 else row


def fractions_of(model, normalise_rows=False):
    """The model in exact fractions of its floats.

    Parameters
    ----------
    model : object with the attributes named in the module docstring; an `Exact` is passed through.
    normalise_rows : bool
        Divide every row of P, mu, and later every row of a policy, exactly by its sum.

    Returns
    -------
    Exact
    """
    if isinstance(model, Exact):
        if normalise_rows and not model.normalised:
            raise ValueError("this Exact keeps its rows as given: make it with normalise_rows=True")
        return model
    R = [[fraction(x) for x in row] for row in model.R]
    n_states, n_actions = len(R), len(R[0])
    table = model.P.toarray() if hasattr(model.P, "toarray") else np.asarray(model.P)
    table = table.reshape(n_states, n_actions, n_states)
    P = [[[fraction(p) for p in row] for row in rows] for rows in table]
    mu = [fraction(x) for x in model.mu]
    if normalise_rows:
        P = [[_divided_by_sum(row) for row in rows] for rows in P]
        mu = _divided_by_sum(mu)
    terminal = [bool(x) for x in model.terminal]
    allowed = [[bool(x) for x in row] for row in model.allowed]
    final = [Fraction(0)] * n_states
    if model.final is not None:
        final = [
            Fraction(0) if end else fraction(x)
            for x, end in zip(model.final, terminal, strict=True)
        ]
    return Exact(
        P=P,
        R=R,
        gamma=Fraction(1) if model.gamma is None else fraction(model.gamma),
        horizon=None if model.horizon is None else int(model.horizon),
        mu=mu,
        final=final,
        allowed=allowed,
        terminal=terminal,
        objective=str(model.objective),
        normalised=normalise_rows,
    )


# --- linear algebra -----------------------------------------------------------------------------


def solve_exact(matrix, right, by=None):
    """X with matrix X = right, exactly.

    Parameters
    ----------
    matrix : n lists of n Fractions. right : n lists of k Fractions.
    by : None, "flint" or "fractions"
        None takes flint if it can be imported.

    Returns
    -------
    n lists of k Fractions

    Raises
    ------
    ZeroDivisionError
        If the matrix is singular.
    """
    if not matrix:
        return []
    if by is None:
        by = "flint" if flint is not None else "fractions"
    if by == "flint":
        return _solve_by_flint(matrix, right)
    return _solve_by_elimination(matrix, right)


def _solve_by_elimination(matrix, right):
    """Gauss and Jordan, with the first row that has a nonzero pivot."""
    n = len(matrix)
    rows = [list(row) + list(b) for row, b in zip(matrix, right, strict=True)]
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k] != 0), None)
        if pivot is None:
            raise ZeroDivisionError("the matrix is singular")
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k and rows[i][k] != 0:
                factor = rows[i][k]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def _solve_by_flint(matrix, right):
    def to_flint(rows):
        entries = [flint.fmpq(x.numerator, x.denominator) for row in rows for x in row]
        return flint.fmpq_mat(len(rows), len(rows[0]), entries)

    solution = to_flint(matrix).solve(to_flint(right))
    return [
        [_from_flint(solution[i, k]) for k in range(solution.ncols())]
        for i in range(solution.nrows())
    ]


def _from_flint(x):
    return Fraction(int(x.p), int(x.q))


def _identity_minus(factor, chain, states):
    """I - factor * chain, restricted to the states."""
    return [[Fraction(int(s == t)) - factor * chain[s][t] for t in states] for s in states]


# --- chains -------------------------------------------------------------------------------------


def reaches(edges):
    """reach[s][t]: t can be reached from s in zero or more steps. edges[s]: the successors of s."""
    n = len(edges)
    reach = [[s == t or t in edges[s] for t in range(n)] for s in range(n)]
    for k in range(n):
        for s in range(n):
            for t in range(n):
                reach[s][t] = reach[s][t] or (reach[s][k] and reach[k][t])
    return reach


def recurrent_classes(chain):
    """The closed classes of a chain (S, S), each a sorted list, sorted by smallest member."""
    n = len(chain)
    reach = reaches([[t for t in range(n) if chain[s][t] > 0] for s in range(n)])
    classes = []
    for s in range(n):
        members = [t for t in range(n) if reach[s][t]]
        if all(reach[t][s] for t in members) and members[0] == s:
            classes.append(members)
    return classes


def gain(P_class, R_class, normalise_rows=True):
    """Gain and stationary law of an irreducible chain.

    Parameters
    ----------
    P_class : (n, n) floats or Fractions, R_class : (n,)
    normalise_rows : bool
        Divide each row exactly by its sum. Rows that do not sum to one have no stationary law.

    Returns
    -------
    (Fraction, list of n Fractions)

    Raises
    ------
    ValueError
        If the chain is not irreducible or, without normalise_rows, a row does not sum to one.
    """
    chain = [[fraction(p) for p in row] for row in P_class]
    rewards = [fraction(r) for r in R_class]
    if normalise_rows:
        chain = [_divided_by_sum(row) for row in chain]
    n = len(chain)
    if any(sum(row) != 1 for row in chain):
        raise ValueError("a row does not sum to one exactly: ask for normalise_rows=True")
    if recurrent_classes(chain) != [list(range(n))]:
        raise ValueError("the chain is not irreducible")
    # law (I - P) = 0 has rank n - 1; its last equation is replaced by sum(law) = 1.
    equations = [[Fraction(int(s == t)) - chain[s][t] for s in range(n)] for t in range(n - 1)]
    equations.append([Fraction(1)] * n)
    right = [[Fraction(0)] for _ in range(n - 1)] + [[Fraction(1)]]
    law = [row[0] for row in solve_exact(equations, right)]
    return sum(w * r for w, r in zip(law, rewards, strict=True)), law


# --- policies -----------------------------------------------------------------------------------


def policy_of(model, actions):
    """The deterministic policy of actions (S,), or (H, S) on a finite horizon, in Fractions."""
    if np.ndim(actions) == 2:
        return [policy_of(model, row) for row in actions]
    n_actions = len(model.R[0])
    return [[Fraction(int(a == chosen)) for a in range(n_actions)] for chosen in actions]


def _policy(exact, pi):
    """pi (S, A) in Fractions, checked against the allowed actions."""
    pi = [[fraction(x) for x in row] for row in pi]
    for s, a in itertools.product(range(exact.n_states), range(exact.n_actions)):
        if pi[s][a] != 0 and not exact.allowed[s][a]:
            raise ValueError(f"pi[{s}, {a}] is {float(pi[s][a])}, but action {a} is refused there")
    if exact.normalised:
        pi = [_divided_by_sum(row) for row in pi]
    return pi


def _policies(exact, pi):
    """The H policies of a finite horizon, from (H, S, A) or a repeated (S, A)."""
    if np.ndim(pi) == 3:
        if len(pi) != exact.horizon:
            raise ValueError(f"pi has {len(pi)} times, the horizon is {exact.horizon}")
        return [_policy(exact, pi_t) for pi_t in pi]
    return [_policy(exact, pi)] * exact.horizon


def chain_of(exact, pi):
    """P_pi (S, S) and R_pi (S,); terminal states stay where they are, with reward 0."""
    n_states, n_actions = exact.n_states, exact.n_actions
    chain = [[Fraction(0)] * n_states for _ in range(n_states)]
    rewards = [Fraction(0)] * n_states
    for s in range(n_states):
        if exact.terminal[s]:
            chain[s][s] = Fraction(1)
            continue
        for a in range(n_actions):
            if pi[s][a] == 0:
                continue
            rewards[s] += pi[s][a] * exact.R[s][a]
            for t in range(n_states):
                chain[s][t] += pi[s][a] * exact.P[s][a][t]
    return chain, rewards


# --- one Bellman backup, by loops ---------------------------------------------------------------


def q_by_loops(model, V, normalise_rows=False):
    """Q[s][a] = R + gamma sum_s' P V, three loops; -inf at refused pairs.

    V is (S,), floats or Fractions, and may hold inf or nan; what V says on terminal states is
    not asked: it is 0 there.
    """
    exact = fractions_of(model, normalise_rows)
    V = [fraction(v) if math.isfinite(v) else v for v in V]
    Q = [[-INF] * exact.n_actions for _ in range(exact.n_states)]
    for s in range(exact.n_states):
        for a in exact.actions(s):
            total = exact.R[s][a]
            for t in exact.successors(s, a):
                if not exact.terminal[t] and exact.gamma != 0:
                    total += exact.gamma * exact.P[s][a][t] * V[t]
            Q[s][a] = total
    return Q


def backup_by_loops(model, V, normalise_rows=False):
    """The optimal backup of V (S,): max over the allowed actions."""
    return [max(row) for row in q_by_loops(model, V, normalise_rows)]


def backup_of_policy_by_loops(model, pi, V, normalise_rows=False):
    """The backup of V (S,) under pi (S, A)."""
    exact = fractions_of(model, normalise_rows)
    return _mean_over_actions(_policy(exact, pi), q_by_loops(exact, V))


def _mean_over_actions(pi, Q):
    """sum_a pi Q, skipping what pi never does (Q is -inf at refused pairs)."""
    return [
        sum((p * q for p, q in zip(pi_s, Q_s, strict=True) if p != 0), Fraction(0))
        for pi_s, Q_s in zip(pi, Q, strict=True)
    ]


# --- evaluation of a policy ---------------------------------------------------------------------


@dataclass(frozen=True)
class ExactEvaluation:
    """One policy, exactly. On a finite horizon V (H+1, S), Q and A (H, S, A), visits (H, S)."""

    V: list  # inf, -inf or nan where a recurrent class with nonzero reward can be reached
    Q: list  # -inf at refused pairs
    A: list  # Q - V; -inf at refused pairs
    J: Fraction
    visits: list  # discounted decisions in s from mu; inf in live recurrent classes, gamma 1
    Z: Fraction  # visits.sum()
    time: list  # (S,) discounted decisions from each state; total: only those in transient states
    L: Fraction  # max(time): the norm of (I - gamma P_pi)^-1
    steps: list  # (S,) expected undiscounted decisions; inf if termination is not certain


def evaluate(model, pi, normalise_rows=False):
    """Values and visits of a policy by exact linear algebra.

    Parameters
    ----------
    model : discounted, finite or total
    pi : (S, A), or (H, S, A) on a finite horizon; floats or Fractions
    normalise_rows : bool

    Returns
    -------
    ExactEvaluation

    Notes
    -----
    Total reward: a recurrent class whose rewards are all zero is worth 0. Where a class with
    nonzero rewards can be reached V is inf (some gain is positive, none negative), -inf (the
    other way round), or nan (both signs, or only gains of 0).
    """
    exact = fractions_of(model, normalise_rows)
    if exact.objective == "finite":
        return _evaluate_finite(exact, _policies(exact, pi))
    if exact.objective not in ("discounted", "total"):
        raise ValueError(f"objective {exact.objective!r} is not served; see `evaluate_average`")
    pi = _policy(exact, pi)
    chain, rewards = chain_of(exact, pi)
    if exact.objective == "discounted":
        V, time, visits = _solve_on(exact.live, exact.gamma, chain, rewards, exact.mu)
    else:
        V, time, visits = _solve_total(exact, chain, rewards)
    Q = q_by_loops(exact, V)
    return ExactEvaluation(
        V=V,
        Q=Q,
        A=[_advantage(Q_s, v) for Q_s, v in zip(Q, V, strict=True)],
        J=_mean(exact.mu, V),
        visits=visits,
        Z=sum(visits),
        time=time,
        L=max(time),
        steps=_expected_steps(exact, chain),
    )


def _mean(weights, values):
    """sum_s weights values, skipping zero weights (0 * inf is not asked for)."""
    return sum((w * v for w, v in zip(weights, values, strict=True) if w != 0), Fraction(0))


def _advantage(Q_s, v):
    return [q - v if q != -INF else -INF for q in Q_s]


def _solve_on(states, factor, chain, rewards, mu):
    """V, time and visits of the chain killed outside the states; zeros there."""
    n = len(chain)
    V, time, visits = ([Fraction(0)] * n for _ in range(3))
    matrix = _identity_minus(factor, chain, states)
    columns = solve_exact(matrix, [[rewards[s], Fraction(1)] for s in states])
    transposed = [list(column) for column in zip(*matrix, strict=True)]
    counts = solve_exact(transposed, [[mu[s]] for s in states])
    for i, s in enumerate(states):
        V[s], time[s] = columns[i]
        visits[s] = counts[i][0]
    return V, time, visits


def _values_discounted(exact, chain, rewards):
    """V (S,) alone: one solve, for the loops over many policies."""
    V = [Fraction(0)] * exact.n_states
    matrix = _identity_minus(exact.gamma, chain, exact.live)
    column = solve_exact(matrix, [[rewards[s]] for s in exact.live])
    for s, (v,) in zip(exact.live, column, strict=True):
        V[s] = v
    return V


def _solve_total(exact, chain, rewards):
    n_states = exact.n_states
    reach = reaches([[t for t in range(n_states) if row[t] > 0] for row in chain])
    live_classes = [c for c in recurrent_classes(chain) if not exact.terminal[c[0]]]
    recurrent = {s for members in live_classes for s in members}
    transient = [s for s in exact.live if s not in recurrent]

    paying = [c for c in live_classes if any(rewards[s] != 0 for s in c)]
    worth = [_worth_of_class(chain, rewards, members) for members in paying]
    unsure = {}  # states that can end in a class with nonzero rewards
    for s in exact.live:
        reached = [w for c, w in zip(paying, worth, strict=True) if reach[s][c[0]]]
        if reached:
            unsure[s] = _sum_of_infinities(reached)

    # Visits and time do not ask about rewards: every transient state counts.
    _, time, visits = _solve_on(transient, Fraction(1), chain, rewards, exact.mu)
    for s in recurrent:
        if any(exact.mu[t] > 0 and reach[t][s] for t in exact.live):
            visits[s] = INF
    finite = [s for s in transient if s not in unsure]
    V, _, _ = _solve_on(finite, Fraction(1), chain, rewards, exact.mu)
    for s, v in unsure.items():
        V[s] = v
    return V, time, visits


def _worth_of_class(chain, rewards, members):
    """inf, -inf or nan: the total reward of a class with nonzero rewards, by the sign of gain."""
    mean, _ = gain([[chain[s][t] for t in members] for s in members], [rewards[s] for s in members])
    return INF if mean > 0 else -INF if mean < 0 else NAN


def _sum_of_infinities(worths):
    """Both signs, or neither, are undefined; a bounded oscillation beside an infinity is not."""
    if INF in worths:
        return NAN if -INF in worths else INF
    return -INF if -INF in worths else NAN


def _expected_steps(exact, chain):
    """(S,) expected undiscounted decisions until termination."""
    n_states = exact.n_states
    reach = reaches([[t for t in range(n_states) if row[t] > 0] for row in chain])
    endless = [c for c in recurrent_classes(chain) if not exact.terminal[c[0]]]
    certain = [s for s in exact.live if not any(reach[s][c[0]] for c in endless)]
    zeros = [Fraction(0)] * n_states
    _, steps, _ = _solve_on(certain, Fraction(1), chain, zeros, zeros)
    return [x if exact.terminal[s] or s in certain else INF for s, x in enumerate(steps)]


def _evaluate_finite(exact, policies):
    horizon, n_states = exact.horizon, exact.n_states
    V = [list(exact.final)]
    Q = []
    A = []
    time = [Fraction(0)] * n_states
    steps = [Fraction(0)] * n_states
    for pi in reversed(policies):
        Q.insert(0, q_by_loops(exact, V[0]))
        V.insert(0, _mean_over_actions(pi, Q[0]))
        V[0] = [Fraction(0) if exact.terminal[s] else V[0][s] for s in range(n_states)]
        A.insert(0, [_advantage(Q_s, v) for Q_s, v in zip(Q[0], V[0], strict=True)])
        chain, _ = chain_of(exact, pi)
        time = _one_more_step(exact, exact.gamma, chain, time)
        steps = _one_more_step(exact, Fraction(1), chain, steps)
    visits = []
    now = [Fraction(0) if exact.terminal[s] else exact.mu[s] for s in range(n_states)]
    for t in range(horizon):
        visits.append(now)
        chain, _ = chain_of(exact, policies[t])
        now = [
            Fraction(0)
            if exact.terminal[j]
            else exact.gamma * sum(now[i] * chain[i][j] for i in range(n_states))
            for j in range(n_states)
        ]
    return ExactEvaluation(
        V=V,
        Q=Q,
        A=A,
        J=_mean(exact.mu, V[0]),
        visits=visits,
        Z=sum(sum(row) for row in visits),
        time=time,
        L=max(time),
        steps=steps,
    )


def _one_more_step(exact, factor, chain, count):
    """1 + factor * P_pi count on live states, 0 on terminal ones."""
    return [
        Fraction(0) if exact.terminal[s] else 1 + factor * _mean(chain[s], count)
        for s in range(exact.n_states)
    ]


def visits_by_powers(model, pi, n_steps=None, normalise_rows=False):
    """gamma^t Pr(s_t = s, running) for t < n_steps, from products of whole matrices.

    The other road to the visits of a finite horizon (n_steps = horizon by default); without a
    horizon it gives the first n_steps terms of the sum. Returns n_steps lists of S Fractions.
    """
    exact = fractions_of(model, normalise_rows)
    n_states = exact.n_states
    if n_steps is None:
        n_steps = exact.horizon
    if n_steps is None:
        raise ValueError("without a horizon n_steps must be given")
    if exact.objective == "finite":
        policies = _policies(exact, pi)
    else:
        policies = [_policy(exact, pi)] * n_steps
    product = [[Fraction(int(s == t)) for t in range(n_states)] for s in range(n_states)]
    visits = []
    for t in range(n_steps):
        at_t = [sum(exact.mu[i] * product[i][j] for i in range(n_states)) for j in range(n_states)]
        discount = exact.gamma**t
        visits.append([Fraction(0) if exact.terminal[j] else discount * at_t[j]
                       for j in range(n_states)])  # fmt: skip
        chain, _ = chain_of(exact, policies[t])
        product = [
            [sum(product[i][k] * chain[k][j] for k in range(n_states)) for j in range(n_states)]
            for i in range(n_states)
        ]
    return visits


# --- average reward -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ExactAverage:
    """One policy of a model of average reward, exactly."""

    gain: list  # (S,)
    bias: list  # (S,) with mean 0 in each recurrent class
    Q: list  # R - gain + P bias; -inf at refused pairs
    J: Fraction  # mu @ gain
    d: list  # (S,) the limit of the mean law of the state, from mu
    limit: list  # (S, S) the limit of the mean of the powers of P_pi
    deviation: list  # (S, S) the group inverse of I - P_pi


def limit_of(chain):
    """The limit (S, S) of the mean of the powers of a chain: laws, and chances to end in classes.

    Rows must sum to one exactly. Periodic and transient states and several classes are fine.
    """
    n = len(chain)
    classes = recurrent_classes(chain)
    limit = [[Fraction(0)] * n for _ in range(n)]
    laws = []
    for members in classes:
        _, law = gain([[chain[s][t] for t in members] for s in members], [0] * len(members), False)
        laws.append(law)
        for s in members:
            for t, w in zip(members, law, strict=True):
                limit[s][t] = w
    inside = {s for members in classes for s in members}
    outside = [s for s in range(n) if s not in inside]
    steps = [[sum(chain[s][t] for t in members) for members in classes] for s in outside]
    ends = solve_exact(_identity_minus(Fraction(1), chain, outside), steps)
    for s, row in zip(outside, ends, strict=True):
        for p, members, law in zip(row, classes, laws, strict=True):
            for t, w in zip(members, law, strict=True):
                limit[s][t] = p * w
    return limit


def evaluate_average(model, pi, normalise_rows=True):
    """Gain and bias of a policy, by the limit of its chain and the inverse of I - P + limit.

    Rows that do not sum to one have no gain: hence ``normalise_rows=True``.

    Returns
    -------
    ExactAverage
    """
    exact = fractions_of(model, normalise_rows)
    chain, rewards = chain_of(exact, _policy(exact, pi))
    n = len(chain)
    limit = limit_of(chain)
    gains = [_mean(row, rewards) for row in limit]
    one = [[Fraction(int(s == t)) for t in range(n)] for s in range(n)]
    matrix = [[one[s][t] - chain[s][t] + limit[s][t] for t in range(n)] for s in range(n)]
    right = [[one[s][t] - limit[s][t] for t in range(n)] for s in range(n)]
    deviation = solve_exact(matrix, right)
    bias = [_mean(row, rewards) for row in deviation]
    Q = q_by_loops(exact, bias)
    return ExactAverage(
        gain=gains,
        bias=bias,
        Q=[[q - g if q != -INF else q for q in Q_s] for Q_s, g in zip(Q, gains, strict=True)],
        J=_mean(exact.mu, gains),
        d=[sum(exact.mu[s] * limit[s][t] for s in range(n)) for t in range(n)],
        limit=limit,
        deviation=deviation,
    )


@dataclass(frozen=True)
class ExactAverageOptimum:
    """The largest gain from each state, exactly."""

    gain: list  # (S,)
    J: Fraction
    optimal_actions: list  # bool (S, A): some policy that is best from every state does that there
    actions: list  # (S,) one such policy


def average_optimum(model, normalise_rows=True):
    """The best of all deterministic policies; one of them is best from every state at once."""
    exact = fractions_of(model, normalise_rows)
    choices = [exact.actions(s) for s in range(exact.n_states)]
    if math.prod(map(len, choices)) > MOST_POLICIES:
        raise ValueError("too many policies to enumerate")
    gains = {}
    for actions in itertools.product(*choices):
        chain, rewards = chain_of(exact, policy_of(exact, actions))
        gains[actions] = [_mean(row, rewards) for row in limit_of(chain)]
    best = [max(column) for column in zip(*gains.values(), strict=True)]
    winners = [actions for actions, found in gains.items() if found == best]
    return ExactAverageOptimum(
        gain=best,
        J=_mean(exact.mu, best),
        optimal_actions=[
            [any(w[s] == a for w in winners) for a in range(exact.n_actions)]
            for s in range(exact.n_states)
        ],
        actions=list(winners[0]),
    )


# --- the optimum --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExactOptimum:
    """The optimum, exactly. A finite horizon has V (H+1, S), Q and the rest (H, S, A)."""

    V: list  # inf, -inf or nan (undefined) where the total reward is so
    Q: list  # R + gamma P V; -inf at refused pairs
    optimal_actions: list  # bool: Q equals V exactly; all False where V is not finite
    J: Fraction
    actions: list  # (S,) or (H, S): one optimal deterministic policy
    status: list  # (S,): "finite", "infinite" (V = inf), "minus infinite" or "undefined"


def optimum(model, normalise_rows=False):
    """Optimal values and all optimal actions, ties decided exactly.

    Discounted: Howard's policy iteration; an action is changed for a strictly better one only,
    so no policy comes twice and it ends. Finite: backward induction. Total: see `_optimum_total`.

    Raises
    ------
    ValueError
        For average reward (see `average_optimum`), and for total reward if a row that some policy
        can use forever does not sum to one exactly (then nothing is well defined: ask for
        normalise_rows=True).
    """
    exact = fractions_of(model, normalise_rows)
    if exact.objective == "finite":
        return _optimum_finite(exact)
    if exact.objective == "discounted":
        V, actions = _howard_discounted(exact)
    elif exact.objective == "total":
        V, actions = _optimum_total(exact)
    else:
        raise ValueError(f"objective {exact.objective!r} is not served")
    Q = q_by_loops(exact, V)
    return ExactOptimum(
        V=V,
        Q=Q,
        optimal_actions=_ties(V, Q),
        J=_mean(exact.mu, V),
        actions=actions,
        status=[_status(v) for v in V],
    )


def optimal_actions(model, normalise_rows=False):
    """bool (S, A), or (H, S, A): exactly the optimal actions."""
    return np.array(optimum(model, normalise_rows).optimal_actions, dtype=bool)


def gaps(model, normalise_rows=False):
    """V* - Q*, nested lists (S, A) or (H, S, A): 0 where optimal, inf at refused pairs."""
    best = optimum(model, normalise_rows)
    if np.ndim(best.actions) == 2:
        return [_gaps(V, Q) for V, Q in zip(best.V, best.Q, strict=False)]
    return _gaps(best.V, best.Q)


def smallest_gap(model, normalise_rows=False):
    """The smallest positive V* - Q*; inf if every allowed action is optimal."""
    every = np.array(gaps(model, normalise_rows), dtype=object).ravel()
    return min((gap for gap in every if gap > 0), default=INF)


def _gaps(V, Q):
    return [[INF if q == -INF else v - q for q in Q_s] for v, Q_s in zip(V, Q, strict=True)]


def _ties(V, Q):
    return [[math.isfinite(v) and q == v for q in Q_s] for v, Q_s in zip(V, Q, strict=True)]


def _status(v):
    if math.isfinite(v):
        return "finite"
    return {INF: "infinite", -INF: "minus infinite"}.get(v, "undefined")


def _first_best(row):
    """The first index of the largest entry."""
    return max(range(len(row)), key=lambda a: (row[a], -a))


def _optimum_finite(exact):
    V, Q, ties, actions = [list(exact.final)], [], [], []
    for _ in range(exact.horizon):
        Q.insert(0, q_by_loops(exact, V[0]))
        V.insert(0, [max(row) for row in Q[0]])
        ties.insert(0, _ties(V[0], Q[0]))
        actions.insert(0, [_first_best(row) for row in Q[0]])
    return ExactOptimum(
        V=V,
        Q=Q,
        optimal_actions=ties,
        J=_mean(exact.mu, V[0]),
        actions=actions,
        status=["finite"] * exact.n_states,
    )


def _howard_discounted(exact):
    """V* and an optimal action for each state."""
    actions = [_first_best(row) for row in q_by_loops(exact, [Fraction(0)] * exact.n_states)]
    while True:
        chain, rewards = chain_of(exact, policy_of(exact, actions))
        V = _values_discounted(exact, chain, rewards)
        changed = False
        for s, row in enumerate(q_by_loops(exact, V)):
            if max(row) > V[s]:
                actions[s] = _first_best(row)
                changed = True
        if not changed:
            return V, actions


# Total reward. "Pairs" are sets of (s, a) with s live; a policy is free to use any of them.


def end_components(exact, pairs):
    """Maximal end components of the pairs: list of (set of states, set of pairs).

    A set of states and pairs that a policy can stay in forever and go round in: drop the pairs
    that can leave their strong component, until there is none.
    """
    pairs = set(pairs)
    while True:
        edges = [set() for _ in range(exact.n_states)]
        for s, a in pairs:
            edges[s].update(exact.successors(s, a))
        reach = reaches(edges)
        leaving = {(s, a) for s, a in pairs if not all(reach[t][s] for t in exact.successors(s, a))}
        if not leaving:
            break
        pairs -= leaving
    components = []
    for s in sorted({s for s, _ in pairs}):
        if not any(s in states for states, _ in components):
            states = {t for t in range(exact.n_states) if reach[s][t] and reach[t][s]}
            components.append((states, {(t, a) for t, a in pairs if t in states}))
    return components


def almost_surely_reach(exact, targets, pairs):
    """States from which some policy of the pairs reaches the targets for certain; usable pairs."""
    inside = set(range(exact.n_states))
    while True:
        usable = {
            (s, a) for s, a in pairs if s in inside and inside.issuperset(exact.successors(s, a))
        }
        hopeful = set(attractor(exact, targets & inside, usable)) | (targets & inside)
        if hopeful == inside:
            return inside, usable
        inside = hopeful


def attractor(exact, targets, pairs):
    """{s: a} for the states that can reach the targets: a leads one level nearer."""
    chosen = {}
    reached = set(targets)
    while True:
        level = {
            s: a
            for s, a in sorted(pairs)
            if s not in reached and reached.intersection(exact.successors(s, a))
        }
        if not level:
            return chosen
        chosen.update(level)
        reached.update(level)


STOP = -1  # an action added where staying forever is worth 0


def _howard_until_stop(exact, pairs, actions):
    """Policy iteration on the pairs, started from actions {s: a or STOP}, which must end.

    STOP ends with 0, and so do terminal states; STOP stays on offer only where the policy has it
    now. Strict improvement can close a recurrent class only around a state that has just changed,
    and then its gain is positive (average T_new V - V >= 0 over its stationary law): returns None.
    Otherwise the last V satisfies V >= R + P V on all pairs and belongs to a policy that ends, so
    no policy that ends, or stays where staying is worth 0, has more. Returns (V, actions).
    """
    states = sorted(actions)
    actions = dict(actions)
    while True:
        chain = [[Fraction(0)] * exact.n_states for _ in range(exact.n_states)]
        rewards = [Fraction(0)] * exact.n_states
        for s, a in actions.items():
            if a != STOP:
                chain[s], rewards[s] = exact.P[s][a], exact.R[s][a]
        edges = [[t for t in range(exact.n_states) if row[t] > 0] for row in chain]
        reach = reaches(edges)
        ending = [t for t in range(exact.n_states) if actions.get(t, STOP) == STOP]
        if not all(any(reach[s][t] for t in ending) for s in states):
            return None
        V = [Fraction(0)] * exact.n_states
        column = solve_exact(
            _identity_minus(Fraction(1), chain, states), [[rewards[s]] for s in states]
        )
        for s, (v,) in zip(states, column, strict=True):
            V[s] = v
        changed = False
        for s in states:
            offers = {a: exact.R[s][a] + _mean(exact.P[s][a], V) for t, a in pairs if t == s}
            if offers and max(offers.values()) > V[s]:
                actions[s] = max(offers, key=lambda a: offers[a])
                changed = True
        if not changed:
            return V, actions


def _sign_of_largest_gain(exact, component):
    """+1, 0 or -1: the sign of the largest gain of a policy that stays in the end component."""
    states, pairs = component
    if any(sum(exact.P[s][a]) != 1 for s, a in pairs):
        raise ValueError("a row used forever does not sum to one: ask for normalise_rows=True")
    found = _howard_until_stop(exact, pairs, dict.fromkeys(states, STOP))
    if found is None:
        return 1
    V, _ = found
    # V >= R + P V on all pairs: a class of gain 0 has equality on its pairs, and conversely.
    tight = {(s, a) for s, a in pairs if exact.R[s][a] + _mean(exact.P[s][a], V) == V[s]}
    return 0 if end_components(exact, tight) else -1


def _optimum_total(exact):
    """V* and actions of total reward: the best over the policies whose value is defined.

    A policy may end in terminal states or go round forever. Round about rewards of zero is worth
    0, round about a positive gain inf, a negative gain -inf; nonzero rewards with gain 0 never
    settle, and the policy has no value from there (such policies are left out; a state with no
    other is "undefined"). Which end components have which sign is decided first, then the states
    sort themselves by what can be reached for certain, then policy iteration does the finite ones.
    """
    every_pair = {(s, a) for s in exact.live for a in exact.actions(s)}
    terminal = {s for s in range(exact.n_states) if exact.terminal[s]}
    positive, level, resting = set(), set(), {}
    for component in end_components(exact, every_pair):
        sign = _sign_of_largest_gain(exact, component)
        if sign > 0:
            positive |= component[0]
        elif sign == 0:
            level |= component[0]
    for _, pairs in end_components(exact, {(s, a) for s, a in every_pair if exact.R[s][a] == 0}):
        resting.update(pairs)

    bounded, pairs = almost_surely_reach(exact, terminal | positive | level, every_pair)
    infinite = (set(attractor(exact, positive, pairs)) | positive) & bounded
    pairs = {(s, a) for s, a in pairs if s not in infinite}
    ends = (terminal | set(resting)) - infinite
    finite, pairs = almost_surely_reach(exact, ends, pairs)
    can_gain = set(attractor(exact, positive, every_pair)) | positive

    V = [NAN] * exact.n_states
    actions = [exact.actions(s)[0] for s in range(exact.n_states)]
    for s in range(exact.n_states):
        if s in infinite:
            V[s] = INF
        elif s not in bounded and s not in can_gain:
            V[s] = -INF
    start = dict.fromkeys(set(resting) & finite, STOP)
    start.update(attractor(exact, ends & finite, pairs))
    values, chosen = _howard_until_stop(exact, pairs, start)
    for s in finite:
        V[s] = values[s]
        if s in chosen:
            actions[s] = resting[s] if chosen[s] == STOP else chosen[s]
    return V, actions


# --- the optimum by brute force -----------------------------------------------------------------


def deterministic_policies(model):
    """Every choice of allowed actions: tuples (S,), or (H, S) on a finite horizon.

    Terminal states have no choice.

    Raises
    ------
    ValueError
        If there are more than MOST_POLICIES.
    """
    exact = fractions_of(model)
    menus = [exact.actions(s)[: 1 if exact.terminal[s] else None] for s in range(exact.n_states)]
    times = exact.horizon if exact.objective == "finite" else 1
    count = math.prod(len(menu) for menu in menus) ** times
    if count > MOST_POLICIES:
        raise ValueError(f"{count} deterministic policies are too many; at most {MOST_POLICIES}")
    for flat in itertools.product(*(menus * times)):
        rows = [flat[i * exact.n_states : (i + 1) * exact.n_states] for i in range(times)]
        yield rows if exact.objective == "finite" else rows[0]


def best_by_enumeration(model, normalise_rows=False):
    """V* as the best of all deterministic policies, in Fractions: (S,) or (H+1, S).

    Values that are undefined lose to all but -inf.
    """
    exact = fractions_of(model, normalise_rows)
    finite_horizon = exact.objective == "finite"
    best = None
    for actions in deterministic_policies(exact):
        pi = policy_of(exact, actions)
        if exact.objective == "discounted":
            V = _values_discounted(exact, *chain_of(exact, pi))
        else:
            V = evaluate(exact, pi).V
        rows = V if finite_horizon else [V]
        if best is None:
            best = rows
        best = [
            [max(x, y, key=_preference) for x, y in zip(new, old, strict=True)]
            for new, old in zip(rows, best, strict=True)
        ]
    return best if finite_horizon else best[0]


def _preference(v):
    return (1, 0) if math.isnan(v) else (0, 0) if v == -INF else (2, v)


def best_of_all_policies(model, normalise_rows=False):
    """`best_by_enumeration` as a float64 array, each value rounded once."""
    return floats(best_by_enumeration(model, normalise_rows))


# --- derivatives --------------------------------------------------------------------------------


def complex_step(f, theta, h=1e-20):
    """Jacobian of a real-analytic f at theta, without cancellation: Im f(theta + i h) / h.

    Parameters
    ----------
    f : complex array of theta's shape -> complex scalar or array (no abs, no conjugate, no sort
        by complex numbers inside)
    theta : real array
    h : float

    Returns
    -------
    array of shape f(theta).shape + theta.shape; for a scalar f the gradient, shaped like theta
    """
    theta = np.asarray(theta, dtype=np.float64)
    columns = []
    for index in np.ndindex(theta.shape):
        moved = theta.astype(np.complex128)
        moved[index] += 1j * h
        columns.append(np.asarray(f(moved)).imag / h)
    return np.stack(columns, axis=-1).reshape(columns[0].shape + theta.shape)


def softmax(theta, temperature=1.0):
    """exp(theta / temperature), rows normalised, for real or complex theta (..., S, A).

    An action with theta = -inf is refused and gets 0.
    """
    theta = np.asarray(theta)
    taken = theta.real > -np.inf
    logits = np.where(taken, theta, 0) - theta.real.max(axis=-1, keepdims=True)
    weights = np.where(taken, np.exp(np.where(taken, logits, 0) / temperature), 0)
    return weights / weights.sum(axis=-1, keepdims=True)


def objective_of_policy(model, pi):
    """J = mu @ V for a real or complex pi, (S, A) or (H, S, A), by floating-point loops.

    Analytic in pi, so `complex_step` differentiates it: entries of pi are free numbers here.
    """
    pi = np.asarray(pi)
    R = np.asarray(model.R, dtype=np.float64)
    n_states, n_actions = R.shape
    table = model.P.toarray() if hasattr(model.P, "toarray") else np.asarray(model.P)
    P = table.reshape(n_states, n_actions, n_states).astype(np.float64)
    live = [s for s in range(n_states) if not model.terminal[s]]
    gamma = 1.0 if model.gamma is None else model.gamma

    def chain(pi_t):
        P_pi = np.zeros((n_states, n_states), dtype=pi.dtype)
        R_pi = np.zeros(n_states, dtype=pi.dtype)
        for s in live:
            for a in range(n_actions):
                if model.allowed[s][a]:
                    P_pi[s] += pi_t[s, a] * P[s, a]
                    R_pi[s] += pi_t[s, a] * R[s, a]
        return P_pi, R_pi

    V = np.zeros(n_states, dtype=pi.dtype)
    if model.objective == "finite":
        if model.final is not None:
            V[live] = np.asarray(model.final, dtype=np.float64)[live]
        for t in reversed(range(model.horizon)):
            P_pi, R_pi = chain(pi[t] if pi.ndim == 3 else pi)
            V = R_pi + gamma * P_pi @ V
    else:
        P_pi, R_pi = chain(pi)
        matrix = np.eye(len(live)) - gamma * P_pi[np.ix_(live, live)]
        V[live] = np.linalg.solve(matrix, R_pi[live])
    return np.asarray(model.mu, dtype=np.float64) @ V


def objective_of_logits(model, theta, temperature=1.0):
    """J of the softmax policy of theta, real or complex; refused actions get probability 0."""
    theta = np.where(np.asarray(model.allowed), theta, -np.inf)
    return objective_of_policy(model, softmax(theta, temperature))


# --- the law of the return ----------------------------------------------------------------------


def return_law(model, pi, n_steps=None, outcomes=None, normalise_rows=False):
    """The law of the discounted return, by walking through every trajectory.

    Parameters
    ----------
    model : tiny
    pi : (S, A) or, on a finite horizon, (H, S, A)
    n_steps : int, optional
        Cut trajectories after this many actions; the horizon by default. Without either every
        trajectory must end by itself.
    outcomes : dict {(s, a): [(probability, next state, reward), ...]}, optional
        The law of successor and reward; by default P with the expected reward R.
    normalise_rows : bool

    Returns
    -------
    list of (probability, return), Fractions, sorted by return, equal returns merged

    Raises
    ------
    ValueError
        If there are more than MOST_TRAJECTORIES, or one is longer than MOST_STEPS.
    """
    exact = fractions_of(model, normalise_rows)
    if n_steps is None:
        n_steps = exact.horizon
    if exact.objective == "finite":
        policies = _policies(exact, pi)
    else:
        policies = itertools.repeat(_policy(exact, pi), MOST_STEPS)
    policies = list(policies)

    def branches(s, a):
        if outcomes is not None:
            return [(fraction(p), j, fraction(r)) for p, j, r in outcomes[s, a]]
        return [(exact.P[s][a][j], j, exact.R[s][a]) for j in exact.successors(s, a)]

    law = {}
    walks = [(p, s, 0, Fraction(0)) for s, p in enumerate(exact.mu) if p > 0]
    walked = 0
    while walks:
        probability, s, t, so_far = walks.pop()
        if exact.terminal[s] or t == n_steps:
            walked += 1
            if t == exact.horizon:
                so_far += exact.gamma**t * exact.final[s]  # which is 0 on terminal states
            law[so_far] = law.get(so_far, 0) + probability
        else:
            if walked + len(walks) > MOST_TRAJECTORIES or t >= MOST_STEPS:
                raise ValueError(
                    f"more than {MOST_TRAJECTORIES} trajectories or {MOST_STEPS} steps: "
                    "give n_steps"
                )
            for a in exact.actions(s):
                if policies[t][s][a] > 0:
                    for p, j, r in branches(s, a):
                        chance = probability * policies[t][s][a] * p
                        walks.append((chance, j, t + 1, so_far + exact.gamma**t * r))
    return [(law[value], value) for value in sorted(law)]


def walks(model, b, n_steps):
    """Every trajectory of at most ``n_steps`` actions, in floats, one by one.

    Parameters
    ----------
    model : tiny, with ``branches`` (offsets, next_state, reward, prob)
    b : (S, A)
        Who acts.
    n_steps : int

    Yields
    ------
    probability : float
    steps : list of (s, a, r, s')
        The last reward of a finite horizon holds gamma * final(s').
    """
    law, n_actions = model.branches, model.R.shape[1]
    stack = [(float(p), int(s), []) for s, p in enumerate(model.mu) if p > 0]
    while stack:
        probability, s, steps = stack.pop()
        if model.terminal[s] or len(steps) == n_steps:
            yield probability, steps
            continue
        for a in np.flatnonzero(b[s]):
            row = s * n_actions + a
            for j in range(law.offsets[row], law.offsets[row + 1]):
                r, t = law.reward[j], int(law.next_state[j])
                if model.final is not None and len(steps) + 1 == model.horizon:
                    r = r + model.gamma * model.final[t]
                chance = probability * b[s, a] * law.prob[j]
                stack.append((chance, t, [*steps, (s, int(a), r, t)]))


def moments_by_walking(model, b, n_steps, row):
    """Mean and covariance of ``row(steps)`` -> (D,), summed over every trajectory."""
    found = [(p, row(steps)) for p, steps in walks(model, b, n_steps)]
    p, X = np.array([p for p, _ in found]), np.array([x for _, x in found])
    mean = p @ X
    return mean, (p[:, None] * X).T @ X - np.outer(mean, mean)
