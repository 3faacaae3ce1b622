"""Arrays as other libraries lay them out: pymdptoolbox, QuantEcon, lists of outcomes.

Takes     an MDP, or those arrays.
Gives     those arrays, or an MDP. No layout is guessed from a shape: each function says which.
Source    pymdptoolbox 4.0 (A, S, S); QuantEcon.py's DiscreteDP, product and pair form; Gymnasium's
          toy-text tables.
Not here  the constructors of `MDP`, which read the plain ones (model); graphs (`_networkx`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import as_floats, as_numbers
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._losses import all_allowed, check_losses, rewards_of_successors


def to_pymdptoolbox(mdp: MDP, *, drop: Any = ()) -> tuple[Any, Any, float]:
    """What pymdptoolbox's classes take: transitions (A, S, S), rewards and the discount.

    Parameters
    ----------
    mdp : MDP
    drop : sequence of str
        What to leave out because the layout cannot say it: ``"mu"``, ``"allowed"`` (a refused
        action becomes a copy of the first allowed one: the optimum stays), ``"horizon"``, ``"law"``
        (two rewards on one successor become their mean), ``"state_names"``, ...

    Returns
    -------
    P : (A, S, S) array, or list of A csr_matrix (S, S) if P is sparse
    R : (S, A) array; (A, S, S), or a list of A csr_matrix, where the successor decides the reward
    gamma : float

    Raises
    ------
    ModelError
        Listing what the layout cannot say of this model and ``drop`` does not name.

    Notes
    -----
    Notes, and how P is stored, are not counted as said. Time O(S^2 A) if P is dense, O(nnz) if
    sparse.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> P, R, gamma = to_pymdptoolbox(small())
    >>> from_pymdptoolbox(P, R, gamma).equals(small())
    True
    """
    check_model(mdp)
    paid = rewards_of_successors(mdp)
    check_losses(mdp, "to_pymdptoolbox", drop, says=() if paid is None else ("law",))
    mdp = all_allowed(mdp)
    row, successor, prob = kernel.branches(mdp.P)
    P = _by_action(row, successor, prob, mdp)
    paid = rewards_of_successors(mdp)
    if mdp.law is None or paid is None:
        return P, mdp.R.copy(), mdp.gamma
    return P, _by_action(row, successor, paid, mdp), mdp.gamma


def _by_action(row: Any, successor: Any, x: Any, mdp: MDP) -> Any:
    """One number for each nonzero of P as an (S, S) matrix for each action."""
    n_states, n_actions = mdp.n_states, mdp.n_actions
    s, a = np.divmod(row, n_actions)
    if mdp.facts.dense:
        table = np.zeros((n_actions, n_states, n_states))
        table[a, s, successor] = x
        return table
    from scipy.sparse import csr_matrix

    shape = (n_states, n_states)
    chosen = [a == action for action in range(n_actions)]
    return [csr_matrix((x[k], (s[k], successor[k])), shape=shape) for k in chosen]


def from_pymdptoolbox(P: Any, R: Any, gamma: float | None = None, **keywords: Any) -> MDP:
    """The model of pymdptoolbox's arrays: one (S, S) matrix for each action.

    Parameters
    ----------
    P : (A, S, S) array_like, or sequence of A matrices (S, S), dense or SciPy sparse
    R : (S,), (S, A) or (A, S, S) array_like, or sequence of A matrices (S, S); reward units
        Dense or sparse.
    gamma, **keywords
        As for `MDP`.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If the matrices have other shapes, or are no model.

    Notes
    -----
    A square ``P`` (S = A) means something else in `MDP`: there ``P[s, a, t]``, here ``P[a, s, t]``.

    Examples
    --------
    >>> stay, move = [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]
    >>> mdp = from_pymdptoolbox([stay, move], [0.0, 1.0], 0.9)
    >>> mdp.P[0, 1]
    array([0., 1.])
    """
    if kernel.is_sparse(R):
        raise ModelError(
            "R is one sparse matrix; give an array (S, A), or a list of A matrices (S, S)."
        )
    matrices = isinstance(R, list | tuple) or getattr(R, "dtype", None) == np.dtype(object)
    if not (matrices and any(kernel.is_sparse(m) for m in R)):
        return MDP.from_action_matrices(P, R, gamma, **keywords)
    mdp = MDP.from_action_matrices(P, np.zeros(R[0].shape[0]), gamma, **keywords)
    shape = (mdp.n_states, mdp.n_states)
    if len(R) != mdp.n_actions or any(np.shape(m) != shape for m in R if not kernel.is_sparse(m)):
        raise ModelError(f"R must hold {mdp.n_actions} matrices of shape {shape}, like P.")
    from scipy.sparse import csr_array, vstack

    if any(csr_array(m).shape != shape for m in R):
        raise ModelError(f"R must hold {mdp.n_actions} matrices of shape {shape}, like P.")
    order = np.arange(mdp.R.size).reshape(mdp.n_actions, -1).T.reshape(-1)
    rewards = csr_array(vstack([csr_array(m) for m in R], format="csr"))[order]
    return MDP(mdp.P, rewards, gamma, **keywords)


def to_quantecon(mdp: MDP, *, form: str = "product", drop: Any = ()) -> tuple[Any, ...]:
    """The arguments of QuantEcon's DiscreteDP: ``DiscreteDP(*to_quantecon(mdp))``.

    Parameters
    ----------
    mdp : MDP
    form : {"product", "pairs"}
        R (S, A) with -inf where an action is refused, or one row for each allowed pair.
    drop : sequence of str
        What to leave out because the form cannot say it, as for `to_pymdptoolbox`. Refused actions
        it can say, but rewards that depend on the successor only by their mean (``"law"``).

    Returns
    -------
    product : R (S, A), Q (S, A, S), beta
        Rows of refused pairs are copies of an allowed one.
    pairs : R (L,), Q (L, S) array or csr_matrix, beta, s_indices (L,), a_indices (L,)

    Raises
    ------
    ModelError
        Listing what the form cannot say of this model and ``drop`` does not name; if ``form`` is
        another word.

    Notes
    -----
    With beta = 1 DiscreteDP accepts the model but does not solve it. The product form is dense.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> R, Q, beta = to_quantecon(small())
    >>> from_quantecon(R, Q, beta).equals(small())
    True
    """
    check_model(mdp)
    if form not in ("product", "pairs"):
        raise ModelError(f"form is {form!r:.80}; it must be 'product' or 'pairs'.")
    last_is_never_allowed = form == "pairs" and not mdp.allowed[:, -1].any()
    dropped = check_losses(
        mdp,
        f"to_quantecon(form={form!r})",
        drop,
        says=("allowed",),
        cannot=("allowed",) if last_is_never_allowed else (),
    )
    if "allowed" in dropped:
        mdp = all_allowed(mdp)
    if form == "product":
        R = np.where(mdp.allowed, mdp.R, -np.inf)
        return R, kernel.tensors([all_allowed(mdp).P])[0], mdp.gamma
    s, a = np.nonzero(mdp.allowed)
    rows: Any = kernel.take(mdp.P, s * mdp.n_actions + a)
    if not mdp.facts.dense:
        from scipy.sparse import csr_matrix

        rows = csr_matrix(rows)
    return mdp.R[s, a], rows, mdp.gamma, s, a


def from_quantecon(
    R: Any,
    Q: Any = None,
    beta: float | None = None,
    s_indices: Any = None,
    a_indices: Any = None,
    **keywords: Any,
) -> MDP:
    """The model of a DiscreteDP, or of its arguments.

    Parameters
    ----------
    R : DiscreteDP, or (S, A) or (L,) array_like, reward units
        -inf where an action is not feasible.
    Q : (S, A, S) or (L, S) array_like or SciPy sparse
    beta : float
        The discount.
    s_indices, a_indices : (L,) array_like of int, optional
        Given for the form of state-action pairs.
    **keywords
        As for `MDP`; ``n_actions`` for the form of pairs.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If the arrays do not fit together, or are no model.

    Examples
    --------
    >>> R, Q = [[5, 10], [-1, -np.inf]], [[[0.5, 0.5], [0, 1]], [[0, 1], [0.5, 0.5]]]
    >>> from_quantecon(R, Q, 0.95).allowed
    array([[ True,  True],
           [ True, False]])
    """
    if hasattr(R, "s_indices") and hasattr(R, "beta"):
        return from_quantecon(R.R, R.Q, R.beta, R.s_indices, R.a_indices, **keywords)
    if beta is None:
        raise ModelError("beta is missing: the discount of a DiscreteDP.")
    if (s_indices is None) != (a_indices is None):
        raise ModelError("give both s_indices and a_indices (pairs), or neither (product).")
    rewards = as_floats(R, "R")
    feasible = rewards != -np.inf
    if s_indices is None:
        rewards = np.where(feasible, rewards, 0.0)
        return MDP(Q, rewards, beta, allowed=feasible, **keywords)
    rows: Any = Q if kernel.is_sparse(Q) else as_numbers(Q, "Q")
    states, actions = as_numbers(s_indices, "s_indices"), as_numbers(a_indices, "a_indices")
    shapes = (rewards.shape, states.shape, actions.shape, (np.shape(rows) or (0,))[:1])
    if kernel.is_sparse(Q):
        rows = rows.tocsr()
        shapes = (*shapes[:3], rows.shape[:1])
    if len(set(shapes)) != 1 or rewards.ndim != 1:
        raise ModelError(
            f"R, Q, s_indices and a_indices must have one entry for each pair; their lengths are "
            f"{[shapes[i] for i in (0, 3, 1, 2)]}."
        )
    kept = np.flatnonzero(feasible)
    return MDP.from_pairs(states[kept], actions[kept], rows[kept], rewards[kept], beta, **keywords)


def to_outcomes(mdp: MDP, *, drop: Any = ()) -> dict[int, dict[int, list[Any]]]:
    """The model as Gymnasium's toy environments write it: ``P[s][a] = [(p, s', r, done), ...]``.

    Parameters
    ----------
    mdp : MDP
    drop : sequence of str
        What to leave out because the form cannot say it, as for `to_pymdptoolbox`. It can say the
        reward law, termination, and which actions exist.

    Returns
    -------
    dict of dict of list of (float, int, float, bool)
        Refused actions are missing. Entering a terminal state is done.

    Raises
    ------
    ModelError
        Listing what the form cannot say of this model and ``drop`` does not name.

    Notes
    -----
    The discount is no part of this form: whoever reads it gives one. `MDP.from_outcomes` reads it.
    O(branches) Python objects.

    Examples
    --------
    >>> from mdptools import MDP
    >>> coin = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=1.0)
    >>> to_outcomes(coin)
    {0: {0: [(0.5, 0, 1.0, False), (0.5, 1, 1.0, True)]}, 1: {0: [(1.0, 1, 0.0, True)]}}
    >>> MDP.from_outcomes(to_outcomes(coin), gamma=1.0).equals(coin)
    True
    """
    check_model(mdp)
    beyond = not mdp.allowed[:, -1].any() or not mdp.allowed[mdp.terminal].all()
    dropped = check_losses(
        mdp,
        "to_outcomes",
        drop,
        says=("law", "allowed"),
        cannot=("allowed",) if beyond else (),
    )
    if "allowed" in dropped:
        mdp = all_allowed(mdp)
    law = mdp.branches
    entries = list(
        zip(
            law.prob.tolist(),
            law.next_state.tolist(),
            law.reward.tolist(),
            mdp.terminal[law.next_state].tolist(),
            strict=True,
        )
    )
    table: dict[int, dict[int, list[Any]]] = {s: {} for s in range(mdp.n_states)}
    for s, a in zip(*(x.tolist() for x in np.nonzero(mdp.allowed)), strict=True):
        pair = s * mdp.n_actions + a
        table[s][a] = entries[law.offsets[pair] : law.offsets[pair + 1]]
    return table
