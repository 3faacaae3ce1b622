"""Small models with a structure: each has the property that it is there for."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError, evaluate, problems, solve
from mdptools.structure import is_acyclic, recurrent_classes


def test_the_two_cycle_is_periodic():
    """Seen failing: with a reward of 1 in both states."""
    found = solve(problems.two_cycle(), method="average_policy_iteration")
    assert abs(found.J - 0.5) <= 1e-12
    np.testing.assert_allclose(found.V, [0.25, -0.25], atol=1e-12)
    assert problems.two_cycle(gamma=0.5).objective == "discounted"


def test_the_multichain_model_has_two_gains():
    """Seen failing: with state 2 leading to state 0."""
    found = solve(problems.multichain())
    np.testing.assert_allclose(found.gain, [2, 1, 2], atol=1e-12)


def test_the_weakly_communicating_model_has_one_gain_and_two_classes():
    """Seen failing: with state 1 staying for nothing."""
    mdp = problems.weakly_communicating()
    np.testing.assert_allclose(solve(mdp).gain, [1, 1, 1], atol=1e-12)
    stays = np.repeat([[1.0, 0.0]], 3, axis=0)
    assert len(recurrent_classes(mdp, stays)) == 2


def test_an_improper_policy_is_refused_and_the_model_solved():
    """Seen failing: with a free round."""
    mdp = problems.improper()
    np.testing.assert_allclose(solve(mdp).V, [-10, -10, 0], atol=1e-12)
    with pytest.raises(ModelError, match="stays for ever in states 0, 1"):
        evaluate(mdp, [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])


def test_a_cycle_that_earns_is_infinite():
    """Seen failing: with `back` instead of `gain` as what a round earns."""
    with pytest.raises(ModelError, match=r"infinite|earn"):
        solve(problems.negative_cost_cycle())
    costs = solve(problems.negative_cost_cycle(gain=-1.0))
    np.testing.assert_allclose(costs.V, [0, -3, 0], atol=1e-12)


def test_copies_are_alike():
    """Seen failing: with copies that pay by their number."""
    mdp = problems.bisimilar(4)
    found = solve(mdp)
    assert found.optimal_actions[0].all() and np.ptp(found.V[1:]) <= 1e-12
    np.testing.assert_allclose(mdp.P[0].sum(axis=1), 1)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_the_discount_decides_where_it_says(n):
    """Seen failing: with n for n - 1 in the formula; with 10 paid at the first step."""
    breakpoint = 10.0 ** (-1 / (n - 1))
    below, above = (
        solve(problems.discount_mismatch(n, gamma=breakpoint + step)).pi[0].argmax()
        for step in (-1e-6, 1e-6)
    )
    assert (below, above) == (0, 1)


def test_what_is_seen_hides_the_action():
    """Seen failing: with the lower state seen as the end."""
    mdp, seen = problems.model_fail(), problems.model_fail_observations()
    assert seen.argmax(axis=1).tolist() == [0, 0, 0, 1] and not seen.flags.writeable
    pi = np.array([[0.75, 0.25]] * 4)
    assert abs(evaluate(mdp, pi).J - 0.5) <= 1e-12


def test_the_model_that_wins_pays_every_other_step():
    """Seen failing: with 0.4 and 0.6 exchanged for one action only."""
    pi = np.array([[0.25, 0.75]] * 3)
    J = evaluate(problems.model_win(horizon=6), pi).J
    assert abs(J - 3 * (0.25 * -0.2 + 0.75 * 0.2)) <= 1e-12


def test_layers_have_no_way_back():
    """Seen failing: with successors in the same layer; with the last layer leading to the first."""
    mdp = problems.layered(4, 3, 2, 2, rng=0)
    assert is_acyclic(mdp) and mdp.n_states == 13 and mdp.objective == "total"
    dense = mdp.P.toarray().reshape(13, 2, 13)
    for s in range(12):
        assert (dense[s].nonzero()[1] // 3 == s // 3 + 1).all()
    assert mdp.mu[:3].sum() == pytest.approx(1) and mdp.terminal.nonzero()[0].tolist() == [12]
    one = problems.layered(1, 2, 1, 1, rng=0)
    assert one.n_states == 3 and solve(one).J == pytest.approx(one.R[:2].mean())


def test_ergodic_models_mix():
    """Seen failing: with `mixing` for `mixing / n_states`; with the bound halved on 100 models."""
    for seed in range(20):
        mdp = problems.ergodic(5, 2, mixing=0.2, rng=seed)
        assert (mdp.P >= 0.2 / 5).all() and mdp.objective == "average"
        np.testing.assert_allclose(mdp.P.sum(axis=2), 1)
        assert np.ptp(solve(mdp).V) <= np.ptp(mdp.R) / 0.2 + 1e-9
    assert problems.ergodic(3, 2, gamma=0.9, rng=0).objective == "discounted"


def test_a_ring_drifts():
    """Seen failing: with left and right exchanged; with the probabilities not sorted along."""
    mdp = problems.ring(5, 3, slip=0.2, rng=0)
    right = mdp.P[np.arange(5), :, (np.arange(5) + 1) % 5]
    np.testing.assert_allclose(right, np.broadcast_to([0.1, 0.5, 0.9], (5, 3)))
    np.testing.assert_allclose(mdp.P[2, 0, [1, 3]], [0.9, 0.1])
    assert not problems.ring(1500, rng=0).facts.dense


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("polytope", {"which": "e"}, "which is 'e'; there are a, b, c, d"),
        ("forest", {"n": 1}, "n is 1; it must be at least 2"),
        ("forest", {"fire": 1.5}, "fire is 1.5; it must be a probability"),
        ("machine_replacement", {"price": np.nan}, "price is nan; it must be a finite number"),
        ("inventory", {"demand": (0.5, 0.6)}, "demand is .* must be a vector of probabilities"),
        ("access_control", {"rewards": ()}, "rewards is .* vector of finite numbers"),
        ("jacks_car_rental", {"requests": (-1.0, 2.0)}, "requests has the mean -1.0"),
        ("random_walk", {"ends": (0.0, np.inf)}, "ends is inf; it must be a finite"),
        ("gambler", {"goal": 1}, "goal is 1; it must be at least 2"),
        ("riverswim", {"n": 1}, "n is 1; it must be at least 2"),
        ("deep_sea", {"cost": "x"}, "cost is 'x'; it must be a finite"),
        ("combination_lock", {"n": 2, "code": [0, 5]}, r"code\[1\] is 5; the turns are 0 to 1"),
        ("combination_lock", {"n": 2, "code": [0]}, "code is .* must be 2 ints"),
        ("sutton_grid", {"gamma": 1.0}, r"gamma is 1.0; it must be in \[0, 1\)"),
        ("four_rooms", {"goal": (0, 0)}, r"goal is \(0, 0\); that is no free cell"),
        ("improper", {"leave": 2}, "leave is 2; it must be a probability"),
        ("bisimilar", {"copies": 0}, "copies is 0"),
        ("ergodic", {"n_states": 2, "n_actions": 1, "mixing": 0, "rng": 0}, "mixing is 0"),
        (
            "layered",
            {"n_layers": 2, "width": 2, "n_actions": 1, "branching": 3, "rng": 0},
            "branching is 3 and width 2",
        ),
        ("ring", {"n_states": 2, "rng": 0}, "n_states is 2; it must be at least 3"),
    ],
)
def test_what_cannot_be(name, options, message):
    """Seen failing: each with its check taken out."""
    with pytest.raises(ModelError, match=message):
        problems.make(name, **options)
