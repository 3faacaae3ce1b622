"""What can go wrong, by name.

Takes     nothing.
Gives     the exceptions that mdptools raises on purpose. Each message names the place, the number
          and the cure.
Not here  warnings: an answer is either within its bound or an error.
"""

from __future__ import annotations

from typing import Any


class MdptoolsError(Exception):
    """The parent of every error that mdptools raises on purpose.

    Examples
    --------
    >>> issubclass(ModelError, MdptoolsError) and issubclass(ModelError, ValueError)
    True
    """


class ModelError(MdptoolsError, ValueError):
    """The model, or an argument that speaks of it, is wrong or cannot be served.

    Examples
    --------
    >>> from mdptools import MDP
    >>> MDP([[[0.5, 0.4]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9)
    Traceback (most recent call last):
    ...
    mdptools.errors.ModelError: P[0, 0] sums to 0.9, not 1 (tolerance 1.78e-15): the outcomes of \
action 0 in state 0 are wrong or incomplete. 1 of 2 rows are off; this is the worst. If they are \
counts, divide each row by its sum; if the action does not exist there, pass allowed=.
    """


class ConvergenceError(MdptoolsError, RuntimeError):
    """An answer was found, but not as exactly as ``tol`` asks for. It is not lost.

    Attributes
    ----------
    solution : Solution, Evaluation or None
        The best answer there is. Its certificate holds. None where float64 gives no answer at all.
    floor : float or None, reward units
        The smallest bound that float64 can prove for this model, where round-off is the reason;
        None where more work would help.

    Examples
    --------
    >>> from mdptools import MDP, solve
    >>> mdp = MDP([[[0.5, 0.5]], [[0.25, 0.75]]], [[1.0], [0.0]], gamma=0.9)
    >>> try:
    ...     solve(mdp, tol=1e-20)
    ... except ConvergenceError as error:
    ...     print(error.solution.certificate.bound <= 2 * error.floor)
    True
    """

    def __init__(self, message: str, *, solution: Any = None, floor: float | None = None) -> None:
        super().__init__(message)
        self.solution = solution
        self.floor = floor


class MissingExtraError(MdptoolsError, ImportError):
    """A function needs an optional library that is not installed.

    Attributes
    ----------
    library : str
        What is missing.
    extra : str
        The extra of mdptools that brings it.

    Examples
    --------
    >>> print(MissingExtraError("gymnasium", "gym"))
    gymnasium is not installed; it comes with: pip install 'mdptools[gym]'
    """

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"{library} is not installed; it comes with: pip install 'mdptools[{extra}]'"
        )
        self.library = library
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Let it travel between processes: the arguments, and not the message made of them."""
        return type(self), (self.library, self.extra)
