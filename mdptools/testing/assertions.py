"""Assertions: a verdict that fails a test.

Takes     what `check_estimator` takes.
Gives     the verdict; AssertionError, in the verdict's own words, where it is not good enough.
Not here  the verdict (verify), what a whole run of tests has risked (`plugin`).
"""

from __future__ import annotations

from typing import Any

from ..errors import ModelError
from ..verify import Verdict, check_estimator

__all__ = ["assert_unbiased"]

REQUIRED = ("not-biased", "unbiased")


def assert_unbiased(
    estimator: Any,
    mdp: Any = None,
    policy: Any = None,
    *,
    require: str = "not-biased",
    **options: Any,
) -> Verdict:
    """Fail unless the mean of an estimator is what it estimates.

    Parameters
    ----------
    estimator, mdp, policy
        As for `check_estimator`.
    require : {"not-biased", "unbiased"}
        "not-biased" fails on "biased" alone: on an exact route by a number, from a sample wrongly
        with a chance of at most ``alpha``. "unbiased" fails on "inconclusive" as well.
    **options
        All other arguments of `check_estimator`: ``target``, ``behaviour``, ``style``, ``alpha``,
        ``tol``, ``bounds``, ``max_samples``, ``rng``, ...

    Returns
    -------
    Verdict

    Raises
    ------
    AssertionError
        Its message is the verdict's text.
    ModelError
        As `check_estimator`: if there can be no verdict.

    Notes
    -----
    The seed is fixed (``rng=0``): a test that passes today passes tomorrow. If the random stream
    changes, by another version or another seed, a correct estimator fails with a chance of at most
    ``alpha``, one in a million.

    Examples
    --------
    >>> from mdptools.estimators import gpomdp
    >>> from mdptools.testing.models import discriminating_mdp, policy_for
    >>> mdp = discriminating_mdp()
    >>> family, theta = policy_for(mdp)
    >>> def mine(batch, gamma=mdp.gamma):
    ...     return gpomdp(batch, family, theta, gamma)
    >>> assert_unbiased(mine, mdp, (family, theta)).outcome
    'unbiased'
    >>> assert_unbiased(lambda batch: mine(batch, 1.0), mdp, (family, theta))
    Traceback (most recent call last):
    ...
    AssertionError: biased: the mean of a row is not the policy gradient
    exact: all 480 trajectories of up to 4 steps; ...
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    if require not in REQUIRED:
        raise ModelError(
            f"require is {require!r:.80}; it must be 'not-biased' (fail if it is biased) or "
            f"'unbiased' (fail as well if that is open)."
        )
    verdict = check_estimator(estimator, mdp, policy, **options)
    failing = ("biased", "inconclusive") if require == "unbiased" else ("biased",)
    if verdict.outcome in failing:
        raise AssertionError(str(verdict))
    return verdict
