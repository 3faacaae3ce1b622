"""The command ``mdptools convert``: a model from one form into another, read back and compared.

Takes     the name of a model, the path of a file, what may be left out.
Gives     the file, and whether it holds the same model; exit code 1 if it does not.
Not here  the formats, and what each cannot say (interop).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load
from ._terminal import busy, width, write, write_plain
from ._text import in_flags, labelled

if TYPE_CHECKING:
    from ..model import MDP

Target = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="Where to write: a file that ends in .npz (mdptools, everything is kept) or .tra "
        "(PRISM or Storm; a .lab and a .srew or .trew are written beside it).",
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="FIELD",
        show_default=False,
        help="What to leave out where the format cannot say it: horizon, state_names, mu, ...; "
        "several with commas.",
    ),
]
Dialect = Annotated[
    str, typer.Option("--dialect", metavar="WORD", help="Of a .tra file: prism or storm.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]

EXPLICIT = (".tra", ".lab", ".srew", ".trew")
"""The files of one explicit model."""
ROUNDING = 1e-12  # relative: rewards without their law are sums again


def convert(
    model: Model,
    target: Target,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    drop: Drop = None,
    dialect: Dialect = "prism",
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a model to a file of another format, read it back, and compare the two.

    Example: mdptools convert example:small small.tra
    """
    from ..interop import load_model
    from . import _json
    from ._solution import model_json, model_line

    paths = _check_target(target, force)
    dropped = [word.strip() for words in drop or [] for word in words.split(",")]
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    with busy(f"writing {target}"):
        files = _write(mdp, target, paths, dropped, dialect)
    with busy(f"reading {target} again"):
        again = load_model(target, gamma=mdp.gamma, horizon=mdp.horizon, average=mdp.average)
    same = mdp.equals(again)
    differences = [] if same else find_differences(mdp, again, dropped)
    if as_json:
        result: dict[str, Any] = {
            "schema": 1,
            "command": "convert",
            "model": model_json(model, mdp),
            "files": [str(path) for path in files],
            "dropped": dropped,
            "same": same,
            "differences": differences,
            "objective": _flags(mdp) if files[0].suffix != ".npz" else "",
        }
        write_plain(_json.dumps(result))
    else:
        sizes = ", ".join(f"{path} ({path.stat().st_size:,} bytes)" for path in files)
        lines = [
            *labelled("model", model_line(model, mdp), width()),
            *(line for note in mdp.notes for line in labelled("note", in_flags(note), width())),
            *labelled("written", sizes, width()),
            *labelled("checked", _verdict(same, differences, dropped), width()),
        ]
        if files[0].suffix != ".npz":
            words = f"the file has no objective: name it with {_flags(mdp)}"
            lines += labelled("note", words, width())
        write("\n".join(lines))
    if differences:
        raise typer.Exit(1)


def _check_target(target: str, force: bool) -> list[Path]:
    """The files that would be written or removed, if none of them is in the way."""
    ending = Path(target).suffix
    if ending not in (".npz", ".tra"):
        raise ModelError(
            f"{target!r:.200} ends in {ending!r}; models are written to files that end in .npz "
            f"(mdptools) or .tra (PRISM, Storm)."
        )
    stem = target.removesuffix(ending)
    paths = [Path(stem + end) for end in (EXPLICIT if ending == ".tra" else [ending])]
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise ModelError(
            f"{' and '.join(there)} would be replaced: name another file, or give --force."
        )
    return paths


def _write(mdp: MDP, target: str, paths: list[Path], drop: list[str], dialect: str) -> list[Path]:
    """The files of the model."""
    from ..interop import save, write_explicit

    try:
        if len(paths) == 1:
            if drop:
                raise ModelError(f"--drop {','.join(drop)}: a .npz file keeps everything.")
            save(mdp, target)
            return paths
        return write_explicit(mdp, target.removesuffix(".tra"), dialect=dialect, drop=drop)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error.strerror}.") from error
    except ModelError as error:
        raise ModelError(_in_words_of_a_shell(str(error))) from error


def _in_words_of_a_shell(message: str) -> str:
    """With ``--drop a,b`` for ``drop=('a', 'b')``."""
    message = message.replace("write_explicit", "this format", 1)
    message = re.sub(r"\bdialect is\b", "--dialect is", message)
    message = re.sub(r"\bdrop names\b", "--drop names", message)
    return re.sub(
        r"pass drop=\(([^)]*)\)",
        lambda found: f"give --drop {','.join(re.findall(r'[a-z_]+', found[1]))}",
        message,
    )


def _flags(mdp: MDP) -> str:
    """The objective as the command line writes it."""
    if mdp.average:
        return "--average"
    steps = [] if mdp.horizon is None else [f"--horizon {mdp.horizon}"]
    if mdp.horizon is None or mdp.gamma < 1:
        steps.append(f"--gamma {mdp.gamma!r}")
    return " ".join(steps)


def _verdict(same: bool, differences: list[str], dropped: list[str]) -> str:
    if same:
        return "the same model, to the last bit"
    without = f", but for what was dropped: {', '.join(dropped)}" if dropped else ""
    if differences:
        return f"another model: it differs in {', '.join(differences)}{without}"
    return f"the same model{without or '; only how P is stored differs'}"


def find_differences(mdp: MDP, again: MDP, dropped: list[str]) -> list[str]:
    """The names of what two models differ in, apart from what was dropped.

    Parameters
    ----------
    mdp, again : MDP
        How P is stored makes no difference.
    dropped : list of str
        Where "allowed" is among them, refused pairs are not compared; where "law" is, rewards may
        be off by their rounding.

    Returns
    -------
    list of str
    """
    if mdp.R.shape != again.R.shape:
        return ["the number of states or actions"]
    found = [
        name for name, same in _COMPARED.items() if name not in dropped and not same(mdp, again)
    ]
    if "law" in dropped and _close_rewards(mdp, again):
        found = [name for name in found if name != "R"]
    return found


def _same_rows(mdp: MDP, again: MDP) -> bool:
    """Whether P is the same where actions are allowed in the first model."""
    import numpy as np

    from .. import kernel

    parts = []
    for model in (mdp, again):
        row, successor, probability = kernel.branches(model.P)
        kept = mdp.allowed.reshape(-1)[row]
        parts.append([x[kept] for x in (row, successor, probability)])
    return all(np.array_equal(x, y) for x, y in zip(*parts, strict=True))


def _close_rewards(mdp: MDP, again: MDP) -> bool:
    import numpy as np

    largest = float(np.abs(mdp.R).max())
    return bool((np.abs(mdp.R - again.R)[mdp.allowed] <= ROUNDING * largest).all())


def _same_law(mdp: MDP, again: MDP) -> bool:
    mine, other = mdp.law, again.law
    return mine is other if mine is None or other is None else mine.same(other)


def _same_field(name: str) -> Callable[[MDP, MDP], bool]:
    def same(mdp: MDP, again: MDP) -> bool:
        import numpy as np

        mine, other = getattr(mdp, name), getattr(again, name)
        if mine is None or other is None or isinstance(mine, tuple):
            return bool(mine is other or np.array_equal(mine, other))
        return bool(np.array_equal(mine, other, equal_nan=name == "layout"))

    return same


def _same_rewards(mdp: MDP, again: MDP) -> bool:
    return bool((mdp.R == again.R)[mdp.allowed].all())


_FIELDS = ("gamma", "horizon", "average", "mu", "final", "allowed", "terminal", "reward_std")
_NAMES = ("state_names", "action_names", "layout")
_COMPARED: dict[str, Callable[[MDP, MDP], bool]] = {
    "P": _same_rows,
    "R": _same_rewards,
    "law": _same_law,
    **{name: _same_field(name) for name in (*_FIELDS, *_NAMES)},
}
