"""Rule: what a study iterates.

Takes     a model, and what the rule remembers: theta, a table of values, or weights.
Gives     the protocol, and what all policy rules share.
Not here  the rules themselves (`_gradient_rules`, `_value_rules`, ...), watching them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA
from ..bellman import backup, expect_actions
from ..certificates import backup_roundoff, mixing_roundoff
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy
from ..structure import recurrent_classes


class Rule(Protocol):
    """A deterministic iteration on a model, without any sampling: a small frozen object.

    Attributes
    ----------
    name : str
        What a report calls it, with its step size if it has one.
    kind : {"policy", "value"}
        "policy": x are parameters of a policy, and `values` are exact. "value": x is a table of
        values or weights of features, and `values` are what the rule claims.
    """

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def kind(self) -> str:
        """Either "policy" or "value"."""

    def start(self, mdp: MDP) -> FloatArray:
        """The first x.

        Parameters
        ----------
        mdp : MDP

        Returns
        -------
        array
            In the shape that `step` keeps.
        """

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next x: a new array, the same for the same arguments.

        Parameters
        ----------
        mdp : MDP
        x : array
        t : int
            How many steps were done before this one; step sizes that change look at it.
        found : Evaluation, optional
            ``evaluate(mdp, rule.policy(mdp, x))``, from who has it already: then no policy rule
            with a tabular softmax evaluates again. The others take no harm.

        Returns
        -------
        array
        """

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy at x, (S, A) or (H, S, A).

        Parameters
        ----------
        mdp : MDP
        x : array

        Returns
        -------
        (S, A) or (H, S, A) array
            Rows sum to one.
        """

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """What the rule takes for the values at x, reward units.

        Parameters
        ----------
        mdp : MDP
        x : array

        Returns
        -------
        (S,) array
            Exact V of the policy for policy rules; at time 0 if the model has a horizon.
        """

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The size of step t, if it can be said without x.

        Parameters
        ----------
        mdp : MDP
        t : int

        Returns
        -------
        float or None
            None where there is none, or where it depends on x (line search, adaptive steps).
        """


class PolicyRule(ABC):
    """What policy rules share: exact values. The methods are those of `Rule`."""

    __slots__ = ()

    kind: ClassVar[str] = "policy"

    @property
    @abstractmethod
    def name(self) -> str:
        """What a report calls it."""

    @abstractmethod
    def start(self, mdp: MDP) -> FloatArray:
        """The first x."""

    @abstractmethod
    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next x."""

    @abstractmethod
    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy at x."""

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """V of the policy, (S,) reward units; at time 0 if the model has a horizon."""
        V = evaluated(mdp, self.policy(mdp, x)).V
        return V if V.ndim == 1 else V[0]

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """None: there is no step size."""
        return None


def evaluated(mdp: MDP, pi: FloatSA, found: Evaluation | None = None) -> Evaluation:
    """The evaluation of a policy that a rule may take a step from.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    found : Evaluation, optional
        Of pi, if it is known.

    Returns
    -------
    Evaluation
        With finite visits and values.

    Raises
    ------
    ModelError
        As `evaluate`; if the policy can rest for ever without reward; average reward: if it has
        several recurrent classes, for then a better gain and a better bias are two questions.
    """
    check_model(mdp)
    if found is None:
        found = evaluate(mdp, check_policy(mdp, pi))
    if mdp.objective == "total":
        stays = np.flatnonzero(~np.isfinite(found.V) | ~np.isfinite(found.visits))
        if len(stays):
            raise ModelError(
                f"a step needs finite values and visits: this policy can rest for ever in state "
                f"{mdp.name_of_state(int(stays[0]))}. Use gamma < 1 or horizon=, or start from "
                f"another policy."
            )
    if mdp.objective == "average":
        count = len(recurrent_classes(mdp, pi))
        if count > 1:
            raise ModelError(
                f"a step needs one recurrent class, this policy has {count}. Start from a policy "
                f"with one class, or use gamma < 1."
            )
    return found


def action_values(mdp: MDP, pi: FloatSA, found: Evaluation | None = None) -> tuple[FloatSA, float]:
    """Q of a policy, without its visits, and a bound on the error of Q.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
        A policy of the model; not checked.
    found : Evaluation, optional
        Of pi, if it is known.

    Returns
    -------
    Q : (S, A) or (H, S, A) array, reward units
        -inf at refused pairs.
    bound : float, reward units

    Raises
    ------
    ModelError
        As `evaluated`.

    Notes
    -----
    Discounted: one LU factorisation, one solve, one backup, which is half of an evaluation.
    ``|V - V^pi| <= max |sum_a pi Q - V| / (1 - gamma)`` with the round-off of both sides added.
    """
    check_model(mdp)
    if found is not None or mdp.objective != "discounted":
        found = evaluated(mdp, pi, found)
        return found.Q, found.certificate.bound
    V = np.zeros(mdp.n_states)
    live = ~mdp.terminal
    if live.any():
        chain = kernel.restrict(kernel.mix(mdp.P, pi), live)
        V[live] = kernel.Resolvent(chain, mdp.gamma).solve(expect_actions(pi, mdp.R)[live])
    Q = backup(mdp, V)
    return Q, error_of_q(mdp, pi, V, Q)


def error_of_q(mdp: MDP, pi: FloatSA, V: FloatS, Q: FloatSA) -> float:
    """How far the backup Q of V can be from Q^pi, in any pair, of a discounted model.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    V : (S,) array, reward units
        0 on terminal states.
    Q : (S, A) array, reward units
        -inf at refused pairs.

    Returns
    -------
    float, reward units
        ``max |sum_a pi Q - V| / (1 - gamma)`` and the round-off of both sides.
    """
    residual = float(np.abs(expect_actions(pi, Q) - V)[~mdp.terminal].max(initial=0.0))
    bound = mdp.facts.time * (residual + mixing_roundoff(mdp, pi, V, Q))
    return bound + backup_roundoff(mdp, float(np.abs(V).max()))
