"""Values, J and its gradient under a Gaussian policy, by Gauss-Hermite quadrature.

Takes     a `ContinuousMDP`, a `GaussianPolicy`, a number of nodes.
Gives     `Nodes`, a finite model whose actions are the nodes; `ContinuousEvaluation`.
Source    E f(z) = sum_k w_k f(z_k) for z standard normal, exactly for polynomials f up to degree
          2n - 1 (Golub and Welsch 1969). With nodes as actions chosen with probability w_k all
          else is a finite model, evaluated exactly.
Not here  estimates from draws (`_sampled`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import evaluation
from ..arrays import FloatArray, FloatS, IntArray, readonly
from ..certificates import Certificate
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ._model import ContinuousMDP, GaussianPolicy, check_policy

_MOST_NODES = 150  # beyond, the outer weights are below 1e-120
_STEP = 1e-3  # standard deviations: a slope errs by about 1e-12 of the fifth derivative
QUADRATURE = (
    "the difference between n and 2n Gauss-Hermite nodes, and the bound of the finite model"
)


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """A finite model that stands for a continuous one under one policy.

    Attributes
    ----------
    mdp : MDP
        Its action k in state s is the k-th node of the policy there.
    pi : (S, n) array
        The weights of the nodes: how probable each is.
    actions : (S, n) array
        The nodes as real numbers, ``mean + std z_k``; ``actions[batch.s[:, :-1], batch.a]`` are the
        real actions of trajectories of ``mdp``.
    """

    mdp: MDP
    pi: FloatArray
    actions: FloatArray


def quadrature_nodes(mdp: ContinuousMDP, policy: GaussianPolicy, n: int = 32) -> Nodes:
    """Gauss-Hermite nodes in the place of actions.

    Every mean of a polynomial of up to degree 2n - 1 in the action of each step is that of the
    Gaussian. So `check_estimator` can say exactly whether an estimator that is such a polynomial is
    unbiased, by enumeration of ``mdp``.

    Parameters
    ----------
    mdp : ContinuousMDP
    policy : GaussianPolicy
    n : int
        Nodes, at most 150.

    Returns
    -------
    Nodes

    Raises
    ------
    ModelError
        If the policy has other states, n is too large, or the functions of the model are wrong at
        some node.

    Notes
    -----
    Time and memory O(n S^2), and one call of each function with n S actions.

    Examples
    --------
    >>> mdp = ContinuousMDP(lambda s, a: a**2, lambda s, a: np.ones((*s.shape, 1)), 1, 0.5)
    >>> nodes = quadrature_nodes(mdp, GaussianPolicy([1.0], [0.0]), 2)
    >>> nodes.actions.round(12), nodes.mdp.R.round(12)
    (array([[0., 2.]]), array([[0., 4.]]))
    """
    check_policy(mdp, policy)
    count = check_count(n, "n")
    if count > _MOST_NODES:
        raise ModelError(f"n is {count}; more than {_MOST_NODES} nodes add nothing in float64.")
    z, w = np.polynomial.hermite_e.hermegauss(count)
    actions = policy.mean[:, None] + policy.std[:, None] * z
    live = np.flatnonzero(mdp.live)
    s = np.repeat(live[:, None], count, axis=1)
    P, R = np.zeros((mdp.n_states, count, mdp.n_states)), np.zeros((mdp.n_states, count))
    R[live], P[live] = mdp.paid(s, actions[live]), mdp.law(s, actions[live])
    over = np.flatnonzero(~mdp.live)
    P[over, :, over] = 1.0
    finite = MDP(P, R, mdp.gamma, horizon=mdp.horizon, mu=mdp.mu, terminal=tuple(over.tolist()))
    pi = np.broadcast_to(w / w.sum(), R.shape)
    return Nodes(finite, readonly(pi.copy()), readonly(actions))


@dataclass(frozen=True, slots=True, eq=False)
class ContinuousEvaluation:
    """What quadrature finds out about one policy; with a horizon time is the first axis.

    Attributes
    ----------
    mdp : ContinuousMDP
    policy : GaussianPolicy
    V : (S,) or (H+1, S) array, reward units
    J : float, reward units
    visits : (S,) or (H, S) array, decisions
        ``sum_t gamma^t Pr(s_t = s)`` while the episode is running.
    gradient : (2, S) array
        dJ by the mean and by log std of each state.
    certificate, J_certificate, gradient_certificate : Certificate
        Of kind "estimated"; the last one's bound is on the largest error of a coordinate.
    """

    mdp: ContinuousMDP
    policy: GaussianPolicy
    V: FloatS
    J: float
    visits: FloatS
    gradient: FloatArray
    certificate: Certificate
    J_certificate: Certificate
    gradient_certificate: Certificate

    def Q(self, s: IntArray, a: FloatArray, t: Any = 0) -> FloatArray:
        """r(s, a) + gamma E V(s'), reward units.

        Parameters
        ----------
        s, a : arrays of one shape
            No terminal states.
        t : int or array of int that fits s
            The time; it only counts with a horizon.

        Returns
        -------
        array of that shape

        Raises
        ------
        ModelError
            If the functions of the model are wrong there.
        """
        after = self.V if self.mdp.horizon is None else self.V[np.asarray(t) + 1]
        q: FloatArray = self.mdp.paid(s, a) + self.mdp.gamma * (self.mdp.law(s, a) * after).sum(-1)
        return q

    def A(self, s: IntArray, a: FloatArray, t: Any = 0) -> FloatArray:
        """The advantage Q(s, a) - V(s), reward units.

        Parameters
        ----------
        s, a, t
            As for `Q`.

        Returns
        -------
        array of that shape

        Raises
        ------
        ModelError
            As `Q`.
        """
        here = self.V[s] if self.mdp.horizon is None else self.V[np.asarray(t), s]
        return self.Q(s, a, t) - here

    def slope(self, s: IntArray, a: FloatArray, t: Any = 0) -> FloatArray:
        """dQ/da = dA/da, by differences over five points, 1e-3 standard deviations apart.

        Parameters
        ----------
        s, a, t
            As for `Q`.

        Returns
        -------
        array of that shape, reward units for each unit of action
            It errs by some 1e-12 std^4 times the fifth derivative, and 1e-12 |Q| / std of
            round-off; where Q jumps it is no derivative.

        Raises
        ------
        ModelError
            As `Q`.
        """
        h = _STEP * self.policy.std[s]
        one, two = (self.Q(s, a + k * h, t) - self.Q(s, a - k * h, t) for k in (1, 2))
        found: FloatArray = (8 * one - two) / (12 * h)
        return found


def evaluate_continuous(
    mdp: ContinuousMDP, policy: GaussianPolicy, *, n: int = 32
) -> ContinuousEvaluation:
    """V, J, visits and the gradient of J, with an estimate of their error.

    Parameters
    ----------
    mdp : ContinuousMDP
    policy : GaussianPolicy
    n : int
        Nodes, at most 75. The answer is that of 2n nodes; the difference to that of n is the
        estimated error.

    Returns
    -------
    ContinuousEvaluation

    Raises
    ------
    ModelError
        If the policy has other states, n is too large, or the functions of the model are wrong at
        some node.

    Notes
    -----
    dJ/dtheta is sum_s visits(s) E[Q(s, a) psi(s, a)], psi the scores. Exact to round-off if
    rewards are polynomials of at most degree 2n - 3 and transitions do not depend on the action.
    The error falls fast for smooth functions, and like a power of n where a function jumps: there
    the estimate can be too small. Time O(n S^2 + S^3).

    Examples
    --------
    >>> mdp = ContinuousMDP(lambda s, a: -(a**2), lambda s, a: np.ones((*s.shape, 1)), 1, 0.5)
    >>> found = evaluate_continuous(mdp, GaussianPolicy([1.0], [0.0]))
    >>> round(found.J, 9), found.gradient.round(9)  # (mean^2 + std^2) times -1 / (1 - gamma)
    (-4.0, array([[-4.],
           [-4.]]))
    >>> found.certificate.kind, found.certificate.bound < 1e-10
    ('estimated', True)
    """
    coarse, fine = _evaluated(mdp, policy, n), _evaluated(mdp, policy, 2 * n)
    V, J = fine.found.V, fine.found.J

    def certificate(change: float, proved: float) -> Certificate:
        return Certificate(change + proved, np.inf, change, QUADRATURE, kind="estimated")

    change = float(np.abs(fine.gradient - coarse.gradient).max())
    return ContinuousEvaluation(
        mdp,
        policy,
        V,
        J,
        fine.found.visits,
        readonly(fine.gradient),
        certificate(float(np.abs(V - coarse.found.V).max()), fine.found.certificate.bound),
        certificate(abs(J - coarse.found.J), fine.found.J_certificate.bound),
        certificate(change, fine.roundoff),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluated:
    """What one number of nodes says."""

    found: evaluation.Evaluation
    gradient: FloatArray
    roundoff: float


def _evaluated(mdp: ContinuousMDP, policy: GaussianPolicy, n: int) -> _Evaluated:
    nodes = quadrature_nodes(mdp, policy, n)
    found = evaluation.evaluate(nodes.mdp, nodes.pi)
    s = np.repeat(np.arange(mdp.n_states)[:, None], nodes.actions.shape[1], axis=1)
    psi = policy.score(s, nodes.actions)
    # Scores have mean zero: A for Q changes nothing but round-off.
    flow = found.visits[..., None] * nodes.pi * found.A
    flow = flow.sum(axis=0) if flow.ndim == 3 else flow
    gradient = np.einsum("sk,skp->ps", flow, psi)
    size = np.abs(nodes.pi[..., None] * psi).sum(axis=(0, 1)).max()
    errors = (
        found.certificate.bound * found.Z + found.visits_certificate.bound * np.abs(found.A).max()
    )
    return _Evaluated(found, gradient, float(2 * errors * size))
