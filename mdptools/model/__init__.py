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
from ._places import STAY as STAY
from ._places import Move as Move
from ._places import cells as cells
from ._places import directions as directions
from ._text import dumps
from ._text import in_words as in_words
from ._text import pairs as pairs
from ._text import sizes as sizes
from ._text import start as start

__all__ = ["MDP", "Facts", "RewardLaw", "dumps"]
