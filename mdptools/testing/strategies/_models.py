"""One model: what is drawn for it, in which order, and how it is put together.

Takes     `Kinds`, which are checked.
Gives     a strategy of MDP.
Not here  the arguments and their meaning (`_mdps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...model import MDP
from ._chains import MAY_END_FIRST, SINKS, Shape, ends, holds_still
from ._codes import (
    COIN,
    Outcomes,
    Style,
    bit,
    bits,
    codes,
    decode,
    draw_style,
    sometimes,
    spread_out,
    with_tiny,
)
from ._rewards import THOUSANDTHS, law_of, reward_of, unit_of, within

_LIKELY = st.sampled_from((False, True, True, True))  # most total rewards need an end
# Where bits are left that mean nothing, their last three say that a model is of a rare kind; so the
# rare kinds cost no draws.
_PERIODIC, _TIED, _IMPROPER, _ALIKE = (1,), (3, 4), (5, 6), (7,)
_SPARE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What `mdps` was asked for; True is always, False never, None sometimes."""

    min_states: int
    max_states: int
    min_actions: int
    max_actions: int
    max_horizon: int
    objectives: st.SearchStrategy[str]
    gammas: st.SearchStrategy[float]
    late_gammas: st.SearchStrategy[float]  # of a finite horizon
    max_reward: float
    chain: str | None
    exact: bool | None
    tiny: bool | None
    deterministic: bool | None
    sparse: bool | None
    terminal: bool | None
    refused: bool | None
    twins: bool | None
    twin_states: bool | None
    tied: bool
    several_rewards: bool | None
    extreme: bool | None
    final: bool | None
    mu: bool | None


@dataclass(slots=True)
class _Pairs:
    """What follows each pair, in row order, while a model is drawn."""

    outcomes: list[Outcomes]
    paid: list[tuple[float, float]]  # reward and spread

    def add(self, outcomes: Outcomes, reward: float = 0.0, spread: float = 0.0) -> None:
        self.outcomes.append(outcomes)
        self.paid.append((reward, spread))

    def repeat(self, back: int) -> None:
        """Once more what was added ``back`` pairs ago."""
        self.outcomes.append(self.outcomes[-back])
        self.paid.append(self.paid[-back])

    def turn(self, n: int) -> None:
        """The last n pairs come first."""
        self.outcomes = self.outcomes[-n:] + self.outcomes[:-n]
        self.paid = self.paid[-n:] + self.paid[:-n]


@st.composite
def models(draw: st.DrawFn, kinds: Kinds) -> MDP:
    """A model of these kinds."""
    max_states, max_actions, max_reward = kinds.max_states, kinds.max_actions, kinds.max_reward
    n_pairs = max_states * max_actions
    # --- the model as a whole
    words: dict[str, Any] = {}
    objective = draw(kinds.objectives)
    words["gamma"] = draw(kinds.late_gammas if objective == "finite" else kinds.gammas)
    horizon = draw(_range(1, kinds.max_horizon))
    has_ends = sometimes(draw, kinds.terminal, _LIKELY if objective == "total" else COIN)
    over_bits = draw(bits(max_states)) if kinds.terminal is not False else 0
    style = with_tiny(draw_style(draw, kinds.exact), kinds.tiny)
    masked = max_actions > 1 and sometimes(draw, kinds.refused)
    refused_bits = draw(bits(n_pairs)) if kinds.refused is not False else 0
    copied = max_actions > 1 and sometimes(draw, kinds.twins)
    lawful = max_reward > 0 and sometimes(draw, kinds.several_rewards)
    spread_bits = draw(bits(n_pairs)) if kinds.several_rewards is not False else 0
    unit = 0.0 if draw(COIN) else unit_of(max_reward)
    stored = sometimes(draw, kinds.sparse)
    started = sometimes(draw, kinds.mu)
    paid_late = sometimes(draw, kinds.final)
    n_actions = draw(_range(kinds.min_actions, max_actions))
    n_states = draw(_sizes(kinds.min_states, max_states))
    numbers = codes(max_states, style)
    start = draw(numbers) if kinds.mu is not False else 0
    extreme = sometimes(draw, kinds.extreme)
    row_style = Style.POINT if kinds.deterministic else style
    row_numbers = codes(max_states, row_style)
    spare = (not masked and refused_bits) or (not lawful and spread_bits)
    rare = spare % _SPARE
    can_end = kinds.terminal is not False and objective != "average"
    chain, shape, turn, word = kinds.chain, None, 0, 0
    if chain is not None:
        word = draw(bits(max_states))
        turn = draw(_range(0, max_states - 1)) % n_states
    elif rare in _IMPROPER and n_states > 1 and can_end and not kinds.twin_states:
        chain, turn = "improper", spare // _SPARE % n_states
    elif rare in _PERIODIC and n_states > 1 and not (kinds.terminal or kinds.twin_states):
        chain = "periodic"
    if chain is not None:
        shape = Shape(chain, n_states, word, row_style is Style.POINT)
        has_ends |= chain in ("proper", "improper")
        has_ends |= chain == "absorbing" and objective == "total" and kinds.terminal is None
    if objective == "average":
        words, has_ends = {"average": True}, False
    elif objective == "finite":
        words["horizon"] = horizon
    elif objective == "total":
        words["gamma"] = 1.0
    if started:
        words["mu"] = spread_out(decode(start, max_states, n_states, style), n_states)

    # --- state after state; the last one may be a twin of the first
    must_end = kinds.terminal is True and objective != "average"
    alike = kinds.twin_states
    if alike is None:
        alike = rare in _ALIKE and shape is None and n_states > 1 + must_end
    tied = kinds.tied
    if not tied and rare in _TIED:
        tied = shape is None and n_actions > 1 and kinds.twins is None
    last = n_states - 1 - alike
    over = [has_ends and bool(bit(over_bits, s)) for s in range(n_states)]
    over[0 if chain == "unichain" else last] |= must_end
    over = ends(chain, over, has_ends)
    tied_state = -1
    if tied:
        tied_state = 1 if chain in MAY_END_FIRST else 0
        over[tied_state] = False
    if alike:
        over[-1] = over[0]
    pairs, worth = _Pairs([], []), []
    allowed_first: list[bool] = []
    for s in range(n_states):
        first = s * max_actions
        allowed = [not (masked and bit(refused_bits, first + a)) for a in range(n_actions)]
        if not any(allowed):
            allowed[0] = True
        if s == tied_state and sum(allowed) < 2:
            allowed[0] = allowed[1] = True
        if s == last and kinds.refused and all(allowed) and all(pairs.outcomes):
            allowed[-1] = False
        if s == 0:
            allowed_first = allowed
        elif alike and s == n_states - 1:
            allowed = allowed_first
        still = holds_still(chain, s, word)
        worth.append(reward_of(draw(THOUSANDTHS), max_reward, unit, extreme))
        for a in range(max_actions):
            code = draw(row_numbers)
            reward = reward_of(draw(THOUSANDTHS), max_reward, unit, extreme)
            if a >= n_actions:
                continue
            like = allowed.index(True)
            if alike and s == n_states - 1 and not over[s]:
                pairs.repeat(n_actions * s)
            elif not allowed[a]:
                pairs.add(())
            elif over[s]:
                pairs.add(((s, 1.0),))
            elif s == tied_state and a > like:
                pairs.repeat(a - like)
            elif copied and a == n_actions - 1 > 0 and allowed[0]:
                pairs.repeat(a)
            else:
                outcomes = decode(code, max_states, n_states, row_style)
                if still:
                    outcomes = ((s, 1.0),)
                elif shape is not None:
                    outcomes = shape.row(outcomes, s, a == like)
                steps = bit(spread_bits, first + a) + bool(kinds.several_rewards)
                spread = steps * max_reward / 8 if lawful else 0.0
                pairs.add(outcomes, within(reward, max_reward - 2 * spread), spread)
    if alike:
        worth[-1] = worth[0]
    if turn:
        _renumber(pairs, over, turn, n_actions)

    # --- put together
    if paid_late and objective == "finite":
        words["final"] = np.where(over, 0.0, worth)
    if kinds.terminal is False and objective != "average":
        words["terminal"] = ()
    is_zero = not any(spread or reward for reward, spread in pairs.paid)
    declared = alike or tied or (has_ends and chain in SINKS)
    if (must_end and is_zero) or (declared and objective != "average"):
        words["terminal"] = np.array(over)  # not found: others may look the same
    P: Any = np.array([spread_out(row, n_states) for row in pairs.outcomes])
    R = np.array([reward for reward, _ in pairs.paid]).reshape(n_states, n_actions)
    if lawful and any(spread > 0 for _, spread in pairs.paid):
        words["law"] = law = law_of(pairs.outcomes, pairs.paid)
        R = law.expected_reward(n_actions)
    if masked:
        words["allowed"] = np.array([len(row) > 0 for row in pairs.outcomes]).reshape(R.shape)
    if stored:
        from scipy.sparse import csr_array

        P = csr_array(P)
    else:
        P = P.reshape(n_states, n_actions, n_states)
    return MDP(P, R, **words)


def _renumber(pairs: _Pairs, over: list[bool], turn: int, n_actions: int) -> None:
    """State s becomes (s + turn) % S, so that the sink is not always state 0."""
    n = len(over)
    pairs.outcomes = [tuple(((t + turn) % n, p) for t, p in row) for row in pairs.outcomes]
    pairs.turn(turn * n_actions)
    over[:] = over[-turn:] + over[:-turn]


@cache  # a strategy takes longer to make than to draw from
def _range(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@cache
def _sizes(smallest: int, largest: int) -> st.SearchStrategy[int]:
    """The smallest half as often as the others: one state shows little."""
    return st.integers(2 * smallest, 2 * largest).map(lambda n: (n + 1) // 2)
