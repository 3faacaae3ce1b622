"""What is asked of `mdps` is there: chain classes, and degenerate structure of each kind."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import oracles
from mdptools import structure
from mdptools.testing.strategies import CHAINS, mdps


def deterministic_policies(mdp):
    """All of them: the classes are defined by these."""
    for actions in itertools.product(*(np.flatnonzero(row) for row in mdp.allowed)):
        yield np.eye(mdp.n_actions)[list(actions)]


def rows(mdp):
    """P as (S, A, S)."""
    P = mdp.P.toarray() if hasattr(mdp.P, "toarray") else mdp.P
    return P.reshape(mdp.n_states, mdp.n_actions, mdp.n_states)


def terminates(mdp):
    """Whether each policy enters a terminal state, by its recurrent classes."""
    return all(
        mdp.terminal[members].all()
        for pi in deterministic_policies(mdp)
        for members in structure.recurrent_classes(mdp, pi)
    )


HOLDS = {
    "communicating": lambda m: (
        np.linalg.matrix_power(np.eye(m.n_states) + rows(m).sum(axis=1), m.n_states) > 0
    ).all(),
    "unichain": lambda m: all(structure.is_unichain(m, pi) for pi in deterministic_policies(m)),
    "ergodic": lambda m: all(
        structure.period(m, pi) == (1,) and not structure.transient_states(m, pi).any()
        for pi in deterministic_policies(m)
    ),
    "multichain": lambda m: any(
        not structure.is_unichain(m, pi) for pi in deterministic_policies(m)
    ),
    "absorbing": lambda m: all(
        len(members) == 1
        for pi in deterministic_policies(m)
        for members in structure.recurrent_classes(m, pi)
    ),
    "proper": lambda m: m.terminal.any() and terminates(m),
    "improper": lambda m: m.terminal.any() and not terminates(m),
}

BESIDES = {
    "nothing else": {},
    "deterministic": {"deterministic": True},
    "not deterministic": {"deterministic": False},
    "tied": {"tied": True},
    "refused": {"refused": True, "several_rewards": True, "twins": True, "sparse": True},
    "total": {"objective": "total", "exact": True},
}


@pytest.mark.parametrize("besides", BESIDES)
@pytest.mark.parametrize("chain", CHAINS)
def test_the_chains_are_of_the_class_that_was_asked_for(chain, besides):
    """By enumeration of all deterministic policies.

    Seen failing: with the rows left as drawn, for each class in turn; with the first action alone
    changed for "unichain"; without the loop of state 0 for "ergodic"; with one block for
    "multichain"; with further terminal states for "improper"; with the states renumbered and the
    outcomes not.
    """
    if (chain, besides) == ("ergodic", "deterministic"):
        pytest.skip("there are no such models; `mdps` says so")
    kinds = BESIDES[besides]

    @settings(max_examples=25, phases=[Phase.generate])
    @given(mdps(chain=chain, **kinds))
    def claim(mdp):
        assert HOLDS[chain](mdp)
        if "deterministic" in kinds:
            assert structure.is_deterministic(mdp) == kinds["deterministic"]
        if "refused" in kinds:
            assert not mdp.allowed.all()
        if "tied" in kinds:
            assert has_equal_actions(mdp)

    claim()


def has_equal_actions(mdp):
    """In some state that is not terminal all allowed actions, two or more, do the same."""
    P = rows(mdp)
    return any(
        len(menu) > 1 and (P[s, menu] == P[s, menu[0]]).all() and len(set(mdp.R[s, menu])) == 1
        for s in np.flatnonzero(~mdp.terminal)
        for menu in [np.flatnonzero(mdp.allowed[s])]
    )


@pytest.mark.parametrize("chain", ["unichain", "multichain", "absorbing", "proper", "improper"])
def test_the_sink_is_not_always_the_same_state(chain):
    """Seen failing: without the renumbering."""
    seen = set()

    @settings(max_examples=100, phases=[Phase.generate])
    @given(mdps(chain=chain, min_states=3, max_states=3, objective="discounted", max_actions=1))
    def look(mdp):
        classes = structure.recurrent_classes(mdp, np.ones((3, 1)))
        seen.update(classes[0].tolist())

    look()
    assert len(seen) > 1


@given(data=st.data())
@settings(max_examples=60)
def test_degenerate_structure_on_demand(data):
    """Duplicate states, ties that are decided exactly, probabilities of 1e-12, or none.

    Seen failing: with twin_states=True, tied=True, tiny=True and tiny=False left to chance in turn;
    with the twin of a terminal state led to the first one.
    """
    mdp = data.draw(mdps(twin_states=True))
    first, last = rows(mdp)[[0, -1]]
    if not mdp.terminal[0]:
        assert (first == last).all()
    assert (mdp.R[0] == mdp.R[-1]).all() and (mdp.allowed[0] == mdp.allowed[-1]).all()
    assert mdp.terminal[0] == mdp.terminal[-1]
    assert mdp.final is None or mdp.final[0] == mdp.final[-1]
    tied = data.draw(mdps(objective="discounted", tied=True, exact=True))
    best = oracles.optimal_actions(tied) & ~tied.terminal[:, None]
    assert (best.sum(axis=1) > 1).any()
    assert data.draw(mdps(tiny=True)).branches.prob.min() < 1.1e-12
    assert data.draw(mdps(tiny=False, several_rewards=False)).branches.prob.min() > 0.01


def test_extreme_rewards_differ_by_many_orders_of_magnitude():
    """And are as large as was asked for at most.

    Seen failing: with ten thousandths instead of decades.
    """
    spans = []

    @settings(max_examples=100, phases=[Phase.generate])
    @given(mdps(extreme=True, max_reward=1e6))
    def look(mdp):
        sizes = np.abs(mdp.branches.reward[mdp.branches.reward != 0])
        assert (sizes <= 1e6).all()
        spans.append(sizes.max() / sizes.min() if len(sizes) else 1)

    look()
    assert max(spans) > 1e9
    assert np.mean(np.array(spans) > 1e3) > 0.2


@given(mdp=mdps(exact=True))
@settings(max_examples=60)
def test_exact_models_are_models_of_rational_numbers(mdp):
    """Rows of fractions sum to one.

    Seen failing: with decimal weights among the exact ones.
    """
    truth = oracles.fractions_of(mdp)
    assert all(sum(row) == 1 for state in truth.P for row in state if any(row))
    assert sum(truth.mu) == 1 or len(set(truth.mu)) <= 2  # the uniform one over three is rounded


@given(mdp=mdps(min_actions=2, max_actions=2, min_states=2, max_states=2))
@settings(max_examples=40)
def test_sizes_can_be_fixed(mdp):
    """Seen failing: with min_actions left out of the drawing."""
    assert mdp.R.shape == (2, 2)
