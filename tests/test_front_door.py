"""The front door: quick to open, every name behind it there and documented, the house quiet."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mdptools

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mdptools"
FILES = sorted(PACKAGE.rglob("*.py"))

# Every directory with a face and every file, the front door and private files apart.
ROOMS = {
    path.stem
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").is_file()) and not path.stem.startswith("_")
}
NEEDS_EXTRAS = {"cli"}  # imported by path, never reached as an attribute


def run(code: str) -> list[str]:
    """The lines that `code` prints in a new interpreter, which finds the package under test."""
    where = str(Path(mdptools.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {where!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


LOADED = """
before = set(sys.modules)
{statement}
tops = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(tops - set(sys.stdlib_module_names)))
"""


# Quick


def test_import_mdptools_loads_no_other_library():
    """Seen failing: with `from .model import MDP` at the end of the front door."""
    assert run(LOADED.format(statement="import mdptools")) == ["mdptools"]


def test_import_mdptools_loads_no_room():
    """Seen failing: with `from . import errors` at the end of the front door."""
    loaded = run("import mdptools; print(*(n for n in sys.modules if n.startswith('mdptools')))")
    assert loaded == ["mdptools"]


def test_the_model_loads_numpy_alone():
    """Seen failing: with `import scipy.sparse` in kernel.py."""
    alone = run(LOADED.format(statement="import numpy"))  # an old NumPy brings Cython's module
    loaded = run(LOADED.format(statement="from mdptools import MDP, ModelError, RewardLaw"))
    assert set(loaded) == {"mdptools", *alone}


# Complete


@pytest.mark.parametrize("name", mdptools.__all__)
def test_every_public_name_comes_from_its_room(name):
    """Seen failing: with a name in `_NAMES` that its room has not."""
    value = getattr(mdptools, name)
    if name != "__version__":
        room = importlib.import_module(f"mdptools.{mdptools._HOME[name]}")
        assert value is getattr(room, name)
        assert name in public_names(room)


@pytest.mark.parametrize("room", ["structure", "policies", "evaluation", "planning"])
def test_a_users_room_is_at_the_front_door_with_all_its_names(room):
    """Seen failing: without "period" in `_NAMES`."""
    face = importlib.import_module(f"mdptools.{room}").__all__
    assert sorted(face) == sorted(mdptools._NAMES[room])


@pytest.mark.parametrize("room", sorted(ROOMS - NEEDS_EXTRAS))
def test_every_room_is_an_attribute(room):
    """Seen failing: without "kernel" in `_NAMES`."""
    statement = f"import mdptools; print(mdptools.{room}.__name__, {room!r} in dir(mdptools))"
    assert run(statement) == [f"mdptools.{room}", "True"]


def test_dir_shows_the_names_the_rooms_and_nothing_else():
    """Seen failing: without `_NAMES` in `__dir__`; with `*globals()` there; with "dumps" in two
    rooms."""
    shown = {name for name in dir(mdptools) if not name.startswith("__")}
    assert shown == {*mdptools._HOME, *mdptools._NAMES}
    assert set(mdptools.__all__) == {"__version__", *mdptools._HOME}
    assert len(mdptools._HOME) == sum(len(names) for names in mdptools._NAMES.values())
    assert not set(mdptools._HOME) & ROOMS  # a name that is a room's too would hide one of them


def test_type_checkers_see_the_same_names():
    """Seen failing: without `solve` under TYPE_CHECKING; with `solve` taken from .policies."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    branch = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(branch.test) == "TYPE_CHECKING"
    seen = set()
    for node in branch.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name  # what makes it a re-export
            seen.add((node.module, alias.name))
    assert seen == {(None, room) for room in mdptools._NAMES} | {
        (room, name) for name, room in mdptools._HOME.items()
    }


def test_an_unknown_name_is_an_attribute_error():
    """Seen failing: with the AttributeError left out of `__getattr__` (then a KeyError)."""
    with pytest.raises(AttributeError, match="'mdptools' has no attribute 'sovle'"):
        mdptools.sovle  # noqa: B018


def test_the_version_is_the_installed_one():
    """Seen failing: with another `__version__` than the one that was installed."""
    try:
        installed = importlib.metadata.version("mdptools")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("mdptools runs from its source tree here, it is not installed")
    assert mdptools.__version__ == installed


# Documented


def public_names(room) -> list[str]:
    """The face's `__all__`; in a room of one file, what is defined there without underscore."""
    if hasattr(room, "__all__"):
        return list(room.__all__)
    return [
        name
        for name, value in vars(room).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == room.__name__
    ]


def public_objects() -> Iterator[tuple[str, object, bool]]:
    for name in sorted(ROOMS - NEEDS_EXTRAS):
        room = importlib.import_module(f"mdptools.{name}")
        yield name, room, False
        for public in public_names(room):
            # the tools of the house (kernel, checks) are described, faces also shown in use
            shown = hasattr(room, "__all__") or public in mdptools.__all__
            yield f"{name}.{public}", getattr(room, public), shown


def documented_badly(name: str, thing: object, with_examples: bool) -> str | None:
    """What is missing from the docstring, or None."""
    if not (inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)):
        return None  # a number or a type alias: the comment beside it speaks
    text = thing.__doc__
    if not text or text.startswith(f"{thing.__name__}("):  # what a dataclass writes by itself
        return f"{name} has no docstring"
    shown = re.search(r"^ *Examples\n *-----.*>>> ", text, re.MULTILINE | re.DOTALL)
    if with_examples and inspect.isfunction(thing) and not shown:
        return f"{name} has no Examples"
    return None


def test_every_public_name_is_documented():
    """Seen failing: with the Examples of `period` taken out; with the docstring of `MDP` out."""
    missing = [fault for thing in public_objects() if (fault := documented_badly(*thing))]
    assert not missing, "\n" + "\n".join(missing)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def f(): ...", "f has no docstring"),
        ("def f():\n    '''Do.'''", "f has no Examples"),
        ("def f():\n    '''Do.\n\n    Examples\n    --------\n    f()\n    '''", "no Examples"),
        ("def f():\n    '''Do.\n\n    Examples\n    --------\n    >>> f()\n    '''", None),
        ("class f: ...", "f has no docstring"),
        ("class f(ValueError): ...", "f has no docstring"),
        ("from dataclasses import dataclass\n@dataclass\nclass f:\n    x: int", "no docstring"),
        ("class f:\n    '''Be.'''", None),
        ("f = 1.0", None),
    ],
)
def test_missing_docstrings_are_found(text, fault):
    """Seen failing: with what a dataclass writes accepted; with a heading enough, without code;
    with Examples asked of no function, or of classes; with a docstring asked of a number."""
    scope: dict[str, object] = {"__name__": "builtins"}  # a dataclass looks its module up
    exec(text, scope)
    found = documented_badly("f", scope["f"], True)
    assert found is None if fault is None else fault in found


def rooms_on_the_map(text: str) -> list[str]:
    """The first words of the indented lines that name a room and say what it is."""
    return re.findall(r"^    ([a-z]+)   *\S", text, re.MULTILINE)


def test_the_docstring_maps_the_rooms_that_exist():
    """Seen failing: with a room `hardness` on the map; without `kernel` on the map."""
    assert sorted(rooms_on_the_map(mdptools.__doc__)) == sorted(ROOMS)


# Quiet

HARMLESS = {"BitGenerator", "Generator", "PCG64", "Philox", "SeedSequence", "default_rng"}
NUMPY_STATE = {"seterr", "seterrcall", "set_printoptions", "setbufsize", "set_string_function"}
TALKS = {"cli", "__main__"}  # the rooms that may print
PROGRESS = "planning/_watch.py"  # and the file whose `show_progress` does so where it is asked to


def noises(tree: ast.AST, *, may_print: bool = False) -> Iterator[tuple[int, str]]:
    """Where a file prints, or touches a state that is everybody's.

    `np.errstate` is no such place: it is undone when its block ends, in this thread alone.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="print") if not may_print:
                yield node.lineno, "print"
            case ast.Attribute(attr="stdout" | "stderr" | "__stdout__" | "__stderr__") if (
                not may_print and ast.unparse(node.value) == "sys"
            ):
                yield node.lineno, ast.unparse(node)
            case ast.Attribute(attr=attr) if (
                ast.unparse(node.value) in {"np.random", "numpy.random"} and attr not in HARMLESS
            ) or (ast.unparse(node.value) in {"np", "numpy"} and attr in NUMPY_STATE):
                yield node.lineno, ast.unparse(node)
            case ast.Import(names=names):
                for alias in names:
                    if alias.name in {"random", "numpy.random"}:
                        yield node.lineno, f"import {alias.name}"
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    if (
                        (module == "random" and alias.name != "Random")  # one of one's own
                        or (module == "numpy.random" and alias.name not in HARMLESS)
                        or (module == "numpy" and alias.name in {*NUMPY_STATE, "random"})
                    ):
                        yield node.lineno, f"from {module} import {alias.name}"


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_no_file_prints_or_touches_a_global_state(path):
    """Seen failing: with `print("here")` in errors.py; with `np.seterr(all="raise")` in kernel."""
    inside = path.relative_to(PACKAGE)
    talks = inside.parts[0].removesuffix(".py") in TALKS or inside.as_posix() == PROGRESS
    found = noises(ast.parse(path.read_text("utf-8")), may_print=talks)
    assert not [f"{path.name}:{line}: {what}" for line, what in found]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    print(1)",
        "map(print, xs)",
        "sys.stdout.write('x')",
        "sys.stderr.write('x')",
        "np.random.seed(0)",
        "x = numpy.random.rand()",
        "draw = np.random.choice",
        "np.random.RandomState(0)",
        "from numpy.random import shuffle",
        "from numpy import random",
        "import numpy.random as r",
        "import random",
        "from random import choice",
        "np.seterr(all='ignore')",
        "from numpy import seterr",
        "np.set_printoptions(precision=3)",
    ],
)
def test_a_planted_noise_is_found(text):
    """Seen failing: with each of the cases in turn left out; with only calls of print seen."""
    assert len(list(noises(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "rng = np.random.default_rng(0)",
        "def f(rng: np.random.Generator): rng.shuffle(x)",
        "with np.errstate(all='ignore'): x",
        "'''print(1)'''",
        "from numpy.random import Generator",
        "mdp.random.seed(0)",
    ],
)
def test_what_is_harmless_is_left_alone(text):
    """Seen failing: with an empty HARMLESS; with "errstate" in NUMPY_STATE."""
    assert not list(noises(ast.parse(text)))


def test_the_command_line_may_print():
    """Seen failing: with `may_print` ignored."""
    tree = ast.parse("print(1)\nsys.stdout.write('x')\nnp.random.seed(0)")
    assert [line for line, _ in noises(tree, may_print=True)] == [3]
