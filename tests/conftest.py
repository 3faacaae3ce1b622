"""What every test runs under."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("oracles", "properties", "mutants")

# One worker for each processor (`--numprocesses` in pyproject.toml; 0 for a debugger), and one
# thread in each: threads of linear algebra that wait for each other make small work slow.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Who starts tests in the background of a shell starts them deaf to Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples, and the same text about them, every time and on every machine (Hypothesis has
# other defaults where it sees that it runs in CI): a red test is red for everybody.
usual = settings(
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("usual", usual)
# `--hypothesis-profile=few`: where the mathematics was tried already, and other versions are not
settings.register_profile("few", usual, max_examples=25)
settings.load_profile("usual")
