"""Linear programming: both forms, what they have to do with each other and with evaluation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdptools import MDP, ConvergenceError, ModelError, evaluate, linear_program, planning
from mdptools.problems import garnet, small
from mdptools.testing.strategies import mdps
from properties import Case, assert_plans, assert_right, rescaled

FORMS = ("primal", "dual")


@pytest.fixture
def programs(monkeypatch):
    """The programs that HiGHS gets to solve, each with its answer."""
    import scipy.optimize

    real, seen = scipy.optimize.linprog, []

    def linprog(costs, **words):
        found = real(costs, **words)
        seen.append(SimpleNamespace(costs=costs, x=found.x, worth=-found.fun, **words))
        return found

    monkeypatch.setattr(scipy.optimize, "linprog", linprog)
    return seen


@settings(max_examples=40)
@given(mdp=mdps(objective="discounted"))
def test_the_dual_is_within_its_bounds(mdp):
    """The table of planners runs the primal: here is the other.

    Seen failing: with a refused action where x is 0; with terminal states among the constraints.
    """
    expected = rescaled(mdp, 1.0)  # without the law behind its rewards
    assert_plans(
        Case(expected),
        lambda mdp, tol: linear_program(mdp, form="dual", tol=tol),
        (1.0, 1e-6, 1e-17),
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sparse", [False, True])
def test_the_policy_of_the_program_is_optimal_at_once(form, sparse):
    """Nothing is left for policy iteration to improve; both storages give the same program.

    Seen failing: with gamma squared in the constraints; with the constraints turned round; with P
    not transposed in the dual; with the worst action taken from Q, or from x.
    """
    mdp = garnet(40, 4, 5, gamma=0.95, rng=0, sparse=sparse)
    solution = linear_program(mdp, form=form, tol=1e-9)
    assert solution.sweeps == 1 and solution.method == "linear_program"
    assert solution.certificate.bound <= 1e-9
    assert np.array_equal(solution.pi, planning.solve(mdp).pi)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_unit_of_the_rewards_does_not_matter(form, factor):
    """HiGHS's tolerances are absolute.

    Seen failing: without the division by the largest reward, in each form.
    """
    mdp = garnet(40, 4, 5, gamma=0.95, rng=1)
    assert linear_program(replace(mdp, R=mdp.R * factor), form=form).sweeps == 1


@pytest.mark.parametrize("everywhere", [True, False])
@settings(max_examples=30)
@given(data=st.data())
def test_the_occupancy_is_the_visits_of_its_policy(everywhere, data):
    """x(s, a) of the dual is visits(s) pi(a | s), from mu, or from everywhere where mu leaves out.

    Up to the certified error of the visits, and HiGHS's 1e-10 a constraint, which cost at most
    1 / (1 - gamma) visits each. A vertex takes one action in each state, ties or not.
    Seen failing: with uniform weights where mu is positive; with mu where it is not; with terminal
    states among the constraints; with x not put back in its place.
    """
    from mdptools.planning import _linear_program

    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99))
    live = ~mdp.terminal
    masses = np.array([data.draw(st.integers(1, 9)) for _ in live]) * live
    if not everywhere:
        masses *= np.arange(len(live)) == data.draw(st.integers(0, len(live) - 1))
    if masses.any():
        mdp = replace(mdp, mu=masses / masses.sum())
    weighted = mdp if (mdp.mu[live] > 0).all() else replace(mdp, mu=live / live.sum())
    x = _linear_program.dual(mdp)
    solution = linear_program(mdp, form="dual")
    assume(solution.sweeps == 1)  # else an improvement was below HiGHS's tolerances
    found = evaluate(weighted, solution.pi)
    apart = np.abs(x - found.visits[:, None] * solution.pi).sum()
    lengthy = 1 / (1 - mdp.gamma)
    assert apart <= found.visits_certificate.bound + 1e-9 * mdp.n_states * lengthy


@pytest.mark.parametrize("seed", range(3))
def test_strong_duality(seed, programs):
    """Both programs are worth w.V*, which lies between what the certificates say.

    Seen failing: with weights doubled; with uniform weights; with costs of the wrong sign; without
    the division by the largest reward.
    """
    mdp = replace(garnet(30, 3, 4, gamma=0.95, rng=seed), mu=np.arange(1, 31) / 465)
    low, high = [], []
    for form in FORMS:
        solution = linear_program(mdp, form=form)
        low.append(float(mdp.mu @ solution.certificate.lower))
        high.append(float(mdp.mu @ solution.certificate.upper))
    primal, dual = programs
    scale = float(np.abs(mdp.R).max())
    slack = 1e-10 * scale / (1 - mdp.gamma)  # HiGHS's own
    for worth in (-primal.worth * scale, dual.worth * scale):
        assert max(low) - slack <= worth <= min(high) + slack
    x, V = dual.x, primal.x
    assert abs(-dual.costs @ x - mdp.mu @ V) * scale <= slack + max(high) - min(low)


def test_hidden_improvements_are_found_by_polishing():
    """A gap of 1e-12 is below every tolerance of HiGHS: the certificate does not believe it.

    Seen failing: with the policy of the program certified as optimal without a backup.
    """
    for better in (0, 1):
        R = np.ones((2, 2))
        R[0, better] += 1e-12
        tiny = MDP([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0]] * 2], R, 0.5)
        for form in FORMS:
            solution = linear_program(tiny, form=form, tol=1e-13)
            assert_right(Case(tiny), solution)
            assert solution.pi[0, better] == 1


@pytest.mark.parametrize("form", FORMS)
def test_where_there_is_nothing_to_decide(form):
    """Only terminal states, or rewards of zero.

    Seen failing: with a program of no variables; with a division by the largest reward, 0.
    """
    over = MDP([[[1.0]]], [[0.0]], 0.9, terminal=[0])
    free = MDP([[[0.0, 1.0], [1.0, 0.0]]] * 2, np.zeros((2, 2)), 0.9, terminal=())
    for mdp in (over, free):
        solution = linear_program(mdp, form=form)
        assert not solution.V.any() and solution.optimal_actions.all()
        assert_right(Case(mdp), solution)


@pytest.mark.parametrize("form", FORMS)
def test_a_solver_that_gives_up_is_an_error(form, monkeypatch):
    """Seen failing: with x = 0 taken for an answer."""
    import scipy.optimize

    failed = SimpleNamespace(x=None, message="Time limit reached.")
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *args, **words: failed)
    with pytest.raises(ConvergenceError, match=r"HiGHS gave up .* Time limit reached") as caught:
        linear_program(small(), form=form)
    assert caught.value.solution is None and caught.value.floor is None


def test_a_bound_of_inf_is_raised_in_our_name(monkeypatch):
    """gamma so close to 1 that nothing is proved, whatever HiGHS has found.

    Seen failing: with the error of policy iteration let through.
    """
    import scipy.optimize

    anything = SimpleNamespace(x=np.zeros(2))
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *args, **words: anything)
    with pytest.raises(ConvergenceError, match="linear_program reached a bound of inf") as caught:
        linear_program(small(gamma=1 - 2.0**-53))
    assert caught.value.solution.method == "linear_program"


def test_another_form_is_refused():
    """Seen failing: with every other word taken for the dual."""
    with pytest.raises(ModelError, match="form is 'both'; it must be 'primal' or 'dual'"):
        linear_program(small(), form="both")
