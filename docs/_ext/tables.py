"""What pages show of the library as it is: verdicts, the command line, what is in its JSON.

Takes     the package that is imported.
Gives     the directives ``verdicts GROUP``, ``commands`` and ``json COMMAND...``.
Not here  the questions behind the verdicts (verdicts).
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import console
import verdicts


def table(
    head: list[str], rows: list[list[nodes.Node | str]], widths: list[int], classes: list[str]
) -> nodes.table:
    """A table; a cell is a node or plain text."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=width) for width in widths]
    body = nodes.tbody()
    for one in rows:
        body += _row(one)
    group += [nodes.thead("", _row(list(head))), body]
    return nodes.table("", group, classes=classes)


def _row(cells: list[nodes.Node | str]) -> nodes.row:
    """One row."""
    row = nodes.row()
    for cell in cells:
        inside = nodes.Text(cell) if isinstance(cell, str) else cell
        row += nodes.entry("", nodes.paragraph("", "", inside))
    return row


class Verdicts(SphinxDirective):
    """A table of estimators with the verdict of `check_estimator` on each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        rows: list[list[nodes.Node | str]] = []
        for one in verdicts.answers(verdicts.GROUPS[self.arguments[0]]):
            bias = f"{one.bias:.1%}" if one.outcome == "biased" else "0"
            rows.append(
                [
                    one.row.what,
                    nodes.inline("", one.outcome, classes=[one.outcome]),
                    bias,
                    f"{one.deviation:.1f}",
                    nodes.literal("", one.row.code),
                ]
            )
        head = ["estimator", "verdict", "bias", "deviation", "as code"]
        return [table(head, rows, [24, 10, 8, 8, 50], ["verdicts"])]


class Commands(SphinxDirective):
    """A section for each command, with what ``--help`` prints."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        made: list[nodes.Node] = []
        for name in command_names():
            words = [name, "--help"] if name else ["--help"]
            title = f"mdptools {name}".strip()
            section = nodes.section(ids=[nodes.make_id(title)], names=[title])
            section += nodes.title("", title)
            said = in_a_folder(words).out
            section += nodes.literal_block(said, said.rstrip(), language="text", classes=["help"])
            self.state.document.note_implicit_target(section)
            made.append(section)
        return made


def command_names() -> list[str]:
    """Each command of the app; "" is the app itself."""
    import typer

    from mdptools.cli._app import app

    return ["", *typer.main.get_command(app).commands]


def in_a_folder(words: list[str], files: dict[str, str] | None = None) -> console.Done:
    """Run ``mdptools`` where it may write, beside these files."""
    with tempfile.TemporaryDirectory() as name, console.environment({"PYTHONPATH": "."}):
        folder = Path(name).resolve()
        for file, text in (files or {}).items():
            (folder / file).write_text(text, "utf-8")
        return console.in_process(words, folder)


class Json(SphinxDirective):
    """The names and types in what a command prints with ``--json``, and what they are just then.

    The content, if there is any, is the file that the command needs.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"file": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """The command and the table."""
        words = shlex.split(self.arguments[0])
        file = self.options.get("file")
        text = "\n".join(self.content)
        done = in_a_folder(words, {file: text} if file else None)
        try:
            found = json.loads(done.out)
        except ValueError:
            raise self.error(f"{self.arguments[0]}: {done.printed}") from None
        rows: list[list[nodes.Node | str]] = [
            [nodes.literal("", name), kind, nodes.literal("", value) if value else ""]
            for name, kind, value in members(found)
        ]
        shown = f"$ mdptools {self.arguments[0]}"
        before = [nodes.literal_block(text, text, language="python")] if file else []
        return [
            *before,
            nodes.literal_block(shown, shown, language="console"),
            table(["name", "type", "here"], rows, [40, 25, 35], ["json"]),
        ]


TYPES = {str: "string", bool: "true or false", int: "integer", float: "number", type(None): "null"}


def members(value: Any, name: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted name, type, example) of all that is in it; of a list, its first element."""
    match value:
        case dict():
            if name:
                yield name, "object", ""
            for key, inside in value.items():
                yield from members(inside, f"{name}.{key}" if name else key)
        case list():
            shape, inner = [], value
            while isinstance(inner, list):
                shape.append(str(len(inner)))
                inner = inner[0] if inner else None
            kind = TYPES.get(type(inner), "object")
            text = json.dumps(value)
            yield name, f"list ({', '.join(shape)}) of {kind}", text if len(text) <= 40 else ""
            if isinstance(inner, dict):
                yield from list(members(inner, f"{name}[]"))[1:]
        case _:
            text = json.dumps(value) if name != "seconds" else ""  # another one in each build
            yield name, TYPES[type(value)], text if len(text) <= 40 else text[:36] + ' ..."'


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx asks an extension for."""
    app.add_directive("verdicts", Verdicts)
    app.add_directive("commands", Commands)
    app.add_directive("json", Json)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
