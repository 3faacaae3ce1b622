"""Episodes step by step: as text, and as files that other tools read.

Takes     a model and its `Trajectories`.
Gives     lines of text; a .npz or a .csv file, replaced once the new one is complete.
Not here  drawing them (`_sample`).
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import ModelError
from ..model import MDP
from ..sampling import Trajectories
from ._states import MARGIN, indented
from ._text import aligned, count, labelled, table

LONGEST = 40  # steps of an episode that are printed
ENDINGS = (".npz", ".csv")


def told(mdp: MDP, batch: Trajectories, i: int, width: int) -> list[str]:
    """One episode as a table, a row for each step."""
    n = int(batch.lengths[i])
    shown = min(n, LONGEST)
    states, actions = batch.s[i].tolist(), batch.a[i].tolist()
    rewards = aligned(batch.r[i, :shown].tolist(), 6)
    rows = [
        [f"{t}", _state(mdp, states[t]), _action(mdp, actions[t]), rewards[t]] for t in range(shown)
    ]
    end = _state(mdp, states[n])
    last = "terminated" if batch.terminated[i] else "cut"
    if n == shown:
        rows.append([f"{n}", end, last, ""])
    lines = table(["t", "state", "action", "reward"], rows, width - MARGIN, right={0, 3})
    if n > shown:
        lines += ["", f"and {count(n - shown, 'more step')}, to state {end}: {last}"]
    return [*labelled("episode", f"{i + 1}, {count(n, 'step')}", width), *indented(lines)]


def _state(mdp: MDP, s: int) -> str:
    return f"{s}" if mdp.state_names is None else mdp.state_names[s]


def _action(mdp: MDP, a: int) -> str:
    return f"{a}" if mdp.action_names is None else mdp.action_names[a]


def check_name(path: Path) -> None:
    """Pass if the path has an ending that is known, in a folder that is there."""
    if path.suffix not in ENDINGS:
        raise ModelError(f"--output is {path}; its name must end in {' or '.join(ENDINGS)}.")
    if not path.parent.is_dir():
        raise ModelError(f"--output is {path}, and there is no folder {path.parent}.")


def save(mdp: MDP, batch: Trajectories | None, path: Path) -> None:
    """Write all episodes to a file."""
    if batch is None:
        raise ModelError(f"there are no episodes to write to {path}.")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".npz":
            with partial.open("wb") as file:
                np.savez_compressed(
                    file,
                    s=batch.s,
                    a=batch.a,
                    r=batch.r,
                    mask=batch.mask,
                    terminated=batch.terminated,
                    truncated=batch.truncated,
                    logp=batch.logp,
                )
        else:
            with partial.open("w", encoding="utf-8", newline="") as text:
                _write_rows(mdp, batch, text)
        partial.replace(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _write_rows(mdp: MDP, batch: Trajectories, file: TextIO) -> None:
    """A row for each step, with names where there are any."""
    who, time = np.nonzero(batch.mask)
    last = time == batch.lengths[who] - 1
    state, action, after = batch.s[who, time], batch.a[who, time], batch.s[who, time + 1]
    columns = {
        "episode": who,
        "t": time,
        "state": state,
        "action": action,
        "reward": batch.r[who, time],
        "next_state": after,
        "terminated": (last & batch.terminated[who]).astype(int),
        "truncated": (last & batch.truncated[who]).astype(int),
    }
    lists = {key: column.tolist() for key, column in columns.items()}
    if mdp.state_names is not None:
        lists["state_name"] = [mdp.state_names[s] for s in lists["state"]]
    if mdp.action_names is not None:
        lists["action_name"] = [mdp.action_names[a] for a in lists["action"]]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(lists)
    writer.writerows(zip(*lists.values(), strict=True))
