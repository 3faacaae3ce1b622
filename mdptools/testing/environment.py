"""Environments: whether what somebody steps through is the model.

Takes     an environment with Gymnasium's reset() and step(), and an MDP.
Gives     `EnvironmentVerdict`: the states, actions and outcomes that differ.
Source    `_counts` for error rates.
Not here  playing (`_played`), reading a model out of an environment (interop).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..checks import check_count, check_model, check_rng, number_or_nan
from ..errors import ModelError
from ..markup import Html, Shown, listed
from ..model import MDP
from ..verify import LEDGER
from ._played import Book, Difference, Play, StateOf

__all__ = ["Difference", "EnvironmentVerdict", "check_environment"]

FIRST, GROWTH = 1000, 1.5  # steps until the first look, and by how many times more each time


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EnvironmentVerdict(Shown):
    """What was found about an environment. It has no truth value: ask for ``outcome``.

    Attributes
    ----------
    outcome : {"biased", "unbiased within tol", "inconclusive"}
        "biased": it is not the model. "unbiased within tol": in random play each outcome of each
        pair (s, a) comes as often as the model says, up to ``tol`` of all steps. "inconclusive":
        no difference showed in too few steps to say so.
    claim : str
    differences : tuple of Difference
        The worst first; empty unless "biased".
    n, episodes : int
        Steps and episodes that were played.
    pairs, tried : int
        Pairs (s, a) that the model can reach, and those of them that were tried.
    log_e : float
        The evidence against the model; inf if something happened that it says cannot.
    alpha, beta, tol : float
    seed : int or None
    notes : tuple of str
    """

    outcome: str
    claim: str
    differences: tuple[Difference, ...]
    n: int
    episodes: int
    pairs: int
    tried: int
    log_e: float
    alpha: float
    beta: float
    tol: float
    seed: int | None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is neither true nor false: compare its outcome with a word.")

    def _shown(self) -> Iterator[Html]:
        """For notebooks: what `str` says."""
        yield listed(str(self).splitlines())

    def __str__(self) -> str:
        seed = "" if self.seed is None else f", seed {self.seed}"
        lines = [
            f"{self.outcome}: {self.claim}",
            f"{self.n:,} steps of random play in {self.episodes:,} episodes{seed}; alpha "
            f"{self.alpha:.2g}, beta {self.beta:.2g}; log E = {self.log_e:.1f}, of "
            f"{-np.log(self.alpha):.1f} for 'biased'",
            f"{self.tried:,} of the {self.pairs:,} pairs (s, a) in the model's reach were tried",
            *map(str, self.differences),
        ]
        return "\n".join(lines + [f"note: {note}" for note in self.notes])

    __repr__ = __str__


def check_environment(
    env: Any,
    mdp: MDP,
    *,
    max_samples: int = 2**17,
    alpha: float = 1e-6,
    beta: float = 1e-3,
    tol: float = 0.005,
    rng: Any = 0,
    state_of: StateOf | None = None,
    actions: Sequence[Any] | None = None,
    compare_rewards: bool = True,
) -> EnvironmentVerdict:
    """Whether an environment starts, moves, pays and ends as a model says.

    It is played uniformly at random, episode after episode. What the model says cannot happen
    decides at once; probabilities are tested with error rates that hold at every look.

    Parameters
    ----------
    env : environment
        With ``reset(seed=...) -> (observation, info)`` and ``step(action) -> (observation, reward,
        terminated, truncated, info)``; Gymnasium's, or anything alike. It is not closed.
    mdp : MDP
        Any objective. With a horizon every episode must end, in either way, after so many steps;
        without, only terminal states terminate, and an episode may be truncated anywhere.
    max_samples : int
        Steps that are played at most.
    alpha : float
        The chance of a wrong "biased".
    beta : float
        The chance of a wrong "unbiased within tol".
    tol : float
        The share of all steps in which an outcome may come too often, or too seldom, without that
        it matters. What is rarely tried matters little.
    rng : int or Generator
        For the actions, and for ``env.reset(seed=...)``, once.
    state_of : function, optional
        From an observation to the number of a state. If omitted, observations are such numbers.
    actions : sequence, optional
        What ``step`` is given for each action of the model. If omitted, its number.
    compare_rewards : bool
        False compares transitions and endings alone: for a model that knows the expected rewards
        R(s, a) and not the rewards that are paid.

    Returns
    -------
    EnvironmentVerdict

    Raises
    ------
    ModelError
        If the environment does not answer as Gymnasium's do, an observation is no state, or an
        argument is wrong.

    Notes
    -----
    A transition that terminates must lead to a terminal state; where the model has an added state
    "end", as those of `from_gymnasium` may have, it may lead there instead. Rewards are equal up
    to 1e-6 of the largest. Gaussian noise (``reward_std``) is not tested: rewards of such pairs are
    left out. A law that depends on more than the state shows only if it changes these frequencies.

    Interrupted with Ctrl-C it gives what it has. A step costs about two microseconds besides the
    environment's own time.

    Examples
    --------
    >>> import gymnasium
    >>> from mdptools import from_gymnasium
    >>> from mdptools.testing.environment import check_environment
    >>> lake = gymnasium.make("FrozenLake-v1")
    >>> mdp = from_gymnasium(lake, gamma=0.99)
    >>> check_environment(lake, mdp, max_samples=30_000).outcome
    'unbiased within tol'
    >>> firm = gymnasium.make("FrozenLake-v1", is_slippery=False)
    >>> print(check_environment(firm, mdp, max_samples=10_000))
    biased: the environment is not the model
    ...
    state 0, action 2 ('right'): to state 1 with reward 0: probability 0.3333 in the model, seen ...
    """
    check_model(mdp)
    given = {"alpha": alpha, "beta": beta, "tol": tol}
    rates = {name: number_or_nan(x) for name, x in given.items()}
    for name, value in rates.items():
        if not 0 < value < 1:
            raise ModelError(f"{name} is {given[name]!r:.80}; it must be between 0 and 1.")
    most = check_count(max_samples, "max_samples")
    generator = check_rng(rng)
    if actions is not None and len(actions) != mdp.n_actions:
        raise ModelError(
            f"actions has {len(actions)} entries; the model has {mdp.n_actions} actions."
        )
    for name in ("reset", "step"):
        if not callable(getattr(env, name, None)):
            raise ModelError(f"env is of type {type(env).__name__} and has no {name}().")
    book = Book(mdp, compare_rewards=bool(compare_rewards))
    play = Play(env, mdp, book, generator, state_of, actions)
    look, highest = FIRST, 0.0
    with suppress(KeyboardInterrupt):
        while play.steps < most:
            play.until(min(look, most))
            highest = max(highest, book.evidence()[0])
            if highest >= -np.log(rates["alpha"]):
                break
            look = int(np.ceil(look * GROWTH))
    highest = max(highest, book.evidence()[0])
    tried = book.tried()
    if highest >= -np.log(rates["alpha"]):
        outcome, claim = "biased", "the environment is not the model"
    elif book.within(rates["tol"], rates["beta"]):
        outcome = "unbiased within tol"
        claim = f"in random play it is the model, up to {rates['tol']:g} of all steps"
    else:
        outcome = "inconclusive"
        claim = "no difference from the model was seen, in too few steps to say that there is none"
    return LEDGER.note(
        EnvironmentVerdict(
            outcome=outcome,
            claim=claim,
            differences=tuple(book.differences()) if outcome == "biased" else (),
            n=play.steps,
            episodes=play.episodes,
            pairs=len(tried),
            tried=int(np.count_nonzero(tried)),
            log_e=highest,
            **rates,
            seed=None if rng is generator else operator.index(rng),
            notes=tuple(book.notes(play)),
        )
    )
