"""Models for round trips: what `mdps` draws, with the words and noise that it leaves out."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st

from mdptools import MDP, kernel
from mdptools.testing.strategies import mdps

NAMES = st.text(st.characters(exclude_categories=()), max_size=6)


def changed(mdp: MDP, **words) -> MDP:
    """The model with other fields."""
    kept = {f.name: getattr(mdp, f.name) for f in dataclasses.fields(mdp) if f.init}
    return MDP(**(kept | words))


def dense(mdp: MDP) -> MDP:
    """The same model with P as an array: how P is stored is no part of most formats."""
    return changed(mdp, P=kernel.tensors([mdp.P])[0])


@st.composite
def decorated(draw, names=NAMES, noise=True, **kinds):
    """A model of any kind, sometimes with names, a layout, noise and notes."""
    mdp = draw(mdps(**kinds))
    words = {"notes": draw(st.lists(NAMES, max_size=2))}
    for key, n in (("state_names", mdp.n_states), ("action_names", mdp.n_actions)):
        if draw(st.booleans()):
            words[key] = draw(st.lists(names, min_size=n, max_size=n, unique=True))
    match draw(st.integers(0, 2)):
        case 1:
            words["layout"] = (1, mdp.n_states)
        case 2:
            words["layout"] = np.array([[s / 3, np.nan if s else 0.1] for s in range(mdp.n_states)])
    if noise and draw(st.booleans()):
        std = draw(st.sampled_from((0.0, 0.1, 2.0)))
        live = mdp.allowed & ~mdp.terminal[:, None]
        words["reward_std"] = np.where(live, std, 0.0)
    found = not mdp.average and draw(st.booleans())  # else nothing is terminal, as declared
    return changed(mdp, terminal=mdp.terminal if found else (), **words)
