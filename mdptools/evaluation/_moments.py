"""Moments of the return: how much it varies from one episode to the next, and how.

Takes     an MDP and a policy.
Gives     `ReturnMoments`: mean, variance, central and raw moments of the return, with bounds.
Source    Sobel (1982) for the variance; higher moments by the same equation (`_centred`).
Not here  the equations (`_moment_equations`), the law of the return (`_return_distribution`),
          moments of estimators (verify).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, readonly
from ..certificates import Certificate
from ..checks import check_count, check_served
from ..errors import ModelError
from ..markup import Shown
from ..model import MDP
from ..policies import check_policy
from ._moment_equations import MomentEquations

CENTRED = (
    "|B_k - B| <= L_k |T B - B|, B_k = E[(G - v)^k] for a table v, T its Bellman operator, "
    "L_k >= |(I - gamma^k P_pi)^-1|; then from v to the mean"
)
EXPANDED = "E[G^k] = sum_j C(k, j) V^(k-j) C_j, C_j the central moments, each off by its bound"

HIGHEST = 20
"""The largest order: above it no float64 of any use is left."""


@dataclass(frozen=True, slots=True, eq=False)
class ReturnMoments(Shown):
    """Moments of the return G of one policy, and how wrong each can be.

    On a finite horizon, time is the first axis of V, Q and of each moment. Tuples are indexed by
    the order k = 0 to n; a moment of order k has the unit of rewards to the power k.

    Attributes
    ----------
    V, Q, J : (S,) and (S, A) arrays, float; reward units
        Mean return from each state, from each pair, and from mu. Q is -inf at refused pairs.
    central : tuple of (S,) or (H+1, S) arrays
        ``central[k] = E[(G - V(s))^k]``: 1, 0, the variance, and so on.
    Q_central : tuple of (S, A) or (H, S, A) arrays
        ``E[(G - Q(s, a))^k]`` after action a in s; nan at refused pairs.
    J_central : tuple of float
        ``E[(G - J)^k]``, the start drawn from mu.
    raw : tuple of (S,) or (H+1, S) arrays
        ``E[G^k]``.
    certificates : tuple of Certificate
        ``certificates[k]`` is of ``central[k]`` and ``Q_central[k]``; of V and Q for k = 1.
    J_certificates : tuple of Certificate
        Of ``J_central[k]``; of J for k = 1.
    raw_certificates : tuple of Certificate
    variance, std : (S,) or (H+1, S) array
        Of the return from each state.
    skewness, kurtosis : (S,) or (H+1, S) array
        ``central[3] / std**3`` and ``central[4] / std**4`` (3 for a Gaussian); nan where the return
        does not vary. They need order 3 and 4.
    start_variance, start_std : float
        Of the return from mu.
    """

    V: FloatS
    Q: FloatSA
    J: float
    central: tuple[FloatS, ...]
    Q_central: tuple[FloatSA, ...]
    J_central: tuple[float, ...]
    raw: tuple[FloatS, ...]
    certificates: tuple[Certificate, ...]
    J_certificates: tuple[Certificate, ...]
    raw_certificates: tuple[Certificate, ...]

    @property
    def variance(self) -> FloatS:
        """E[(G - V(s))^2]."""
        return self.central[2]

    @property
    def std(self) -> FloatS:
        """The root of the variance, in reward units."""
        return readonly(np.sqrt(self.central[2]))

    @property
    def skewness(self) -> FloatS:
        """The third central moment over std**3."""
        return self._standardised(3, "skewness")

    @property
    def kurtosis(self) -> FloatS:
        """The fourth central moment over std**4; 3 for a Gaussian."""
        return self._standardised(4, "kurtosis")

    @property
    def start_variance(self) -> float:
        """E[(G - J)^2], which holds the variance of V(s_0) as well."""
        return self.J_central[2]

    @property
    def start_std(self) -> float:
        """The root of that."""
        return float(np.sqrt(self.J_central[2]))

    def _standardised(self, k: int, name: str) -> FloatS:
        if len(self.central) <= k:
            raise ModelError(
                f"{name} needs order {k}, and these moments go to order {len(self.central) - 1}: "
                f"return_moments(mdp, pi, order={k})."
            )
        varies = self.variance > self.certificates[2].bound
        ratio = np.full_like(self.variance, np.nan)
        scale = self.std[varies]
        ratio[varies] = self.central[k][varies] / scale**k
        return readonly(ratio)


def return_moments(mdp: MDP, pi: Any, *, order: int = 2) -> ReturnMoments:
    """Mean, variance and higher moments of the return of a policy, each with a proved bound.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite, or total reward. Rewards are random as the model says: by the successor,
        by its law, and by Gaussian noise of ``reward_std``.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    order : int
        The largest moment, 2 to 20.

    Returns
    -------
    ReturnMoments
        ``V``, ``variance``, ``std``, ``central``, ``raw``; the same from pairs and from mu.

    Raises
    ------
    ModelError
        If pi is no policy of the model; for average reward, whose sum never ends; if the total
        reward has no moments because an episode can stay for ever among states with rewards (they
        are named), whether or not the start leads there; if a moment exceeds float64.
    ConvergenceError
        If the policy terminates so rarely that float64 cannot tell it from one that never does.

    Notes
    -----
    One linear system with I - gamma^k P_pi for each order (Sobel 1982 for k = 2): time
    O(n S^3 + n^2 S^2 A) if P is dense, O(H n^2 S^2 A) on a finite horizon; memory O(n S A) besides
    n tables as large as P_pi. The law is that of the model with each row of P divided by its sum.

    Examples
    --------
    A coin is tossed, for +-1, until it shows heads the first time:

    >>> rows = [[[(0.5, 1, 1.0, True), (0.5, 0, -1.0, False)]], [[(1.0, 1, 0.0, False)]]]
    >>> game = MDP.from_outcomes(rows, gamma=1.0)
    >>> found = return_moments(game, [[1.0], [1.0]], order=3)
    >>> found.V, found.variance, found.skewness.round(3)
    (array([0., 0.]), array([2., 0.]), array([-2.121,    nan]))
    >>> found.certificates[2].bound < 1e-12
    True
    """
    check_served(
        mdp,
        "return_moments",
        "discounted",
        "finite",
        "total",
        instead="evaluate for the gain; the sum of all rewards has no moments there",
    )
    policy = check_policy(mdp, pi)
    n = check_count(order, "order")
    if not 2 <= n <= HIGHEST:
        raise ModelError(f"order is {n}; it must be 2 to {HIGHEST}: moments 1 and 2 always come.")
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow ends in a ModelError
        found = MomentEquations(mdp, policy, n).answer()

    def shaped(x: Any) -> FloatArray:
        table = np.array(x)
        return readonly(table if mdp.horizon else table[0])

    return ReturnMoments(
        V=shaped(found.V),
        Q=shaped(found.Q),
        J=found.J,
        central=tuple(shaped(x) for x in found.central),
        Q_central=tuple(shaped([at[k] for at in found.Q_central]) for k in range(n + 1)),
        J_central=found.J_central,
        raw=tuple(shaped(x) for x in found.raw),
        certificates=_certificates(found.bounds, CENTRED),
        J_certificates=_certificates(found.J_bounds, CENTRED),
        raw_certificates=_certificates(found.raw_bounds, EXPANDED),
    )


def _certificates(bounds: list[float], theorem: str) -> tuple[Certificate, ...]:
    return tuple(Certificate(bound, np.inf, bound, theorem) for bound in bounds)
