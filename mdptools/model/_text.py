"""A model as text: a short line, or code that makes it again.

Takes     an MDP.
Gives     str; HTML for notebooks.
Not here  results as text (report), files (interop).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernel
from ..arrays import BoolSA, FloatArray, IntArray
from ..checks import check_model
from ..markup import ROWS, Html, facts, table
from ..words import count
from . import _door

if TYPE_CHECKING:
    from ._mdp import MDP

SHORT_ABOVE = 8  # states
SUCCESSORS = 4  # of one pair that are shown


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


def sizes(mdp: MDP) -> str:
    """Sizes and objective in a line: "16 states, 4 actions; discounted, gamma 0.99"."""
    objective = {
        "discounted": f"discounted, gamma {mdp.gamma:.12g}",
        "finite": f"horizon {mdp.horizon}" + f", gamma {mdp.gamma:.12g}" * (mdp.gamma < 1),
        "total": "total reward, gamma 1",
        "average": "average reward",
    }[mdp.objective]
    return f"{count(mdp.n_states, 'state')}, {count(mdp.n_actions, 'action')}; {objective}"


def in_words(mdp: MDP, marked: BoolSA, s: int) -> str:
    """The actions that are marked in a state: "left or right", "any of the 4", "(terminal)"."""
    if mdp.terminal[s]:
        return "(terminal)"
    actions = np.flatnonzero(marked[s])
    n_allowed = int(mdp.allowed[s].sum())
    if len(actions) == n_allowed > 2:
        return f"any of the {n_allowed}"
    words = [f"{a}" if mdp.action_names is None else mdp.action_names[a] for a in actions]
    return " or ".join(words)


def start(mdp: MDP) -> str:
    """Where an episode starts: "from state 0"."""
    starts = np.flatnonzero(mdp.mu)
    if len(starts) == 1:
        return f"from state {mdp.name_of_state(int(starts[0]))}"
    same = np.ptp(mdp.mu[starts]) < 1e-12
    return f"the {'' if same else 'weighted '}mean over {len(starts):,} start states"


def shown(mdp: MDP) -> Iterator[Html]:
    """What a notebook shows of a model."""
    ends, starts = np.flatnonzero(mdp.terminal), np.flatnonzero(mdp.mu)
    yield facts(
        [
            ("model", sizes(mdp)),
            ("starts in", _some_states(mdp, starts)),
            ("terminal", _some_states(mdp, ends)),
            ("refused", count(refused, "pair") if (refused := int((~mdp.allowed).sum())) else ""),
            *(("note", note) for note in mdp.notes),
        ]
    )
    yield pairs(mdp, ROWS)


def pairs(mdp: MDP, most: int) -> Html:
    """A table of the first pairs: what they pay, and where they lead."""
    # a few rows of P alone: the whole of it may be large
    some = np.arange(min(mdp.n_states, max(1, most // mdp.n_actions)))
    rows = (some[:, None] * mdp.n_actions + np.arange(mdp.n_actions)).reshape(-1)
    part = kernel.of_rows(kernel.take(mdp.P, rows), mdp.n_actions)
    row, successor, prob = kernel.branches(part)
    return table(
        ["state", "action", "reward", "leads to"],
        (
            [
                mdp.name_of_state(s),
                mdp.name_of_action(a),
                float(mdp.R[s, a]),
                _successors(mdp, successor[at], prob[at]),
            ]
            for s, a in np.argwhere(mdp.allowed[some]).tolist()
            for at in [row == s * mdp.n_actions + a]
        ),
        most=most,
        total=int(mdp.allowed.sum()),
        what="pair",
    )


def _some_states(mdp: MDP, states: IntArray) -> str:
    """The names of a few states, and how many more there are."""
    if len(states) == mdp.n_states:
        return "all states"
    some = ", ".join(mdp.name_of_state(int(s)) for s in states[:SUCCESSORS])
    more = len(states) - SUCCESSORS
    return some + (f" and {count(more, 'more state')}" if more > 0 else "")


def _successors(mdp: MDP, states: IntArray, prob: FloatArray) -> str:
    """Where a pair leads: "0.9: 3, 0.1: 4"."""
    some = ", ".join(
        f"{p:.4g}: {mdp.name_of_state(int(s))}"
        for s, p in zip(states[:SUCCESSORS], prob[:SUCCESSORS], strict=True)
    )
    more = len(states) - SUCCESSORS
    return some + (f" and {more} more" if more > 0 else "")
