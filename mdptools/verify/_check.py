"""Check an estimator: whether its mean is what it should be.

Takes     an estimator in any style, an MDP, a policy, the name of what is estimated.
Gives     a `Verdict`: exact where that is possible, from a sample where it is not.
Source    the routes: `_exact` and `_sampled`.
Not here  reasons (`_explain`).
"""

from __future__ import annotations

from typing import Any

from ..errors import ModelError
from ..model import MDP
from ._enumeration import LIMIT
from ._exact import Enumeration, by_tape
from ._ledger import LEDGER
from ._question import Question, asked, check_route
from ._sampled import check_rates, sampled
from ._tree import words
from ._verdict import Verdict

QUICK_TAPE = 20_000  # paths of somebody's program that are tried before sampling it


def check_estimator(
    estimator: Any,
    mdp: MDP | None = None,
    policy: Any = None,
    *,
    target: Any = "policy_gradient",
    behaviour: Any = None,
    horizon: int | None = None,
    style: str = "batch",
    route: str = "auto",
    batch: int = 1,
    alpha: float = 1e-6,
    beta: float = 1e-3,
    tol: float = 0.01,
    tol_units: str = "sd",
    bounds: Any = None,
    l1: float | None = None,
    unit: int = 1,
    up_to_scale: bool = False,
    proposal: str = "auto",
    control_variates: Any = "auto",
    max_samples: int = 2**20,
    rng: Any = 0,
    map: Any = map,
    limit: int = LIMIT,
) -> Verdict:
    """Whether the mean of an estimator is what it estimates.

    Exact where there are few enough trajectories: then the bias is a number, and nothing is left
    to chance. Otherwise from a sample: "biased" is wrong with a chance of at most ``alpha``,
    "unbiased within tol" with a chance of at most ``beta``, however often the sample is looked at.

    Parameters
    ----------
    estimator : function
        See ``style``. It returns one row for each trajectory: an array (N, D) or (N, *shape of the
        target), of NumPy, torch or JAX, or a dict of arrays. For a flat target (D,) a row may have
        any shape of D numbers.
    mdp : MDP, optional
        With a horizon, or without: then trajectories may be cut after ``horizon`` steps. Samplers
        can do without.
    policy : (family, theta), or pi, (S, A) or (H, S, A), optional
        A bare pi stands for the tabular softmax at theta = log pi.
    target : str, array, dict of arrays, or function (mdp, policy) -> array
        A name in `TARGETS`, or what the mean should be.
    behaviour : pi, or (family, theta), optional
        Who acts, if not ``policy``; ``logp`` of the trajectories is theirs.
    horizon : int, optional
        Where to cut trajectories of a model without a horizon. If omitted: nowhere if every
        trajectory ends by itself, else after as many steps as ``limit`` allows, or, in a sample,
        where gamma^t is below 1e-3.
    style : {"batch", "steps", "dicts", "sampler"}
        A function of many `Trajectories`; of one trajectory as a list of (s, a, r), or as a dict
        of arrays with Gymnasium's names; or a function (n, rng) that draws its own n rows.
    route : {"auto", "exact", "tape", "sequential"}
        "exact" enumerates all trajectories, "tape" all that a sampler can draw for one row,
        "sequential" takes a sample. "auto" takes the first of them that can be done.
    batch : int
        For estimators of a whole batch, such as one that subtracts the mean of the batch: it is
        called with so many independent trajectories at a time (exact: for every tuple of them),
        and its rows are averaged, or it returns one: (1, D), (D,) or the target's shape. What the
        trajectories of a batch share is then in the mean. Their ``weight`` is None on all routes.
    alpha, beta : float
        Chances of a wrong "biased", and of a wrong "unbiased within tol".
    tol : float
        The bias that does not matter, in ``tol_units``.
    tol_units : {"sd", "absolute", "target"}
        Standard deviations of one row, coordinate by coordinate; the units of the target; shares
        of the largest |target|.
    bounds : (low, high), or a number, optional
        Where rows are for certain: numbers or arrays of the target's shape; B stands for (-B, B).
        With ``proposal="mixture"``: of the weighted rows.
    l1 : float, optional
        A bound on the sum of |x| of every row.
    unit : int
        So many rows in a row are averaged first, for rows that depend on each other.
    up_to_scale : bool
        Ask only whether the mean is a multiple >= 0 of the target.
    proposal : {"auto", "behaviour", "mixture"}
        Whose trajectories are sampled: the behaviour's, or, weighted, those of a mixture of
        behaviour and policy, which has no heavy tails. "auto": the mixture where importance weights
        have a second moment above 10.
    control_variates : {"auto", True, False}
        Subtract features whose mean is known to be zero. "auto": where they help, without bounds.
    max_samples : int
        Rows (or units) that are drawn at most.
    rng : int or Generator
        The seed of a sample.
    map : function
        How tasks are run: the built-in ``map``, or that of an executor. The numbers are the same.
    limit : int
        With more trajectories (or tuples of them, or paths) than that nothing is enumerated.

    Returns
    -------
    Verdict
        ``outcome`` is "unbiased" or "biased" on exact routes; "biased", "unbiased within tol" or
        "inconclusive" from a sample. ``claim`` says what the mean is, or is not; ``route`` and the
        notes how and why.

    Raises
    ------
    ModelError
        If the route is exact and there are more trajectories than ``limit`` (the number is named);
        if the estimator returns the wrong number of rows, rows of another shape than the target,
        numbers that are not finite, or different answers for the same data; if a declared bound
        does not hold; if rows depend on each other.

    Notes
    -----
    Where some trajectories are cut, two answers are honest, and the claim says which it is: the
    target of the model that stops there (returns stop), or what these steps can tell of the target
    of the endless model (returns continued by the exact V). Targets named "..._infinite" accept
    only the second kind.

    Exact: a |bias| counts if it is above ``1e-9 scale`` (``3e-6 scale`` for float32 rows); scale is
    the largest of |target| and of the mean |row|, so that a target of zero is no special case. To
    that are added a few eps of the rewards, for targets that are zero because large numbers cancel.
    Time O(n) for n trajectories, about a second for a million if the estimator is vectorised.

    From a sample: a betting e-process (Ville's inequality; Waudby-Smith and Ramdas 2024 for bets on
    means). Without bounds the range of rows is assumed from a sample of flattened dynamics, in
    which nothing that can happen is rare; the error rates hold if it is right, and the verdict says
    so. A sampler shows no dynamics: without bounds it is never called biased. An estimator that
    draws its own random numbers has to be sampled: ``route="sequential"``. Processes as ``map``
    need functions that can be pickled.

    Examples
    --------
    >>> from mdptools import MDP, Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5, horizon=2)
    >>> family, theta = Softmax(mdp), [[0.0, 0.0]]
    >>> def mine(batch):  # REINFORCE, but its return is not discounted
    ...     return family.accumulate(theta, batch.s[:, :-1], batch.a, batch.mask.astype(float)) * (
    ...         batch.r.sum(axis=1, keepdims=True)
    ...     )
    >>> verdict = check_estimator(mine, mdp, (family, theta))
    >>> verdict.outcome, verdict.bias, verdict.explanations[0].name
    ('biased', array([[-0.125,  0.125]]), 'nothing discounted')
    >>> verdict = check_estimator(mine, mdp, (family, theta), route="sequential")
    >>> verdict.outcome, bool(verdict.log_e > 13), verdict.n < 1000
    ('biased', True, True)
    """
    check_route(route)
    question = asked(
        estimator,
        mdp,
        policy,
        target=target,
        behaviour=behaviour,
        horizon=horizon,
        style=style,
        batch=batch,
        up_to_scale=up_to_scale,
        limit=limit,
    )
    rates = check_rates(alpha, beta, tol, tol_units, max_samples)
    why = ""
    if route != "sequential":
        exact, why = _exact(question, route)
        if exact is not None:
            return LEDGER.note(exact)
    verdict = sampled(
        question,
        rates,
        bounds=bounds,
        l1=l1,
        unit=unit,
        proposal=proposal,
        control_variates=control_variates,
        rng=rng,
        map=map,
        why=why,
    )
    return LEDGER.note(verdict)


def _exact(question: Question, route: str) -> tuple[Verdict | None, str]:
    """The exact verdict; or None, and why there is none."""
    if not question.sampler and question.mdp is not None:
        if route == "tape":
            raise ModelError(
                "route='tape' runs a function (n, rng) that draws its own randomness: "
                "style='sampler'. A function of trajectories has route='exact'."
            )
        found = Enumeration(question, question.mdp)
        if found.fits or route == "exact":
            return found.verdict(), ""
        many = words(found.count**question.batch)
        them = "trajectories" if question.batch == 1 else f"batches of {question.batch}"
        return None, (
            f"a sample, because there are {many} {them} of up to {found.length} steps, more than "
            f"limit={question.limit:,}"
        )
    if route == "exact":
        raise ModelError(
            "route='exact' enumerates trajectories, and a sampler draws its own randomness: "
            "route='tape' runs it once for all that it can draw."
        )
    if route == "tape":
        return by_tape(question, question.limit), ""
    try:
        return by_tape(question, min(question.limit, QUICK_TAPE)), ""
    except Exception as error:  # whatever is wrong with it shows again when it is sampled
        reason = str(error).partition(". ")[0]
        return None, f"a sample, because all that it can draw could not be tried: {reason}"
