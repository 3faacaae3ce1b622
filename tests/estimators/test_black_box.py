"""Score functions of black boxes: by the choice tape, and by quadrature in the place of draws."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import categorical_score_gradient, gaussian_score_gradient
from mdptools.verify import check_estimator, program_moments

LOGITS = np.array([0.3, -0.5, 1.1])
P = np.exp(LOGITS) / np.exp(LOGITS).sum()
PAYS = np.array([2.0, -1.0, 0.5])
EXACT = P * (PAYS - P @ PAYS)


@pytest.mark.parametrize("baseline", [0.0, 3.0])
def test_categorical_is_exact_on_the_choice_tape(baseline):
    """A function that is a table lookup, and one that adds noise of its own.

    Seen failing: with 1{x} alone; with p of the logits unshifted by the largest."""

    def rows(n, rng):
        return categorical_score_gradient(lambda x: PAYS[x], LOGITS, n, rng=rng, baseline=baseline)

    verdict = check_estimator(rows, style="sampler", target=EXACT, route="tape")
    assert verdict.outcome == "unbiased"

    def noisy(rng):
        pays = lambda x: PAYS[x] + np.where(rng.random(x.shape) < 0.25, 3.0, -1.0)  # noqa: E731
        return categorical_score_gradient(pays, LOGITS + 800, 2, rng=rng).mean(axis=0)

    np.testing.assert_allclose(program_moments(noisy).mean, EXACT, atol=1e-12)

    def wrong(n, rng):
        x = rng.choice(3, size=n, p=P)
        return PAYS[x][:, None] * np.eye(3)[x]

    verdict = check_estimator(wrong, style="sampler", target=EXACT, route="tape")
    assert verdict.outcome == "biased"


def test_what_cannot_happen_is_not_drawn_and_has_no_gradient():
    """Seen failing: with the smallest logit subtracted."""
    rows = categorical_score_gradient(lambda x: x + 1.0, [0.0, -np.inf, 0.0], 50, rng=0)
    assert not rows[:, 1].any() and rows[:, 0].any()


class Nodes:
    """A generator whose standard normal numbers are the nodes of a product rule, one grid."""

    def __init__(self, order, d):
        z, w = np.polynomial.hermite_e.hermegauss(order)
        self.z = np.stack(np.meshgrid(*[z] * d, indexing="ij"), axis=-1).reshape(-1, d)
        grids = np.meshgrid(*[w / w.sum()] * d, indexing="ij")
        self.w = np.prod(grids, axis=0).reshape(-1)

    def integers(self, *args):
        raise AssertionError

    random = integers

    def standard_normal(self, shape):
        assert shape == self.z.shape
        return self.z


def test_gaussian_is_the_derivative_of_the_mean_of_a_polynomial():
    """E[x^2 + x y^2] for x ~ N(m, s^2), y ~ N(k, t^2): by quadrature, exactly.

    Seen failing: with z for z / std; with z^2 for z^2 - 1; with std for log std."""
    (m, k), (s, t) = mean, std = np.array([0.5, -1.0]), np.array([0.7, 2.0])
    nodes = Nodes(6, 2)
    rows = gaussian_score_gradient(
        lambda x: x[:, 0] ** 2 + x[:, 0] * x[:, 1] ** 2, mean, np.log(std), 36, rng=nodes
    )
    by_mean = [2 * m + k**2 + t**2, 2 * m * k]
    by_log_std = [2 * s**2, 2 * m * t**2]
    np.testing.assert_allclose(
        np.tensordot(nodes.w, rows, axes=1), [by_mean, by_log_std], atol=1e-11
    )


def test_gaussian_needs_no_derivative_of_f():
    """A step has none: |z| < 5 for both coordinates, wrong by chance less than once in 10^6.

    Seen failing: with z for z / std; with z^2 for z^2 - 1."""
    mean, std = 0.3, 0.8
    rows = gaussian_score_gradient(
        lambda x: x[:, 0] > 1.0, [mean], [np.log(std)], 200_000, rng=1, baseline=0.2
    )[:, :, 0]
    c = (1.0 - mean) / std
    density = np.exp(-c * c / 2) / np.sqrt(2 * np.pi)
    exact = np.array([density / std, c * density])  # d/dmean and d/dlog std of Phi(-c)
    z = (rows.mean(axis=0) - exact) / (rows.std(axis=0) / np.sqrt(len(rows)))
    assert np.abs(z).max() < 5, z
    halved = (rows / [1, 2]).mean(axis=0) - exact  # a derivative by log std^2 is found
    assert np.abs(halved[1]) > 5 * rows[:, 1].std() / np.sqrt(len(rows))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: categorical_score_gradient(len, [[0.0]], 2, rng=0), r"it must be \(k,\)"),
        (lambda: categorical_score_gradient(len, [np.nan, 0.0], 2, rng=0), "no nan"),
        (lambda: categorical_score_gradient(len, [0.0], 2, rng=0), r"f returns shape \(\); it mus"),
        (lambda: categorical_score_gradient(lambda x: x / 0.0, [0.0], 1, rng=0), "f.x. is nan"),
        (lambda: categorical_score_gradient(len, [0.0], 0, rng=0), "n is 0"),
        (
            lambda: categorical_score_gradient(lambda x: x, [0.0], 1, rng=0, baseline=[1, 2]),
            "baseline is .* one finite number",
        ),
        (lambda: gaussian_score_gradient(len, [0.0], [0.0, 1.0], 2, rng=0), r"both must be \(d,\)"),
        (lambda: gaussian_score_gradient(len, [np.inf], [0.0], 2, rng=0), "both must be finite"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with np.errstate(invalid="ignore"), pytest.raises(ModelError, match=message):
        call()
