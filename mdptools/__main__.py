"""``python -m mdptools``: the command line.

Takes     the words after it.
Gives     the exit code of the command.
Not here  the commands (cli).
"""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
