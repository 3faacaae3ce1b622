"""How J changes from one policy to another: the identity, and what is certain without solving.

Takes     a discounted MDP and two policies (the identity serves episodes as well).
Gives     both forms of the performance difference; `ImprovementBound`: lower bounds on it.
Source    Kakade and Langford (2002), lemma 6.1 and theorem 4.1; Schulman et al. (2015), theorem 1;
          Achiam et al. (2017), theorem 1. Each is derived in a line or two below.
Not here  the surrogate itself (`_surrogate`).

All bounds come from one step. With h(s) = sum_a new A(s, a), ``J(new) - J = visits_new . h`` and
``L = visits . h``. And ``visits_new - visits = gamma visits (P_new - P_pi) M_new``, whose 1-norm is
at most ``2 gamma / (1 - gamma) sum_s visits(s) TV(s)``; it sums to 0, so h counts by half its span.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arrays import EPS, FloatS, FloatSA
from ..bellman import expect_actions
from ..checks import check_served, number_or_nan
from ..errors import ModelError
from ..evaluation import evaluate
from ..markup import Shown
from ..model import MDP
from ..policies import check_policy
from ._direct import check_finite
from ._surrogate import Surrogate, surrogate

DISCOUNTED = "mdp.with_objective(gamma=...)"


class PerformanceDifference(NamedTuple):
    """J(new) - J(pi) on three roads, reward units; they agree but for round-off."""

    difference: float  # of the two J
    forward: float  # sum visits_new <new, A>
    backward: float  # -sum visits <pi, A_new>


@dataclass(frozen=True, slots=True)
class ImprovementBound(Shown):
    """What J(new) - J(pi) is at least.

    Attributes
    ----------
    lower : float, reward units
        ``J(new) - J(pi) >= lower``, but for round-off.
    gain : float, reward units
        The surrogate L(new).
    penalty : float, reward units
        ``gain - lower``.
    constants : dict of str to float
        What the penalty is made of.
    theorem : str
        The inequality.
    """

    lower: float
    gain: float
    penalty: float
    constants: dict[str, float]
    theorem: str


def performance_difference(mdp: MDP, pi: Any, new: Any) -> PerformanceDifference:
    """J(new) - J(pi) from the advantages of one policy at the visits of the other.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite or total.
    pi, new : (S, A) array_like, or (H, S, A) if the model has a horizon

    Returns
    -------
    PerformanceDifference
        The difference itself cancels where the policies are near; the other two do not.

    Raises
    ------
    ModelError
        As `direct_gradient`, of either policy.

    Notes
    -----
    Two evaluations. With a horizon both sums are over time as well.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> performance_difference(mdp, [[0.5, 0.5]], [[0.25, 0.75]])
    PerformanceDifference(difference=0.5, forward=0.5, backward=0.5)
    """
    check_served(mdp, "performance_difference", "discounted", "finite", "total", instead="evaluate")
    policies = [check_policy(mdp, x) for x in (pi, new)]
    old, young = (evaluate(mdp, x) for x in policies)
    for found in (old, young):
        check_finite(mdp, found)
    forward = (young.visits * expect_actions(policies[1], old.A)).sum()
    backward = (old.visits * expect_actions(policies[0], young.A)).sum()
    return PerformanceDifference(young.J - old.J, float(forward), -float(backward))


def tv_improvement_bound(mdp: MDP, pi: Any, new: Any, *, span: bool = True) -> ImprovementBound:
    """J(new) - J is within ``(2 gamma eps / (1 - gamma)) sum_s visits(s) TV(s)`` of L.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pi, new : (S, A) array_like
    span : bool
        Put the span of h for 2 eps, which is sharper; False is as published.

    Returns
    -------
    ImprovementBound
        ``constants``: "eps" = max |h|, "span" of h, "mean_tv" by the normalised d, "gamma". The
        same penalty bounds J(new) - J from above: ``gain + penalty``.

    Raises
    ------
    ModelError
        If the model is not discounted; as `surrogate`.

    Notes
    -----
    Achiam et al. (2017), theorem 1; the mean over d of their text is ``(1 - gamma) visits``.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> found = tv_improvement_bound(mdp, [[0.5, 0.5]], [[0.25, 0.75]], span=False)
    >>> found.gain, found.penalty, found.lower
    (0.5, 0.25, 0.25)
    """
    here, policy, h = _around(mdp, pi, new, "tv_improvement_bound")
    time = 1 / (1 - mdp.gamma)
    tv = _tv(mdp, here.pi, policy)
    eps, width = float(np.abs(h).max()), float(h.max() - h.min())
    mean_tv = float(here.weights @ tv)
    size = width if span else 2 * eps
    constants = {"eps": eps, "span": width, "mean_tv": mean_tv, "gamma": mdp.gamma}
    return _bound(
        here.gain(policy),
        mdp.gamma * size * time**2 * mean_tv,
        constants,
        f"J' - J >= L - (gamma {'sp(h)' if span else '2 max|h|'} / (1 - gamma)^2) E_d TV; Achiam "
        f"et al. (2017), theorem 1{', span form' if span else ''}",
    )


def max_divergence_bound(
    mdp: MDP, pi: Any, new: Any, *, divergence: str = "tv"
) -> ImprovementBound:
    """J(new) - J >= L less a constant times the largest squared TV, or the largest KL(pi || new).

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pi, new : (S, A) array_like
    divergence : {"tv", "kl", "kl_published"}
        ``4 gamma eps / (1 - gamma)^2 max TV^2``; with Pinsker's inequality ``2 gamma eps / (1 -
        gamma)^2 max KL``; or, as published, twice that. eps = max |A|.

    Returns
    -------
    ImprovementBound
        ``constants``: "eps", "C" in front of the divergence, "max_divergence" and "gamma".

    Raises
    ------
    ModelError
        If the model is not discounted or the divergence another one; as `surrogate`.

    Notes
    -----
    Schulman et al. (2015), theorem 1: ``|h| <= 2 eps TV``, because h is 0 at pi.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> max_divergence_bound(mdp, [[0.5, 0.5]], [[0.25, 0.75]]).lower
    0.25
    """
    here, policy, _ = _around(mdp, pi, new, "max_divergence_bound")
    factors = {"tv": 4.0, "kl": 2.0, "kl_published": 4.0}
    if divergence not in factors:
        raise ModelError(
            f"divergence is {divergence!r:.80}; it must be 'tv', 'kl' or 'kl_published'."
        )
    A = here.evaluation.A[mdp.allowed]
    eps = float(np.abs(A).max())
    if divergence == "tv":
        largest = float(_tv(mdp, here.pi, policy).max()) ** 2
    else:
        largest = here.max_kl(policy)
    C = factors[divergence] * mdp.gamma * eps / (1 - mdp.gamma) ** 2
    constants = {"eps": eps, "C": C, "max_divergence": largest, "gamma": mdp.gamma}
    penalty = C * largest if C else 0.0  # nothing is lost where nothing is at stake
    return _bound(
        here.gain(policy),
        penalty,
        constants,
        f"J' - J >= L - {factors[divergence]:g} gamma max|A| / (1 - gamma)^2 max "
        f"{'TV^2' if divergence == 'tv' else 'KL'}; Schulman et al. (2015), theorem 1",
    )


def mixture_bound(mdp: MDP, pi: Any, new: Any, weight: float) -> ImprovementBound:
    """What a small step towards ``new`` gains: of ``(1 - weight) pi + weight new`` over pi.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pi, new : (S, A) array_like
    weight : float in [0, 1]
        How much of ``new`` is mixed in; alpha in the papers.

    Returns
    -------
    ImprovementBound
        Of the mixture, not of ``new``: ``gain`` is ``weight L(new)``. ``constants``: "eps" = max
        |h|, "mean_advantage" = (1 - gamma) L(new), "weight", "gamma".

    Raises
    ------
    ModelError
        If the model is not discounted, or weight outside; as `surrogate`.

    Notes
    -----
    Kakade and Langford (2002), theorem 4.1, with values that are not normalised: ``weight L - 2
    weight^2 gamma eps / ((1 - gamma) (1 - gamma (1 - weight)))``. At time t a mixture has acted as
    pi all along with probability (1 - weight)^t; only the rest can lose.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> found = mixture_bound(mdp, [[0.5, 0.5]], [[0.0, 1.0]], 0.5)
    >>> found.gain, round(found.lower, 6)
    (0.5, 0.166667)
    """
    here, policy, h = _around(mdp, pi, new, "mixture_bound")
    alpha = number_or_nan(weight)
    if not 0 <= alpha <= 1:
        raise ModelError(f"weight is {weight!r:.80}; it must be a number in [0, 1].")
    eps, L = float(np.abs(h).max()), here.gain(policy)
    lasting = (1 - mdp.gamma) * (1 - mdp.gamma * (1 - alpha))
    constants = {
        "eps": eps,
        "mean_advantage": (1 - mdp.gamma) * L,
        "weight": alpha,
        "gamma": mdp.gamma,
    }
    return _bound(
        alpha * L,
        2 * alpha**2 * mdp.gamma * eps / lasting,
        constants,
        "J_mix - J >= a L - 2 a^2 gamma max|h| / ((1 - gamma)(1 - gamma(1 - a))); Kakade and "
        "Langford (2002), theorem 4.1",
    )


def clipped_bound(mdp: MDP, pi: Any, new: Any, epsilon: float) -> ImprovementBound:
    """J(new) - J >= L - gamma eps epsilon / (1 - gamma)^2 if all ratios are within epsilon of 1.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pi, new : (S, A) array_like
        With ``1 - epsilon <= new / pi <= 1 + epsilon`` at every pair of a live state.
    epsilon : float >= 0

    Returns
    -------
    ImprovementBound
        ``constants``: "eps" = max |h|, "epsilon", "gamma".

    Raises
    ------
    ModelError
        If the model is not discounted; if a ratio lies outside: the first is named. PPO's clipping
        does not keep ratios inside by itself, so this says nothing about PPO as such.

    Notes
    -----
    TV is at most epsilon / 2 then; put that into `tv_improvement_bound`.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> clipped_bound(mdp, [[0.5, 0.5]], [[0.25, 0.75]], 0.5).lower
    0.25
    """
    here, policy, h = _around(mdp, pi, new, "clipped_bound")
    width = number_or_nan(epsilon)
    if not 0 <= width < np.inf:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a number >= 0.")
    slack = 4 * EPS * (1 + width)
    off = np.abs(policy - here.pi) - (width + slack) * here.pi
    bad = np.argwhere((off > 0) & ~mdp.terminal[:, None])
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"new / pi is {policy[s, a]:.6g} / {here.pi[s, a]:.6g} for action "
            f"{mdp.name_of_action(a)} in state {mdp.name_of_state(s)}: not within epsilon = "
            f"{width:g} of 1, as this bound assumes of every pair. Use tv_improvement_bound."
        )
    eps = float(np.abs(h).max())
    constants = {"eps": eps, "epsilon": width, "gamma": mdp.gamma}
    return _bound(
        here.gain(policy),
        mdp.gamma * eps * width / (1 - mdp.gamma) ** 2,
        constants,
        "J' - J >= L - gamma max|h| epsilon / (1 - gamma)^2 where |pi'/pi - 1| <= epsilon",
    )


def _around(mdp: MDP, pi: Any, new: Any, function: str) -> tuple[Surrogate, FloatSA, FloatS]:
    """The surrogate at pi, the checked new policy, and h (S,): 0 on terminal states."""
    check_served(mdp, function, "discounted", instead=DISCOUNTED)
    policy = check_policy(mdp, new)
    here = surrogate(mdp, pi)
    h = np.where(mdp.terminal, 0.0, expect_actions(policy, here.evaluation.A))
    return here, policy, h


def _tv(mdp: MDP, pi: FloatSA, new: FloatSA) -> FloatS:
    """Half the sum of |new - pi| in each state; 0 on terminal states."""
    half: FloatS = np.abs(new - pi).sum(axis=1) / 2
    return np.where(mdp.terminal, 0.0, half)


def _bound(
    gain: float, penalty: float, constants: dict[str, float], theorem: str
) -> ImprovementBound:
    return ImprovementBound(gain - penalty, gain, penalty, constants, theorem)
