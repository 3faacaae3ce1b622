"""History, callbacks, warm starts and interruptions: one table over all planners."""

import functools
import io
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_array

import oracles
from mdptools import (
    MDP,
    ConvergenceError,
    ModelError,
    Solution,
    Step,
    bellman,
    planning,
    show_progress,
)
from mdptools.planning import _finite_horizon, _regularised, _sweeps, _watch
from mdptools.problems import garnet
from properties import Case, assert_right

RNG = np.random.default_rng(7)
MODEL = garnet(6, n_actions=3, branching=3, gamma=0.95, rng=RNG)
FINITE = MODEL.with_objective(gamma=0.9, horizon=7)
AVERAGE = MODEL.with_objective(average=True)
COIN = np.full((6, 3), 1 / 3)


def walk(n):
    """Left or right at a price that depends on where one is, until an end is reached."""
    P = np.zeros((n, 2, n))
    for s in range(1, n - 1):
        P[s, 0, [s - 1, s + 1]] = 0.75, 0.25
        P[s, 1, [s - 1, s + 1]] = 0.25, 0.75
    P[0, :, 0] = P[-1, :, -1] = 1
    R = np.zeros((n, 2))
    R[1:-1] = -1 - RNG.integers(0, 4, (n - 2, 2))
    return MDP(P, R, gamma=1.0)


class Row(NamedTuple):
    """A planner at work. A new planner is a new row."""

    planner: Callable[..., Solution]
    mdp: MDP
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    proves: bool = True  # whether each step proves a bound, and that of the last is the answer's
    shrinks: bool = True  # whether these bounds never grow
    warm: bool = True  # whether a start at the optimum helps

    def __call__(self, **keywords):
        return self.planner(self.mdp, **self.options, **keywords)


TABLE = {
    "value_iteration": Row(planning.value_iteration, MODEL),
    "q_iteration": Row(planning.q_iteration, MODEL),
    "q_iteration of a policy": Row(planning.q_iteration, MODEL, {"pi": COIN}),
    "policy_iteration": Row(planning.policy_iteration, MODEL, shrinks=False),
    "policy_iteration by simplex": Row(
        planning.policy_iteration, MODEL, {"rule": "simplex"}, shrinks=False
    ),
    "modified_policy_iteration": Row(planning.modified_policy_iteration, MODEL, shrinks=False),
    "gauss_seidel_value_iteration": Row(
        planning.gauss_seidel_value_iteration, MODEL, shrinks=False
    ),
    "prioritized_sweeping": Row(planning.prioritized_sweeping, MODEL, shrinks=False),
    "topological_value_iteration": Row(planning.topological_value_iteration, MODEL, shrinks=False),
    "linear_program": Row(planning.linear_program, MODEL, shrinks=False, warm=False),
    "backward_induction": Row(planning.backward_induction, FINITE, warm=False),
    "relative_value_iteration": Row(planning.relative_value_iteration, AVERAGE),
    "average_policy_iteration": Row(planning.average_policy_iteration, AVERAGE, shrinks=False),
    "total_reward": Row(planning.total_reward, walk(7), proves=False, shrinks=False),
    "soft_value_iteration": Row(planning.soft_value_iteration, MODEL, {"tau": 0.2}),
    "soft_value_iteration with a horizon": Row(
        planning.soft_value_iteration, FINITE, {"tau": 0.2}, warm=False
    ),
    "soft_policy_iteration": Row(planning.soft_policy_iteration, MODEL, {"tau": 0.2}),
}
FULL = {name: row() for name, row in TABLE.items()}
SOFT_TRUTH = planning.soft_policy_iteration(MODEL, 0.2)
PACKAGE = str(Path(planning.__file__).parents[1])
# Planners that assemble their answer outside of `Watch.answer`: there Ctrl-C ends them.
UNSETTLED = set()
COVERED = set()  # answers that were found right: exact fractions take their time
every_planner = pytest.mark.parametrize("name", TABLE)


@functools.cache
def best_gain(name):
    return oracles.average_optimum(TABLE[name].mdp)


@functools.cache
def own_gain(name, actions):
    mdp = TABLE[name].mdp
    return oracles.evaluate_average(mdp, np.eye(mdp.n_actions)[[*actions]]).gain


@functools.cache
def case_of(name):
    return Case(TABLE[name].mdp)


def assert_covers(name, solution):
    """The certificate covers the distance to the truth, whatever was reached."""
    key = (name, solution.V.tobytes(), solution.pi.tobytes(), solution.certificate.bound)
    if key not in COVERED:
        assert_covers_anew(name, solution)
        COVERED.add(key)
    assert key in COVERED


def assert_covers_anew(name, solution):
    row, bound = TABLE[name], solution.certificate.bound
    mdp = row.mdp
    if "soft" in name:
        truth = FULL[name] if mdp.horizon else SOFT_TRUTH
        exact = truth.certificate.bound
        assert np.abs(solution.V - truth.V).max() <= bound + exact
        assert np.abs(solution.Q - truth.Q).max() <= bound + exact
        assert (solution.certificate.lower <= truth.V + exact).all()
        assert (truth.V - exact <= solution.certificate.upper).all()
        assert np.allclose(solution.pi.sum(axis=-1), 1, atol=1e-14)
    elif "of a policy" in name:
        exact = oracles.evaluate(mdp, COIN)
        assert oracles.largest_error(solution.V, exact.V) <= bound
        assert oracles.largest_error(solution.Q, exact.Q) <= bound
    elif mdp.objective == "average":
        exact = best_gain(name)
        own = own_gain(name, tuple(solution.pi.argmax(axis=1).tolist()))
        assert oracles.largest_error(solution.gain, exact.gain) <= bound
        assert max(g - h for g, h in zip(exact.gain, own, strict=True)) <= (
            solution.certificate.loss
        )
        assert not (np.array(exact.optimal_actions) & ~solution.optimal_actions).any()
    else:
        assert_right(case_of(name), solution)


def assert_same(one, other):
    """The same bits."""
    for word in ("V", "Q", "pi", "optimal_actions"):
        assert getattr(one, word).tobytes() == getattr(other, word).tobytes(), word
    assert one.certificate.bound == other.certificate.bound and one.J == other.J


class Stop:
    """A callback that stops a planner after some steps, in some way."""

    def __init__(self, after, how=StopIteration):
        self.after, self.how, self.steps = after, how, []

    def __call__(self, step):
        self.steps.append(step)
        if step.sweep >= self.after:
            if self.how is signal.SIGINT:
                signal.raise_signal(signal.SIGINT)
            else:
                raise self.how


# History and callback


@every_planner
def test_history_has_the_bound_of_each_sweep(name):
    """Seen failing: with the trace kept every other sweep; without `readonly`."""
    row = TABLE[name]
    solution = row(history=True)
    trace = solution.history
    assert trace.shape == (solution.sweeps,) and not trace.flags.writeable
    assert FULL[name].history is None
    assert_same(solution, FULL[name])
    if row.proves:
        assert trace[-1] == pytest.approx(solution.certificate.bound, rel=0.5)
    if row.shrinks:
        assert (np.diff(trace) <= 1e-9 * trace[:-1]).all()


@every_planner
def test_the_callback_sees_each_step(name):
    """And changes nothing: the bits are those of the run without.

    Seen failing: with the sweep counted from 2; with a clock that starts anew.
    """
    row, steps = TABLE[name], []
    solution = row(history=True, callback=steps.append)
    assert_same(solution, FULL[name])
    assert [step.sweep for step in steps] == [*range(1, solution.sweeps + 1)]
    assert all(isinstance(step, Step) and step.method == solution.method for step in steps)
    if row.proves:
        assert [step.bound for step in steps] == solution.history.tolist()
        assert steps[-1].bound <= steps[-1].tol
    seconds = [step.seconds for step in steps]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    assert all(type(step.bound) is float for step in steps)


@every_planner
def test_two_runs_give_the_same_bits(name):
    """Seen failing: with a random number of the size of round-off added to the start."""
    assert_same(TABLE[name](), FULL[name])


@every_planner
def test_a_callback_must_be_callable(name):
    """Seen failing: without the check in `Watch`."""
    with pytest.raises(ModelError, match=r"callback is 'print'; it must be a function"):
        TABLE[name](callback="print")


@every_planner
def test_an_error_of_the_callback_passes_through(name):
    """Seen failing: with `except Exception` in the place of STOPPED."""
    with pytest.raises(ZeroDivisionError):
        TABLE[name](callback=Stop(1, ZeroDivisionError))


# Warm starts


@every_planner
def test_a_warm_start_needs_no_more_sweeps(name):
    """And proves the same. Where there is nothing to guess, V0 changes nothing.

    Seen failing: with V0 left unused by each planner in turn.
    """
    row, cold = TABLE[name], FULL[name]
    warm = row(V0=cold.V)
    assert_covers(name, warm)
    assert warm.sweeps <= cold.sweeps
    if row.warm and cold.sweeps > 3:
        assert warm.sweeps <= 3
    if not row.warm:
        assert_same(warm, cold)


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name].warm])
def test_a_bad_start_is_named(name):
    """Seen failing: without `check_values` in each planner."""
    for V0, words in ((np.zeros(3), r"V0 has shape \(3,\)"), (np.full(9, np.nan), r"V0")):
        with pytest.raises(ModelError, match=words):
            TABLE[name](V0=V0)


def test_one_start_is_enough():
    """Seen failing: with the second taken in silence."""
    V0, pi0 = np.zeros(6), np.eye(3)[[0] * 6]
    for planner, mdp, second in (
        (planning.q_iteration, MODEL, {"Q0": np.zeros((6, 3))}),
        (planning.average_policy_iteration, AVERAGE, {"pi0": pi0}),
    ):
        with pytest.raises(ModelError, match="are both given"):
            planner(mdp, V0=V0, **second)


# Interruptions


@every_planner
@pytest.mark.parametrize("how", [StopIteration, KeyboardInterrupt, signal.SIGINT])
def test_a_stopped_planner_gives_what_it_has(name, how):
    """After each number of steps: certified, as the step promised, and it says so.

    Seen failing: with STOPPED without KeyboardInterrupt; with the bracket of another V for the last
    backup; with `watch.stopped` not handed to `within`; with the times that were not reached left
    out of the bound of backward induction.
    """
    row = TABLE[name]
    for n in {1, 2, 3, 5, 8, FULL[name].sweeps}:
        stop = Stop(n, how)
        solution = row(callback=stop, history=True, tol=FULL[name].certificate.bound)
        if len(stop.steps) < n:  # it was done before
            assert "stopped" not in solution.reason
            assert_covers(name, solution)
            continue
        assert solution.sweeps == len(solution.history) == len(stop.steps) == n
        who = "the callback" if how is StopIteration else "Ctrl-C"
        plural = "s" if n > 1 else ""
        assert solution.reason == (
            f"the caller asked for it; stopped by {who} after {n} sweep{plural}"
        )
        assert_covers(name, solution)
        if row.proves:
            slack = 4 * FULL[name].certificate.bound
            assert solution.certificate.bound <= stop.steps[-1].bound * (1 + 1e-9) + slack


class Interrupt:
    """Raises KeyboardInterrupt before the n-th line of the package that a planner executes.

    That is where Python itself raises it: between two lines, of any function, in any state.
    """

    def __init__(self, n):
        self.n, self.lines, self.answers = n, 0, None

    def __call__(self, frame, event, arg):
        """A trace function, see `sys.settrace`."""
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.lines += 1
            if self.answers is None and frame.f_code is _watch.Watch.answer.__code__:
                self.answers = self.lines + 3  # what is outside of its `try`
            if self.lines == self.n:
                raise KeyboardInterrupt
        return self


def interrupted(name, n, **options):
    """The answer of a planner, None if there is none; and what the `Interrupt` saw."""
    before, interrupt = sys.gettrace(), Interrupt(n)
    sys.settrace(interrupt)
    try:
        return TABLE[name](history=True, **options), interrupt
    except KeyboardInterrupt:
        return None, interrupt
    finally:
        sys.settrace(before)


@every_planner
def test_control_c_may_fall_before_any_line(name):
    """From `Watch.answer` on there is an answer, and it is right; before, there is none to give.

    Seen failing: with `V[t]` counted as done before it is in backward induction; with a trace that
    is not cut at the sweeps that were counted; with `finish` called after the `try` of
    `Watch.answer`; with what the search had reached kept where `finish` was stopped.
    """
    tol = 1e3 * FULL[name].certificate.bound  # for fewer sweeps
    _, seen = interrupted(name, 0, tol=tol)
    if seen.answers is None:
        assert name in UNSETTLED
    first = seen.answers or 1
    spots = {*range(first, first + 10), *range(seen.lines - 30, seen.lines + 1)}
    spots |= {*np.linspace(first, seen.lines, 20).astype(int).tolist()}
    for n in sorted(spot for spot in spots if first <= spot <= seen.lines):
        solution, reached = interrupted(name, n, tol=tol)
        if reached.lines < n:
            continue
        if solution is None:
            assert name in UNSETTLED, n
            continue
        assert len(solution.history) == solution.sweeps
        assert "stopped by Ctrl-C" in solution.reason
        assert_covers(name, solution)
    for n in range(1, first - 3, 1 + first // 8):
        assert interrupted(name, n, tol=tol)[0] is None or name in UNSETTLED


@pytest.mark.parametrize("name", ["value_iteration", "backward_induction", "soft_policy_iteration"])
def test_a_backup_may_be_interrupted(name, monkeypatch):
    """The n-th backup raises, n = 1, 2, ...; even the first leaves an answer.

    Seen failing: with the first backup before the `try`.
    """
    for n in range(1, FULL[name].sweeps + 1):
        calls = []

        def backup(mdp, V, n=n, calls=calls):
            calls.append(V)
            if len(calls) == n:
                raise KeyboardInterrupt
            return bellman.backup(mdp, V)

        for module in (_finite_horizon, _regularised, _sweeps):
            monkeypatch.setattr(module, "backup", backup)
        solution = TABLE[name]()
        assert solution.sweeps <= n - 1 and "Ctrl-C" in solution.reason
        assert_covers(name, solution)


def test_a_second_control_c_ends_it(monkeypatch):
    """Seen failing: with the last backup tried again after KeyboardInterrupt."""
    calls = []

    def backup(*_):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(_sweeps, "backup", backup)
    with pytest.raises(KeyboardInterrupt):
        planning.value_iteration(MODEL)
    assert len(calls) == 2


# solve


@pytest.mark.parametrize(
    ("mdp", "method", "why"),
    [
        (MODEL, "policy_iteration", "P is dense"),
        (FINITE, "backward_induction", "the horizon is finite"),
        (AVERAGE, "average_policy_iteration", "average reward, and at most"),
        (walk(5), "total_reward", "gamma = 1 without a horizon"),
    ],
)
def test_solve_hands_everything_on_and_keeps_both_reasons(mdp, method, why):
    """Seen failing: with V0 or the callback dropped; with the reason of `solve` over the other."""
    steps = []
    full = planning.solve(mdp, history=True, callback=steps.append)
    assert len(full.history) == full.sweeps == len(steps) and "stopped" not in full.reason
    stopped = planning.solve(mdp, callback=Stop(1))
    assert stopped.method == method and stopped.reason.startswith(why)
    assert stopped.reason.endswith("; stopped by the callback after 1 sweep")
    if method != "backward_induction":
        assert planning.solve(mdp, V0=full.V).sweeps <= full.sweeps
        with pytest.raises(ModelError, match="V0"):
            planning.solve(mdp, V0=[0.0])


def test_solve_leaves_sweeps_that_lead_nowhere():
    """A ring of 501 states mixes in a million sweeps; its policy takes one linear solve.

    Seen failing: with the error passed on; with the reason of the sweeps kept.
    """
    n = 501
    P = np.roll(np.eye(n), 1, axis=1)[:, None, :]
    mdp = MDP(P, np.eye(n)[:, :1], average=True)
    solution = planning.solve(mdp)
    assert solution.method == "average_policy_iteration" and "too slowly" in solution.reason
    assert np.abs(solution.gain - 1 / n).max() <= solution.certificate.bound <= 1e-9


# Patience


def test_a_pace_that_will_not_do_ends_the_sweeps():
    """A two-cycle keeps its bracket but for gamma: 2e10 sweeps are not begun.

    Seen failing: with `Patience.ends` always False (a million sweeps then).
    """
    cycle = MDP([[[0.0, 1.0]], [[1.0, 0.0]]], [[1.0], [0.0]], gamma=1 - 1e-9)
    for planner in (
        planning.value_iteration,
        planning.q_iteration,
        lambda mdp, **words: planning.soft_value_iteration(mdp, 1e-3, **words),
    ):
        with pytest.raises(ConvergenceError, match="sweeps were made, and at this pace") as caught:
            planner(cycle)
        solution = caught.value.solution
        assert solution.sweeps < 3000
        exact = oracles.optimum(cycle).V
        if solution.method != "soft_value_iteration":
            assert oracles.largest_error(solution.V, exact) <= solution.certificate.bound
        # a number that the caller names is kept
        with pytest.raises(ConvergenceError, match="max_sweeps = 5000 were not enough") as caught:
            planner(cycle, max_sweeps=5000)
        assert caught.value.solution.sweeps == 5000


def test_patience_lasts_where_the_pace_will_do():
    """A two-cycle at gamma .999 takes 15,000 sweeps, and they are made; so are those of a path
    along which nothing happens for 1,500 steps.

    Seen failing: with LEAST and WORK a thousandth; with the first look after 1,024 sweeps whatever
    the path.
    """
    cycle = MDP([[[0.0, 1.0]], [[1.0, 0.0]]], [[1.0], [0.0]], gamma=0.999)
    solution = planning.value_iteration(cycle, tol=1e-4)
    assert solution.certificate.bound <= 1e-4 and solution.sweeps > 10_000
    n = 1500
    nexts = np.minimum(np.arange(1, n + 1), n - 1)
    P = csr_array((np.ones(n), (np.arange(n), nexts)), shape=(n, n))
    R = np.full((n, 1), -1.0)
    R[-1] = 0.0
    path = MDP(P, R, gamma=1 - 1e-7)
    solution = planning.value_iteration(path, tol=1e-3)
    assert solution.certificate.bound <= 1e-3 and n - 5 <= solution.sweeps <= n + 5


# The line on the terminal


class Terminal(io.StringIO):
    """Standard error with a terminal behind it, or not."""

    def __init__(self, terminal=True):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    @property
    def screen(self):
        """What is to be seen in the end, line by line."""
        lines = [""]
        for part in re.split(r"(\n|\x1b\[1A\r\x1b\[K)", self.getvalue()):
            if part == "\n":
                lines.append("")
            elif part.startswith("\x1b"):  # up, and wipe
                lines[-2:] = [""]
            else:
                lines[-1] += part
        return lines


@pytest.fixture
def terminal(monkeypatch):
    """Open one: from within the test, as pytest has its own standard error in each phase."""

    def make(columns=80):
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", f"{columns}")
        return found

    return make


def play(sweeps, seconds=0.1, tol=1e-6, last=1e-7):
    """A solve of so many sweeps, as the callback sees it."""
    for sweep in range(1, sweeps + 1):
        bound = last if sweep == sweeps else 1.0 / sweep
        show_progress(Step("value_iteration", sweep, bound, tol, sweep * seconds))


def test_progress_is_one_line_that_is_rewritten(terminal):
    """Two solves, two lines; the cursor is below them, so that what follows stands on its own.

    Seen failing: without the cursor's way up; with the line of the last solve written over.
    """
    shown = terminal()
    play(100)
    play(50, last=0.5)  # ends early: nobody tells the callback
    first, second, *below = shown.screen
    assert first == "value_iteration: sweep 100, bound 1e-07 (tol 1e-06), 10.0 s"
    assert second.startswith("value_iteration: sweep 4") and below == [""]
    assert shown.getvalue().count("\n") <= 2 + 15 / _watch.REDRAW


def test_a_quick_solve_shows_nothing(terminal):
    """Seen failing: with the last step drawn always."""
    shown = terminal()
    play(1000, seconds=1e-5)
    assert shown.getvalue() == ""


def test_a_narrow_terminal_gets_what_fits(terminal):
    """Seen failing: without the cut (the line is wrapped, and only half of it rewritten)."""
    shown = terminal(columns=30)
    play(20)
    assert max(map(len, shown.screen)) == 29


@pytest.mark.parametrize("where", ["pipe", "dumb", "nowhere"])
def test_progress_is_silent_without_a_terminal(where, monkeypatch):
    """Seen failing: without `isatty`; without the look at TERM; with sys.stderr None forgotten."""
    found = Terminal(terminal=where == "dumb")
    monkeypatch.setenv("TERM", "dumb" if where == "dumb" else "xterm")
    monkeypatch.setattr(sys, "stderr", None if where == "nowhere" else found)
    play(100)
    assert found.getvalue() == ""
