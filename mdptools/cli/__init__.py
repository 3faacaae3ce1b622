"""The command ``mdptools``: what the library knows, from a shell.

Takes     the words after ``mdptools``.
Gives     text on standard output, errors on standard error, and an exit code: 0 done, 1 it does not
          hold or was not reached, 2 bad input, 3 something unexpected, 130 interrupted.
Not here  any mathematics. A command is one file, and one row in `_app`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import MissingExtraError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``mdptools``; ``sys.argv[1:]`` if omitted.

    Returns
    -------
    int
        The exit code.
    """
    words = sys.argv[1:] if argv is None else [*argv]
    try:
        from ._app import run

        code = run(words)
    except KeyboardInterrupt:
        code = 130
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in ("typer", "rich"):
            raise
        print(f"mdptools: {MissingExtraError(library, 'cli')}", file=sys.stderr)
        return 2
    if code == 130:
        print("mdptools: interrupted.", file=sys.stderr)
    return code
