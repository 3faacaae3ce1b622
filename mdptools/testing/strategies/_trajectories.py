"""Trajectories that a model and a policy can produce, short and odd ones first.

Takes     an MDP, a policy.
Gives     a strategy of `Trajectories`, each step of which has positive probability.
Not here  drawing them with the right probabilities (sampling), all of them (verify).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from ...arrays import FloatSA
from ...errors import ModelError
from ...model import MDP
from ...policies import check_policy, uniform_policy
from ...sampling import Trajectories

_CHOICE = st.integers(0, 2**16 - 1)  # modulo the size of a menu
_Step = tuple[int, int, float]


def trajectories(
    mdp: MDP,
    pi: FloatSA | None = None,
    *,
    min_episodes: int = 1,
    max_episodes: int = 3,
    max_length: int = 6,
) -> st.SearchStrategy[Trajectories]:
    """Batches of episodes that a policy can run into, however unlikely.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array, optional
        The policy that acts; the uniform one if omitted.
    min_episodes, max_episodes : int
        N, the number of trajectories.
    max_length : int
        The most steps of one.

    Returns
    -------
    strategy of Trajectories
        An episode terminates where it enters a terminal state or reaches the horizon, and is
        truncated anywhere else, before its first step too. With noise on rewards (``reward_std``)
        a reward is up to two standard deviations off. Shrinks to one episode without a step. A
        failing example prints as code.

    Raises
    ------
    ModelError
        If pi is no policy of this model, or the numbers make no sense.

    Notes
    -----
    Branches are not drawn with their probabilities: those of 1e-12 come as often as the others.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> mdp = MDP([[[0, 1]], [[0, 1]]], [[2.0], [0.0]], gamma=0.5)
    >>> find(trajectories(mdp), lambda batch: batch.r.any(), random=Random(0)).s
    array([[0, 1]])
    """
    if not 1 <= min_episodes <= max_episodes or not max_length >= 0:
        raise ModelError(
            f"min_episodes is {min_episodes}, max_episodes {max_episodes} and max_length "
            f"{max_length}: 1 <= min_episodes <= max_episodes and max_length >= 0 are needed."
        )
    acting = uniform_policy(mdp) if pi is None else check_policy(mdp, pi)
    return _trajectories(mdp, acting, min_episodes, max_episodes, max_length)


@st.composite
def _trajectories(
    draw: st.DrawFn, mdp: MDP, pi: FloatSA, fewest: int, most: int, max_length: int
) -> Trajectories:
    """Episode after episode; made by a call that Hypothesis can show."""
    starts = np.flatnonzero(mdp.mu > 0).tolist()
    episodes, last, terminated, logp = [], [], [], []
    for _ in range(draw(st.integers(fewest, most))):
        s = starts[draw(_CHOICE) % len(starts)]
        length = draw(st.integers(0, max_length))
        steps = list(_episode(draw, mdp, pi, s, length))
        rows = [pi if pi.ndim == 2 else pi[t] for t in range(len(steps))]
        episodes.append([step for step, _ in steps])
        last.append(steps[-1][1] if steps else s)
        terminated.append(bool(mdp.terminal[last[-1]]) or len(steps) == mdp.horizon)
        logp.append(
            [float(np.log(row[s, a])) for row, ((s, a, _), _) in zip(rows, steps, strict=True)]
        )
    return draw(
        st.builds(
            _from_steps,
            st.just(episodes),
            last=st.just(last),
            terminated=st.just(terminated),
            logp=st.just(logp),
        )
    )


def _from_steps(
    episodes: list[list[_Step]],
    last: list[int],
    terminated: list[bool],
    logp: list[list[float]],
) -> Trajectories:
    """The call that Hypothesis shows for a batch."""
    return Trajectories.from_steps(episodes, last, terminated=terminated, logp=logp)


_from_steps.__name__ = _from_steps.__qualname__ = "Trajectories.from_steps"  # as it can be pasted


def _episode(
    draw: st.DrawFn, mdp: MDP, pi: FloatSA, s: int, length: int
) -> Iterator[tuple[_Step, int]]:
    """(s, a, r) and the next state of each step, until there is none or there are enough."""
    law = mdp.branches
    for t in range(length):
        if mdp.terminal[s] or t == mdp.horizon:
            return
        menu = np.flatnonzero((pi if pi.ndim == 2 else pi[t])[s] > 0).tolist()
        a = menu[draw(_CHOICE) % len(menu)]
        pair = s * mdp.n_actions + a
        branches = range(law.offsets[pair], law.offsets[pair + 1])
        branch = branches[draw(_CHOICE) % len(branches)]
        r, after = float(law.reward[branch]), int(law.next_state[branch])
        if mdp.reward_std is not None:
            r += draw(st.integers(-2, 2)) * float(mdp.reward_std[s, a])
        if t + 1 == mdp.horizon and mdp.final is not None:
            r += mdp.gamma * float(mdp.final[after])
        yield (s, a, r), after
        s = after
