"""Experiments with exact iterations, by name: ``sweeps@steps=30``.

Takes     the name of a function of `studies.experiments`, its options, perhaps a model.
Gives     the numbers and the studies that it returns.
Not here  the experiments (studies), the page (`_study_page`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ModelError
from ._complete import Found, beginning
from ._named import about

if TYPE_CHECKING:
    from ..model import MDP
    from ..studies import Study


class Experiment(NamedTuple):
    """A function of `studies.experiments` that the command line can call."""

    name: str
    function: Callable[..., Any]
    model: str  # unless another is given; empty if it makes its own
    options: dict[str, Any]  # that it needs
    drawn: bool = True  # whether there is a study to draw


def experiments() -> dict[str, Experiment]:
    """The experiments, by name."""
    from ..studies import experiments as room

    return {
        name: Experiment(name, found, *_GIVEN.get(name, (_MODEL, {})))
        for name in room.__all__
        if callable(found := getattr(room, name)) and not isinstance(found, type)
    }


_MODEL = "example:garnet@n_states=5,n_actions=3,branching=2,gamma=0.9,rng=0"
_GIVEN: dict[str, tuple[Any, ...]] = {
    "linear_features": ("example:dirichlet@n_states=4,n_actions=2,gamma=0.9,rng=0", {}, False),
    "plateaus": ("", {}, False),
    "wrong_q": (_MODEL, {"epsilon": 0.5}),
}


def experiment_names(incomplete: str) -> Found:
    """For shell completion."""
    named = ((name, about(one.function)) for name, one in experiments().items())
    return beginning(named, incomplete)


def run_experiment(
    chosen: Experiment, mdp: MDP | None, subject: str, tail: str, steps: int | None
) -> tuple[dict[str, Any], list[Study]]:
    """The numbers and the studies that an experiment gives."""
    import numpy as np

    from ..interop import read_options
    from ..policies import uniform_policy
    from ..studies import Study

    given = read_options(tail, subject) if tail else {}
    if steps is not None:
        given["steps"] = steps
    options = {**chosen.options, **given}
    takes = [key for key in inspect.signature(chosen.function).parameters if key != "mdp"]
    if chosen.name == "linear_features":
        assert mdp is not None
        options["pi"] = uniform_policy(mdp)
        options["phi"] = np.vander(np.linspace(0, 1, mdp.n_states), increasing=True)
    for key in given:
        if key not in takes:
            raise ModelError(
                f"the experiment {chosen.name} takes no {key!r:.80}. It takes {', '.join(takes)}."
            )
    try:
        found = chosen.function(*(() if mdp is None else (mdp,)), **options)
    except TypeError as error:  # one number where it takes several
        raise ModelError(f"the experiment {subject!r:.80}: {error}.") from error
    if isinstance(found, Study):
        return {}, [found]
    fields = found._asdict()
    studies = [
        one
        for value in fields.values()
        for one in (value if isinstance(value, tuple) else (value,))
        if isinstance(one, Study)
    ]
    return {key: value for key, value in fields.items() if _is_number(value)}, studies


def _is_number(value: Any) -> bool:
    """Whether a field of an experiment is a number, an array, or a tuple of these."""
    import numpy as np

    if isinstance(value, tuple):
        return all(_is_number(one) for one in value)
    return isinstance(value, int | float | np.ndarray)
