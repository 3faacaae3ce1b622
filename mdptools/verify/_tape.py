"""The choice tape: code that draws its own randomness, run once for each thing that can happen.

Takes     a function of a random generator.
Gives     every answer with its probability; `Moments` of the answer.
Source    formula: E f = sum over paths of the product of the probabilities of their choices.
Not here  the generator and its tape (`_choices`), functions of trajectories (`_enumeration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ._choices import Tape, TapeGenerator
from ._enumeration import LIMIT, Detail, Sums
from ._moments import Moments
from ._returned import Reader

_TWICE = 8  # so many paths are run again: the answers must not change
_BLOCK = 1024  # answers that are added up at once


def enumerate_program(
    program: Callable[[Any], Any], *, limit: int = LIMIT
) -> Iterator[tuple[float, Any]]:
    """Every answer that code with its own randomness can give, with its probability.

    Parameters
    ----------
    program : function rng -> answer
        All its draws come from ``rng``, and it starts anew at each call. It may call ``random()``
        and compare, add to, multiply or round down what it gets (``random() < p``,
        ``int(n * random())``, ``searchsorted(cumsum, random())``), ``choice``, ``integers``,
        ``uniform``, ``permutation``, ``shuffle``, ``binomial``, ``multinomial``, all with
        ``size=``, and compare what ``geometric`` gives.
    limit : int
        More paths than that are refused, once they have been counted so far.

    Yields
    ------
    probability : float
        They sum to one.
    answer
        What the program returned. Several paths may give the same.

    Raises
    ------
    ModelError
        If the code needs the value of a continuous number; if it does something else when its draws
        are repeated; if there are more than ``limit`` paths: the message says how much probability
        those had.

    Notes
    -----
    One run of the program for each path: some 10,000 to 100,000 a second. Memory O(draws of one
    path). A threshold within 4 eps of an end of what is possible counts as that end, so that a
    cumulative sum of 0.9999999999999999 opens no path of its own.

    Examples
    --------
    >>> list(enumerate_program(lambda rng: rng.random() < 0.25))
    [(0.25, True), (0.75, False)]
    >>> from mdptools.sampling import rollout
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], mu=[1.0, 0.0], horizon=2)
    >>> for p, batch in enumerate_program(lambda rng: rollout(mdp, [[1.0], [1.0]], 1, rng=rng)):
    ...     print(p, batch.s[0])
    0.25 [0 0 0]
    0.25 [0 0 1]
    0.5 [0 1 1]
    """
    return _paths(program, check_count(limit, "limit"))


def _paths(
    program: Callable[[Any], Any], limit: int, compare: Callable[[Any, Any], None] | None = None
) -> Iterator[tuple[float, Any]]:
    """All paths; ``compare`` gets the answers of two runs of each of the first ones."""
    tape, mass, count = Tape(), 0.0, 0
    rng = TapeGenerator(tape)

    def run() -> Any:
        tape.rewind()
        try:
            return program(rng)
        except Exception as error:
            error.add_note(
                f"on path {count} of the choice tape, of probability {tape.probability:.3g}"
            )
            raise

    while True:
        if count >= limit:
            raise ModelError(
                f"the code has more than limit={limit:,} paths; those so far have probability "
                f"{mass:.3g} in all. Make the problem smaller (fewer steps, states, samples), give "
                f"a larger limit=, or sample it: route='sequential'."
            )
        answer = run()
        if compare is not None and count < _TWICE:
            compare(answer, run())
        count, mass = count + 1, mass + tape.probability
        yield tape.probability, answer
        if not tape.advance():
            return


def program_moments(
    program: Callable[[Any], Any], *, limit: int = LIMIT, detail: Detail = "covariance"
) -> Moments:
    """Exact mean and covariance of what code with its own randomness returns.

    Parameters
    ----------
    program : function rng -> number, array, tensor or dict of them
        As for `enumerate_program`: a learner's update, a minibatch estimator, a sampler.
    limit : int
        On the number of paths.
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments
        ``mean`` (D,), answers flattened; ``mass`` is the sum of all probabilities, ``count`` the
        number of paths.

    Raises
    ------
    ModelError
        As `enumerate_program`; if an answer is no array of finite numbers, or another one when
        the same draws are repeated.

    Notes
    -----
    Time of one run for each path; sums as in `exact_moments`.

    Examples
    --------
    The larger of two sample means overestimates the larger mean:

    >>> def largest(rng):
    ...     return max(rng.integers(2, size=3).mean() for arm in range(2))
    >>> float(program_moments(largest).mean[0]) - 0.5
    0.15625
    """
    reader, sums, count = Reader("the program", "run"), Sums(detail), 0
    weights: list[float] = []
    rows: list[FloatArray] = []

    def add() -> None:
        sums.add(np.array(weights), np.stack(rows))
        weights.clear()
        rows.clear()

    def compare(first: Any, second: Any) -> None:
        before, after = (reader.read_one(x, f"path {count}") for x in (first, second))
        if (before != after).any():
            raise ModelError(
                f"the program gives different answers for the same draws: {before.ravel()[:4]} and "
                f"then {after.ravel()[:4]}. It draws from another source than the generator that "
                f"is handed in, or remembers earlier runs."
            )

    for probability, answer in _paths(program, check_count(limit, "limit"), compare):
        rows.append(reader.read_one(answer, f"path {count}"))
        weights.append(probability)
        count += 1
        if len(rows) == _BLOCK:
            add()
    if rows:
        add()
    return sums.moments(count)
