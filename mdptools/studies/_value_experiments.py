"""Experiments with tables and features: sweeps, Q-learning, linear TD.

Takes     a small model.
Gives     studies, and the few numbers that the comparison is about.
Source    each function names what it shows.
Not here  experiments with policies (`_experiments`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatSA
from ..bellman import expect_actions
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._linear_rules import stationary_law
from ._run import run_study
from ._study import Study
from ._sweep_rules import ModifiedPolicyIteration, PolicyIteration, ValueIteration
from ._value_rules import QLearning


def sweeps(mdp: MDP, steps: int = 60) -> Study:
    """Value iteration, policy iteration and modified policy iteration side by side.

    Value iteration attains gamma^k (A1), MacQueen's bracket shrinks by gamma times Dobrushin's
    coefficient (A3p), policy iteration drops faster and faster (B3): why spans make good stopping
    rules.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    steps : int

    Returns
    -------
    Study

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> study = sweeps(garnet(6, 3, 3, gamma=0.9, rng=0), 20)
    >>> [run.name for run in study.runs]
    ['value iteration', 'policy iteration', 'modified policy iteration, 5 backups']
    """
    return run_study(
        mdp, [ValueIteration(), PolicyIteration(), ModifiedPolicyIteration(backups=5)], steps
    )


@dataclass(frozen=True, slots=True)
class _Decay:
    """1 / (1 + rate k)^exponent, k the number of steps done."""

    rate: float = 1.0
    exponent: float = 1.0

    def __call__(self, k: int) -> float:
        return float(1 / (1 + self.rate * k) ** self.exponent)

    def __str__(self) -> str:
        rate = "" if self.rate == 1 else f"{self.rate:g} "
        return f"1/(1 + {rate}k)" + ("" if self.exponent == 1 else f"^{self.exponent:g}")


def q_learning_schedules(mdp: MDP, steps: int = 300) -> Study:
    """Expected Q-learning with steps 1/2, 1/(1+k), 1/(1 + (1-gamma) k) and 1/(1+k)^0.6.

    The products of H6 are right to a factor of about 2; with 1/(1+k) the error crawls like
    k^-(1-gamma).

    Parameters
    ----------
    mdp : MDP
        Discounted.
    steps : int

    Returns
    -------
    Study
        ``run.value_error`` is the distance of max Q to V*.

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> study = q_learning_schedules(garnet(4, 2, 2, gamma=0.9, rng=0), 100)
    >>> study.violated, bool(study[1].value_error[-1] > study[2].value_error[-1])
    ([], True)
    >>> [run.name.partition(", ")[2] for run in study.runs]
    ['step 0.5', 'step 1/(1 + k)', 'step 1/(1 + 0.1 k)', 'step 1/(1 + k)^0.6']
    """
    schedules = (0.5, _Decay(), _Decay(rate=1 - mdp.gamma), _Decay(exponent=0.6))
    return run_study(mdp, [QLearning(step) for step in schedules], steps)


class Features(NamedTuple):
    """What `linear_features` shows; rows are numbers of features, columns are lambdas."""

    ratio: FloatArray  # |V_w* - V|_D / |Pi V - V|_D; nan where the features hold V
    most: FloatArray  # (L,), 1 / sqrt(1 - kappa^2)
    omega: FloatArray  # (k,), smallest eigenvalue of phi' D phi: the rate of H3, the price


def linear_features(
    mdp: MDP, pi: Any, phi: Any, lams: Sequence[float] = (0.0, 0.5, 0.9, 1.0)
) -> Features:
    """How far the fixed point of linear TD(lam) is from the best that its features can do.

    For each number of leading features; the ratio stays below ``1 / sqrt(1 - kappa^2)``, ``kappa =
    gamma (1-lam) / (1 - gamma lam)`` (H4), and lam = 1 has no bias at all. More features say more,
    but are learnt more slowly: the rate of TD(0), H3, goes with omega, which falls with each one.

    Parameters
    ----------
    mdp : MDP
        Discounted, nothing terminal.
    pi : (S, A) array_like
        With one recurrent class.
    phi : (S, k) array_like
        Features, independent.
    lams : sequence of float in [0, 1]

    Returns
    -------
    Features

    Raises
    ------
    ModelError
        If there is no stationary law, or the shape of phi does not fit.

    Examples
    --------
    >>> from mdptools import uniform_policy
    >>> from mdptools.problems import dirichlet
    >>> mdp = dirichlet(4, 2, gamma=0.9, rng=0)
    >>> found = linear_features(mdp, uniform_policy(mdp), np.vander(np.arange(4.0), 2))
    >>> bool((found.ratio <= found.most + 1e-9).all()), found.ratio[:, -1].round(6)
    (True, array([1., 1.]))
    """
    policy: FloatSA = check_policy(mdp, pi)
    D = stationary_law(mdp, policy)
    features = np.asarray(phi, dtype=float)
    if features.ndim != 2 or len(features) != mdp.n_states:
        raise ModelError(f"phi has shape {features.shape}; it must be (S, k), S = {mdp.n_states}.")
    lam = np.asarray(lams, dtype=float)
    gamma, eye = mdp.gamma, np.eye(mdp.n_states)
    P = kernel.to_dense(kernel.mix(mdp.P, policy))
    rewards = expect_actions(policy, mdp.R)
    V = np.linalg.solve(eye - gamma * P, rewards)
    root = np.sqrt(D)[:, None]
    ratio = np.full((features.shape[1], len(lam)), np.nan)
    omega = np.zeros(features.shape[1])
    for k in range(1, features.shape[1] + 1):
        part = features[:, :k]
        omega[k - 1] = np.linalg.eigvalsh(part.T @ (D[:, None] * part))[0]
        nearest = part @ np.linalg.lstsq(root * part, root[:, 0] * V, rcond=None)[0]
        left = float(np.sqrt(D @ (nearest - V) ** 2))
        if left <= 1e-10 * float(np.abs(V).max()):
            continue
        for i, one in enumerate(lam):
            # TD(lam): phi' D (I - gamma lam P)^-1 (R + gamma P phi w - phi w) = 0
            weighted = part.T @ (D[:, None] * np.linalg.inv(eye - gamma * one * P))
            w = np.linalg.solve(weighted @ (part - gamma * P @ part), weighted @ rewards)
            ratio[k - 1, i] = float(np.sqrt(D @ (part @ w - V) ** 2)) / left
    kappa = gamma * (1 - lam) / (1 - gamma * lam)
    return Features(ratio, 1 / np.sqrt(1 - kappa**2), omega)
