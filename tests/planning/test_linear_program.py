"""Linear programming: both forms, what they have to do with each other and with evaluation.

Discounted first, then average reward.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracles
from mdptools import (
    MDP,
    ConvergenceError,
    ModelError,
    evaluate,
    linear_program,
    occupancy,
    planning,
    structure,
)
from mdptools.planning import _linear_program
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
    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99))
    live = ~mdp.terminal
    masses = np.array([data.draw(st.integers(1, 9)) for _ in live]) * live
    if not everywhere:
        masses *= np.arange(len(live)) == data.draw(st.integers(0, len(live) - 1))
    if masses.any():
        mdp = replace(mdp, mu=masses / masses.sum())
    weighted = mdp if (mdp.mu[live] > 0).all() else replace(mdp, mu=live / live.sum())
    x, _ = _linear_program.dual(mdp)
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


# --- average reward -----------------------------------------------------------------------------


def assert_right_on_average(mdp, solution):
    """The certificate covers gain, J, policy and actions, against all policies in fractions."""
    certificate, exact = solution.certificate, oracles.average_optimum(mdp)
    assert solution.method == "linear_program"
    assert oracles.largest_error(solution.gain, exact.gain) <= certificate.bound
    assert abs(oracles.fraction(solution.J) - exact.J) <= certificate.bound + 1e-15 * abs(
        solution.J
    )
    own = oracles.evaluate_average(mdp, solution.pi).gain
    for low, mine, best, high in zip(
        certificate.lower, own, exact.gain, certificate.upper, strict=True
    ):
        assert low <= mine <= best <= high and best - mine <= certificate.loss
    assert not (np.array(exact.optimal_actions) & ~solution.optimal_actions).any()


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_largest_gain_is_within_its_bounds(form, data):
    """Several classes, periods, transient states, ties, refused actions; dense and sparse.

    Seen failing: with the constraint g >= P g left out.
    """
    mdp = data.draw(mdps(objective="average", max_states=3))
    factor, shift = data.draw(st.sampled_from((1.0, 1e-9, 1e9))), data.draw(st.integers(0, 1))
    mdp = rescaled(mdp, factor, shift * 1e6 * factor)
    assert_right_on_average(mdp, linear_program(mdp, form=form))


@pytest.mark.parametrize("form", FORMS)
def test_a_cycle_of_two_has_half_its_reward(form):
    """Seen failing: with gamma = 0.99 in the constraints."""
    mdp = MDP([[[0, 1]], [[1, 0]]], [[1], [0]], average=True)
    solution = linear_program(mdp, form=form, tol=1e-12)
    assert np.abs(solution.gain - 0.5).max() <= solution.certificate.bound <= 1e-12
    x, _ = _linear_program.dual(mdp)
    assert x.ravel() == pytest.approx([0.5, 0.5])


def loops():
    """Two loops that pay 1 and 2; state 2 chooses, state 3 is thrown to either."""
    P = np.zeros((4, 2, 4))
    P[0, :, 0] = P[1, :, 1] = P[2, 0, 0] = P[2, 1, 1] = 1
    P[3, :, :2] = 0.5
    return MDP(P, [[1, 0], [2, 0], [9, 0], [0, 0]], average=True, mu=[0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("form", FORMS)
def test_two_classes_have_two_gains(form):
    """At once: y says which loop state 2 goes to, whatever it pays on the way.

    Seen failing: with the constraint g >= P g left out; with the actions of x alone.
    """
    mdp = loops()
    solution = linear_program(mdp, form=form)
    assert np.abs(solution.gain - [1, 2, 2, 1.5]).max() <= solution.certificate.bound < 1e-13
    assert solution.pi.argmax(axis=1).tolist()[:3] == [0, 0, 1]
    assert solution.sweeps == 1
    assert_right_on_average(mdp, solution)


def test_the_occupancy_of_two_classes_is_where_their_policy_ends():
    """Seen failing: with uniform weights; with x and y interchanged."""
    mdp = loops()
    x, y = _linear_program.dual(mdp)
    d = occupancy(mdp, linear_program(mdp, form="dual").pi)
    assert x.sum(axis=1) == pytest.approx(d) and d == pytest.approx([0.3, 0.7, 0, 0])
    assert y[2].argmax() == 1 and y[3].any()


@settings(max_examples=60)
@given(data=st.data())
def test_the_share_of_time_is_the_occupancy_of_the_policy(data):
    """In each recurrent class x is a multiple of its stationary law: all of it, if there is one.

    Seen failing: with y for x.
    """
    exact = data.draw(st.booleans())
    mdp = data.draw(mdps(objective="average", exact=exact))
    assume(not _has_tiny(mdp))  # HiGHS's tolerances are 1e-10
    x, _ = _linear_program.dual(mdp)
    assert x.sum() == pytest.approx(1)
    pi = planning.linear_program(mdp, form="dual").pi
    assume((x <= 1e-9)[pi == 0].all())  # else it was improved, or x mixes policies
    found = evaluate(mdp, pi)
    law = np.zeros(mdp.n_states)
    classes = structure.recurrent_classes(mdp, pi)
    for members in classes:
        mass = x[members].sum()
        one = occupancy(mdp, pi, start=int(members[0]))
        law += mass * one
    assert x.sum(axis=1) == pytest.approx(law, abs=1e-7)
    if len(classes) == 1:
        assert x.sum(axis=1) == pytest.approx(found.d, abs=1e-7)


def _has_tiny(mdp):
    """Whether some probability is below what HiGHS sees."""
    from mdptools import kernel

    _, _, prob = kernel.branches(mdp.P)
    return bool((prob < 1e-6).any())


@pytest.mark.parametrize("seed", range(3))
def test_both_programs_are_worth_the_mean_gain(seed, programs):
    """Strong duality: w.g* is what the long run pays, and lies between the certificates.

    Several classes; at once optimal. Seen failing: with weights doubled; without the shift added;
    with costs of the wrong sign.
    """
    drawn = garnet(25, 3, 3, gamma=0.9, rng=seed)
    P, R = drawn.P.copy(), 5 + drawn.R
    P[:3] = 0
    P[range(3), :, range(3)] = 1
    mdp = MDP(P, R, average=True, mu=np.arange(1, 26) / 325)
    scale = np.ptp(R)
    for form in FORMS:
        solution = linear_program(mdp, form=form)
        own = evaluate(mdp, solution.pi)
        assert solution.certificate.bound <= 1e-10 and np.ptp(solution.gain) > 0.01
        worth = R.min() + scale * abs(programs[-1].worth)
        slack = 1e-9 * scale
        assert mdp.mu @ solution.certificate.lower - slack <= worth
        assert worth <= mdp.mu @ solution.certificate.upper + slack
        x, y = _linear_program.dual(mdp)
        actions = np.where(x.max(axis=1, keepdims=True) > 1e-10, x, y).argmax(axis=1)
        at_once = evaluate(mdp, np.eye(3)[actions])
        assert np.abs(at_once.gain - own.gain).max() <= 1e-10


# --- arguments, warm start, being stopped -------------------------------------------------------


AVERAGE = small().with_objective(average=True)


@pytest.mark.parametrize("mdp", [small(), AVERAGE], ids=["discounted", "average"])
def test_history_and_steps_are_of_the_policies_after_the_program(mdp):
    """In the name of the linear program, and against its tolerance.

    Seen failing: with the method of policy iteration; with its tol, inf.
    """
    steps = []
    solution = linear_program(mdp, tol=1e-6, history=True, callback=steps.append, V0=[1.0, 2.0])
    assert [(step.method, step.sweep, step.tol) for step in steps] == [
        ("linear_program", n + 1, 1e-6) for n in range(solution.sweeps)
    ]
    assert solution.history.tolist() == [step.bound for step in steps]
    assert solution.reason == "the caller asked for it"


@pytest.mark.parametrize("mdp", [small(), AVERAGE], ids=["discounted", "average"])
@pytest.mark.parametrize("signal", [StopIteration, KeyboardInterrupt])
def test_who_stops_it_gets_the_answer_so_far(mdp, signal):
    """Seen failing: with `stopped` not handed to `within` (tol is below the floor)."""

    def stop(step):
        raise signal

    solution = linear_program(mdp, tol=1e-300, callback=stop)
    who = "Ctrl-C" if signal is KeyboardInterrupt else "the callback"
    assert solution.reason == f"the caller asked for it; stopped by {who} after 1 sweep"
    assert 1e-300 < solution.certificate.bound < np.inf


@pytest.mark.parametrize("mdp", [small(), AVERAGE], ids=["discounted", "average"])
def test_ctrl_c_while_highs_is_at_work(mdp, monkeypatch):
    """One policy is evaluated instead: an answer with its bound, not an exception.

    Seen failing: with the KeyboardInterrupt let through; with policy iteration to its end.
    """
    import scipy.optimize

    def interrupted(*arguments, **words):
        raise KeyboardInterrupt

    monkeypatch.setattr(scipy.optimize, "linprog", interrupted)
    solution = linear_program(mdp)
    assert solution.reason == "the caller asked for it; stopped by Ctrl-C after 0 sweeps"
    assert solution.method == "linear_program" and solution.sweeps == 1
    if mdp.objective == "discounted":
        assert_right(Case(mdp), solution)
    else:
        assert_right_on_average(mdp, solution)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"V0": [0.0]}, r"V0 has shape \(1,\)"),
        ({"callback": 1}, "callback is 1; it must be a function"),
        ({"tol": 0}, "tol is 0; it must be > 0"),
    ],
)
def test_wrong_arguments_are_refused(words, match):
    """Before HiGHS begins. Seen failing: with each check taken out."""
    with pytest.raises(ModelError, match=match):
        linear_program(small(), **words)
