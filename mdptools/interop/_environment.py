"""A model as a Gymnasium environment, to train on.

Takes     an MDP.
Gives     an environment with Discrete spaces that draws from the model's own branches.
Source    the interface: farama.org, Gymnasium's Env. The meaning of terminated and truncated:
          Pardo et al. (2018), Time limits in reinforcement learning.
Not here  the other direction (`_gymnasium`), sampling many episodes at a time (sampling).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import check_count, check_model, number_or_nan
from ..errors import MissingExtraError, ModelError
from ..model import MDP

if TYPE_CHECKING:
    import gymnasium


def to_gymnasium(
    mdp: MDP,
    *,
    max_steps: int | None = None,
    refused: float | None = None,
    render_mode: str | None = None,
) -> gymnasium.Env[Any, Any]:
    """The model as a Gymnasium environment.

    Parameters
    ----------
    mdp : MDP
    max_steps : int, optional
        An episode is truncated after that many steps, unless it has terminated. A model of which
        no episode ends needs it, or a loop that stops by itself.
    refused : float, reward units, optional
        What it pays to try an action that is not allowed; the state stays as it is. An error if
        omitted. ``info["action_mask"]`` says what is allowed.
    render_mode : {None, "ansi"}
        "ansi" makes ``render()`` return the state as text; a grid where the layout is one.

    Returns
    -------
    gymnasium.Env
        ``observation_space`` is Discrete(S), ``action_space`` Discrete(A). Entering a terminal
        state terminates, and so does the last step of a finite horizon, which also pays ``gamma *
        final``; average reward goes on for ever. ``reset(options={"state": s})`` starts in s;
        ``info`` has ``t`` (the steps taken) and ``action_mask`` (int8). The model is ``env.mdp``.

    Raises
    ------
    ModelError
        If an argument is wrong.
    MissingExtraError
        If Gymnasium is not installed.

    Notes
    -----
    Discounting is left to the learner: the environment pays rewards as the model has them. With a
    finite horizon an optimal action may depend on ``info["t"]``. An episode that starts in a
    terminal state lasts one step that pays nothing, since ``reset`` cannot end one. Making the
    environment takes O(branches) time, a step O(branches of the pair).

    Examples
    --------
    >>> from mdptools.problems import chain
    >>> env = to_gymnasium(chain(5), max_steps=100, render_mode="ansi")
    >>> s, info = env.reset(seed=0)
    >>> s, info["t"], info["action_mask"].tolist()
    (0, 0, [1, 1, 1, 1])
    >>> env.step(0)[:4]  # state, reward, terminated, truncated
    (1, 0.0, False, False)
    """
    check_model(mdp)
    limit = None if max_steps is None else check_count(max_steps, "max_steps")
    if refused is not None and not np.isfinite(number_or_nan(refused)):
        raise ModelError(f"refused is {refused!r:.80}; it must be a finite reward, or None.")
    if render_mode not in (None, "ansi"):
        raise ModelError(f"render_mode is {render_mode!r:.80}; it must be 'ansi' or None.")
    make, spec = _classes()
    keywords = {"mdp": mdp, "max_steps": limit, "refused": refused}
    env = make(**keywords, render_mode=render_mode)
    env.spec = spec(
        id="mdptools/MDP-v0", entry_point=make, kwargs=keywords | {"render_mode": render_mode}
    )
    made: gymnasium.Env[Any, Any] = env
    return made


@cache
def _classes() -> tuple[Any, Any]:
    """The class of these environments, made when Gymnasium is first needed, and that of specs."""
    try:
        import gymnasium
        from gymnasium.envs.registration import EnvSpec
    except ImportError as error:
        raise MissingExtraError("gymnasium", "gym") from error

    class ModelEnv(gymnasium.Env[Any, Any]):
        """One episode at a time of a model."""

        metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 - as Env has it

        def __init__(
            self, mdp: MDP, max_steps: int | None, refused: float | None, render_mode: Any = None
        ) -> None:
            self.mdp = mdp
            self.render_mode = render_mode
            self.observation_space = gymnasium.spaces.Discrete(mdp.n_states)
            self.action_space = gymnasium.spaces.Discrete(mdp.n_actions)
            self._law, self._max_steps, self._refused = mdp.branches, max_steps, refused
            self._s, self._t, self._last = -1, 0, ""

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            """Start an episode: in a state drawn from mu, or in ``options["state"]``."""
            super().reset(seed=seed)
            asked = dict(options or {})
            s = asked.pop("state", None)
            if asked:
                raise ModelError(f"{sorted(asked)} is no option of reset; 'state' is the only one.")
            if s is None:
                s = _draw(self.mdp.mu, self.np_random)
            elif not self.observation_space.contains(s):
                raise ModelError(f"state is {s!r:.80}; states are 0 to {self.mdp.n_states - 1}.")
            self._s, self._t, self._last = int(s), 0, ""
            return self._s, self._info()

        def step(self, action: Any) -> Any:
            """Take an action: state, reward, terminated, truncated, info."""
            mdp, s = self.mdp, self._s
            if s < 0:
                raise gymnasium.error.ResetNeeded("reset() comes before the first step().")
            if not self.action_space.contains(action):
                raise ModelError(f"action is {action!r:.80}; actions are 0 to {mdp.n_actions - 1}.")
            a, r = int(action), 0.0
            if self._t == mdp.horizon:
                return s, r, True, False, self._info()  # it is over; a terminal state loops
            if mdp.allowed[s, a]:
                self._s, r = self._branch(s * mdp.n_actions + a)
            elif self._refused is not None:
                r = float(self._refused)
            else:
                raise ModelError(
                    f"action {mdp.name_of_action(a)} is not allowed in state "
                    f"{mdp.name_of_state(s)}: see info['action_mask'], or give refused=."
                )
            self._t += 1
            terminated = bool(mdp.terminal[self._s]) or self._t == mdp.horizon
            if self._t == mdp.horizon and mdp.final is not None:
                r += mdp.gamma * float(mdp.final[self._s])
            truncated = not terminated and self._t == self._max_steps
            self._last = f", after action {mdp.name_of_action(a)} with reward {r:g}"
            return self._s, r, terminated, truncated, self._info()

        def _branch(self, row: int) -> tuple[int, float]:
            """A successor and a reward of that pair."""
            law, low = self._law, int(self._law.offsets[row])
            i = low + _draw(law.prob[low : law.offsets[row + 1]], self.np_random)
            r = float(law.reward[i])
            if self.mdp.reward_std is not None:
                r += float(self.mdp.reward_std.flat[row] * self.np_random.standard_normal())
            return int(law.next_state[i]), r

        def _info(self) -> dict[str, Any]:
            return {"t": self._t, "action_mask": self.mdp.allowed[self._s].astype(np.int8)}

        def render(self) -> Any:
            """The state as text, if ``render_mode`` is "ansi"."""
            return None if self.render_mode is None else _picture(self.mdp, self._s) + self._last

    return ModelEnv, EnvSpec


def _draw(weights: Any, rng: Any) -> int:
    """An index with probability in proportion to its weight; one random number."""
    bounds = np.cumsum(weights)
    i = int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))
    return min(i, int(np.flatnonzero(weights)[-1]))  # a product that rounds up to the last bound


def _picture(mdp: MDP, s: int) -> str:
    """One line, below a grid with @ for the state, x for terminal ones and . for others."""
    line = f"state {mdp.name_of_state(s)}"
    if not isinstance(mdp.layout, tuple):
        return line
    signs = np.where(mdp.terminal, "x", ".")
    signs[s] = "@"
    return "\n".join(["".join(row) for row in signs.reshape(mdp.layout)] + [line])
