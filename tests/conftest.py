"""What every test runs under."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("oracles", "properties", "mutants")

# One worker for each processor (`--numprocesses` in pyproject.toml; 0 for a debugger), and one
# thread in each: threads of linear algebra that wait for each other make small work slow.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# The same examples, and the same text about them, every time and on every machine (Hypothesis has
# other defaults where it sees that it runs in CI): a red test is red for everybody.
settings.register_profile(
    "mdptools",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mdptools")
