"""The choice tape: code with its own randomness, exactly."""

import bisect
import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, ModelError, evaluate, rollout
from mdptools.gradients import policy_gradient
from mdptools.policies import Observation
from mdptools.testing.models import behaviour_for, discriminating_mdp, policy_for
from mdptools.verify import (
    enumerate_program,
    enumerate_trajectories,
    program_moments,
    reward_to_go_moments,
)


def law(program, digits=12):
    """Answers with their probabilities, equal ones joined."""
    found = defaultdict(float)
    for p, answer in enumerate_program(program):
        found[np.asarray(answer).tolist() if np.ndim(answer) == 0 else tuple(answer)] += p
    return {answer: round(p, digits) for answer, p in found.items()}


def stepping_gpomdp(mdp, family, theta):
    """Steps through the model as through an environment, then sums what follows each score."""
    pi, psi, branches = family.probs(theta), family.score(theta), mdp.branches

    def run(rng):
        s, steps = rng.choice(mdp.n_states, p=mdp.mu), []
        while len(steps) < mdp.horizon and not mdp.terminal[s]:
            a = rng.choice(mdp.n_actions, p=pi[s])
            row = s * mdp.n_actions + a
            here = np.arange(branches.offsets[row], branches.offsets[row + 1])
            k = here[np.searchsorted(np.cumsum(branches.prob[here]), rng.random())]
            steps.append((s, a, branches.reward[k]))
            s = branches.next_state[k]
        G, grad = 0.0, np.zeros(psi.shape[2])
        for t in reversed(range(len(steps))):
            s, a, r = steps[t]
            G = r + mdp.gamma * G
            grad += mdp.gamma**t * psi[s, a] * G
        return grad

    return run


@pytest.mark.parametrize("seed", range(3))
def test_a_sampler_of_the_gradient_that_somebody_wrote(seed):
    """Mean and covariance; choice by p, a cumulative sum searched for a uniform number.

    Seen failing: the last option of a choice not tried; conditional probabilities not divided by
    the length of the interval; an interval not narrowed after a comparison.
    """
    mdp = discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    found = program_moments(stepping_gpomdp(mdp, family, theta))
    exact = reward_to_go_moments(mdp, (family, theta))
    gradient = policy_gradient(mdp, family, theta).value
    assert np.abs(found.mean - gradient.ravel()).max() <= 1e-12
    assert np.abs(found.covariance - exact.covariance).max() <= 1e-12
    assert abs(found.mass - 1) <= 1e-12


@pytest.mark.parametrize("off_policy", [False, True])
@pytest.mark.parametrize("final", [False, True])
def test_the_toolkits_own_sampler_draws_what_enumeration_lists(off_policy, final):
    """rollout with n = 1: every trajectory, with its probability.

    Seen failing: an alias table's `keep` of the next cell; a start state too many.
    """
    mdp = discriminating_mdp(1).with_objective(horizon=2)
    if final:
        mdp = replace(mdp, final=np.array([1.0, -2.0, 0.5, 0.0]))
    policy = behaviour_for(mdp) if off_policy else policy_for(mdp)
    drawn, listed = defaultdict(float), defaultdict(float)
    for p, batch in enumerate_program(lambda rng: rollout(mdp, policy, 1, rng=rng)):
        drawn[(*batch.s[0].tolist(), *batch.a[0].tolist(), *batch.r[0].tolist())] += p
    for batch in enumerate_trajectories(mdp, policy):
        for i, p in enumerate(batch.weight):
            key = (*batch.s[i].tolist(), *batch.a[i].tolist(), *batch.r[i].tolist())
            listed[key] += float(p)
    assert drawn.keys() == listed.keys()
    assert max(abs(drawn[key] - listed[key]) for key in drawn) <= 1e-14


def test_two_episodes_at_once_and_what_was_seen():
    """rollout with n = 2 under an observation policy: (s, o, a) of both, independent.

    Seen failing: one uniform number for all episodes of a step.
    """
    mdp = MDP([[[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]], [1.0, -1.0], horizon=1)
    family = Observation(mdp, [[0.5, 0.5], [0.25, 0.75]])
    policy = (family, np.array([[0.5, 0.0], [-1.0, 0.3]]))
    one = defaultdict(float)
    for batch in enumerate_trajectories(mdp, policy):
        for i, p in enumerate(batch.weight):
            one[(*batch.s[i].tolist(), batch.o[i, 0].item(), batch.a[i, 0].item())] += float(p)
    two, mass = defaultdict(float), 0.0
    for p, batch in enumerate_program(lambda rng: rollout(mdp, policy, 2, rng=rng)):
        keys = [
            (*batch.s[i].tolist(), batch.o[i, 0].item(), batch.a[i, 0].item()) for i in range(2)
        ]
        two[tuple(keys)] += p
        mass += p
    assert abs(mass - 1) <= 1e-13
    assert len(two) == len(one) ** 2
    assert max(abs(p - one[i] * one[j]) for (i, j), p in two.items()) <= 1e-14


@pytest.mark.parametrize("horizon", [2, 3])
def test_geometric_truncation_discounts_without_bias(horizon):
    """The plain sum of rewards of rollout(truncation="geometric") has mean J.

    Seen failing: survival with probability 1 - gamma.
    """
    mdp = MDP([[[0.5, 0.5]], [[0.25, 0.75]]], [[1.0], [-2.0]], gamma=0.9, horizon=horizon)
    pi = [[1.0], [1.0]]
    found = program_moments(
        lambda rng: rollout(mdp, pi, 1, rng=rng, truncation="geometric").r.sum()
    )
    assert abs(found.mean[0] - evaluate(mdp, pi).J) <= 1e-14
    assert abs(found.mass - 1) <= 1e-14


def test_the_maximum_of_two_means_of_three_overestimates():
    """By exactly 5/32 for fair coins. Seen failing: integers(2) with the end included."""

    def largest(rng):
        return max(rng.integers(2, size=3).mean(), np.mean([rng.random() < 0.5 for _ in range(3)]))

    found = program_moments(largest)
    assert found.mean - 0.5 == 0.15625
    assert found.count == 64


def test_q_learning_with_exploration_is_a_markov_chain_of_tables():
    """The mean table after 5 steps: by the tape, and by the law of (s, Q) carried step by step.

    Seen failing: ties broken towards the last action; exploration with probability 1 - epsilon;
    the chain's law not normalised by the number of actions.
    """
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet([1.0, 1.0], (2, 2)), rng.normal(size=(2, 2))
    epsilon, step_size, gamma = 0.2, 0.5, 0.9

    def update(Q, s, a, after):
        Q = Q.copy()
        Q[s, a] += step_size * (R[s, a] + gamma * Q[after].max() - Q[s, a])
        return Q

    def learn(rng):
        s, Q = 0, np.zeros((2, 2))
        for _ in range(5):
            a = rng.integers(2) if rng.random() < epsilon else Q[s].argmax()
            after = rng.choice(2, p=P[s, a])
            Q, s = update(Q, s, a, after), after
        return Q

    chain = {(0, np.zeros((2, 2)).tobytes()): 1.0}
    for _ in range(5):
        following = defaultdict(float)
        for (s, table), p in chain.items():
            Q = np.frombuffer(table).reshape(2, 2)
            for a in range(2):
                chance = epsilon / 2 + (1 - epsilon) * (a == Q[s].argmax())
                for after in range(2):
                    key = (after, update(Q, s, a, after).tobytes())
                    following[key] += p * chance * P[s, a, after]
        chain = following
    mean = sum(p * np.frombuffer(table) for (_, table), p in chain.items())
    found = program_moments(learn)
    assert found.count == 6**5
    assert abs(found.mass - 1) <= 1e-12
    assert np.abs(found.mean - mean).max() <= 1e-12


def test_a_minibatch_from_a_replay_buffer():
    """Without replacement, evenly or by priority: first two moments from all ordered pairs.

    Seen failing: with replacement; priorities not divided by what is left.
    """
    buffer, priority = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.1, 0.2, 0.3, 0.4])
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    for p in (None, priority):
        w = np.full(4, 0.25) if p is None else p
        chances = np.array([w[i] * w[j] / (1 - w[i]) for i, j in pairs])
        means = np.array([(buffer[i] + buffer[j]) / 2 for i, j in pairs])
        found = program_moments(lambda rng, p=p: rng.choice(buffer, 2, replace=False, p=p).mean())
        assert abs(found.mean[0] - chances @ means) <= 1e-14
        assert abs(found.variance[0] - (chances @ means**2 - (chances @ means) ** 2)) <= 1e-13


CDF = np.cumsum([0.1] * 10)  # the last edge is 0.9999999999999999
FORTY_NINE = dict.fromkeys(["low", *range(1, 49)], round(1 / 49, 12))  # 49 * (1 / 49) < 1
FOUR = dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 0.25)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (lambda rng: rng.random() < 0.25, {True: 0.25, False: 0.75}),
        (lambda rng: np.float64(0.25) >= rng.random(), {True: 0.25, False: 0.75}),
        (lambda rng: 0.25 <= rng.random(), {True: 0.75, False: 0.25}),
        (lambda rng: rng.random() < 0, {False: 1.0}),
        (lambda rng: rng.random() <= 1, {True: 1.0}),
        (lambda rng: rng.random() == 0.25, {False: 1.0}),
        (lambda rng: rng.random() != 0.25, {True: 1.0}),
        (lambda rng: (rng.random(3) < 0.5).sum(), {0: 0.125, 1: 0.375, 2: 0.375, 3: 0.125}),
        (lambda rng: np.searchsorted(CDF, rng.random()), dict.fromkeys(range(10), 0.1)),
        (
            lambda rng: np.searchsorted(CDF, rng.random(1), side="right"),
            {(k,): 0.1 for k in range(10)},
        ),
        (lambda rng: np.searchsorted([0.5], rng.random(2)), FOUR),
        (lambda rng: (rng.random() < CDF).argmax(), dict.fromkeys(range(10), 0.1)),
        (lambda rng: bisect.bisect([0.25, 0.75], rng.random()), {0: 0.25, 1: 0.5, 2: 0.25}),
        (lambda rng: int(4 * rng.random()), dict.fromkeys(range(4), 0.25)),
        (lambda rng: math.floor(1 - 2.5 * rng.random()), {0: 0.4, -1: 0.4, -2: 0.2}),
        (lambda rng: int(1.5 - 4 * rng.random()), {1: 0.125, 0: 0.5, -1: 0.25, -2: 0.125}),
        (lambda rng: np.floor(rng.random(1) * 2 + 1), {(1,): 0.5, (2,): 0.5}),
        (lambda rng: "low" if (u := rng.random()) < 1 / 49 else int(49 * u), FORTY_NINE),
        (lambda rng: (1 + rng.random() * 4) // 2, {0: 0.25, 1: 0.5, 2: 0.25}),
        (lambda rng: (-rng.random() + 0.5) % 1 < 0.25, {True: 0.25, False: 0.75}),
        (lambda rng: min(rng.random(), 0.5) == 0.5, {True: 0.5, False: 0.5}),
        (lambda rng: rng.uniform(-1, 3) < 0, {True: 0.25, False: 0.75}),
        (lambda rng: rng.uniform([0, 1], [1, 3]) < [0.5, 2], FOUR),
        (lambda rng: rng.integers(-1, 2, endpoint=True), dict.fromkeys(range(-1, 3), 0.25)),
        (lambda rng: rng.integers([1, 2], 3), {(1, 2): 0.5, (2, 2): 0.5}),
        (lambda rng: rng.choice(["x", "y"], p=[0.25, 0.75]), {"x": 0.25, "y": 0.75}),
        (lambda rng: rng.choice([[1, 2], [3, 4]]), {(1, 2): 0.5, (3, 4): 0.5}),
        (lambda rng: rng.choice(3, 2, p=[0.5, 0.5, 0]), FOUR),
        (lambda rng: rng.permutation(2), {(0, 1): 0.5, (1, 0): 0.5}),
        (lambda rng: rng.binomial(2, 0.25), {0: 0.5625, 1: 0.375, 2: 0.0625}),
        (
            lambda rng: rng.multinomial(2, [0.5, 0.25, 0.25]),
            {
                (2, 0, 0): 0.25,
                (1, 1, 0): 0.25,
                (1, 0, 1): 0.25,
                (0, 2, 0): 0.0625,
                (0, 1, 1): 0.125,
                (0, 0, 2): 0.0625,
            },
        ),
        (lambda rng: rng.geometric(0.25) > 2, {True: 0.5625, False: 0.4375}),
        (lambda rng: (rng.geometric(0.5, 2) >= 1.5), FOUR),
        (lambda rng: 2 == rng.geometric(0.5), {True: 0.25, False: 0.75}),
        (lambda rng: (x := rng.geometric(0.5)) < 2 or (x <= 2) + 2, {True: 0.5, 3: 0.25, 2: 0.25}),
        (lambda rng: np.random.default_rng(rng).integers(2), {0: 0.5, 1: 0.5}),
    ],
)  # fmt: skip
def test_every_way_to_draw_has_its_law(program, expected):
    """Seen failing: each with its branch wrong, one after the other."""
    assert law(program) == expected


def test_lists_and_arrays_are_shuffled_in_place():
    """Seen failing: a copy shuffled."""

    def of_list(rng):
        x = ["a", "b", "c"]
        rng.shuffle(x)
        return "".join(x)

    def of_array(rng):
        x = np.arange(4).reshape(2, 2)
        rng.shuffle(x)
        return x.ravel()

    assert law(of_list) == dict.fromkeys(
        ["abc", "acb", "bac", "bca", "cab", "cba"], round(1 / 6, 12)
    )
    assert law(of_array) == {(0, 1, 2, 3): 0.5, (2, 3, 0, 1): 0.5}


def test_later_comparisons_know_the_earlier_ones():
    """u < 0.5, then u < 0.25: a half of a half; a third one is decided.

    Seen failing: each comparison a fresh number.
    """

    def nested(rng):
        u = rng.random()
        return u < 0.5, u < 0.25, u < 0.5, 1 - u > 0.75

    assert law(nested) == {
        (True, True, True, True): 0.25,
        (True, False, True, False): 0.25,
        (False, False, False, False): 0.5,
    }


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda rng: rng.normal(), r"rng\.normal.*choice\(\[-1\.0, 1\.0\]\)"),
        (lambda rng: rng.standard_normal(3), r"rng\.standard_normal"),
        (lambda rng: rng.exponential() < 1, r"rng\.exponential"),
        (lambda rng: int(rng.geometric(0.5)), "list all values of a geometric number"),
        (lambda rng: rng.geometric(0.5) - 1, "list all values of a geometric number"),
        (lambda rng: rng.spawn(1), r"rng\.spawn"),
        (lambda rng: math.log(rng.random()), "make a float of a uniform number.*random.. < c"),
        (lambda rng: np.log(rng.random(2)), "take the log of"),
        (lambda rng: rng.random() ** 2, "take a power"),
        (lambda rng: 2 ** rng.random(), "raise something"),
        (lambda rng: 1 / rng.random(), "divide by"),
        (lambda rng: abs(rng.random()), "take the size"),
        (lambda rng: bool(rng.random()), "whether it is zero"),
        (lambda rng: rng.random() < rng.random(), "compare two uniform numbers"),
        (lambda rng: np.argsort(rng.random(3)), "compare two uniform numbers"),
        (lambda rng: rng.random() + rng.random(), "join two"),
        (lambda rng: int(1e9 * rng.random()), "round down a number between 0 and 1e.09"),
        (lambda rng: rng.random(out=np.zeros(3)), "leave out= away"),
        (lambda rng: rng.random(), "make a float"),
        (lambda rng: rng.choice(2, p=[0.5, 0.6]), r"p has shape \(2,\) and sums to 1.1"),
        (lambda rng: [rng.integers(2) for _ in iter(int, 1)], "100,000 draws and goes on"),
        (lambda rng: {"a": np.nan}, "1 of the 1 rows .* nan in 'a', for path 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_branched_is_refused(program, message):
    """Seen failing: without each method; the methods of a real generator left in place."""
    with pytest.raises(ModelError, match=message):
        program_moments(program)


def test_numpys_own_errors_stay():
    """Seen failing: an endless loop where nothing is left to draw."""
    for program, message in [
        (lambda rng: rng.choice(2, 3, replace=False), "3 of 2 things"),
        (lambda rng: rng.integers(0), "between 0 things"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            list(enumerate_program(program))
        assert any("on path 0 of the choice tape" in note for note in caught.value.__notes__)


def test_too_many_paths_are_refused_with_what_there_was():
    """Seen failing: one path too many allowed; the probability of the last path alone."""
    assert program_moments(lambda rng: rng.integers(8), limit=8).count == 8
    with pytest.raises(ModelError, match=r"more than limit=7 paths; those so far .* 0\.875 in all"):
        program_moments(lambda rng: rng.integers(8), limit=7)
    with pytest.raises(ModelError, match="limit is 0"):
        enumerate_program(lambda rng: 0, limit=0)


def test_code_that_remembers_is_found():
    """Seen failing: without the second run; without comparing probabilities."""
    other = np.random.default_rng(0)
    with pytest.raises(ModelError, match="different answers for the same draws"):
        program_moments(lambda rng: other.random())
    runs = iter(range(100))
    with pytest.raises(ModelError, match=r"did something else .* \(at draw 1\)"):
        list(enumerate_program(lambda rng: rng.integers(2 + next(runs))))
    draws = iter([2, 1])
    with pytest.raises(ModelError, match=r"\(at draw 2\)"):
        list(enumerate_program(lambda rng: [rng.integers(2) for _ in range(next(draws))]))


def test_answers_are_read_like_rows():
    """Dicts side by side; many answers in several pieces. Seen failing: the last piece dropped."""
    found = program_moments(lambda rng: {"n": rng.integers(2000), "one": 1.0}, detail="variance")
    assert found.count == 2000
    assert np.abs(found.mean - [999.5, 1]).max() <= 1e-9
    assert abs(found.variance[0] - (2000**2 - 1) / 12) <= 1e-6
    assert found.covariance is None


def test_a_uniform_number_shows_what_is_known():
    """Seen failing: the scale left out."""
    (_, low), _ = enumerate_program(lambda rng: repr(u) if (u := rng.random() * 2) < 1 else "")
    assert low == "2 U + 0 with U in [0, 0.5)"
    assert list(enumerate_program(str)) == [
        (1.0, "<a generator whose draws are choices on a tape>")
    ]
