"""Pictures of results, for screen and print; matplotlib is imported when one is drawn.

Takes     what other rooms return, and perhaps matplotlib axes to draw on.
Gives     the axes, with labels, units and a legend; colours that colour-blind readers tell apart.
Source    colours: Okabe and Ito (2008), "Color universal design".
Not here  any number that is not already in what is drawn; whole pages (report).
"""

from ._learning import learning
from ._study import study

__all__ = ["learning", "study"]
