"""The best total reward over the policies that end, bounded from both sides.

Takes     a `Task`.
Gives     an `Ending`: values, a lower and an upper bound in each state, and a policy that ends.
Source    Bertsekas and Tsitsiklis (1991) for policy iteration from a policy that ends; the bounds
          are derived in `_below` and `_above`.
Not here  what is a state here (`_joined_task`, `_nearly_joined`), where the optimum is infinite
          (`_infinite`), what is asked (`_total_reward`, `_reachability`).

Between the classes of a joined task, a policy that goes round for ever pays for it; so the backup
has one fixed point, and policy iteration from a policy that ends comes to it. Discounted, every
policy ends: steps are counted as far as they count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, IntArray, IntS
from ..errors import ConvergenceError
from ..model import MDP
from ..structure import recurrent_classes
from ._joined_task import REST, JoinedTask, Task
from ._nearly_joined import NearlyJoined
from ._solution import Solution, one_hot
from ._watch import Watch

EXACT_BRANCHES = 50_000
"""Nonzeros of P up to which a bound is checked in fractions, where float64 cannot decide."""

BACKUPS = 20
"""Backups, at most, between two policies that are evaluated."""

LOOSE, APART = 1e-10, (1e-12, 1e-11, 1e-10, 1e-9)
"""Where an upper bound is farther off than this part of the largest value, states are joined whose
values differ by such parts of it."""

FEW = 10
"""Policies to try with rewards that are enlarged: more of them only gather round-off."""

CURE = "Use gamma < 1, horizon= or average=True, or add an action that terminates."


@dataclass(frozen=True, slots=True)
class Ending:
    """What was found. It is 0 in states that have no pair and have not ended."""

    V: FloatS
    lower: FloatS  # proved for the policy of these actions
    upper: FloatS  # proved for every policy that ends
    actions: IntS
    time: float  # the longest expected number of steps under that policy
    left: float  # the largest improvement that was left
    stable: bool  # whether policy iteration came to rest
    cycle: str  # where rewards cancel and float64 proves no upper bound


class EndlessCycleError(Exception):
    """Policy iteration moved into a cycle, because it earns, or seems to."""

    def __init__(self, actions: IntS, members: IntArray) -> None:
        super().__init__()
        self.actions = actions
        self.members = members

    def words(self, mdp: MDP) -> str:
        """The cycle by its states and actions."""
        return cycle_words(mdp, self.actions, self.members)


def cycle_words(mdp: MDP, actions: IntS, members: IntArray) -> str:
    """The states of a recurrent class, each with its action."""
    return ", ".join(
        f"{mdp.name_of_state(int(s))} by action {mdp.name_of_action(int(actions[s]))}"
        for s in members[:10]
    )


def state_words(mdp: MDP, states: IntArray) -> str:
    """The names of some states, and how many more there are."""
    some = ", ".join(mdp.name_of_state(int(s)) for s in states[:10])
    more = f" and {len(states) - 10} more" if len(states) > 10 else ""
    return f"state{'s' if len(states) > 1 else ''} {some}{more}"


def best_ending(task: Task, max_iterations: int, actions: IntS) -> Ending:
    """Solve a task without classes from a policy that ends, with nobody to watch."""
    problem = JoinedTask(task)
    n_actions = task.mdp.n_actions
    states = problem.rows[problem.first] // n_actions
    chosen = np.searchsorted(problem.rows, states * n_actions + actions[states])
    search = _Search(problem, problem.reward, chosen)
    return _ending(problem, search, max_iterations, search.improve(max_iterations))


def solve_task(
    task: Task,
    watch: Watch,
    max_iterations: int,
    V0: FloatS | None,
    finish: Callable[[Ending], Solution],
) -> Solution:
    """Solve a task.

    Parameters
    ----------
    task : Task
    watch : Watch
        Is told of each policy.
    max_iterations : int
        Give up after this many policies.
    V0 : (S,) array, reward units, or None
        A guess of the values.
    finish : function of an Ending -> Solution
        Called once more if Ctrl-C falls into it.

    Returns
    -------
    Solution

    Raises
    ------
    EndlessCycleError
        If a cycle earns, or seems to.
    ConvergenceError
        If float64 cannot tell whether episodes end.
    """
    problem = JoinedTask(task)
    search = _Search(problem, problem.reward, problem.start())
    if V0 is not None:
        search = _from_guess(problem, search, V0)

    def ended(reached: bool | None) -> Solution:
        if reached is None:
            search.evaluate()
        return finish(_ending(problem, search, max_iterations, bool(reached)))

    return watch.answer(lambda: search.improve(max_iterations, watch), ended)


def _ending(problem: JoinedTask, search: _Search, max_iterations: int, stable: bool) -> Ending:
    """Bounds from both sides of the values of the last policy."""
    task = problem.task
    upper, cycle = _above(problem, search, min(max_iterations, FEW) if stable else 1)
    V = problem.spread(search.v)
    above = problem.spread(upper)
    if stable and task.gamma == 1 and _is_loose(V, above):
        above = _above_joined(problem, V, above)
        cycle = "" if np.isfinite(above).all() else cycle
    return Ending(
        V=V,
        lower=problem.spread(_below(problem, search)),
        upper=above,
        actions=problem.actions(search.chosen),
        time=float(search.steps.max(initial=0.0)),
        left=search.left,
        stable=stable,
        cycle=cycle,
    )


class _Search:
    """Policy iteration between classes, from a policy that ends."""

    def __init__(self, problem: JoinedTask, reward: FloatArray, chosen: IntArray) -> None:
        self.problem = problem
        self.reward = reward
        self.chosen = chosen
        self.v = np.zeros(problem.n)
        self.steps = np.zeros(problem.n)  # expected steps to the end
        self.left = np.inf
        self._solved: IntArray | None = None  # the policy whose matrix is factored
        self._resolvent: kernel.Resolvent | None = None

    def with_reward(self, reward: FloatArray) -> _Search:
        """The same policy, and the factors of its matrix, under other rewards."""
        other = _Search(self.problem, reward, self.chosen)
        other._solved, other._resolvent = self._solved, self._resolvent
        return other

    def solve(self, b: FloatArray) -> FloatArray:
        """x = b + chain x on the classes that move, 0 on those that rest; b is for all classes."""
        moving = self.chosen != REST
        chain = self.problem.matrix[self.chosen[moving]]
        if not moving.all():
            chain = kernel.columns(chain, moving)
        x = np.zeros(self.problem.n)
        if not moving.any():
            return x
        if self._resolvent is None or self._solved is not self.chosen:
            self._resolvent = kernel.Resolvent(chain, 1.0)
            self._solved = self.chosen
        right = b[moving]
        found = self._resolvent.solve(right)
        found += self._resolvent.solve(right - (found - chain @ found))  # one refinement
        x[moving] = found
        return x

    def of_chosen(self, amount: FloatArray) -> FloatArray:
        """A number of each row, for the row of each class; 0 where it rests."""
        return np.where(self.chosen == REST, 0.0, amount[self.chosen])

    def evaluate(self) -> None:
        """Values and expected steps of the policy; refuse one that does not end."""
        try:
            self.v = self.solve(self.of_chosen(self.reward))
            self.steps = self.solve((self.chosen != REST).astype(np.float64))
            onward = self.of_chosen(self.problem.onward(self.steps))
            # steps >= 1/2 + chain steps >= 0 proves that the policy ends.
            ends = (self.steps >= 0).all() and (self.steps - onward >= 0.5)[self.chosen != REST]
            fine = bool(np.all(ends)) and bool(np.isfinite(self.v).all())
        except ArithmeticError:
            fine = False
            self.v = np.full(self.problem.n, np.nan)
        if not fine:
            self._doubt()

    def _doubt(self) -> None:
        """Either the policy does not end, or float64 cannot tell; or it ends after 1e16 steps."""
        problem, mdp = self.problem, self.problem.task.mdp
        actions = problem.actions(self.chosen)
        rests = np.append(self.chosen == REST, True)[problem.label] | problem.task.ended
        rests |= problem.task.gamma < 1
        for members in recurrent_classes(mdp, one_hot(actions, mdp.n_actions)):
            if not rests[members].all():
                raise EndlessCycleError(actions, members)
        self.steps = np.full(problem.n, np.inf)
        if not np.isfinite(self.v).all():
            lost = np.append(~np.isfinite(self.v), False)[problem.label]
            raise ConvergenceError(
                f"float64 cannot tell whether the episode ever ends from "
                f"{state_words(mdp, np.flatnonzero(lost))}: the chance to end is below 1e-16 a "
                f"step. {CURE}",
                floor=np.inf,
            )

    def improve(self, max_iterations: int, watch: Watch | None = None) -> bool:
        """Change actions until none is better by more than round-off; whether that was reached."""
        problem = self.problem
        seen: set[bytes] = set()
        for iteration in range(1, max_iterations + 1):
            self.evaluate()
            Q = problem.onward(self.v) + self.reward
            slack = problem.slack(self.v)
            greedy = problem.best(Q)
            rise, noise = Q[greedy], 2 * slack[greedy]
            resting = problem.rests & (rise <= 0)
            greedy = np.where(resting, REST, greedy)
            rise = np.where(resting, 0.0, rise) - self.of_chosen(Q)
            self.left = float(rise.max(initial=0.0))
            if watch is not None:
                watch.see(np.inf, self.left)
            better = rise > noise + self.of_chosen(slack)
            improved = np.where(better, greedy, self.chosen)
            seen.add(self.chosen.tobytes())
            if not better.any() or improved.tobytes() in seen:
                return True
            if iteration < max_iterations:
                ahead = self._look_ahead(improved, np.where(better, Q[greedy], self.v), noise)
                self.chosen = improved if ahead.tobytes() in seen else ahead
        return False

    def _look_ahead(self, chosen: IntArray, v: FloatArray, noise: FloatArray) -> IntArray:
        """Some more backups before the next policy is evaluated: each costs far less than an LU.

        v is at least the value of the policy it comes from, and rises with each backup. So the
        policy that is greedy for the last gains on v in each class and cannot go round for ever
        but where that earns.
        """
        problem = self.problem
        for _ in range(BACKUPS):
            Q = problem.onward(v) + self.reward
            greedy = problem.best(Q)
            rise = Q[greedy] - v
            resting = problem.rests & (Q[greedy] <= 0)
            better = (rise > noise) & ~resting
            if not better.any():
                break
            chosen = np.where(better, greedy, chosen)
            v = np.where(better, Q[greedy], v)
        return chosen


def _from_guess(problem: JoinedTask, safe: _Search, V0: FloatS) -> _Search:
    """Start with what is greedy for the guess, if that ends."""
    counts = np.bincount(problem.label + 1, minlength=problem.n + 1)[1:]
    v = np.bincount(problem.label + 1, V0, problem.n + 1)[1:] / np.maximum(counts, 1)
    Q = problem.onward(v) + problem.reward
    greedy = problem.best(Q)
    greedy = np.where(problem.rests & (Q[greedy] <= 0), REST, greedy)
    search = _Search(problem, problem.reward, greedy)
    try:
        search.evaluate()
    except (EndlessCycleError, ConvergenceError):
        return safe
    return search


def _below(problem: JoinedTask, search: _Search) -> FloatArray:
    """L <= V of the policy in each class, verified; -inf where float64 proves nothing.

    The policy ends: so if L <= reward + chain L in each class, and L <= 0 where it rests, then L
    is below. L is the value for rewards that are smaller by some multiple of the round-off.
    """
    for factor in (2.0, 16.0, 128.0):
        slack = problem.slack(search.v)
        lower = search.v - search.solve(search.of_chosen(factor * slack))
        after = search.of_chosen(problem.onward(lower) + search.reward - problem.slack(lower))
        if (lower <= after).all():
            return lower
    return np.full(problem.n, -np.inf)


def _above(problem: JoinedTask, search: _Search, max_iterations: int) -> tuple[FloatArray, str]:
    """W >= V* in each class, verified; inf where float64 proves nothing, and the cycle if any.

    If W >= reward + matrix W at each row, and W >= 0 where one can rest, then W >= E[rewards of n
    steps] + E[W(s_n)] under any policy, and for a policy that ends the last term tends to what the
    end is worth, or to something >= 0. W is found as the optimum for rewards that are larger by
    some multiple of the round-off, and then checked.
    """
    unbounded = np.full(problem.n, np.inf)
    for factor in (2.0, 8.0, 64.0):
        inflated = search.with_reward(search.reward + factor * problem.slack(search.v))
        try:
            settled = inflated.improve(max_iterations)
        except EndlessCycleError as endless:
            # Rewards that cancel round a cycle leave no room for round-off; often there is none.
            if _is_exact_bound(problem, search.v):
                return search.v, ""
            return unbounded, endless.words(problem.task.mdp)
        except ConvergenceError:
            return unbounded, ""
        W = np.where(problem.rests, np.maximum(inflated.v, 0.0), inflated.v)
        needed = problem.onward(W) + search.reward + problem.slack(W)
        if (W[problem.owner] >= needed).all():
            return W, ""
        if not settled:
            break
    return unbounded, ""


def _is_loose(V: FloatS, upper: FloatS) -> bool:
    """Whether the bound is much farther off than round-off in general is."""
    return bool((upper - V).max(initial=0.0) > LOOSE * np.abs(V).max(initial=0.0))


def _above_joined(problem: JoinedTask, V: FloatS, upper: FloatS) -> FloatS:
    """The upper bound, or a better one: states of almost the same value are joined, and left."""
    size = float(np.abs(V).max())
    for apart in APART:
        nearly = NearlyJoined(problem.task, V, apart * size)
        if nearly.earns:
            break
        try:
            search = _from_guess(nearly, _Search(nearly, nearly.reward, nearly.start()), V)
            search.improve(FEW)
            found, _ = _above(nearly, search, FEW)
        except (EndlessCycleError, ConvergenceError):
            continue
        upper = np.minimum(upper, nearly.spread(found))
        if not _is_loose(V, upper):
            break
    return upper


def _is_exact_bound(problem: JoinedTask, v: FloatArray) -> bool:
    """Whether v >= R + P v holds exactly, in fractions, as `_above` needs it."""
    task, n_actions = problem.task, problem.task.mdp.n_actions
    row, successor, prob = kernel.branches(task.mdp.P)
    if len(row) > EXACT_BRANCHES or not (v[problem.rests] >= 0).all():
        return False
    values = [Fraction(x) for x in problem.spread(v).tolist()]
    worth = [Fraction(r) for r in task.R.reshape(-1).tolist()]
    total = [Fraction(0)] * task.R.size
    for i, t, p in zip(row.tolist(), successor.tolist(), prob.tolist(), strict=True):
        worth[i] += Fraction(p) * values[t]
        total[i] += Fraction(p)
    return all(values[i // n_actions] >= worth[i] and total[i] == 1 for i in problem.rows.tolist())
