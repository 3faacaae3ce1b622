"""Cassandra's text format: .MDP and .POMDP files.

Takes     the path of a file.
Gives     an MDP, and for a POMDP the probabilities of its observations.
Source    Anthony Cassandra's description of the file format (pomdp.org, "POMDP file format").
Not here  solving a POMDP; policies over its observations are `Observation` (policies).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, readonly
from ..errors import ModelError
from ..model import MDP
from ._branches import check_row_tol, model_of
from ._files import Text

MOST_NUMBERS = 1 << 23
"""Entries of a table (A, S, S) or (A, S, n_obs): a short file could ask for any memory."""

_WORDS = {"discount", "values", "states", "actions", "observations", "start", "T", "O", "R"}


class CassandraModel(NamedTuple):
    """A model from a .MDP or .POMDP file.

    Attributes
    ----------
    mdp : MDP
    O : (A, S, n_obs) array, or None
        ``O[a, t, o]`` is the probability of observing o after action a has led to t; None for an
        MDP.
    observation_names : tuple of str, or None
    """

    mdp: MDP
    O: FloatArray | None = None  # noqa: E741 - as in the format
    observation_names: tuple[str, ...] | None = None

    @property
    def sight(self) -> FloatArray:
        """O as a matrix (S, n_obs), for `Observation`, if no action changes what is seen."""
        if self.O is None:
            raise ModelError("the file describes an MDP: every state is seen.")
        if not (self.O == self.O[0]).all():
            a, t, o = (int(i) for i in np.argwhere(self.O != self.O[0])[0])
            raise ModelError(
                f"O[{a}, {t}, {o}] is {self.O[a, t, o]:g}, but {self.O[0, t, o]:g} for action 0: "
                f"what is seen depends on the action, so it is no function of the state."
            )
        first: FloatArray = self.O[0]
        return first


def read_cassandra(
    path: str | os.PathLike[str],
    gamma: float | None = None,
    *,
    row_tol: float = 1e-6,
    **keywords: Any,
) -> CassandraModel:
    r"""A model in Cassandra's format.

    Parameters
    ----------
    path : path
        Of a .MDP or .POMDP file.
    gamma : float, optional
        In place of the file's discount, as are ``horizon=`` and ``average=``.
    row_tol : float
        Rows whose sum is off by up to this (texts are rounded) are divided by it; the model's notes
        say so.
    **keywords
        As for `MDP`.

    Returns
    -------
    CassandraModel
        ``values: cost`` is negated: results are rewards, as everywhere. Rewards that depend on the
        observation make a reward law with a branch for each. ``mu`` is the file's ``start``.

    Raises
    ------
    ModelError
        Naming the file and the line.
    OSError
        If the file cannot be read.

    Notes
    -----
    A later line overrides an earlier one, as the format says. Nothing is terminal but what absorbs
    with reward 0. Time and memory O(S^2 A + S A n_obs).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> text = "discount: 0.9\nvalues: reward\nstates: 2\nactions: stay go\nstart: 0\n"
    >>> text += "T: stay identity\nT: go : 0\n0.25 0.75\nT: go : 1 : 1 1\nR: go : 0 : * 2\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = Path(folder, "two.MDP").write_text(text)
    ...     mdp = read_cassandra(f"{folder}/two.MDP").mdp
    >>> mdp.P[0], mdp.R[0], mdp.mu
    (array([[1.  , 0.  ], [0.25, 0.75]]), array([0., 2.]), array([1., 0.]))
    """
    row_tol = check_row_tol(row_tol)
    text = Text(path, clean=lambda line: line.partition("#")[0].replace(":", " : "))
    return _Reader(text).model(gamma, row_tol, keywords)


class _Reader:
    """The words of a file, one statement after another."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._words = self._all_words()
        self._next: str | None = None
        self.sizes: dict[str, int] = {}
        self.names: dict[str, tuple[str, ...] | None] = {}
        self.discount: float | None = None
        self.sign = 1.0
        self.mu: Any = None

    def _all_words(self) -> Iterator[str]:
        for words in self.text:
            yield from words

    # -- words -------------------------------------------------------------------------------
    def peek(self) -> str | None:
        """The next word, which stays where it is."""
        if self._next is None:
            self._next = next(self._words, None)
        return self._next

    def take(self, what: str) -> str:
        """The next word."""
        word = self.peek()
        if word is None:
            raise self.text.error(f"the file ends where {what} should be")
        self._next = None
        return word

    def colon(self) -> None:
        """A colon."""
        word = self.take("a colon")
        if word != ":":
            raise self.text.error(f"{word!r:.40} stands where a colon should")

    def has_colon(self) -> bool:
        """Take a colon, if one follows."""
        found = self.peek() == ":"
        if found:
            self.colon()
        return found

    def ends(self) -> bool:
        """Whether a statement begins here, or the file ends."""
        word = self.peek()
        return word is None or word in _WORDS

    def thing(self, kind: str) -> int | None:
        """The number of a state, action or observation; None for all of them."""
        word = self.take(f"one of the {kind}")
        if word == "*":
            return None
        names = self.names[kind]
        if names is not None and word in names:
            return names.index(word)
        return self.text.integer(word, f"one of the {kind}", self.sizes[kind])

    def numbers(self, n: int, what: str) -> FloatArray:
        """n numbers."""
        return np.array([self.text.number(self.take(what), what) for _ in range(n)])

    # -- statements --------------------------------------------------------------------------
    def model(self, gamma: Any, row_tol: float, keywords: dict[str, Any]) -> CassandraModel:
        """Everything."""
        pending = self._preamble()
        n, m = self.sizes["states"], self.sizes["actions"]
        k = self.sizes.get("observations", 0)
        T, seen, R = np.zeros((m, n, n)), np.zeros((m, n, k)), self._rewards()
        while pending is not None:
            if pending == "T":
                self._probabilities(T, ("actions", "states", "states"))
            elif pending == "O" and k:
                self._probabilities(seen, ("actions", "states", "observations"))
            elif pending == "R":
                self._reward(R)
            elif pending == "start":
                self._start()
            else:
                raise self.text.error(f"{pending} cannot stand here")
            pending = self._statement()
        for name, table in (("T", T), ("O", seen)):
            self._check_rows(name, table, row_tol)
        return self._finish(T, seen, R * self.sign, gamma, row_tol, keywords)

    def _statement(self) -> str | None:
        """The word of the next statement."""
        word = self.peek()
        if word is None:
            return None
        if word not in _WORDS:
            raise self.text.error(f"{word!r:.40} begins no statement")
        return self.take("a statement")

    def _preamble(self) -> str | None:
        """Read up to the first statement of another kind, and give its word."""
        word = self._statement()
        while word in ("discount", "values", "states", "actions", "observations"):
            self.colon()
            if word == "discount":
                self.discount = self.text.number(self.take("the discount"), "the discount")
            elif word == "values":
                kind = self.take("reward or cost")
                if kind not in ("reward", "cost"):
                    raise self.text.error(f"values is {kind!r:.40}; it must be reward or cost")
                self.sign = 1.0 if kind == "reward" else -1.0
            else:
                self._things(word)
            word = self._statement()
        for kind in ("states", "actions"):
            if kind not in self.sizes:
                raise self.text.error(f"{kind} must be declared before {word}")
        return word

    def _things(self, kind: str) -> None:
        """A number of things, or their names."""
        words = []
        while not self.ends():
            words.append(self.take(kind))
        if not words:
            raise self.text.error(f"{kind} has no number and no names")
        if len(words) == 1 and words[0].isdigit():
            self.sizes[kind] = self.text.integer(words[0], f"the number of {kind}")
            self.names[kind] = None
        else:
            self.sizes[kind], self.names[kind] = len(words), tuple(words)
            if len(set(words)) < len(words):
                raise self.text.error(f"{kind} has a name twice")
        if self.sizes[kind] == 0:
            raise self.text.error(f"there must be at least one of the {kind}")
        n, m = self.sizes.get("states", 1), self.sizes.get("actions", 1)
        if m * n * max(n, self.sizes.get("observations", 1)) > MOST_NUMBERS:
            raise self.text.error(f"tables of more than {MOST_NUMBERS} numbers are not read")

    def _rewards(self) -> FloatArray:
        """R[a, s, s', o]; one observation for an MDP."""
        n, m = self.sizes["states"], self.sizes["actions"]
        k = self.sizes.get("observations", 1)
        if m * n * n * k > MOST_NUMBERS:
            raise self.text.error(f"tables of more than {MOST_NUMBERS} numbers are not read")
        return np.zeros((m, n, n, k))

    def _start(self) -> None:
        """A distribution, one state, or states to include or exclude."""
        n = self.sizes["states"]
        word = self.peek()
        if word in ("include", "exclude"):
            self.take("start")
            self.colon()
            chosen = np.zeros(n, dtype=bool)
            while not self.ends():
                chosen[self._slice(self.thing("states"))] = True
            chosen = chosen if word == "include" else ~chosen
            if not chosen.any():
                raise self.text.error("start leaves no state")
            self.mu = chosen / chosen.sum()
            return
        self.colon()
        words = []
        while not self.ends():
            words.append(self.take("start"))
        names = self.names["states"] or ()
        if words == ["uniform"]:
            self.mu = np.full(n, 1 / n)
        elif len(words) == 1 and (n > 1 or words[0] in names):
            known = words[0] in names
            s = names.index(words[0]) if known else self.text.integer(words[0], "start", n)
            self.mu = np.eye(1, n, s)[0]
        elif len(words) == n:
            self.mu = np.array([self.text.probability(word, "start") for word in words])
        else:
            raise self.text.error(f"start has {len(words)} numbers; there are {n} states")

    @staticmethod
    def _slice(i: int | None) -> Any:
        return slice(None) if i is None else i

    def _probabilities(self, table: FloatArray, kinds: tuple[str, ...]) -> None:
        """T or O: an entry, a row or a matrix."""
        self.colon()
        place = [self._slice(self.thing(kinds[0]))]
        while len(place) < 3 and self.has_colon():
            place.append(self._slice(self.thing(kinds[len(place)])))
        shape = table.shape[len(place) :]
        word = self.peek()
        if word in ("uniform", "identity") and shape:
            self.take("a row")
            if word == "identity" and (len(shape) != 2 or shape[0] != shape[1]):
                raise self.text.error("identity stands for a square matrix only")
            given: Any = np.eye(shape[0]) if word == "identity" else 1 / shape[-1]
        elif word == "reset" and len(shape) == 1 and kinds[2] == "states":
            self.take("a row")
            if self.mu is None:
                raise self.text.error("reset needs a start before it")
            given = self.mu
        else:
            given = self.numbers(int(np.prod(shape)), "a probability").reshape(shape)
        table[tuple(place)] = given
        if not (np.asarray(given) >= 0).all():
            raise self.text.error(f"{np.asarray(given).min():g} is a probability below 0")

    def _reward(self, R: FloatArray) -> None:
        """R: an entry, a row or a matrix."""
        self.colon()
        kinds = ("actions", "states", "states", "observations")
        width = 4 if "observations" in self.sizes else 3
        place = [self._slice(self.thing(kinds[0]))]
        while len(place) < width and self.has_colon():
            place.append(self._slice(self.thing(kinds[len(place)])))
        if len(place) == 1:
            raise self.text.error("a reward needs an action and a state")
        shape = R.shape[len(place) : width]
        values = self.numbers(int(np.prod(shape)), "a reward").reshape(shape)
        R[tuple(place)] = values if width == 4 else values[..., None]

    def _check_rows(self, name: str, table: FloatArray, row_tol: float) -> None:
        """Pass if each row sums to about one."""
        gap = np.abs(table.sum(axis=2) - 1)
        if gap.size and table.shape[2] and gap.max() > max(row_tol, 1e-15 * table.shape[2]):
            a, s = (int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
            raise ModelError(
                f"{self.text.name}: {name} : {a} : {s} sums to {table[a, s].sum():.6g}, not 1."
            )

    def _finish(
        self,
        T: FloatArray,
        seen: FloatArray,
        R: FloatArray,
        gamma: Any,
        row_tol: float,
        keywords: Any,
    ) -> CassandraModel:
        """The tables as branches (s, a, s', r, p), one for each observation that can follow."""
        m, n, _ = T.shape
        partial = seen.shape[2] > 0
        if partial:
            sums = seen.sum(axis=2, keepdims=True)
            seen = np.where(np.abs(sums - 1) > 1e-15 * seen.shape[2], seen / sums, seen)
        alike = (R == R[..., :1]).all(axis=3)  # what is observed does not matter
        split = partial and not alike.all()
        weight = T[..., None] * (seen[:, None, :, :] if split else 1.0)
        paid = R if split else R[..., :1]
        a, s, t, o = np.nonzero(weight)
        r, p = paid[a, s, t, o] + 0.0, weight[a, s, t, o]
        words = {
            "mu": self.mu,
            "state_names": self.names["states"],
            "action_names": self.names["actions"],
            **keywords,
        }
        if gamma is None and words.get("horizon") is None and not words.get("average"):
            gamma = self.discount
        try:
            mdp = model_of((s, a, t, r, p), n, m, gamma, row_tol=row_tol, **words)
        except ModelError as error:
            raise ModelError(f"{self.text.name}: {error}") from error
        if not partial:
            return CassandraModel(mdp)
        return CassandraModel(mdp, readonly(seen), self.names["observations"])
