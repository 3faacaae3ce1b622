"""Arrays: copies where somebody could write, and a clear word where there are no real numbers."""

import json
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from mdptools import ModelError
from mdptools.arrays import (
    EPS,
    as_floats,
    as_numbers,
    is_frozen,
    json_text,
    plain,
    precision,
    readonly,
)


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [3, 4]],
        [[True, 2.0], [Fraction(3), 4]],
        np.array([[1, 2], [3, 4]], dtype=np.float32),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        readonly(np.array([[1.0, 2.0], [3.0, 4.0]])),
        np.array([[1.0, 3.0], [2.0, 4.0]]).T,
        np.array([[1, 2], [3, 4]], dtype=object),
    ],
)
def test_as_floats_is_a_fresh_float64_copy_in_c_order(x):
    """Seen failing: with np.asarray for np.array; without order="C"."""
    y = as_floats(x, "x")
    assert y.dtype == np.float64 and y.flags.c_contiguous and y.flags.writeable
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert not np.shares_memory(y, np.asarray(x))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0], [1.0, 2.0]], r"^mu is no array of real numbers: .*inhomogeneous"),
        ([1j, 2], r"^mu is no array of real numbers: their type is complex128"),
        (["1"], r"^mu is no array of real numbers: their type is <U1"),
        ([10**400], r"^mu is no array of real numbers: int too large"),
        (sparse.csr_array([[1.0]]), r"^mu is no array of real numbers: "),
    ],
)
def test_what_is_no_array_of_real_numbers(x, message):
    """Seen failing: without OverflowError; without the check of the kind; with np.asarray outside
    of the try."""
    with pytest.raises(ModelError, match=message):
        as_floats(x, "mu")


def test_as_numbers_keeps_the_type_and_the_array():
    """Seen failing: with as_floats in its place."""
    x = np.ones(3, dtype=np.float32)
    assert as_numbers(x, "x") is x
    assert as_numbers([1, 2], "x").dtype.kind == "i"


def test_frozen_means_that_nobody_can_write():
    """Seen failing: without the question about the base; without c_contiguous."""
    x = np.zeros((2, 3))
    assert not is_frozen(x)
    assert not is_frozen(readonly(x[:1]))  # x can be written, and with it the view
    assert not is_frozen(np.broadcast_to(np.zeros(2), (3, 2)))
    readonly(x)
    assert is_frozen(x) and is_frozen(x[:1])
    assert not is_frozen(x.T)


def test_readonly_gives_the_same_object():
    """Seen failing: with `return x.copy()`."""
    x = np.zeros(2)
    assert readonly(x) is x
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1


def test_precision_is_that_of_the_type_but_never_finer_than_float64():
    """Seen failing: without `max`; with the kinds "iuf"."""
    types = (np.float16, np.float32, np.float64, np.longdouble, np.int8, object)
    assert [precision(np.zeros(1, dtype=t)) for t in types] == [2**-10, 2**-23, *[EPS] * 4]
    assert precision(sparse.csr_array(np.zeros((1, 1), np.float32))) == 2**-23


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.array([[0.5, np.inf], [-np.inf, np.nan]]), [[0.5, "inf"], ["-inf", None]]),
        (np.array(2.5), 2.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([True, False]), [True, False]),
        (Fraction(1, 3), "1/3"),
        ((1, (np.int64(2), None)), [1, [2, None]]),
        (frozenset({3, 1, 2}), [1, 2, 3]),
        ({1: {"x": np.nan}}, {"1": {"x": None}}),
        ("inf", "inf"),
    ],
)
def test_numbers_as_json_holds_them(x, told):
    """Seen failing: without 0-d arrays; with fractions as floats; with sets in their own order;
    with keys left as they are."""
    found = plain(x)
    assert found == told and type(found) is type(told)
    assert json.loads(json_text({"x": x})) == {"x": told}
