"""A model as text: a short line, or code that makes it again.

Takes     an MDP.
Gives     str.
Not here  results as text (report), files (interop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernel
from ..checks import check_model
from . import _door

if TYPE_CHECKING:
    from ._mdp import MDP

SHORT_ABOVE = 8  # states


def short(mdp: MDP) -> str:
    """The repr: the whole code for up to 8 states, one line with the sizes above that."""
    if mdp.n_states <= SHORT_ABOVE:
        return _expression(mdp)
    parts = [f"S={mdp.n_states}", f"A={mdp.n_actions}", mdp.objective]
    if mdp.objective in ("discounted", "finite"):
        parts.append(f"gamma={mdp.gamma!r}")
    if mdp.horizon is not None:
        parts.append(f"horizon={mdp.horizon}")
    if mdp.terminal.any():
        parts.append(f"terminal={int(mdp.terminal.sum())}")
    if not mdp.facts.dense:
        parts.append(f"nnz={int(kernel.row_lengths(mdp.P).sum())}")
    return f"<MDP {', '.join(parts)}>"


def dumps(mdp: MDP) -> str:
    """Python code that makes the model again, to the last bit.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    str
        Imports and one expression assigned to ``mdp``.

    Examples
    --------
    >>> from mdptools import MDP
    >>> print(dumps(MDP([[[1.0]]], [[2.0]], gamma=0.5)))
    from mdptools import MDP
    <BLANKLINE>
    mdp = MDP([[[1.0]]], [[2.0]], gamma=0.5)
    """
    check_model(mdp)
    lines = []
    if not mdp.facts.dense:
        lines.append("from scipy.sparse import csr_array")
    names = "MDP" if mdp.law is None else "MDP, RewardLaw"
    lines += [f"from mdptools import {names}", "", f"mdp = {_expression(mdp)}"]
    if mdp.layout is not None and np.isnan(mdp.layout).any():
        lines.insert(0, "from math import nan")
    return "\n".join(lines)


def _expression(mdp: MDP) -> str:
    parts = [kernel.code(mdp.P), repr(mdp.R.tolist())]
    if not mdp.average:
        parts.append(f"gamma={mdp.gamma!r}")
    if mdp.horizon is not None:
        parts.append(f"horizon={mdp.horizon}")
    if mdp.average:
        parts.append("average=True")
    if not np.array_equal(mdp.mu, _door.check_mu(None, mdp.terminal)):
        parts.append(f"mu={mdp.mu.tolist()}")
    for name in ("final", "reward_std"):
        if getattr(mdp, name) is not None:
            parts.append(f"{name}={getattr(mdp, name).tolist()}")
    if not mdp.facts.all_allowed:
        parts.append(f"allowed={mdp.allowed.tolist()}")
    if not mdp.average:
        parts.append(_terminal(mdp))
    for name in ("state_names", "action_names"):
        if getattr(mdp, name) is not None:
            parts.append(f"{name}={list(getattr(mdp, name))}")
    if mdp.layout is not None:
        layout: Any = mdp.layout if isinstance(mdp.layout, tuple) else mdp.layout.tolist()
        parts.append(f"layout={layout}")
    if mdp.law is not None:
        law = mdp.law
        arrays = ", ".join(
            repr(x.tolist()) for x in (law.offsets, law.next_state, law.reward, law.prob)
        )
        parts.append(f"law=RewardLaw({arrays})")
    if mdp.notes:
        parts.append(f"notes={list(mdp.notes)}")
    return f"MDP({', '.join(part for part in parts if part)})"


def _terminal(mdp: MDP) -> str:
    """``terminal=`` where leaving it out would find something else."""
    found = type(mdp)(
        mdp.P,
        mdp.R,
        mdp.gamma,
        horizon=mdp.horizon,
        final=mdp.final,
        allowed=mdp.allowed,
        reward_std=mdp.reward_std,
        law=mdp.law,
    ).terminal
    if np.array_equal(found, mdp.terminal):
        return ""
    return f"terminal={np.flatnonzero(mdp.terminal).tolist()}"
