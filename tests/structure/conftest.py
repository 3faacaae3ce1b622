"""Random small models whose successors are known as plain sets."""

import itertools

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import sparse

from mdptools import MDP

# A seed for each model: drawn number by number they stay so small and so alike that hardly any of
# them has a question worth asking. The models are small enough to be read without shrinking.
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def _models(draw, max_states=5, max_actions=3, phases=1):
    """A model, and its successors {(s, a): set} as they were drawn, for oracles to read.

    Some actions are refused, some states terminal, some probabilities 1e-300; dense or sparse.
    With ``phases`` > 1 a state goes to states of the next phase only (state % phases) and nothing
    is terminal.
    """
    rng = np.random.default_rng(draw(SEEDS))
    n_states = int(rng.integers(phases, max_states + 1))
    n_actions = int(rng.integers(1, max_actions + 1))
    states = np.arange(n_states)
    terminal = states[(rng.random(n_states) < 0.3) & (phases == 1)]
    tiny = draw(st.booleans())
    P = np.zeros((n_states, n_actions, n_states))
    steps = {}
    for s, a in itertools.product(range(n_states), range(n_actions)):
        if a and rng.random() < 0.2:
            continue  # refused; action 0 exists everywhere
        nexts = states[(states - s - 1) % phases == 0]
        drawn = [s] if s in terminal else rng.choice(nexts, rng.integers(1, 4)).tolist()
        steps[s, a] = set(drawn)
        P[s, a, drawn] = 1e-300 if tiny else 1 / len(steps[s, a])
        if tiny:
            P[s, a, drawn[0]] = 1.0
    allowed = np.zeros((n_states, n_actions), dtype=bool)
    allowed[tuple(zip(*steps, strict=True))] = True
    R = allowed * np.where(np.isin(states, terminal), 0.0, 1.0)[:, None]
    if draw(st.booleans()):
        P = sparse.csr_array(P.reshape(-1, n_states))
    return MDP(P, R, gamma=0.9, allowed=allowed, terminal=terminal), steps


@st.composite
def _pair_sets(draw, steps):
    """All pairs, or some of them."""
    rng = np.random.default_rng(draw(SEEDS))
    share = rng.choice([0.4, 0.8, 1.0])
    return {pair for pair in sorted(steps) if rng.random() < share}


@st.composite
def _few_states(draw, mdp):
    """At most two states: with more, most questions about reaching them are easy."""
    rng = np.random.default_rng(draw(SEEDS))
    return set(rng.choice(mdp.n_states, rng.integers(3)).tolist())


@st.composite
def _policies(draw, mdp, steps):
    """A policy, and the set of pairs that it takes; some with probability 1e-300."""
    rng = np.random.default_rng(draw(SEEDS))
    pi = np.zeros((mdp.n_states, mdp.n_actions))
    used = set()
    for s in range(mdp.n_states):
        actions = rng.permutation([a for z, a in sorted(steps) if z == s])
        taken = actions[: rng.integers(1, len(actions) + 1)]
        pi[s, taken] = 1e-300
        pi[s, taken[0]] = 1.0
        used |= {(s, int(a)) for a in taken}
    return pi, used


@pytest.fixture(scope="session")
def models():
    """The strategy of models, as a function."""
    return _models


@pytest.fixture(scope="session")
def pair_sets():
    """The strategy of sets of pairs of a model with those steps."""
    return _pair_sets


@pytest.fixture(scope="session")
def few_states():
    """The strategy of small sets of states of a model."""
    return _few_states


@pytest.fixture(scope="session")
def policies():
    """The strategy of policies of a model with those steps."""
    return _policies


@pytest.fixture(scope="session")
def mask():
    """The (S, A) mask of a set of pairs."""

    def of_pairs(mdp, pairs):
        marks = np.zeros((mdp.n_states, mdp.n_actions), dtype=bool)
        for s, a in pairs:
            marks[s, a] = True
        return marks

    return of_pairs
