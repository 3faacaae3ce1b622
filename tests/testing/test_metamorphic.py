"""Metamorphic relations find planted mistakes of solvers without knowing any answer."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError, direct_gradient, evaluate, solve
from mdptools.testing.metamorphic import RELATIONS, assert_metamorphic
from mdptools.testing.strategies import mdps

MODELS = mdps(max_states=2, max_actions=2, objective="discounted", max_gamma=0.5, sparse=False)
SQUARE = mdps(
    min_states=2, max_states=2, max_actions=2, objective="discounted", max_gamma=0.5, sparse=False
).filter(lambda mdp: mdp.n_actions == 2)


def tensors(mdp):
    """What a user's own solver starts from."""
    return np.asarray(mdp.P), mdp.R, mdp.gamma, mdp.allowed, mdp.terminal


def plain(mdp, power=1, twice=False, index=False, mask=True, uniform=False, layout=False):
    """Value iteration as one writes it, with one mistake or none."""
    P, R, gamma, allowed, terminal = tensors(mdp)
    if layout and P.shape[0] == P.shape[1]:
        P = np.swapaxes(P, 0, 1)  # P[a, s, t] where P[s, a, t] was meant
    if twice:
        R = R + (P * terminal).sum(axis=2) * R  # what is paid on entering the end, once more
    V = np.zeros(len(P))
    for _ in range(40):  # gamma is at most 1/2
        Q = R + gamma**power * P @ V
        if mask:
            Q = np.where(allowed, Q, -np.inf)
        if index:
            Q = Q + 1e-3 * np.arange(Q.shape[1])  # to break ties; and left in the value
        V = Q.max(axis=1)
        V = np.where(terminal, 0.0, V)
    return {"V": V, "J": V.mean() if uniform else mdp.mu @ V}


def test_a_right_solver_passes():
    """Seen failing: each of the mistakes below."""
    assert_metamorphic(plain, models=MODELS, tol=1e-5, examples=40)
    assert_metamorphic(lambda mdp: solve(mdp, tol=1e-9), RELATIONS, examples=30)
    total = mdps(max_states=3, objective="finite", max_horizon=3)
    assert_metamorphic(solve, ["relabel", "shape", "split state"], total, examples=40)


MISTAKES = {
    "wrong discount power": {"power": 2},
    "terminal reward counted twice": {"twice": True},
    "ties broken by index in the value": {"index": True},
    "mask ignored": {"mask": False},
    "mu ignored": {"uniform": True},
    "(A, S, S) taken for (S, A, S)": {"layout": True},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_solver_is_found_without_an_oracle(mistake):
    """Seen failing: with only "scale" as a relation."""
    options = MISTAKES[mistake]
    models = SQUARE if mistake.startswith("(A") else MODELS
    with pytest.raises(AssertionError, match=r"the relation '.*' does not hold"):
        assert_metamorphic(lambda mdp: plain(mdp, **options), models=models, tol=1e-5)


def test_evaluators_and_gradients():
    """Seen failing: with V of the old policy where actions are mixed; with gradients not divided
    by the scale."""
    usual = ("relabel", "scale", "shape", "split state", "split action", "mix actions")
    assert_metamorphic(evaluate, usual, MODELS, kind="evaluate", examples=20)
    assert_metamorphic(
        lambda mdp, pi: direct_gradient(mdp, pi).value, usual, MODELS, kind="gradient", examples=20
    )

    def starts_in_state_0(mdp, pi):
        found = evaluate(mdp, pi)
        return {"V": found.V, "J": found.V[0]}

    with pytest.raises(AssertionError, match="J: from the model"):
        assert_metamorphic(starts_in_state_0, ["relabel"], MODELS, kind="evaluate")

    def without_visits(mdp, pi):
        return np.where(mdp.allowed, evaluate(mdp, pi).Q, 0.0)

    with pytest.raises(AssertionError, match="dJ/dpi"):
        assert_metamorphic(without_visits, ["split state"], MODELS, kind="gradient")


def test_a_failure_can_be_pasted():
    """Seen failing: with the repr of the model."""
    with pytest.raises(AssertionError) as error:
        assert_metamorphic(lambda mdp: plain(mdp, power=2), ["shape"], models=MODELS, tol=1e-5)
    text = str(error.value)
    assert "the model:" in text and "MDP(" in text and "the new model:" in text


def test_bad_input():
    """Seen failing: each with its check taken out."""
    with pytest.raises(ModelError, match="there is no relation 'turn'; there are relabel, scale"):
        assert_metamorphic(plain, ["turn"])
    with pytest.raises(ModelError, match="kind is 'plan'; it is one of 'solve', 'evaluate'"):
        assert_metamorphic(plain, kind="plan")
    with pytest.raises(AssertionError, match=r"returned V of shape \(1,\) for a model with"):
        assert_metamorphic(lambda mdp: [0.0], ["relabel"], SQUARE)
