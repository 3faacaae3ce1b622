"""Rules and learners by name: ``q_learning@step_size=0.1``, as models are named.

Takes     words of the command line, a model.
Gives     the rule or the learner; the table of those that there are.
Not here  the rules (studies), the learners (estimators), how models are named (interop).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from ..errors import ModelError
from ._complete import Found, beginning

if TYPE_CHECKING:
    from ..model import MDP

FROM_PYTHON = frozenset(
    ("error", "family", "logits0", "planner", "start_law", "theta0", "V0", "w0")
)
"""Parameters that are arrays or functions; no word of a command line can be that."""
EVALUATE = ("linear_td", "temporal_difference")
"""Rules that need a policy: the uniform one unless another is named."""


class Named(NamedTuple):
    """A class by a name of the command line."""

    name: str
    short: str  # another name: its capital letters; empty if another class has them too
    make: Callable[..., Any]
    fixed: Mapping[str, Any]  # what the name itself says

    @property
    def takes(self) -> dict[str, Any]:
        """Its options and their defaults; `inspect.Parameter.empty` where there is none."""
        return {
            key: parameter.default
            for key, parameter in inspect.signature(self.make).parameters.items()
            if key not in self.fixed and key not in FROM_PYTHON
        }

    @property
    def line(self) -> str:
        """Name and options, as they are written."""
        shown = [
            key if default is inspect.Parameter.empty else f"{key}={_word(default)}"
            for key, default in self.takes.items()
        ]
        return self.name + ("@" + ",".join(shown) if shown else "")


def _word(value: Any) -> str:
    if isinstance(value, bool | None):
        return str(value).lower()
    exponent = getattr(value, "exponent", None)
    return str(value) if exponent is None else f"{value.scale:g}/k^{exponent:g}"


def snake(name: str) -> str:
    """The name of a class in small letters.

    Examples
    --------
    >>> snake("QLearning"), snake("LinearTD"), snake("NaturalPolicyGradient")
    ('q_learning', 'linear_td', 'natural_policy_gradient')
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def rules() -> dict[str, Named]:
    """The rules of studies, by name."""
    from .. import studies

    classes = {
        name: found
        for name in studies.__all__
        if inspect.isclass(found := getattr(studies, name))
        and name != "Rule"
        and all(hasattr(found, method) for method in ("start", "step", "policy", "values"))
    }
    letters = {name: "".join(re.findall("[A-Z]", name)).lower() for name in classes}
    several = [short for short in letters.values() if [*letters.values()].count(short) > 1]
    several += ["pg"]  # the field's word for policy gradient, and the letters of ProjectedGradient
    return {
        snake(name): Named(
            snake(name),
            "" if letters[name] in several or len(letters[name]) < 2 else letters[name],
            found,
            {},
        )
        for name, found in classes.items()
    }


def learners() -> dict[str, Named]:
    """The learners of estimators, by the name of their method."""
    from .. import estimators as room

    def values(cls: Any, key: str) -> list[str]:
        hint = get_type_hints(cls)[key]
        return [word for part in (hint, *get_args(hint)) for word in _words(part)]

    made = [
        Named(word, "", room.ControlLearner, {"method": word})
        for word in values(room.ControlLearner, "method")
    ]
    made += [
        Named(word, "", room.GradientLearner, {"estimator": word})
        for word in values(room.GradientLearner, "estimator")
    ]
    made += [
        Named("natural_gradient", "", room.NaturalGradientLearner, {}),
        Named("ppo", "", room.ProximalLearner, {}),
        Named("r_max", "", room.RMaxLearner, {}),
    ]
    return {one.name: one for one in made}


def _words(hint: Any) -> list[str]:
    """The words of a Literal; none of another type."""
    return [word for word in get_args(hint) if isinstance(word, str)]


def rule_names(incomplete: str) -> Found:
    """For shell completion: rules of studies."""
    return beginning(((name, about(one.make)) for name, one in rules().items()), incomplete)


def learner_names(incomplete: str) -> Found:
    """For shell completion: learners."""
    return beginning(((name, about(one.make)) for name, one in learners().items()), incomplete)


def about(thing: object) -> str:
    """The first line of a docstring."""
    return (thing.__doc__ or "").partition("\n")[0]


def make(text: str, what: str, known: Mapping[str, Named], mdp: MDP, seed: int) -> Any:
    """The rule or learner that a word names.

    Parameters
    ----------
    text : str
        Its name, then perhaps ``@`` and options.
    what : str
        "rule" or "learner", for messages.
    known : mapping from name to Named
    mdp : MDP
        For policies and features.
    seed : int
        Of a random policy.

    Returns
    -------
    object

    Raises
    ------
    ModelError
        If there is none of that name, or an option does not fit.
    """
    from ..interop import read_options

    name, at, tail = text.partition("@")
    found = known.get(name) or next((one for one in known.values() if one.short == name), None)
    if found is None or not name:
        raise ModelError(f"there is no {what} {name!r:.80}. There are {', '.join(known)}.")
    given = read_options(tail, text) if at else {}
    takes = found.takes
    for key in given:
        if key not in takes:
            why = "can only be given from Python" if key in FROM_PYTHON else "is no option of it"
            raise ModelError(f"the {what} {found.name}: {key} {why}. It takes {', '.join(takes)}.")
    if found.name in EVALUATE:
        given.setdefault("pi", "uniform")
    if found.name == "r_max":
        given = _with_planner(mdp, given)
    missing = [
        key
        for key, default in takes.items()
        if default is inspect.Parameter.empty and key not in given
    ]
    if missing:
        raise ModelError(
            f"the {what} {found.name} needs {' and '.join(missing)}, as in {found.name}@"
            f"{missing[0]}=0.1. It takes {', '.join(takes)}."
        )
    options = {key: _read(key, value, mdp, seed) for key, value in given.items()}
    if what == "rule":
        options = {key: _from_zero(value) for key, value in options.items()}
    if found.name in ("linear_sarsa", "linear_q_learning"):
        options["phi"] = _of_pairs(options["phi"], mdp)
    if isinstance(options.get("weights"), str):
        options["weights"] = _weights(options["weights"], mdp, pairs=found.name not in EVALUATE)
    try:
        return found.make(**found.fixed, **options)
    except TypeError as error:  # a word where a number belongs
        raise ModelError(f"the {what} {text!r:.80}: {error}.") from error


def _read(key: str, value: Any, mdp: MDP, seed: int) -> Any:
    """What an option means: policies, features and schedules have words of their own."""
    if key in ("pi", "pi0") and isinstance(value, str):
        from ..policies import split_policy
        from ._policy import read_policy

        return split_policy(mdp, read_policy(mdp, value, seed)[1])[0]
    if key == "phi":
        return _features(value, mdp)
    if key in ("step_size", "critic_step", "epsilon", "weight") and isinstance(value, str):
        return read_schedule(key, value)
    return value


def read_schedule(key: str, word: str) -> Any:
    """A number that changes from step to step.

    Parameters
    ----------
    key : str
        What it is for, for messages.
    word : str
        "1/k", "0.5/k^0.7"; for rules also "line_search", "geometric:FIRST", "adaptive:ERROR".

    Returns
    -------
    function int -> float, or what a rule takes instead

    Raises
    ------
    ModelError
        If the word has no meaning.

    Examples
    --------
    >>> read_schedule("step_size", "0.5/k^0.7")
    Power(exponent=0.7, scale=0.5)
    """
    from ..estimators import Power
    from ..studies import Adaptive, Geometric, LineSearch

    number = r"\d*\.?\d+(?:e[+-]?\d+)?"
    power = re.fullmatch(rf"({number})/k(?:\^({number}))?", word)
    if power:
        return Power(float(power[2] or 1), float(power[1]))
    if word == "line_search":
        return LineSearch()
    made: dict[str, Callable[[float], Any]] = {"geometric": Geometric, "adaptive": Adaptive}
    kind, _, first = word.partition(":")
    if kind in made and re.fullmatch(number, first):
        return made[kind](float(first))
    raise ModelError(
        f"{key} is {word!r:.80}; it must be a number, or one that changes: 1/k or 0.5/k^0.7, and "
        f"for some rules line_search, geometric:FIRST or adaptive:ERROR."
    )


def _features(value: Any, mdp: MDP) -> Any:
    """As many powers of the number of a state, from 0 to 1."""
    import numpy as np

    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(
            f"phi is {value!r:.80}; on the command line it is a number of features, K for 1, x, "
            f"..., x^(K-1), where x runs from 0 to 1 over the states."
        )
    return np.vander(np.linspace(0, 1, mdp.n_states), value, increasing=True)


def _weights(word: str, mdp: MDP, *, pairs: bool) -> Any:
    """How often each state, or each pair, is updated."""
    if word != "uniform":
        raise ModelError(f"weights is {word!r:.80}; on the command line it is uniform, or nothing.")
    kept = mdp.allowed & ~mdp.terminal[:, None]
    kept = kept if pairs else kept.any(axis=1)
    return kept / kept.sum()


def _of_pairs(phi: Any, mdp: MDP) -> Any:
    """The features of a state for each action apart, (S, A, A k)."""
    import numpy as np

    apart = np.einsum("sk,ab->sabk", phi, np.eye(mdp.n_actions))
    return apart.reshape(mdp.n_states, mdp.n_actions, -1)


def _from_zero(value: Any) -> Any:
    """Learners count the updates that they make from 1, rules those that were made, from 0."""
    from ..estimators import Power

    if not isinstance(value, Power):
        return value
    schedule = value
    return lambda t: schedule(t + 1)


def _with_planner(mdp: MDP, given: dict[str, Any]) -> dict[str, Any]:
    """R-max plans with `solve`; no value is above the largest reward for ever."""
    from ..planning import solve

    largest = max(float(mdp.R[mdp.allowed].max()), 0.0)
    most = largest / (1 - mdp.gamma) if mdp.gamma < 1 else largest
    return {"v_max": most, **given, "planner": lambda model: solve(model).pi}
