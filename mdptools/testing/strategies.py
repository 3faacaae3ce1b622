"""Strategies: random models, policies and logits for Hypothesis, degenerate ones included.

Takes     sizes, objectives, and which kinds of structure to draw always, sometimes or never.
Gives     `mdps`, `policies`, `logits`, `distributions`: Hypothesis strategies.
Source    styles that are drawn once for a whole model: Groce et al. (2012), Swarm testing.
Not here  large random models (problems).

Everything shrinks towards few states, one action, point masses on state 0, rewards of zero, and no
mask, law or start distribution at all. The way of drawing serves that: how many numbers are drawn
depends on the number of states alone, what is not used is drawn all the same, and a model with
fewer states or actions reads the same numbers and skips the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..errors import MissingExtraError, ModelError
from ..model import MDP, RewardLaw

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtraError("hypothesis", "test") from error

__all__ = ["OBJECTIVES", "distributions", "logits", "mdps", "policies"]

OBJECTIVES = ("discounted", "finite", "total", "average")
"""The words of `mdps`, the simplest first."""

TINY = 2.0**-40
"""About 1e-12, and 1 - TINY is a float: such rows sum to one exactly."""

_GAMMAS = (0.5, 0.9, 0.0, 0.25, 0.75, 0.95, 0.99, 0.999, 0.9999)
_MAX_HORIZON = 6

# A distribution is one number: point masses first, then pairs, then triples, then point masses once
# more, so that they are no rarity. Its digits are things, taken modulo how many there are; two that
# fall on one thing are added there.
_POINT, _DYADIC, _DECIMAL = range(3)
_PAIRS = {
    _POINT: (),
    _DYADIC: (0.5, TINY, 0.25, TINY),
    _DECIMAL: (0.1, 1e-12, 0.3, 0.7, 0.45, 0.001, 0.123, 1e-12),
}
_TRIPLES = {
    _POINT: (),
    _DYADIC: ((0.5, 0.25, 0.25), (0.75, 0.25 - TINY, TINY)),
    _DECIMAL: ((0.1, 0.2, 0.7), (0.3, 0.6, 0.1), (0.7, 0.1, 0.2), (1 / 3, 1 / 3, 1 / 3)),
}
_STYLES = st.sampled_from((_POINT, _DYADIC, _DECIMAL) * 2 + (_POINT, _DYADIC))
_EXACT_STYLES = st.sampled_from((_POINT, _DYADIC))
_COIN = st.booleans()
_THOUSANDTHS = st.integers(-1000, 1000)
_LIKELY = st.sampled_from((False, True, True, True))  # most total rewards need an end

Outcomes = Sequence[tuple[int, float]]


@cache
def _codes(base: int, style: int) -> st.SearchStrategy[int]:
    """The numbers that `_decode` reads."""
    mixed = len(_PAIRS[style]) * base**2 + len(_TRIPLES[style]) * base**3
    return st.integers(0, base - 1 + mixed + mixed // 2)


def _decode(code: int, base: int, n: int, style: int) -> Outcomes:
    """(thing, probability) of each of n <= base things of positive probability."""
    if code < base or n == 1:
        return ((code % n, 1.0),)
    code -= base
    kind, places = divmod(code, base**2)
    if kind < len(_PAIRS[style]):
        a, b = divmod(places, base)
        weight = _PAIRS[style][kind]
        return _added(((a % n, weight), (b % n, 1 - weight)))
    code -= len(_PAIRS[style]) * base**2
    kind, places = divmod(code, base**3)
    if kind < len(_TRIPLES[style]):
        a, rest = divmod(places, base**2)
        b, c = divmod(rest, base)
        return _added(zip((a % n, b % n, c % n), _TRIPLES[style][kind], strict=True))
    return ((places % n, 1.0),)


def _added(outcomes: Iterable[tuple[int, float]]) -> Outcomes:
    total: dict[int, float] = {}
    for thing, probability in outcomes:
        total[thing] = total.get(thing, 0.0) + probability
    return tuple((t, 1.0) for t in total) if len(total) == 1 else tuple(total.items())


def _sometimes(draw: st.DrawFn, wanted: bool | None, coin: st.SearchStrategy[bool] = _COIN) -> bool:
    """True and False are what was asked for; None tosses a coin."""
    return draw(coin) if wanted is None else wanted


_BITS = 16


@cache
def _bits(n: int) -> st.SearchStrategy[int]:
    """Yes or no for each of n things: bit i, or bit i % 16."""
    return st.integers(0, 2 ** min(n, _BITS) - 1)


def _bit(bits: int, i: int) -> int:
    return bits >> (i % _BITS) & 1


def _spread_out(outcomes: Outcomes, n: int) -> list[float]:
    row = [0.0] * n
    for thing, probability in outcomes:
        row[thing] = probability
    return row


# --- models -------------------------------------------------------------------------------------


def mdps(
    *,
    min_states: int = 1,
    max_states: int = 4,
    max_actions: int = 3,
    objective: str | Collection[str] | None = None,
    min_gamma: float = 0.0,
    max_gamma: float = 0.9999,
    max_horizon: int = _MAX_HORIZON,
    max_reward: float = 10.0,
    exact: bool | None = None,
    sparse: bool | None = None,
    terminal: bool | None = None,
    refused: bool | None = None,
    twins: bool | None = None,
    several_rewards: bool | None = None,
    final: bool | None = None,
    mu: bool | None = None,
) -> st.SearchStrategy[MDP]:
    """Small models of every kind, the degenerate ones on purpose.

    Each of the last eight arguments is True (always), False (never) or None (sometimes, drawn once
    for a model).

    Parameters
    ----------
    min_states, max_states : int
        Number of states.
    max_actions : int
        Largest number of actions.
    objective : str or collection of str, optional
        One or some of `OBJECTIVES`; any of them if omitted.
    min_gamma, max_gamma : float
        ``0 <= min_gamma <= gamma <= max_gamma < 1`` for discounted models. A finite horizon may
        have gamma = 1 as well, the other two always have.
    max_horizon : int
        Largest horizon.
    max_reward : float, reward units
        Largest |reward|; of a single branch, where a successor decides the reward.
    exact : bool or None
        Probabilities that are multiples of a power of two, so that rows sum to one exactly; False:
        decimal fractions, so that most do not.
    sparse : bool or None
        P as a SciPy sparse array.
    terminal : bool or None
        Terminal states. True needs a second state. Without them a state can still be absorbing
        with zero reward. Nothing is terminal in a model of average reward.
    refused : bool or None
        Actions that are not allowed somewhere. True needs a second action.
    twins : bool or None
        The last action is a copy of the first one. True needs a second action.
    several_rewards : bool or None
        A reward law: two rewards on one successor, and rewards that depend on the successor.
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
    """
    words = _check_objective(objective)
    if not 1 <= min_states <= max_states:
        raise ModelError(
            f"min_states is {min_states} and max_states {max_states}: 1 <= min_states <= "
            f"max_states is needed."
        )
    if not max_actions >= 1 or not max_horizon >= 1:
        raise ModelError(
            f"max_actions is {max_actions} and max_horizon {max_horizon}; both must be >= 1."
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
    if terminal and (max_states < 2 or words == ("average",)):
        raise ModelError("terminal=True needs max_states >= 2 and an objective besides 'average'.")
    if several_rewards and max_reward == 0:
        raise ModelError("several_rewards=True needs max_reward > 0.")
    gammas = tuple(dict.fromkeys(g for g in _GAMMAS if min_gamma <= g <= max_gamma))
    gammas = (*gammas, max_gamma, min_gamma)  # the ends twice, if they are among them
    return _mdps(
        sizes=(min_states, max_states, max_actions, max_horizon),
        objectives=st.sampled_from(words),
        gammas=st.sampled_from(gammas),
        late_gammas=st.sampled_from((1.0, *gammas, 1.0)),
        max_reward=float(max_reward),
        exact=exact,
        sparse=sparse,
        terminal=terminal,
        refused=refused,
        twins=twins,
        several_rewards=several_rewards,
        final=final,
        mu=mu,
    )


def _check_objective(objective: str | Collection[str] | None) -> tuple[str, ...]:
    """The words, the simplest first."""
    asked = OBJECTIVES if objective is None else objective
    asked = (asked,) if isinstance(asked, str) else tuple(asked)
    words = tuple(word for word in OBJECTIVES if word in asked)
    if not words or set(asked) - set(words):
        raise ModelError(f"objective is {objective!r}; it must be one or some of {OBJECTIVES}.")
    return words


@st.composite
def _mdps(
    draw: st.DrawFn,
    sizes: tuple[int, int, int, int],
    objectives: st.SearchStrategy[str],
    gammas: st.SearchStrategy[float],
    late_gammas: st.SearchStrategy[float],
    max_reward: float,
    exact: bool | None,
    sparse: bool | None,
    terminal: bool | None,
    refused: bool | None,
    twins: bool | None,
    several_rewards: bool | None,
    final: bool | None,
    mu: bool | None,
) -> MDP:
    min_states, max_states, max_actions, max_horizon = sizes
    n_pairs = max_states * max_actions
    # --- the model as a whole
    words: dict[str, Any] = {}
    objective = draw(objectives)
    words["gamma"] = draw(late_gammas if objective == "finite" else gammas)
    horizon = draw(st.integers(1, max_horizon))
    ends = _sometimes(draw, terminal, _LIKELY if objective == "total" else _COIN)
    over_bits = draw(_bits(max_states)) if terminal is not False else 0
    style = _DECIMAL if exact is False else draw(_EXACT_STYLES if exact else _STYLES)
    masked = max_actions > 1 and _sometimes(draw, refused)
    refused_bits = draw(_bits(n_pairs)) if refused is not False else 0
    copied = max_actions > 1 and _sometimes(draw, twins)
    lawful = max_reward > 0 and _sometimes(draw, several_rewards)
    spread_bits = draw(_bits(n_pairs)) if several_rewards is not False else 0
    unit = 0.0 if draw(_COIN) else _unit(max_reward)
    stored = _sometimes(draw, sparse)
    started = _sometimes(draw, mu)
    paid_late = _sometimes(draw, final)
    n_actions = draw(st.integers(2 if refused or twins else 1, max_actions))
    n_states = draw(_sizes(max(min_states, 2 if terminal else 1), max_states))
    codes = _codes(max_states, style)
    start = draw(codes) if mu is not False else 0
    if objective == "average":
        words, terminal, ends = {"average": True}, False, False
    elif objective == "finite":
        words["horizon"] = horizon
    elif objective == "total":
        words["gamma"] = 1.0
    if started:
        words["mu"] = _spread_out(_decode(start, max_states, n_states, style), n_states)

    # --- state after state
    outcomes: list[Outcomes] = []  # of each pair, in row order
    paid: list[tuple[float, float]] = []  # reward and spread of each pair
    over: list[bool] = []
    worth: list[float] = []
    for s in range(n_states):
        is_last = s == n_states - 1
        first = s * max_actions
        over.append(ends and (bool(_bit(over_bits, s)) or (is_last and terminal is True)))
        allowed = [not (masked and _bit(refused_bits, first + a)) for a in range(n_actions)]
        if not any(allowed):
            allowed[0] = True
        if is_last and refused and all(allowed) and all(outcomes):
            allowed[-1] = False
        worth.append(_reward(draw(_THOUSANDTHS), max_reward, unit))
        for a in range(max_actions):
            code, reward = draw(codes), _reward(draw(_THOUSANDTHS), max_reward, unit)
            if a >= n_actions:
                continue
            if not allowed[a]:
                outcomes.append(())
                paid.append((0.0, 0.0))
            elif over[s]:
                outcomes.append(((s, 1.0),))
                paid.append((0.0, 0.0))
            elif copied and a == n_actions - 1 > 0 and allowed[0]:
                outcomes.append(outcomes[-a])
                paid.append(paid[-a])
            else:
                outcomes.append(_decode(code, max_states, n_states, style))
                steps = _bit(spread_bits, first + a) + bool(several_rewards)
                spread = steps * max_reward / 8 if lawful else 0.0
                paid.append((_within(reward, max_reward - 2 * spread), spread))

    # --- put together
    if paid_late and objective == "finite":
        words["final"] = np.where(over, 0.0, worth)
    if terminal is False and objective != "average":
        words["terminal"] = ()
    if terminal is True and not any(spread or reward for reward, spread in paid):
        words["terminal"] = np.array(over)  # not found by itself if all states are like that
    P: Any = np.array([_spread_out(row, n_states) for row in outcomes])
    R = np.array([reward for reward, _ in paid]).reshape(n_states, n_actions)
    if lawful and any(spread > 0 for _, spread in paid):
        words["law"] = law = _law(outcomes, paid)
        R = law.expected_reward(n_actions)
    if masked:
        words["allowed"] = np.array([len(row) > 0 for row in outcomes]).reshape(R.shape)
    if stored:
        from scipy.sparse import csr_array

        P = csr_array(P)
    else:
        P = P.reshape(n_states, n_actions, n_states)
    return MDP(P, R, **words)


def _sizes(smallest: int, largest: int) -> st.SearchStrategy[int]:
    """The smallest half as often as the others: one state shows little."""
    return st.integers(2 * smallest, 2 * largest).map(lambda n: (n + 1) // 2)


def _unit(max_reward: float) -> float:
    """What rewards are multiples of, unless they have three digits."""
    return 1.0 if 1 <= max_reward <= 10 else max_reward / 10


def _reward(thousandths: int, max_reward: float, unit: float) -> float:
    """The reward, cut to a multiple of the unit if there is one."""
    reward = thousandths * max_reward / 1000
    return int(reward / unit) * unit if unit else reward


def _within(reward: float, largest: float) -> float:
    return min(max(reward, -largest), largest)


def _law(outcomes: Sequence[Outcomes], paid: Sequence[tuple[float, float]]) -> RewardLaw:
    """Half of the first outcome pays less by the spread, half more; each further outcome more."""
    offsets, branches = [0], []
    for row, (reward, spread) in zip(outcomes, paid, strict=True):
        mine: list[tuple[int, float, float]] = []
        for i, (t, p) in enumerate(row):
            if i == 0 and spread > 0:
                mine += [(t, reward - spread, p / 2), (t, reward + spread, p / 2)]
            else:
                mine.append((t, reward + i * spread, p))
        branches += sorted(mine)
        offsets.append(len(branches))
    successors, rewards, probabilities = zip(*branches, strict=True)
    return RewardLaw(
        np.array(offsets), np.array(successors), np.array(rewards), np.array(probabilities)
    )


# --- distributions, policies, logits ------------------------------------------------------------


@st.composite
def _distributions(draw: st.DrawFn, n: int, exact: bool | None) -> FloatArray:
    style = _DECIMAL if exact is False else draw(_EXACT_STYLES if exact else _STYLES)
    return readonly(np.array(_spread_out(_decode(draw(_codes(n, style)), n, n, style), n)))


def distributions(n: int, *, exact: bool | None = None) -> st.SearchStrategy[FloatArray]:
    """Distributions over n things: point masses, ties, probabilities of 0 and 1e-12.

    Parameters
    ----------
    n : int
        How many things.
    exact : bool or None
        True: multiples of powers of two, which sum to one exactly; False: decimal fractions; None:
        either.

    Returns
    -------
    strategy of (n,) arrays
        At most three entries are positive. Shrinks to the point mass on 0.

    Raises
    ------
    ModelError
        If n < 1.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> sorted(find(distributions(3), lambda p: p.max() < 1, random=Random(0)).tolist())
    [0.0, 0.5, 0.5]
    """
    if n < 1:
        raise ModelError(f"n is {n}; it must be >= 1: a distribution is over something.")
    return _distributions(n, exact)


@st.composite
def _policies(
    draw: st.DrawFn, mdp: MDP, exact: bool | None, timed: bool | None, mixed: bool | None
) -> FloatSA:
    style = _POINT
    if mixed is not False:
        style = _DECIMAL if exact is False else draw(_EXACT_STYLES if exact else _STYLES)
    times = 1
    timed = mdp.horizon is not None and _sometimes(draw, timed)
    if timed and mdp.horizon is not None:
        times = mdp.horizon
    pi = np.zeros((times, mdp.n_states, mdp.n_actions))
    menus = [np.flatnonzero(row).tolist() for row in mdp.allowed]
    codes = _codes(mdp.n_actions, style)
    for t in range(times):
        for s, menu in enumerate(menus):
            code = draw(codes) if len(menu) > 1 else 0
            for i, probability in _decode(code, mdp.n_actions, len(menu), style):
                pi[t, s, menu[i]] = probability
    return readonly(pi if timed else pi[0].copy())


def policies(
    mdp: MDP,
    *,
    exact: bool | None = None,
    timed: bool | None = None,
    mixed: bool | None = None,
) -> st.SearchStrategy[FloatSA]:
    """Policies of a model: deterministic, mixed, and nearly deterministic ones.

    Parameters
    ----------
    mdp : MDP
    exact : bool or None
        As for `distributions`: whether rows sum to one exactly.
    timed : bool or None
        On a finite horizon: policies that depend on time always, never, or sometimes. Without a
        horizon none does.
    mixed : bool or None
        False: deterministic policies alone.

    Returns
    -------
    strategy of (S, A) or (H, S, A) arrays
        0 at refused pairs. Shrinks to the first allowed action of each state.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> find(policies(mdp), lambda pi: pi[0, 1] > 0, random=Random(0))
    array([[0., 1.]])
    """
    return _policies(mdp, exact, timed, mixed)


@st.composite
def _logits(draw: st.DrawFn, mdp: MDP, largest: float) -> FloatSA:
    theta = np.zeros((mdp.n_states, mdp.n_actions))
    unit = largest / 1000 if draw(_COIN) else largest / 10
    steps = st.integers(-round(largest / unit), round(largest / unit))
    for s, a in np.argwhere(mdp.allowed).tolist():
        theta[s, a] = draw(steps) * unit
    return readonly(theta)


def logits(mdp: MDP, *, largest: float = 10.0) -> st.SearchStrategy[FloatSA]:
    """Logits for the softmax family of a model: ties, round numbers, nearly deterministic ones.

    Parameters
    ----------
    mdp : MDP
    largest : float
        Largest |theta|.

    Returns
    -------
    strategy of (S, A) arrays
        0 at refused pairs. Shrinks to zeros, the uniform policy.

    Raises
    ------
    ModelError
        If ``largest`` is not a number > 0.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> find(logits(mdp), lambda theta: theta.any(), random=Random(0)).shape
    (1, 2)
    """
    if not 0 < largest < np.inf:
        raise ModelError(f"largest is {largest}; it must be > 0 and finite.")
    return _logits(mdp, float(largest))
