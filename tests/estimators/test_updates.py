"""One update: exactly the step of the formula, and exactly the expected step of its operator."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import (
    double_q_update,
    expected_sarsa_update,
    q_learning_update,
    sarsa_update,
    td_update,
)
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for

STEP = 0.3


def lab(seed):
    """A model without a horizon, two policies, a table that is not 0 on terminal states, a law."""
    mdp = discriminating_mdp(seed).with_objective()
    family, theta = policy_for(mdp, seed)
    rng = np.random.default_rng(seed)
    Q = critic_for(mdp, seed)[:, None] + rng.standard_normal((4, 2))
    d = np.where(mdp.terminal, 0.0, rng.uniform(0.2, 1.0, 4))
    return mdp, family.probs(theta), behaviour_for(mdp, seed), Q, d / d.sum()


def branches(mdp, b, d):
    """(probability, s, a, r, s', done) of one transition from s ~ d, a ~ b."""
    law = mdp.branches
    for row, s_next, r, p in zip(law.row, law.next_state, law.reward, law.prob, strict=True):
        s, a = divmod(int(row), mdp.n_actions)
        if d[s] * b[s, a] * p > 0:
            yield d[s] * b[s, a] * p, s, a, float(r), int(s_next), bool(mdp.terminal[s_next])


def backup(mdp, V):
    """R + gamma P V, with V 0 on terminal states."""
    return mdp.R + mdp.gamma * np.einsum("sat,t->sa", mdp.P, np.where(mdp.terminal, 0.0, V))


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_of_one_update_is_the_expected_step(seed):
    """E[V' - V] = step d (T_pi V - V), and likewise for Q with weights d b; by every branch.

    Seen failing: bootstrapping through done; gamma left out; the step size squared; the next value
    at the state instead of its successor; max over s for that over s'.
    """
    mdp, pi, b, Q, d = lab(seed)
    V = critic_for(mdp, seed)
    mean_V, mean = np.zeros(4), {name: np.zeros((4, 2)) for name in ("sarsa", "expected", "q")}
    for p, s, _, r, t, done in branches(mdp, pi, d):
        moved = V.copy()
        td_update(moved, s, r, t, done, STEP, mdp.gamma)
        mean_V += p * (moved - V)
    for p, s, a, r, t, done in branches(mdp, b, d):
        for a_next in range(2):
            moved = Q.copy()
            sarsa_update(moved, s, a, r, t, a_next, done, STEP, mdp.gamma)
            mean["sarsa"] += p * pi[t, a_next] * (moved - Q)
        moved = Q.copy()
        expected_sarsa_update(moved, s, a, r, t, pi[t], done, STEP, mdp.gamma)
        mean["expected"] += p * (moved - Q)
        moved = Q.copy()
        q_learning_update(moved, s, a, r, t, done, STEP, mdp.gamma)
        mean["q"] += p * (moved - Q)
    T_V = (pi * backup(mdp, V)).sum(axis=1)
    np.testing.assert_allclose(mean_V, STEP * d * (T_V - V), atol=1e-12)
    weights = STEP * d[:, None] * b
    T_pi, T_best = backup(mdp, (pi * Q).sum(axis=1)), backup(mdp, Q.max(axis=1))
    np.testing.assert_allclose(mean["sarsa"], weights * (T_pi - Q), atol=1e-12)
    np.testing.assert_allclose(mean["expected"], weights * (T_pi - Q), atol=1e-12)
    np.testing.assert_allclose(mean["q"], weights * (T_best - Q), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_true_values_do_not_move_on_the_average(seed):
    """Seen failing: bootstrapping through done from a table that is not 0 there."""
    mdp, pi, _, _, d = lab(seed)
    P_pi = np.einsum("sa,sat->st", pi, mdp.P) * ~mdp.terminal[:, None] * ~mdp.terminal
    R_pi = np.where(mdp.terminal, 0.0, (pi * mdp.R).sum(axis=1))
    V = np.linalg.solve(np.eye(4) - mdp.gamma * P_pi, R_pi)
    V[mdp.terminal] = 7.0
    mean = np.zeros(4)
    for p, s, _, r, t, done in branches(mdp, pi, d):
        moved = V.copy()
        td_update(moved, s, r, t, done, STEP, mdp.gamma)
        mean += p * (moved - V)
    np.testing.assert_allclose(mean, 0, atol=1e-14)


def test_the_line_world_by_hand():
    """1 R 2 R 3 R 4 R 5, done, with step 1/2: what a lecture puts on the board.

    Seen failing: bootstrapping through done: then Q(4, R) is 3.
    """
    Q = np.zeros((5, 2))
    Q[4] = 7.0  # the end: nobody may look there
    rewards = [-1.0, -1.0, -10.0, -1.0]
    for s, r in enumerate(rewards):
        q_learning_update(Q, s, 1, r, s + 1, s == 3, 0.5, 1.0)
    np.testing.assert_array_equal(Q[:, 1], [-0.5, -0.5, -5.0, -0.5, 7.0])
    q_learning_update(Q, 0, 1, -1.0, 1, False, 0.5, 1.0)
    assert Q[0, 1] == -0.75
    Q[3, 1] = 0.0
    q_learning_update(Q, 3, 1, -1.0, 4, False, 0.5, 1.0)  # who bootstraps through done
    assert Q[3, 1] == 3.0


def test_double_q_lets_one_table_choose_and_the_other_say():
    """Seen failing: the maximum of the other table; the other table choosing."""
    mdp, _, b, Q, d = lab(0)
    other = np.random.default_rng(9).standard_normal((4, 2))
    for _, s, a, r, t, done in branches(mdp, b, d):
        moved, kept = Q.copy(), other.copy()
        delta = double_q_update(moved, kept, s, a, r, t, done, STEP, mdp.gamma)
        best = 0 if Q[t, 0] >= Q[t, 1] else 1
        target = r + (0.0 if done else mdp.gamma * other[t, best])
        assert moved[s, a] == pytest.approx(Q[s, a] + STEP * (target - Q[s, a]), abs=1e-14)
        assert delta == pytest.approx(target - Q[s, a], abs=1e-14)
        moved[s, a] = Q[s, a]
        assert (moved == Q).all() and (kept == other).all()


def test_a_minibatch_is_all_its_moves_from_the_table_as_it_was():
    """Also where a pair occurs twice. Seen failing: with table[here] += for np.add.at."""
    mdp, pi, b, Q, d = lab(1)
    rows = list(branches(mdp, b, d)) * 2
    s, a, r, t, done = (np.array(x) for x in list(zip(*rows, strict=True))[1:])
    V = critic_for(mdp, 1)
    a_next = np.arange(len(s)) % 2
    pairs = [
        (V, lambda x, i: td_update(x, s[i], r[i], t[i], done[i], STEP, 0.9)),
        (Q, lambda x, i: sarsa_update(x, s[i], a[i], r[i], t[i], a_next[i], done[i], STEP, 0.9)),
        (Q, lambda x, i: q_learning_update(x, s[i], a[i], r[i], t[i], done[i], STEP, 0.9)),
        (
            Q,
            lambda x, i: expected_sarsa_update(
                x, s[i], a[i], r[i], t[i], pi[t[i]], done[i], STEP, 0.9
            ),
        ),
        (Q, lambda x, i: double_q_update(x, Q - 1, s[i], a[i], r[i], t[i], done[i], STEP, 0.9)),
    ]
    for table, update in pairs:
        together, expected = table.copy(), table.copy()
        deltas = update(together, slice(None))
        for i in range(len(s)):
            alone = table.copy()
            assert update(alone, i) == pytest.approx(deltas[i], abs=1e-14)
            expected += alone - table
        np.testing.assert_allclose(together, expected, atol=1e-13)


def test_refused_actions_are_never_asked():
    """-inf there. Seen failing: pi Q summed over all actions."""
    Q = np.array([[1.0, -np.inf], [2.0, -np.inf]])
    expected_sarsa_update(Q, 0, 0, 1.0, 1, np.array([1.0, 0.0]), False, 0.5, 1.0)
    assert Q[0, 0] == 2.0
    q_learning_update(Q, 0, 0, 1.0, 1, False, 0.5, 1.0)
    assert Q[0, 0] == 2.5


def test_a_table_of_integers_is_refused():
    """It would round every step. Seen failing: without the check."""
    with pytest.raises(ModelError, match="the table holds int64, which would cut each step"):
        td_update(np.zeros(2, dtype=np.int64), 0, 1.0, 1, False, 0.5, 1.0)
