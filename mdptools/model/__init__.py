"""The model: transition and reward tensors, the objective, and where episodes start and end.

Takes     arrays, outcome lists or other people's layouts.
Gives     `MDP`, checked at the door and read-only ever after, and `RewardLaw`, the branches behind
          its expected rewards.
Source    Puterman (1994), chapter 2; the ways of ending an episode: Sutton and Barto (2018), 3.4.
Not here  what the model implies: structure, values, optima.
"""

from ._law import RewardLaw
from ._law import law_of as law_of
from ._mdp import MDP, Facts
from ._text import dumps

__all__ = ["MDP", "Facts", "RewardLaw", "dumps"]
