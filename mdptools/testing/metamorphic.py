"""Metamorphic testing: what must agree between a model and its transforms, whatever is true.

Takes     anybody's solver, evaluator or gradient, as a function of a model.
Gives     an AssertionError with the smallest model on which two of its answers do not fit together.
Source    the statements of `mdptools.transforms`; Chen, Cheung and Yiu (1998) for the idea.
Not here  comparing with the truth (planning, evaluation): nothing here knows it.

A relation makes a new model from a model and a number, and says how the answers belong together. So
a solver is asked twice, and compared with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ..arrays import FloatArray
from ..errors import ModelError
from ..model import MDP, dumps
from ..transforms import (
    Answers,
    add_time,
    affine_rewards,
    discount_as_termination,
    mix_actions,
    relabel,
    restrict,
    shape_rewards,
    split_action,
    split_state,
)
from .strategies import mdps, policies

Relation: TypeAlias = Callable[[MDP, int], tuple[MDP, Answers]]
"""A function (model, seed) that gives another model and what its answers say of the first."""

__all__ = ["RELATIONS", "Relation", "assert_metamorphic"]


def _numbers(k: int) -> np.random.Generator:
    return np.random.default_rng(k)


def _relabelled(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    rng = _numbers(k)
    return relabel(mdp, rng.permutation(mdp.n_states), rng.permutation(mdp.n_actions))


def _scaled(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    return affine_rewards(mdp, scale=float(2.0 ** _numbers(k).integers(-2, 3)))


def _shifted(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    return affine_rewards(mdp, shift=float(_numbers(k).integers(-3, 4)))


def _shaped(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    phi = _numbers(k).integers(-3, 4, mdp.n_states).astype(float)
    return shape_rewards(mdp, np.where(mdp.terminal, 0.0, phi))


def _state_twice(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    return split_state(mdp, int(_numbers(k).integers(mdp.n_states)), share=0.25)


def _action_twice(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    return split_action(mdp, int(_numbers(k).integers(mdp.n_actions)), share=0.25)


def _restricted(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    kept = mdp.allowed & (_numbers(k).random(mdp.allowed.shape) < 0.5)
    kept[~kept.any(axis=1)] = mdp.allowed[~kept.any(axis=1)]
    return restrict(mdp, kept)


def _mixed(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    rng = _numbers(k)
    table = np.where(mdp.allowed, rng.integers(1, 4, mdp.allowed.shape), 0).astype(float)
    return mix_actions(mdp, table / table.sum(axis=1, keepdims=True), 0.25)


RELATIONS: dict[str, Relation] = {
    "relabel": _relabelled,
    "scale": _scaled,
    "shift": _shifted,
    "shape": _shaped,
    "split state": _state_twice,
    "split action": _action_twice,
    "restrict": _restricted,
    "mix actions": _mixed,
    "discount as termination": lambda mdp, k: discount_as_termination(mdp),
    "add time": lambda mdp, k: add_time(mdp),
}
"""Relations by name: functions of a model and of a number that chooses among many."""

USUAL = ("relabel", "scale", "shift", "shape", "split state", "split action", "restrict")
"""Those whose new models have the objective of the old."""


def assert_metamorphic(
    solver: Callable[..., Any],
    relations: Iterable[str] | Mapping[str, Relation] = USUAL,
    models: st.SearchStrategy[MDP] | None = None,
    *,
    kind: str = "solve",
    tol: float = 1e-6,
    examples: int = 200,
) -> None:
    """Ask a solver about models and their transforms, and compare its answers with each other.

    Parameters
    ----------
    solver : callable
        ``kind="solve"``: a function of an MDP; ``"evaluate"``: of an MDP and a policy (S, A); both
        return V (S,), or an object or dictionary with ``V`` and, if it likes, ``J``.
        ``"gradient"``: of an MDP and a policy (S, A); returns dJ/dpi (S, A).
    relations : names in `RELATIONS`, or a mapping from name to function
        "discount as termination" and "add time" need a solver that serves total reward as well.
    models : strategy for MDP, optional
        Discounted models of at most 4 states, of every degenerate kind, if omitted.
    kind : {"solve", "evaluate", "gradient"}
    tol : float
        Accepted difference, relative to the largest value (and to 1).
    examples : int
        Models to try for each relation.

    Raises
    ------
    AssertionError
        With the relation, the smallest model found, as code, and the two answers.
    ModelError
        If there is no such relation or kind.

    Notes
    -----
    A relation that does not serve a model (shaping where the model has no place for it) skips it.
    No truth is needed: a wrong answer passes only if it is wrong in a way that all relations keep.

    Examples
    --------
    >>> from mdptools import value_iteration
    >>> assert_metamorphic(lambda mdp: value_iteration(mdp, tol=1e-9), ["relabel"], examples=5)
    """
    if kind not in _COMPARE:
        raise ModelError(f"kind is {kind!r:.80}; it is one of {', '.join(map(repr, _COMPARE))}.")
    if not isinstance(relations, Mapping):
        unknown = [name for name in relations if name not in RELATIONS]
        if unknown:
            raise ModelError(
                f"there is no relation {unknown[0]!r}; there are {', '.join(RELATIONS)}."
            )
        relations = {name: RELATIONS[name] for name in relations}
    drawn = mdps(max_states=4, objective="discounted", max_gamma=0.95) if models is None else models
    for name, relation in relations.items():
        _try(solver, name, relation, drawn, kind, tol, examples)


def _try(
    solver: Callable[..., Any],
    name: str,
    relation: Relation,
    models: st.SearchStrategy[MDP],
    kind: str,
    tol: float,
    examples: int,
) -> None:
    """One relation, on many models."""
    compare = _COMPARE[kind]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def search(data: st.DataObject) -> None:
        mdp = data.draw(models, label="model")
        k = data.draw(st.integers(0, 2**16), label="k")
        try:
            new, answers = relation(mdp, k)
        except ModelError:
            return  # this relation has nothing to say about this model
        pi = None if kind == "solve" else data.draw(policies(mdp), label="policy")
        wrong = compare(solver, mdp, new, answers, pi, tol)
        if wrong:
            raise AssertionError(_words(name, mdp, new, pi, wrong))

    search()


def _solved(
    solver: Any, mdp: MDP, new: MDP, answers: Answers, pi: Any, tol: float
) -> list[tuple[str, Any, Any]]:
    """V and J of the optimum: the same by `Answers`, or lower where only that is stated."""
    if "optimum" not in answers.preserves and ("V" not in answers.preserves or answers.rate):
        return []
    V, J = _read(solver(mdp), mdp)
    new_V, new_J = _read(solver(new), new)
    return _compared(mdp, new, answers, (V, J), (new_V, new_J), tol)


def _evaluated(
    solver: Any, mdp: MDP, new: MDP, answers: Answers, pi: Any, tol: float
) -> list[tuple[str, Any, Any]]:
    """V and J of a policy and of what stands for it."""
    if answers.rate and answers.steps is None:
        return []
    lifted = answers.policy(pi)
    if not np.allclose(lifted.sum(axis=-1), 1.0):
        return []  # the policy takes what the new model refuses
    V, J = _read(solver(mdp, answers.acts_as(pi)), mdp)
    new_V, new_J = _read(solver(new, lifted), new)
    return _compared(mdp, new, answers, (V, J), (new_V, new_J), tol, exact=True)


def _differentiated(
    solver: Any, mdp: MDP, new: MDP, answers: Answers, pi: Any, tol: float
) -> list[tuple[str, Any, Any]]:
    """dJ/dpi."""
    lifted = answers.policy(pi)
    if "gradient" not in answers.preserves or not np.allclose(lifted.sum(axis=-1), 1.0):
        return []
    if answers.rate:
        return []  # the same for all actions: not a difference of dJ/dpi that relations keep
    old = np.asarray(solver(mdp, answers.acts_as(pi)), dtype=np.float64)
    there = answers.gradient(np.asarray(solver(new, lifted), dtype=np.float64))
    if answers.shift is not None or answers.mixed_in is not None:
        # All of Q(s, .) is shifted alike: what is kept is the difference between actions.
        old, there = (_centred(x, mdp) for x in (old, there))
    return [] if _close(old, there, tol) else [("dJ/dpi", old, there)]


_COMPARE = {"solve": _solved, "evaluate": _evaluated, "gradient": _differentiated}


def _compared(
    mdp: MDP,
    new: MDP,
    answers: Answers,
    old: tuple[FloatArray, float | None],
    there: tuple[FloatArray, float | None],
    tol: float,
    *,
    exact: bool = False,
) -> list[tuple[str, Any, Any]]:
    """What does not fit together, as (what, expected, found)."""
    V = answers.V(old[0])
    added = answers.state < 0
    V, found = np.where(added, 0.0, V), np.where(added, 0.0, there[0])
    wrong: list[tuple[str, Any, Any]] = []
    if exact or "optimum" in answers.preserves:
        if not _close(V, found, tol):
            wrong.append(("V", V, found))
    elif answers.scale > 0 and (found > V + tol * max(1.0, float(np.abs(V).max()))).any():
        wrong.append(("V, which can only be lower,", V, found))
    both = old[1] is not None and there[1] is not None
    if both and (exact or "optimum" in answers.preserves) and old[1] is not None:
        J = answers.J(old[1], mdp.mu, new_mu=new.mu)
        if not _close(np.array(J), np.array(there[1]), tol):
            wrong.append(("J", J, there[1]))
    return wrong


def _read(answer: Any, mdp: MDP) -> tuple[FloatArray, float | None]:
    """V, and J if there is one."""
    if isinstance(answer, Mapping):
        V, J = answer["V"], answer.get("J")
    else:
        V, J = getattr(answer, "V", answer), getattr(answer, "J", None)
    values = np.asarray(V, dtype=np.float64)
    if values.shape[-1:] != (mdp.n_states,):
        raise AssertionError(
            f"the solver returned V of shape {values.shape} for a model with {mdp.n_states} states."
        )
    return values, None if J is None else float(J)


def _close(x: FloatArray, y: FloatArray, tol: float) -> bool:
    size = max(1.0, float(np.abs(x[np.isfinite(x)]).max(initial=0.0)))
    return bool(np.allclose(x, y, rtol=0.0, atol=tol * size))


def _centred(x: FloatArray, mdp: MDP) -> FloatArray:
    """Less the mean over the allowed actions of each state."""
    count = mdp.allowed.sum(axis=1, keepdims=True)
    mean = np.where(mdp.allowed, x, 0.0).sum(axis=-1, keepdims=True) / count
    return np.where(mdp.allowed, x - mean, 0.0)


def _words(name: str, mdp: MDP, new: MDP, pi: Any, wrong: list[tuple[str, Any, Any]]) -> str:
    lines = [f"the relation {name!r} does not hold."]
    for what, expected, found in wrong:
        lines.append(
            f"{what}: from the model {np.round(expected, 9)}, of the new one {np.round(found, 9)}"
        )
    lines += ["the model:", dumps(mdp)]
    if pi is not None:
        lines.append(f"the policy: {np.asarray(pi).tolist()}")
    lines += ["the new model:", dumps(new)]
    return "\n".join(lines)
