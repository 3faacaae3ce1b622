"""Published answers: name, quantity, what is printed, and where.

Each answer is that of the library's solver or evaluator with its bound; what is printed has a few
digits, and half a unit of the last is allowed on top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mdptools import evaluate, problems, solve, uniform_policy


@dataclass(frozen=True)
class Published:
    problem: str
    quantity: str
    ours: Callable[[], tuple[Any, float]]  # the value, and its bound
    printed: Any
    digits: float  # half a unit of the last digit that is printed
    source: str


def optimum(name: str, states: Any = slice(None), **options: Any) -> Callable[[], Any]:
    def find() -> tuple[Any, float]:
        solution = solve(problems.make(name, **options))
        V = solution.V[0] if solution.V.ndim == 2 else solution.V
        return V[states], solution.certificate.bound

    return find


def start(name: str, **options: Any) -> Callable[[], Any]:
    def find() -> tuple[Any, float]:
        solution = solve(problems.make(name, **options))
        return solution.J, solution.certificate.bound

    return find


def uniform(name: str, states: Any = slice(None), **options: Any) -> Callable[[], Any]:
    def find() -> tuple[Any, float]:
        mdp = problems.make(name, **options)
        found = evaluate(mdp, uniform_policy(mdp))
        return found.V[states], found.certificate.bound

    return find


def bias(name: str) -> Callable[[], Any]:
    def find() -> tuple[Any, float]:
        V = solve(problems.make(name), method="average_policy_iteration").V
        return V - V[-1], 1e-12

    return find


def actions(name: str, states: Any = slice(None), **options: Any) -> Callable[[], Any]:
    return lambda: (solve(problems.make(name, **options)).pi.argmax(axis=-1)[states], 0.0)


HOWARD = "Howard (1960)"
PUTERMAN = "Puterman (1994)"
BOOK = "Sutton and Barto (2018)"
AIMA = "Russell and Norvig (2010)"

TABLE = [
    Published("two_state", "V*", optimum("two_state"), [-60 / 7, -20], 1e-9, f"{PUTERMAN}, 3.1"),
    Published(
        "inventory", "V*, first month", optimum("inventory"),
        np.array([67, 129, 194, 227]) / 16, 1e-12, f"{PUTERMAN}, 4.6.1",
    ),
    Published(
        "inventory", "first orders", lambda: (
            solve(problems.inventory()).pi[:, :, :].argmax(axis=2), 0.0
        ),
        [[3, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]], 0, f"{PUTERMAN}, 4.6.1",
    ),
    Published("taxicab", "gain", start("taxicab"), 13.34, 5e-3, f"{HOWARD}, chapter 4"),
    Published("taxicab", "bias", bias("taxicab"), [-1.18, 12.66, 0], 5e-3, f"{HOWARD}, chapter 4"),
    Published("taxicab", "policy", actions("taxicab"), [1, 1, 1], 0, f"{HOWARD}, chapter 4"),
    Published("toymaker", "gain", start("toymaker"), 2, 1e-9, f"{HOWARD}, chapter 4"),
    Published("toymaker", "bias", bias("toymaker"), [10, 0], 1e-9, f"{HOWARD}, chapter 4"),
    Published(
        "forest", "V* at gamma .9", optimum("forest", gamma=0.9), [26.244, 29.484, 33.484], 5e-4,
        "mdptoolbox, documentation of PolicyIteration",
    ),
    Published("gambler", "V*(50)", optimum("gambler", 50), 0.4, 1e-9, f"{BOOK}, figure 4.3"),
    Published("random_walk", "V", optimum("random_walk", slice(1, 6)), np.arange(1, 6) / 6, 1e-9,
              f"{BOOK}, example 6.2"),
    Published(
        "random_walk", "V, 19 states",
        optimum("random_walk", slice(1, 20), n=19, ends=(-1.0, 1.0)),
        np.linspace(-0.9, 0.9, 19), 1e-9, f"{BOOK}, example 7.1",
    ),
    Published("fair_walk", "V*(20)", optimum("fair_walk", 20), 0.5, 1e-9, "symmetry"),
    Published(
        "slow_reachability", "V*(0)", optimum("slow_reachability", 0, n=20), 0.5, 1e-9,
        "Haddad and Monmege (2018)",
    ),
    Published(
        "sutton_grid", "V*", optimum("sutton_grid"),
        [22.0, 24.4, 22.0, 19.4, 17.5, 19.8, 22.0, 19.8, 17.8, 16.0, 17.8, 19.8, 17.8, 16.0, 14.4,
         16.0, 17.8, 16.0, 14.4, 13.0, 14.4, 16.0, 14.4, 13.0, 11.7], 0.05, f"{BOOK}, figure 3.5",
    ),
    Published(
        "sutton_grid", "V of the uniform policy", uniform("sutton_grid"),
        [3.3, 8.8, 4.4, 5.3, 1.5, 1.5, 3.0, 2.3, 1.9, 0.5, 0.1, 0.7, 0.7, 0.4, -0.4, -1.0, -0.4,
         -0.4, -0.6, -1.2, -1.9, -1.3, -1.2, -1.4, -2.0], 0.0501, f"{BOOK}, figure 3.2",
    ),
    Published(
        "small_gridworld", "V of the uniform policy", uniform("small_gridworld"),
        [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0], 1e-9,
        f"{BOOK}, figure 4.1",
    ),
    Published("windy_gridworld", "J*", start("windy_gridworld"), -15, 1e-9, f"{BOOK}, example 6.5"),
    Published("cliff_walking", "J*", start("cliff_walking"), -13, 1e-9, f"{BOOK}, example 6.6"),
    Published(
        "russell_norvig", "V*", optimum("russell_norvig", [0, 1, 2, 4, 5, 7, 8, 9, 10]),
        [0.812, 0.868, 0.918, 0.762, 0.660, 0.705, 0.655, 0.611, 0.388], 5e-4,
        f"{AIMA}, figure 17.3",
    ),
    Published("frozen_lake", "J*", start("frozen_lake", gamma=1.0), 14 / 17, 1e-9,
              "worked out in fractions"),
    Published("combination_lock", "J*", start("combination_lock"), 0.95**9, 1e-9, "its formula"),
    Published("deep_sea", "J*", start("deep_sea"), 0.99, 1e-9, "its formula"),
    Published("riverswim", "gain", start("riverswim"), 0.4286, 5e-5,
              "the stationary law of swimming right, worked out below"),
    Published("two_cycle", "gain", start("two_cycle"), 0.5, 1e-12, "its formula"),
    Published("improper", "V*", optimum("improper", leave=0.25), [-40, -40, 0], 1e-9,
              "its formula"),
    Published("zero_cost_cycle", "V*", optimum("zero_cost_cycle"), [1, 1, 0], 1e-9, "its formula"),
    Published("zero_cost_cycle", "V* of a fine", optimum("zero_cost_cycle", prize=-1.0), [0, 0, 0],
              1e-9, "its formula"),
    Published("cancelling_cycle", "V*", optimum("cancelling_cycle"), [5, 6, 0], 1e-9, "formula"),
    Published("bisimilar", "V*(0)", optimum("bisimilar", 0), 0.9 / 0.19, 1e-9, "its formula"),
    Published("model_fail", "J*", start("model_fail"), 1, 1e-9, "its formula"),
    Published("model_win", "J*", start("model_win"), 2.0, 1e-9, "0.2 at each second step"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.problem}: {row.quantity}")
def test_what_is_printed(row):
    """Seen failing: each row with its printed value moved by two units of the last digit."""
    value, bound = row.ours()
    assert np.abs(np.asarray(value) - np.asarray(row.printed)).max() <= bound + row.digits


def test_jacks_policy_is_the_figures():
    """Seen failing: with the two places exchanged; with requests that come after the returns.

    Sutton and Barto (2018), figure 4.2, prints the optimal policy as a map of regions; these are
    its corners and the first row that moves nothing.
    """
    mdp = problems.jacks_car_rental()
    moved = solve(mdp).pi.argmax(axis=1).reshape(21, 21) - 5
    assert moved[20, 0] == 5 and moved[0, 20] == -4 and moved[20, 20] == 0 and moved[0, 0] == 0
    assert moved[10, 0] == 4 and moved[5, 0] == 1 and moved[4, 0] == 0
    assert (np.diff(moved, axis=0) >= 0).all() and (np.diff(moved, axis=1) <= 0).all()


def test_jacks_law_is_that_of_a_simulation():
    """Seen failing: with the tail of the Poisson law left out; with cars returned first.

    A million days from (2, 1): each probability and the mean within 6 standard errors.
    """
    mdp = problems.jacks_car_rental(cars=3, most_moved=1)
    rng, n = np.random.default_rng(0), 1_000_000
    left, income = [], np.zeros(n)
    for there, requests, returns in ((1, 3.0, 3.0), (2, 4.0, 2.0)):
        rented = np.minimum(there, rng.poisson(requests, n))
        income += 10.0 * rented
        left.append(np.minimum(there - rented + rng.poisson(returns, n), 3))
    s, a = 2 * 4 + 1, 2  # one car moved from the first to the second place
    counts = np.bincount(left[0] * 4 + left[1], minlength=16) / n
    p = mdp.P[s, a]
    assert (np.abs(counts - p) <= 6 * np.sqrt(p * (1 - p) / n) + 1e-6).all()
    assert abs(mdp.R[s, a] - (income.mean() - 2.0)) <= 6 * income.std() / np.sqrt(n)


def test_riverswims_gain_is_that_of_swimming_right():
    """Seen failing: with 0.05 and 0.35 exchanged in `riverswim`."""
    up, down = [0.6, 0.35, 0.35, 0.35, 0.35], [0.05, 0.05, 0.05, 0.05, 0.4]
    law = np.cumprod([1.0, *(u / d for u, d in zip(up, down, strict=True))])
    gain = 0.6 / 0.6 * law[-1] / law.sum()
    assert abs(solve(problems.riverswim()).J - gain) <= 1e-12


def test_access_control_lets_the_better_customers_in():
    """Seen failing: with `accepted` and `rejected` exchanged.

    As in the book's figure: the best customers are always let in, others where enough servers are
    free, and fewer of those who pay less.
    """
    mdp = problems.access_control()
    accepts = solve(mdp).pi[:, 0].reshape(11, 4) > 0.5
    assert not accepts[0].any() and accepts[1:, 3].all()
    assert (np.diff(accepts.astype(int), axis=0) >= 0).all()
    assert (np.diff(accepts.sum(axis=0)) >= 0).all() and not accepts[:8, 0].any()


def test_the_cliff_and_the_lake_are_gymnasiums():
    """Seen failing: with the cliff ending the episode; with slip 1/3."""
    gymnasium = pytest.importorskip("gymnasium")
    from mdptools import from_gymnasium

    lake = from_gymnasium(gymnasium.make("FrozenLake-v1", map_name="8x8"), gamma=0.99)
    assert abs(solve(problems.frozen_lake("8x8")).J - solve(lake).J) <= 1e-9
    cliff = from_gymnasium(gymnasium.make("CliffWalking-v1"), gamma=0.99)
    ours = problems.cliff_walking(gamma=0.99)
    assert abs(solve(ours).J - solve(cliff).J) <= 1e-9
    J = [evaluate(mdp, uniform_policy(mdp)).J for mdp in (ours, cliff)]
    assert abs(J[0] - J[1]) <= 1e-9 * abs(J[1])


def test_the_forest_is_mdptoolboxs():
    """Seen failing: with cutting at age 0 paid 1; with the fire before the growth."""
    example = pytest.importorskip("mdptoolbox.example")
    P, R = example.forest(5, r1=3, r2=1, p=0.2)
    ours = problems.forest(5, fire=0.2, wait=3.0, cut=1.0)
    np.testing.assert_allclose(ours.P, np.swapaxes(P, 0, 1), atol=1e-15)
    np.testing.assert_array_equal(ours.R, R)


def test_the_wind_is_that_of_the_column_one_leaves():
    """Seen failing: with a wind of 1 in column 7; with the wind of the column one enters."""
    mdp = problems.windy_gridworld()
    row, column = np.divmod(mdp.P.argmax(axis=2).reshape(7, 10, 4), 10)
    assert (row[6, :, 2][[2, 3, 6, 7, 8]] == [6, 5, 4, 4, 5]).all()  # right
    assert (row[6, :, 3][[2, 3, 6, 7, 8]] == [5, 4, 3, 3, 4]).all()  # up
    assert (column[6, :9, 2] == np.arange(1, 10)).all() and row[0, 6, 3] == 0


def test_sweeps_that_stop_at_a_small_change_are_off_by_what_is_said():
    """Seen failing: with n = 15 (off by 9e-5)."""
    P = problems.fair_walk().P[:, 0]
    V = np.zeros(41)
    V[40] = 1.0  # the goal keeps its prize: reachability
    while np.abs(P @ V - V).max() >= 1e-6:
        V = P @ V
    assert abs(V[20] - 0.5 + 1.6e-4) <= 5e-6


def test_the_robot_searches_until_it_has_to_recharge():
    """Seen failing: with alpha and beta exchanged; with the rescue leaving the energy low."""
    mdp = problems.recycling_robot()
    found = solve(mdp)
    assert found.pi.argmax(axis=1).tolist() == [0, 2]
    # V(high) = 2 + gamma (alpha V(high) + (1 - alpha) gamma V(high))
    high = 2 / (1 - 0.9 * (0.9 + 0.1 * 0.9))
    np.testing.assert_allclose(found.V, [high, 0.9 * high], rtol=1e-12)
    assert mdp.allowed.tolist() == [[True, True, False], [True, True, True]]
    assert abs(problems.recycling_robot(beta=1.0).R[1, 0] - 2) <= 1e-15
    assert solve(problems.recycling_robot(rescue=1.9)).pi.argmax(axis=1).tolist() == [0, 0]
