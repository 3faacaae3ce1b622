"""The rooms stand in order, the wings have no door between them, storage is the kernel's affair.

Everything is read from the source with `ast`; nothing is imported. The second half of the file
plants bad packages and asks that each fault be found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mdptools"

GROUND = ("errors", "words", "markup", "arrays", "checks", "kernel", "model", "structure")
GROUND += ("policies",)
EXACT = ("bellman", "certificates", "evaluation", "planning", "gradients", "hardness")
SAMPLED = ("sampling", "estimators")
ANNEX = ("problems", "transforms", "interop")
TOP = ("verify", "continuous", "studies", "plots", "report", "testing", "cli", "__main__")
ORDER = GROUND + EXACT + SAMPLED + ANNEX + TOP

BY_PATH = {"testing"}  # its files load libraries that its face must not
APART = {"continuous._exact", "continuous._sampled"}  # the two wings of one room

OPTIONAL = {"flint", "gymnasium", "hypothesis", "jax", "matplotlib", "pytest", "rich"}
OPTIONAL |= {"torch", "typer"}
SLOW = {"networkx"}
MAY_LOAD_OPTIONAL = {"plots", "testing", "cli", "__main__"}
NUMPY_ALONE = ORDER[: ORDER.index("model") + 1]  # what `from mdptools import MDP` loads

FORMS = {"bsr", "coo", "csc", "csr", "dia", "dok", "lil"}
# Only the kernel may ask how P is stored: not by these names, whatever the variable is called ...
STORAGE = {"issparse", "isspmatrix", "sparray", "spmatrix", "toarray", "todense"}
STORAGE |= {f"isspmatrix_{form}" for form in FORMS}
# ... nor, of P, by these fields and questions.
FIELDS = {"data", "format", "indices", "indptr", "ndim", "nnz", "shape", "size"}
FIELDS |= {f"to{form}" for form in FORMS}
QUESTIONS = {"getattr", "hasattr", "isinstance", "np.ndim", "np.shape", "np.size", "type"}


# Reading the source


@dataclass(frozen=True)
class File:
    """One file of the package: its dotted name, path and tree."""

    name: str  # without "mdptools.": "model", "planning", "planning._solve"
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Import:
    """One imported module or name, and how it is imported."""

    target: str  # dotted, absolute: "mdptools.model.MDP", "numpy.linalg"
    bound: str  # the name that it gets here
    line: int
    when: str  # "loading", "calling" (inside a function), "typing" (under TYPE_CHECKING)


def read(package: Path) -> list[File]:
    """Every file but the front door, which stands before all rooms."""
    files = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            files.append(File(name, path, ast.parse(path.read_text("utf-8"), str(path))))
    return files


def imports(file: File) -> Iterator[Import]:
    """What the file imports: function bodies, TYPE_CHECKING and import_module("...") included."""
    package = ["mdptools", *file.name.split(".")]
    if file.path.name != "__init__.py":
        package.pop()

    def absolute(name: str, level: int) -> str:
        base = package[: len(package) + 1 - level] if level else []
        return ".".join([*base, *name.split(".")]).rstrip(".")

    def visit(node: ast.AST, when: str) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, alias.asname or "", node.lineno, when)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = absolute(module or "", level)
                for alias in names:
                    target, bound = f"{origin}.{alias.name}", alias.asname or alias.name
                    yield Import(target, bound, node.lineno, when)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called),
                args=[ast.Constant(value=str(name)), *_],
            ) if called in {"import_module", "__import__"}:
                plain = name.lstrip(".")
                yield Import(absolute(plain, len(name) - len(plain)), "", node.lineno, when)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            runs, typing = node.orelse, node.body
            if isinstance(node.test, ast.UnaryOp):  # "not TYPE_CHECKING" ends so too
                runs, typing = typing, runs
            for child in typing:
                yield from visit(child, "typing")
            for child in runs:
                yield from visit(child, when)
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            when = "calling"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, when)

    yield from visit(file.tree, "loading")


def file_of(target: str, files: dict[str, File]) -> str:
    """The file behind a dotted name: "mdptools.model.MDP" is in "model"; "" if there is none."""
    name = target.removeprefix("mdptools.")
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name


# The rules


def faults(package: Path) -> list[str]:
    """Each broken rule, as "file:line: what is wrong"."""
    files = {file.name: file for file in read(package)}
    found = []
    for file in files.values():
        here = [(1, fault) for fault in place_faults(file, files)]
        for item in imports(file):
            check = room_faults if item.target.split(".")[0] == "mdptools" else library_faults
            here += [(item.line, fault) for fault in check(file, item, files)]
        here += private_faults(file)
        if file.room != "kernel":
            here += storage_faults(file.tree)
        where = file.path.relative_to(package).as_posix()
        found += [f"{where}:{line}: {fault}" for line, fault in here]
    return found + circles(files)


def place_faults(file: File, files: dict[str, File]) -> Iterator[str]:
    """Is its room in the list, and has it a face?"""
    if file.room not in ORDER:
        yield f"{file.room} is in no list of rooms (see ORDER in {Path(__file__).name})"
    elif file.room not in files:
        yield f"the room {file.room} has no face (__init__.py)"


def room_faults(file: File, item: Import, files: dict[str, File]) -> Iterator[str]:
    """Rules 1 to 3: order, wings, faces."""
    here = file.room
    room, *inner = item.target.split(".")[1:] or [""]
    if room not in ORDER:
        yield f"{item.target} is in no room: import a name from the room that it lives in"
        return
    if here not in ORDER:
        return
    if room == here:
        if {file.name, file_of(item.target, files)} == APART:
            yield f"{file.name} imports {item.target}: the wings never import each other"
        return
    if {here, room} & set(EXACT) and {here, room} & set(SAMPLED):
        yield f"{here} imports {room}: the wings never import each other"
    elif ORDER.index(room) > ORDER.index(here):
        yield f"{here} imports {room}, which is listed after it"
    elif here in ANNEX and room not in GROUND + ANNEX:
        yield f"{here} imports {room}: the annex knows the model only"
    behind_the_face = file_of(item.target, files) != room or any(p[:1] == "_" for p in inner)
    if room in files and behind_the_face and room not in BY_PATH:
        yield f"{item.target} is private: import from the face of {room}"


def library_faults(file: File, item: Import, files: dict[str, File]) -> Iterator[str]:
    """Rule 5: optional and slow libraries are imported where used."""
    library = item.target.split(".")[0]
    if item.when != "loading":
        return
    if library in OPTIONAL and file.room not in MAY_LOAD_OPTIONAL:
        yield f"{library} is optional: import it in the function that uses it"
    if library in SLOW:
        yield f"{library} is slow to load: import it in the function that uses it"
    if library == "scipy" and file.room in NUMPY_ALONE:
        yield "scipy before the model: `from mdptools import MDP` loads NumPy alone"


def private_faults(file: File) -> Iterator[tuple[int, str]]:
    """Rule 3 again: `planning._solve` after `from mdptools import planning`."""
    rooms = {}
    for item in imports(file):
        top, *rest = item.target.split(".")
        if top == "mdptools" and len(rest) == 1 and rest[0] not in BY_PATH:
            rooms[item.bound or item.target] = rest[0]
    for node in ast.walk(file.tree):
        match node:
            case ast.Attribute(value=subject, attr=attr) if (
                attr.startswith("_")
                and not attr.startswith("__")
                and (room := rooms.get(ast.unparse(subject)))
            ):
                yield node.lineno, f"mdptools.{room}.{attr} is private: use the face of {room}"


def storage_faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Rule 4: where a file asks how P is stored.

    A sparse array betrays itself by name (`issparse`, `.toarray()`), whatever the variable is
    called. For the rest, no question about type, shape or fields is put to `P`, to `mdp.P` or to
    a variable named `P_...`. What is left is to hand P to the kernel, to store it and, where a
    new dense model is written down, to fill it by index.
    """
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case (
                ast.Name(id=name)
                | ast.Attribute(attr=name)
                | ast.alias(name=name)
                | ast.Constant(value=str(name))  # getattr(x, "toarray")
            ) if name.split(".")[-1] in STORAGE:
                yield line, f"{name}: only the kernel knows how P is stored"
            case ast.Attribute(value=subject, attr=field) if field in FIELDS and is_P(subject):
                yield line, f"{ast.unparse(node)}: only the kernel knows how P is stored"
            case ast.Call(func=asked, args=[subject, *_]) if ast.unparse(
                asked
            ) in QUESTIONS and is_P(subject):
                yield line, f"{ast.unparse(node)}: only the kernel knows how P is stored"


def is_P(node: ast.expr) -> bool:  # noqa: N802 - the array of that name
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "P" or name.startswith("P_")
    return False


def circles(files: dict[str, File]) -> list[str]:
    """Rule 1, second half: circles among the files of one room, one for each room.

    An annotation alone closes no circle: a helper of a class may name the class.
    """
    found = []
    for room in sorted({file.room for file in files.values()}):
        graph = {
            file.name: {
                name
                for item in imports(file)
                if item.when != "typing"
                and item.target.startswith("mdptools.")
                and (name := file_of(item.target, files)).partition(".")[0] == room
            }
            for file in files.values()
            if file.room == room
        }
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:  # graphlib gives it so that each is imported by the next
            found.append(f"{room}: a circle: " + " imports ".join(reversed(error.args[1])))
    return found


# The package keeps the rules


def test_the_package_keeps_the_rules_of_the_house():
    """Seen failing: `from .planning import solve` in kernel.py; `import typer` in errors.py."""
    found = faults(PACKAGE)
    assert not found, "\n" + "\n".join(found)


def test_the_checker_reads_every_file():
    """Seen failing: with glob for rglob in `read`."""
    names = {file.name for file in read(PACKAGE)}
    assert {"errors", "kernel", "model", "structure"} <= names
    assert len(names) + 1 == sum(1 for _ in PACKAGE.rglob("*.py"))  # and the front door


# The checker finds what is planted


def plant(root: Path, files: dict[str, str]) -> Path:
    """A small package: a face for every room that is named, a front door, the given files."""
    package = root / "mdptools"
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != package and f"{path.parent.name}/__init__.py" not in files:
            (path.parent / "__init__.py").touch()
        path.write_text(text, "utf-8")
    return package


GOOD = {
    "errors.py": "class ModelError(Exception): ...",
    "kernel.py": "def f(P):\n    from scipy.sparse import issparse\n    return issparse(P), P.ndim",
    "model/__init__.py": "from ._mdp import MDP",
    "model/_mdp.py": "from .. import kernel\nfrom . import _text\nkernel.shape(P)",
    "model/_text.py": "if TYPE_CHECKING:\n    from ._mdp import MDP",
    "structure.py": "import scipy.sparse\nfrom .kernel import f",
    "planning/__init__.py": "from ._solve import solve\nfrom ._sweep import sweep",
    "planning/_solve.py": "from mdptools.model import MDP\nfrom ._sweep import sweep",
    "planning/lp.py": "",
    "planning/_sweep.py": "from mdptools.model import MDP\nimport numpy as np\nnp.linalg.__doc__",
    "sampling.py": "from .model import MDP",
    "problems.py": "import numpy as np\nfrom .model import MDP\nP = np.zeros(8)\nP[0] = 1",
    "interop/__init__.py": "def f():\n    import gymnasium\n    import networkx",
    "verify.py": "from .planning import solve\nfrom .sampling import x\nmodel._mdp",
    "studies.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
    "testing/__init__.py": "",
    "testing/strategies.py": "import hypothesis\nfrom mdptools.verify import y",
    "cli.py": "import typer\nfrom .testing.strategies import mdps",
    "continuous/_exact.py": "from ._model import x\nx._y",
    "continuous/_model.py": "from ..planning import solve",
    "continuous/_sampled.py": "from ._model import x",
}


def test_a_package_that_keeps_the_rules_has_no_faults(tmp_path):
    """Seen failing: with every name held to be P; with the branches of TYPE_CHECKING exchanged;
    with function bodies held to run at once; with annotations closing circles; with `testing`
    behind a face; with the kernel not exempt; with relative imports one level off."""
    assert faults(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        # 1. Order
        ("kernel.py", "from .model import MDP", "kernel.py:1: kernel imports model, which is"),
        ("errors.py", "\nimport mdptools.kernel", "errors.py:2: errors imports kernel, which is"),
        ("errors.py", "from . import kernel", "errors imports kernel, which is listed after it"),
        ("model/_mdp.py", "from ..structure import g", "model imports structure, which is listed"),
        ("model/_mdp.py", "def f():\n    from mdptools import planning", "model imports planning"),
        ("model/_mdp.py", "if TYPE_CHECKING:\n    from ..planning import Solution", "_mdp.py:2: "),
        ("model/_mdp.py", "import_module('mdptools.planning')", "model imports planning, which"),
        ("model/_mdp.py", "import_module('..planning', p)", "model imports planning, which is"),
        ("verify.py", "from .cli import main", "verify imports cli, which is listed after it"),
        ("attic.py", "", "attic.py:1: attic is in no list of rooms"),
        ("planning/_sweep.py", "from ._solve import solve", "planning: a circle: "),
        ("planning/_sweep.py", "from . import solve", "planning: a circle: "),
        ("planning/_sweep.py", "def f():\n    from . import _solve", "planning: a circle: "),
        ("model/_mdp.py", "from mdptools.model import MDP", "model: a circle: model"),
        # 2. Wings
        ("sampling.py", "from .bellman import backup", "sampling imports bellman: the wings"),
        ("estimators/_td.py", "def f():\n    from ..evaluation import x", "estimators imports eva"),
        ("planning/_sweep.py", "from ..sampling import x", "planning imports sampling: the wings"),
        ("continuous/_exact.py", "from ._sampled import x", "_exact imports mdptools.continuous._"),
        ("continuous/_sampled.py", "from . import _exact", "the wings never import each other"),
        ("problems.py", "from .planning import solve", "problems imports planning: the annex"),
        # 3. Faces
        (
            "verify.py",
            "from .planning._solve import solve",
            "verify.py:1: mdptools.planning._solve",
        ),
        (
            "verify.py",
            "import mdptools.planning._solve as s",
            "mdptools.planning._solve is private",
        ),
        ("verify.py", "from .planning import _solve", "mdptools.planning._solve is private"),
        ("verify.py", "from .kernel import _f", "mdptools.kernel._f is private: import from the"),
        (
            "verify.py",
            "from . import planning as p\np._solve.f()",
            "verify.py:2: mdptools.planning.",
        ),
        ("verify.py", "import mdptools.planning\nmdptools.planning._a", "verify.py:2: mdptools.pl"),
        ("verify.py", "from .planning.lp import solve", "mdptools.planning.lp.solve is private"),
        ("verify.py", "from mdptools import MDP", "mdptools.MDP is in no room: import a name from"),
        ("verify.py", "import mdptools", "mdptools is in no room"),
        ("verify.py", "from mdptools import *", "mdptools.* is in no room"),
        # 4. Storage
        ("planning/_solve.py", "from scipy.sparse import issparse", "issparse: only the kernel"),
        ("planning/_solve.py", "scipy.sparse.issparse(x)", "issparse: only the kernel knows"),
        ("planning/_solve.py", "isinstance(x, sp.sparray)", "sparray: only the kernel knows"),
        ("planning/_solve.py", "M = x.toarray()", "toarray: only the kernel knows"),
        ("planning/_solve.py", "f = getattr(x, 'todense')", "todense: only the kernel knows"),
        ("planning/_solve.py", "isinstance(mdp.P, np.ndarray)", "isinstance(mdp.P, np.ndarray): "),
        ("planning/_solve.py", "hasattr(P_pi, 'tocsr')", "hasattr(P_pi, 'tocsr'): only the"),
        ("planning/_solve.py", "type(P) is list", "type(P): only the kernel knows"),
        ("planning/_solve.py", "np.ndim(P)", "np.ndim(P): only the kernel knows"),
        ("planning/_solve.py", "n = mdp.P.shape[0]", "mdp.P.shape: only the kernel knows"),
        ("planning/_solve.py", "mdp.P.indptr", "mdp.P.indptr: only the kernel knows"),
        ("planning/_solve.py", "P_pi.tocsc()", "P_pi.tocsc: only the kernel knows"),
        # 5. Where libraries are loaded
        ("interop/_gym.py", "import gymnasium", "_gym.py:1: gymnasium is optional: import it in"),
        ("planning/_solve.py", "try:\n    import flint\nexcept E: ...", "flint is optional"),
        ("planning/_solve.py", "from torch.nn import functional", "torch is optional: import it"),
        ("planning/_solve.py", "class A:\n    import jax.numpy as jnp", "jax is optional: import"),
        ("structure.py", "import networkx as nx", "networkx is slow to load: import it in the"),
        ("testing/__init__.py", "import networkx as nx", "networkx is slow to load: import it in"),
        ("kernel.py", "import scipy.sparse", "scipy before the model"),
        ("model/_mdp.py", "if not TYPE_CHECKING:\n    import scipy", "scipy before the model"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, name, text, fault):
    """Seen failing: each of the checks in turn left out (order, wings, annex, the two halves of
    `continuous`, faces by file and by underscore, attributes of an imported room, lists of rooms,
    circles, the front door, optional, slow and SciPy, storage by name, string, field and
    question); with order off by one; with wings looked at from one side; with `import_module`,
    relative names in it, `np.ndim`, `P_...` or "not TYPE_CHECKING" not understood."""
    found = faults(plant(tmp_path, {**GOOD, name: text}))
    assert len(found) == 1 and fault in found[0], "\n".join(["found:", *found])


def test_a_room_without_a_face_is_found(tmp_path):
    """Seen failing: without the second branch of `place_faults`."""
    package = plant(tmp_path, GOOD)
    (package / "interop" / "__init__.py").rename(package / "interop" / "_gym.py")
    assert faults(package) == ["interop/_gym.py:1: the room interop has no face (__init__.py)"]
