"""Shell completion: what could stand where the cursor is.

Takes     the beginning of a word.
Gives     words that begin so, with a few words on each where that is cheap.
Not here  the shells (typer), but for one habit of bash.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator

Found = list[tuple[str, str]]
BREAKS = frozenset(":=@")
"""Where bash ends a word: ``example:small`` is three of them."""


@contextlib.contextmanager
def in_bash() -> Iterator[None]:
    """Around typer's completion for bash: words in one piece go in, what is left of one comes out.

    Nothing happens where no completion is asked for, or by another shell.
    """
    if os.environ.get("_MDPTOOLS_COMPLETE") != "complete_bash":
        yield
        return
    words = os.environ.get("COMP_WORDS", "").split("\n")
    whole = joined(words[: int(os.environ.get("COMP_CWORD", "0")) + 1])
    os.environ |= {"COMP_WORDS": "\n".join(whole), "COMP_CWORD": str(len(whole) - 1)}
    there = max(whole[-1].rfind(sign) for sign in BREAKS) + 1  # what bash keeps
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        for line in filter(None, said.getvalue().splitlines()):
            print(line[there:])


def joined(words: Iterable[str]) -> list[str]:
    """Words as they were written, from the pieces that bash makes of them.

    Parameters
    ----------
    words : iterable of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> joined(["solve", "example", ":", "ri", "--gamma", "=", "0.9", ""])
    ['solve', 'example:ri', '--gamma=0.9', '']
    """
    found: list[str] = []
    glued = False
    for word in words:
        breaks = bool(word) and set(word) <= BREAKS
        if found and word and (breaks or glued):
            found[-1] += word
        else:
            found.append(word)
        glued = breaks
    return found


def beginning(words: Iterable[tuple[str, str]], incomplete: str) -> Found:
    """Those of the words that begin so."""
    return [(word, about) for word, about in words if word.startswith(incomplete)]


def model_names(incomplete: str) -> Found:
    """Models that have a name; for files a shell knows better."""
    return beginning(_models(incomplete), incomplete)


def _models(incomplete: str) -> Iterator[tuple[str, str]]:
    yield from ((f"example:{name}", about) for name, about in _problems())
    if incomplete.startswith("g"):  # Gymnasium takes a while to load
        yield from ((f"gym:{name}", "") for name in _environments())
    elif not incomplete:
        yield "gym:", "an environment of Gymnasium"
        yield "py:", "package.module:function, which returns a model"


def _problems() -> Iterator[tuple[str, str]]:
    from .. import problems

    for name in problems.names():
        yield name, (getattr(problems, name).__doc__ or "").partition("\n")[0]


def _environments() -> list[str]:
    """Those of Gymnasium's that have states and actions in a table; none without Gymnasium."""
    try:
        from gymnasium.envs import registry
    except ImportError:
        return []
    return sorted(name for name, spec in registry.items() if "toy_text" in str(spec.entry_point))


def problem_names(incomplete: str) -> Found:
    """Problems without their prefix."""
    return beginning(_problems(), incomplete)


def targets(incomplete: str) -> Found:
    """What estimators estimate."""
    from ..verify import TARGETS

    return beginning(((name, "") for name in TARGETS), incomplete)


def styles(incomplete: str) -> Found:
    """What estimators are called with."""
    words = {
        "batch": "Trajectories, many at once",
        "steps": "one trajectory, a list of (s, a, r)",
        "dicts": "one trajectory, a dict of arrays",
        "sampler": "(n, rng), and draws its own rows",
    }
    return beginning(words.items(), incomplete)


def outcomes(incomplete: str) -> Found:
    """What can be required of a verdict."""
    words = {
        "unbiased": "exactly, or within tol",
        "not-biased": "or not decided",
        "inconclusive": "",
        "biased": "",
    }
    return beginning(words.items(), incomplete)


def policies(incomplete: str) -> Found:
    """Policies that have a name; for files a shell knows better."""
    words = {
        "uniform": "",
        "random": "softmax of seeded logits",
        "optimal": "",
        "greedy:0.1": "optimal, mixed with so much of the uniform one",
    }
    return beginning(words.items(), incomplete)
