"""Registers: an estimator declared as a loop whose steps are linear.

Takes     registers, one step of a loop that changes them linearly, and what is returned at the end.
Gives     the noun; its step run on linear forms, or on numbers.
Not here  moments and rows (`_registers`), arithmetic of linear forms (`_linear`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import ModelError
from ..model import MDP
from ._linear import Linear


@dataclass(slots=True)
class Now:
    """What a step of the loop can see.

    Attributes
    ----------
    t, s, a, s_next : int
    r : float, reward units
        Where a finite horizon ends, with ``gamma * final(s_next)``.
    w : float
        The ratio pi(a | s) / b(a | s) of this step; 1 on-policy.
    psi : (D,) array
        The score, grad log pi(a | s); of pi(a | o) where the policy sees o.
    o : int or None
        What was seen.
    g : hashable
        The memory.
    terminated : bool
        Whether the episode ends by itself here: s_next is terminal, or the model's horizon.
    """

    s: int
    a: int
    r: float
    s_next: int
    w: float
    psi: FloatArray
    o: int | None
    g: Hashable
    _t: int
    _mdp: MDP
    asked: bool = field(default=False, init=False)  # whether the answer depends on t

    @property
    def t(self) -> int:
        """The time."""
        self.asked = True
        return self._t

    @property
    def terminated(self) -> bool:
        """Whether the episode ends by itself here."""
        self.asked = self.asked or self._mdp.horizon is not None
        return bool(self._mdp.terminal[self.s_next]) or self._t + 1 == self._mdp.horizon


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """An estimator of one trajectory, as a loop over its steps that is linear in its registers.

    Attributes
    ----------
    start : dict of name -> number or array
        The registers and what they hold before the first step.
    step : function (x, now)
        Changes ``x.name`` by sums of registers and products with plain numbers (arrays broadcast,
        are indexed and multiplied by ``@`` as in NumPy). ``now`` has t, s, a, r, s_next, w (the
        ratio pi / b), psi (the score), o, g and terminated. What it returns is the memory from now
        on; None leaves the memory as it is.
    answer : str, or function (x, g) -> register or sum of registers
        What is returned at the end: a register, or something linear in them that may depend on the
        memory.
    memory : hashable
        ``now.g`` of the first step: a flag, a count, a tuple; anything with few values.

    Examples
    --------
    GPOMDP: add up the scores, then let each reward multiply what has come before it.

    >>> def step(x, now):
    ...     x.Z += now.psi
    ...     x.X += 0.9**now.t * now.r * x.Z
    >>> from mdptools.verify import register_moments
    >>> gpomdp = Registers({"Z": np.zeros(2), "X": np.zeros(2)}, step, "X")
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.9, horizon=2)
    >>> register_moments(mdp, [[0.5, 0.5]], gpomdp).mean
    array([-0.475,  0.475])

    The first step of each trajectory in which action 1 is chosen, 0 if there is none:

    >>> def watch(x, now):
    ...     if now.a == 1 and not now.g:
    ...         x.first += now.t + 1
    ...     return now.g or now.a == 1
    >>> waiting = Registers({"first": 0.0}, watch, "first", memory=False)
    >>> register_moments(mdp, [[0.5, 0.5]], waiting).mean
    array([1.])
    """

    start: Mapping[str, Any]
    step: Callable[[Any, Now], Any]
    answer: str | Callable[[Any, Any], Any]
    memory: Hashable = None

    def __post_init__(self) -> None:
        if not self.start:
            raise ModelError("start is empty; it must name a register: {'X': 0.0}.")
        values = {name: as_floats(x, f"start['{name}']") for name, x in self.start.items()}
        object.__setattr__(self, "start", values)
        if isinstance(self.answer, str) and self.answer not in values:
            raise ModelError(f"answer is {self.answer!r}; the registers are {list(values)}.")


def forms_of(machine: Registers, size: int) -> Any:
    """The registers as unknowns x_1 ... x_size; with size 0 as the numbers they start with."""
    x, at = SimpleNamespace(), 1
    for name, value in machine.start.items():
        forms = np.zeros((size + 1, *value.shape))
        if size:
            forms[at : at + value.size] = np.eye(value.size).reshape(-1, *value.shape)
            at += value.size
        else:
            forms[0] = value
        setattr(x, name, Linear(forms))
    return x


def stepped(machine: Registers, x: Any, now: Now) -> tuple[Any, Hashable]:
    """The registers and the memory after one step."""
    any_form = next(iter(vars(x).values()))
    g = machine.step(x, now)
    for name, value in vars(x).items():
        if name not in machine.start:
            raise ModelError(
                f"the step sets x.{name}, which is no register: start has {list(machine.start)}."
            )
        form = value if isinstance(value, Linear) else any_form.constant(as_floats(value, name))
        wanted = machine.start[name].shape
        if form.shape != wanted:
            raise ModelError(
                f"the step gives x.{name} the shape {form.shape}; it starts with {wanted}. Start "
                f"it with that shape, or index what is added."
            )
        setattr(x, name, form)
    if len(vars(x)) < len(machine.start):
        gone = next(name for name in machine.start if name not in vars(x))
        raise ModelError(f"the step deletes x.{gone}.")
    return x, now.g if g is None else g


def answer_of(machine: Registers, x: Any, g: Hashable) -> Linear:
    """What the machine answers in the end, as a linear form of its registers."""
    if isinstance(machine.answer, str):
        form: Linear = getattr(x, machine.answer)
        return form
    any_form = next(iter(vars(x).values()))
    value = machine.answer(x, g)
    return value if isinstance(value, Linear) else any_form.constant(as_floats(value, "answer"))
