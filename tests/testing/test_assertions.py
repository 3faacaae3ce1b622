"""assert_unbiased: fails where it should, in the verdict's words, and on the line of the test."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mdptools
from mdptools import ModelError, check_estimator
from mdptools.estimators import gpomdp
from mdptools.testing.assertions import assert_unbiased
from mdptools.testing.models import lab

LAB = lab()
MODEL = (LAB.mdp, LAB.policy)


def right(batch):
    return gpomdp(batch, *LAB.policy, LAB.mdp.gamma)


def wrong(batch):
    return gpomdp(batch, *LAB.policy, 1.0)


def test_a_bias_fails_in_the_words_of_the_verdict():
    """Seen failing: with the claim alone."""
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(wrong, *MODEL)
    assert str(caught.value) == str(check_estimator(wrong, *MODEL))
    assert assert_unbiased(right, *MODEL).outcome == "unbiased"


@pytest.mark.parametrize(
    ("estimator", "options", "require", "outcome"),
    [
        (right, {"max_samples": 2000, "control_variates": False}, "not-biased", "inconclusive"),
        (right, {"max_samples": 2000, "control_variates": False}, "unbiased", None),
        (right, {}, "unbiased", "unbiased within tol"),
        (wrong, {}, "not-biased", None),
    ],
)
def test_what_is_required_of_a_sample(estimator, options, require, outcome):
    """Seen failing: "unbiased" that lets "inconclusive" pass; "not-biased" that does not."""
    options = options | {"route": "sequential", "require": require}
    if outcome is None:
        with pytest.raises(AssertionError, match=r"^(biased|inconclusive): .*\nsequential: "):
            assert_unbiased(estimator, *MODEL, **options)
    else:
        assert assert_unbiased(estimator, *MODEL, **options).outcome == outcome


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"require": "exact"}, ModelError, "require is 'exact'; it must be 'not-biased'"),
        ({"require": None}, ModelError, "require is None; it must be"),
        ({"alpha": 0.0}, ModelError, "alpha is 0.0; it must be between 0 and 1"),
        ({"tol": np.nan}, ModelError, "tol is nan; it must be > 0"),
        ({"precision": 3}, TypeError, "unexpected keyword argument 'precision'"),
    ],
)
def test_bad_arguments(options, error, message):
    """Seen failing: without the check of require, which then asks for nothing."""
    with pytest.raises(error, match=message):
        assert_unbiased(right, *MODEL, **options)


def test_pytest_shows_the_line_of_the_test(tmp_path):
    """And no line of ours.

    Seen failing: without __tracebackhide__.
    """
    (tmp_path / "test_one.py").write_text(
        "from mdptools import MDP\n"
        "from mdptools.testing.assertions import assert_unbiased\n"
        "def test_mine():\n"
        "    coin = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=2)\n"
        "    assert_unbiased(lambda b: b.r.sum(axis=1), coin, [[1.0]], target='J')\n"
    )
    root = str(Path(mdptools.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_one.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": root, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "test_one.py:5: AssertionError" in done.stdout
    assert "E       AssertionError: biased: the mean of a row is not the return J" in done.stdout
    assert "equals what 'nothing discounted' predicts" in done.stdout
    assert "assertions.py" not in done.stdout
