"""The library's own file: a model as .npz, to the last bit, and never a pickle.

Takes     an MDP and a path.
Gives     a file; from a file the same MDP, or a ModelError before anything large is read.
Source    the zip and .npy formats (numpy.lib.format). Headers are matched against a pattern, and
          nothing in a file is evaluated.
Not here  other people's formats (the neighbours), code that makes a model (`dumps`).
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .. import kernel
from ..arrays import readonly
from ..checks import check_count, check_model
from ..errors import ModelError
from ..model import MDP, RewardLaw
from ._files import open_file

FORMAT_VERSION = 1
LARGEST_FILE = 1 << 28
"""Bytes of arrays that are read unless the caller says more."""

_PLAIN = ("R", "mu", "final", "allowed", "terminal", "reward_std")
_LAW = ("offsets", "next_state", "reward", "prob")
_SPARSE = ("offsets", "next_state", "prob")
_TYPES = {"<f8": np.float64, "<i8": np.int64, "|b1": np.bool_, "|u1": np.uint8}
_KINDS = (
    {f"P_{name}" for name in _SPARSE}
    | {f"law_{name}" for name in _LAW}
    | {"P", "layout", "about", *_PLAIN}
)
_WORDS = ("state_names", "action_names", "notes")
_NPY = re.compile(
    rb"\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': \(([\d, ]{0,200})\), \} *\n"
)
_DIRECTORY = 100_000  # bytes; two dozen arrays take about two thousand


def save(mdp: MDP, path: str | os.PathLike[str]) -> None:
    """Write a model to a file from which `load` makes it again, to the last bit.

    Parameters
    ----------
    mdp : MDP
    path : str or path
        Ends in ``.npz``. A file that is there is replaced, once the new one is complete.

    Raises
    ------
    ModelError
        If the path has another ending.
    OSError
        If the file cannot be written.

    Notes
    -----
    Everything is kept: P dense or sparse, the reward law, the objective, mask, terminal states,
    noise, names, layout and notes. Equal models give equal files. Time and size O(S^2 A) if P is
    dense (zeros compress well), O(nnz) if sparse.

    Examples
    --------
    >>> import tempfile
    >>> from mdptools.problems import chain
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(chain(6), f"{folder}/chain.npz")
    ...     load(f"{folder}/chain.npz").equals(chain(6))
    True
    """
    check_model(mdp)
    target = Path(path)
    if target.suffix != ".npz":
        raise ModelError(f"path is {str(path)!r:.200}; the name of a saved model ends in .npz.")
    new = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with new.open("xb") as file:
            np.savez_compressed(file, **_arrays(mdp))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _arrays(mdp: MDP) -> dict[str, Any]:
    """Everything as arrays; words and numbers of Python as JSON in `about`."""
    parts: dict[str, Any] = {}
    about: dict[str, Any] = {
        "format": "mdptools",
        "version": FORMAT_VERSION,
        "gamma": mdp.gamma,
        "horizon": mdp.horizon,
        "average": mdp.average,
        "shape": [mdp.n_states, mdp.n_actions],
        **{name: getattr(mdp, name) for name in _WORDS},
    }
    if mdp.facts.dense:
        parts["P"] = mdp.P
    else:
        row, successor, prob = kernel.branches(mdp.P)
        counts = np.bincount(row, minlength=mdp.R.size)
        parts["P_offsets"] = np.concatenate(([0], np.cumsum(counts)))
        parts["P_next_state"], parts["P_prob"] = successor, prob
    for name in _PLAIN:
        if getattr(mdp, name) is not None:
            parts[name] = getattr(mdp, name)
    if mdp.law is not None:
        parts |= {f"law_{name}": getattr(mdp.law, name) for name in _LAW}
    if isinstance(mdp.layout, tuple):
        about["layout"] = mdp.layout
    elif mdp.layout is not None:
        parts["layout"] = mdp.layout
    text = json.dumps(about, ensure_ascii=True).encode("ascii")
    parts["about"] = np.frombuffer(text, dtype=np.uint8)
    return {name: _little(part) for name, part in parts.items()}


def _little(x: Any) -> Any:
    """Little-endian, in C order, with integers of 64 bits, on every machine."""
    kind = {"f": "<f8", "i": "<i8", "b": "|b1", "u": "|u1"}[x.dtype.kind]
    return np.ascontiguousarray(x, dtype=kind)


def load(path: str | os.PathLike[str], *, max_bytes: int = LARGEST_FILE) -> MDP:
    """The model that `save` wrote.

    Parameters
    ----------
    path : str or path
    max_bytes : int
        Most bytes that the arrays may take; what their headers say is looked at before any of them
        is read.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If the file is no such file, is damaged, comes from a later version, or is larger than
        ``max_bytes``; if the numbers in it are no model.
    OSError
        If the file cannot be read.

    Notes
    -----
    Safe with files from strangers: nothing is unpickled, evaluated or written to disk, and memory
    is bounded by ``max_bytes``. Files of more than 2 GiB are refused.

    Examples
    --------
    >>> import tempfile
    >>> from mdptools.problems import small
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(small(), f"{folder}/small.npz")
    ...     load(f"{folder}/small.npz", max_bytes=64)
    Traceback (most recent call last):
    ...
    mdptools.errors.ModelError: ...small.npz holds ... bytes of arrays, more than max_bytes = 64: \
allow more if you trust it.
    """
    limit = check_count(max_bytes, "max_bytes")
    name = os.fsdecode(path)
    with open_file(path) as file:
        _check_directory(file, name)
        try:
            with zipfile.ZipFile(file) as archive:
                parts = _read(archive, limit, name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise ModelError(f"{name} is damaged: {error}.") from error
    try:
        return MDP(**_keywords(parts, name))
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error


def _check_directory(file: BinaryIO, name: str) -> None:
    """Pass if the file ends as a zip with a short list of contents: a long one costs memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 22))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise ModelError(f"{name} is no .npz file, or it is cut off: it has no list of contents.")
    listed = int.from_bytes(tail[end + 12 : end + 16], "little")
    if listed > _DIRECTORY or tail[max(0, end - 20) : end].startswith(b"PK\x06\x07"):
        raise ModelError(
            f"{name} is no file of mdptools: its list of contents is too long, or the file is "
            f"larger than 2 GiB."
        )
    file.seek(0)


def _read(archive: zipfile.ZipFile, limit: int, name: str) -> dict[str, Any]:
    """The arrays, if what the headers say of all of them is known and small enough."""
    infos = archive.infolist()
    words = [info.filename.removesuffix(".npy") for info in infos]
    for info, word in zip(infos, words, strict=True):
        if word not in _KINDS or info.filename == word or words.count(word) > 1:
            raise ModelError(f"{name} is no file of mdptools: it holds {info.filename!r:.80}.")
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ModelError(f"{name} is no file of mdptools: {word} is encrypted or packed.")
    total = sum(info.file_size for info in infos)
    if total > limit:
        raise ModelError(
            f"{name} holds {total} bytes of arrays, more than max_bytes = {limit}: allow more if "
            f"you trust it."
        )
    parts = {}
    for info, word in zip(infos, words, strict=True):
        with archive.open(info) as member:
            parts[word] = _array(member, info.file_size, f"{word} in {name}")
    return parts


def _array(member: Any, size: int, name: str) -> Any:
    """One array, if its header and the number of bytes behind it agree."""
    start = member.read(10)
    length = int.from_bytes(start[8:10], "little")
    found = _NPY.fullmatch(member.read(length)) if start[:8] == b"\x93NUMPY\x01\x00" else None
    if found is None or found[1].decode() not in _TYPES:
        raise ModelError(f"{name} has no header of an array that mdptools writes.")
    kind = np.dtype(_TYPES[found[1].decode()])
    words = [word.strip() for word in found[2].decode().split(",") if word.strip()]
    if len(words) > 3 or not all(word.isdigit() and len(word) < 19 for word in words):
        raise ModelError(f"{name} has the shape ({found[2].decode()!r:.80}): no array of a model.")
    shape = tuple(int(word) for word in words)
    count = 1
    for n in shape:
        count *= n
    if count * kind.itemsize != size - 10 - length:
        raise ModelError(
            f"{name} has shape {shape}, which takes {count * kind.itemsize} bytes, but "
            f"{size - 10 - length} bytes follow."
        )
    data = member.read(count * kind.itemsize)  # read() would inflate what lies behind as well
    if len(data) != count * kind.itemsize:
        raise ModelError(f"{name} is cut off after {len(data)} bytes.")
    if kind == np.bool_ and not set(data) <= {0, 1}:
        raise ModelError(f"{name} holds a byte that is neither 0 nor 1.")
    little: Any = np.frombuffer(data, dtype=kind.newbyteorder("<")).reshape(shape)
    return readonly(little.astype(kind))  # a copy: the model keeps it as it is


def _keywords(parts: dict[str, Any], name: str) -> dict[str, Any]:
    """Keywords for `MDP`."""
    about = _about(parts.pop("about", None), name)
    keywords: dict[str, Any] = {key: about.get(key) for key in ("gamma", "horizon", *_WORDS)}
    keywords["average"] = about.get("average", False)
    keywords["notes"] = keywords["notes"] or ()
    for what in ("state_names", "action_names"):
        if keywords[what] is not None and not isinstance(keywords[what], list):
            raise ModelError(f"{name}: {what} is no list.")
    groups = [({"P"}, False), ({f"P_{word}" for word in _SPARSE}, True)]
    stored = [is_sparse for group, is_sparse in groups if group <= parts.keys()]
    given = {key for key in parts if key == "P" or key.startswith("P_")}
    law = {key for key in parts if key.startswith("law_")}
    missing = {"R", "mu", "allowed", "terminal"} - parts.keys()
    if len(stored) != 1 or given not in [group for group, _ in groups] or missing:
        raise ModelError(f"{name} is incomplete: it holds {sorted(parts)}.")
    if law and len(law) < len(_LAW):
        raise ModelError(f"{name} is incomplete: of the reward law it holds {sorted(law)}.")
    keywords["P"] = _sparse(parts, about.get("shape"), name) if stored[0] else parts["P"]
    if law:
        keywords["law"] = RewardLaw(**{word: parts[f"law_{word}"] for word in _LAW})
    keywords |= {word: parts[word] for word in (*_PLAIN, "layout") if word in parts}
    return keywords if "layout" in parts else keywords | {"layout": about.get("layout")}


def _about(raw: Any, name: str) -> dict[str, Any]:
    """The words and numbers, if this version can read them."""
    try:
        about = json.loads(raw.tobytes().decode("ascii"))
    except (AttributeError, ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or about.get("format") != "mdptools":
        raise ModelError(f"{name} is no file of mdptools: it does not say so in `about`.")
    version = about.get("version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{name} has format version {version!r:.20}; this mdptools reads version "
            f"{FORMAT_VERSION}. A newer mdptools reads newer files."
        )
    return about


def _sparse(parts: dict[str, Any], shape: Any, name: str) -> Any:
    """P (S*A, S) from its branches."""
    from scipy.sparse import csr_array

    offsets, next_state, prob = (parts[f"P_{word}"] for word in _SPARSE)
    whole = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    if not whole or min(shape) < 1 or shape[0] * shape[1] + 1 != offsets.size:
        raise ModelError(f"{name} says that (S, A) is {shape!r:.80}; P does not fit that.")
    steps = np.diff(offsets.reshape(-1), prepend=0, append=next_state.size)
    fits = next_state.shape == prob.shape == (next_state.size,) and offsets.ndim == 1
    inside = fits and ((next_state >= 0) & (next_state < shape[0])).all()
    if not inside or steps[0] != 0 or steps[-1] != 0 or (steps < 0).any():
        raise ModelError(f"{name}: the arrays of the sparse P do not fit together.")
    return csr_array((prob, next_state, offsets), shape=(shape[0] * shape[1], shape[0]))
