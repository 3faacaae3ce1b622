"""The table of commands, and what becomes of their errors.

Takes     the words after ``mdptools``.
Gives     an exit code; one clear paragraph on standard error where it is not 0.
Not here  the commands: each has its file, and a row here.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from typing import Annotated

import typer

from ..errors import ConvergenceError, MdptoolsError
from ._complete import in_bash
from ._convert import convert
from ._counterexample import counterexample
from ._describe import describe
from ._evaluate import evaluate
from ._examples import examples
from ._gradient import gradient
from ._learn import learn
from ._report import report
from ._sensitivity import sensitivity
from ._simulate import simulate
from ._solve import solve
from ._study import study
from ._terminal import complain
from ._text import reason
from ._verify import verify

app = typer.Typer(
    name="mdptools",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 it does not hold, or was not reached; 2 bad input; "
    "3 something unexpected; 130 interrupted.",
)
app.command()(verify)
app.command()(solve)
app.command()(evaluate)
app.command()(gradient)
app.command()(simulate)
app.command()(describe)
app.command()(sensitivity)
app.command()(study)
app.command()(learn)
app.command()(report)
app.command()(counterexample)
app.command()(convert)
app.command()(examples)
for _command in app.registered_commands:  # a terminal breaks lines where it likes
    _text = inspect.getdoc(_command.callback) or ""
    _command.help = "\n\n".join(" ".join(part.split()) for part in _text.split("\n\n"))


def run(words: list[str]) -> int:
    """Run one command, and turn what it raises into an exit code."""
    if "" not in sys.path:  # py:mine:function is found here, after all that is installed
        sys.path.append("")
    try:
        with in_bash():
            app(args=words, prog_name="mdptools")
    except SystemExit as end:  # how typer ends, always
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        complain(_explain(error))
        return _code(error)
    return 0


def _code(error: Exception) -> int:
    if isinstance(error, ConvergenceError):
        return 1
    return 2 if isinstance(error, MdptoolsError) else 3


def _explain(error: Exception) -> str:
    """One paragraph, in the words of the command line."""
    if isinstance(error, MdptoolsError):
        return reason(error)
    return (
        f"{type(error).__name__}: {error}. This was not foreseen; --debug shows where it happened."
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        package = sys.modules[__name__.partition(".")[0]]
        typer.echo(f"mdptools {package.__version__}")
        raise typer.Exit


@app.callback()
def _mdptools(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Exact answers for small Markov decision processes, each with a proved error bound.

    Example: mdptools verify gym:FrozenLake-v1 --gamma 0.99
    """
