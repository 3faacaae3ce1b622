"""The reference: an entry for each public name of a room, made from its docstring.

Takes     the rooms of the package that is imported.
Gives     the directive ``room``, the role ``named`` (single backquotes in docstrings), and short
          names as cross-references: ``mdptools.solve`` leads to ``mdptools.planning.solve``.
Not here  the docstrings.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective, SphinxRole

import mdptools

BY_PATH = "testing"  # its files are imported by path, so each of them is a room of its own


def public_names(room: ModuleType) -> list[str]:
    """The face's ``__all__``; in a tool of the house, what is made there without underscore."""
    if room.__dict__.get("__all__"):
        return sorted(room.__all__, key=lambda name: (name.islower(), name.lower()))
    return [
        name
        for name, value in vars(room).items()
        if not name.startswith("_")
        and f"{getattr(value, '__module__', '')}.".startswith(f"{room.__name__}.")
    ]


def rooms() -> list[str]:
    """The dotted names of everything that has an entry for each of its names."""
    names = []
    for room in mdptools._NAMES:
        names.append(f"mdptools.{room}")
        if room == BY_PATH:
            house = importlib.import_module(f"mdptools.{room}")
            files = [info.name for info in pkgutil.iter_modules(house.__path__)]
            names += [f"mdptools.{room}.{file}" for file in files if not file.startswith("_")]
    return names


def entry(room: ModuleType, name: str) -> list[str]:
    """The lines of reStructuredText that document one name."""
    value = getattr(room, name)
    path = f"{room.__name__}.{name}"
    if inspect.ismodule(value):  # a shelf in a room: its functions are reached through it
        lines = [f".. py:data:: {name}", "", *(f"   {line}" for line in face(value)), ""]
        for inner in public_names(value):
            lines += [f"   {line}" for line in entry_at(value, inner, f"{path}.{inner}")]
        return lines
    return entry_at(room, name, path)


def entry_at(room: ModuleType, name: str, path: str) -> list[str]:
    """The lines of a class, a function, or a constant."""
    value = getattr(room, name)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        return [f".. auto{kind}:: {path}", "   :members:", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. py:data:: {name}", "", *(f"   {line}" for line in said_below(room, name)), ""]


def said_below(room: ModuleType, name: str) -> list[str]:
    """The string below the line that makes a constant, wherever that line is."""
    for module in (room.__name__, *origins(room, name)):
        docs = ModuleAnalyzer.for_module(module).find_attr_docs()
        if ("", name) in docs:
            return [escape(line) for line in docs["", name]]
    raise ValueError(f"{room.__name__}.{name} has no string below it that says what it is")


def origins(room: ModuleType, name: str) -> list[str]:
    """The file from which a face takes the name."""
    for node in ast.parse(inspect.getsource(room)).body:
        if isinstance(node, ast.ImportFrom) and any(one.name == name for one in node.names):
            return [f"{room.__name__}.{node.module}"]
    return []


class Room(SphinxDirective):
    """What a room is for, in its own words, a list of its names, and an entry for each of them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes of the room's docstring and of the entries."""
        room = importlib.import_module(self.arguments[0])
        names = public_names(room)
        lines = [f".. py:module:: {room.__name__}", "", *face(room), *contents(room, names)]
        for name in names:
            lines += entry(room, name)
        holder = nodes.Element()
        holder.document = self.state.document
        self.state.nested_parse(StringList(lines, room.__name__), 0, holder, match_titles=1)
        return holder.children


def contents(room: ModuleType, names: list[str]) -> list[str]:
    """The names with their first sentences; those of the front door first."""
    groups = {"mdptools": [], room.__name__: []}
    for name in names:
        home = mdptools._HOME.get(name)
        groups["mdptools" if f"mdptools.{home}" == room.__name__ else room.__name__].append(name)
    lines = []
    for place, inside in groups.items():
        if inside:
            lines += [f".. rubric:: ``from {place} import ...``", "", ".. list-table::"]
            lines += ["   :class: names", "   :widths: 30 70", ""]
        for name in inside:
            text = escape(first_sentence(getattr(room, name), name))
            lines += [f"   * - :py:obj:`{name} <{room.__name__}.{name}>`", f"     - {text}"]
        lines.append("")
    return lines


def first_sentence(value: Any, name: str) -> str:
    """The first line of its docstring; nothing for numbers, which have none of their own."""
    if not (inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value)):
        return ""
    text = inspect.getdoc(value) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def face(room: ModuleType) -> list[str]:
    """The first sentence of the room's docstring, and what it takes and gives, as a list."""
    text = inspect.getdoc(room) or ""
    first, _, rest = text.partition("\n")
    lines = [first, ""]
    words: list[list[str]] = []
    for line in rest.strip().splitlines():
        head = line[:10].strip()
        if head in {"Takes", "Gives", "Source", "Not here"}:
            words.append([head, line[10:].strip()])
        elif words and line.strip():
            words[-1].append(line.strip())
        elif line.strip() == "":
            break
    for head, *body in words:
        lines += [f"{head}", f"   {' '.join(body)}", ""]
    return lines


class Named(SphinxRole):
    """Single backquotes: a link where it is one public name, else code as it stands."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A reference that is looked up when all pages are known."""
        text = self.text.strip()
        reference = addnodes.pending_xref(
            self.rawtext,
            nodes.literal(text, text, classes=["xref", "py"]),
            refdomain="py",
            reftype="obj",
            reftarget=text.removesuffix("()"),
            refwarn=False,
            named=True,
            refdoc=self.env.docname,
        )
        reference["py:module"] = self.env.ref_context.get("py:module")
        return [reference], []


PROPERTY = re.compile(r"^(\s*):obj:`(\w+) <[\w.]+>`(?= :|$)")
LITERAL = re.compile(r"(``.+?``|`[^`]+`_?)", re.DOTALL)


def plain(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are English and formulas: ``|x|`` is no substitution and ``V*`` no emphasis.

    What numpydoc makes a link, an attribute that is a property, stands a few lines below anyway.
    """
    lines[:] = [PROPERTY.sub(r"\1**\2**", line) for line in lines]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        else:
            paragraphs += [[line], []]
    for paragraph in paragraphs:
        first = paragraph[0].strip() if paragraph else ""
        if first.startswith((">>>", "..", "+-", "==")):  # code, directives, tables
            continue
        paragraph[:] = escape("\n".join(paragraph)).split("\n")
    lines[:] = [line for paragraph in paragraphs for line in paragraph]


def escape(text: str) -> str:
    """The same without meaning for | and * outside of code: in formulas they are no markup."""
    parts = LITERAL.split(text)
    for i in range(0, len(parts), 2):
        part = re.sub(r"(?<!\\)\|", r"\\|", parts[i])
        parts[i] = re.sub(r"(?<![*\\])\*(?!\*)", r"\\*", part)
    return "".join(parts)


def full_name(target: str, module: str | None, known: Any) -> str | None:
    """The entry that a short name stands for: in this room, at the front door, or anywhere."""
    head, _, tail = target.removeprefix("mdptools.").partition(".")
    places = []
    if module:
        places.append(f"{module}.{target}")
    if head in mdptools._HOME:
        places.append(f"mdptools.{mdptools._HOME[head]}.{head}" + (f".{tail}" if tail else ""))
    places += [f"mdptools.{target}", target]
    for place in places:
        if place in known:
            return place
    anywhere = [name for name in known if name.endswith(f".{target}")]
    return anywhere[0] if len(anywhere) == 1 else None


def find(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """Resolve what Sphinx could not: short names; a named word without an entry is left as code."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains["py"]
    full = full_name(node["reftarget"], node.get("py:module"), domain.objects)
    if full is None:
        return content if node.get("named") else None
    there = domain.objects[full]
    return nodes.reference(
        "",
        "",
        content,
        internal=True,
        refuri=app.builder.get_relative_uri(node["refdoc"], there.docname) + f"#{there.node_id}",
        reftitle=full,
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx asks an extension for."""
    app.add_directive("room", Room)
    app.add_role("named", Named())
    app.connect("autodoc-process-docstring", plain, priority=900)  # after numpydoc
    app.connect("missing-reference", find)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
