"""Print, as pip constraints, the oldest version of everything that `.[all]` declares.

Usage: python .ci/oldest.py [pyproject.toml]
"""

import re
import sys
import tomllib
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w, -]+)\])?\s*(?P<bounds>[^;]*)")


def oldest(project: dict, extra: str | None = None) -> list[str]:
    """The lower bounds of the base dependencies, or of an extra, as ``name==version``."""
    chosen = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    lines = []
    for requirement in chosen:
        match = REQUIREMENT.match(requirement)
        name, extras, bounds = match["name"], match["extras"], match["bounds"]
        if name == project["name"]:  # "mdptools[cli,gym]"
            for other in extras.split(","):
                lines += oldest(project, other.strip())
            continue
        lower = re.search(r">=\s*([^\s,]+)", bounds)
        if not lower:
            raise SystemExit(f"{requirement!r} declares no oldest version; write {name}>=...")
        lines.append(f"{name}=={lower[1]}")
    return lines


if __name__ == "__main__":
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "pyproject.toml")
    project = tomllib.loads(file.read_text("utf-8"))["project"]
    sys.stdout.write("\n".join(oldest(project) + oldest(project, "all")) + "\n")
