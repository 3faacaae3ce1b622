"""Learners of action values: SARSA, Q-learning and their kin, and R-max.

Takes     a model to act in, schedules; R-max also a planner.
Gives     learners: start, step, policy.
Source    Sutton and Barto (2018), chapter 6; Brafman and Tennenholtz (2002).
Not here  the steps themselves (`_interaction`), learners of policies (`_gradient_learners`).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolArray, BoolS, FloatSA, IntArray, readonly
from ..checks import check_count, check_served, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..policies import epsilon_greedy
from ..sampling import Simulator
from ._control import METHODS, Method
from ._exploration import Planner, check_planner, optimistic_model
from ._interaction import Experience, begin, interact
from ._names import in_few, with_options
from ._schedules import BY_VISITS, Schedule, Table


@dataclass(frozen=True)
class ControlLearner:
    """Q-learning, double Q-learning, SARSA or expected SARSA, acting epsilon-greedily.

    Parameters
    ----------
    method : {"q_learning", "double_q_learning", "sarsa", "expected_sarsa"}
    step_size : float >= 0, or function int -> float
        A function is asked for the k-th update of the same pair, k = 1, 2, ...
    epsilon : float in [0, 1], or function int -> float
        How often it takes any allowed action; a function is asked for the t-th step, t = 1, 2, ...
        1 is a behaviour that does not look at the table.
    steps : int
        Transitions in one `step`.
    Q0 : float, or (S, A) array_like, reward units
    max_steps : int, optional
        Begin a new episode after so many steps; the cut is bootstrapped, it is no end.
    start_law : (S,) array_like, optional
        Where episodes begin; ``mdp.mu`` if omitted.

    Raises
    ------
    ModelError
        If an argument does not fit; when it starts: if the objective is neither discounted nor
        total reward.

    Notes
    -----
    Q-learning approaches Q* if every pair goes on being visited (Watkins and Dayan 1992). With a
    constant epsilon the two SARSAs approach the fixed point of ``R + gamma P ((1 - epsilon) max Q +
    epsilon mean Q)``, a contraction if gamma < 1; with an epsilon that goes to 0 slowly enough, Q*.
    Actions with equal values are drawn from. A step takes about a microsecond; x is `Experience`.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> mdp, rng = line_world(), np.random.default_rng(0)
    >>> learner = ControlLearner(epsilon=0.3, steps=2000)
    >>> x, _ = learner.step(mdp, learner.start(mdp, rng), rng)
    >>> x.Q[:4].max(axis=1).round(1)
    array([-12.9, -12. , -11. ,  -1. ])
    """

    method: Method = "q_learning"
    step_size: Schedule = BY_VISITS
    epsilon: Schedule = 0.1
    steps: int = 1000
    Q0: Any = 0.0
    max_steps: int | None = None
    start_law: Any = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ModelError(
                f"method is {self.method!r:.80}; it must be one of {', '.join(METHODS)}."
            )
        check_count(self.steps, "steps")
        if self.max_steps is not None:
            check_count(self.max_steps, "max_steps")
        Table(self.step_size, "step_size", most=np.inf).up_to(1)
        Table(self.epsilon, "epsilon", most=1.0).up_to(1)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"{self.method.replace('_', ' ')}, step {in_few(self.step_size)}"
        return with_options(head, self, "method", "step_size")

    def start(self, mdp: MDP, rng: Any) -> Experience:
        """Before the first step; nothing is drawn."""
        check_served(mdp, "this learner", "discounted", "total", instead="a learner of policies")
        return begin(_world(mdp, self.start_law), self.Q0, 1 + (self.method == METHODS[1]))

    def step(self, mdp: MDP, x: Experience, rng: Any) -> tuple[Experience, None]:
        """``steps`` transitions, each with its update."""
        moved = interact(
            x,
            self.method,
            self.steps,
            gamma=float(mdp.gamma),
            step_sizes=Table(self.step_size, "step_size", most=np.inf),
            epsilons=Table(self.epsilon, "epsilon", most=1.0),
            max_steps=np.inf if self.max_steps is None else self.max_steps,
            rng=rng,
        )
        return moved, None

    def values(self, x: Experience) -> FloatSA:
        """Q, (S, A) reward units; the mean of the two tables of double Q-learning."""
        return x.Q if x.Q.ndim == 2 else x.Q.mean(axis=0)

    def policy(self, mdp: MDP, x: Experience) -> FloatSA:
        """Greedy, (S, A); among equals the first."""
        return epsilon_greedy(mdp, self.values(x), 0.0)


class Knowledge(NamedTuple):
    """What R-max has, between two steps.

    Attributes
    ----------
    N : (S, A, S) array of int
        The first ``m`` transitions of each pair.
    R_sum : (S, A) array, reward units
        Their rewards.
    ended : (S,) array of bool
        States that have been seen to end an episode.
    pi : (S, A) array
        What it does now: optimal in its optimistic model.
    t, s, age : int
        As in `Experience`.
    world : Simulator
    """

    N: IntArray
    R_sum: FloatSA
    ended: BoolS
    pi: FloatSA
    t: int
    s: int
    age: int
    world: Simulator

    @property
    def visits(self) -> IntArray:
        """How many transitions of each pair were kept, (S, A)."""
        kept: IntArray = self.N.sum(axis=2)
        return kept


@dataclass(frozen=True)
class RMaxLearner:
    """R-max: what has not been tried m times is taken for a utopia, and planning does the rest.

    Parameters
    ----------
    planner : function MDP -> pi (S, A)
        Of a discounted model; for instance ``lambda model: solve(model).pi``. It is asked again
        whenever a pair becomes known.
    v_max : float, reward units
        What the utopia is worth: at least ``max V*``.
    m : int
        A pair is known after so many visits; later ones are not looked at.
    steps : int
        Transitions in one `step`.
    max_steps : int, optional
        Begin a new episode after so many steps.

    Raises
    ------
    ModelError
        If an argument does not fit; when it starts: if the model is not discounted.

    Notes
    -----
    Brafman and Tennenholtz (2002): with m large enough for the accuracy wanted, all but a
    polynomial number of steps are nearly optimal, with high probability. At most S A plans are
    made. x is `Knowledge`.

    Examples
    --------
    >>> from mdptools import solve
    >>> from mdptools.problems import combination_lock
    >>> mdp, rng = combination_lock(4, code=[1, 0, 1, 1]), np.random.default_rng(0)
    >>> learner = RMaxLearner(lambda model: solve(model).pi, v_max=1.0, m=2, steps=200)
    >>> x, _ = learner.step(mdp, learner.start(mdp, rng), rng)
    >>> learner.policy(mdp, x)[:4].argmax(axis=1)
    array([1, 0, 1, 1])
    """

    planner: Planner
    v_max: float
    m: int = 16
    steps: int = 1000
    max_steps: int | None = None

    def __post_init__(self) -> None:
        check_planner(self.planner)
        check_count(self.m, "m")
        check_count(self.steps, "steps")
        if self.max_steps is not None:
            check_count(self.max_steps, "max_steps")
        if not abs(number_or_nan(self.v_max)) < np.inf:
            raise ModelError(f"v_max is {self.v_max!r:.80}; it must be a finite number.")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options(f"R-max, known after {self.m}", self, "planner", "m")

    def start(self, mdp: MDP, rng: Any) -> Knowledge:
        """Knowing nothing; nothing is drawn."""
        check_served(mdp, "this learner", "discounted", instead="a model with gamma < 1")
        S, A = mdp.R.shape
        N, R_sum, ended = np.zeros((S, A, S), np.int64), np.zeros((S, A)), np.zeros(S, bool)
        x = Knowledge(N, R_sum, ended, R_sum, 0, -1, 0, _world(mdp, None))
        return self._planned(mdp, x)

    def step(self, mdp: MDP, x: Knowledge, rng: Any) -> tuple[Knowledge, None]:
        """``steps`` transitions, and a new plan whenever a pair becomes known."""
        world, random = x.world, rng.random
        N, R_sum, ended = x.N.copy(), x.R_sum.copy(), x.ended.copy()
        visits = N.sum(axis=2).tolist()
        laws = _laws(x.pi)
        limit = np.inf if self.max_steps is None else self.max_steps
        s, age = x.s, x.age
        for _ in range(self.steps):
            if s < 0:
                s, age = world.start(rng), 0
            bounds, actions = laws[s]
            a = actions[bisect_right(bounds, random())] if bounds else actions[0]
            after, r, done = world.step(s, a, rng)
            ended[after] |= done
            if visits[s][a] < self.m:
                N[s, a, after] += 1
                R_sum[s, a] += r
                visits[s][a] += 1
                if visits[s][a] == self.m:
                    x = self._planned(mdp, x._replace(N=N, R_sum=R_sum, ended=ended))
                    laws = _laws(x.pi)
            age += 1
            s = -1 if done or age >= limit else after
        for kept in (N, R_sum, ended):
            readonly(kept)
        return x._replace(N=N, R_sum=R_sum, ended=ended, t=x.t + self.steps, s=s, age=age), None

    def policy(self, mdp: MDP, x: Knowledge) -> FloatSA:
        """What it does now, (S, A)."""
        return x.pi

    def model(self, mdp: MDP, x: Knowledge) -> MDP:
        """Its optimistic model, with the utopia as the last state.

        Parameters
        ----------
        mdp : MDP
            For its sizes, gamma, mu and the actions that are allowed.
        x : Knowledge

        Returns
        -------
        MDP
        """
        known: BoolArray = x.visits >= self.m
        keywords = {"mu": mdp.mu, "terminal": x.ended if x.ended.any() else ()}
        counted = MDP.from_counts(
            np.where(x.ended[:, None, None], 0, x.N),
            np.where(x.ended[:, None], 0.0, x.R_sum),
            mdp.gamma,
            unvisited="stay",
            allowed=mdp.allowed,
            **keywords,
        )
        return optimistic_model(counted, known, self.v_max)

    def _planned(self, mdp: MDP, x: Knowledge) -> Knowledge:
        """With the policy that the planner finds for what is known."""
        pi = np.asarray(self.planner(self.model(mdp, x)), dtype=float)
        return x._replace(pi=readonly(pi[: mdp.n_states].copy()))


def _world(mdp: MDP, start: Any) -> Simulator:
    """The model, begun where something is decided."""
    if start is None:
        law = np.where(mdp.terminal, 0.0, mdp.mu)
        if not law.sum() > 0:
            raise ModelError("every episode starts in a terminal state: there is nothing to learn.")
        start = law / law.sum()
    return Simulator(mdp, start=start)


def _laws(pi: FloatSA) -> list[tuple[list[float], list[int]]]:
    """Of each state the actions of positive probability, and the bounds between them."""
    laws = []
    for row in pi:
        actions = np.flatnonzero(row)
        laws.append((np.cumsum(row[actions])[:-1].tolist(), actions.tolist()))
    return laws
