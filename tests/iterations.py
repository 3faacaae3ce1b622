"""Exact iterations in bare NumPy, and models to run them on: what bounds are held against.

Takes     a model; step sizes; how many steps.
Gives     lists of policies, or of values and greedy policies; nothing of the package's rules.
Source    the update formulas, one line each.
Not here  the bounds, the package's own rules.
"""

import numpy as np

from mdptools import MDP
from mdptools.problems import bandit, chain, line_world

GAMMAS = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]


def random_mdp(seed):
    """S = 1 to 6, A = 2 to 4; dense, sparse or deterministic rows; dense or sparse rewards; every
    third with a terminal state, every fourth with refused actions."""
    rng = np.random.default_rng((seed, 77))
    n_states, n_actions = int(rng.integers(1, 7)), int(rng.integers(2, 5))
    style = rng.integers(3)
    concentration = [1.0, 0.2, 0.02][style]
    P = rng.dirichlet(np.full(n_states, concentration), (n_states, n_actions))
    if style == 2:
        P = np.eye(n_states)[rng.integers(n_states, size=(n_states, n_actions))]
    R = rng.normal(size=(n_states, n_actions)) * 10.0 ** rng.integers(-1, 2)
    if rng.random() < 0.4:
        R = np.where(rng.random(R.shape) < 0.3, np.round(R), 0.0)
    allowed = np.ones(R.shape, dtype=bool)
    if seed % 4 == 3:
        allowed = rng.random(R.shape) < 0.8
        allowed[np.arange(n_states), rng.integers(n_actions, size=n_states)] = True
    terminal = ()
    if seed % 3 == 2 and n_states > 1:
        P[-1], R[-1], allowed[-1] = np.eye(n_states)[-1], 0.0, True
        terminal = [n_states - 1]
    mu = rng.dirichlet(np.ones(n_states)) * 0.8 + 0.2 / n_states
    return MDP(P, R, float(rng.choice(GAMMAS)), mu=mu, allowed=allowed, terminal=terminal)


def walk(n, slip, gamma, left=0.0, right=1.0):
    """A line with a small reward at its left end and a larger one at its right."""
    P, R = np.zeros((n, 2, n)), np.zeros((n, 2))
    for s in range(n):
        for a, to in ((0, max(s - 1, 0)), (1, min(s + 1, n - 1))):
            P[s, a, to] += 1 - slip
            P[s, a, s] += slip
    R[0, 0], R[-1, 1] = left, right
    return MDP(P, R, gamma, mu=np.full(n, 1 / n), terminal=())


def structured():
    """30 models with structure: lines, chains, bandits with ties, equal and doubled actions."""
    models = [walk(n, 0.0, g) for n in (3, 5) for g in (0.5, 0.9, 0.95)]
    models += [walk(n, 0.3, g, left=0.2) for n in (3, 6) for g in (0.5, 0.9)]
    for n in (4, 5, 6):
        both = chain(n)
        models += [both, MDP(both.P, both.R, both.gamma, mu=np.full(n, 1 / n), terminal=())]
    models += [
        bandit(means).with_objective(gamma=g)
        for means in ([1, 1, 0], [3, 2, 1], [0.5, 1], [1.0, 1.0, 1.0])
        for g in (0.0, 0.6)
    ]
    models += [line_world(gamma=g) for g in (0.5, 0.9)]
    models.append(MDP(np.full((3, 2, 3), 1 / 3), np.ones((3, 2)), 0.9, terminal=()))
    one = random_mdp(5)
    models.append(
        MDP(
            np.concatenate([one.P, one.P], 1),
            np.tile(one.R, 2),
            0.9,
            allowed=np.tile(one.allowed, 2),
        )
    )
    models += [random_mdp(s).with_objective(gamma=0.0) for s in (0, 1)]
    return models


class Plain:
    """A model as arrays, and V, Q, d of a policy by `numpy.linalg.solve`."""

    def __init__(self, mdp):
        self.mdp, self.P, self.R, self.gamma = mdp, np.asarray(mdp.P), mdp.R, mdp.gamma
        self.live, self.allowed = ~mdp.terminal, mdp.allowed

    def uniform(self):
        return self.allowed / self.allowed.sum(1, keepdims=True)

    def start(self, seed):
        """Uniform for even seeds, otherwise the softmax of normal logits."""
        if seed % 2 == 0:
            return np.zeros(self.R.shape)
        return np.random.default_rng(seed).normal(size=self.R.shape)

    def softmax(self, theta):
        z = np.where(self.allowed, theta, -np.inf)
        z = z - z.max(1, keepdims=True)
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    def values(self, pi):
        chain_ = np.einsum("sa,sat->st", pi, self.P)
        return np.linalg.solve(np.eye(len(pi)) - self.gamma * chain_, (pi * self.R).sum(1))

    def backup(self, V):
        return np.where(self.allowed, self.R + self.gamma * self.P @ V, -np.inf)

    def advantage(self, pi):
        V = self.values(pi)
        return np.where(self.allowed & self.live[:, None], self.backup(V) - V[:, None], 0.0)

    def visits(self, pi):
        chain_ = np.einsum("sa,sat->st", pi, self.P)
        found = np.linalg.solve((np.eye(len(pi)) - self.gamma * chain_).T, self.mdp.mu)
        return np.where(self.live, found, 0.0)

    def greedy(self, Q):
        pi = np.zeros(self.R.shape)
        pi[np.arange(len(pi)), np.where(self.allowed, Q, -np.inf).argmax(1)] = 1.0
        return pi


def value_sweeps(m, V, count, sweeps=1, in_place=False):
    """(V_k, greedy policy of V_k); with sweeps > 1 modified policy iteration."""
    values, policies = [], []
    V = np.where(m.live, V, 0.0)
    for _ in range(count + 1):
        Q = m.backup(V)
        pi = m.greedy(Q)
        values.append(V)
        policies.append(pi)
        V = Q.max(1)
        for _ in range(sweeps - 1):
            V = np.where(pi > 0, m.backup(V), 0.0).sum(1)
        if in_place:
            V = values[-1].copy()
            for s in range(len(V)):
                V[s] = m.backup(V)[s].max()
    return np.array(values), np.array(policies)


def q_sweeps(m, Q, count, step=lambda t: 1.0, weight=1.0):
    """Expected Q-learning Q += step w (R + gamma P max Q - Q); step 1 is Q-iteration."""
    tables, policies = [], []
    Q = np.where(m.allowed & m.live[:, None], Q, 0.0)
    for t in range(count + 1):
        tables.append(Q)
        policies.append(m.greedy(Q))
        V = np.where(m.allowed, Q, -np.inf).max(1)
        target = np.where(m.allowed & m.live[:, None], m.backup(np.where(m.live, V, 0)), 0.0)
        Q = Q + step(t) * weight * np.where(m.allowed, target - Q, 0.0)
    return np.array(tables), np.array(policies)


def policy_iterations(m, pi, count, alpha=1.0, simplex=False):
    """Howard's improvement where it gains, or in the one best state, or part of the way."""
    found = [pi]
    for _ in range(count):
        A = np.where(m.allowed, m.advantage(pi), -np.inf)
        size = 1e-11 * max(1.0, np.abs(m.values(pi)).max())
        better = A.max(1) > size
        if simplex and better.any():
            better &= np.arange(len(pi)) == np.where(better, A.max(1), -np.inf).argmax()
        best = np.where(better[:, None], m.greedy(A), pi)
        pi = (1 - alpha) * pi + alpha * best
        found.append(pi)
    return np.array(found)


def ascent(m, theta, eta, count, normalised=False, extra=None):
    """Softmax gradient ascent, theta by theta."""
    found = [m.softmax(theta)]
    for _ in range(count):
        pi = found[-1]
        gradient = m.visits(pi)[:, None] * pi * m.advantage(pi)
        if extra is not None:
            gradient = extra(pi)
        if normalised:
            gradient = gradient / max(np.linalg.norm(gradient), 1e-300)
        theta = theta + eta * gradient
        found.append(m.softmax(theta))
    return np.array(found)


def mirror(m, theta, eta, count):
    """KL mirror descent pi exp(eta_k A) / Z by its logits; the logarithms too."""
    logs = []
    for k in range(count + 1):
        z = np.where(m.allowed, theta, -np.inf)
        z = z - z.max(1, keepdims=True)
        logs.append(z - np.log(np.exp(z).sum(1, keepdims=True)))
        theta = np.where(m.allowed, z, 0.0) + eta(k) * m.advantage(np.exp(logs[-1]))
    return np.array(logs)


def project(y, allowed):
    """The nearest point of the simplex of allowed actions, row by row."""
    rows = []
    for row, ok in zip(y, allowed, strict=True):
        u = np.sort(row[ok])[::-1]
        k = np.arange(1, len(u) + 1)
        cut = (np.cumsum(u) - 1) / k
        shift = cut[(u > cut).nonzero()[0][-1]]
        rows.append(np.where(ok, np.maximum(row - shift, 0), 0.0))
    rows = np.array(rows)
    return rows / rows.sum(1, keepdims=True)


def euclid(m, pi, eta, count, weighted=False):
    """Projected steps: along A (mirror descent), or along visits A (gradient ascent)."""
    found = [pi]
    for k in range(count):
        direction = m.advantage(pi) * (m.visits(pi)[:, None] if weighted else 1.0)
        pi = project(pi + eta(k) * direction, m.allowed)
        found.append(pi)
    return np.array(found)


def soft_values(m, pi, tau):
    """V_tau of a policy: rewards less tau log pi."""
    logs = np.log(np.where(pi > 0, pi, 1.0))
    paid = np.where(m.live[:, None], pi * (m.R - tau * logs), 0.0).sum(1)
    chain_ = np.einsum("sa,sat->st", pi, m.P)
    return np.where(m.live, np.linalg.solve(np.eye(len(pi)) - m.gamma * chain_, paid), 0.0)


def soft_sweeps(m, V, tau, count):
    """Soft value iteration: (V_k, softmax of the backup of V_k)."""
    values, policies = [], []
    V = np.where(m.live, V, 0.0)
    for _ in range(count + 1):
        Q = m.backup(V)
        values.append(V)
        policies.append(m.softmax(np.where(m.allowed, Q, 0.0) / tau))
        top = Q.max(1)
        soft = top + tau * np.log(np.exp((Q - top[:, None]) / tau).sum(1))
        V = np.where(m.live, soft, 0.0)
    return np.array(values), np.array(policies)


def soft_natural(m, theta, tau, kept, rate, count):
    """log pi <- kept log pi + rate Q_tau, normalised; the logarithms."""
    logs = []
    for _ in range(count + 1):
        z = np.where(m.allowed, theta, -np.inf)
        z = z - z.max(1, keepdims=True)
        logs.append(z - np.log(np.exp(z).sum(1, keepdims=True)))
        Q = m.backup(soft_values(m, np.exp(logs[-1]), tau))
        theta = kept * np.where(m.allowed, logs[-1], 0.0) + rate * np.where(m.allowed, Q, 0.0)
    return np.array(logs)


def soft_gradient(m, tau):
    """pi -> dJ_tau / dtheta of the softmax."""

    def gradient(pi):
        V = soft_values(m, pi, tau)
        logs = np.log(np.where(pi > 0, pi, 1.0))
        A = np.where(m.allowed, m.backup(V), 0.0) - tau * logs - V[:, None]
        return m.visits(pi)[:, None] * pi * np.where(m.allowed, A, 0.0)

    return gradient


def barrier_gradient(m, weight):
    """pi -> dL / dtheta, L with the log barrier."""

    def gradient(pi):
        live = m.live[:, None] & m.allowed
        slope = weight / m.live.sum() * (1 / m.allowed.sum(1, keepdims=True) - pi)
        return m.visits(pi)[:, None] * pi * m.advantage(pi) + np.where(live, slope, 0.0)

    return gradient


def td_sweeps(m, pi, V, count, step=lambda t: 1.0, lam=0.0, weights=1.0):
    """Expected TD(lam): V += step w (I - gamma lam P)^-1 (R + gamma P V - V)."""
    chain_ = np.einsum("sa,sat->st", pi, m.P)
    inverse = np.linalg.inv(np.eye(len(pi)) - m.gamma * lam * chain_)
    values = [np.where(m.live, V, 0.0)]
    for t in range(count):
        V = values[-1]
        error = inverse @ ((pi * m.R).sum(1) + m.gamma * chain_ @ V - V)
        values.append(np.where(m.live, V + step(t) * weights * error, 0.0))
    return np.array(values)


def sarsa_sweeps(m, Q, count, step, follow):
    """Expected SARSA for the policy follow(Q)."""
    tables = [np.where(m.allowed & m.live[:, None], Q, 0.0)]
    for t in range(count):
        Q = tables[-1]
        V = np.where(m.live, (follow(Q) * Q).sum(1), 0.0)
        target = np.where(m.allowed & m.live[:, None], m.backup(V), 0.0)
        tables.append(Q + step(t) * (target - Q))
    return np.array(tables)


def timed_advantage(m, pi, H):
    """A (H, S, A) and visits (H, S) of pi (H, S, A), without final rewards."""
    V, A = np.zeros(len(m.R)), np.zeros((H, *m.R.shape))
    for h in reversed(range(H)):
        Q = np.where(m.allowed, m.R + m.gamma * m.P @ V, 0.0)
        V = np.where(m.live, (pi[h] * Q).sum(1), 0.0)
        A[h] = np.where(m.allowed & m.live[:, None], Q - V[:, None], 0.0)
    visits = [np.where(m.live, m.mdp.mu, 0.0)]
    for h in range(H - 1):
        after = np.einsum("s,sa,sat->t", visits[h], pi[h], m.P)
        visits.append(np.where(m.live, m.gamma * after, 0.0))
    return A, np.array(visits)


def timed(m, theta, H, eta, count, weighted, tied=False):
    """theta_h += eta A_h, or eta visits pi A; logarithms (count+1, H, S, A)."""
    theta, found = np.broadcast_to(theta, (H, *m.R.shape)), []
    for _ in range(count + 1):
        z = np.where(m.allowed, theta, -np.inf)
        z = z - z.max(-1, keepdims=True)
        found.append(z - np.log(np.exp(z).sum(-1, keepdims=True)))
        A, visits = timed_advantage(m, np.exp(found[-1]), H)
        step = visits[..., None] * np.exp(found[-1]) * A if weighted else A
        step = np.broadcast_to(step.sum(0), step.shape) if tied else step
        theta = np.where(m.allowed, z, 0.0) + eta * step
    return np.array(found)


def searched(m, pi, count):
    """Towards the greedy policy as far as J rises, by a fine grid that holds both ends."""
    found = [pi]
    for _ in range(count):
        best = m.greedy(np.where(m.allowed, m.advantage(pi), -np.inf))
        mixtures = [(1 - a) * pi + a * best for a in np.linspace(0, 1, 21)]
        pi = max(mixtures, key=lambda one: m.mdp.mu @ m.values(one))
        found.append(pi)
    return np.array(found)
