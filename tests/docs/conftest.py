"""The pages and what builds them, where they are: a wheel's tests may run without."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

if DOCS.is_dir():
    sys.path.insert(0, str(DOCS / "_ext"))
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def root() -> Path:
    return ROOT
