"""Draws: rows of an estimator from trajectories of our own sampler, or from somebody's sampler.

Takes     an estimator and how its trajectories are made; or a function (n, rng).
Gives     n independent rows x, and the same less control variates, from one random generator.
Source    formula: with weights W of a mixture and features F of mean zero under the behaviour,
          E[W (x - F c)] = E_b[x] for every c that was fixed beforehand.
Not here  what is tested with the rows (`_statistical`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..model import MDP
from ..sampling import Trajectories, rollout
from ._control_variates import ControlVariates
from ._flattened import probe
from ._mixture import Mixture
from ._returned import Layout
from ._rows import Caller, Estimator
from ._styles import seed_of

Way: TypeAlias = Literal["test", "flattened", "policy"]
"""As in the test; from flattened dynamics; half from the policy that is estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Some rows.

    Attributes
    ----------
    x : (n, D) array
        What the estimator gave, times the weights if a mixture was drawn from.
    features : (n, K) array or None
        Control variates, likewise.
    """

    x: FloatArray
    features: FloatArray | None

    @classmethod
    def concatenate(cls, parts: Sequence[Drawn]) -> Drawn:
        """All rows, one after the other."""
        features = [part.features for part in parts if part.features is not None]
        joined = np.concatenate(features) if features else None
        return cls(np.concatenate([part.x for part in parts]), joined)

    def less(self, coefficients: FloatArray | None) -> FloatArray:
        """Rows less what the features explain, (n, D)."""
        if coefficients is None or self.features is None:
            return self.x
        return self.x - self.features @ coefficients


class Source(Protocol):
    """Where rows come from."""

    def draw(self, n: int, rng: Any, first: int = 0, *, way: Way = "test") -> Drawn:
        """n rows; ``first`` were drawn before, for messages."""


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Rows of a function of trajectories.

    Parameters
    ----------
    estimator : Estimator
    shape, layout
        Of the target.
    mdp : MDP
    acting : pi, or (family, theta)
        Who acts.
    length : int or None
        Where trajectories are cut.
    batch : int
        So many trajectories make one row.
    unit : int
        So many rows are averaged.
    mixture : Mixture or None
        Drawn from instead, with weights.
    controls : ControlVariates or None
    others : Mixture or None
        Behaviour and policy, where the behaviour alone is drawn from: to see large ratios.
    """

    estimator: Estimator
    shape: tuple[int, ...]
    layout: Layout | None
    mdp: MDP
    acting: Any
    length: int | None
    batch: int = 1
    unit: int = 1
    mixture: Mixture | None = None
    controls: ControlVariates | None = None
    others: Mixture | None = None

    @property
    def trajectories_each(self) -> int:
        """How many trajectories one row needs."""
        return self.batch * self.unit

    def draw(self, n: int, rng: Any, first: int = 0, *, way: Way = "test") -> Drawn:
        """n rows, one after the other independent."""
        total = n * self.trajectories_each
        origin = f"rows {first} to {first + n - 1}{seed_of(rng)}"
        trajectories, weights = self._trajectories(total, rng, way)
        caller = self._caller(origin)
        caller.trusted = True
        if self.batch == 1:
            x = caller.rows(trajectories)
        else:
            x = np.stack([caller.of_batch(some) for some in _batches(trajectories, self.batch)])
        features = None
        if self.controls is not None:
            features = self.controls.features(trajectories)
        if weights is not None:
            x = x * weights[:, None]
            features = None if features is None else features * weights[:, None]
        if features is not None:
            features = _averaged(features, self.trajectories_each)
        return Drawn(_averaged(x, self.unit), features)

    def examine(self, rng: Any) -> tuple[float, bool]:
        """The eps of the rows, and whether the same data give the same rows.

        Raises
        ------
        ModelError
            If a row depends on the other rows of its batch.
        """
        trajectories, _ = self._trajectories(16 * self.batch, rng, "test")
        caller = self._caller(f"the first rows{seed_of(rng)}")
        try:
            if self.batch == 1:
                caller.rows(trajectories)
            else:
                caller.of_batch(trajectories[: self.batch])
        except ModelError as error:
            if "different answers" not in str(error):
                raise
            return caller.precision, False
        return caller.precision, True

    def with_controls(self, controls: ControlVariates | None) -> Episodes:
        """The same with other control variates."""
        return replace(self, controls=controls)

    def _caller(self, origin: str) -> Caller:
        return Caller(self.estimator, self.shape, self.batch, self.layout, origin)

    def _trajectories(self, n: int, rng: Any, way: Way) -> tuple[Trajectories, FloatArray | None]:
        """Trajectories as the behaviour would have made them, and their weights."""
        if way == "policy" and self.others is not None:
            return self.others.draw(n, self.length, rng)[0], None
        if way == "flattened":
            found = probe(self.mdp, self.acting, n, self.length, rng)
            return found, None if self.mixture is None else self.mixture.weights(found)
        if self.mixture is not None:
            return self.mixture.draw(n, self.length, rng)
        return rollout(self.mdp, self.acting, n, rng=rng, max_steps=self.length), None


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Rows of somebody's sampler.

    Parameters
    ----------
    sampler : function (n, rng) -> (n, D) array
    unit : int
    """

    sampler: Callable[[int, Any], FloatArray]
    unit: int = 1

    def draw(self, n: int, rng: Any, first: int = 0, *, way: Way = "test") -> Drawn:
        """n rows; there is one way only."""
        return Drawn(_averaged(self.sampler(n * self.unit, rng), self.unit), None)


def _batches(trajectories: Trajectories, size: int) -> list[Trajectories]:
    """So many trajectories at a time."""
    return [trajectories[i : i + size] for i in range(0, trajectories.n, size)]


def _averaged(rows: FloatArray, size: int) -> FloatArray:
    """Means of so many rows in a row."""
    if size == 1:
        return rows
    means: FloatArray = rows.reshape(-1, size, rows.shape[1]).mean(axis=1)
    return means
