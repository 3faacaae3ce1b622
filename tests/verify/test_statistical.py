"""The statistical route: mistakes are found, nothing harmless is, whatever maps the tasks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import estimator_mutants as mutants
from mdptools import MDP, ModelError, check_estimator
from mdptools.estimators import discounted_return, gpomdp, reinforce
from mdptools.policies import Softmax

SEQUENTIAL = {"route": "sequential"}
QUICK = ("B01", "B14", "B19", "B28", "B30", "B34", "B42", "B09")
UNHURT = ("H01", "H04", "H08", "H18")


def sampled(mutant, lab, **more):
    return check_estimator(**(mutant.arguments(lab) | SEQUENTIAL | more))


def lab_for(mutant, seed=0):
    return mutants.lab(seed, horizon=2 if mutant.batch > 1 else 4)


def plain(lab):
    return lambda batch: gpomdp(batch, *lab.policy, lab.gamma)


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUICK)
def test_mistakes_are_found_in_a_sample(name):
    """At alpha = 1e-6; the estimated bias is the exact one to four standard errors.

    Seen failing: with the target not taken away.
    """
    mutant = mutants.MUTANTS[name]
    lab = lab_for(mutant)
    exact = check_estimator(**mutant.arguments(lab))
    found = sampled(mutant, lab)
    assert (found.outcome, found.route) == ("biased", "sequential")
    assert found.log_e >= np.log(1e6)
    assert (found.alpha, found.beta, found.tol) == (1e-6, 1e-3, 0.01)
    error = found.sample.sd / np.sqrt(found.n)
    assert (np.abs(found.bias - exact.bias) <= 4.5 * error + 1e-12).all()
    np.testing.assert_allclose(found.mean - found.target, found.bias, atol=1e-12)
    low, high = found.ci
    np.testing.assert_allclose((high - low) / 2, 1.959964 * error)


@pytest.mark.parametrize("name", ["B02", "B13", "B18"])
def test_mistakes_are_found_without_control_variates_too(name):
    """Seen failing: with control variates in spite of the argument."""
    found = sampled(mutants.MUTANTS[name], mutants.lab(0), control_variates=False)
    assert found.outcome == "biased" and found.sample.left is None
    assert found.n > 250


@pytest.mark.parametrize("name", UNHURT)
def test_nothing_harmless_is(name):
    """Chance of one false alarm: 4e-6; of one that is not certified: none at this seed.

    Seen failing: with a target that is 5 % too large.
    """
    found = sampled(mutants.HARMLESS[name], mutants.lab(0))
    assert found.outcome == "unbiased within tol"
    assert found.log_e < 8
    assert (found.sample.certified <= 0.011 * found.deviation).all()


def test_the_control_variates_only_change_the_variance():
    """Seen failing: with control variates that are never found worth their price."""
    lab = mutants.lab(0)
    with_them = check_estimator(plain(lab), lab.mdp, lab.policy, **SEQUENTIAL)
    without = check_estimator(
        plain(lab), lab.mdp, lab.policy, **SEQUENTIAL, control_variates=False, max_samples=2000
    )
    assert with_them.outcome == "unbiased within tol"
    assert with_them.sample.left < 0.01
    assert without.outcome == "inconclusive"
    assert "it is open whether" in without.claim
    # sd is what tol is measured in: that of the rows themselves
    np.testing.assert_allclose(with_them.variance, without.variance, rtol=0.3)
    assert with_them.sample.sd.max() < 0.2 * without.sample.sd.max()
    assert without.mdb > 0
    assert 1e5 < without.sample.needed < 2e6


def test_a_tabular_gradient_on_a_larger_model_is_certified_within_a_few_thousand_rows():
    """S=10, A=3, 20 steps: not to be enumerated, and `auto` says so. One percent is seen.

    Seen failing: without control variates: inconclusive.
    """
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(10), (10, 3)), rng.normal(size=(10, 3))
    mdp = MDP(P, R, gamma=0.9, horizon=20)
    family, theta = Softmax(mdp), rng.normal(size=(10, 3)) / 2
    policy = family, theta
    found = check_estimator(lambda b: reinforce(b, family, theta, 0.9), mdp, policy)
    assert (found.outcome, found.route) == ("unbiased within tol", "sequential")
    assert found.n < 10_000
    assert "more than limit=2,000,000" in found.notes[0]
    off = check_estimator(lambda b: 0.99 * reinforce(b, family, theta, 0.9), mdp, policy)
    assert off.outcome == "biased" and off.n < 10_000
    direction = off.sample.direction
    assert np.abs(direction).max() == 1.0
    assert (direction * off.bias).sum() > 0
    text = str(off)
    assert "evidence log E = " in text and "control variates left" in text
    assert "of what it and flattened dynamics showed" in text


def test_a_bias_exactly_at_the_tolerance_is_not_called_unbiased():
    """Eight seeds; each may be wrong once in a thousand.

    Seen failing: with wealth 1 enough for the claim.
    """
    lab = mutants.lab(0)
    exact = check_estimator(plain(lab), lab.mdp, lab.policy)
    shift = np.zeros(8)
    shift[2] = 0.1 * np.sqrt(exact.variance[2])
    for seed in range(8):
        found = check_estimator(
            lambda b: plain(lab)(b) + shift,
            lab.mdp,
            lab.policy,
            **SEQUENTIAL,
            tol=0.1,
            alpha=1e-300,
            max_samples=4000,
            control_variates=False,
            rng=seed,
        )
        assert found.outcome == "inconclusive"


def test_units_of_the_tolerance():
    """Seen failing: with standard deviations whatever the unit."""
    lab = mutants.lab(0)
    off = check_estimator(
        lambda b: 1.02 * plain(lab)(b), lab.mdp, lab.policy, **SEQUENTIAL, tol_units="target"
    )
    assert off.outcome == "biased"
    share = {"tol": 0.1, "tol_units": "target"}
    near = check_estimator(
        lambda b: 1.001 * plain(lab)(b), lab.mdp, lab.policy, **SEQUENTIAL, **share
    )
    assert near.outcome == "unbiased within tol"
    np.testing.assert_allclose(near.sample.certified, 0.1 * np.abs(near.target).max())
    near = check_estimator(
        plain(lab), lab.mdp, lab.policy, **SEQUENTIAL, tol=0.05, tol_units="absolute"
    )
    np.testing.assert_allclose(near.sample.certified, 0.05)


def test_up_to_a_factor():
    """A baseline from the own batch scales the gradient: its direction is right. B01's is not.

    Seen failing: with the whole bias tested; with the factor allowed to be negative.
    """
    lab = mutants.lab(0)
    for route in ("exact", "sequential"):
        half = check_estimator(
            lambda b: 0.5 * plain(lab)(b), lab.mdp, lab.policy, route=route, up_to_scale=True
        )
        assert half.outcome.startswith("unbiased")
        assert "a multiple of the policy gradient" in half.claim
        arguments = mutants.MUTANTS["B01"].arguments(lab) | {"route": route, "up_to_scale": True}
        off = check_estimator(**arguments)
        assert off.outcome == "biased"
        assert abs((off.bias * off.target).sum()) < 1e-10
    against = check_estimator(
        lambda b: -plain(lab)(b), lab.mdp, lab.policy, route="exact", up_to_scale=True
    )
    assert against.outcome == "biased"
    with pytest.raises(ModelError, match="the target is 0 and has no direction"):
        check_estimator(plain(lab), lab.mdp, lab.policy, target=np.zeros((4, 2)), up_to_scale=True)


def test_either_honest_answer_at_a_cap():
    """Returns that stop, and returns that go on with the exact V; neither is called biased.

    Seen failing: with the first answer alone.
    """
    lab = mutants.lab(0)
    endless = lab.mdp.with_objective()
    stops = check_estimator(plain(lab), endless, lab.policy, horizon=4, **SEQUENTIAL)
    assert stops.outcome == "unbiased within tol"
    assert stops.claim.endswith("the policy gradient when returns stop after 4 steps")
    goes_on = check_estimator(**(mutants.HARMLESS["H19"].arguments(lab) | SEQUENTIAL))
    assert goes_on.outcome == "unbiased within tol"
    assert goes_on.claim.endswith("returns continued by the exact V")
    whole = check_estimator(plain(lab), endless, lab.policy, **SEQUENTIAL, tol=0.05)
    assert whole.steps == 0 and whole.claim.endswith("the policy gradient")  # all episodes end


# --- the sampler ----------------------------------------------------------------------------------


def backwards(function, tasks):
    return reversed([function(task) for task in reversed(list(tasks))])


def test_the_bits_do_not_depend_on_how_tasks_are_run():
    """Seen failing: one generator for all tasks."""
    lab = mutants.lab(0)
    arguments = mutants.MUTANTS["B24"].arguments(lab_for(mutants.MUTANTS["B24"]))
    cases = [
        arguments | {"max_samples": 300, "rng": 5},
        {"estimator": plain(lab), "mdp": lab.mdp, "policy": lab.policy, "max_samples": 12_000},
    ]
    for given in cases:
        case = {"rng": 5} | given | SEQUENTIAL
        with ThreadPoolExecutor(3) as pool:
            found = [check_estimator(**case, map=m) for m in (map, pool.map, backwards)]
        for other in found[1:]:
            assert other.log_e == found[0].log_e
            assert (other.bias == found[0].bias).all()
            assert (other.variance == found[0].variance).all()
            assert str(other) == str(found[0])
    again = check_estimator(**case, map=map)
    assert str(again) == str(found[0])
    assert check_estimator(**(case | {"rng": 6})).log_e != found[0].log_e
    generator = check_estimator(**(case | {"rng": np.random.default_rng(6)}))
    assert check_estimator(**(case | {"rng": generator.seed})).log_e == generator.log_e


def ratios(steps, stay):
    """A state without end, ``steps`` steps: pi and b differ in each; J of pi from b."""
    P = np.ones((1, 2, 1))
    mdp = MDP(P, [[1.0, 0.0]], gamma=1.0, horizon=steps)
    pi, b = np.array([[0.9, 0.1]]), np.array([[stay, 1 - stay]])

    def estimate(batch):
        chosen = np.where(batch.mask, pi[0][batch.a], 1.0)
        weight = (chosen / np.exp(batch.logp)).prod(axis=1)
        return weight * batch.r.sum(axis=1)

    return {"estimator": estimate, "mdp": mdp, "policy": pi, "behaviour": b, "target": "J"}


def test_heavy_weights_are_drawn_from_a_mixture():
    """50 ratios of 9/4 or 1/6: the variance is that of a lottery. From a mixture it is tame.

    From the behaviour alone nothing is said: trajectories of the policy show how far weights go.

    Seen failing: without the mixture; with its weights left out; without the policy's trajectories
    in the probe, where the behaviour's mean is called biased.
    """
    case = ratios(50, 0.4) | SEQUENTIAL | {"control_variates": False, "tol": 0.05}
    found = check_estimator(**case)
    assert found.outcome == "unbiased within tol"
    assert any("mixture" in note or "half each" in note for note in found.notes)
    right = case["estimator"]
    more = check_estimator(**(case | {"estimator": lambda batch: 1.1 * right(batch)}))
    assert more.outcome == "biased"
    alone = check_estimator(**case, proposal="behaviour", max_samples=50_000)
    assert alone.outcome == "inconclusive"
    mild = check_estimator(**(ratios(3, 0.8) | SEQUENTIAL), proposal="auto")
    assert mild.outcome == "unbiased within tol"
    assert not any("half each" in note for note in mild.notes)


def test_units_of_dependent_rows():
    """A sampler that hands out each number four times: refused; as units of four it is right.

    Seen failing: with the unit ignored.
    """

    def sampler(n, rng):
        return np.repeat(rng.choice([-1.0, 1.0], -(-n // 4)), 4)[:n] + 0.25

    common = {"style": "sampler", "target": 0.25, "bounds": (-1, 2), "route": "sequential"}
    with pytest.raises(ModelError, match="rows depend on each other"):
        check_estimator(sampler, **common)
    found = check_estimator(sampler, **common, unit=4, tol=0.1)
    assert found.outcome == "unbiased within tol"


# --- ranges ---------------------------------------------------------------------------------------


def test_a_rare_reward_is_seen_by_the_probe():
    """A reward that one episode in ten thousand finds; the target knows of it. Never "biased".

    Seen failing: with the range of the sampler alone.
    """
    P = np.zeros((4, 2, 4))
    P[:3, 0, 0], P[3, :, 3] = 1.0, 1.0
    for s in range(3):
        P[s, 1, [0, s + 1]] = 0.9, 0.1
    R = np.zeros((4, 2, 4))
    R[2, 1, 3], R[0, 0, 0] = 100.0, 0.01
    mdp = MDP(P, R, gamma=0.9, horizon=4, mu=[1.0, 0.0, 0.0, 0.0])
    pi = np.full((4, 2), 0.5)
    for seed in range(5):
        found = check_estimator(
            lambda b: discounted_return(b, 0.9),
            mdp,
            pi,
            target="J",
            **SEQUENTIAL,
            max_samples=10_000,
            control_variates=False,
            rng=seed,
        )
        assert found.outcome != "biased"


def test_a_constant_that_should_be_something_else():
    """An estimator that always says 0: nobody knows what else it may say. With bounds one does.

    Seen failing: with every range taken to be known.
    """
    lab = mutants.lab(0)
    common = {"mdp": lab.mdp, "policy": lab.policy, "target": "J", "max_samples": 5000}
    zeros = check_estimator(lambda b: np.zeros(b.n), **common, **SEQUENTIAL)
    assert zeros.outcome == "inconclusive" and zeros.log_e < 1
    assert any("never varied and are not what they should be" in note for note in zeros.notes)
    declared = check_estimator(lambda b: np.zeros(b.n), **common, **SEQUENTIAL, bounds=10.0)
    assert declared.outcome == "biased" and declared.sample.assumed == ""
    right = check_estimator(lambda b: np.full(b.n, 2.5), **(common | {"target": 2.5}), **SEQUENTIAL)
    assert right.outcome == "unbiased within tol"


def test_declared_bounds_need_no_assumption():
    """B02 within bounds that hold for certain; too tight ones are an error.

    Seen failing: with rows outside accepted.
    """
    lab = mutants.lab(0)
    mutant = mutants.MUTANTS["B02"]
    found = sampled(mutant, lab, bounds=12.0)
    assert found.outcome == "biased" and found.sample.assumed == ""
    assert "assumed" not in str(found)
    with pytest.raises(ModelError, match=r"row \d+ of rows \d+ to \d+ .* outside of bounds="):
        sampled(mutant, lab, bounds=(-1.0, 12.0))
    with pytest.raises(ModelError, match=r"above l1=.* what was declared is not so"):
        sampled(mutant, lab, bounds=12.0, l1=2.0)
    narrow = sampled(mutant, lab, bounds=12.0, l1=24.0)
    assert narrow.outcome == "biased" and narrow.n <= found.n


def test_rows_beyond_the_assumed_range_begin_the_test_anew():
    """One row in 20,000 is far out, and was not in the probe: the mean is right, and nothing is
    claimed of it.

    Seen failing: with the range kept.
    """

    def sampler(n, rng):
        return rng.normal(size=n) + np.where(rng.random(n) < 5e-5, 200.0, 0.0) - 0.01

    found = check_estimator(
        sampler, style="sampler", target=0.0, route="sequential", max_samples=100_000
    )
    assert found.outcome == "inconclusive"
    assert any("left the assumed range 1 time; it was made wider" in note for note in found.notes)


def test_a_black_box_without_bounds_is_never_biased():
    """Off by half a standard deviation: evidence enough, were it not for what nobody knows.

    Seen failing: with "biased".
    """

    def sampler(n, rng):
        return rng.random((n, 2)) + 0.15

    common = {"style": "sampler", "target": np.full(2, 0.5), "route": "sequential"}
    found = check_estimator(sampler, **common)
    assert found.outcome == "inconclusive" and found.log_e > np.log(1e6)
    assert any("Declare bounds=" in note for note in found.notes)
    declared = check_estimator(sampler, **common, bounds=(0, 2))
    assert declared.outcome == "biased"
    right = check_estimator(lambda n, rng: rng.random((n, 2)), **common)
    assert right.outcome == "unbiased within tol"
    assert "of what this sampler showed" in str(right)


# --- samplers and styles --------------------------------------------------------------------------


def test_a_sampler_that_can_be_branched_is_exact():
    """The largest of two means of three throws; and the same with a number that cannot be.

    Seen failing: with a sample in any case.
    """

    def largest(n, rng):
        return rng.integers(2, size=(n, 2, 3)).mean(axis=2).max(axis=1)

    found = check_estimator(largest, style="sampler", target=0.5)
    assert (found.outcome, found.route) == ("biased", "tape")
    assert found.bias == pytest.approx(0.15625)
    assert str(found).splitlines()[1].startswith("tape: all 64 ways in which the numbers can fall")
    exact = check_estimator(largest, style="sampler", target=0.65625)
    assert exact.outcome == "unbiased"
    normal = check_estimator(
        lambda n, rng: rng.normal(size=n), style="sampler", target=0.0, tol=0.1
    )
    assert (normal.outcome, normal.route) == ("unbiased within tol", "sequential")
    assert normal.notes[0].startswith("a sample, because all that it can draw could not be tried")


def test_randomness_from_elsewhere_is_no_exact_answer():
    """Seen failing: with one path, and its answer for the mean."""
    hidden = np.random.default_rng(0)
    with pytest.raises(ModelError, match="does not come from the rng that it is handed"):
        check_estimator(lambda n, rng: hidden.random(n), style="sampler", target=0.5, route="tape")
    found = check_estimator(lambda n, rng: hidden.random(n), style="sampler", target=0.5, tol=0.1)
    assert found.route == "sequential"


def test_estimators_in_other_styles():
    """The same number from steps, from dicts and from a dict of arrays.

    Seen failing: with one style for another.
    """
    lab = mutants.lab(0)

    def of_steps(steps):
        return sum(lab.gamma**t * r for t, (_, _, r) in enumerate(steps))

    def of_dict(one):
        return (lab.gamma ** np.arange(len(one["rewards"])) * one["rewards"]).sum()

    common = {"mdp": lab.mdp, "policy": lab.policy, "target": "J"}
    for style, estimator in (("steps", of_steps), ("dicts", of_dict)):
        exact = check_estimator(estimator, **common, style=style)
        assert (exact.outcome, exact.route) == ("unbiased", "exact")
        found = check_estimator(estimator, **common, style=style, **SEQUENTIAL)
        assert found.outcome == "unbiased within tol"
    target = {"J": exact.target, "twice": [2 * exact.target]}

    def both(batch):
        G = discounted_return(batch, lab.gamma)
        return {"twice": 2 * G[:, None] + 0.1, "J": G}

    for more in ({}, SEQUENTIAL):
        found = check_estimator(both, **(common | {"target": target}), **more)
        assert found.outcome == "biased"
        assert found.witness.name == "'twice'[0]"


# --- bad input ------------------------------------------------------------------------------------


def test_a_row_that_is_not_finite_stops_at_once():
    """Count, seed and row are named, and what was known before.

    Seen failing: with such rows dropped.
    """
    lab = mutants.lab(0)

    def estimate(batch):
        G = discounted_return(batch, lab.gamma)
        return np.where(G > np.quantile(G, 0.9999) + 0 * G, np.nan, G) if batch.n > 500 else G

    with pytest.raises(ModelError, match=r"of the \d+ rows .* not finite; the first is row \d+"):
        check_estimator(estimate, lab.mdp, lab.policy, target="J", **SEQUENTIAL)

    def sampler(n, rng):
        x = rng.random(n)
        return np.where(x > 0.9995, np.inf, x)

    with pytest.raises(ModelError, match=r"SeedSequence\(3, spawn_key=") as caught:
        check_estimator(
            sampler, style="sampler", target=0.5, bounds=(0, 1), route="sequential", rng=3
        )
    assert "not finite" in str(caught.value)


def test_what_was_found_before_an_error_is_not_lost():
    """Seen failing: without the note."""

    def sampler(n, rng):
        x = rng.random(n)
        return np.where(x > 0.99999, np.nan, x)

    with pytest.raises(ModelError, match="not finite") as caught:
        check_estimator(
            sampler, style="sampler", target=0.4999, bounds=(0, 1), route="sequential", tol=1e-3
        )
    assert "rows, log E = " in caught.value.__notes__[0]


def test_rows_that_depend_on_their_batch_are_refused():
    """Seen failing: with the first rows not asked for again."""
    lab = mutants.lab(0)
    with pytest.raises(ModelError, match="depends on the other rows of its batch"):
        check_estimator(
            lambda b: b.r.sum(axis=1) - b.r.sum(axis=1).mean(),
            lab.mdp,
            lab.policy,
            target="J",
            **SEQUENTIAL,
        )


def test_an_estimator_with_noise_of_its_own():
    """Exact routes refuse it; a sample serves it.

    Seen failing: with the noise refused in a sample.
    """
    lab, noise = mutants.lab(0), np.random.default_rng(0)

    def noisy(batch):
        return plain(lab)(batch) + noise.choice([-1.0, 1.0], (batch.n, 1))

    with pytest.raises(ModelError, match="different answers for the same data"):
        check_estimator(noisy, lab.mdp, lab.policy)
    found = check_estimator(noisy, lab.mdp, lab.policy, **SEQUENTIAL, tol=0.1)
    assert found.outcome == "unbiased within tol"
    assert any("its own random numbers" in note for note in found.notes)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"alpha": 0.0}, "alpha is 0.0; it must be between 0 and 1"),
        ({"beta": 1.0}, "beta is 1.0; it must be between 0 and 1"),
        ({"tol": 0.0}, "tol is 0.0; it must be > 0"),
        ({"tol_units": "percent"}, "tol_units is 'percent'; it must be one of sd, absolute"),
        ({"tol_units": "target", "target": np.zeros((4, 2))}, "the target is 0: take 'sd'"),
        ({"max_samples": 0}, "max_samples is 0; it must be an int >= 1"),
        ({"unit": 0}, "unit is 0"),
        ({"proposal": "uniform"}, "proposal is 'uniform'"),
        ({"proposal": "mixture"}, "needs behaviour="),
        ({"control_variates": "yes"}, "control_variates is 'yes'"),
        ({"control_variates": True, "bounds": 9.0}, "does not go with bounds="),
        ({"rng": -1}, "rng is -1"),
        ({"horizon": 3}, "horizon is 3, but the model ends after 4 actions"),
        ({"behaviour": np.tile([1.0, 0.0], (4, 1))}, "behaviour never takes action"),
        ({"map": lambda function, tasks: []}, "map= returned 0 results for"),
    ],
)
def test_bad_arguments(keywords, message):
    """Seen failing: without the check of rates."""
    lab = mutants.lab(0)
    arguments = {"mdp": lab.mdp, "policy": lab.policy} | SEQUENTIAL | keywords
    if "behaviour" in keywords:
        arguments["proposal"] = "mixture"
    with pytest.raises(ModelError, match=message):
        check_estimator(plain(lab), **arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"proposal": "mixture"}, "proposal is 'mixture', but a sampler draws its own rows"),
        ({"control_variates": True}, "control_variates is True, but a sampler"),
    ],
)
def test_a_sampler_has_no_trajectories(keywords, message):
    """Seen failing: without the check."""
    with pytest.raises(ModelError, match=message):
        check_estimator(
            lambda n, rng: rng.random(n), style="sampler", target=0.5, **SEQUENTIAL, **keywords
        )


def test_noise_on_rewards():
    """Seen failing: with the noise left out of the sample."""
    lab = mutants.lab(0)
    std = np.where(lab.mdp.terminal, 0.0, 1.0)[:, None] * [1.0, 1.0]
    noisy = replace(lab.mdp, reward_std=std)
    found = check_estimator(plain(lab), noisy, lab.policy, **SEQUENTIAL, tol=0.05)
    quiet = check_estimator(plain(lab), lab.mdp, lab.policy, **SEQUENTIAL, tol=0.05)
    assert found.outcome == quiet.outcome == "unbiased within tol"
    assert found.deviation > 1.05 * quiet.deviation
