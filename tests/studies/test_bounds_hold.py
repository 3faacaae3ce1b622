"""No bound of the catalogue is violated, and each would be with a wrong constant.

The full suite: MDPTOOLS_BOUND_MODELS=300 python -m pytest tests/studies/test_bounds_hold.py
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import bound_suite
from mdptools.studies import bound_names, bounds

FAMILIES = {
    "plain": (bound_suite.plain_traces, bound_suite.PLAIN_MUTANTS),
    "other": (bound_suite.other_traces, bound_suite.OTHER_MUTANTS),
    "objectives": (bound_suite.objective_traces, bound_suite.OBJECTIVE_MUTANTS),
}
HOME = {name: family for family, (_, mutants) in FAMILIES.items() for name in mutants}
MUTANTS = {name: mutant for _, mutants in FAMILIES.values() for name, mutant in mutants.items()}


@cache
def held(family):
    """(model number, trace, bound) for every bound that applies, from mu and another measure."""
    found = []
    for number, one in FAMILIES[family][0]():
        live = one.truth.live
        weights = np.where(live, np.random.default_rng(number).random(len(live)), 0.0)
        for measure in (None, weights / weights.sum()):
            applied, _ = bounds(one, measure=measure)
            found += [(number, one, bound) for bound in applied]
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_no_bound_is_violated(family):
    """Seen failing: with one step towards the soft optimum for the optimum itself (G0 and others);
    with the gradient of an almost certain action by cancellation (D1t)."""
    broken = [
        (number, one.algorithm, bound.name, bound.first_violation)
        for number, one, bound in held(family)
        if bound.first_violation is not None
    ]
    assert not broken


def test_every_bound_applies_to_some_trace():
    """Seen failing: without the trace of a line search (F7)."""
    used = {bound.name for family in FAMILIES for _, _, bound in held(family)}
    assert used == set(bound_names())


def test_every_bound_has_a_mutant_or_a_reason():
    """Seen failing: without "F7" among the mutants."""
    assert set(bound_names()) == set(MUTANTS) | bound_suite.TOO_LOOSE | bound_suite.NO_SLACK


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_constant_is_refuted(name):
    """Seen failing: with the factor 1 (nothing is refuted)."""
    refuted = [
        number
        for number, one, bound in held(HOME[name])
        if bound.name == name
        and replace(bound, values=MUTANTS[name](bound, one)).first_violation is not None
    ]
    assert refuted


@pytest.mark.parametrize("name", sorted(bound_suite.TOO_LOOSE))
def test_a_bound_that_nothing_refutes_says_so(name):
    """Seen failing: without "Loose" in the docstring of D2."""
    from mdptools.studies._bound import CATALOGUE

    assert "oose" in (CATALOGUE[name].function.__doc__ or "")
