"""The defensive mixture: means that stay what they are, weights that stay small."""

import numpy as np
import pytest

from mdptools import MDP, ModelError
from mdptools.estimators import discounted_return, gpomdp
from mdptools.policies import Observation, Softmax
from mdptools.sampling import Trajectories
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import enumerate_trajectories
from mdptools.verify._mixture import Mixture, needed, squared_weight


def every(mdp, acting, length=None):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, acting, horizon=length)))


def random_policies(seed):
    """b without an action in state 1 that nobody needs; the policy; one that only does that."""
    mdp = discriminating_mdp(seed)
    rng = np.random.default_rng(seed)
    b, pi = rng.dirichlet(np.ones(2), (2, 4))
    b[1], pi[1] = [1.0, 0.0], [1.0, 0.0]
    other = np.tile([0.0, 1.0], (4, 1))
    return mdp, b, pi, other


def rho(batch, b, pi):
    """prod pi / b, by loops."""
    return np.array(
        [
            np.prod([pi[s, a] / b[s, a] for s, a, m in zip(*one, strict=False) if m])
            for one in zip(batch.s, batch.a, batch.mask, strict=True)
        ]
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shares", [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
def test_the_mean_is_unchanged_and_weights_are_bounded(seed, shares):
    """Over all trajectories of all components; two of which can do what b cannot.

    Seen failing: the shares of the components exchanged; W = 1 where b could not have done it.
    """
    mdp, b, pi, other = random_policies(seed)
    family, theta = Softmax(mdp), np.log(np.where(pi > 0, pi, 1e-300))
    mixture = Mixture(mdp, [b, pi, other], shares)

    def estimate(batch):
        G = discounted_return(batch, mdp.gamma)[:, None]
        return np.hstack([G, gpomdp(batch, family, theta, mdp.gamma, off_policy=True), G**2])

    acted = every(mdp, b)
    expected, total, mass, seen_zero = acted.weight @ estimate(acted), 0.0, 0.0, False
    for share, policy in zip(shares, (b, pi, other), strict=True):
        batch = every(mdp, policy)
        W = mixture.weights(batch)
        possible = W > 0
        seen_zero |= not possible.all()
        some = mixture.relabelled(batch)
        assert np.isneginf(some.logp[~possible].sum(axis=1)).all()
        some = some[np.flatnonzero(possible)]
        weight = share * batch.weight[possible] * W[possible]
        mass, total = mass + weight.sum(), total + weight @ estimate(some)
        ratio = rho(some, b, pi)
        np.testing.assert_allclose(np.exp(some.logp.sum(axis=1)), np.exp(log_b(some, b)))
        assert W.max() <= mixture.largest == 1 / shares[0]
        assert (ratio * W[possible]).max() <= (1 + 1e-14) / shares[1]
    assert seen_zero
    assert abs(mass - 1) <= 1e-13
    assert np.abs(total - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())


def log_b(batch, b):
    return (np.log(b[batch.s[:, :-1], batch.a]) * batch.mask).sum(axis=1)


def test_drawn_trajectories_are_those_of_the_mixture():
    """20,000 draws; each mean within five standard errors. Components in random order.

    Seen failing: rows in the order of the components; shares ignored in the draw.
    """
    mdp, b, pi, other = random_policies(0)
    mixture = Mixture(mdp, [b, pi, other], [0.5, 0.25, 0.25])
    batch, W = mixture.draw(20_000, None, 3)
    acted = every(mdp, b)
    mean = acted.weight @ discounted_return(acted, mdp.gamma)
    rows = W * discounted_return(batch, mdp.gamma)
    assert abs(rows.mean() - mean) <= 5 * rows.std() / 20_000**0.5
    assert abs(W.mean() - 1) <= 5 * W.std() / 20_000**0.5
    by_part = W.reshape(20, -1).mean(axis=1)  # not sorted by component
    assert by_part.std() <= 3 * W.std() / 1000**0.5
    again, same = mixture.draw(20_000, None, 3)
    assert np.array_equal(batch.s, again.s) and np.array_equal(W, same)


def test_extreme_weights_become_harmless():
    """20 steps with ratios of 3 or 1/7: the weight has a standard deviation of 2,500 under b.

    Seen failing: pi / b for its square in the second moment.
    """
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=20)
    b, pi = np.array([[0.7, 0.3]]), np.array([[0.1, 0.9]])
    assert squared_weight(mdp, pi, b, None) == pytest.approx((0.01 / 0.7 + 0.81 / 0.3) ** 20)
    batch, W = Mixture(mdp, [b, pi]).draw(4000, None, 0)
    weighted = W * rho(batch, b, pi)
    assert weighted.max() <= 2 + 1e-12
    assert abs(weighted.mean() - 1) <= 5 * weighted.std() / 4000**0.5
    longer = mdp.with_objective(horizon=3000)
    _, W = Mixture(longer, [b, pi]).draw(20, None, 0)
    assert np.isfinite(W).all() and set(W.round(12)) == {0.0, 2.0}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("seeing", ["both", "b"])
def test_observations_are_those_of_the_behaviour(seed, seeing):
    """All (s, o, a) paths of b are reached with the right total weight.

    Seen failing: the chance that b sees it left out where the policy sees states; o drawn as b
    would have seen it where the policy sees for itself; logp of the component, or of the state.
    """
    mdp = discriminating_mdp(seed)
    rng = np.random.default_rng(seed)
    seen = Observation(mdp, [[0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    b = seen, rng.normal(size=seen.shape)
    pi = (seen, rng.normal(size=seen.shape)) if seeing == "both" else rng.dirichlet([1, 1], 4)
    mixture = Mixture(mdp, [b, pi])
    acted = every(mdp, b)
    W = mixture.weights(acted)
    if seeing == "both":
        table = [seen.family.probs(x[1]) for x in (b, pi)]
        at = acted.o, acted.a
    else:
        table = [seen.probs(b[1]), pi]
        at = acted.s[:, :-1], acted.a
    ratio = np.prod(np.where(acted.mask, table[1][at] / table[0][at], 1.0), axis=1)
    np.testing.assert_allclose(W, 1 / (0.5 + 0.5 * ratio), rtol=1e-12)

    batch, W = mixture.draw(40_000, None, 1)
    by_o = seen.family.probs(b[1])
    expected = np.where(batch.mask, np.log(by_o[batch.o, batch.a]), 0.0)
    np.testing.assert_allclose(batch.logp, expected, atol=1e-12)
    shown = W[:, None] * ((batch.o == 1) & batch.mask)
    exact = acted.weight @ ((acted.o == 1) & acted.mask)
    error = shown.std(axis=0) / 200
    assert (np.abs(shown.mean(axis=0) - exact) <= 5 * error).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_second_moment_of_the_weight_is_what_enumeration_says(seed):
    """On a horizon, on a cut, with time-dependent policies, with observations, and for ever.

    Seen failing: terminal states that go on; time reversed.
    """
    mdp = discriminating_mdp(seed)
    rng = np.random.default_rng(seed)
    b, pi = rng.dirichlet(np.ones(2), (2, 4))
    for length in (None, 3):
        batch = every(mdp, b, length)
        direct = batch.weight @ rho(batch, b, pi) ** 2
        assert squared_weight(mdp, pi, b, length) == pytest.approx(direct, rel=1e-12)
        assert needed(mdp, pi, b, length) == (direct > 10)
    timed = rng.dirichlet(np.ones(2), (4, 4))
    batch = every(mdp, b)
    time = np.arange(4)
    ratio = timed[time, batch.s[:, :-1], batch.a] / b[batch.s[:, :-1], batch.a]
    direct = batch.weight @ np.prod(np.where(batch.mask, ratio, 1.0), axis=1) ** 2
    assert squared_weight(mdp, timed, b, None) == pytest.approx(direct, rel=1e-12)

    seen = Observation(mdp, [[0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    one, two = (seen, rng.normal(size=seen.shape)), (seen, rng.normal(size=seen.shape))
    batch = every(mdp, two)
    tables = [seen.family.probs(x[1])[batch.o, batch.a] for x in (one, two)]
    ratio = np.where(batch.mask, tables[0] / tables[1], 1.0)
    direct = batch.weight @ np.prod(ratio, axis=1) ** 2
    assert squared_weight(mdp, one, two, None) == pytest.approx(direct, rel=1e-12)

    endless = mdp.with_objective(gamma=0.9)
    near = 0.95 * b + 0.05 * pi
    limit = squared_weight(endless, near, b, None)
    assert limit == pytest.approx(squared_weight(endless, near, b, 2000), rel=1e-10)
    assert squared_weight(MDP([[[1.0], [1.0]]], [[0, 1]], 0.9), [[1, 0]], [[0.5, 0.5]], None) > 1e9


def test_what_the_behaviour_never_does_is_refused_where_it_is_reached():
    """Seen failing: states that b never reaches are asked too."""
    P = [[[0, 1, 0], [0, 0, 1]], [[0, 1, 0]] * 2, [[0, 0, 1]] * 2]
    mdp = MDP(P, [[1, 0], [1, 2], [1, 1]], horizon=2, mu=[1, 0, 0])
    half = [0.5, 0.5]
    with pytest.raises(ModelError, match="never takes action 1 in state 1, which the policy takes"):
        Mixture(mdp, [[half, [1, 0], half], [half, half, half]])
    Mixture(mdp, [[[1, 0], half, [1, 0]], [[1, 0], half, half]])  # state 2 is not reached
    Mixture(mdp, [[half, [1, 0], half], [half, [1, 0], half], [half, half, half]])
    timed = [[half, half, half], [half, [1, 0], half]]
    with pytest.raises(ModelError, match="never takes action 1 in state 1 at step 1"):
        Mixture(mdp, [timed, [half, half, half]])
    Mixture(mdp, [[half] * 3, timed])
    with pytest.raises(ModelError, match="at least one policy"):
        Mixture(mdp, [])
    for weights in ([1.0], [0.0, 1.0], [0.5, 0.6], [-0.5, 1.5], [np.nan, 1.0]):
        with pytest.raises(ModelError, match=r"weights are .* more than 0 on the first"):
            Mixture(mdp, [[half] * 3, [half] * 3], weights)


@pytest.mark.parametrize("seed", range(3))
def test_policies_may_depend_on_time(seed):
    """Seen failing: the chances of time 0 at each time."""
    mdp, b, *_ = random_policies(seed)
    pi = np.random.default_rng(seed).dirichlet(np.ones(2), (4, 4))
    pi[:, 1] = [1.0, 0.0]
    batch = every(mdp, b)
    chosen = (table[np.arange(4), batch.s[:, :-1], batch.a] for table in (pi, np.stack([b] * 4)))
    ratio = np.prod(np.where(batch.mask, np.divide(*chosen), 1.0), axis=1)
    np.testing.assert_allclose(Mixture(mdp, [b, pi]).weights(batch), 2 / (1 + ratio), rtol=1e-13)


def test_a_policy_alone_has_weights_of_one_and_one_that_is_never_drawn_changes_nothing():
    """Seen failing: a component that was never drawn, asked for its trajectories."""
    mdp, b, pi, _ = random_policies(1)
    batch, W = Mixture(mdp, [b]).draw(5, None, 0)
    again, same = Mixture(mdp, [b, pi], [1.0, 0.0]).draw(5, None, 0)
    assert (W == 1).all() and (same == 1).all()
    assert np.array_equal(batch.s, again.s)
