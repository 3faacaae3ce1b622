"""Mutants: mistakes planted in the exact wing, and the check that has to find each.

Takes     a `Mutant`: edits of source lines, as text, and the name of a check.
Gives     `planted`, a context in which the edited functions run; `CHECKS`, the properties of
          `properties` over fixed corpora of models.
Source    the mistakes: what peers and drafts of this package have got wrong.
Not here  mistakes in sampled estimators (estimator_mutants).

The edited module is compiled once more, and each function whose code differs gets the new code:
whoever has imported it runs the mistake. Data and defaults of a module cannot be mutated like this.
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mdptools import MDP, evaluate, planning, uniform_policy
from mdptools.testing.strategies import mdps, policies
from properties import (
    Case,
    assert_evaluates,
    assert_greedy_improves,
    assert_plans,
    rescaled,
)


@dataclass(frozen=True)
class Edit:
    """One piece of text, which stands in the module once, replaced by another."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mistake by name, and which check must not pass with it."""

    name: str
    check: str
    edits: tuple[Edit, ...]


def mutant(name, check, module, *edits):
    """One module's pairs of old and new text."""
    pairs = zip(edits[::2], edits[1::2], strict=True)
    return Mutant(name, check, tuple(Edit(module, old, new) for old, new in pairs))


CERTIFICATES = "mdptools.certificates"
BELLMAN = "mdptools.bellman"
SWEEPS = "mdptools.planning._value_iteration"
LOOP = "mdptools.planning._sweeps"
HOWARD = "mdptools.planning._policy_iteration"
FINITE = "mdptools.planning._finite_horizon"
EPISODES = "mdptools.planning._episodes"
JOINED = "mdptools.planning._joined_task"
INFINITE = "mdptools.planning._infinite"
ENDING = "mdptools.planning._ending_solution"
SOLUTION = "mdptools.planning._solution"
EVALUATE = "mdptools.evaluation._evaluate"
EVALUATION = "mdptools.evaluation._evaluation"
EVALUATE_FINITE = "mdptools.evaluation._finite"
STATIONARY = "mdptools.evaluation._stationary"
OUTCOMES = "mdptools.model._outcomes"

MUTANTS = [
    # --- the backup
    mutant(
        "gamma squared", "value_iteration", BELLMAN,
        "Q *= mdp.facts.discount", "Q *= mdp.gamma**2",
    ),
    mutant(
        "gamma left out of the backup", "finite", BELLMAN,
        "Q *= mdp.facts.discount", "Q *= 1.0",
    ),
    mutant(
        "allowed mask ignored", "policy_iteration", BELLMAN,
        "Q[~mdp.allowed] = -np.inf", "Q[~mdp.allowed] = 0.0",
    ),
    mutant(
        "min for max", "value_iteration", SWEEPS,
        "V: FloatS = Q.max(axis=1) if",
        "V: FloatS = np.where(np.isinf(Q), np.inf, Q).min(axis=1) if",
    ),
    # --- the bracket
    mutant(
        "bracket without 1 / (1 - gamma)", "value_iteration", CERTIFICATES,
        "factor = mdp.gamma / (1 - mdp.gamma)", "factor = mdp.gamma",
    ),
    mutant(
        "bracket from the norm of the lower end alone", "value_iteration", CERTIFICATES,
        "low = smallest(rise if chosen is best else chosen - V)", "low = largest(rise)",
    ),
    mutant(
        "midpoint shift left out, halved width claimed", "value_iteration", SWEEPS,
        "middle = TV + found.shift", "middle = TV.copy()",
        "bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)",
        "bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift); bound = found.width",
    ),
    mutant(
        "round-off left out", "policy_iteration", CERTIFICATES,
        "return products + EPS * facts.reward_max + facts.reward_roundoff", "return 0.0",
        "roundoff = backup_roundoff(mdp, scale) + EPS * (scale + abs(low) + abs(high))",
        "roundoff = 0.0",
        "slack = 2 * EPS * (found.scale", "slack = 0 * (found.scale",
        "roundoff += 2 * mdp.gamma * mdp.facts.row_defect * reach", "roundoff += 0.0",
    ),
    mutant(
        "terminal states bootstrapped", "value_iteration", SWEEPS,
        "middle[mdp.terminal] = 0.0", "pass",
    ),
    # --- actions
    mutant(
        "optimal actions by argmax alone", "ties", CERTIFICATES,
        "readonly(Q >= thresholds)",
        "readonly(np.arange(Q.shape[-1]) == Q.argmax(axis=-1)[..., None])",
    ),
    mutant(
        "optimal actions by equality", "ties", CERTIFICATES,
        "thresholds = (best - 2 * error)", "thresholds = (best - 0 * error)",
    ),
    mutant(
        "optimal actions far too many", "policy_iteration", CERTIFICATES,
        "thresholds = (best - 2 * error)", "thresholds = (best - 1e9)",
    ),
    mutant(
        "ties broken in the values", "policy_iteration", HOWARD,
        "Q = backup(mdp, V)\n            greedy",
        "Q = backup(mdp, V) + 1e-9 * np.arange(mdp.n_actions)\n            greedy",
    ),
    mutant(
        "one improvement and no more", "policy_iteration from anywhere", HOWARD,
        "stable = same or", "stable = True or",
        # Bounds for each state would find the improvements that are left out.
        "if reached.stable and not watch", "if not reached.stable and not watch",
    ),
    mutant(
        "nothing lost", "value_iteration", SWEEPS,
        "loss=loss if pi is None else np.inf", "loss=0.0",
    ),
    # --- what is asked for
    mutant(
        "tol not looked at", "value_iteration", SOLUTION,
        "(bound <= wanted or (tol is None and floor is not None))", "True",
    ),
    mutant(
        "no floor stated", "policy_iteration", HOWARD,
        "floor=solution.certificate.bound if reached.stable else None", "floor=None",
    ),
    mutant(
        "floor overstated to be let off", "value_iteration", LOOP,
        "at_floor = width <= 2 * floor", "at_floor = width <= 1e9 * floor",
    ),
    mutant(
        "mu ignored in J", "policy_iteration", HOWARD,
        "J=float(mdp.mu.dot(best))", "J=float(best.mean())",
    ),
    # --- finite horizon
    mutant(
        "final forgotten", "finite", FINITE,
        "V[horizon] = mdp.final", "pass",
    ),
    mutant(
        "errors do not accumulate", "finite", FINITE,
        "error[t] = growth * error[t + 1] + step", "error[t] = growth * error[t + 1]",
    ),
    mutant(
        "one step too few", "finite", FINITE,
        "            V[t] = fold(Q[t])\n", "            V[t] = fold(Q[t]) if t else V[1]\n",
    ),
    # --- total reward
    Mutant(
        "V itself for the upper bound", "total of decimals", (
            Edit(EPISODES, "above = problem.spread(upper)", "above = problem.spread(search.v)"),
            Edit(ENDING, "4 * EPS * np.abs(np.where(finite, V, 0.0))", "0.0"),
        ),
    ),
    mutant(
        "an upper bound without a margin", "total", EPISODES,
        "search.reward + factor * problem.slack(search.v)", "search.reward + 0.0",
    ),
    mutant(
        "rest forgotten", "total", JOINED,
        "joined & (self.label >= 0)]] = task.rests", "joined & (self.label >= 0)]] = False",
    ),
    mutant(
        "a cycle that earns passed over", "total", INFINITE,
        "# whoever comes back to the largest reward again and again earns\n            "
        "positive[component.states] = True",
        "#\n            positive[component.states] = False",
        "positive[component.states] = sign > 0", "positive[component.states] = False",
    ),
    mutant(
        "the start is good enough", "total", EPISODES,
        "if not better.any() or improved.tobytes() in seen:", "if True:",
    ),
    # --- evaluation
    mutant(
        "mu ignored in J of a policy", "evaluate", EVALUATE,
        "J = float(mdp.mu @ found.V)", "J = float(found.V.mean())",
    ),
    mutant(
        "visits count terminal states", "evaluate", EVALUATE,
        "found = _assemble(mdp, policy, solve(mdp, policy, ~mdp.terminal, mdp.mu))",
        "found = _assemble(mdp, policy, solve(mdp, policy, mdp.terminal >= 0, mdp.mu))",
    ),
    mutant(
        "visits of a finite horizon count terminal states", "evaluate finite", EVALUATE_FINITE,
        "law[mdp.terminal] = 0.0", "pass",
    ),
    mutant(
        "visits not discounted", "evaluate finite", EVALUATE_FINITE,
        "law = mdp.gamma * kernel.push", "law = kernel.push",
    ),
    mutant(
        "the first policy at all times", "evaluate finite", EVALUATE_FINITE,
        "V[t] = expect_actions(timed[t], Q[t])", "V[t] = expect_actions(timed[0], Q[t])",
    ),
    mutant(
        "a residual for a bound", "evaluate", STATIONARY,
        "time = mdp.facts.time", "time = 0.01",
    ),
    mutant(
        "J bounded by the mean residual", "evaluate", EVALUATE,
        "J_bound = min(J_bound, bound * float(mdp.mu.sum())) + dot", "J_bound = 1e-3 * dot",
    ),
    mutant(
        "visits bounded by the largest error", "evaluate", EVALUATE,
        "visits_bound = _times(found.time, rv + rv_roundoff)", "visits_bound = rv",
    ),
    mutant(
        "round-off of the mixing left out", "evaluate", CERTIFICATES,
        "return (\n        backup_roundoff(mdp, scale)",
        "return 0 * (\n        backup_roundoff(mdp, scale)",
    ),
    mutant(
        "an endless policy not refused", "evaluate total", EVALUATE,
        "if entered[members].any() or not sign_known:", "if False:",
    ),
    mutant(
        "minus infinity for plus", "evaluate total", EVALUATE,
        "(plus if rewards[0] > 0 else minus)", "(minus if rewards[0] > 0 else plus)",
    ),
    mutant(
        "resting takes no time", "evaluate total", EVALUATE,
        "visits = np.where(forever, np.inf, visits)", "pass",
    ),
    mutant(
        "the advantage with the wrong sign", "evaluate", EVALUATION,
        "return readonly(advantage(self.Q, V))", "return readonly(-advantage(self.Q, V))",
    ),
    mutant(
        "Q of costs", "greedy", EVALUATE,
        "Q=readonly(Q)", "Q=readonly(-Q)",
    ),
    # --- outcomes
    mutant(
        "termination ignored", "outcomes", OUTCOMES,
        "to_end = done & ~over[t] & ~quiet[t] & (p > 0)", "to_end = done & False",
    ),
    mutant(
        "every state terminal that is entered by ending", "outcomes", OUTCOMES,
        "led_into[t[goes_on & live]] = False", "pass",
    ),
]  # fmt: skip


# --- planting -----------------------------------------------------------------------------------


@contextmanager
def planted(mutant):
    """The mutant's edits, in all functions that they change, until the block ends."""
    changed: list[tuple[FunctionType, CodeType]] = []
    by_module: dict[str, list[Edit]] = {}
    for edit in mutant.edits:
        by_module.setdefault(edit.module, []).append(edit)
    try:
        for name, edits in by_module.items():
            module = importlib.import_module(name)
            source = inspect.getsource(module)
            before = by_name(source, name)
            for edit in edits:
                if source.count(edit.old) != 1:
                    raise LookupError(f"{name} has {source.count(edit.old)} times: {edit.old}")
                source = source.replace(edit.old, edit.new)
            after = by_name(source, name)
            for function in functions(module):
                key = function.__code__.co_qualname
                if not same(before[key], after[key]):
                    changed.append((function, function.__code__))
                    function.__code__ = after[key]
        if not changed:
            raise LookupError(f"{mutant.name}: the edits change no function")
        yield
    finally:
        for function, code in changed:
            function.__code__ = code


def by_name(source, name):
    """The code of each function and method of a module's source."""
    return {code.co_qualname: code for code in codes(compile(source, name, "exec"))}


def codes(code):
    """The code objects of a module's functions and methods; not those inside functions."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_class = not inner.co_flags & inspect.CO_OPTIMIZED
            yield from codes(inner) if is_class else [inner]


def functions(module):
    """The functions, methods and properties that a module defines."""
    for thing in vars(module).values():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        members = vars(thing).values() if inspect.isclass(thing) else [thing]
        for member in members:
            found = member.fget if isinstance(member, property) else inspect.unwrap(member)
            code = getattr(found, "__code__", None)
            if code is not None and code.co_filename == module.__file__:
                yield found


def same(old, new):
    """Whether two code objects do the same; the lines where they stand do not count."""
    return old.co_code == new.co_code and old.co_names == new.co_names and all(
        same(x, y) if isinstance(x, CodeType) and isinstance(y, CodeType) else x == y
        for x, y in zip(old.co_consts, new.co_consts, strict=False)
    ) and len(old.co_consts) == len(new.co_consts)  # fmt: skip


# --- checks -------------------------------------------------------------------------------------


SEED = 0  # each mistake was found with others as well


@cache
def corpus(size, **kinds):
    """Models as Hypothesis draws them, each with a policy, their truths found once."""
    cases: list[tuple[Case, np.ndarray]] = []

    @settings(
        max_examples=size,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )
    @seed(SEED)
    @given(st.data())
    def keep(data):
        mdp = data.draw(mdps(min_states=2, **kinds))
        case = Case(rescaled(mdp, data.draw(st.sampled_from((1.0, 1e6)))))
        cases.append((case, data.draw(policies(mdp))))

    keep()
    return cases


def check_planner(planner, size, **kinds):
    for case, _ in corpus(size, **kinds):
        assert_plans(case, planner)


def check_sweeps(size):
    """The corpus, and a model in which the best reward now is the wrong one in the end."""
    patient = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [10, 10]], 0.9)
    assert_plans(Case(patient), planning.value_iteration)
    check_planner(planning.value_iteration, size, objective="discounted", max_gamma=0.95)


def check_total(size):
    """The corpus, a cycle that earns beside an end, and places to rest without and with an end."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 0] = P[2, :, 2] = 1
    assert_plans(Case(MDP(P, [[2, 0], [-1, -1], [0, 0]], 1.0)), planning.total_reward)
    rest = np.array([[[0, 1, 0]], [[0, 0, 1]], [[0, 1, 0]]])
    assert_plans(Case(MDP(rest, [[-1], [0], [0]], 1.0)), planning.total_reward)
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 0] = P[2, :, 2] = 1
    assert_plans(Case(MDP(P, [[0, -1], [0, 0], [0, 0]], 1.0)), planning.total_reward)
    check_planner(planning.total_reward, size, objective="total")


def check_evaluate(size, **kinds):
    for case, pi in corpus(size, **kinds):
        assert_evaluates(case, pi, evaluate)


def check_evaluate_total(size):
    """The corpus, and a state that no episode enters and in which a reward is paid for ever."""
    P = np.zeros((3, 1, 3))
    P[[0, 1, 2], 0, [0, 2, 2]] = 1
    mdp = MDP(P, [[1.0], [-1.0], [0.0]], 1.0, mu=[0, 1, 0])
    assert_evaluates(Case(mdp), np.ones((3, 1)), evaluate)
    check_evaluate(size, objective="total")


def check_ties():
    """Ties that round-off breaks: twins of decimal rows, and swapped rows."""
    for case, _ in corpus(60, objective="discounted", twins=True, max_gamma=0.999):
        assert_plans(case, planning.policy_iteration, (1e-6,))
    rows = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.7, 0.1, 0.2]])
    swapped = np.stack([rows, rows[:, [1, 2, 0]], rows[:, [2, 0, 1]]], axis=1)
    flat = Case(
        MDP(swapped, np.full((3, 3), 0.1), 0.9)
    )  # all values are equal, all actions optimal
    assert_plans(flat, planning.value_iteration, (1e-6,))
    assert_plans(flat, planning.policy_iteration, (1e-6,))


def check_greedy():
    for case, pi in corpus(60, objective="discounted", max_gamma=0.999):
        assert_greedy_improves(case, pi, evaluate)


OUTCOME_ROWS = [
    [[(0.5, 1, 1.0, True), (0.5, 1, 1.0, False)], [(1.0, 2, 0.0, False)]],
    [[(1.0, 0, 2.0, False)], [(1.0, 2, 5.0, True)]],
    [[(0.5, 1, -1.0, True), (0.5, 2, 3.0, False)], [(1.0, 0, 1.0, False)]],
]
"""State 1 is entered with termination and without, state 2 too."""


def check_outcomes():
    """One backup of a model from outcomes is sum p (r + gamma (1 - terminated) V), by loops."""
    mdp = MDP.from_outcomes(OUTCOME_ROWS, gamma=0.5)
    V = np.array([3.0, -7.0, 11.0])
    Q = mdp.R + 0.5 * (mdp.P @ np.append(V, np.zeros(mdp.n_states - 3)))
    for s, actions in enumerate(OUTCOME_ROWS):
        for a, outcomes in enumerate(actions):
            expected = sum(p * (r + 0.5 * (not over) * V[t]) for p, t, r, over in outcomes)
            assert abs(Q[s, a] - expected) < 1e-12


CHECKS = {
    "value_iteration": lambda: check_sweeps(120),
    "policy_iteration": lambda: check_planner(
        planning.policy_iteration, 80, objective="discounted", max_gamma=0.999, exact=False
    ),
    "policy_iteration from anywhere": lambda: check_planner(
        lambda mdp, tol: planning.policy_iteration(mdp, tol=tol, pi0=uniform_policy(mdp)),
        80, objective="discounted", max_gamma=0.999,
    ),
    "finite": lambda: check_planner(planning.backward_induction, 60, objective="finite"),
    "total": lambda: check_total(160),
    "total of decimals": lambda: check_planner(
        planning.total_reward, 100, objective="total", exact=False, terminal=True
    ),
    "ties": check_ties,
    "evaluate": lambda: check_evaluate(160, objective="discounted", max_gamma=0.999, exact=False),
    "evaluate finite": lambda: check_evaluate(160, objective="finite"),
    "evaluate total": lambda: check_evaluate_total(200),
    "greedy": check_greedy,
    "outcomes": check_outcomes,
}  # fmt: skip
"""Each passes on the package as it is."""


def names() -> Iterator[str]:
    """The names of the mutants, for parametrising."""
    return (mutant.name for mutant in MUTANTS)
