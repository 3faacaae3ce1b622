"""The command ``mdptools examples``: the models that come with the library.

Takes     nothing, or the name of a problem.
Gives     one line for each; or what one is, its options, its source, and how to name it.
Not here  the problems (problems), what is said of a model (hardness).
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ._complete import problem_names
from ._options import AsJson, Debug
from ._terminal import busy, width, write, write_plain
from ._text import in_flags, labelled, table, wrap

if TYPE_CHECKING:
    from ..model import MDP

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        show_default=False,
        autocompletion=problem_names,
        help="One of the problems, perhaps with options: riverswim, garnet@n_states=8.",
    ),
]
MARGIN = 2  # columns before tables
SAMPLES = {
    "chain": "n=6",
    "dirichlet": "n_states=4,n_actions=2,gamma=0.9,rng=0",
    "ergodic": "n_states=4,n_actions=2,rng=0",
    "garnet": "n_states=5,n_actions=3,branching=2,gamma=0.9,rng=0",
    "grid_world": "text=S../.#./..G",
    "layered": "n_layers=3,width=2,n_actions=2,branching=2,rng=0",
    "ring": "n_states=5,rng=0",
}
"""Options for the problems that need some."""
FROM_PYTHON = {
    "bandit": "means=[1.0, 0.0]",
    "bernoulli_bandit": "probs=[0.9, 0.1]",
}
"""What needs a list, which the command line cannot write."""


class Problem(NamedTuple):
    """A problem: the function that makes it, and one that it made."""

    name: str
    called: str  # how the model is named
    mdp: MDP

    @property
    def text(self) -> str:
        """The docstring."""
        from .. import problems

        return inspect.getdoc(getattr(problems, self.name)) or ""


def examples(name: Name = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the models that come with the library, or show one of them: what it is, its options.

    Example: mdptools examples riverswim
    """
    from .. import problems
    from . import _json

    if name is None:
        with busy("making one of each"):
            found = [_make(each) for each in problems.names()]
        if as_json:
            about = [_json_line(one) for one in found]
            write_plain(_json.dumps({"schema": 1, "command": "examples", "problems": about}))
        else:
            write("\n".join(_list(found, width())))
        return
    one = _make(name.removeprefix("example:"))
    if as_json:
        write_plain(_json.dumps({"schema": 1, "command": "examples", **_json_page(one)}))
    else:
        write("\n".join(_page(one, width())))


def _make(name: str) -> Problem:
    """The problem of that name, made with the options that stand behind it and those it needs."""
    from .. import problems
    from ..interop import load_model, read_options

    subject, _, tail = name.partition("@")
    if subject in FROM_PYTHON and not tail:
        options = {"means": [1.0, 0.0]} if subject == "bandit" else {"probs": [0.9, 0.1]}
        code = f"problems.{subject}({FROM_PYTHON[subject]})"
        return Problem(subject, code, problems.make(subject, **options))
    given = read_options(tail, name) if tail else {}
    sample = read_options(SAMPLES[subject], name) if subject in SAMPLES else {}
    wanted = {key: value for key, value in sample.items() if key not in given}
    words = [f"{key}={_word(value)}" for key, value in {**given, **wanted}.items()]
    called = f"example:{subject}" + ("@" + ",".join(words) if words else "")
    return Problem(subject, called, load_model(called))


def _word(value: Any) -> str:
    """A value of Python as the command line writes it."""
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _list(found: list[Problem], width: int) -> list[str]:
    rows = [
        [
            one.name,
            f"{one.mdp.n_states:,} x {one.mdp.n_actions}",
            one.mdp.objective,
            _plain(one.text.partition("\n")[0]).rstrip("."),
        ]
        for one in found
    ]
    lines = table(["name", "S x A", "objective", "what it is"], rows, width, right={1})
    return [
        *lines,
        "",
        *wrap(
            "A model is named as in example:riverswim; options follow as in example:riverswim@n=10."
            " mdptools examples NAME shows what it is, what it takes and where it is from.",
            width,
        ),
    ]


def _page(one: Problem, width: int) -> list[str]:
    from ..hardness import describe
    from ._solution import model_line

    parts = sections(one.text)
    what = [paragraph for paragraph in parts[""].split("\n\n") if paragraph]
    lines = [
        *labelled("model", model_line(one.called, one.mdp), width),
        *(line for text in what for line in labelled("", _plain(text), width)),
        *(line for note in one.mdp.notes for line in labelled("note", in_flags(note), width)),
        "",
        *labelled("options", "after the @, with what holds if they are left out", width),
    ]
    for option in _options(one):
        default = "needed" if option["needed"] else _default(option["default"])
        indent = MARGIN + 4
        lines.append(f"{'':{MARGIN}}{option['name']}  {option['kind']}; {default}")
        lines += [
            f"{'':{indent}}{line}" for line in wrap(option["meaning"], max(width - indent, 20))
        ]
    lines.append("")
    lines += [
        line
        for text in parts.get("Notes", "").split("\n\n")
        if text
        for line in labelled("source", _plain(text), width)
    ]
    facts = " ".join(describe(one.mdp).sentences)
    return [*lines, *labelled("facts", facts, width), *labelled("try", _try(one), width)]


def _try(one: Problem) -> str:
    if one.name in FROM_PYTHON:
        return f"in Python: mdptools.{one.called}"
    return f"mdptools solve {one.called}"


def _default(value: Any) -> str:
    shown = f"{value:.6g}" if isinstance(value, float) else _word(value)
    return f"{shown} if omitted"


def _options(one: Problem) -> list[dict[str, Any]]:
    """Each parameter of the problem: name, kind, default and what the docstring says of it."""
    from .. import problems

    parameters = inspect.signature(getattr(problems, one.name)).parameters
    described = _described(sections(one.text).get("Parameters", ""))
    return [
        {
            "name": key,
            "kind": described.get(key, ("", ""))[0],
            "needed": parameter.default is parameter.empty,
            "default": None if parameter.default is parameter.empty else parameter.default,
            "meaning": described.get(key, ("", ""))[1],
        }
        for key, parameter in parameters.items()
    ]


def _described(text: str) -> dict[str, tuple[str, str]]:
    """The kind and the meaning of each parameter, from a section of a docstring."""
    found: dict[str, tuple[str, str]] = {}
    for entry in re.split(r"\n(?=\S)", text):
        head, _, meaning = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        for key in names.split(","):
            kind = kind.removesuffix(", optional")
            found[key.strip()] = (_plain(kind), _plain(meaning))
    return found


def sections(text: str) -> dict[str, str]:
    r"""The parts of a docstring by their titles; what comes first has the title "".

    Parameters
    ----------
    text : str
        In the form of numpydoc, without indentation.

    Returns
    -------
    dict of str

    Examples
    --------
    >>> sections("What.\n\nNotes\n-----\nWhy.")
    {'': 'What.', 'Notes': 'Why.'}
    """
    pieces = re.split(r"(?m)^(\w[\w ]*)\n-{3,}\n", text)
    titles = ["", *pieces[1::2]]
    return {title: body.strip() for title, body in zip(titles, pieces[::2], strict=True)}


def _plain(text: str) -> str:
    """Without the marks of reStructuredText, in one line."""
    return re.sub(r"\s+", " ", text.replace("`", "")).strip()


def _json_line(one: Problem) -> dict[str, Any]:
    return {
        "name": one.name,
        "model": one.called,
        "n_states": one.mdp.n_states,
        "n_actions": one.mdp.n_actions,
        "objective": one.mdp.objective,
        "what": one.text.partition("\n")[0],
    }


def _json_page(one: Problem) -> dict[str, Any]:
    from ..hardness import describe
    from ._solution import model_json

    parts = sections(one.text)
    described = describe(one.mdp)
    return {
        "name": one.name,
        "model": model_json(one.called, one.mdp),
        "what": _plain(parts[""]),
        "options": _options(one),
        "source": _plain(parts.get("Notes", "")),
        "sentences": list(described.sentences),
        "facts": described.facts,
    }
