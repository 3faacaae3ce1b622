"""The oracles on answers worked out by hand, and against each other.

Takes     SimpleNamespace models, so that nothing here depends on the package either.
Gives     equalities of Fractions; a tolerance appears only where floating point is the subject.
Source    Puterman (1994); Kemeny and Snell (1960) for the random walk; pymdptoolbox's "small".
Not here  anything imported from mdptools.
"""

import itertools
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

import oracles

HALF = Fraction(1, 2)


def make(P, R, gamma=1, *, objective, horizon=None, mu=None, final=None, terminal=(), refused=()):
    """A model from nested lists of ints, floats or Fractions; mu is uniform on live states."""
    n_states, n_actions = len(R), len(R[0])
    live = [s for s in range(n_states) if s not in terminal]
    allowed = np.ones((n_states, n_actions), dtype=bool)
    for pair in refused:
        allowed[pair] = False
    if mu is None:
        mu = [Fraction(int(s in live), len(live)) for s in range(n_states)]
    return SimpleNamespace(
        P=np.array(P, dtype=object),
        R=R,
        gamma=gamma,
        horizon=horizon,
        mu=mu,
        final=final,
        allowed=allowed,
        terminal=[s in terminal for s in range(n_states)],
        objective=objective,
    )


def moves(targets, n_states):
    """P of deterministic moves: targets[s][a] is the next state."""
    return [[[int(t == u) for u in range(n_states)] for t in row] for row in targets]


def line_world():
    """Five states; a step costs 1, action 1 (right) out of the third 10; the last one ends."""
    P = moves([[0, 1], [0, 2], [1, 3], [2, 4], [4, 4]], 5)
    R = [[-1, -1], [-1, -1], [-1, -10], [-1, -1], [0, 0]]
    return make(P, R, objective="total", terminal=(4,))


def small(number):
    """pymdptoolbox's example; number turns a decimal string into what the model holds."""
    P = [[[".5", ".5"], ["0", "1"]], [[".8", ".2"], [".1", ".9"]]]
    P = [[[number(p) for p in row] for row in rows] for rows in P]
    return make(P, [[5, 10], [-1, 2]], number(".99"), objective="discounted")


def random_walk(n, up=HALF):
    """0..n, both ends terminal; reaching n is worth 1. The only action moves one up or down."""
    P = [[[Fraction(0)] * (n + 1)] for _ in range(n + 1)]
    R = [[Fraction(0)] for _ in range(n + 1)]
    for s in range(1, n):
        P[s][0][s + 1], P[s][0][s - 1] = up, 1 - up
    P[0][0][0] = P[n][0][n] = Fraction(1)
    R[n - 1][0] = up
    return make(P, R, objective="total", terminal=(0, n))


def wait_or_cash(final):
    """Action 0 waits for the final reward, action 1 takes 1 and ends; two decisions, gamma 1/2."""
    P = moves([[0, 1], [1, 1]], 2)
    return make(
        P, [[0, 1], [0, 0]], HALF, objective="finite", horizon=2, final=[final, 9], terminal=(1,)
    )


def random_model(rng, objective, *, exact_rows, n_states=3, n_actions=2):
    """A model with sparse rows and ties; it may have a terminal state and a refused pair.

    R is anything, or costs, or the difference of a potential.
    """
    shape = (n_states, n_actions)
    if exact_rows:  # quarters: two or one successors
        P = np.zeros((*shape, n_states), dtype=object)
        for s, a in np.ndindex(shape):
            for t in rng.integers(n_states, size=rng.choice([1, 2, 4])):
                P[s, a, t] += 1
            P[s, a] = [Fraction(int(x), int(P[s, a].sum())) for x in P[s, a]]
    else:
        P = rng.dirichlet(np.full(n_states, 0.7), size=shape).astype(object)
    R = rng.integers(-2, 2, size=shape)
    kind = rng.choice(["any", "costs", "potential"], p=[0.4, 0.4, 0.2])
    if kind == "costs":
        R = np.minimum(R, 0)
    elif kind == "potential" and exact_rows:  # every cycle has gain 0
        potential = rng.integers(2, size=n_states)
        R = potential[:, None] - P @ potential
    terminal = (n_states - 1,) if rng.random() < 0.6 else ()
    for s in terminal:
        P[s] = np.eye(n_states, dtype=int)[s]
        R[s] = 0
    refused = [(0, 1)] if rng.random() < 0.3 else []
    for pair in refused:
        P[pair] = 0
        R[pair] = 0
    return make(
        P.tolist(),
        R.tolist(),
        {"discounted": 0.9375, "total": 1, "finite": 0.5}[objective],
        objective=objective,
        horizon=2 if objective == "finite" else None,
        final=rng.integers(3, size=n_states).tolist() if objective == "finite" else None,
        terminal=terminal,
        refused=refused,
    )


def random_policy(rng, model):
    """Positive rational probabilities on the allowed actions, (S, A)."""
    weights = rng.integers(1, 5, size=model.allowed.shape) * model.allowed
    return [[Fraction(int(w), int(row.sum())) for w in row] for row in weights]


def same(x, y):
    """Equality of nested lists in which nan equals nan."""
    x, y = np.asarray(x, dtype=object), np.asarray(y, dtype=object)
    pairs = zip(x.ravel(), y.ravel(), strict=True)
    return x.shape == y.shape and all(u == v or (math.isnan(u) and math.isnan(v)) for u, v in pairs)


# --- known answers ------------------------------------------------------------------------------


def test_line_world_has_the_published_tables():
    """Seen failing: only the first of tied actions marked; gaps negated; L the sum of visits."""
    V = [-13, -12, -11, -1, 0]
    left, right = [-14, -14, -13, -12, 0], [-13, -12, -11, -1, 0]
    best = oracles.optimum(line_world())
    assert best.V == V
    assert best.Q == [list(pair) for pair in zip(left, right, strict=True)]
    assert best.optimal_actions == [[False, True]] * 4 + [[True, True]]
    assert best.J == Fraction(-37, 4)
    assert oracles.best_by_enumeration(line_world()) == V
    gaps = [[1, 0], [2, 0], [2, 0], [11, 0], [0, 0]]
    assert oracles.gaps(line_world()) == gaps
    assert oracles.smallest_gap(line_world()) == 1
    always_right = oracles.evaluate(line_world(), oracles.policy_of(line_world(), [1] * 5))
    assert always_right.V == V
    assert always_right.Q == best.Q
    assert always_right.A == [[-gap for gap in row] for row in gaps]
    assert always_right.steps == always_right.time == [4, 3, 2, 1, 0]
    assert always_right.visits == [Fraction(1, 4), HALF, Fraction(3, 4), 1, 0]
    assert (always_right.Z, always_right.L) == (Fraction(5, 2), 4)


def test_line_world_is_worth_minus_infinity_if_it_never_ends():
    """Seen failing: recurrent states visited 0 times; every gain positive; steps finite."""
    always_left = oracles.evaluate(line_world(), oracles.policy_of(line_world(), [0] * 5))
    assert always_left.V == [-math.inf] * 4 + [0]
    assert always_left.J == -math.inf
    assert always_left.steps == [math.inf] * 4 + [0]
    assert always_left.visits == [math.inf, Fraction(3, 4), HALF, Fraction(1, 4), 0]
    assert always_left.time == [0, 1, 2, 3, 0]  # decisions before the recurrent state


def test_small_has_the_published_values():
    """Seen failing: policy iteration stopped after one policy; floats made short fractions."""
    # By hand, policy (1, 0): V0 = 10 + .99 V1 and .802 V1 = .792 V0 - 1, so V0 = 7.03 / .01792.
    V0 = Fraction(703000, 1792)
    V = [V0, (V0 - 10) / Fraction("0.99")]
    assert oracles.optimum(small(Fraction)).V == V
    assert oracles.best_by_enumeration(small(Fraction)) == V
    assert oracles.optimum(small(Fraction)).actions == [1, 0]
    for normalise_rows in (False, True):
        best = oracles.optimum(small(float), normalise_rows)
        assert oracles.floats(best.V) == pytest.approx([392.29910714, 386.16071429], abs=1e-8)
        assert best.V != V  # .8 is no decimal fraction in floats


@pytest.mark.parametrize("n", [2, 3, 7])
def test_fair_walk_is_kemeny_and_snells(n):
    """Seen failing: L as Z; L as the smallest time; end states counted as live."""
    model = random_walk(n)
    for start in range(1, n):
        model.mu = [int(s == start) for s in range(n + 1)]
        truth = oracles.evaluate(model, [[1]] * (n + 1))
        assert truth.V == [Fraction(s, n) for s in range(n)] + [0]
        assert truth.J == Fraction(start, n)
        assert truth.steps == truth.time == [s * (n - s) for s in range(n + 1)]
        green = [Fraction(2 * min(start, s) * (n - max(start, s)), n) for s in range(n + 1)]
        assert truth.visits == green
        assert truth.Z == start * (n - start)
        assert truth.L == (n // 2) * (n - n // 2)


def test_gamblers_ruin():
    """Seen failing: the matrix of V transposed; end states counted as live."""
    up, n = Fraction(1, 3), 5
    odds = (1 - up) / up
    truth = oracles.evaluate(random_walk(n, up), [[1]] * (n + 1))
    assert truth.V == [(1 - odds**s) / (1 - odds**n) for s in range(n)] + [0]
    # A walk that drifts by 2 up - 1 a step: E[steps] (2 up - 1) = E[end] - s.
    assert truth.steps == [(n * v - s) / (2 * up - 1) for s, v in enumerate(truth.V[:n])] + [0]


def test_two_states_by_hand():
    """Seen failing: visits from V's matrix; Q without gamma; ties broken anew in each round."""
    # 0 and 1 alternate; action 1 stays. gamma 1/2, rewards 3 and 0; staying in 1 pays 1.
    model = make(
        moves([[1, 0], [0, 1]], 2), [[3, 0], [0, 1]], HALF, objective="discounted", mu=[1, 0]
    )
    truth = oracles.evaluate(model, [[1, 0], [1, 0]])
    assert truth.V == [4, 2]
    assert truth.Q == [[4, 2], [2, 2]]
    assert truth.A == [[0, -2], [0, 0]]
    assert truth.visits == [Fraction(4, 3), Fraction(2, 3)]
    assert (truth.J, truth.Z, truth.L, truth.time) == (4, 2, 2, [2, 2])
    assert truth.steps == [math.inf, math.inf]
    best = oracles.optimum(model)
    assert (best.V, best.actions) == ([4, 2], [0, 1])  # a tie in state 1 changes nothing
    assert best.optimal_actions == [[True, False], [True, True]]
    mixed = oracles.evaluate(model, [[HALF, HALF], [0, 1]])
    assert mixed.V == [Fraction(8, 3), 2]  # V0 = 3/2 + (V0 + 2) / 4
    assert mixed.visits == [Fraction(4, 3), Fraction(2, 3)]  # v0 = 1 + v0/4; v1 = v0/4 + v1/2


def test_end_state_shortens_the_discounted_time():
    """Seen failing: steps discounted; the chain of an end state left to pi; L as Z."""
    P = [[[HALF, HALF]], [[0, 1]]]
    model = make(P, [[1], [0]], HALF, objective="discounted", terminal=(1,), mu=[HALF, HALF])
    truth = oracles.evaluate(model, [[1], [1]])
    assert truth.V == [Fraction(4, 3), 0]
    assert truth.time == [Fraction(4, 3), 0]
    assert truth.steps == [2, 0]
    assert truth.visits == [Fraction(2, 3), 0]
    assert (truth.J, truth.Z, truth.L) == (Fraction(2, 3), Fraction(2, 3), Fraction(4, 3))
    idle = oracles.chain_of(oracles.fractions_of(model), [[1], [0]])  # nothing chosen at the end
    assert idle == ([[HALF, HALF], [0, 1]], [1, 0])


def test_finite_horizon_by_hand():
    """Seen failing: final paid on end states; policies in order; visits or time without gamma; A
    from the largest Q; the worst action for the best.
    """
    best = oracles.optimum(wait_or_cash(2))
    assert best.V == [[1, 0], [1, 0], [2, 0]]
    assert best.Q == [[[HALF, 1], [0, 0]], [[1, 1], [0, 0]]]
    assert best.optimal_actions == [[[False, True], [True, True]], [[True, True], [True, True]]]
    assert oracles.gaps(wait_or_cash(2)) == [[[HALF, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert best.actions == [[1, 0], [0, 0]]
    assert oracles.best_by_enumeration(wait_or_cash(2)) == best.V
    even = oracles.evaluate(wait_or_cash(2), [[HALF, HALF], [HALF, HALF]])
    assert even.V == [[Fraction(3, 4), 0], [1, 0], [2, 0]]
    assert even.visits == [[1, 0], [Fraction(1, 4), 0]]
    assert (even.J, even.Z, even.L) == (Fraction(3, 4), Fraction(5, 4), Fraction(5, 4))
    assert even.time == [Fraction(5, 4), 0]
    assert even.steps == [Fraction(3, 2), 0]
    assert even.A[0] == [[-Fraction(1, 4), Fraction(1, 4)], [0, 0]]
    wait_then_cash = oracles.policy_of(wait_or_cash(8), [[0, 0], [1, 0]])
    assert oracles.evaluate(wait_or_cash(8), wait_then_cash).V == [[HALF, 0], [1, 0], [8, 0]]
    assert oracles.optimum(wait_or_cash(8)).V == [[2, 0], [4, 0], [8, 0]]


def loop(stay, leave):
    """One live state: action 0 stays, action 1 ends."""
    return make(moves([[0, 1], [1, 1]], 2), [[stay, leave], [0, 0]], objective="total",
                terminal=(1,))  # fmt: skip


@pytest.mark.parametrize(
    ("stay", "leave", "value", "optimal"),
    [
        (0, -1, 0, [True, False]),  # resting forever is worth 0
        (0, 5, 5, [True, True]),  # one more step at rest costs nothing
        (-1, -100, -100, [False, True]),
        (1, 5, math.inf, [False, False]),
    ],
)
def test_total_reward_of_one_loop(stay, leave, value, optimal):
    """Seen failing: no rest at rewards of zero; every end component of positive gain; ties marked
    where V is infinite.
    """
    best = oracles.optimum(loop(stay, leave))
    assert best.V == [value, 0]
    assert best.optimal_actions[0] == optimal
    assert oracles.best_by_enumeration(loop(stay, leave)) == [value, 0]
    assert best.status == ["infinite" if value == math.inf else "finite", "finite"]


def test_total_reward_that_never_settles():
    """Seen failing: gain 0 called negative; an undefined value preferred to a finite one."""
    # 0 -> 1 pays 1, 1 -> 0 takes it back; leaving pays 0 (exits open) or is refused.
    P = moves([[1, 2], [0, 2], [2, 2]], 3)
    R = [[1, 0], [-1, 0], [0, 0]]
    is_open = make(P, R, objective="total", terminal=(2,))
    assert oracles.optimum(is_open).V == [1, 0, 0]
    assert oracles.best_by_enumeration(is_open) == [1, 0, 0]
    shut = make(P, R, objective="total", terminal=(2,), refused=[(0, 1), (1, 1)])
    assert oracles.optimum(shut).status == ["undefined", "undefined", "finite"]
    assert same(oracles.best_by_enumeration(shut), [math.nan, math.nan, 0])


def test_total_reward_with_no_way_out():
    """Seen failing: a coin between both traps worth inf, or -inf; usable pairs that may leave the
    almost-sure set; 0 * inf in J.
    """
    # 0 gambles: half into a trap that costs 1 forever (2), half home (3). 1 goes to 0 or home.
    P = [[[0, 0, HALF, HALF]] * 2, [[1, 0, 0, 0], [0, 0, 0, 1]], [[0, 0, 1, 0]] * 2,
         [[0, 0, 0, 1]] * 2]  # fmt: skip
    R = [[50, 50], [9, -4], [-1, -1], [0, 0]]
    model = make(P, R, objective="total", terminal=(3,))
    best = oracles.optimum(model)
    assert best.V == [-math.inf, -4, -math.inf, 0]
    assert best.status[0] == "minus infinite"
    assert oracles.best_by_enumeration(model) == best.V
    model.mu = [0, 1, 0, 0]
    assert oracles.optimum(model).J == -4
    R[2] = [1, 1]
    assert oracles.optimum(model).V == [math.inf, math.inf, math.inf, 0]
    # A fair coin between a trap that pays 1 and one that costs 1 has no value.
    coin = make([[[0, HALF, HALF]], [[0, 1, 0]], [[0, 0, 1]]], [[0], [1], [-1]], objective="total")
    coin_values = [math.nan, math.inf, -math.inf]
    assert same(oracles.optimum(coin).V, coin_values)
    assert same(oracles.evaluate(coin, [[1]] * 3).V, coin_values)


# --- the oracles against each other -------------------------------------------------------------


@pytest.mark.parametrize("objective", ["discounted", "finite", "total"])
@pytest.mark.parametrize("exact_rows", [True, False])
def test_optimum_is_the_best_of_all_policies(objective, exact_rows):
    """Seen failing: usable pairs that may leave the almost-sure set; refused pairs offered; end
    components pruned once; no look for closed classes; gain 0 called negative.
    """
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(150 if objective == "total" and exact_rows else 15):
        model = random_model(rng, objective, exact_rows=exact_rows)
        best = oracles.optimum(model, normalise_rows=not exact_rows)
        assert same(best.V, oracles.best_by_enumeration(model, normalise_rows=not exact_rows))
        seen.update(best.status)
        pi = oracles.policy_of(model, best.actions)
        if set(best.status) == {"finite"}:
            assert oracles.evaluate(model, pi, normalise_rows=not exact_rows).V == best.V
            assert np.all(np.take_along_axis(
                np.array(best.optimal_actions), np.array(best.actions)[..., None], axis=-1
            ))  # fmt: skip
    if objective == "total" and exact_rows:
        assert seen == {"finite", "infinite", "minus infinite", "undefined"}


def test_optimum_of_larger_models_beats_every_change():
    """Seen failing: improvement in the first state only; refused pairs offered."""
    rng = np.random.default_rng(1)
    checked = []
    for objective in ["discounted", "total"] * 6:
        model = random_model(rng, objective, exact_rows=False, n_states=6, n_actions=3)
        exact = oracles.fractions_of(model, normalise_rows=True)
        best = oracles.optimum(exact)
        if set(best.status) == {"finite"}:
            assert oracles.backup_by_loops(exact, best.V) == best.V
            assert oracles.evaluate(exact, oracles.policy_of(exact, best.actions)).V == best.V
            checked.append(objective)
    assert checked.count("discounted") == 6
    assert checked.count("total") >= 2


@pytest.mark.parametrize("objective", ["discounted", "finite", "total"])
def test_evaluation_satisfies_its_equations(objective):
    """Seen failing: Q without gamma; visits not discounted; final paid on end states."""
    rng = np.random.default_rng(2)
    checked = 0
    for _ in range(20):
        model = random_model(rng, objective, exact_rows=True)
        pi = random_policy(rng, model)
        truth = oracles.evaluate(model, pi)
        if any(not math.isfinite(x) for x in [*np.ravel(truth.V), *np.ravel(truth.visits)]):
            continue  # no equation to satisfy
        checked += 1
        rewards = [
            0 if model.terminal[s] else sum(p * r for p, r in zip(pi[s], model.R[s], strict=True))
            for s in range(3)
        ]
        if objective == "finite":
            for t in range(model.horizon):
                now = oracles.backup_of_policy_by_loops(model, pi, truth.V[t + 1])
                assert truth.V[t] == now
            assert truth.visits == oracles.visits_by_powers(model, pi)
            counts = [sum(column) for column in zip(*truth.visits, strict=True)]
            last = oracles.visits_by_powers(model, pi, 2)[-1]
            chain, _ = oracles.chain_of(oracles.fractions_of(model), pi)
            final = oracles.fractions_of(model).final
            paid = HALF * sum(
                oracles.fraction(last[s]) * chain[s][t] * final[t]
                for s, t in itertools.product(range(3), range(3))
            )
        else:
            assert oracles.backup_of_policy_by_loops(model, pi, truth.V) == truth.V
            counts, paid = truth.visits, 0
        earned = sum(v * r for v, r in zip(counts, rewards, strict=True)) + oracles.fraction(paid)
        assert earned == truth.J
        assert sum(m * w for m, w in zip(model.mu, truth.time, strict=True)) == truth.Z
    assert checked >= 10


def test_powers_add_up_to_the_visits():
    """Seen failing: one power too many; end states kept; no discount; n_steps not asked for."""
    P = [[[HALF, HALF]], [[0, 1]]]
    model = make(P, [[1], [0]], HALF, objective="discounted", terminal=(1,))
    powers = oracles.visits_by_powers(model, [[1], [1]], 3)
    assert powers == [[1, 0], [Fraction(1, 4), 0], [Fraction(1, 16), 0]]
    with pytest.raises(ValueError, match="n_steps must be given"):
        oracles.visits_by_powers(model, [[1], [1]])


def test_one_backup_by_hand():
    """Seen failing: V of the end state used; refused pairs 0; P of action 0 for every action."""
    P = [[[HALF, HALF, 0], [0, 0, 1]], [[0, 0, 0], [1, 0, 0]], [[0, 0, 1]] * 2]
    model = make(P, [[1, 2], [0, 3], [0, 0]], HALF, objective="discounted", terminal=(2,),
                 refused=[(1, 0)])  # fmt: skip
    V = [4, 8.0, 100]
    assert oracles.q_by_loops(model, V) == [[4, 2], [-math.inf, 5], [0, 0]]
    assert oracles.backup_by_loops(model, V) == [4, 5, 0]
    pi = [[HALF, HALF], [0, 1], [1, 0]]
    assert oracles.backup_of_policy_by_loops(model, pi, V) == [3, 5, 0]


# --- linear algebra and chains ------------------------------------------------------------------


@pytest.mark.parametrize("by", ["fractions", "flint"])
def test_linear_equations(by):
    """Seen failing: no row exchange; elimination below the pivot only; an answer transposed."""
    if by == "flint":
        pytest.importorskip("flint")
    hilbert = [[Fraction(1, i + j + 1) for j in range(3)] for i in range(3)]
    unit = [[Fraction(int(i == j)) for j in range(3)] for i in range(3)]
    inverse = [[9, -36, 30], [-36, 192, -180], [30, -180, 180]]
    assert oracles.solve_exact(hilbert, unit, by) == inverse
    swap = [[Fraction(0), Fraction(2)], [Fraction(1), Fraction(1)]]
    assert oracles.solve_exact(swap, [[Fraction(2)], [Fraction(5)]], by) == [[4], [1]]
    assert oracles.solve_exact([], [], by) == []
    with pytest.raises(ZeroDivisionError, match="singular"):
        oracles.solve_exact([[Fraction(1)] * 2] * 2, [[Fraction(1)]] * 2, by)


def test_flint_and_fractions_agree(monkeypatch):
    """Seen failing: flint's answer as floats, or upside down; elimination below the pivot only."""
    pytest.importorskip("flint")
    rng = np.random.default_rng(3)
    for n in (1, 2, 5):
        matrix = [[Fraction(x) for x in row] for row in rng.normal(size=(n, n))]
        right = [[Fraction(x) for x in row] for row in rng.normal(size=(n, 2))]
        answer = oracles.solve_exact(matrix, right, "flint")
        assert answer == oracles.solve_exact(matrix, right, "fractions")
        assert all(type(x) is Fraction for row in answer for x in row)
        product = [
            [sum(matrix[i][j] * answer[j][k] for j in range(n)) for k in range(2)] for i in range(n)
        ]
        assert product == right
    model = random_model(rng, "discounted", exact_rows=False)
    fast = oracles.optimum(model)
    monkeypatch.setattr(oracles, "flint", None)
    assert oracles.optimum(model) == fast


def test_gain_of_irreducible_chains():
    """Seen failing: the law of the transposed chain; rows left as they are; a check taken out."""
    p, q = Fraction(1, 3), Fraction(1, 7)
    chain = [[1 - p, p], [q, 1 - q]]
    assert oracles.gain(chain, [1, 0]) == (q / (p + q), [q / (p + q), p / (p + q)])
    assert oracles.gain([[1]], [7]) == (7, [1])
    ring = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert oracles.gain(ring, [1, 2, 6]) == (3, [Fraction(1, 3)] * 3)
    assert oracles.gain([[0.1, 0.3], [3, 1]], [1, 0]) == oracles.gain(
        [[Fraction(0.1) / (Fraction(0.1) + Fraction(0.3)),
          Fraction(0.3) / (Fraction(0.1) + Fraction(0.3))],
         [Fraction(3, 4), Fraction(1, 4)]], [1, 0], normalise_rows=False
    )  # fmt: skip
    with pytest.raises(ValueError, match="not irreducible"):
        oracles.gain([[1, 0], [1, 0]], [0, 0])
    with pytest.raises(ValueError, match="sum to one"):
        oracles.gain([[0.7, 0.2, 0.1]] * 3, [0, 0, 0], normalise_rows=False)


def test_classes_and_end_components():
    """Seen failing: classes that are not closed; leaving pairs dropped only once; usable pairs that
    may leave; an attractor that must advance for certain.
    """
    chain = [[0, HALF, 0, HALF], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert oracles.recurrent_classes(chain) == [[1, 2], [3]]
    # 0 and 1 go round by action 0; action 1 of 1 may fall to 2; 2 returns to 0 or ends.
    P = [[[0, 1, 0, 0], [1, 0, 0, 0]], [[1, 0, 0, 0], [0, HALF, HALF, 0]],
         [[HALF, 0, 0, HALF]] * 2, [[0, 0, 0, 1]] * 2]  # fmt: skip
    exact = oracles.fractions_of(
        make(P, [[0, 0]] * 4, objective="total", terminal=(3,), refused=[(2, 1)])
    )
    pairs = {(s, a) for s in exact.live for a in exact.actions(s)}
    assert oracles.end_components(exact, pairs) == [({0, 1}, {(0, 0), (0, 1), (1, 0)})]
    assert oracles.end_components(exact, {(0, 0), (1, 1), (2, 0)}) == []
    assert oracles.almost_surely_reach(exact, {3}, pairs)[0] == {0, 1, 2, 3}
    assert oracles.almost_surely_reach(exact, {2}, pairs) == ({0, 1, 2}, pairs - {(2, 0)})
    assert oracles.attractor(exact, {3}, pairs) == {0: 0, 1: 1, 2: 0}


# --- floats in, floats out ----------------------------------------------------------------------


def test_fractions_are_exact():
    """Seen failing: limit_denominator; np.int64 kept inside; a row of zeros divided by 0; mu or pi
    not normalised; an Exact with the other rows passed through.
    """
    assert oracles.fraction(0.1) == Fraction(3602879701896397, 2**55)
    assert oracles.fraction(np.float32(0.1)) == Fraction(13421773, 2**27)
    big = oracles.fraction(np.int64(2**62))
    assert big * 4 == 2**64
    P = np.array([[[0.1, 0.3], [0.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    model = make(P, [[1, 0], [0, 0]], 0.5, objective="discounted", mu=[1, 1], refused=[(0, 1)])
    kept, divided = oracles.fractions_of(model), oracles.fractions_of(model, normalise_rows=True)
    assert kept.P[0][0] == [Fraction(0.1), Fraction(0.3)]
    assert kept.mu == [1, 1]
    assert sum(divided.P[0][0]) == 1
    assert divided.P[0][0][0] / divided.P[0][0][1] == Fraction(0.1) / Fraction(0.3)
    assert divided.P[0][1] == [0, 0]
    assert divided.mu == [HALF, HALF]
    assert oracles.evaluate(divided, [[2, 0], [1, 1]]).V[0] == 1 / (1 - divided.P[0][0][0] / 2)
    model.P = sparse.csr_array(P.reshape(4, 2))
    assert oracles.fractions_of(model) == kept
    assert oracles.fractions_of(divided, normalise_rows=True) is divided
    with pytest.raises(ValueError, match="make it with normalise_rows"):
        oracles.fractions_of(kept, normalise_rows=True)


def test_errors_are_compared_exactly():
    """Seen failing: floats subtracted; equal infinities an error; nan equal to nan; no shapes."""
    third = [Fraction(1, 3), -math.inf]
    error = oracles.largest_error([1 / 3, -math.inf], third)
    assert error == Fraction(1, 3) - Fraction(1 / 3)
    assert 0 < error < 2e-17
    assert oracles.largest_error([0.0, -math.inf], third) == Fraction(1, 3)
    assert oracles.largest_error([0.0, 1.0], third) == math.inf
    assert oracles.largest_error([math.nan], [math.nan]) == math.inf
    assert oracles.largest_error([0.0], third) == math.inf
    assert oracles.floats([third]).tolist() == [[1 / 3, -math.inf]]
    assert oracles.best_of_all_policies(line_world()).dtype == np.float64
    assert oracles.optimal_actions(line_world()).dtype == bool


def test_what_is_refused():
    """Seen failing: each check taken out."""
    discounted = make([[[1], [1]]], [[0, 1]], HALF, objective="discounted", refused=[(0, 1)])
    with pytest.raises(ValueError, match="action 1 is refused"):
        oracles.evaluate(discounted, [[HALF, HALF]])
    average = make([[[1]]], [[0]], objective="average")
    with pytest.raises(ValueError, match="'average' is not served"):
        oracles.evaluate(average, [[1]])
    with pytest.raises(ValueError, match="'average' is not served"):
        oracles.optimum(average)
    with pytest.raises(ValueError, match="horizon is 2"):
        oracles.evaluate(wait_or_cash(1), [[[1, 0], [1, 0]]])
    many = make([[[1] + [0] * 11] * 2] * 12, [[0, 0]] * 12, HALF, objective="discounted")
    with pytest.raises(ValueError, match="4096 deterministic policies are too many"):
        oracles.best_by_enumeration(many)
    endless = make([[[0.1, 0.2, 0.7]]] * 3, [[0]] * 3, objective="total")
    assert sum(endless.P[0][0]) == 1 != sum(map(Fraction, endless.P[0][0]))
    with pytest.raises(ValueError, match="normalise_rows=True"):
        oracles.optimum(endless)
    assert oracles.optimum(endless, normalise_rows=True).V == [0, 0, 0]


# --- derivatives and laws -----------------------------------------------------------------------


def test_complex_step_is_exact_to_rounding():
    """Seen failing: h real; divided by h squared; the Jacobian transposed."""
    theta = np.array([[0.3, -1.2], [0.0, 2.0]])
    gradient = oracles.complex_step(lambda x: np.exp(x[0, 0]) * x[1, 1] + x[0, 1] ** 3, theta)
    truth = [[2 * np.exp(0.3), 3 * 1.44], [0, np.exp(0.3)]]
    assert gradient == pytest.approx(np.array(truth), rel=4e-16, abs=0)
    jacobian = oracles.complex_step(lambda x: np.stack([x.sum(), x[0] @ x[1], x[0, 0]]), theta)
    assert jacobian.shape == (3, 2, 2)
    assert jacobian[1].tolist() == [[0.0, 2.0], [0.3, -1.2]]
    assert jacobian[2].tolist() == [[1, 0], [0, 0]]


def test_gradient_of_a_bandit_by_hand():
    """Seen failing: temperature multiplied; refused actions given weight."""
    model = make([[[0, 1]] * 3, [[0, 1]] * 3], [[1, 3, 99], [0, 0, 0]], objective="total",
                 terminal=(1,), refused=[(0, 2)])  # fmt: skip
    theta = np.array([[0.0, math.log(3.0), 5.0], [0.0, 0.0, 0.0]])
    gradient = oracles.complex_step(lambda x: oracles.objective_of_logits(model, x), theta)
    # pi = (1/4, 3/4); dJ/dtheta_1 = pi_0 pi_1 (3 - 1)
    assert gradient[0] == pytest.approx([-3 / 8, 3 / 8, 0], rel=1e-15, abs=0)
    assert not gradient[1].any()
    warm = oracles.complex_step(lambda x: oracles.objective_of_logits(model, x, 2.0), 2 * theta)
    assert warm[0] == pytest.approx([-3 / 16, 3 / 16, 0], rel=1e-15, abs=0)


@pytest.mark.parametrize("objective", ["discounted", "finite", "total"])
def test_derivative_of_the_objective_is_visits_times_q(objective):
    """Seen failing: final, or gamma, forgotten in the objective; visits not discounted."""
    rng = np.random.default_rng(4)
    checked = 0
    for _ in range(16):
        model = random_model(rng, objective, exact_rows=True)
        pi = random_policy(rng, model)
        truth = oracles.evaluate(model, pi)
        if objective == "total" and math.inf in truth.steps:
            continue  # nothing to differentiate
        checked += 1
        floats = oracles.floats(pi)
        assert oracles.objective_of_policy(model, floats) == pytest.approx(float(truth.J))
        Q, visits = oracles.floats(truth.Q), oracles.floats(truth.visits)
        if objective == "finite":
            floats = np.stack([floats] * model.horizon)
        slope = oracles.complex_step(lambda x, m=model: oracles.objective_of_policy(m, x), floats)
        expected = np.where(model.allowed, visits[..., None] * np.where(model.allowed, Q, 0), 0)
        assert slope == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert checked >= 7


def test_law_of_the_return_by_hand():
    """Seen failing: equal returns not merged; final paid on end states; gamma one step ahead;
    outcomes ignored; no end of an endless loop.
    """
    even = [[HALF, HALF], [HALF, HALF]]
    quarter = Fraction(1, 4)
    # cash at once 1; cash then 1/2; wait twice 1/4 of final 2 = 1/2: merged.
    assert oracles.return_law(wait_or_cash(2), even) == [(HALF, HALF), (HALF, 1)]
    law = oracles.return_law(wait_or_cash(8), even)
    assert law == [(quarter, HALF), (HALF, 1), (quarter, 2)]
    # A coin that stops: after n_steps = 3 the law of min(geometric, 3).
    coin = make([[[HALF, HALF]], [[0, 1]]], [[1], [0]], objective="total", terminal=(1,))
    geometric = oracles.return_law(coin, [[1], [1]], n_steps=3)
    assert geometric == [(HALF, 1), (quarter, 2), (quarter, 3)]
    # One successor with two rewards.
    two = {(0, 0): [(0.25, 1, 5), (0.25, 1, -1), (0.5, 0, 0)]}
    assert oracles.return_law(coin, [[1], [1]], n_steps=1, outcomes=two) == [
        (quarter, -1), (HALF, 0), (quarter, 5)]  # fmt: skip
    with pytest.raises(ValueError, match="give n_steps"):
        oracles.return_law(loop(0, 0), [[1, 0], [1, 0]])


def test_mean_of_the_law_is_the_value():
    """Seen failing: probabilities of actions left out; the first policy at every time."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        model = random_model(rng, "finite", exact_rows=True)
        pi = [random_policy(rng, model), random_policy(rng, model)]
        law = oracles.return_law(model, pi)
        assert sum(p for p, _ in law) == 1
        assert sum(p * x for p, x in law) == oracles.evaluate(model, pi).J
