"""Styles: estimators as people write them, made into functions of a batch or of a generator.

Takes     a function of a list of steps, of a dict of arrays, of `Trajectories`, or of (n, rng).
Gives     a function of `Trajectories`; a function (n, rng) that gives checked rows.
Not here  reading what they return (`_returned`), asking twice (`_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import ModelError
from ..sampling import Trajectories
from ._returned import Layout, Reader, flat, leaves
from ._rows import Estimator, describe

Sampler: TypeAlias = Callable[[int, Any], Any]

STYLES = ("batch", "steps", "dicts", "sampler")

_MANY = (
    "mdptools called this function with Trajectories, many at once (style='batch'). If it takes "
    "one trajectory at a time: style='steps' hands it a list of (s, a, r), style='dicts' a dict "
    "of arrays with Gymnasium's names."
)


class Steps(list[tuple[Any, ...]]):
    """One trajectory as a list of (s, a, r), in Python's numbers; (s, o, a, r) if o was seen.

    Attributes
    ----------
    last : int
        The state after the last step.
    terminated, truncated : bool
    logp : list of float
        log pi(a | s) of each step under the policy that acted.
    """

    __slots__ = ("last", "logp", "terminated", "truncated")

    last: int
    terminated: bool
    truncated: bool
    logp: list[float]


def check_style(style: Any) -> None:
    """Pass if this is one of `STYLES`."""
    if style not in STYLES:
        raise ModelError(
            f"style is {style!r:.80}; it must be one of {', '.join(STYLES)}: a function of many "
            f"Trajectories, of a list of (s, a, r), of a dict of arrays, or of (n, rng)."
        )


def adapt(estimator: Callable[[Any], Any], style: str) -> Estimator:
    """A function of `Trajectories` that returns a row for each.

    Parameters
    ----------
    estimator : callable
    style : {"batch", "steps", "dicts"}
        What it takes: all `Trajectories` at once; one as `Steps`; one as a dict of arrays, see
        `as_dict`. An answer of the last two belongs to one trajectory: a number, an array, a
        tensor or a dict of them.

    Returns
    -------
    function
        Its answer is an array (n, ...), or a dict of such arrays.
    """
    check_style(style)
    if style == "sampler":
        raise ModelError("a sampler takes (n, rng), and no trajectories.")
    if not callable(estimator):
        raise ModelError(f"the estimator is of type {type(estimator).__name__}; it must be called.")
    if style == "batch":
        return partial(_with_note, estimator, note=_MANY)  # a lambda cannot be pickled
    return _OneByOne(estimator, style)


@dataclass(frozen=True, slots=True)
class _OneByOne:
    """Calls a function of one trajectory for each of them; unlike a closure it can be pickled."""

    estimator: Callable[[Any], Any]
    style: str

    def __call__(self, trajectories: Trajectories) -> Any:
        cut = _each_steps if self.style == "steps" else _each_dict
        rows = []
        for i, one in enumerate(cut(trajectories)):
            try:
                rows.append(self.estimator(one))
            except Exception as error:
                error.add_note(
                    f"mdptools called this function with trajectory {i} (style={self.style!r}): "
                    f"{describe(trajectories, i)}"
                )
                raise
        return _stacked(rows, trajectories)


def adapt_sampler(
    sampler: Sampler, shape: tuple[int, ...] | None = None, layout: Layout | None = None
) -> SamplerRows:
    """A function (n, rng) whose answer is checked: (n, D) finite float64.

    Parameters
    ----------
    sampler : function (n, rng) -> n rows
        An array, a tensor, or a dict of them.
    shape : tuple of int, optional
        Of what the rows estimate.
    layout : Layout, optional
        Of the target, if that is a dict.
    """
    return SamplerRows(sampler, shape, layout)


class SamplerRows:
    """Calls a sampler; `precision` and `column` speak of its answers so far."""

    def __init__(
        self, sampler: Sampler, shape: tuple[int, ...] | None, layout: Layout | None
    ) -> None:
        self._sampler = sampler
        cure = "A sampler f(n, rng) returns n independent rows, each drawn with rng."
        self._reader = Reader("the sampler", "draws", cure, shape, layout)

    @property
    def precision(self) -> float:
        """The coarsest eps of the answers."""
        return self._reader.precision

    def column(self, j: int) -> str:
        """Column j in words: the key of a dict, with the index in its array."""
        return self._reader.column(j)

    def __call__(self, n: int, rng: Any) -> FloatArray:
        seed = seed_of(rng)  # before it is used
        return self._reader.read(self._sampler(n, rng), n, lambda i: f"draw {i} of {n}{seed}")


def seed_of(rng: Any) -> str:
    """Where a generator came from, for messages; nothing if it does not tell.

    Examples
    --------
    >>> seed_of(np.random.default_rng(7))
    ' from SeedSequence(7)'
    """
    seeds = getattr(getattr(rng, "bit_generator", None), "seed_seq", None)
    if not isinstance(seeds, np.random.SeedSequence):
        return ""
    key = f", spawn_key={seeds.spawn_key}" if seeds.spawn_key else ""
    return f" from SeedSequence({seeds.entropy}{key})"


def read_target(target: Any) -> tuple[Any, Layout | None]:
    """A dict of arrays as one vector, with the names of its columns; all else as it is.

    Examples
    --------
    >>> vector, layout = read_target({"w": [[1.0, 2.0]], "b": 3.0})
    >>> vector, [layout.name(j) for j in range(3)]
    (array([1., 2., 3.]), ["'w'[0, 0]", "'w'[0, 1]", "'b'"])
    """
    if not isinstance(target, Mapping):
        return target, None
    vector, layout, _ = flat(target, "the target")
    return vector, layout


def as_dict(trajectories: Trajectories, i: int) -> dict[str, Any]:
    """Trajectory i as arrays that a loop over a Gymnasium environment would have collected.

    Returns
    -------
    dict
        ``observations``: what the agent saw: the states (T+1,), the last one included, or (T,)
        where it saw observations only; ``states`` (T+1,); ``actions``, ``rewards``,
        ``terminations``, ``truncations``, ``logp`` (T,); ``final_observation``: the last state.
        T is the length of this trajectory. The arrays are fresh: they may be changed.
    """
    steps = int(trajectories.mask[i].sum())
    states = np.array(trajectories.s[i, : steps + 1], dtype=np.int64)
    ends: list[NDArray[np.bool_]] = []
    for flag in (trajectories.terminated[i], trajectories.truncated[i]):
        ends.append(np.zeros(steps, dtype=np.bool_))
        ends[-1][-1:] = flag
    seen = trajectories.o
    return {
        "observations": states.copy() if seen is None else np.array(seen[i, :steps]),
        "states": states,
        "actions": np.array(trajectories.a[i, :steps], dtype=np.int64),
        "rewards": np.array(trajectories.r[i, :steps]),
        "terminations": ends[0],
        "truncations": ends[1],
        "logp": np.array(trajectories.logp[i, :steps]),
        "final_observation": states[-1],
    }


def _each_dict(trajectories: Trajectories) -> Iterator[dict[str, Any]]:
    return (as_dict(trajectories, i) for i in range(trajectories.n))


def _each_steps(trajectories: Trajectories) -> Iterator[Steps]:
    batch = trajectories
    columns = [x.tolist() for x in (batch.s, batch.o, batch.a, batch.r) if x is not None]
    ends = (batch.terminated.tolist(), batch.truncated.tolist())
    for i, (length, logp) in enumerate(
        zip(batch.lengths.tolist(), batch.logp.tolist(), strict=True)
    ):
        # s is longer by one than the others
        steps = Steps(zip(*(column[i][:length] for column in columns), strict=True))
        steps.last, steps.logp = columns[0][i][length], logp[:length]
        steps.terminated, steps.truncated = ends[0][i], ends[1][i]
        yield steps


def _with_note(estimator: Callable[[Any], Any], trajectories: Trajectories, note: str) -> Any:
    try:
        return estimator(trajectories)
    except ModelError:  # it says what is wrong itself
        raise
    except Exception as error:
        error.add_note(note)
        raise


def _stacked(rows: list[Any], trajectories: Trajectories) -> Any:
    """One array (n, ...), or a dict of such arrays, from one answer for each trajectory."""
    what = "what the estimator returned for trajectory {}"
    tables = [leaves(row, what.format(i)) for i, row in enumerate(rows)]
    for i, table in enumerate(tables):
        if table.keys() != tables[0].keys():
            raise ModelError(
                f"{what.format(i)} has keys {list(table)}; it had {list(tables[0])} for "
                f"trajectory 0."
            )
        for key, array in table.items():
            if array.shape != tables[0][key].shape:
                where = f" at key '{key}'" if key else ""
                raise ModelError(
                    f"{what.format(i)} ({describe(trajectories, i)}) has shape {array.shape}"
                    f"{where}; it had {tables[0][key].shape} for trajectory 0."
                )
    joined = {key: np.stack([table[key] for table in tables]) for key in tables[0]}
    return joined.get("", joined)
