"""What every test runs under."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("oracles", "properties", "mutants")

# The same examples every time, on every machine: a red test is red for everybody.
settings.register_profile("mdptools", derandomize=True, deadline=None, database=None)
settings.load_profile("mdptools")
