"""Estimators with one thing wrong, and some that only look wrong, as a user would write them.

Each entry makes the arguments of `check_estimator` from a `Lab`. The numbers are those of a
catalogue of mistakes found in published code and courses; B is biased, H is harmless. Those that
draw for themselves are run by the choice tape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdptools import MDP, evaluate
from mdptools.policies import Softmax
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for

MUTANTS: dict[str, Mutant] = {}
HARMLESS: dict[str, Mutant] = {}


@dataclass(frozen=True)
class Lab:
    """A model, who is asked about, who acts, and a critic that is wrong everywhere."""

    mdp: MDP
    family: Softmax
    theta: np.ndarray
    pi: np.ndarray
    b: np.ndarray
    v: np.ndarray
    psi: np.ndarray  # (S, A, D)

    @property
    def gamma(self) -> float:
        return self.mdp.gamma

    @property
    def policy(self) -> Any:
        return self.family, self.theta


def lab(seed: int = 0, horizon: int = 4) -> Lab:
    mdp = discriminating_mdp(seed).with_objective(horizon=horizon)
    family, theta = policy_for(mdp, seed)
    pi = family.probs(theta)
    parts = (behaviour_for(mdp, seed), critic_for(mdp, seed), family.score(theta))
    return Lab(mdp, family, theta, pi, *parts)


@dataclass(frozen=True)
class Mutant:
    """``make(lab)`` gives the arguments of check_estimator; ``says``: part of its explanation."""

    make: Any
    says: str = ""
    batch: int = 1

    def arguments(self, lab: Lab) -> dict[str, Any]:
        made = self.make(lab)
        made = made if isinstance(made, dict) else {"estimator": made}
        given = {"mdp": lab.mdp, "policy": lab.policy}
        return given | made | ({"batch": self.batch} if self.batch > 1 else {})


def mutant(name, says="", batch=1):
    def register(make):
        MUTANTS[name] = Mutant(make, says, batch)
        return make

    return register


def harmless(name, batch=1):
    def register(make):
        HARMLESS[name] = Mutant(make, "", batch)
        return make

    return register


# --- what users write again and again ------------------------------------------------------------


def to_go(r, gamma):
    """G[:, t] = r[:, t] + gamma G[:, t+1]."""
    G = np.zeros((len(r), r.shape[1] + 1))
    for t in reversed(range(r.shape[1])):
        G[:, t] = r[:, t] + gamma * G[:, t + 1]
    return G[:, :-1]


def scores(lab, batch):
    """psi_t, (N, T, D), zero on padding."""
    return lab.psi[batch.s[:, :-1], batch.a] * batch.mask[:, :, None]


def weighted(lab, batch, w):
    """sum_t w_t psi_t."""
    return (scores(lab, batch) * w[:, :, None]).sum(axis=1)


def powers(lab, batch):
    return lab.gamma ** np.arange(batch.n_steps)


def right(lab, batch):
    return weighted(lab, batch, powers(lab, batch) * to_go(batch.r, lab.gamma))


def deltas(lab, batch, v, v_end=0.0):
    """r + gamma v(s') - v(s), 0 on padding; v(s') = v_end after termination or at the horizon."""
    values = v[batch.s]
    running = np.pad(batch.mask[:, 1:], ((0, 0), (0, 1)))
    after = np.where(running, values[:, 1:], v_end)
    return np.where(batch.mask, batch.r + lab.gamma * after - values[:, :-1], 0.0)


def importance(lab, batch, b=None):
    """Pi / b of each step, 1 on padding."""
    s, a = batch.s[:, :-1], batch.a
    acted = np.exp(batch.logp) if b is None else b[s, a]
    return np.where(batch.mask, lab.pi[s, a] / acted, 1.0)


def by_importance(lab, ratios, **more):
    """J from somebody else's trajectories, weighted by the product of ``ratios(batch)``."""

    def estimate(batch):
        G = (powers(lab, batch) * batch.r).sum(axis=1)
        return ratios(batch).prod(axis=1) * G

    return {"estimator": estimate, "behaviour": lab.b, "target": "J"} | more


# --- gradients ------------------------------------------------------------------------------------


@mutant("B01", "gamma^t left out")
def no_gamma_t(lab):
    return lambda batch: weighted(lab, batch, to_go(batch.r, lab.gamma))


@mutant("B02", "returns started one step late")
def off_by_one(lab):
    def estimate(batch):
        G = to_go(batch.r, lab.gamma)
        late = np.pad(G[:, 1:], ((0, 0), (0, 1)))
        return weighted(lab, batch, powers(lab, batch) * late)

    return estimate


@mutant("B04", "the return to go not discounted")
def undiscounted_to_go(lab):
    return lambda batch: weighted(lab, batch, powers(lab, batch) * to_go(batch.r, 1.0))


@mutant("B06")
def action_dependent_baseline(lab):
    Q = evaluate(lab.mdp.with_objective(), lab.pi).Q

    def estimate(batch):
        above = to_go(batch.r, lab.gamma) - Q[batch.s[:, :-1], batch.a]
        return weighted(lab, batch, powers(lab, batch) * above)

    return estimate


@mutant("B08", "the mean of the episode's own returns as baseline")
def baseline_of_own_episode(lab):
    def estimate(batch):
        G = to_go(batch.r, lab.gamma)
        own = G.sum(axis=1) / np.maximum(batch.mask.sum(axis=1), 1)
        return weighted(lab, batch, powers(lab, batch) * (G - own[:, None]))

    return estimate


@mutant("B11", "each episode divided by its length")
def mean_over_steps(lab):
    expected = evaluate(lab.mdp.with_objective(gamma=1.0, horizon=lab.mdp.horizon), lab.pi).Z

    def estimate(batch):
        return expected * right(lab, batch) / np.maximum(batch.lengths, 1)[:, None]

    return estimate


@mutant("B13", "the term - pi of the score left out")
def score_without_pi(lab):
    def estimate(batch):
        G = to_go(batch.r, lab.gamma) * powers(lab, batch) * batch.mask
        rows = np.zeros((batch.n, lab.mdp.n_states, lab.mdp.n_actions))
        for t in range(batch.n_steps):
            rows[np.arange(batch.n), batch.s[:, t], batch.a[:, t]] += G[:, t]
        return rows

    return estimate


@mutant("B14", "the 1/temperature of the score left out")
def temperature_left_out(lab):
    hot = Softmax(lab.mdp, temperature=1.25)
    pi = hot.probs(lab.theta)

    def estimate(batch):
        one_hot = np.eye(lab.mdp.n_actions)[batch.a] - pi[batch.s[:, :-1]]  # (N, T, A)
        one_hot = one_hot * (to_go(batch.r, lab.gamma) * powers(lab, batch) * batch.mask)[..., None]
        rows = np.zeros((batch.n, *pi.shape))
        for t in range(batch.n_steps):
            rows[np.arange(batch.n), batch.s[:, t]] += one_hot[:, t]
        return rows

    return {"estimator": estimate, "policy": (hot, lab.theta)}


@mutant("B17", "an entropy bonus at each step left in: 0.01 times")
def entropy_bonus(lab):
    log_pi = np.log(lab.pi)
    entropy = -(lab.pi * log_pi).sum(axis=1, keepdims=True)
    by_theta = -lab.pi * (log_pi + entropy)  # the gradient of the entropy of each state
    table = np.einsum("sa,sz->sza", by_theta, np.eye(lab.mdp.n_states)).reshape(len(lab.pi), -1)

    def estimate(batch):
        w = powers(lab, batch) * batch.mask
        return right(lab, batch) + 0.01 * np.einsum("nt,ntd->nd", w, table[batch.s[:, :-1]])

    return estimate


@mutant("B18", "rewards clipped to [-1, 1]")
def clipped_rewards(lab):
    def estimate(batch):
        G = to_go(np.clip(batch.r, -1, 1), lab.gamma)
        return weighted(lab, batch, powers(lab, batch) * G)

    return estimate


@mutant("B19", "padding not masked in the scores")
def padding_not_masked(lab):
    def estimate(batch):
        G = to_go(batch.r, lab.gamma)[:, 0]
        return G[:, None] * lab.psi[batch.s[:, :-1], batch.a].sum(axis=1)

    return estimate


@mutant("B20", "starts uniform over live states")
def uniform_starts(lab):
    live = ~lab.mdp.terminal
    start = live / live.sum() / lab.mdp.mu
    return lambda batch: right(lab, batch) * start[batch.s[:, 0]][:, None]


@mutant("B21", "only episodes that enter a terminal state kept")
def only_finished_episodes(lab):
    # What somebody gets who waits for "done" and throws the rest away: the mean over those.
    law = np.where(lab.mdp.terminal, 0.0, lab.mdp.mu)
    for _ in range(lab.mdp.horizon):
        law = np.einsum("s,sa,sat->t", law, lab.pi, lab.mdp.P) * ~lab.mdp.terminal
    finished = 1 - law.sum()

    def estimate(batch):
        done = lab.mdp.terminal[batch.s[:, -1]]
        return right(lab, batch) * done[:, None] / finished

    return estimate


@mutant("B23", "returns continued through termination")
def bootstraps_through_terminal(lab):
    def estimate(batch):
        # GAE(1): delta sums to G + gamma^(T-t) v(s_T) - v(s_t); done is not looked at.
        done = lab.mdp.terminal[batch.s[:, 1:]] & batch.mask
        values = lab.v[batch.s]
        reached = np.where(done, values[:, 1:], 0.0)
        running = np.pad(batch.mask[:, 1:], ((0, 0), (0, 1)))
        after = np.where(running, values[:, 1:], reached)
        delta = np.where(batch.mask, batch.r + lab.gamma * after - values[:, :-1], 0.0)
        return weighted(lab, batch, powers(lab, batch) * to_go(delta, lab.gamma))

    return estimate


@mutant("B26")
def gae_with_a_wrong_critic(lab):
    def estimate(batch):
        advantage = to_go(deltas(lab, batch, lab.v), lab.gamma * 0.95)
        return weighted(lab, batch, powers(lab, batch) * advantage)

    return estimate


@mutant("B42", "what follows step 4 left out")
def truncated_for_infinite(lab):
    endless = lab.mdp.with_objective()
    return {
        "estimator": lambda batch: right(lab, batch),
        "mdp": endless,
        "target": "policy_gradient_infinite",
        "horizon": 4,
    }


@mutant("B43", "discounted twice")
def discounted_twice(lab):
    # Geometric stopping already discounts; here its survival weight and gamma^t are both there.
    def estimate(batch):
        survives = powers(lab, batch)
        return (survives * powers(lab, batch) * batch.r).sum(axis=1)

    return {"estimator": estimate, "target": "J"}


@mutant("B47", "a constant factor 0.8")
def critic_updated_first(lab):
    def estimate(batch):
        # The critic starts at 0 and takes a step of 0.2 to this episode's return at each (t, s).
        G = to_go(batch.r, lab.gamma)
        v = np.zeros((batch.n, batch.n_steps))
        v += 0.2 * (G - v)
        return weighted(lab, batch, powers(lab, batch) * (G - v))

    return estimate


@mutant("B54", "discounted once too often")
def extra_discount(lab):
    def estimate(batch):
        discount = lab.gamma ** (np.arange(batch.n_steps) + 1)
        return weighted(lab, batch, discount * to_go(batch.r, lab.gamma))

    return estimate


@mutant("B50")
def fisher_without_gamma_t(lab):
    visits = evaluate(lab.mdp, lab.pi).visits.sum(axis=0)
    fisher = np.einsum("s,sa,sai,saj->ij", visits, lab.pi, lab.psi, lab.psi)

    def estimate(batch):
        psi = scores(lab, batch)
        return np.einsum("nti,ntj->nij", psi, psi)

    return {"estimator": estimate, "target": fisher}


# --- values, off-policy and cut -------------------------------------------------------------------


@mutant("B30", "as if on-policy")
def no_ratio(lab):
    return {"estimator": lambda batch: right(lab, batch), "behaviour": lab.b}


@mutant("B31", "upside down (whole trajectory)")
def inverted_ratio(lab):
    return by_importance(lab, lambda batch: 1 / importance(lab, batch))


@mutant("B34")
def ratio_ignores_epsilon(lab):
    acted = 0.9 * lab.b + 0.1 / lab.mdp.n_actions
    return by_importance(lab, lambda batch: importance(lab, batch, lab.b), behaviour=acted)


@mutant("B35", "clipped at 1 (whole trajectory)")
def clipped_ratio(lab):
    return by_importance(lab, lambda batch: np.minimum(importance(lab, batch), 1.0))


@mutant("B40", "log-probabilities (whole trajectory)")
def log_probabilities(lab):
    def ratios(batch):
        log_pi = np.log(lab.pi)[batch.s[:, :-1], batch.a]
        return np.divide(log_pi, batch.logp, out=np.ones_like(log_pi), where=batch.mask)

    return by_importance(lab, ratios)


@mutant("B28", "what follows step 4 left out")
def truncation_as_termination(lab):
    endless = lab.mdp.with_objective()
    return {
        "estimator": lambda batch: (powers(lab, batch) * batch.r).sum(axis=1),
        "mdp": endless,
        "target": "J_infinite",
        "horizon": 4,
    }


@mutant("B29")
def bootstraps_the_state_before(lab):
    endless = lab.mdp.with_objective()
    V = evaluate(endless, lab.pi).V

    def estimate(batch):
        G = (powers(lab, batch) * batch.r).sum(axis=1)
        return G + np.where(batch.truncated, lab.gamma**4 * V[batch.s[:, -2]], 0.0)

    return {"estimator": estimate, "mdp": endless, "target": "J", "horizon": 4}


@mutant("B41")
def every_visit(lab):
    V = evaluate(lab.mdp, lab.pi).V[0]

    def estimate(batch):
        G, at = to_go(batch.r, lab.gamma), (batch.s[:, :-1] == 0) & batch.mask
        mean = (G * at).sum(axis=1) / np.maximum(at.sum(axis=1), 1)
        return np.where(batch.s[:, 0] == 0, mean, 0.0) / lab.mdp.mu[0]

    return {"estimator": estimate, "target": V[0]}


@mutant("B44")
def lambda_return_without_its_last_term(lab):
    V, lam = evaluate(lab.mdp, lab.pi).V, 0.9

    def estimate(batch):
        horizon = batch.n_steps
        so_far, total = np.zeros(batch.n), np.zeros(batch.n)
        for n in range(1, horizon):
            so_far = so_far + lab.gamma ** (n - 1) * batch.r[:, n - 1]
            n_step = so_far + lab.gamma**n * V[n][batch.s[:, n]]
            total += (1 - lam) * lam ** (n - 1) * n_step
        return total

    return {"estimator": estimate, "target": "J"}


# --- with randomness of their own: functions (n, rng) ---------------------------------------------


def sampler(estimate, **more):
    """The arguments for a function (n, rng)."""
    return {"estimator": estimate, "style": "sampler"} | more


def episodes(lab, n, rng):
    """n episodes, step by step, as lists of (s, a, r)."""
    law, n_actions = lab.mdp.branches, lab.mdp.n_actions
    for _ in range(n):
        steps, s = [], rng.choice(lab.mdp.n_states, p=lab.mdp.mu)
        while len(steps) < lab.mdp.horizon and not lab.mdp.terminal[s]:
            a = rng.choice(n_actions, p=lab.pi[s])
            row = slice(*law.offsets[s * n_actions + a :][:2])
            k = rng.choice(law.prob[row].size, p=law.prob[row])
            steps.append((s, a, law.reward[row][k]))
            s = law.next_state[row][k]
        yield steps


def reinforce(lab, steps, gamma):
    """sum_t gamma^t psi_t G_t of one episode."""
    row, G = np.zeros(lab.psi.shape[-1]), 0.0
    for t, (s, a, r) in reversed(list(enumerate(steps))):
        G = r + gamma * G
        row += gamma**t * G * lab.psi[s, a]
    return row


@mutant("B46")
def max_of_sample_means(lab):
    # Two arms whose rewards overlap: three pulls of each; the larger of the two means.
    law = lab.mdp.branches
    pairs = [slice(*law.offsets[row : row + 2]) for row in range(2 * lab.mdp.n_actions)]
    arms = max(
        ((one, two) for one in pairs for two in pairs if one != two),
        key=lambda both: (
            min(law.reward[both[0]].max(), law.reward[both[1]].max())
            - max(law.reward[both[0]].min(), law.reward[both[1]].min())
        ),
    )

    def estimate(n, rng):
        best = np.full(n, -np.inf)
        for arm in arms:
            pulls = rng.choice(law.reward[arm], size=(n, 3), p=law.prob[arm])
            best = np.maximum(best, pulls.mean(axis=1))
        return best

    return sampler(
        estimate,
        mdp=None,
        policy=None,
        target=max(law.reward[arm] @ law.prob[arm] for arm in arms),
        bounds=(law.reward.min(), law.reward.max()),
    )


@mutant("B51")
def states_of_undiscounted_visits(lab):
    # The policy gradient theorem: draw a running time and state, then an action; psi Q, times the
    # sum of all (discounted) visits. The draw forgets gamma.
    right = evaluate(lab.mdp, lab.pi)
    plain = evaluate(lab.mdp.with_objective(gamma=1.0, horizon=lab.mdp.horizon), lab.pi)
    law = (plain.visits / plain.visits.sum()).ravel()  # (H * S,)

    def estimate(n, rng):
        t, s = np.divmod(rng.choice(law.size, size=n, p=law), lab.mdp.n_states)
        a = np.array([rng.choice(lab.mdp.n_actions, p=lab.pi[one]) for one in s], dtype=int)
        return right.visits.sum() * lab.psi[s, a] * right.Q[t, s, a][:, None]

    most = right.visits.sum() * np.abs(right.Q).max()
    return sampler(estimate, bounds=most)


# --- of a whole batch -----------------------------------------------------------------------------


@mutant("B09", "the mean of the same batch subtracted: factor 1 - 1/2", batch=2)
def baseline_of_own_batch(lab):
    def estimate(batch):
        G = (powers(lab, batch) * batch.r).sum(axis=1)
        return weighted(lab, batch, np.ones_like(batch.r) * (G - G.mean())[:, None])

    return estimate


@mutant("B24", batch=2)
def gae_not_reset(lab):
    def estimate(batch):
        buffer = np.concatenate([batch.r[i][batch.mask[i]] for i in range(batch.n)])
        G = to_go(buffer[None], lab.gamma)[0]  # runs on into the next episode
        w = np.zeros(batch.r.shape)
        w[batch.mask] = G
        return weighted(lab, batch, powers(lab, batch) * w)

    return estimate


@mutant("B36", batch=2)
def weighted_importance_sampling(lab):
    def estimate(batch):
        rho = importance(lab, batch).prod(axis=1)
        return (rho * (powers(lab, batch) * batch.r).sum(axis=1)).sum() / rho.sum()

    return {"estimator": estimate, "behaviour": lab.b, "target": "J"}


@mutant("B38", batch=2)
def behaviour_counted_in_the_same_batch(lab):
    def estimate(batch):
        counts = np.zeros((lab.mdp.n_states, lab.mdp.n_actions))
        np.add.at(counts, (batch.s[:, :-1][batch.mask], batch.a[batch.mask]), 1.0)
        b = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        ratio = lab.pi[batch.s[:, :-1], batch.a] / np.where(
            batch.mask, b[batch.s[:, :-1], batch.a], 1
        )
        rho = np.where(batch.mask, ratio, 1.0).prod(axis=1)
        return (rho * (powers(lab, batch) * batch.r).sum(axis=1)).mean()

    return {"estimator": estimate, "behaviour": lab.b, "target": "J"}


@mutant("B48", batch=2)
def variance_of_the_sample(lab):
    return {
        "estimator": lambda batch: (powers(lab, batch) * batch.r).sum(axis=1).var(),
        "target": variance_of_return(lab),
    }


@mutant("B49", batch=2)
def deviation_of_the_sample(lab):
    return {
        "estimator": lambda batch: (powers(lab, batch) * batch.r).sum(axis=1).std(ddof=1),
        "target": variance_of_return(lab) ** 0.5,
    }


def variance_of_return(lab):
    """By the recursion E[G^2] = E[r^2 + 2 gamma r V' + gamma^2 W'] over the reward law."""
    law, mdp = lab.mdp.branches, lab.mdp
    V, W = np.zeros(mdp.n_states), np.zeros(mdp.n_states)
    weight = law.prob * lab.pi.reshape(-1)[law.row]
    s, after, r = law.row // mdp.n_actions, law.next_state, law.reward
    for _ in range(mdp.horizon):
        square = r**2 + 2 * mdp.gamma * r * V[after] + mdp.gamma**2 * W[after]
        W = np.bincount(s, weight * square, mdp.n_states) * ~mdp.terminal
        V = np.bincount(s, weight * (r + mdp.gamma * V[after]), mdp.n_states) * ~mdp.terminal
    return float(mdp.mu @ W - (mdp.mu @ V) ** 2)


# --- harmless -------------------------------------------------------------------------------------


@harmless("H01")
def constant_baseline(lab):
    def estimate(batch):
        return weighted(lab, batch, powers(lab, batch) * (to_go(batch.r, lab.gamma) - 3.0))

    return estimate


@harmless("H02")
def state_baseline(lab):
    def estimate(batch):
        above = to_go(batch.r, lab.gamma) - lab.v[batch.s[:, :-1]]
        return weighted(lab, batch, powers(lab, batch) * above)

    return estimate


@harmless("H03")
def state_baseline_with_the_wrong_sign(lab):
    def estimate(batch):
        above = to_go(batch.r, lab.gamma) + lab.v[batch.s[:, :-1]]
        return weighted(lab, batch, powers(lab, batch) * above)

    return estimate


@harmless("H04")
def whole_return(lab):
    def estimate(batch):
        G = (powers(lab, batch) * batch.r).sum(axis=1)
        return G[:, None] * scores(lab, batch).sum(axis=1)

    return estimate


@harmless("H05")
def time_dependent_baseline(lab):
    table = np.random.default_rng(5).normal(size=(lab.mdp.horizon, lab.mdp.n_states))

    def estimate(batch):
        b = table[np.arange(batch.n_steps), batch.s[:, :-1]]
        return weighted(lab, batch, powers(lab, batch) * (to_go(batch.r, lab.gamma) - b))

    return estimate


@harmless("H07")
def noise_added(lab):
    def estimate(n, rng):
        rows = np.stack([reinforce(lab, steps, lab.gamma) for steps in episodes(lab, n, rng)])
        return rows + rng.choice([-1.0, 1.0], size=(n, 1))

    return sampler(estimate)


@harmless("H15")
def geometric_truncation(lab):
    # After each reward the episode survives with probability gamma; nothing else is discounted.
    def estimate(n, rng):
        rows = []
        for steps in episodes(lab, n, rng):
            alive = 1
            while alive < len(steps) and rng.random() < lab.gamma:
                alive += 1
            rows.append(reinforce(lab, steps[:alive], 1.0))
        return np.stack(rows)

    return sampler(estimate)


@harmless("H08")
def single_precision(lab):
    psi = lab.psi.astype(np.float32)

    def estimate(batch):
        r, gamma = batch.r.astype(np.float32), np.float32(lab.gamma)
        G = np.zeros((batch.n, batch.n_steps + 1), dtype=np.float32)
        for t in reversed(range(batch.n_steps)):
            G[:, t] = r[:, t] + gamma * G[:, t + 1]
        w = G[:, :-1] * powers(lab, batch).astype(np.float32) * batch.mask
        return (psi[batch.s[:, :-1], batch.a] * w[:, :, None]).sum(axis=1)

    return estimate


@harmless("H10")
def trajectory_ratio(lab):
    def estimate(batch):
        whole = importance(lab, batch).prod(axis=1)
        return whole[:, None] * right(lab, batch)

    return {"estimator": estimate, "behaviour": lab.b}


@harmless("H12")
def fisher_of_the_summed_score(lab):
    plain = lab.mdp.with_objective(gamma=1.0, horizon=lab.mdp.horizon)
    visits = evaluate(plain, lab.pi).visits.sum(axis=0)
    fisher = np.einsum("s,sa,sai,saj->ij", visits, lab.pi, lab.psi, lab.psi)

    def estimate(batch):
        total = scores(lab, batch).sum(axis=1)
        return total[:, :, None] * total[:, None, :]

    return {"estimator": estimate, "target": fisher}


@harmless("H17")
def two_steps_and_the_exact_critic(lab):
    V = evaluate(lab.mdp, lab.pi).V  # (H+1, S)

    def estimate(batch):
        w = np.zeros((batch.n, batch.n_steps))
        for t in range(batch.n_steps):
            until = min(t + 2, batch.n_steps)
            discounts = lab.gamma ** np.arange(until - t)
            w[:, t] = (discounts * batch.r[:, t:until]).sum(axis=1)
            w[:, t] += lab.gamma ** (until - t) * V[until][batch.s[:, until]]
            w[:, t] -= V[t][batch.s[:, t]]
        return weighted(lab, batch, powers(lab, batch) * w)

    return estimate


@harmless("H18")
def per_decision_ratios(lab):
    def estimate(batch):
        paid = np.cumprod(importance(lab, batch), axis=1) * batch.r * powers(lab, batch)
        return weighted(lab, batch, to_go(paid, 1.0))

    return {"estimator": estimate, "behaviour": lab.b}


@harmless("H19")
def bootstraps_where_it_is_cut(lab):
    endless = lab.mdp.with_objective()
    V = evaluate(endless, lab.pi).V

    def estimate(batch):
        r = batch.r.copy()
        r[:, -1] += np.where(batch.truncated, lab.gamma * V[batch.s[:, -1]], 0.0)
        return weighted(lab, batch, powers(lab, batch) * to_go(r, lab.gamma))

    return {"estimator": estimate, "mdp": endless, "horizon": 4}


@harmless("H06", batch=2)
def leave_one_out(lab):
    def estimate(batch):
        G = (powers(lab, batch) * batch.r).sum(axis=1)
        others = (G.sum() - G) / (batch.n - 1)
        return weighted(lab, batch, np.ones_like(batch.r) * (G - others)[:, None])

    return estimate
