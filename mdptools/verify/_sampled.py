"""Sampled: a question answered from a sample, and written down as a verdict.

Takes     a `Question`, error rates, and what was declared of the range of rows.
Gives     a `Verdict`.
Source    formulas of `detectable` and `rows_needed`: wealth grows by gain^2 / (2 variance) a row,
          times the reach of the support where that limits the bet; factors measured.
Not here  the sequential test (`_statistical`), the exact routes (`_exact`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from ..arrays import FloatArray, readonly
from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..policies import split_policy
from ..structure import improper_states, reachable
from ..words import count
from ._control_variates import ControlVariates
from ._draws import Episodes, Sampled, Source
from ._equivalence import UNITS
from ._mixture import Mixture, needed
from ._question import (
    Question,
    check_direction,
    check_rate,
    claim,
    cut_words,
    relative_roundoff,
    reward_roundoff,
)
from ._statistical import Range, Sample, run
from ._styles import adapt_sampler
from ._support import Assumed, check_bounds
from ._tasks import chunk_for, root_of
from ._tree import LONGEST, check_length
from ._trial import Rates, Trial
from ._verdict import Evidence, Verdict, witness_at

CUT = 1e-3  # endless episodes are cut where gamma^t is as small as this
PROPOSALS = ("auto", "behaviour", "mixture")
MOST_FEATURES = 4096
NORMAL = 1.959964  # 95 % of a normal law lie so many standard deviations around its mean
ALARM, CLAIM = 3.6, 3.9  # rows (mean / sd)^2 / log(1 / error rate) until an alarm, until a claim
REACH = 2.0  # rows mean / reach / log(1 / error rate), if the reach is what limits a bet


def check_rates(alpha: Any, beta: Any, tol: Any, tol_units: Any, max_samples: Any) -> Rates:
    """The error rates, checked."""
    if tol_units not in UNITS:
        raise ModelError(f"tol_units is {tol_units!r:.80}; it must be one of {', '.join(UNITS)}.")
    value = number_or_nan(tol)
    if not 0 < value < np.inf:
        raise ModelError(f"tol is {tol!r:.80}; it must be > 0: the bias that does not matter.")
    return Rates(
        check_rate(alpha, "alpha"),
        check_rate(beta, "beta"),
        value,
        tol_units,
        check_count(max_samples, "max_samples"),
    )


def sampled(
    question: Question,
    rates: Rates,
    *,
    bounds: Any,
    l1: Any,
    unit: Any,
    proposal: Any,
    control_variates: Any,
    rng: Any,
    map: Any,
    why: str,
) -> Verdict:
    """The verdict from a sample; ``why`` says why not from all trajectories."""
    asked, unit = question, check_count(unit, "unit")
    root = root_of(rng)
    source: Source
    length, cut = None, False
    if not asked.sampler and asked.mdp is not None:
        length, cut = sampled_length(asked.mdp, asked.acting, asked.horizon)
    honest = asked.answers(length if cut else None)
    if asked.up_to_scale:
        check_direction(honest[0])
    shape, size = honest[0].value.shape, honest[0].value.size
    declared = check_bounds(bounds, l1, honest[0].value)
    notes = [why] if why else []
    absolute, width = 0.0, size
    if asked.sampler or asked.mdp is None:
        _only("auto", proposal=proposal)
        _only(("auto", False), control_variates=control_variates)
        rows = adapt_sampler(asked.estimator, shape, asked.layout)
        source, units = Sampled(rows, unit), unit
        rows(16, np.random.default_rng(np.random.SeedSequence(root, spawn_key=(0, 4))))
        precision = rows.precision
    else:
        episodes = _episodes(asked, asked.mdp, shape, length, unit, proposal, declared is not None)
        episodes = episodes.with_controls(
            _controls(asked, asked.mdp, length, control_variates, declared is not None)
        )
        examined = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(0, 4)))
        precision, same = episodes.examine(examined)
        if not same:
            notes.append(
                "the estimator draws its own random numbers or remembers earlier calls; its rows "
                "were taken to be independent"
            )
        if episodes.mixture is not None:
            notes.append(
                "trajectories were drawn from the behaviour and the policy, half each, and rows "
                "weighted by W <= 2: the same mean, and no heavy tail"
            )
        if cut:
            notes.append(cut_words(asked.mdp, asked.acting, length or 0))
        steps = length or asked.mdp.n_states
        absolute = reward_roundoff(asked.mdp, steps)
        controls = episodes.controls
        width = max(size, steps, 0 if controls is None else controls.size)
        source, units = episodes, episodes.trajectories_each
    known = Range(declared, flattened=not asked.sampler)
    sample = run(
        source,
        honest,
        rates,
        known,
        root=root,
        chunk=chunk_for(width, units),
        relative=relative_roundoff(precision),
        absolute=absolute,
        up_to_scale=asked.up_to_scale,
        map=map,
    )
    return _written(asked, rates, known, sample, root, length or 0, notes)


def sampled_length(mdp: MDP, acting: Any, horizon: Any) -> tuple[int | None, bool]:
    """The number of steps after which trajectories are cut, None for never; whether some are."""
    length = check_length(mdp, horizon)
    if mdp.horizon is not None:
        if length != mdp.horizon:
            raise ModelError(
                f"horizon is {horizon}, but the model ends after {mdp.horizon} actions. For "
                f"another horizon: mdp.with_objective(horizon={horizon})."
            )
        return mdp.horizon, False
    pi = split_policy(mdp, acting)[0]
    if length is not None:
        return length, True
    if not improper_states(mdp, pi)[reachable(mdp, pi=pi)].any():
        return None, False
    if mdp.gamma == 1:
        return LONGEST, True
    return min(int(np.ceil(np.log(CUT) / np.log(max(mdp.gamma, CUT)))), LONGEST), True


def _only(served: Any, **argument: Any) -> None:
    """Pass if an argument that only speaks of trajectories was left alone."""
    ((name, value),) = argument.items()
    if value not in (served if isinstance(served, tuple) else (served,)):
        raise ModelError(
            f"{name} is {value!r:.80}, but a sampler draws its own rows: mdptools knows no "
            f"trajectories of it. Leave {name}= out."
        )


def _episodes(
    asked: Question,
    mdp: MDP,
    shape: tuple[int, ...],
    length: int | None,
    unit: int,
    proposal: Any,
    declared: bool,
) -> Episodes:
    """Where the rows come from; from a mixture if weights would be heavy."""
    if proposal not in PROPOSALS:
        raise ModelError(
            f"proposal is {proposal!r:.80}; it must be 'auto', 'behaviour' or 'mixture'."
        )
    mixed = proposal == "mixture"
    if mixed and (asked.batch > 1 or asked.behaviour is None):
        raise ModelError(
            "proposal='mixture' needs behaviour=, and an estimator of one trajectory (batch=1)."
        )
    if proposal == "auto" and asked.behaviour is not None and asked.batch == 1 and not declared:
        mixed = needed(mdp, asked.policy, asked.behaviour, length)
    mixture = Mixture(mdp, [asked.behaviour, asked.policy]) if mixed else None
    others = None
    if asked.behaviour is not None and not mixed:
        with suppress(ModelError):  # of a policy that the behaviour does not cover
            others = Mixture(mdp, [asked.behaviour, asked.policy])
    return Episodes(
        asked.estimator,
        shape,
        asked.layout,
        mdp,
        asked.acting,
        length,
        asked.batch,
        unit,
        mixture,
        others=others,
    )


def _controls(
    asked: Question, mdp: MDP, length: int | None, wanted: Any, declared: bool
) -> ControlVariates | None:
    """Control variates, unless they are not wanted or do not exist."""
    if wanted not in ("auto", True, False):
        raise ModelError(f"control_variates is {wanted!r:.80}; it must be 'auto', True or False.")
    if wanted is False or (declared and wanted == "auto"):
        return None
    if declared:
        raise ModelError(
            "control_variates=True does not go with bounds=: what was declared are the bounds of "
            "the rows themselves, not of what control variates leave of them."
        )
    off_policy = asked.behaviour is not None
    if ControlVariates.serves(mdp, asked.policy, asked.behaviour, length=length):
        found = ControlVariates(mdp, asked.policy, length, off_policy=off_policy)
        if found.size <= MOST_FEATURES or wanted is True:
            return found
    if wanted is True:
        raise ModelError(
            "control_variates=True, but no features of known mean exist for this policy and "
            "behaviour; 'auto' does without."
        )
    return None


def detectable(sd: FloatArray, reach: FloatArray, n: int, alpha: float) -> FloatArray:
    """The bias that n rows show, about half the time, in each coordinate."""
    c = -np.log(alpha)
    found: FloatArray = np.maximum(sd * np.sqrt(ALARM * c / n), REACH * c * reach / n)
    return found


def rows_needed(trial: Trial, sd: FloatArray, rates: Rates, column: int) -> int | None:
    """About how many rows decide: for an alarm if there is a bias, else for the claim."""
    y, deviation = trial.test.mean, np.sqrt(trial.test.variance)
    reach = np.maximum(-trial.support.low, trial.support.high)
    tol = trial.claim.tolerances(sd)
    mean = abs(float(y[column]))
    if mean > max(3 * deviation[column] / np.sqrt(trial.test.n), tol[column]):
        c = -np.log(rates.alpha)
        n = max(ALARM * c * (deviation[column] / mean) ** 2, REACH * c * reach[column] / mean)
    else:
        c = -np.log(rates.beta)
        each = np.maximum(CLAIM * c * (deviation / tol) ** 2, REACH * c * reach / tol)
        n = float(each.max(initial=0.0))
    return int(np.ceil(n)) if np.isfinite(n) else None


def _written(
    asked: Question,
    rates: Rates,
    known: Range,
    sample: Sample,
    root: int,
    length: int,
    notes: list[str],
) -> Verdict:
    """The verdict in words and numbers."""
    trial, answer = sample.trial, sample.trial.answer
    shape, test = answer.value.shape, sample.trial.test
    bias, sd = test.mean, np.sqrt(test.variance)
    error = sd / np.sqrt(test.n)
    reach = np.maximum(-trial.support.low, trial.support.high)
    standard = np.divide(np.abs(bias), error, out=np.abs(bias) * 0, where=error > test.floor)
    constant = (sd <= test.floor) & (np.abs(bias) > test.floor)
    column = int(np.where(constant, np.inf, standard).argmax()) if bias.size else 0
    mean = sample.mean if sample.left is None or asked.up_to_scale else bias + answer.value.ravel()
    arrays = [
        x.reshape(shape) for x in (bias, mean, sd, trial.bet.direction, trial.claim.certified)
    ]
    bias, mean, deviation, direction, certified = (readonly(np.array(x)) for x in arrays)
    largest = float(np.abs(direction).max(initial=0.0))
    half = NORMAL * deviation / np.sqrt(test.n)
    biased, within = sample.outcome == "biased", sample.outcome == "unbiased within tol"
    words = claim(answer, up_to_scale=asked.up_to_scale, biased=biased, within=within)
    if sample.outcome == "inconclusive":
        words = f"it is open whether {words}"
    return Verdict(
        outcome=sample.outcome,
        claim=words,
        route="sequential",
        target=answer.value,
        mean=mean,
        bias=bias,
        covariance=None,
        variance=sample.sd**2,
        scale=max(float(np.abs(answer.value).max(initial=0.0)), sample.size),
        threshold=float(certified.max(initial=0.0)),
        n=test.n,
        steps=length,
        mass=1.0,
        witness=witness_at(column, bias, mean, answer.value, asked.mdp, asked.layout),
        alpha=rates.alpha,
        beta=rates.beta,
        tol=rates.tol,
        notes=(*notes, *_notes(asked, rates, known, sample)),
        sample=Evidence(
            log_e=test.largest,
            ci=(readonly(bias - half), readonly(bias + half)),
            sd=deviation,
            direction=direction if largest == 0 else readonly(direction / largest),
            certified=certified,
            mdb=float(detectable(sd, reach, test.n, rates.alpha).max(initial=0.0)),
            needed=rows_needed(trial, sample.sd, rates, column),
            assumed=_assumed(known),
            left=sample.left,
            seed=root,
            history=sample.history,
        ),
    )


def _assumed(known: Range) -> str:
    """What the error rates are conditional on."""
    if known.declared is not None:
        return ""
    seen = "this sampler" if not known.flattened else "it and flattened dynamics"
    return (
        f"rows stay within 4 times the range (3 times along a bet) of what {seen} showed before "
        f"the test; bounds= makes this a fact"
    )


def _notes(asked: Question, rates: Rates, known: Range, sample: Sample) -> list[str]:
    trial, found = sample.trial, []
    if sample.outcome == "inconclusive" and trial.test.largest >= -np.log(rates.alpha):
        found.append(
            "the evidence would do for 'biased', if rows really stay in the assumed range: of a "
            "sampler nobody knows that. Declare bounds="
        )
    if trial.resets:
        found.append(
            f"rows left the assumed range {count(trial.resets, 'time')}; "
            f"{'each time ' if trial.resets > 1 else ''}it was made wider and the test begun anew"
        )
    if len(trial.unknown):
        j = int(trial.unknown[0])
        found.append(
            f"{len(trial.unknown)} coordinates never varied and are not what they should be (the "
            f"first is {j}: off by {trial.test.mean[j]:.4g}): what else they might be is not "
            f"known, so nothing was bet on them. Declare bounds="
        )
    elif isinstance(trial.support, Assumed) and not trial.support.known.all():
        n = int(np.count_nonzero(~trial.support.known))
        they = "coordinate was always what it" if n == 1 else "coordinates were always what they"
        found.append(f"{n} {they} should be, without variance")
    if sample.size == 0 and not trial.answer.value.any():
        found.append(
            "every row is zero, and so is the target: these rows decide nothing. Take a longer "
            "horizon or another model (mdptools.testing.models has some)"
        )
    largest = float(np.abs(trial.answer.value).max(initial=0.0))
    if sample.outcome == "unbiased within tol" and 0 < largest <= trial.claim.certified.max():
        found.append(
            f"the largest |target| is {largest:.3g}, no more than what is certified: rows that are "
            f"0 on average would pass as well. Take a smaller tol, or tol_units='target'"
        )
    if asked.up_to_scale:
        value = trial.answer.value.ravel()
        factor = float((sample.mean * value).sum() / (value * value).sum())
        found.append(f"the factor is about {factor:.4g}")
    return found
