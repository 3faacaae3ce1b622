"""Walks: a small model written as a table, and all its trajectories by slow recursion.

Takes     OUTCOMES below, a policy, a number of steps.
Gives     the `MDP` of the table, and every trajectory with its probability, read from the table.
Not here  speed; the law of the return of any model (oracles).

The model hides little: early and late termination, rewards of both signs, two rewards on one
successor, a refused action, a start in a terminal state, laws of one, two, three branches.
"""

import numpy as np

from mdptools import MDP, RewardLaw

OUTCOMES = {  # (s, a): [(probability, next state, reward), ...]
    (0, 0): [(0.25, 1, -1.0), (0.25, 1, 2.0), (0.5, 3, 0.5)],
    (0, 1): [(0.6, 0, -1.5), (0.4, 2, 1.0)],
    (1, 0): [(0.3, 0, 0.0), (0.7, 2, -2.0)],
    (2, 0): [(0.5, 1, 0.25), (0.5, 3, 3.0)],
    (2, 1): [(1.0, 2, -0.5)],
    (3, 0): [(1.0, 3, 0.0)],
    (3, 1): [(1.0, 3, 0.0)],
}
MU = np.array([0.4, 0.3, 0.2, 0.1])
END = 3
PI = np.array([[0.3, 0.7], [1.0, 0.0], [0.8, 0.2], [0.5, 0.5]])
PI_BY_TIME = np.array(
    [
        [[0.3, 0.7], [1.0, 0.0], [0.8, 0.2], [0.5, 0.5]],
        [[0.9, 0.1], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]],
        [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75], [0.5, 0.5]],
    ]
)
FINAL = np.array([1.5, -2.0, 0.75, 0.0])


def law():
    """The table as a RewardLaw, in the order of the table."""
    branches = [OUTCOMES.get((s, a), []) for s in range(4) for a in range(2)]
    flat = [branch for row in branches for branch in row]
    return RewardLaw(
        offsets=np.cumsum([0, *(len(row) for row in branches)]),
        next_state=[t for _, t, _ in flat],
        reward=[r for _, _, r in flat],
        prob=[p for p, _, _ in flat],
    )


def model(gamma=0.9, sparse=False, **keywords):
    """The MDP of the table."""
    P, R, allowed = np.zeros((4, 2, 4)), np.zeros((4, 2)), np.zeros((4, 2), dtype=bool)
    for (s, a), branches in OUTCOMES.items():
        allowed[s, a] = True
        for p, t, r in branches:
            P[s, a, t] += p
            R[s, a] += p * r
    if sparse:
        from scipy.sparse import csr_array

        P = csr_array(P.reshape(8, 4))
    keywords = {"mu": MU, "allowed": allowed, "terminal": [END], "law": law()} | keywords
    return MDP(P, R, gamma, **keywords)


def walks(pi, n_steps, final=None, gamma=0.9):
    """Every trajectory of at most n_steps: [(probability, steps, last state, ended), ...].

    Steps are (s, a, r). ``final`` is paid inside the last reward, as on a finite horizon, and makes
    the horizon an end. pi is (S, A), or (time, S, A).
    """
    found = []

    def walk(chance, steps, s):
        if s == END or len(steps) == n_steps:
            found.append((chance, steps, s, s == END or final is not None))
            return
        table = pi[len(steps)] if np.ndim(pi) == 3 else pi
        for a in range(2):
            for p, t, r in OUTCOMES.get((s, a), []):
                paid = r
                if final is not None and len(steps) == n_steps - 1:
                    paid = r + gamma * final[t]
                if table[s][a] > 0:
                    walk(chance * table[s][a] * p, [*steps, (s, a, paid)], t)

    for s, chance in enumerate(MU):
        walk(chance, [], s)
    return found


def as_batch(found, pi=None):
    """The walks as Trajectories (logp under pi), and their probabilities."""
    from mdptools.sampling import Trajectories

    def logs(steps):
        tables = pi if np.ndim(pi) == 3 else [pi] * len(steps)
        return [np.log(tables[t][s][a]) for t, (s, a, _) in enumerate(steps)]

    batch = Trajectories.from_steps(
        [steps for _, steps, _, _ in found],
        last=[last for _, _, last, _ in found],
        terminated=[ended for _, _, _, ended in found],
        logp=None if pi is None else [logs(steps) for _, steps, _, _ in found],
    )
    return batch, np.array([chance for chance, _, _, _ in found])
