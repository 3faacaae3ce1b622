"""Counterexamples: the smallest model on which a claim fails.

Takes     a claim, a function of a model (and of a policy, if it says something of one), and which
          models to try.
Gives     `Counterexample`, whose text is code that makes the model again; or None.
Source    shrinking, as in QuickCheck: Claessen and Hughes (2000); how it is done: Hypothesis.
Not here  what models there are (`mdptools.testing.strategies`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from ..arrays import FloatSA
from ..errors import MissingExtraError, ModelError
from ..model import MDP, dumps
from .strategies import mdps, policies

try:
    import hypothesis
    from hypothesis import HealthCheck, Phase, errors
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtraError("hypothesis", "test") from error

__all__ = ["Counterexample", "find_counterexample"]

Claim = Callable[..., object]
Report = Callable[[str], object]
_SEARCHES = 3  # from different beginnings: each ends where no single step makes a model smaller


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """A model on which a claim fails; ``str`` of it is Python code that can be pasted.

    Attributes
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array, or None
        The policy, where the claim says something of one.
    why : str
        What the claim said: "it returned False", or its error.
    tried : int
        Models on which the claim was tried until then, those that were skipped not counted.
    """

    mdp: MDP
    pi: FloatSA | None
    why: str
    tried: int

    def __str__(self) -> str:
        code = dumps(self.mdp)
        return code if self.pi is None else f"{code}\npi = {self.pi.tolist()}"


@dataclass(slots=True)
class Search:
    """How far a search has come."""

    tried: int = 0
    skipped: int = 0
    refusal: str = ""  # why the first skipped model was refused
    kind: str = ""  # the first failure; only its like are failures when it is made smaller
    best: Counterexample | None = None
    interrupted: bool = False


def find_counterexample(
    claim: Claim,
    models: st.SearchStrategy[MDP] | None = None,
    *,
    with_policy: bool = False,
    n_models: int = 1000,
    seed: int = 0,
    progress: Report | None = None,
) -> Counterexample | None:
    """The smallest model on which a claim fails, or None if none was found.

    Parameters
    ----------
    claim : function
        Called with a model; with a model and a policy if ``with_policy``. It fails where it
        returns False or raises an error; it holds where it returns True or None. A `ModelError`
        (the model is not one of those that a function in it serves) and ``hypothesis.assume`` skip
        the model.
    models : strategy of MDP, optional
        Which models to try; ``mdps()`` if omitted.
    with_policy : bool
        Draw a policy of each model too.
    n_models : int
        How many models to try before giving up.
    seed : int
        The same seed gives the same answer.
    progress : function, optional
        Called with a few words, again and again.

    Returns
    -------
    Counterexample or None
        The smallest of three searches: few states, few actions, point masses, rewards of zero. It
        fails like the first one that was found: by the same type of error, or not by an error. If
        the search is interrupted: the smallest so far, if there is one.

    Raises
    ------
    ModelError
        If all models were skipped, so that nothing was tried; or if the claim says one thing and
        then another of the same model.

    Notes
    -----
    None is no proof: it says that ``n_models`` models of these kinds were tried.

    Examples
    --------
    >>> from mdptools.planning import solve
    >>> from mdptools.testing.strategies import mdps
    >>> def claim(mdp):
    ...     return abs(solve(mdp).V).max() <= abs(mdp.R).max() / (1 - mdp.gamma) + 1e-6
    >>> find_counterexample(claim, mdps(objective="discounted"), n_models=50) is None
    True

    "No state is worth less than what it pays":

    >>> def claim(mdp):
    ...     return bool((solve(mdp).V >= mdp.R.max(axis=1)).all())
    >>> print(find_counterexample(claim, mdps(objective="discounted")))
    from mdptools import MDP
    <BLANKLINE>
    mdp = MDP([[[1.0]]], [[-1.0]], gamma=0.5)
    """
    return run(Search(), claim, models, with_policy, n_models, seed, progress)


def run(
    search: Search,
    claim: Claim,
    models: st.SearchStrategy[MDP] | None,
    with_policy: bool,
    n_models: int,
    seed: int,
    progress: Report | None,
) -> Counterexample | None:
    """`find_counterexample`; how far it came is left in ``search``."""
    if n_models < 1:
        raise ModelError(f"n_models is {n_models}; it must be >= 1.")
    models = mdps() if models is None else models

    def fails(example: tuple[Any, ...]) -> bool:
        why = _failure(search, claim, example)
        if progress is not None:
            progress(f"{search.tried} models")
        if why is None:
            return False
        kind = why.partition(":")[0]
        search.kind = search.kind or kind
        if kind != search.kind:
            return False
        mdp, pi = (*example, None)[:2]
        found = Counterexample(mdp, pi, why, search.tried)
        if search.best is None or _size(found) < _size(search.best):
            search.best = found
        return True

    settings = hypothesis.settings(
        max_examples=n_models,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    examples = _examples(models, with_policy)
    try:
        for k in range(_SEARCHES):
            random = Random(_SEARCHES * seed + k)
            hypothesis.find(examples, fails, settings=settings, random=random)
    except (errors.NoSuchExample, errors.Unsatisfiable):
        if not search.tried:
            raise ModelError(
                f"the claim was tried on no model: {search.skipped} were skipped. "
                f"{search.refusal or 'Its assumptions hold for none of them.'}"
            ) from None
        return search.best
    except errors.Flaky as error:
        raise ModelError(
            "the claim says one thing and then another of the same model: it must not draw "
            "random numbers of its own, nor remember what it has seen."
        ) from error
    except KeyboardInterrupt:
        search.interrupted = True
        if search.best is None:
            raise
    return search.best


def _failure(search: Search, claim: Claim, example: tuple[Any, ...]) -> str | None:
    """What the claim says of a model that is against it; None if it holds there."""
    try:
        holds = claim(*example)
        search.tried += 1
        return None if holds is None or holds else "it returned False"
    except ModelError as error:
        search.skipped += 1
        search.refusal = search.refusal or str(error)
        hypothesis.reject()
    except errors.UnsatisfiedAssumption:
        search.skipped += 1
        raise
    except Exception as error:
        search.tried += 1
        return f"{type(error).__name__}: {error}".rstrip(": ")


def _size(found: Counterexample) -> tuple[float, ...]:
    """What is smaller than what: states, actions, code, rewards."""
    mdp, code = found.mdp, str(found)
    return mdp.n_states, mdp.n_actions, len(code), float(np.abs(mdp.R).sum())


@st.composite
def _examples(
    draw: st.DrawFn, models: st.SearchStrategy[MDP], with_policy: bool
) -> tuple[Any, ...]:
    """A model, and a policy if the claim wants one."""
    mdp = draw(models)
    return (mdp, draw(policies(mdp))) if with_policy else (mdp,)
