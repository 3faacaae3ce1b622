"""The linear solve behind evaluate: its L is no smaller than the longest time there is."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP
from mdptools.evaluation import _stationary
from mdptools.structure import transient_states
from mdptools.testing.strategies import mdps, policies
from properties import Case


@settings(max_examples=150)
@given(data=st.data())
def test_no_state_lasts_longer(data):
    """L >= max E[(discounted) time], against exact fractions, for both truths.

    Seen failing: with `top` alone for top / (1 - e), over 2^-40 exits.
    """
    mdp = data.draw(mdps(objective=("discounted", "total")))
    pi = data.draw(policies(mdp))
    kept = ~mdp.terminal if mdp.gamma < 1 else transient_states(mdp, pi)
    found = _stationary.solve(mdp, pi, kept, mdp.mu)
    for truth in Case(mdp).truths:
        exact = oracles.evaluate(truth, pi, truth.normalised)
        assert exact.L <= found.time or not kept.any()
    assert not found.V[~kept].any() and not found.visits[~kept].any()


@settings(max_examples=60)
@given(data=st.data())
def test_what_leaves_the_kept_states_is_worth_nothing(data):
    """States outside are ends: V of the others is that of a model where they are terminal.

    Seen failing: with the whole chain solved.
    """
    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99, min_states=2, terminal=False))
    pi = data.draw(policies(mdp))
    kept = np.arange(mdp.n_states) > 0
    found = _stationary.solve(mdp, pi, kept, mdp.mu)
    truth = Case(mdp).truths[0]
    policy = [[oracles.fraction(x) for x in row] for row in pi]
    chain, rewards = oracles.chain_of(truth, policy)
    states = range(1, truth.n_states)
    matrix = [[int(s == t) - truth.gamma * chain[s][t] for t in states] for s in states]
    exact = oracles.solve_exact(matrix, [[rewards[s]] for s in states])
    truth = oracles.floats(exact).ravel()
    assert np.abs(found.V[1:] - truth).max() <= 1e-11 * max(1.0, np.abs(truth).max())


def test_an_exit_that_float64_can_hardly_see_has_no_bound():
    """Two doors of 2^-40 take 2^80 steps: the check of w fails, and L says so.

    Seen failing: with L = max(w).
    """
    stay, pass_on = 1 - 2**-40, 2**-40
    P = [[[stay, pass_on, 0]], [[stay, 0, pass_on]], [[0, 0, 1]]]
    mdp = MDP(P, [[1.0], [0.0], [0.0]], gamma=1.0)
    found = _stationary.solve(mdp, np.ones((3, 1)), ~mdp.terminal, mdp.mu)
    assert found.time == math.inf
