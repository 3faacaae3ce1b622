"""Every public name is in the reference: its room has a page, and built pages have an entry."""

from __future__ import annotations

import importlib
import json
import os
import re
import zlib
from pathlib import Path

import pytest

import mdptools

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGE = Path(mdptools.__file__).parent
COMMANDS = "cli"  # its page is made from the commands themselves


def expected_rooms() -> set[str]:
    """Each room but the command line, and each public file of `testing`, which has no face."""
    rooms = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and not path.stem.startswith("_")
    }
    files = (path.stem for path in (PACKAGE / "testing").iterdir() if not path.stem.startswith("_"))
    return rooms - {COMMANDS} | {f"testing.{file}" for file in files}


def rooms_with_a_page() -> list[str]:
    """What the pages of the reference ask the generator for."""
    pages = (path.read_text("utf-8") for path in REFERENCE.glob("*.rst"))
    return [room for page in pages for room in re.findall(r"^\.\. room:: mdptools\.(.+)$", page, 8)]


def test_every_room_has_its_page():
    """Seen failing: without reference/words.rst."""
    found = rooms_with_a_page()
    assert sorted(found) == sorted(expected_rooms())  # each once


def inventory() -> set[str]:
    """The names of Python that the built pages have an entry for."""
    folder = os.environ.get("MDPTOOLS_PAGES")
    if folder is None:
        pytest.skip("MDPTOOLS_PAGES names no folder of built pages")
    raw = (Path(folder) / "objects.inv").read_bytes()
    lines = zlib.decompress(raw.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ")[0] for line in lines if " py:" in line and " py:module " not in line}


def public(room: str) -> list[str]:
    """The face's names."""
    module = importlib.import_module(f"mdptools.{room}")
    return [f"mdptools.{room}.{name}" for name in getattr(module, "__all__", ())]


def test_every_public_name_has_an_entry():
    """Seen failing: with classes left out by `entry` in docs/_ext/rooms.py."""
    known = inventory()
    names = [name for room in sorted(expected_rooms()) for name in public(room)]
    assert len(names) > 400
    assert not [name for name in names if name not in known]


def test_what_is_at_the_front_door_has_an_entry():
    """Seen failing: with functions left out by `entry` in docs/_ext/rooms.py."""
    known = inventory()
    homes = [f"mdptools.{room}.{name}" for name, room in mdptools._HOME.items()]
    assert not [name for name in homes if name not in known]


def test_the_fields_of_nouns_are_told():
    """Seen failing: with `:members:` left out by `entry_at` in docs/_ext/rooms.py."""
    known = inventory()
    assert {"mdptools.model.MDP.with_objective", "mdptools.verify.EstimatorRow.holds"} <= known


def test_every_command_that_prints_json_is_on_its_page():
    """Seen failing: without the section `evaluate` in reference/json.md."""
    typer = pytest.importorskip("typer")
    pytest.importorskip("rich")
    from mdptools.cli._app import app

    commands = typer.main.get_command(app).commands
    wanted = {
        name
        for name, command in commands.items()
        if any("--json" in option.opts for option in command.params)
    }
    page = (REFERENCE / "json.md").read_text("utf-8")
    assert set(re.findall(r"^```\{json\} (\w+)", page, re.MULTILINE)) == wanted


def test_what_json_holds_is_told_by_name_and_type():
    """Seen failing: with lists of objects left closed; with the shapes of nested lists left out."""
    pytest.importorskip("sphinx")
    from tables import members

    given = json.loads('{"J": 1.5, "V": [1, 2], "pi": [[0.5], [0.5]], "rows": [{"ok": true}]}')
    assert list(members(given)) == [
        ("J", "number", "1.5"),
        ("V", "list (2) of integer", "[1, 2]"),
        ("pi", "list (2, 1) of number", "[[0.5], [0.5]]"),
        ("rows", "list (1) of object", '[{"ok": true}]'),
        ("rows[].ok", "true or false", "true"),
    ]
