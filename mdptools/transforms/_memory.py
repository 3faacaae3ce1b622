"""Memory as part of the state: the last k observations, and the actions between them.

Takes     an MDP, who sees what where, and k.
Gives     the model of (hidden state, memory), and a `Memory`: what each new state stands for.
Source    formula: P'((s, h) -> (s', h')) = P(s' | s, a) O(o' | s'), h' = h with (a, o') added and
          all but the last k observations dropped.
Not here  beliefs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray, readonly
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP, RewardLaw
from ..policies import Observation
from ._rebuild import repeated

LIMIT = 5_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the states of a model with memory stand for. S' is their number.

    Attributes
    ----------
    state : (S',) array of int
        The hidden state of each.
    labels : (S',) array of int
        What the agent knows, numbered: with it ``Observation(new, memory.labels)`` is a policy of
        the last k observations and actions.
    windows : (n_labels, 2k - 1) array of int
        What each label says: o, a, o, ..., a, o, the latest last; -1 before the first observation.
    """

    state: IntArray
    labels: IntArray
    windows: IntArray

    def lift(self, x: Any, axis: int = 0) -> Any:
        """An array by old state as one by new state: each copy of a state gets what it had.

        Parameters
        ----------
        x : array_like
            V (S,), pi (S, A), Q; or, with ``axis=1``, (H, S, A).
        axis : int
            Which axis is the state.

        Returns
        -------
        array
        """
        return np.asarray(x).take(self.state, axis=axis)

    def collect(self, x: Any, axis: int = 0) -> FloatArray:
        """An array by new state as one by old state: the sum over all copies of a state.

        Parameters
        ----------
        x : array_like
            Visits, occupancies, mu: what adds up.
        axis : int
            Which axis is the state.

        Returns
        -------
        array
        """
        moved = np.moveaxis(np.asarray(x), axis, 0)
        total = np.zeros((int(self.state[-1]) + 1, *moved.shape[1:]), dtype=moved.dtype)
        np.add.at(total, self.state, moved)
        return np.moveaxis(total, 0, axis)


def remember(mdp: MDP, O: Any, k: int, *, limit: int = LIMIT) -> tuple[MDP, Memory]:  # noqa: E741
    """The model whose state carries the last k observations, and the actions between them.

    A policy of what was seen and done is then a policy of the last observation of the new model:
    ``Observation(new, memory.labels)``. k = 1 remembers nothing but the present observation.

    Parameters
    ----------
    mdp : MDP
        Of any objective.
    O : (S,) array_like of int, or (S, n_obs) array_like
        What is seen in each state: its label, or the probability of each observation.
    k : int
        How many observations are kept, the present one included; and the k - 1 actions between
        them. An episode begins without any, and one that is over keeps the last.
    limit : int
        More transitions than that are refused before they are made; each takes about 300 bytes on
        the way.

    Returns
    -------
    new : MDP
        Sparse. Its states are the pairs (hidden state, memory) that can come about, from any state
        of the old model.
    memory : Memory
        What they stand for.

    Raises
    ------
    ModelError
        If there would be more than ``limit`` transitions; if O is as `Observation` refuses it, or k
        no int >= 1.

    Notes
    -----
    Preserved: the law of hidden states, actions and rewards under a policy that looks at the hidden
    state alone (``memory.lift(pi)``), so that V, Q and advantages are those of the old model in
    each copy (``memory.lift(V)``), and J and ``memory.collect(visits)`` are the old ones; and J of
    a policy that looks at the last observation alone, which is that of ``Observation(mdp, O)``.
    The optimum is preserved too, but its policy looks at the hidden state. New is what lies
    between: policies of the memory.

    Time O(transitions log transitions), breadth first.

    Examples
    --------
    >>> P = [[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]  # to and fro
    >>> mdp = MDP(P, [[1.0, 0.0], [0.0, 1.0]], gamma=0.5)
    >>> new, memory = remember(mdp, [0, 0], k=2)  # the two look alike
    >>> memory.windows
    array([[-1, -1,  0],
           [ 0,  0,  0],
           [ 0,  1,  0]])
    >>> memory.state, memory.labels
    (array([0, 0, 0, 1, 1, 1]), array([0, 1, 2, 0, 1, 2]))
    """
    sees = Observation(mdp, O)
    code = _Code(mdp, sees.n_obs, check_count(k, "k"))
    start, o = np.nonzero(sees.chance)
    first = code.key(start, sees.seen[start, o] + 1)
    keys, steps = _reach(mdp, sees, code, np.unique(first), check_count(limit, "limit"))

    state, window = code.split(keys)
    windows, labels = np.unique(window, return_inverse=True)
    mu = np.zeros(len(keys))
    mu[np.searchsorted(keys, first)] = mdp.mu[start] * sees.chance[start, o]
    return _model(mdp, state, mu, keys, steps), Memory(
        readonly(state), readonly(labels.reshape(-1)), readonly(code.written_out(windows))
    )


class _Steps(NamedTuple):
    """Transitions of the new model."""

    source: IntArray  # keys
    branch: IntArray  # which branch of the old model
    target: IntArray
    prob: FloatArray


class _Code:
    """Memories as integers: digits o, a, o, ..., o, the latest last; 0 stands for nothing."""

    def __init__(self, mdp: MDP, n_obs: int, k: int) -> None:
        self.k, self.base_o, self.base_a = k, n_obs + 1, mdp.n_actions + 1
        self.pair = self.base_o * self.base_a
        self.n_windows = self.pair ** (k - 1) * self.base_o  # Python's integers: no overflow
        self.kept = self.n_windows // self.pair if k > 1 else 0
        if self.n_windows * mdp.n_states >= 2**62:
            raise ModelError(
                f"k is {k}: with {n_obs} observations and {mdp.n_actions} actions there are more "
                f"memories than integers of 64 bits. Use a smaller k."
            )

    def key(self, state: IntArray, window: IntArray) -> IntArray:
        """One integer for a state and a memory; copies of a state are neighbours."""
        key: IntArray = state * self.n_windows + window
        return key

    def split(self, key: IntArray) -> tuple[IntArray, IntArray]:
        """State and memory."""
        state, window = np.divmod(key, self.n_windows)
        return state, window

    def add(self, window: IntArray, a: IntArray, o: IntArray) -> IntArray:
        """The memory after a was done and o was seen."""
        if self.k == 1:
            return o + 1
        added: IntArray = (window % self.kept) * self.pair + (a + 1) * self.base_o + o + 1
        return added

    def written_out(self, window: IntArray) -> IntArray:
        """(n, 2k - 1): o, a, o, ..., o; -1 for nothing."""
        columns = []
        for i in range(2 * self.k - 1):
            window, digit = np.divmod(window, self.base_a if i % 2 else self.base_o)
            columns.append(digit - 1)
        return np.stack(columns[::-1], axis=1)


def _reach(
    mdp: MDP, sees: Observation, code: _Code, first: IntArray, limit: int
) -> tuple[IntArray, _Steps]:
    """All keys that can come about, sorted, and the transitions between those that are live."""
    law, n_actions = mdp.branches, mdp.n_actions
    from_state = law.offsets[::n_actions]  # branches of state s: from_state[s] to from_state[s+1]
    shows = np.count_nonzero(sees.chance, axis=1)  # a state's observations stand first in its row
    followers = np.bincount(law.row // n_actions, shows[law.next_state], mdp.n_states)
    known, frontier, parts, made = first, first, [], 0.0
    while len(frontier):
        state, window = code.split(frontier)
        live = ~mdp.terminal[state]
        frontier, state, window = frontier[live], state[live], window[live]
        made += float(followers[state].sum())
        if made > limit:
            raise ModelError(
                f"the model with a memory of k={code.k} has at least {made:.3g} transitions, more "
                f"than limit={limit:,}. Use a smaller k, coarser observations, or a larger limit=."
            )
        who, branch = repeated(from_state[state], np.diff(from_state)[state])
        again, k = repeated(np.zeros(len(branch), dtype=np.int64), shows[law.next_state[branch]])
        who, branch = who[again], branch[again]
        follow, a = law.next_state[branch], law.row[branch] % n_actions
        o = sees.seen[follow, k]
        then = np.where(mdp.terminal[follow], o + 1, code.add(window[who], a, o))
        target, prob = code.key(follow, then), law.prob[branch] * sees.chance[follow, k]
        parts.append(_Steps(frontier[who], branch, target, prob))
        frontier = np.setdiff1d(target, known)
        known = np.union1d(known, frontier)
    return known, _Steps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _model(mdp: MDP, state: IntArray, mu: FloatArray, keys: IntArray, steps: _Steps) -> MDP:
    """The new model, put together: what follows live states, and terminal states at rest."""
    from scipy.sparse import csr_array

    law, n_actions = mdp.branches, mdp.n_actions
    over = np.argwhere(mdp.terminal[state][:, None] & mdp.allowed[state])
    row = np.searchsorted(keys, steps.source) * n_actions + law.row[steps.branch] % n_actions
    row = np.concatenate((row, over[:, 0] * n_actions + over[:, 1]))
    target = np.concatenate((np.searchsorted(keys, steps.target), over[:, 0]))
    reward = np.concatenate((law.reward[steps.branch], np.zeros(len(over))))
    prob = np.concatenate((steps.prob, np.ones(len(over))))
    order = np.lexsort((reward, target, row))
    row, target, reward, prob = row[order], target[order], reward[order], prob[order]
    n_rows = len(state) * n_actions
    new_law = None
    if mdp.law is not None:
        offsets = np.searchsorted(row, np.arange(n_rows + 1))
        new_law = RewardLaw(offsets, target, reward, prob)
    return MDP(
        csr_array((prob, (row, target)), shape=(n_rows, len(state))),
        mdp.R[state] if new_law is None else new_law.expected_reward(n_actions),
        mdp.gamma,
        horizon=mdp.horizon,
        average=mdp.objective == "average",
        mu=mu,
        final=None if mdp.final is None else mdp.final[state],
        allowed=mdp.allowed[state],
        terminal=None if mdp.objective == "average" else mdp.terminal[state],
        reward_std=None if mdp.reward_std is None else mdp.reward_std[state],
        action_names=mdp.action_names,
        law=new_law,
    )
