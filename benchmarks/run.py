"""Run benchmarks and print one table: ``python -m benchmarks.run [--json FILE] [names...]``.

Takes     names of entries, or parts of names; if none is given, all but the large ones.
Gives     a Markdown table of ratios, bounds and true errors, and the same as JSON.
Not here  the entries: every file ``bench_<room>.py`` beside this one registers its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from .common import ENTRIES, ROUNDS, Row, compete, machine

LARGE = "large_"  # what their names begin with: entries of gigabytes and minutes, run by name only

COLUMNS = (
    "entry",
    "ours",
    "against",
    "ratio",
    "best",
    "target",
    "limit",
    "seconds",
    "bound",
    "true error",
    "its error",
)


def discover() -> None:
    """Import every bench_<room>.py, which registers what it has."""
    for file in sorted(Path(__file__).parent.glob("bench_*.py")):
        importlib.import_module(f"{__package__}.{file.stem}")


def cells(row: Row) -> list[str]:
    """A row as text. A bound that the true error exceeds is marked, as is a missed target."""
    claimed = None if row.bound is None else row.bound + row.doubt
    wrong = claimed is not None and row.error is not None and row.error > claimed
    missed = row.target is not None and row.ratio is not None and row.ratio > row.target
    return [
        row.entry,
        row.ours,
        row.peer,
        _number(row.ratio, ".2g") + (" (missed)" if missed else ""),
        _number(row.best, ".2g"),
        _number(row.target, ".2g"),
        _number(row.limit, ".2g"),
        _number(row.seconds, ".2g"),
        _number(row.bound, ".0e"),
        _number(row.error, ".0e") + (" (above its bound)" if wrong else ""),
        _number(row.peer_error, ".0e"),
    ]


def _number(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


def line(texts: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(texts) + " |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", help="entries, or parts of their names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each contest")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    chosen = parser.parse_args(arguments)
    discover()
    if chosen.list:
        for name, prepare in ENTRIES.items():
            print(f"{name:24} {(prepare.__doc__ or '').partition(chr(10))[0]}".rstrip())
        return 0
    names = [n for n in ENTRIES if any(part in n for part in chosen.names)]
    if not chosen.names:
        names = [n for n in ENTRIES if not n.startswith(LARGE)]
    if not names:
        parser.error(f"no entry has such a name; there are {', '.join(ENTRIES)}")
    about = machine()
    for what, text in about.items():
        print(f"{what}: {text}")
    print()
    print(line(COLUMNS))
    print(line(["---"] * len(COLUMNS)))
    rows: list[Row] = []
    for name in names:
        for row in compete(name, ENTRIES[name](), chosen.rounds):
            print(line(cells(row)), flush=True)
            rows.append(row)
    if chosen.json is not None:
        report = {"machine": about, "rows": [asdict(row) for row in rows]}
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
