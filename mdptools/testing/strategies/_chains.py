"""Chain classes: what is done to the rows of a model so that its chains are of a kind.

Takes     the outcomes of one pair as they were drawn.
Gives     the outcomes that keep the promise; those that keep it already are left alone.
Source    the classes: Puterman (1994), section 8.3. Why a promise is kept is said at each.
Not here  recognising a class (structure).

States are numbered from the sink, state 0, while a model is drawn; the caller renumbers them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._codes import Outcomes, bit

CHAINS = (
    "communicating",
    "unichain",
    "ergodic",
    "multichain",
    "absorbing",
    "proper",
    "improper",
)
"""The chain classes of `mdps`."""

NEVER_TERMINAL = frozenset({"communicating", "ergodic", "periodic"})
SINKS = frozenset({"absorbing", "proper", "improper"})
"""State 0 is absorbing in these."""
MAY_END_FIRST = SINKS | {"unichain"}
"""State 0 may be terminal and no other has to be."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One chain class for one model.

    chain : str          One of `CHAINS`, or "periodic": some policy has the period n_states.
    n_states : int
    word : int           Bits that say where a row goes that has to be changed.
    deterministic : bool A row has one outcome, also when it is changed.
    """

    chain: str
    n_states: int
    word: int
    deterministic: bool

    def row(self, outcomes: Outcomes, s: int, is_first: bool) -> Outcomes:
        """What becomes of the outcomes of a pair (s, a) where the model goes on.

        ``is_first`` marks the first allowed action of s.
        """
        n = self.n_states
        if self.chain in ("unichain", "absorbing", "proper"):
            return self._descend(outcomes, s)
        if self.chain == "ergodic":
            # Each action has a share of the cycle 0, 1, ..., n-1, 0 through all states, and state
            # 0 one of a loop: one class of period 1, whatever the policy.
            outcomes = self._reach(outcomes, (s + 1) % n)
            return outcomes if s else self._reach(outcomes, 0)
        if self.chain == "periodic":  # the first actions together are the cycle
            return (((s + 1) % n, 1.0),) if is_first else outcomes
        if self.chain == "communicating":
            # The first actions together go round the cycle.
            return self._reach(outcomes, (s + 1) % n) if is_first else outcomes
        # The first actions together keep to two blocks of states, and each has a class in it.
        return self._within_block(outcomes, s) if is_first else outcomes

    def _descend(self, outcomes: Outcomes, s: int) -> Outcomes:
        """Each action leads with positive probability to a lower state: state 0 is inevitable.

        So it lies in the one recurrent class of any policy, or is the one absorbing state below.
        """
        if s == 0 or any(t < s for t, _ in outcomes):
            return outcomes
        return self._reach(outcomes, (self.word >> s) % s)

    def _reach(self, outcomes: Outcomes, t: int) -> Outcomes:
        """t is among the outcomes: with one half, or alone, where it was not."""
        if any(u == t for u, _ in outcomes):
            return outcomes
        if self.deterministic and self.chain != "ergodic":  # which needs two outcomes
            return ((t, 1.0),)
        return ((t, 0.5), *((u, p / 2) for u, p in outcomes))

    def _within_block(self, outcomes: Outcomes, s: int) -> Outcomes:
        """Outcomes in the other block are moved into that of s; state 0 is alone if improper."""
        cut = 1 if self.chain == "improper" else 1 + self.word % (self.n_states - 1)
        low, high = (0, cut) if s < cut else (cut, self.n_states)
        moved: dict[int, float] = {}
        for t, p in outcomes:
            u = t if low <= t < high else low + t % (high - low)
            moved[u] = moved.get(u, 0.0) + p
        return ((next(iter(moved)), 1.0),) if len(moved) == 1 else tuple(moved.items())


def ends(chain: str | None, over: list[bool], drawn: bool) -> list[bool]:
    """Which states are terminal, in the numbering from the sink.

    ``over`` is what was drawn for each state; ``drawn`` whether there are terminal states at all.
    """
    if chain is None or chain == "multichain":
        return over
    n = len(over)
    if chain in NEVER_TERMINAL:
        return [False] * n
    if chain == "unichain":
        return [drawn and over[0], *[False] * (n - 1)]
    if not drawn:  # absorbing states may pay for ever
        return [False] * n
    if chain == "improper":  # the others could be drawn into a second terminal state
        return [True, *[False] * (n - 1)]
    return [True, *over[1:]]


def holds_still(chain: str | None, s: int, word: int) -> bool:
    """Whether s is absorbing though nothing is terminal there: it may pay."""
    return chain == "absorbing" and (s == 0 or bool(bit(word, s)))
