"""The strategies: what they can produce, what they shrink to, and that all of it is valid."""

import itertools
import math
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, given, seed, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import oracles
from mdptools import MDP, ModelError, RewardLaw, Softmax, check_policy, structure
from mdptools.model import dumps
from mdptools.testing.strategies import (
    OBJECTIVES,
    distributions,
    logits,
    mdps,
    policies,
    stochastic_matrices,
)

NAMES = {"MDP": MDP, "RewardLaw": RewardLaw, "csr_array": csr_array, "nan": math.nan}


def first(mdp):
    """The policy of the first allowed actions."""
    return np.eye(mdp.n_actions)[mdp.allowed.argmax(axis=1)]


def has_tie(mdp):
    """Two optimal actions in a live state, decided exactly."""
    ties = oracles.optimal_actions(mdp, normalise_rows=True) & ~mdp.terminal[:, None]
    return bool((ties.sum(axis=-1) > 1).any())


def has_equal_actions(mdp):
    """In some live state all allowed actions, two or more, are the same: a tie whatever counts."""
    P = mdp.P.toarray() if hasattr(mdp.P, "toarray") else mdp.P
    P = P.reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    return any(
        len(menu) > 1 and (P[s, menu] == P[s, menu[0]]).all() and len(set(mdp.R[s, menu])) == 1
        for s in np.flatnonzero(~mdp.terminal)
        for menu in [np.flatnonzero(mdp.allowed[s])]
    )


def has_two_rewards(mdp):
    """One successor of one pair pays twice, differently."""
    law = mdp.branches
    return bool(((np.diff(law.row) == 0) & (np.diff(law.next_state) == 0)).any())


def has_twins(mdp):
    """The first and the last action are the same in some state that is not terminal."""
    P = mdp.P.toarray() if hasattr(mdp.P, "toarray") else mdp.P
    P = P.reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    return mdp.n_actions > 1 and any(
        (P[s, 0] == P[s, -1]).all()
        and mdp.R[s, 0] == mdp.R[s, -1]
        and mdp.allowed[s, [0, -1]].all()
        for s in np.flatnonzero(~mdp.terminal)
    )


def has_twin_states(mdp):
    """Two states that are not terminal have the same rows, rewards and mask."""
    P = mdp.P.toarray() if hasattr(mdp.P, "toarray") else mdp.P
    P = P.reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    live = np.flatnonzero(~mdp.terminal)
    return any(
        all((x[s] == x[t]).all() for x in (P, mdp.R, mdp.allowed))
        for i, s in enumerate(live)
        for t in live[:i]
    )


def probabilities(mdp):
    """The positive entries of P."""
    return mdp.branches.prob


def sums(mdp):
    """The exact sum of each row of an allowed pair."""
    return [sum(row) for rows in oracles.fractions_of(mdp).P for row in rows if any(row)]


FOUND = {
    "a periodic chain": ({}, lambda m: max(structure.period(m, first(m))) > 1),
    "a tie": ({"objective": "discounted"}, has_tie),
    "an improper policy": (
        {"objective": "total"},
        lambda m: m.terminal.any() and not structure.every_policy_proper(m),
    ),
    "only proper policies": (
        {"objective": "total"},
        lambda m: m.n_states > 1 and structure.every_policy_proper(m),
    ),
    "several recurrent classes": ({}, lambda m: not structure.is_unichain(m, first(m))),
    "a transient state": ({}, lambda m: structure.transient_states(m, first(m)).any()),
    "a refused action": ({}, lambda m: not m.allowed.all()),
    "an unreachable state": ({}, lambda m: not structure.reachable(m).all()),
    "several rewards on one successor": ({}, has_two_rewards),
    "duplicate actions": ({}, has_twins),
    "duplicate states": ({}, has_twin_states),
    "deterministic rows alone": ({}, lambda m: m.n_states > 2 and structure.is_deterministic(m)),
    "a terminal state": ({}, lambda m: m.terminal.any()),
    "an absorbing state that is not terminal": (
        {"objective": "discounted"},
        lambda m: m.n_states > 1 and any(
            c.tolist() == [s] for s in np.flatnonzero(~m.terminal)
            for c in structure.recurrent_classes(m, first(m))
        ),
    ),
    "a probability of 1e-12": ({}, lambda m: probabilities(m).min() < 1.1e-12),
    "a row that does not sum to one": ({}, lambda m: any(total != 1 for total in sums(m))),
    "gamma 0": ({"objective": "discounted"}, lambda m: m.gamma == 0),
    "gamma near 1": ({"objective": "discounted"}, lambda m: m.gamma > 0.99),
    "a horizon with gamma 1": ({"objective": "finite"}, lambda m: m.gamma == 1 and m.horizon > 1),
    "a reward at the end": (
        {"objective": "finite"},
        lambda m: m.final is not None and m.final.any(),
    ),
    "a sparse model": ({}, lambda m: not m.facts.dense),
    "an end component to rest in": (
        {"objective": "total"},
        lambda m: any((m.R[c.pairs[:, 0], c.pairs[:, 1]] == 0).all()
                      for c in structure.end_components(m)),
    ),
}  # fmt: skip


@cache
def drawn(kinds):
    """300 models of those kinds; they are as independent as Hypothesis makes them."""
    models = []

    @settings(max_examples=300, phases=[Phase.generate])
    @given(mdps(**dict(kinds)))
    def keep(mdp):
        models.append(mdp)

    keep()
    return models


@pytest.mark.parametrize("what", FOUND)
def test_within_100_draws_there_is(what):
    """With probability 0.99: 5 of 100 models have it (0.95^100 < 0.01).

    Seen failing: with each of these left out of the drawing in turn: point masses, decimal rows,
    1e-12, masks, laws, sparse models, duplicate states.
    """
    kinds, holds = FOUND[what]
    models = drawn(tuple(kinds.items()))
    assert sum(bool(holds(mdp)) for mdp in models) >= 0.03 * len(models)


NAMED = {
    "a periodic chain": lambda m: any(
        max(structure.period(m, np.eye(m.n_actions)[list(actions)])) > 1
        for actions in itertools.product(*(np.flatnonzero(row) for row in m.allowed))
    ),
    "a tie": lambda m: (
        has_equal_actions(m) or (m.objective in ("discounted", "finite") and has_tie(m))
    ),
    "an improper policy": lambda m: m.terminal.any() and not structure.every_policy_proper(m),
    "a multichain model": lambda m: not structure.is_unichain(m, first(m)),
    "a state unreachable from mu": lambda m: not structure.reachable(m).all(),
}


def test_each_is_among_100_models():
    """Of plain `mdps()`: 5 of 100 have it or more (0.95^100 < 0.01).

    Of 600, from six seeds: 94 were the fewest. Not in each hundred, since Hypothesis draws what is
    like the model before.

    Seen failing: with those kinds left to chance that have bits of their own.
    """
    counts = dict.fromkeys(NAMED, 0)

    def look(mdp):
        for what, holds in NAMED.items():
            counts[what] += bool(holds(mdp))

    for block in range(6):
        some = settings(max_examples=100, phases=[Phase.generate], derandomize=False)
        seed(block)(some(given(mdps())(look)))()
    assert min(counts.values()) >= 30, counts


def smallest_of(strategy, holds=lambda x: True, seed=0):
    """What `find` shrinks to, without the explanation that takes most of its time."""
    quick = settings(max_examples=1000, phases=[Phase.generate, Phase.shrink])
    return find(strategy, holds, settings=quick, random=Random(seed))


SMALLEST = [
    ({}, lambda m: True, "MDP([[[1.0]]], [[0.0]], gamma=0.5)"),
    (
        {"objective": "discounted"},
        lambda m: not structure.reachable(m).all(),
        "MDP([[[1.0, 0.0]], [[1.0, 0.0]]], [[0.0], [0.0]], gamma=0.5, mu=[1.0, 0.0])",
    ),
    (
        {"objective": "total"},
        lambda m: m.terminal.any() and not structure.every_policy_proper(m),
        "MDP([[[1.0, 0.0]], [[0.0, 1.0]]], [[0.0], [1.0]], gamma=1.0)",
    ),
    (
        {"objective": "discounted"},
        lambda m: max(structure.period(m, first(m))) > 1,
        "MDP([[[0.0, 1.0]], [[1.0, 0.0]]], [[0.0], [0.0]], gamma=0.5)",
    ),
    (
        {"objective": "discounted"},
        lambda m: m.terminal.any(),
        "MDP([[[1.0, 0.0]], [[1.0, 0.0]]], [[0.0], [0.0]], gamma=0.5)",
    ),
    (
        {"objective": "discounted"},
        lambda m: not m.allowed.all(),
        "MDP([[[0.0], [1.0]]], [[0.0, 0.0]], gamma=0.5, allowed=[[False, True]])",
    ),
    (
        {"objective": "discounted"},
        lambda m: np.abs(m.R).max() > 3,
        "MDP([[[1.0]]], [[4.0]], gamma=0.5)",
    ),
    (
        {"objective": "discounted"},
        has_tie,
        "MDP([[[1.0], [1.0]]], [[0.0, 0.0]], gamma=0.5)",
    ),
    (
        {"objective": "discounted"},
        lambda m: not structure.is_unichain(m, first(m)),
        "MDP([[[1.0, 0.0]], [[0.0, 1.0]]], [[0.0], [0.0]], gamma=0.5)",
    ),
]


@pytest.mark.parametrize(("kinds", "holds", "smallest"), SMALLEST)
def test_shrinks_to_the_smallest(kinds, holds, smallest):
    """Few states, one action, point masses, whole rewards, zeros.

    Seen failing: with no more draws than a model needs, and with rewards counted from the smallest.
    """
    smaller = eval(smallest, NAMES)
    found = [smallest_of(mdps(**kinds), holds, seed) for seed in range(3)]
    assert all(mdp.n_states <= smaller.n_states + 1 for mdp in found)
    assert min(map(size, found)) <= size(smaller)


def size(mdp):
    """What shrinks: states, actions, what else there is, branches, how many pay."""
    features = (
        mdp.law is not None,
        not mdp.facts.dense,
        not mdp.allowed.all(),
        mdp.final is not None,
    )
    rewards = mdp.branches.reward
    return mdp.n_states, mdp.n_actions, sum(features), len(rewards), np.count_nonzero(rewards)


@given(mdp=mdps(max_states=5))
@settings(max_examples=200)
def test_every_model_is_as_small_as_was_asked_and_its_repr_makes_it_again(mdp):
    """To the last bit, law and storage included; `dumps` as a whole program too.

    Seen failing: with the law left out of the repr.
    """
    assert mdp.n_states <= 5 and mdp.n_actions <= 3
    assert np.abs(mdp.branches.reward).max() <= 10
    assert (mdp.horizon or 1) <= 6
    again = eval(repr(mdp), NAMES)
    assert again.equals(mdp)
    scope = {}
    exec(dumps(mdp), scope)
    assert scope["mdp"].equals(mdp)


@pytest.mark.parametrize("objective", OBJECTIVES)
@given(data=st.data())
@settings(max_examples=30)
def test_the_objective_is_the_one_asked_for(objective, data):
    """Seen failing: with gamma of the discounted kind given to all."""
    mdp = data.draw(mdps(objective=objective, min_gamma=0.25, max_gamma=0.75))
    assert mdp.objective == objective
    if objective in ("total", "average"):
        assert mdp.gamma == 1
    else:
        assert 0.25 <= mdp.gamma <= 0.75 or (objective == "finite" and mdp.gamma == 1)


@given(data=st.data())
@settings(max_examples=60)
def test_what_is_asked_for_is_always_there(data):
    """And what is refused never.

    Seen failing: with terminal=True, refused=True and several_rewards=True left to chance in turn.
    """
    several = {"objective": ("discounted", "finite"), "min_states": 2}
    mdp = data.draw(mdps(**several, refused=True, sparse=True, final=True))
    assert not mdp.allowed.all() and not mdp.facts.dense
    assert (mdp.final is not None) == (mdp.horizon is not None)
    mdp = data.draw(mdps(**several, terminal=True, several_rewards=True))
    assert mdp.terminal.any()
    assert mdp.terminal.all() or has_two_rewards(mdp)
    mdp = data.draw(mdps(**several, twins=True, refused=False, exact=True))
    assert has_twins(mdp) or mdp.terminal.all()
    assert mdp.allowed.all() and all(total == 1 for total in sums(mdp))
    mdp = data.draw(
        mdps(terminal=False, refused=False, twins=False, several_rewards=False, sparse=False,
             final=False, mu=False)
    )  # fmt: skip
    assert not mdp.terminal.any() and mdp.allowed.all() and mdp.law is None and mdp.facts.dense
    assert mdp.final is None and (mdp.mu == 1 / mdp.n_states).all()


@given(data=st.data())
@settings(max_examples=80)
def test_policies_and_logits_fit_their_model(data):
    """Seen failing: with weight on refused pairs; with one policy for all times for timed=True."""
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp))
    assert check_policy(mdp, pi) is pi  # read-only float64, rows sum to one
    assert data.draw(policies(mdp, mixed=False)).max(axis=-1).min() == 1
    if mdp.horizon is not None:
        assert data.draw(policies(mdp, timed=True)).shape == (mdp.horizon, *mdp.R.shape)
        assert data.draw(policies(mdp, timed=False)).shape == mdp.R.shape
    theta = data.draw(logits(mdp, largest=3.0))
    assert theta.shape == mdp.R.shape and np.abs(theta).max() <= 3.0
    assert not theta[~mdp.allowed].any()
    check_policy(mdp, Softmax(mdp).probs(theta))


@given(data=st.data(), n=st.integers(1, 6))
@settings(max_examples=80)
def test_distributions_sum_to_one(data, n):
    """Exactly, where that was asked for.

    Seen failing: with decimal weights among the exact ones.
    """
    p = data.draw(distributions(n))
    assert p.shape == (n,) and (p >= 0).all() and abs(p.sum() - 1) <= 4 * n * 2.0**-52
    exact = data.draw(distributions(n, exact=True))
    assert sum(oracles.fraction(x) for x in exact) == 1


@given(data=st.data(), n_rows=st.integers(1, 4), n_columns=st.integers(1, 4))
@settings(max_examples=60)
def test_rows_of_stochastic_matrices_sum_to_one(data, n_rows, n_columns):
    """Exactly, where that was asked for; square if no number of columns is given.

    Seen failing: with decimal weights among the exact ones; with the sizes exchanged.
    """
    P = data.draw(stochastic_matrices(n_rows, n_columns))
    assert P.shape == (n_rows, n_columns) and (P >= 0).all()
    assert np.abs(P.sum(axis=1) - 1).max() <= 4 * n_columns * 2.0**-52
    exact = data.draw(stochastic_matrices(n_rows, exact=True))
    assert exact.shape == (n_rows, n_rows)
    assert all(sum(oracles.fraction(x) for x in row) == 1 for row in exact)


def test_distributions_policies_and_logits_shrink():
    """Seen failing: with codes counted from the other end."""
    mdp = MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.5, allowed=[[False, True, True]])
    assert smallest_of(distributions(3)).tolist() == [1, 0, 0]
    assert sorted(smallest_of(distributions(3), lambda p: p.max() < 1)) == [0, 0.5, 0.5]
    assert smallest_of(stochastic_matrices(2)).tolist() == [[1, 0], [1, 0]]
    assert smallest_of(policies(mdp)).tolist() == [[0, 1, 0]]
    assert smallest_of(policies(mdp), lambda pi: pi[0, 1] < 1).tolist() == [[0, 0, 1]]
    assert smallest_of(logits(mdp)).tolist() == [[0, 0, 0]]


def test_a_failing_example_prints_as_code():
    """What Hypothesis shows can be pasted: not fields, not arrays of eight digits.

    Seen failing: without `MDP._repr_pretty_`.
    """

    @settings(max_examples=100, database=None)
    @given(mdps(objective="discounted"))
    def claim(mdp):
        assert mdp.n_states < 2

    with pytest.raises(AssertionError) as caught:
        claim()
    note = "\n".join(caught.value.__notes__)
    code = note[note.index("MDP(") : note.index("gamma=0.5)") + len("gamma=0.5)")]
    assert eval(code, NAMES).n_states == 2


@pytest.mark.parametrize(
    ("kinds", "match"),
    [
        ({"min_states": 3, "max_states": 2}, "min_states is 3 and max_states 2"),
        ({"min_states": 0}, "min_states is 0"),
        ({"max_actions": 0}, "max_actions is 0"),
        ({"max_horizon": 0}, "max_horizon 0"),
        ({"max_gamma": 1.0}, "max_gamma 1.0: .* < 1 is needed"),
        ({"min_gamma": 0.9, "max_gamma": 0.5}, "min_gamma is 0.9"),
        ({"max_reward": -1.0}, "max_reward is -1.0"),
        ({"max_reward": math.nan}, "max_reward is nan"),
        ({"objective": "cheapest"}, "objective is 'cheapest'"),
        ({"objective": ()}, r"objective is \(\)"),
        ({"refused": True, "max_actions": 1}, "need max_actions >= 2"),
        ({"terminal": True, "max_states": 1}, "needs max_states >= 2"),
        ({"terminal": True, "objective": "average"}, "besides 'average'"),
        ({"several_rewards": True, "max_reward": 0}, "needs max_reward > 0"),
        ({"extreme": True, "max_reward": 0}, "needs max_reward > 0"),
        ({"min_actions": 4}, "min_actions is 4, max_actions is 3"),
        ({"tied": True, "max_actions": 1}, "tied=True needs max_actions >= 2"),
        ({"tied": True, "refused": True, "max_actions": 2}, ">= 3 with refused=True"),
        ({"tiny": True, "deterministic": True}, "deterministic=True allows none"),
        ({"chain": "round"}, "chain is 'round'; it must be one of"),
        ({"chain": "unichain", "twin_states": True}, "cannot be asked for together"),
        ({"chain": "ergodic", "terminal": True}, "chain='ergodic': no state is left"),
        ({"chain": "ergodic", "deterministic": True}, "periodic chains alone"),
        ({"chain": "proper", "terminal": False}, "chain='proper' needs terminal states"),
        ({"chain": "improper", "objective": "average"}, "besides 'average'"),
        ({"chain": "multichain", "max_states": 1}, "max_states is 1; what else .* needs 2 states"),
        ({"twin_states": True, "max_states": 1}, "needs 2 states"),
        ({"chain": "improper", "tiny": True, "max_states": 2}, "needs 3 states"),
    ],
)
def test_what_no_model_is_like_is_refused(kinds, match):
    """When the strategy is made, not when it is drawn from.

    Seen failing: with the check of the sizes taken out; with nan accepted for max_reward.
    """
    with pytest.raises(ModelError, match=match):
        mdps(**kinds)


def test_other_arguments_are_checked():
    """Seen failing: with the check of n taken out."""
    with pytest.raises(ModelError, match="n is 0"):
        distributions(0)
    with pytest.raises(ModelError, match="n_rows is 2 and n_columns 0"):
        stochastic_matrices(2, 0)
    with pytest.raises(ModelError, match="largest is 0"):
        logits(MDP([[[1.0]]], [[0.0]], 0.5), largest=0)
