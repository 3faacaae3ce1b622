"""Other rewards for the same moves: scaled and shifted, shaped by a potential, costs.

Takes     an MDP; numbers, or a potential.
Gives     a new MDP and its `Answers`.
Source    Ng, Harada and Russell (1999) for shaping; formulas in the docstrings.
Not here  moves (`_copies`, `_policies`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_model, check_values, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..structure import end_components
from ._answers import STATEMENTS, Answers
from ._rebuild import Steps, build


def affine_rewards(mdp: MDP, scale: float = 1.0, shift: float = 0.0) -> tuple[MDP, Answers]:
    """Each reward r as ``scale r + shift``.

    Parameters
    ----------
    mdp : MDP
    scale : float
        Not 0. Negative: the best becomes the worst.
    shift : float, reward units
        Paid in each step from a state that is not terminal.

    Returns
    -------
    new : MDP
        Final rewards are scaled too, noise by ``|scale|``.
    answers : Answers
        V' = scale V + shift T, T the expected (discounted) number of steps. T is the same for every
        policy, and optimal policies are kept, only where nothing terminates: then
        ``1 / (1 - gamma)``, or the (discounted) number of steps that are left; for average reward
        only the gain is shifted.

    Raises
    ------
    ModelError
        If scale is 0, or a number is not finite; or if shift is not 0 and an undiscounted model
        without a horizon has no end.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> new, answers = affine_rewards(small(gamma=0.5), 2.0, 1.0)
    >>> new.R, answers.V([1.0, 2.0])
    (array([[11., 21.],
           [-1.,  5.]]), array([4., 6.]))
    """
    check_model(mdp)
    factor, added = number_or_nan(scale), number_or_nan(shift)
    if not np.isfinite(factor) or factor == 0:
        raise ModelError(f"scale is {scale!r:.80}; it must be a finite number other than 0.")
    if not np.isfinite(added):
        raise ModelError(f"shift is {shift!r:.80}; it must be a finite number.")
    ends = bool(mdp.terminal.any())
    if added and mdp.objective == "total" and not ends:
        raise ModelError(
            "shift is not 0, and this model has no end and no discount: the total reward would be "
            "infinite. Use gamma < 1, horizon= or average=True."
        )
    steps = Steps.of(mdp)
    over = mdp.terminal[steps.row // mdp.n_actions]
    new = _paying(
        mdp,
        steps._replace(reward=np.where(over, 0.0, factor * steps.reward + added)),
        final=None if mdp.final is None else factor * mdp.final,
        reward_std=None if mdp.reward_std is None else abs(factor) * mdp.reward_std,
    )
    held = set(STATEMENTS)
    if factor < 0 or (added and ends):
        held.discard("optimum")
    if added and ends:
        held -= {"gradient", "advantage"}
    return new, _identity(
        mdp,
        scale=factor,
        rate=0.0 if mdp.average else added,
        steps=None if ends and added else _steps_left(mdp),
        preserves=frozenset(held - {"J"} if mdp.average and added else held),
    )


def costs(mdp: MDP) -> tuple[MDP, Answers]:
    """Rewards with the opposite sign: the best policy of the new model is the worst of the old.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    new : MDP
    answers : Answers
        ``scale`` is -1.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> costs(small())[0].R[0]
    array([ -5., -10.])
    """
    return affine_rewards(mdp, -1.0)


def shape_rewards(mdp: MDP, phi: Any) -> tuple[MDP, Answers]:
    """Each reward r as ``r + gamma phi(s') - phi(s)``: potential-based shaping.

    Parameters
    ----------
    mdp : MDP
    phi : (S,) array_like, reward units
        0 on terminal states; for total reward also where an episode can stay for ever for nothing.

    Returns
    -------
    new : MDP
        Final rewards are ``final - phi``.
    answers : Answers
        V' = V - phi; the advantages, the optimal policies and the gradient are the same. Average
        reward: the gain is the same, and the bias becomes ``V - phi + w . phi``, w the law that the
        policy tends to from there.

    Raises
    ------
    ModelError
        If phi is not 0 on a terminal state, or where the total reward of an episode that never
        ends would depend on it; or if it does not fit the model.

    Notes
    -----
    Ng, Harada and Russell (1999), "Policy invariance under reward transformations". Along an
    episode the added rewards telescope to ``gamma^T phi(s_T) - phi(s_0)``; the first term is 0 at
    an end, paid back by ``final - phi`` at a horizon, and vanishes as T grows if gamma < 1.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> new, answers = shape_rewards(line_world(), [-13.0, -12.0, -11.0, -1.0, 0.0])  # V* itself
    >>> new.R[:, 1]  # then nothing that is optimal costs anything
    array([0., 0., 0., 0., 0.])
    """
    check_model(mdp)
    potential = check_values(phi, "phi", mdp.n_states)
    wrong = np.flatnonzero(mdp.terminal & (potential != 0))
    if len(wrong):
        s = int(wrong[0])
        raise ModelError(
            f"phi[{s}] is {potential[s]:g}, but state {mdp.name_of_state(s)} is terminal: phi must "
            f"be 0 there, or the shaping changes what policies are worth."
        )
    if mdp.objective == "total":
        _check_rest(mdp, potential)
    steps = Steps.of(mdp)
    moved = mdp.gamma * potential[steps.target] - potential[steps.row // mdp.n_actions]
    final = mdp.final
    if mdp.horizon is not None:
        final = (np.zeros(mdp.n_states) if final is None else final) - potential
    new = _paying(mdp, steps._replace(reward=steps.reward + moved), final=final)
    return new, _identity(mdp, shift=-potential, gauge=potential if mdp.average else None)


def _check_rest(mdp: MDP, potential: FloatArray) -> None:
    """Pass if phi is 0 wherever an episode can stay for ever for nothing.

    Where staying pays or costs, the total is infinite with and without the shaping.
    """
    free = mdp.allowed & ~mdp.terminal[:, None] & (mdp.R == 0)
    for component in end_components(mdp, pairs=free):
        wrong = component.states[potential[component.states] != 0]
        if len(wrong):
            s = int(wrong[0])
            raise ModelError(
                f"phi[{s}] is {potential[s]:g}, but an episode can stay at state "
                f"{mdp.name_of_state(s)} for ever for nothing, and the shaping does not telescope "
                f"to phi: phi must be 0 there, or use gamma < 1 or horizon=."
            )


def _paying(mdp: MDP, steps: Steps, **changed: Any) -> MDP:
    """The same model with other rewards on its branches."""
    kept: dict[str, Any] = {
        "mu": mdp.mu,
        "final": mdp.final,
        "terminal": () if mdp.average else mdp.terminal,
        "reward_std": mdp.reward_std,
        "state_names": mdp.state_names,
        "layout": mdp.layout,
    }
    return build(mdp, steps, mdp.n_states, mdp.n_actions, allowed=mdp.allowed, **(kept | changed))


def _steps_left(mdp: MDP) -> FloatArray | None:
    """T where nothing terminates: of every policy."""
    if mdp.average or mdp.terminal.any() or mdp.objective == "total":
        return None
    if mdp.horizon is None:
        return np.full(mdp.n_states, 1 / (1 - mdp.gamma))
    left = np.concatenate((np.cumsum(mdp.gamma ** np.arange(mdp.horizon))[::-1], [0.0]))
    return np.repeat(left[:, None], mdp.n_states, axis=1)


def _identity(mdp: MDP, **given: Any) -> Answers:
    """Answers where states and pairs stand for themselves."""
    shape = mdp.allowed.shape
    action = np.broadcast_to(np.arange(shape[1]), shape)
    return Answers(
        state=np.arange(shape[0]), action=action, share=np.ones(shape), shape=shape, **given
    )
