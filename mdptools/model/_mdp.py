"""MDP: the one noun that everything else takes.

Takes     P, R, the objective, and who may do what where.
Gives     a frozen, checked model; other views of it (`with_objective`, `branches`).
Source    Puterman (1994), chapter 2.
Not here  what follows from it: structure, values, optima.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatArray, IntArray, readonly
from ..errors import ModelError
from ..markup import Html, Shown
from . import _door, _forms, _outcomes, _text
from ._law import RewardLaw, law_in_order

Objective = Literal["discounted", "finite", "total", "average"]


class Facts(NamedTuple):
    """Numbers about a model that its certificates need, measured once at the door."""

    terms: int  # the longest row of P: how many terms an expectation has
    row_defect: float  # how far a row of P is from summing to one, at most
    reward_max: float  # max |R| over allowed pairs
    reward_roundoff: float  # a bound on the round-off in R, where it is an expectation
    all_allowed: bool
    any_terminal: bool
    dense: bool
    time: float  # a bound on the expected discounted time, 1 / (1 - gamma); inf if gamma is 1
    discount: FloatArray  # gamma as an array (): NumPy multiplies by it quicker than by a float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MDP(Shown):
    """A Markov decision process with finitely many states and actions, and its objective.

    Parameters
    ----------
    P : (S, A, S) array_like or (S*A, S) SciPy sparse
        ``P[s, a, t]`` is the probability of going from s to t under a. A sparse P has row
        ``s*A + a``. Rows of allowed pairs sum to one within ``4 eps S``, terminal states included.
        A read-only float64 array is kept without a copy.
    R : (S,), (S, A) or (S, A, S) array_like, or sparse like P; reward units
        Reward of each step that leaves s, of (s, a), or of (s, a, s').
    gamma : float in [0, 1], optional
        Discount. 1 if omitted with ``horizon=`` or ``average=True``; otherwise it must be given.
    horizon : int, optional
        Number of actions of a finite-horizon problem.
    average : bool
        Maximise the reward per step in the long run; nothing is terminal then.
    mu : (S,) array_like, optional
        Initial distribution; uniform over the states that are not terminal if omitted.
    final : (S,) array_like, reward units, optional
        What being in s is worth when a finite horizon ends; 0 on terminal states.
    allowed : (S, A) array_like of bool, optional
        Which actions exist where; rows of refused pairs are kept as zeros.
    terminal : (S,) array_like of bool, or list of states, optional
        States that end an episode when they are entered: absorbing, with zero reward. Found if
        omitted (unless all states are so); ``()`` for none.
    reward_std : (S, A) array_like, reward units, optional
        Standard deviation of Gaussian noise on each reward.
    state_names, action_names : sequences of str, optional
    layout : (rows, cols) or (S, 2) array_like, optional
        Where the states are in a picture; nan where a state has no place.
    law : RewardLaw, optional
        The branches behind R, where R (S, A) does not say everything. It goes with P and R.
    notes : sequence of str
        What a reader of results should know about where the model comes from.

    Attributes
    ----------
    R : (S, A) array
        Expected rewards, 0 at refused pairs.
    objective : {"discounted", "finite", "total", "average"}

    Raises
    ------
    ModelError
        If anything does not fit; the message names the worst place, the number and the cure.

    Notes
    -----
    Time and memory O(S^2 A) if P is dense, O(nnz) if sparse.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> mdp.n_states, mdp.n_actions, mdp.objective
    (2, 2, 'discounted')
    """

    P: Any
    R: Any
    gamma: Any = None
    _: KW_ONLY
    horizon: int | None = None
    average: bool = False
    mu: Any = None
    final: Any = None
    allowed: Any = None
    terminal: Any = None
    reward_std: Any = None
    state_names: tuple[str, ...] | None = None
    action_names: tuple[str, ...] | None = None
    layout: Any = None
    law: RewardLaw | None = None
    notes: tuple[str, ...] = ()
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        gamma, horizon, average = _door.check_objective(self.gamma, self.horizon, self.average)
        P, precision = kernel.as_kernel(self.P)
        n_states, n_actions = kernel.shape(P)
        for name, n, what in (
            ("state_names", n_states, "state"),
            ("action_names", n_actions, "action"),
        ):
            object.__setattr__(self, name, _door.check_names(getattr(self, name), n, what))
        state, action = self.name_of_state, self.name_of_action
        allowed = _door.check_allowed(self.allowed, n_states, n_actions, state)
        P, defect = _door.check_rows(P, allowed, precision, state, action)
        R, law = _door.check_rewards(self.R, P, allowed, state, action)
        if self.law is not None:
            law = self.law
            R = _door.check_law(law, P, R, state, action)
        std = _door.check_std(self.reward_std, allowed, state, action)
        final = _door.check_final(self.final, horizon, n_states, state)
        paying = R != 0
        if std is not None:
            paying |= std != 0
        if law is not None:
            paid = np.bincount(law.row[law.reward != 0], minlength=R.size).reshape(R.shape)
            paying |= paid > 0
        absorbing = ~(allowed & (paying | ~kernel.stays(P))).any(axis=1)
        terminal = _door.check_terminal(self.terminal, absorbing, average, final, state)
        if final is not None and (terminal & (final != 0)).any():
            s = int((terminal & (final != 0)).argmax())
            raise ModelError(
                f"final[{s}] is {final[s]:g}, but state {state(s)} is terminal: an episode that "
                f"has ended is worth 0. Pay the reward on entering it."
            )
        terms = int(kernel.row_lengths(P).max())
        facts = Facts(
            terms=terms,
            row_defect=defect + terms * EPS / 2,
            reward_max=float(np.abs(R).max()),
            reward_roundoff=0.0 if law is None else law.roundoff(),
            all_allowed=bool(allowed.all()),
            any_terminal=bool(terminal.any()),
            dense=kernel.is_dense(P),
            time=_longest(gamma, defect + terms * EPS / 2),
            discount=readonly(np.array(gamma, dtype=float)),
        )
        kept: dict[str, Any] = {
            "P": P,
            "R": R,
            "gamma": gamma,
            "horizon": horizon,
            "average": average,
            "mu": _door.check_mu(self.mu, terminal, state),
            "final": final,
            "allowed": allowed,
            "terminal": terminal,
            "reward_std": std,
            "layout": _door.check_layout(self.layout, n_states),
            "law": law,
            "notes": _door.check_notes(self.notes),
            "facts": facts,
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    # -- sizes and words ---------------------------------------------------------------------
    @property
    def n_states(self) -> int:
        """S."""
        return kernel.shape(self.P)[0]

    @property
    def n_actions(self) -> int:
        """A."""
        return kernel.shape(self.P)[1]

    @property
    def objective(self) -> Objective:
        """Which of the four objectives J is."""
        if self.average:
            return "average"
        if self.horizon is not None:
            return "finite"
        return "discounted" if self.gamma < 1 else "total"

    @property
    def branches(self) -> RewardLaw:
        """What can follow each pair: the law, or the nonzeros of P with reward R(s, a)."""
        if self.law is not None:
            return self.law
        row, successor, prob = kernel.branches(self.P)
        return law_in_order(row, successor, self.R.reshape(-1)[row], prob, self.R.size)

    def name_of_state(self, s: int) -> str:
        """``"3"``, or ``"3 ('goal')"`` where states have names."""
        return f"{s}" if self.state_names is None else f"{s} ({self.state_names[s]!r})"

    def name_of_action(self, a: int) -> str:
        """``"1"``, or ``"1 ('left')"`` where actions have names."""
        return f"{a}" if self.action_names is None else f"{a} ({self.action_names[a]!r})"

    def __repr__(self) -> str:
        return _text.short(self)

    def _shown(self) -> Iterator[Html]:
        """For notebooks: sizes, objective, and the first pairs with what they lead to."""
        return _text.shown(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The repr for IPython and Hypothesis, which would print fields, and arrays shortened."""
        printer.text(repr(self))

    # -- other views -------------------------------------------------------------------------
    def with_objective(
        self,
        *,
        gamma: float | None = None,
        horizon: int | None = None,
        average: bool = False,
        final: Any = None,
    ) -> MDP:
        """The same P and R under another objective.

        Parameters
        ----------
        gamma : float, optional
            This model's own if omitted (1 with ``average=True``).
        horizon : int, optional
            Number of actions; no horizon if omitted.
        average : bool
            Terminal states become plain absorbing ones.
        final : (S,) array_like, reward units, optional
            This model's own if omitted and both have a horizon.

        Returns
        -------
        MDP
            P is shared, not copied.

        Raises
        ------
        ModelError
            If the words do not make one objective.

        Examples
        --------
        >>> mdp = MDP([[[0.5, 0.5]], [[0.2, 0.8]]], [[1.0], [0.0]], gamma=0.9)
        >>> mdp.with_objective(horizon=3).gamma, mdp.with_objective(average=True).gamma
        (0.9, 1.0)
        """
        average = _door.check_average(average)
        if gamma is None:
            gamma = None if average else self.gamma
        if final is None and horizon is not None:
            final = self.final
        terminal: Any = self.terminal
        if average:
            terminal = ()
        elif self.average:
            terminal = None
        changed = {
            "gamma": gamma,
            "horizon": horizon,
            "average": average,
            "final": final,
            "terminal": terminal,
        }
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return MDP(**(kept | changed))

    def equals(self, other: object) -> bool:
        """Whether two models are the same in every number, name and objective (notes aside).

        A dense P and a sparse one differ; what is no model differs from each.

        Parameters
        ----------
        other : MDP

        Returns
        -------
        bool

        Examples
        --------
        >>> mdp = MDP([[[1.0]]], [[1.0]], gamma=0.9)
        >>> mdp.equals(mdp.with_objective(gamma=0.9)), mdp.equals(mdp.with_objective(gamma=0.5))
        (True, False)
        """
        if not isinstance(other, MDP) or not kernel.same(self.P, other.P):
            return False
        if (self.law is None) != (other.law is None):
            return False
        if self.law is not None and other.law is not None and not self.law.same(other.law):
            return False
        for f in fields(self):
            if f.name in ("P", "law", "notes", "facts"):
                continue
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if isinstance(mine, np.ndarray) or isinstance(theirs, np.ndarray):
                if mine is None or theirs is None:
                    return False
                if not np.array_equal(mine, theirs, equal_nan=f.name == "layout"):
                    return False
            elif mine != theirs:
                return False
        return True

    # -- other doors -------------------------------------------------------------------------
    @classmethod
    def from_outcomes(cls, rows: Any, gamma: float | None = None, **keywords: Any) -> MDP:
        """A model from lists of outcomes, as Gymnasium's toy environments write them.

        Parameters
        ----------
        rows : rows[s][a] = [(p, s', r, terminated), ...]
            Lists or dictionaries. An action that is missing in a state is refused there. Outcomes
            that agree in s', r and terminated are merged; the reward law is kept. P is sparse
            where (S, A, S) would have more than four million entries.
        gamma, **keywords
            As for `MDP`; ``mu`` also says which states an episode can start in.

        Returns
        -------
        MDP
            With one added last state, named "end", if some state is entered both with termination
            and without: termination then belongs to the transition and not to the state.

        Raises
        ------
        ModelError
            Naming the outcome that is wrong.

        Notes
        -----
        A state becomes terminal if no episode starts there, some state that is not terminal leads
        into it, and every such entrance terminates; its own rows are then never used.

        Examples
        --------
        >>> rows = [{0: [(0.5, 1, 1.0, True), (0.5, 0, 0.0, False)]}, {0: [(1.0, 0, 9.0, False)]}]
        >>> mdp = MDP.from_outcomes(rows, gamma=0.9)
        >>> mdp.terminal, mdp.R[:, 0]
        (array([False,  True]), array([0.5, 0. ]))
        """
        return cls(**_outcomes.read(rows, gamma=gamma, **keywords))

    @classmethod
    def from_action_matrices(
        cls, P: Sequence[Any] | FloatArray, R: Any, gamma: float | None = None, **keywords: Any
    ) -> MDP:
        """A model from one (S, S) matrix for each action, the layout (A, S, S).

        Parameters
        ----------
        P : sequence of A matrices (S, S), dense or SciPy sparse
        R : (S,), (S, A) or (A, S, S) array_like, reward units
        gamma, **keywords
            As for `MDP`.

        Returns
        -------
        MDP

        Raises
        ------
        ModelError
            If the matrices have different or other shapes.

        Examples
        --------
        >>> stay, move = [[1, 0], [0, 1]], [[0, 1], [1, 0]]
        >>> MDP.from_action_matrices([stay, move], [0, 1], gamma=0.9).P[0, 1]
        array([0., 1.])
        """
        return cls(gamma=gamma, **_forms.from_action_matrices(P, R), **keywords)

    @classmethod
    def from_pairs(
        cls,
        states: IntArray,
        actions: IntArray,
        P: Any,
        R: Any,
        gamma: float | None = None,
        *,
        n_actions: int | None = None,
        **keywords: Any,
    ) -> MDP:
        """A model from its feasible pairs alone; all other pairs are refused.

        Parameters
        ----------
        states, actions : (n,) array_like of int
            Pair i is ``(states[i], actions[i])``.
        P : (n, S) array_like or SciPy sparse
            The successor distribution of each pair.
        R : (n,) array_like, reward units
        n_actions : int, optional
            A; one more than the largest action if omitted.
        gamma, **keywords
            As for `MDP`.

        Returns
        -------
        MDP

        Raises
        ------
        ModelError
            If a pair is named twice, or lies outside.

        Examples
        --------
        >>> mdp = MDP.from_pairs([0, 0, 1], [0, 1, 0], [[1, 0], [0, 1], [0, 1]], [1, 2, 0], 0.9)
        >>> mdp.allowed
        array([[ True,  True],
               [ True, False]])
        """
        return cls(gamma=gamma, **_forms.from_pairs(states, actions, P, R, n_actions), **keywords)

    @classmethod
    def from_costs(cls, P: Any, cost: Any, gamma: float | None = None, **keywords: Any) -> MDP:
        """A model whose numbers are costs: they are negated here, and results are rewards.

        Parameters
        ----------
        P
            As for `MDP`.
        cost : (S,), (S, A) or (S, A, S) array_like, cost units
        gamma, **keywords
            As for `MDP`; ``final``, if given, is a cost too.

        Returns
        -------
        MDP

        Raises
        ------
        ModelError
            As for `MDP`.

        Examples
        --------
        >>> MDP.from_costs([[[1.0]]], [[3.0]], gamma=0.5).R
        array([[-3.]])
        """
        return cls(P, gamma=gamma, **_forms.from_costs(cost, keywords))

    @classmethod
    def from_counts(
        cls,
        N: Any,
        R_sum: Any,
        gamma: float | None = None,
        *,
        unvisited: Literal["error", "refuse", "stay", "uniform"] = "error",
        **keywords: Any,
    ) -> MDP:
        """The maximum-likelihood model of counted transitions.

        Parameters
        ----------
        N : (S, A, S) array_like
            How often (s, a) was followed by s'.
        R_sum : (S, A) array_like, reward units
            Sum of the rewards seen at (s, a).
        unvisited : {"error", "refuse", "stay", "uniform"}
            What to do with a pair that was never tried: an error, not allowed, a self-loop with
            reward 0, or a uniform successor with reward 0.
        gamma, **keywords
            As for `MDP`.

        Returns
        -------
        MDP

        Raises
        ------
        ModelError
            If a pair was never tried and ``unvisited`` is "error"; if a count is negative.

        Examples
        --------
        >>> MDP.from_counts([[[3, 1]], [[0, 2]]], [[8.0], [1.0]], gamma=0.9).R
        array([[2. ],
               [0.5]])
        """
        return cls(gamma=gamma, **_forms.from_counts(N, R_sum, unvisited), **keywords)


def _longest(gamma: float, row_defect: float) -> float:
    """sum_t gamma^t, with rows that may sum to a little more than one."""
    rate = 1 - gamma * (1 + 2 * row_defect)
    return (1 + 4 * EPS) / rate if rate > 0 else float("inf")
