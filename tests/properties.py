"""Properties: what must hold for every planner and every evaluation, as functions of who is asked.

Takes     a `Case` (a model and its truths) and a planner, evaluator or policy.
Gives     nothing, or an AssertionError. The tests call these functions with what the package has,
          `mutants.py` with a planted mistake in it.
Source    the truths: `oracles`, exact fractions.
Not here  drawing models (mdptools.testing.strategies).

The numbers of a model are floats, and rows of floats seldom sum to one exactly. A certificate
covers both truths: of the numbers as they are, and of rows divided by their sums. For total reward
there is only the second where a row can be used for ever.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

import oracles
from mdptools import ConvergenceError, ModelError

EPS = 2.0**-52
RELATIVE_TOLS = (1.0, 1e-3, 1e-6, 1e-9, 1e-17)
"""The first is loose enough for policies that lose, the last below what float64 can do."""


@dataclass(frozen=True, eq=False)
class Case:
    """A model with its truths, each found once."""

    mdp: object

    @cached_property
    def truths(self):
        """The model in exact fractions: once if its rows sum to one exactly, else in two ways."""
        divided = oracles.fractions_of(self.mdp, normalise_rows=True)
        if self.mdp.objective == "total":
            return [divided]
        given = oracles.fractions_of(self.mdp)
        return [divided] if (given.P, given.mu) == (divided.P, divided.mu) else [given, divided]

    @cached_property
    def optima(self):
        """The optimum under each truth."""
        return [oracles.optimum(truth, truth.normalised) for truth in self.truths]

    @cached_property
    def is_finite(self):
        """Whether the optimum is a number in each state."""
        return all(
            math.isfinite(v) for optimum in self.optima for row in rows(optimum.V) for v in row
        )

    @cached_property
    def largest_value(self):
        """max |V*|."""
        return float(max(abs(v) for row in rows(self.optima[0].V) for v in row))

    @cached_property
    def longest(self):
        """L, the largest expected (discounted) time; for total reward under one optimal policy."""
        mdp, optimum = self.mdp, self.optima[0]
        if mdp.objective == "discounted":
            return 1 / (1 - mdp.gamma)
        if mdp.objective == "finite":
            return float(mdp.horizon)
        best = oracles.evaluate(self.truths[0], oracles.policy_of(mdp, optimum.actions), True)
        return max(1.0, float(best.L))

    @cached_property
    def scale(self):
        """max |R| L, what a relative tolerance is relative to; 1 if nothing pays."""
        size = np.abs(self.mdp.R).max() * self.longest
        if self.mdp.final is not None:
            size += np.abs(self.mdp.final).max()
        return float(size) or 1.0

    @property
    def floor(self):
        """What round-off alone does to a value, about: eps max |V*| L."""
        return EPS * self.largest_value * self.longest

    @property
    def most_floor(self):
        """More than that: no planner may plead that float64 cannot do better than this."""
        sizes = self.largest_value + float(np.abs(self.mdp.R).max())
        if self.mdp.final is not None:
            sizes += float(np.abs(self.mdp.final).max())
        return 1e4 * (EPS * sizes + self.mdp.facts.reward_roundoff) * self.longest

    @cached_property
    def has_balanced_cycle(self):
        """Whether nonzero rewards can cancel round a cycle for ever, and nothing there earns."""
        truth = self.truths[0]
        pairs = {(s, a) for s in truth.live for a in truth.actions(s)}
        return any(
            oracles._sign_of_largest_gain(truth, component) == 0
            and any(truth.R[s][a] != 0 for s, a in component[1])
            for component in oracles.end_components(truth, pairs)
        )


def rows(V):
    """V as a list of rows: itself alone, or one for each time."""
    return V if np.ndim(V) == 2 else [V]


def rescaled(mdp, factor, shift=0.0):
    """The model with rewards ``factor R + shift`` where an episode runs."""
    paid = np.where(mdp.allowed & ~mdp.terminal[:, None], mdp.R * factor + shift, 0.0)
    final = None if mdp.final is None else mdp.final * factor
    terminal = mdp.terminal.copy()
    return replace(mdp, R=paid, final=final, law=None, terminal=terminal)


def float_of(values):
    return oracles.floats(values)


# --- planners -----------------------------------------------------------------------------------


def assert_right(case, solution):
    """The certificate of a solution covers its errors, whatever it claims to have reached."""
    mdp, certificate = case.mdp, solution.certificate
    bound = certificate.bound
    assert certificate.kind == "proved"
    for truth, optimum in zip(case.truths, case.optima, strict=True):
        error = oracles.largest_error(solution.V, optimum.V)
        assert error <= bound, f"V is off by {float(error)}, more than the bound {bound}"
        error = oracles.largest_error(solution.Q, optimum.Q)
        assert error <= bound, f"Q is off by {float(error)}, more than the bound {bound}"
        assert abs(oracles.fraction(solution.J) - optimum.J) <= bound, "J is off by more"
        if certificate.lower is not None:
            for low, v, high in zip(
                np.ravel(certificate.lower),
                np.ravel(np.array(optimum.V, dtype=object)),
                np.ravel(certificate.upper),
                strict=True,
            ):
                assert low <= v <= high, f"V* = {float(v)} is outside [{low}, {high}]"
        found = oracles.evaluate(truth, solution.pi, truth.normalised)
        loss = max(
            best - v if math.isfinite(v) else math.inf
            for Vs, Ws in zip(rows(optimum.V), rows(found.V), strict=True)
            for best, v in zip(Vs, Ws, strict=True)
        )
        assert loss <= certificate.loss, f"pi loses {float(loss)} > {certificate.loss}"
        assert_optimal_actions(case, optimum, solution)
    assert_shapes(mdp, solution)


def assert_optimal_actions(case, optimum, solution):
    """A superset of the optimal actions always; the set itself where all gaps are large."""
    mdp, bound = case.mdp, solution.certificate.bound
    best = np.array(optimum.optimal_actions, dtype=bool)
    missing = best & ~solution.optimal_actions
    assert not missing.any(), f"an optimal action is missing at {np.argwhere(missing)[0]}"
    if not bound < math.inf:
        return
    V, Q = (np.array(x, dtype=object) for x in (optimum.V, optimum.Q))
    gaps = (V[:-1] if V.ndim == 2 else V)[..., None] - Q
    size = case.largest_value + float(np.abs(mdp.R).max())
    roundoff = 200 * EPS * (mdp.n_states + 4) * size
    clear = gaps > 4 * mdp.gamma * bound + roundoff
    wrong = solution.optimal_actions & clear.astype(bool) & mdp.allowed
    assert not wrong.any(), f"an action worse by a clear gap is marked at {np.argwhere(wrong)[0]}"


def assert_shapes(mdp, solution):
    """What the docstring of `Solution` says of its arrays."""
    times = () if mdp.horizon is None else (mdp.horizon,)
    later = () if mdp.horizon is None else (mdp.horizon + 1,)
    pairs = (*times, mdp.n_states, mdp.n_actions)
    assert solution.V.shape == (*later, mdp.n_states)
    assert solution.Q.shape == solution.pi.shape == solution.optimal_actions.shape == pairs
    for array in (solution.V, solution.Q, solution.pi, solution.optimal_actions):
        assert not array.flags.writeable
    assert isinstance(solution.J, float)
    assert ((solution.pi == 0) | (solution.pi == 1)).all()
    assert (solution.pi.sum(axis=-1) == 1).all()
    assert not solution.pi[..., ~mdp.allowed].any()
    assert not solution.optimal_actions[..., ~mdp.allowed].any()
    assert (solution.Q[..., ~mdp.allowed] == -np.inf).all()
    assert not solution.V[..., mdp.terminal].any()


def assert_plans(case, planner, relative_tols=RELATIVE_TOLS):
    """Each tolerance is kept, or is below the floor, which is stated, and honest, and reachable.

    Returns the (bound, true error, floor) of each answer.
    """
    if not case.is_finite:
        assert_refuses(case, planner)
        return []
    seen = []
    for relative in relative_tols:
        tol = relative * case.scale
        try:
            solution = planner(case.mdp, tol=tol)
        except ConvergenceError as error:
            solution = error.solution
            assert solution is not None and error.floor is not None, str(error)
            bound = solution.certificate.bound
            assert tol < bound, "the bound is small enough, why raise?"
            assert bound <= 4 * error.floor, "the floor is not why"
            assert_floor(case, error.floor)
            assert f"{error.floor:.3g}" in str(error) or error.floor == math.inf
            if bound < math.inf:  # what is said to be possible is possible
                again = planner(case.mdp, tol=4 * error.floor)
                assert again.certificate.bound <= 4 * error.floor
        else:
            bound = solution.certificate.bound
            assert bound <= tol, f"bound {bound} > tol {tol}"
        assert_right(case, solution)
        error = oracles.largest_error(solution.V, case.optima[-1].V)
        seen.append((bound, float(error), case.floor))
    return seen


def assert_floor(case, floor):
    """Round-off is not pleaded where it is small, nor infinity where rewards do not cancel."""
    if case.mdp.objective != "total":
        assert floor <= case.most_floor, "round-off is smaller than that"
    elif floor == math.inf:
        assert case.has_balanced_cycle or case.longest > 1e7, "why is nothing proved?"
    elif case.longest < 1e7:
        assert floor <= case.most_floor * 1e3, "round-off is smaller than that"


def assert_refuses(case, planner):
    """An infinite or undefined optimum is refused, and a state of it is named."""
    try:
        solution = planner(case.mdp, tol=1e-3)
    except ModelError as error:
        states = [s for s, v in enumerate(case.optima[0].V) if not math.isfinite(v)]
        assert any(f"{s}" in str(error) for s in states), f"no state of {states} named: {error}"
    else:
        raise AssertionError(f"V* is {case.optima[0].V}, but V is {solution.V}")


def looseness(seen):
    """The median of bound / (100 true error + 1e4 floors) over answers of `assert_plans`."""
    ratios = [
        bound / (100 * error + 1e4 * floor)
        for bound, error, floor in seen
        if floor > 0 and bound < math.inf
    ]
    return float(np.median(ratios))


# --- evaluation ---------------------------------------------------------------------------------


def chain_facts(truth, pi):
    """(paying recurrent classes of live states, states reachable from mu) of a policy, exactly."""
    pi = [[oracles.fraction(x) for x in row] for row in pi]
    chain, _ = oracles.chain_of(truth, pi)
    n_states = truth.n_states
    reach = oracles.reaches([[t for t in range(n_states) if row[t] > 0] for row in chain])
    entered = {
        t for s in range(n_states) if truth.mu[s] > 0 for t in range(n_states) if reach[s][t]
    }
    paying = [
        members
        for members in oracles.recurrent_classes(chain)
        if not truth.terminal[members[0]]
        and any(truth.R[s][a] != 0 and pi[s][a] > 0 for s in members for a in truth.actions(s))
    ]
    return paying, entered


def assert_evaluates(case, pi, evaluator):
    """V, Q, A, J and visits are within their certificates; a paying class that is entered raises.

    Returns the (bound, true error, floor) of V and of J.
    """
    mdp = case.mdp
    refusal_allowed = refusal_due = False
    if mdp.objective == "total":
        paying, entered = chain_facts(case.truths[0], pi)
        refusal_allowed = bool(paying)
        refusal_due = any(entered.intersection(members) for members in paying)
    try:
        found = evaluator(mdp, pi)
    except ModelError as error:
        assert refusal_allowed, f"refused without need: {error}"
        assert any(mdp.name_of_state(s) in str(error) for members in paying for s in members) or (
            "both" in str(error)
        )
        return []
    assert not refusal_due, "a recurrent class with rewards is entered, and nothing was said"
    seen = []
    for truth in case.truths:
        exact = oracles.evaluate(truth, pi, truth.normalised)
        bound = found.certificate.bound
        error = oracles.largest_error(found.V, exact.V)
        assert error <= bound, f"V is off by {float(error)}, more than the bound {bound}"
        error_Q = oracles.largest_error(found.Q, exact.Q)
        assert error_Q <= bound, f"Q is off by {float(error_Q)}, more than the bound {bound}"
        error_J = abs(oracles.fraction(found.J) - exact.J)
        bound_J = found.J_certificate.bound
        assert error_J <= bound_J, f"J is off by {float(error_J)}, more than its bound {bound_J}"
        error_visits = total_error(found.visits, exact.visits)
        assert error_visits <= found.visits_certificate.bound, (
            f"visits are off by {float(error_visits)}, more than {found.visits_certificate.bound}"
        )
        finite = [abs(v) for row in rows(exact.V) for v in row if math.isfinite(v)]
        floor = EPS * float(max(finite)) * float(exact.L)
        seen.append(((bound, float(error), floor), (bound_J, float(error_J), floor)))
    assert_parts(mdp, found)
    return seen[-1]


def total_error(values, exact):
    """sum |values - exact| in fractions; equal infinities count as 0, others as inf."""
    total = Fraction(0)
    for x, y in zip(np.ravel(values), np.ravel(np.array(exact, dtype=object)), strict=True):
        if math.isfinite(x) and math.isfinite(y):
            total += abs(oracles.fraction(x) - y)
        elif x != y:
            return math.inf
    return total


def assert_parts(mdp, found):
    """A, d and Z follow from V, Q and visits; arrays are read-only; ends count for nothing."""
    V = found.V if mdp.horizon is None else found.V[:-1]
    if np.isfinite(V).all():
        assert np.array_equal(found.A, found.Q - V[..., None])
        assert (found.A[..., ~mdp.allowed] == -np.inf).all()
    assert not found.V[..., mdp.terminal].any() and not found.visits[..., mdp.terminal].any()
    assert (found.visits >= 0).all()
    assert found.Z == found.visits.sum()
    if 0 < found.Z < math.inf:
        assert abs(found.d.sum() - 1) <= 1e-12 and np.array_equal(found.d, found.visits / found.Z)
    for array in (found.V, found.Q, found.visits):
        assert not array.flags.writeable
    assert found.certificate.loss == math.inf


def assert_greedy_improves(case, pi, evaluator):
    """Acting greedily by Q^pi where that is clearly better is nowhere worse, decided exactly.

    It is strictly better somewhere, unless no state has an action that is better by more than the
    bounds: then pi is optimal but for them.
    """
    mdp = case.mdp
    found = evaluator(mdp, pi)
    bound = found.certificate.bound
    best = found.Q.argmax(axis=1)
    better = found.Q.max(axis=1) > found.V + 2 * bound
    better &= ~mdp.terminal
    greedy = np.where(better[:, None], np.eye(mdp.n_actions)[best], pi)
    for truth in case.truths:
        old = oracles.evaluate(truth, pi, truth.normalised)
        new = oracles.evaluate(truth, greedy, truth.normalised)
        assert all(y >= x for x, y in zip(old.V, new.V, strict=True)), "worse somewhere"
        if better.any():
            assert all(new.V[s] > old.V[s] for s in np.flatnonzero(better)), "no better"
        else:
            gap = max(
                max(row) - v
                for row, v, over in zip(old.Q, old.V, mdp.terminal, strict=True)
                if not over
            ) if not mdp.terminal.all() else 0  # fmt: skip
            assert gap <= 4 * bound, f"an action is better by {float(gap)} and was not seen"
