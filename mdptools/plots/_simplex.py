"""Learning on the simplex: how the probabilities of three actions move in one state.

Takes     an MDP, sequences of policies, a state with three actions.
Gives     axes: a triangle whose corners are the actions, paths over shades of J.
Source    J by `evaluate`, policy by policy.
Not here  running (studies), fields of arrows (`_vector_field`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..policies import check_policy
from ._heat import bar
from ._marks import (
    as_paths,
    check_labels,
    dots_every,
    draw_path,
    legend_below,
    names_of,
    shades,
    words_for_dots,
)
from ._style import GREY, TEXT, THIN, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = float(np.sqrt(0.75))
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, HEIGHT]])
FINE = 24
"""Points on an edge at which J is computed, less one."""
LEVELS = 10
FAR = 4.0
"""J is shaded down to so many times the distance of the largest from the upper three quarters."""
SUMS = 1e-8  # how far from 1 probabilities may sum


def simplex(
    mdp: MDP, policies: Any, *, state: int | None = None, labels: Any = None, ax: Any = None
) -> Axes:
    """Paths of the policy in one state with three actions, over shades of J.

    Parameters
    ----------
    mdp : MDP
    policies : (T+1, S, A) array, or a list of them
        What an algorithm went through: ``run.trace.pi`` of a study.
    state : int, optional
        In which state; can be left out if only one has three actions.
    labels : list of str, optional
        A name for each path.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes
        A point is ``sum_a pi(a | state) corner_a``.

    Raises
    ------
    ModelError
        If the state has not three actions, or a path is no sequence of policies of the model.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    The shades are J of all policies that differ from the last one of the first path in this state
    only; where J is not defined they are left out. Dots stand at equal numbers of updates, so that
    they are far apart where learning is fast. A path starts at its hollow circle. Time: 325
    evaluations, a third of a second for small models.

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> from mdptools.studies import GradientAscent, run_study
    >>> mdp = bandit([1.0, 0.7, 0.0]).with_objective(gamma=0.0)
    >>> made = run_study(mdp, GradientAscent(1.0), 60)
    >>> ax = simplex(mdp, made[0].trace.pi, labels=["softmax"])
    >>> [text.get_text() for text in ax.texts]
    ['arm 0', 'arm 1', 'arm 2']
    """
    check_model(mdp)
    s, actions = _state(mdp, state)
    paths = _paths(mdp, policies)
    names = check_labels(labels, len(paths))
    last = paths[0][-1]
    last = check_policy(mdp, last / last.sum(axis=1, keepdims=True))
    axes = new_axes(ax, size=(5.0, 4.4), layout="compressed")
    _shade(axes, mdp, last, s, actions)
    axes.plot(*CORNERS[[0, 1, 2, 0]].T, color=GREY, linewidth=THIN, zorder=3)
    every = dots_every(max(len(path) for path in paths) - 1)
    for i, (path, name) in enumerate(zip(paths, names, strict=True)):
        draw_path(axes, path[:, s, actions] @ CORNERS, i, every=every, label=name)
    _name_corners(axes, mdp, actions)
    alone = np.count_nonzero(~mdp.terminal) == 1
    where = "" if alone else f"in state {names_of(mdp.state_names, mdp.n_states)[s]}, "
    finish(axes, x="", y="", title=where + words_for_dots(every))
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(-0.1, HEIGHT + 0.1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    legend_below(axes, points=4.0)
    return axes


def _state(mdp: MDP, state: Any) -> tuple[int, IntArray]:
    """The state, and its three actions."""
    counts = np.where(mdp.terminal, 0, mdp.allowed.sum(axis=1))
    if state is None:
        three = np.flatnonzero(counts == 3)
        if len(three) != 1:
            found = f"{len(three)} states that have three" if len(three) else "no state that has"
            cure = "say which: state=" if len(three) else _CURE
            raise ModelError(f"a simplex has three actions, and the model has {found}: {cure}")
        state = int(three[0])
    whole = isinstance(state, (int, np.integer)) and not isinstance(state, bool)
    if not (whole and 0 <= state < mdp.n_states):
        raise ModelError(f"state is {state!r:.80}; it must be a state, 0 to {mdp.n_states - 1}.")
    if counts[state] != 3:
        raise ModelError(
            f"state {mdp.name_of_state(state)} has {counts[state]} actions to choose from, and a "
            f"simplex has three: {_CURE}"
        )
    return int(state), np.flatnonzero(mdp.allowed[state])


_CURE = "for two, draw pi[:, s, a] against the updates; for more, name another state."


def _paths(mdp: MDP, policies: Any) -> list[FloatArray]:
    """Checked, as arrays (T+1, S, A)."""
    found = as_paths(policies, "policies", 3)
    if not found:
        raise ModelError("policies is empty; it must be an array (T+1, S, A), or a list of them.")
    for i, path in enumerate(found):
        shape = (mdp.n_states, mdp.n_actions)
        if path.ndim != 3 or path.shape[1:] != shape or not len(path):
            raise ModelError(
                f"policies[{i}] has shape {path.shape}; it must be (T+1, S, A) with (S, A) = "
                f"{shape}: one policy for each update."
            )
        bad = ~((np.abs(path.sum(axis=2) - 1) <= SUMS) & (path >= 0).all(axis=2))
        if bad.any():
            t, s = (int(k) for k in np.argwhere(bad)[0])
            raise ModelError(
                f"policies[{i}][{t}] is {path[t, s]} in state {mdp.name_of_state(s)}: these are no "
                f"probabilities. Parameters become some by family.probs(theta)."
            )
    return found


def _shade(axes: Axes, mdp: MDP, pi: FloatSA, s: int, actions: IntArray) -> None:
    """J over the triangle, with a bar that tells it."""
    from matplotlib.tri import Triangulation

    weights = np.array([(FINE - i - j, i, j) for j in range(FINE + 1) for i in range(FINE + 1 - j)])
    J = np.array([_return(mdp, pi, s, actions, w) for w in weights / FINE])
    known = np.isfinite(J)
    if not known.any() or np.ptp(J[known]) <= 1e-12 * np.abs(J[known]).max():
        return
    x, y = (weights / FINE @ CORNERS).T
    mesh = Triangulation(x, y)
    mesh.set_mask(~known[mesh.triangles].all(axis=1))
    levels = _levels(J[known])
    low = bool(J[known].min() < levels[0])
    J = np.where(known, J, levels[0])
    drawn = axes.tricontourf(
        mesh, J, levels, cmap=shades(), extend="min" if low else "neither", zorder=0
    )
    look: Any = {"colors": "white", "linewidths": 0.8, "linestyles": "solid"}
    axes.tricontour(mesh, J, levels, zorder=1, **look)
    bar(axes, drawn, "$J$ [reward units]")


def _levels(J: FloatArray) -> FloatArray:
    """Round numbers, up to the largest J and down to the least; not to what is far below the rest.

    Where episodes may hardly end J falls beyond all bounds in a corner.
    """
    from matplotlib.ticker import MaxNLocator

    high, low = float(J.max()), float(J.min())
    most = high - FAR * (high - float(np.quantile(J, 0.25)))
    low = max(low, most) if most < high else low
    return np.asarray(MaxNLocator(LEVELS).tick_values(low, high), dtype=np.float64)


def _return(mdp: MDP, pi: FloatSA, s: int, actions: IntArray, weights: FloatArray) -> float:
    """J with these probabilities in the state; nan where it is not defined."""
    table = np.array(pi)
    table[s, actions] = weights
    try:
        return evaluate(mdp, table).J
    except ModelError:
        return np.nan


def _name_corners(axes: Axes, mdp: MDP, actions: IntArray) -> None:
    """The actions, where they are certain."""
    names = names_of(mdp.action_names, mdp.n_actions)
    for a, corner, up in zip(actions, CORNERS, (-8, -8, 8), strict=True):
        axes.annotate(
            names[a], tuple(corner), (0, up), textcoords="offset points", fontsize=TEXT,
            ha="center", va="top" if up < 0 else "bottom",
        )  # fmt: skip
