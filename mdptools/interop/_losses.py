"""What a format cannot say: listed in one error, or left out by name.

Takes     an MDP, what a format can say, what the caller drops.
Gives     nothing, or a ModelError; a model in which every action is allowed.
Not here  writing (the file of each format).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray
from ..errors import ModelError
from ..model import MDP

_WORDS = {
    "average": "the objective average reward",
    "horizon": "the horizon",
    "final": "rewards for where the horizon ends",
    "mu": "the initial distribution",
    "allowed": "refused actions",
    "terminal": "which states are terminal (it is none or others that a reader finds)",
    "law": "rewards that are drawn",
    "reward_std": "noise on the rewards",
    "state_names": "names of states",
    "action_names": "names of actions",
    "layout": "the layout",
}


def _found(mdp: MDP) -> MDP:
    """The model as a reader makes it that has nothing but P, R, law, mask and objective."""
    keep = ("P", "R", "gamma", "horizon", "average", "final", "allowed", "reward_std", "law")
    return MDP(**{name: getattr(mdp, name) for name in keep})


_HAS: dict[str, Callable[[MDP], Any]] = {
    "average": lambda mdp: mdp.average,
    "horizon": lambda mdp: mdp.horizon is not None,
    "final": lambda mdp: mdp.final is not None,
    "mu": lambda mdp: not np.array_equal(mdp.mu, _default_mu(mdp)),
    "allowed": lambda mdp: not mdp.facts.all_allowed,
    "terminal": lambda mdp: not np.array_equal(mdp.terminal, _found(mdp).terminal),
    "law": lambda mdp: mdp.law is not None,
    "reward_std": lambda mdp: mdp.reward_std is not None and mdp.reward_std.any(),
    "state_names": lambda mdp: mdp.state_names is not None,
    "action_names": lambda mdp: mdp.action_names is not None,
    "layout": lambda mdp: mdp.layout is not None,
}


def _default_mu(mdp: MDP) -> FloatArray:
    live = ~mdp.terminal if not mdp.terminal.all() else mdp.terminal
    uniform: FloatArray = live / live.sum()
    return uniform


def check_losses(
    mdp: MDP,
    function: str,
    drop: Any,
    *,
    says: Collection[str] = (),
    cannot: Collection[str] = (),
) -> tuple[str, ...]:
    """The names to drop, if they are all that the model has beyond ``says``.

    ``cannot`` names parts of ``says`` that this very model goes beyond.
    """
    given = (drop,) if isinstance(drop, str) else tuple(drop)
    for word in given:
        if word not in _WORDS:
            raise ModelError(f"drop names {word!r:.80}; it can name {', '.join(_WORDS)}.")
    lost = [
        word
        for word, has in _HAS.items()
        if word not in given and (word in cannot or (word not in says and has(mdp)))
    ]
    if lost:
        what = ", ".join(f"{word} ({_WORDS[word]})" for word in lost)
        raise ModelError(
            f"{function} cannot say all of this model. What would be lost: {what}. To leave it out "
            f"pass drop={(*given, *lost)!r}."
        )
    return given


def all_allowed(mdp: MDP) -> MDP:
    """The model with every refused pair made a copy of the first allowed one of its state.

    Optimal values stay what they are.
    """
    if mdp.facts.all_allowed:
        return mdp
    first = np.argmax(mdp.allowed, axis=1)
    source = np.where(mdp.allowed, np.arange(mdp.n_actions), first[:, None])
    rows = (np.arange(mdp.n_states)[:, None] * mdp.n_actions + source).reshape(-1)
    kept: dict[str, Any] = {f.name: getattr(mdp, f.name) for f in dataclasses.fields(mdp) if f.init}
    law, noise = mdp.law, mdp.reward_std
    if law is not None:
        pick = np.concatenate([np.arange(law.offsets[i], law.offsets[i + 1]) for i in rows])
        counts = np.diff(law.offsets)[rows]
        law = type(law)(
            np.concatenate(([0], np.cumsum(counts))),
            law.next_state[pick],
            law.reward[pick],
            law.prob[pick],
        )
    kept |= {
        "P": kernel.of_rows(kernel.take(mdp.P, rows), mdp.n_actions),
        "R": mdp.R.reshape(-1)[rows].reshape(mdp.R.shape),
        "reward_std": None if noise is None else noise.reshape(-1)[rows].reshape(mdp.R.shape),
        "law": law,
        "allowed": None,
    }
    return MDP(**kept)


def rewards_of_successors(mdp: MDP) -> FloatArray | None:
    """The reward of each nonzero of P, in row order; None where a successor has two."""
    row, successor, _ = kernel.branches(mdp.P)
    if mdp.law is None:
        of_pairs: FloatArray = mdp.R.reshape(-1)[row]
        return of_pairs
    keys = mdp.law.row * mdp.n_states + mdp.law.next_state
    places, first, index = np.unique(keys, return_index=True, return_inverse=True)
    if (mdp.law.reward[first][index.reshape(-1)] != mdp.law.reward).any():
        return None
    if not np.array_equal(places, row * mdp.n_states + successor):
        return None
    rewards: FloatArray = mdp.law.reward[first]
    return rewards
