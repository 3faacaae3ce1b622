"""`mdps`: small models of every kind, and what kinds there are.

Takes     sizes, objectives, and which kinds of structure to draw always, sometimes or never.
Gives     a strategy of MDP.
Source    the chain classes: Puterman (1994), section 8.3.
Not here  how a model is drawn (`_models`).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from hypothesis import strategies as st

from ...errors import ModelError
from ...model import MDP
from ...structure import is_deterministic
from ._chains import CHAINS, MAY_END_FIRST, NEVER_TERMINAL
from ._models import Kinds, models

OBJECTIVES = ("discounted", "finite", "total", "average")
"""The words of `mdps`, the simplest first."""

_GAMMAS = (0.5, 0.9, 0.0, 0.25, 0.75, 0.95, 0.99, 0.999, 0.9999)
_TINY_BELOW = 1.1e-12
_SPLIT = ("multichain", "improper")  # in two states, a chain of theirs stays where it is


def mdps(
    *,
    min_states: int = 1,
    max_states: int = 4,
    min_actions: int = 1,
    max_actions: int = 3,
    objective: str | Collection[str] | None = None,
    min_gamma: float = 0.0,
    max_gamma: float = 0.9999,
    max_horizon: int = 6,
    max_reward: float = 10.0,
    chain: str | None = None,
    exact: bool | None = None,
    tiny: bool | None = None,
    deterministic: bool | None = None,
    sparse: bool | None = None,
    terminal: bool | None = None,
    refused: bool | None = None,
    twins: bool | None = None,
    twin_states: bool | None = None,
    tied: bool = False,
    several_rewards: bool | None = None,
    extreme: bool | None = False,
    final: bool | None = None,
    mu: bool | None = None,
) -> st.SearchStrategy[MDP]:
    """Small models of every kind, the degenerate ones on purpose.

    Each argument from ``exact`` on is True (always), False (never) or None (sometimes, drawn once
    for a model).

    Parameters
    ----------
    min_states, max_states : int
        Number of states.
    min_actions, max_actions : int
        Number of actions.
    objective : str or collection of str, optional
        One or some of `OBJECTIVES`; any of them if omitted.
    min_gamma, max_gamma : float
        ``0 <= min_gamma <= gamma <= max_gamma < 1`` for discounted models. A finite horizon may
        have gamma = 1 as well, the other two always have.
    max_horizon : int
        Largest horizon.
    max_reward : float, reward units
        Largest |reward|; of a single branch, where a successor decides the reward.
    chain : str, optional
        One of `CHAINS`; any chains if omitted. "communicating": each state can be reached from
        each other one. "unichain": each policy has one recurrent class. "ergodic": it holds all
        states, and its period is 1. "multichain": some policy has several classes. "absorbing":
        each policy ends in a state that is never left, whether or not it pays there. "proper":
        each policy terminates. "improper": there is a terminal state, and some policy never
        terminates.
    exact : bool or None
        Probabilities that are multiples of a power of two, so that rows sum to one exactly; False:
        decimal fractions, so that most do not.
    tiny : bool or None
        A probability of about 1e-12 in P.
    deterministic : bool or None
        One successor for each pair.
    sparse : bool or None
        P as a SciPy sparse array.
    terminal : bool or None
        Terminal states. True needs a second state. Without them a state can still be absorbing
        with zero reward. Nothing is terminal in a model of average reward.
    refused : bool or None
        Actions that are not allowed somewhere. True needs a second action.
    twins : bool or None
        The last action is a copy of the first one. True needs a second action.
    twin_states : bool or None
        The last state is a copy of the first one. Not with ``chain``.
    tied : bool
        All actions of one state that is not terminal are equally good, exactly. False: ties come
        by themselves.
    several_rewards : bool or None
        A reward law: two rewards on one successor, and rewards that depend on the successor.
    extreme : bool or None
        Rewards of very different sizes: from ``max_reward`` down to 1e-12 of it. The one kind that
        is not drawn unless it is asked for.
    final : bool or None
        Rewards for where a finite horizon ends.
    mu : bool or None
        An initial distribution that leaves most states out.

    Returns
    -------
    strategy of MDP
        A failing example prints as code that makes it again (up to 8 states; `dumps` above that).

    Raises
    ------
    ModelError
        If no model is like that.

    Notes
    -----
    Deterministic rows, probabilities of 1e-12, ties, gamma = 0, periodic chains, improper policies
    and states that cannot be reached come by themselves. More than 300 models a second.

    With ``exact=True`` a model is one of rational numbers: ``Fraction(x)`` of each float is what
    was meant, and rows of such fractions sum to one (mu does where it is drawn; the uniform start
    in three states is rounded).

    A chain class is kept by changing the rows that break it. "unichain", "absorbing" and "proper"
    models lead to one state whatever the policy; a unichain model whose policies have disjoint
    classes is not drawn.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=20, derandomize=True, database=None)
    ... @given(mdps(objective="discounted", max_gamma=0.99))
    ... def test_gamma(mdp):
    ...     assert mdp.gamma <= 0.99
    >>> test_gamma()

    The smallest model in which some state is terminal:

    >>> from random import Random
    >>> from hypothesis import find
    >>> find(mdps(objective="discounted"), lambda mdp: mdp.terminal.any(), random=Random(0))
    MDP([[[1.0, 0.0]], [[1.0, 0.0]]], [[0.0], [0.0]], gamma=0.5)

    Models in which each policy is recurrent, of up to six states:

    >>> from mdptools.structure import is_communicating
    >>> @settings(max_examples=20, derandomize=True, database=None)
    ... @given(mdps(max_states=6, chain="ergodic"))
    ... def test_chain(mdp):
    ...     assert is_communicating(mdp)
    >>> test_chain()
    """
    # Loaded here, so that it does not make the first draw slow: Hypothesis would complain of it.
    import scipy.sparse  # noqa: F401

    words = _check_objective(objective)
    if not 1 <= min_states <= max_states:
        raise ModelError(
            f"min_states is {min_states} and max_states {max_states}: 1 <= min_states <= "
            f"max_states is needed."
        )
    if not 1 <= min_actions <= max_actions or not max_horizon >= 1:
        raise ModelError(
            f"min_actions is {min_actions}, max_actions is {max_actions} and max_horizon "
            f"{max_horizon}; 1 <= min_actions <= max_actions and max_horizon >= 1 are needed."
        )
    if not 0 <= min_gamma <= max_gamma < 1:
        raise ModelError(
            f"min_gamma is {min_gamma} and max_gamma {max_gamma}: 0 <= min_gamma <= max_gamma < 1 "
            f"is needed; gamma = 1 comes with the objectives 'total', 'finite' and 'average'."
        )
    if not 0 <= max_reward < np.inf:
        raise ModelError(f"max_reward is {max_reward}; it must be finite and >= 0.")
    if max_actions < 2 and (refused or twins):
        raise ModelError("refused=True and twins=True need max_actions >= 2.")
    if max_actions < 2 + bool(refused) and tied:
        raise ModelError("tied=True needs max_actions >= 2, and >= 3 with refused=True.")
    if terminal and (max_states < 2 or words == ("average",)):
        raise ModelError("terminal=True needs max_states >= 2 and an objective besides 'average'.")
    if max_reward == 0 and (several_rewards or extreme):
        raise ModelError("several_rewards=True or extreme=True needs max_reward > 0.")
    if tiny and deterministic:
        raise ModelError("tiny=True needs a second successor; deterministic=True allows none.")
    if chain is not None:
        _check_chain(chain, words, terminal, deterministic, twin_states)
    if chain in ("proper", "improper"):
        words = tuple(word for word in words if word != "average")
    smallest = 1 + bool(terminal or twin_states)
    if tied:
        smallest = max(1 + bool(terminal) + bool(twin_states), 1 + (chain in MAY_END_FIRST))
    if tiny or deterministic is False:
        smallest = max(smallest, 2 + (chain in _SPLIT))
    if chain in ("multichain", "proper", "improper"):
        smallest = max(smallest, 2)
    if max_states < smallest:
        raise ModelError(
            f"max_states is {max_states}; what else is asked for needs {smallest} states."
        )
    actions_needed = 1 + bool(refused or twins or tied) + bool(tied and refused)
    gammas = tuple(dict.fromkeys(g for g in _GAMMAS if min_gamma <= g <= max_gamma))
    gammas = (*gammas, max_gamma, min_gamma)  # the ends twice, if they are among them
    drawn = models(
        Kinds(
            min_states=max(min_states, smallest),
            max_states=max_states,
            min_actions=max(min_actions, actions_needed),
            max_actions=max_actions,
            max_horizon=max_horizon,
            objectives=st.sampled_from(words),
            gammas=st.sampled_from(gammas),
            late_gammas=st.sampled_from((1.0, *gammas, 1.0)),
            max_reward=float(max_reward),
            chain=chain,
            exact=exact,
            tiny=tiny,
            deterministic=deterministic,
            sparse=sparse,
            terminal=terminal,
            refused=refused,
            twins=twins,
            twin_states=twin_states,
            tied=tied,
            several_rewards=several_rewards,
            extreme=extreme,
            final=final,
            mu=mu,
        )
    )
    if deterministic is False:
        drawn = drawn.filter(lambda mdp: not is_deterministic(mdp))
    if tiny:
        drawn = drawn.filter(lambda mdp: bool(mdp.branches.prob.min() < _TINY_BELOW))
    return drawn


def _check_chain(
    chain: str,
    words: tuple[str, ...],
    terminal: bool | None,
    deterministic: bool | None,
    twin_states: bool | None,
) -> None:
    """The class exists, and goes with what else is asked for."""
    if chain not in CHAINS:
        raise ModelError(f"chain is {chain!r}; it must be one of {CHAINS}.")
    if twin_states:
        raise ModelError(f"chain={chain!r} and twin_states=True cannot be asked for together.")
    if terminal and chain in NEVER_TERMINAL:
        raise ModelError(f"terminal=True has no model with chain={chain!r}: no state is left.")
    if chain in ("proper", "improper") and (terminal is False or words == ("average",)):
        raise ModelError(
            f"chain={chain!r} needs terminal states, and an objective besides 'average'."
        )
    if chain == "ergodic" and deterministic:
        raise ModelError("deterministic=True has periodic chains alone; chain='ergodic' has none.")


def _check_objective(objective: str | Collection[str] | None) -> tuple[str, ...]:
    """The words, the simplest first."""
    asked = OBJECTIVES if objective is None else objective
    asked = (asked,) if isinstance(asked, str) else tuple(asked)
    words = tuple(word for word in OBJECTIVES if word in asked)
    if not words or set(asked) - set(words):
        raise ModelError(f"objective is {objective!r}; it must be one or some of {OBJECTIVES}.")
    return words
