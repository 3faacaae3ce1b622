"""The errors: who their parents are, what they say and carry."""

import pickle

import pytest

from mdptools import ConvergenceError, MdptoolsError, MissingExtraError, ModelError


@pytest.mark.parametrize(
    ("error", "parent"),
    [(ModelError, ValueError), (ConvergenceError, RuntimeError), (MissingExtraError, ImportError)],
)
def test_each_error_is_one_of_ours_and_one_of_pythons(error, parent):
    """Seen failing: with ModelError(MdptoolsError) alone."""
    assert issubclass(error, MdptoolsError) and issubclass(error, parent)


def test_a_missing_extra_says_what_to_install():
    """Seen failing: with the library's name for that of the extra."""
    with pytest.raises(ImportError, match=r"^flint is not installed.*pip install 'mdptools\[ratio"):
        raise MissingExtraError("flint", "rational")


def test_errors_travel_between_processes():
    """Seen failing: without MissingExtraError.__reduce__; without `self.floor = floor`."""
    error = pickle.loads(pickle.dumps(ConvergenceError("no", solution=[1.0], floor=1e-9)))
    assert (str(error), error.solution, error.floor) == ("no", [1.0], 1e-9)
    missing = pickle.loads(pickle.dumps(MissingExtraError("flint", "rational")))
    assert (missing.library, missing.extra) == ("flint", "rational")
    assert str(missing) == str(MissingExtraError("flint", "rational"))
