"""Surrogates of J and divergences, against their definitions by loops and complex steps."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import oracles
import smooth
from mdptools import MDP, ModelError, Softmax
from mdptools.arrays import EPS
from mdptools.gradients import fisher_information, policy_gradient, surrogate
from mdptools.gradients._divergence import divergences
from mdptools.policies import Timed
from mdptools.structure import recurrent_classes
from mdptools.testing.strategies import logits, mdps

KINDS = ["old||new", "new||old"]


def setting(seed, objective="discounted", timed=False):
    """A model, a family, theta of the policy we stand at and one nearby."""
    mdp, _ = smooth.random_model(seed, objective, gammas=(0.5, 0.9))
    family = Timed(mdp, Softmax(mdp)) if timed else Softmax(mdp, 0.7)
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=family.shape)
    return mdp, family, theta, theta + 0.5 * rng.normal(size=family.shape)


ALL = [(objective, False) for objective in smooth.OBJECTIVES if objective != "total"]
ALL.append(("finite", True))


def parts(mdp, pi):
    """Visits and A, with time in front; pi and every policy as (T, S, A)."""
    V, Q, visits = smooth.solved(mdp, pi)
    A = np.where(mdp.allowed, Q - (V if V.shape == visits.shape else V[:-1])[..., None], 0.0)
    return (visits, A) if visits.ndim == 2 else (visits[None], A[None])


def in_time(pi, times):
    return np.broadcast_to(pi, (times, *pi.shape[-2:]))


@pytest.mark.parametrize(("objective", "timed"), ALL)
@pytest.mark.parametrize("seed", range(3))
def test_gains_and_divergences_by_loops(objective, timed, seed):
    """Seen failing: max in place of min; KL's arguments exchanged; terminal states in the largest
    KL; visits for (1 - gamma) visits; Q for A."""
    mdp, family, theta, beside = setting(seed, objective, timed)
    pi, new = family.probs(theta), family.probs(beside)
    here = surrogate(mdp, pi)
    visits, A = parts(mdp, pi)
    T = len(visits)
    P, N = in_time(pi, T), in_time(new, T)
    gain = clipped = 0.0
    kl = {kind: np.zeros(visits.shape) for kind in KINDS}
    for t in range(T):
        for s in range(4):
            for a in np.flatnonzero(mdp.allowed[s]):
                w = N[t, s, a] / P[t, s, a]
                gain += visits[t, s] * N[t, s, a] * A[t, s, a]
                held = min(w * A[t, s, a], min(max(w, 0.8), 1.2) * A[t, s, a])
                clipped += visits[t, s] * P[t, s, a] * held
                if not mdp.terminal[s]:
                    kl["old||new"][t, s] += P[t, s, a] * np.log(P[t, s, a] / N[t, s, a])
                    kl["new||old"][t, s] += N[t, s, a] * np.log(N[t, s, a] / P[t, s, a])
    scale = np.abs(visits[..., None] * A).max()
    assert here.gain(new) == pytest.approx(gain, abs=1e-11 * scale)
    assert here.clipped(new, 0.2) == pytest.approx(clipped, abs=1e-11 * scale)
    assert here.clipped(new, 0.2) <= here.gain(new) + 1e-12 * scale
    weights = visits * (1 - mdp.gamma) if objective == "discounted" else visits
    for kind in KINDS:
        assert here.mean_kl(new, kind) == pytest.approx((weights * kl[kind]).sum(), rel=1e-9)
        assert here.max_kl(new, kind) == pytest.approx(kl[kind].max(), rel=1e-9)


@pytest.mark.parametrize(("objective", "timed"), ALL)
def test_gradients_by_complex_steps(objective, timed):
    """Of L, of the mean and the largest KL in both directions, away from pi.

    Seen failing: pi / new for -pi / new; the other sign of the logarithm; terminal states in the
    largest KL.
    """
    for seed in range(3):
        mdp, family, theta, beside = setting(seed, objective, timed)
        pi = family.probs(theta)
        here = surrogate(mdp, pi)
        visits, A = parts(mdp, pi)
        T, P = len(visits), in_time(pi, len(visits))
        weights = visits * (1 - mdp.gamma) if objective == "discounted" else visits
        live = mdp.allowed & ~mdp.terminal[:, None]

        def distances(x, kind, family=family, P=P, T=T, live=live):
            new = in_time(family.probs(x), T)
            p, q = (P, new) if kind == "old||new" else (new, P)
            logs = np.log(np.where(live, p, 1.0)) - np.log(np.where(live, q, 1.0))
            return np.where(live, p * logs, 0.0).sum(axis=-1)

        truth = oracles.complex_step(
            lambda x, f=family, v=visits, A=A, T=T: (
                v * (in_time(f.probs(x), T) * A).sum(axis=-1)
            ).sum(),
            beside,
        )
        scale = np.abs(visits[..., None] * A).max()
        assert np.abs(here.gain_gradient(family, beside) - truth).max() <= 1e-11 * scale
        for kind in KINDS:
            mean = oracles.complex_step(
                lambda x, k=kind, d=distances, w=weights: (w * d(x, k)).sum(), beside
            )
            assert np.abs(here.kl_gradient(family, beside, kind) - mean).max() <= 1e-12
            if T == 1 or timed:
                one = np.unravel_index(distances(beside, kind).argmax(), weights.shape)
                top = oracles.complex_step(lambda x, k=kind, d=distances, i=one: d(x, k)[i], beside)
                assert np.abs(here.max_kl_gradient(family, beside, kind) - top).max() <= 1e-12


@given(mdp=mdps(objective=["discounted", "finite", "average"]), data=st.data())
def test_at_the_policy_itself_all_first_derivatives_are_those_of_the_return(mdp, data):
    """grad L = grad L_clip = grad J, KL and its gradient are 0, its curvature is Fisher's.

    Seen failing: half the visits in L; pairs within epsilon clipped; visits for weights in the
    product.
    """
    theta = data.draw(logits(mdp, largest=3.0))
    family = Softmax(mdp)
    pi = family.probs(theta)
    assume(mdp.objective != "average" or len(recurrent_classes(mdp, pi)) == 1)
    truth = policy_gradient(mdp, family, theta)
    here = surrogate(mdp, pi)
    bound = 2 * truth.certificate.bound
    assert np.abs(here.gain_gradient(family, theta) - truth.value).sum() <= bound
    assert np.abs(here.clipped_gradient(family, theta, 0.2) - truth.value).sum() <= bound
    assert (
        abs(here.gain(pi))
        <= 4 * bound + 100 * EPS * np.abs(here.gain_gradient(family, theta)).sum()
    )
    F = fisher_information(mdp, family, theta)
    v = np.arange(float(family.size)).reshape(family.shape)
    for kind in KINDS:
        assert here.mean_kl(pi, kind) == here.max_kl(pi, kind) == 0
        assert np.abs(here.kl_gradient(family, theta, kind)).max() <= 100 * EPS * here.weights.sum()
    assert (here.kl_product(family, theta, v) == F.product(v)).all()


@given(seed=st.integers(0, 10**6), epsilon=st.sampled_from([0.05, 0.2]))
def test_the_clipped_gradient_is_a_derivative_where_there_is_one(seed, epsilon):
    """Differences of L_clip, away from its edges.

    Seen failing: clipped whatever the sign of A; not clipped below.
    """
    mdp, family, theta, beside = setting(seed)
    pi = family.probs(theta)
    here = surrogate(mdp, pi)
    ratios = np.where(mdp.allowed, family.probs(beside) / np.where(mdp.allowed, pi, 1.0), 1.0)
    edge = np.minimum(np.abs(ratios - 1 - epsilon), np.abs(ratios - 1 + epsilon)).min()
    v = np.random.default_rng(seed).normal(size=theta.shape)
    h = 1e-6
    assume(edge > 1e-4)  # too near to an edge for a difference
    ends = [here.clipped(family.probs(beside + sign * h * v), epsilon) for sign in (1, -1)]
    slope = (here.clipped_gradient(family, beside, epsilon) * v).sum()
    scale = np.abs(here.gain_gradient(family, beside)).sum() + np.abs(here.clipped(pi, epsilon))
    scale += float((here.evaluation.visits[:, None] * np.abs(here._advantage)).sum())
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-7 * scale)


def test_on_the_edge_the_derivative_is_from_inside():
    """w = 1 + epsilon exactly, in binary fractions. Seen failing: >= for >."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    from mdptools.policies import Direct

    here = surrogate(mdp, [[0.5, 0.5]])
    new = [[0.25, 0.75]]
    inside = here.gain_gradient(Direct(mdp), new)
    assert (here.clipped_gradient(Direct(mdp), new, 0.5) == inside).all()
    assert not here.clipped_gradient(Direct(mdp), new, 0.49).any()


def test_divergences_of_near_and_far_policies():
    """Against 50 digits, from 1e-15 apart to 1e-300 of each other.

    Seen failing: without the series; no inf where q is 0.
    """
    from decimal import Decimal, getcontext

    getcontext().prec = 50
    for p0, q0 in [(0.5, 0.5 + 2**-50), (0.3, 0.3001), (0.3, 0.31), (0.2, 0.9), (1e-300, 0.5)]:
        p, q = np.array([p0, 1 - p0]), np.array([q0, 1 - q0])
        exact = sum(
            Decimal(float(a)) * (Decimal(float(a)) / Decimal(float(b))).ln()
            - Decimal(float(a))
            + Decimal(float(b))
            for a, b in zip(p, q, strict=True)
        )
        found = float(divergences(p[None], q[None])[0])
        assert found == pytest.approx(float(exact), rel=1e-12, abs=0)
    assert divergences(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])) == pytest.approx(np.log(2))
    assert divergences(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]]))[0] == np.inf


def test_an_action_that_one_never_takes():
    """KL(pi || new) is infinite, KL(new || pi) is not.

    Seen failing: an infinite slope left out; no inf where q is 0.
    """
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    here, new = surrogate(mdp, [[0.5, 0.5]]), [[0.0, 1.0]]
    assert here.mean_kl(new) == here.max_kl(new) == np.inf
    assert here.mean_kl(new, "new||old") == pytest.approx(np.log(2))
    from mdptools.policies import Direct

    with pytest.raises(ModelError, match=r"KL is infinite in state 0: one policy takes action 0"):
        here.kl_gradient(Direct(mdp), new)
    once = surrogate(mdp, new)
    assert once.clipped([[0.5, 0.5]], 0.2) == 0  # pairs that pi never takes do not count
    assert once.gain([[0.5, 0.5]]) == -1.0


def test_a_surrogate_of_average_reward_needs_one_class():
    """Seen failing: without `check_one_class`."""
    apart = MDP(np.eye(2)[:, None], [[1.0], [0.0]], average=True)
    with pytest.raises(ModelError, match=r"2 recurrent classes"):
        surrogate(apart, np.ones((2, 1)))


def test_bad_kinds_widths_and_thetas_are_refused():
    """Seen failing: any kind; any epsilon; theta of another policy."""
    mdp, family, theta, beside = setting(0)
    here = surrogate(mdp, family.probs(theta))
    new = family.probs(beside)
    for ask in (here.mean_kl, here.max_kl):
        with pytest.raises(ModelError, match=r"kind is 'old'; it must be 'old\|\|new' or"):
            ask(new, "old")
    for ask in (here.kl_gradient, here.max_kl_gradient):
        with pytest.raises(ModelError, match=r"kind is 'old'; it must be 'old\|\|new' or"):
            ask(family, beside, "old")
    with pytest.raises(ModelError, match=r"epsilon is 0; it must be a number > 0"):
        here.clipped(new, 0)
    with pytest.raises(ModelError, match=r"known at pi itself; this theta makes another policy"):
        here.kl_product(family, beside, theta)
