"""J as a smooth function of theta: models, and derivatives by complex steps.

Takes     a model, and pi or a family with theta, real or complex.
Gives     V, Q, visits and J by dense solves and loops, as analytic functions of pi.
Source    Bellman's equations; nothing of the package's evaluation is used.
Not here  exact fractions (`oracles`).
"""

import numpy as np

from mdptools import MDP
from mdptools.policies import LogLinear, Observation, Softmax, Timed

EPS = 2.0**-52
OBJECTIVES = ["discounted", "finite", "total", "average"]
GAMMAS = [0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]


def random_model(seed, objective, gammas=(0.5, 0.9, 0.99, 0.999, 0.9999), sparse=False):
    """S = 4 with a terminal state (not for average reward) and any start.

    Two of three seeds have refused actions, and so no `Observation` policies in `families`.
    """
    rng = np.random.default_rng(seed)
    n_states, n_actions = 4, 3
    P = rng.dirichlet(np.full(n_states, 0.5), (n_states, n_actions))
    R = rng.normal(size=(n_states, n_actions)) * 10.0 ** rng.integers(-3, 4)
    if objective != "average":
        P[-1], R[-1] = 0, 0
        P[-1, :, -1] = 1
    allowed = rng.random((n_states, n_actions)) < (0.8 if seed % 3 else 1.0)
    allowed[np.arange(n_states), rng.integers(n_actions, size=n_states)] = True
    final = rng.normal(size=n_states) * (np.arange(n_states) < n_states - 1)
    gamma = float(rng.choice(gammas))
    keywords = {
        "discounted": {"gamma": gamma},
        "finite": {"gamma": float(rng.choice([0.9, 1.0])), "horizon": 5, "final": final},
        "total": {"gamma": 1.0},
        "average": {"average": True},
    }[objective]
    mu = rng.dirichlet(np.ones(n_states))
    if sparse:
        from scipy.sparse import csr_array

        P = csr_array(P.reshape(-1, n_states))
    mdp = MDP(P, R, mu=mu, allowed=allowed, **keywords)
    return mdp, rng.normal(size=(n_states, n_actions))


def families(mdp, seed):
    """One of each kind that is smooth, with parameters: (name, family, theta)."""
    rng = np.random.default_rng(seed)
    found = [
        ("softmax", Softmax(mdp, 0.7)),
        ("log-linear", LogLinear(mdp, rng.normal(size=(*mdp.allowed.shape, 3)))),
    ]
    if mdp.allowed.all():
        noise = rng.dirichlet(np.ones(2), mdp.n_states)
        found.append(("observation", Observation(mdp, noise)))
    if mdp.horizon:
        found.append(("timed", Timed(mdp, Softmax(mdp))))
    return [(name, family, rng.normal(size=family.shape)) for name, family in found]


def solved(model, pi, tau=0.0, prior=None):
    """V, Q with the bonus of the action itself, visits; each with time in front on a horizon.

    Average reward, one class: the bias up to a constant, Q differential, the stationary law.
    """
    pi = np.asarray(pi)
    R = np.asarray(model.R, dtype=float)
    P = model.P.toarray() if hasattr(model.P, "toarray") else np.asarray(model.P)
    P = P.reshape(*R.shape, -1)
    allowed, live = model.allowed, ~model.terminal
    weights = np.ones(R.shape) if prior is None else np.asarray(prior)
    logs = np.log(np.where(allowed & live[:, None], pi / np.where(allowed, weights, 1.0), 1.0))
    paid = np.where(allowed & live[:, None], R - tau * logs, 0.0)
    if model.objective == "finite":
        H = model.horizon
        pi = np.broadcast_to(pi, (H, *R.shape))
        paid = np.broadcast_to(paid, pi.shape)
        V = np.zeros((H + 1, len(R)), dtype=pi.dtype)
        Q = np.zeros(pi.shape, dtype=pi.dtype)
        visits = np.zeros((H, len(R)), dtype=pi.dtype)
        if model.final is not None:
            V[H] = model.final
        for t in reversed(range(H)):
            Q[t] = paid[t] + model.gamma * P @ V[t + 1]
            V[t] = (pi[t] * Q[t] * live[:, None]).sum(axis=1)
        law = (model.mu * live).astype(pi.dtype)
        for t in range(H):
            visits[t] = law
            law = model.gamma * np.einsum("s,sa,sat->t", law, pi[t], P) * live
        return V, np.where(allowed, Q, 0.0), visits
    chain = np.einsum("sa,sat->st", pi, P)
    reward = (pi * paid).sum(axis=1)
    if model.objective == "average":
        n = len(R)
        system = np.eye(n) - chain + np.ones((n, n)) / n
        law = np.linalg.solve(system.T, np.ones(n) / n)
        law = law / law.sum()
        gain = law @ reward
        V = np.linalg.solve(system, reward - gain)
        return V, np.where(allowed, paid - gain + P @ V, 0.0), law
    chain = model.gamma * chain * live[:, None] * live
    system = np.eye(len(R)) - chain
    V = np.linalg.solve(system, reward * live)
    visits = np.linalg.solve(system.T, (model.mu * live).astype(pi.dtype))
    return V, np.where(allowed, paid + model.gamma * P @ V, 0.0), visits


def value_of(model, pi, tau=0.0, prior=None):
    """J, or J_tau."""
    V, _, visits = solved(model, pi, tau, prior)
    if model.objective == "average":
        return visits @ (pi * np.where(model.allowed, model.R, 0.0)).sum(axis=1)
    return model.mu @ (V[0] if V.ndim == 2 else V)


def gradient_of(model, family, theta, tau=0.0):
    """dJ_tau/dtheta through the family's pullback, real or complex."""
    V, Q, visits = solved(model, family.probs(theta), tau)
    before = V if V.shape == visits.shape else V[:-1]
    return family.pullback(theta, visits[..., None] * (Q - before[..., None]))


def duration(model, pi):
    """L: the longest mean (discounted) time, or for average reward max |(I - P + 1w)^-1|."""
    if model.objective == "discounted":
        return 1 / (1 - model.gamma)
    if model.objective == "finite":
        return float(model.horizon)
    P = model.P.toarray() if hasattr(model.P, "toarray") else np.asarray(model.P)
    chain = np.einsum("sa,sat->st", pi, P.reshape(*pi.shape, -1))
    if model.objective == "total":
        live = ~model.terminal
        inverse = np.linalg.inv(np.eye(int(live.sum())) - chain[np.ix_(live, live)])
    else:
        _, _, law = solved(model, pi)
        inverse = np.linalg.inv(np.eye(len(chain)) - chain + law)
    return max(1.0, float(np.abs(inverse).sum(axis=1).max()))
