"""Blocks of a kernel, beside the whole of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mdptools import kernel
from mdptools.kernel import _blocks
from mdptools.testing.strategies import mdps


def forms(mdp):
    """P dense and sparse."""
    sparse, _ = kernel.as_kernel(csr_array(mdp.P.reshape(-1, mdp.n_states)))
    return mdp.P, sparse


@pytest.mark.parametrize("few", [0, 64])
@given(mdp=mdps(objective="discounted", sparse=False), data=st.data())
def test_expect_at_is_a_part_of_expect(few, mdp, data):
    """By slices and by indices, with rows that are empty.

    Seen failing: with the entries of a slice begun at 0; with `reduceat` on empty rows; with one
    piece for two where many states are asked for.
    """
    V = np.arange(1.0, mdp.n_states + 1)
    begin = data.draw(st.integers(0, mdp.n_states - 1))
    end = data.draw(st.integers(begin + 1, mdp.n_states))
    some = np.array(data.draw(st.permutations(range(begin, end))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "FEW", few)
        patch.setattr(_blocks, "AT_ONCE", 2)
        for P in forms(mdp):
            whole = kernel.expect(P, V)
            for states in (slice(begin, end), some):
                assert np.allclose(kernel.expect_at(P, states, V), whole[states], rtol=1e-14)
            exact = mdp.P[np.arange(mdp.n_states), :, np.arange(mdp.n_states)]
            assert np.array_equal(kernel.loops(P), exact)


@given(mdp=mdps(objective="discounted", sparse=False))
def test_pattern_and_split(mdp):
    """Seen failing: with the pattern of the first action; with pieces that begin at 0."""
    for P in forms(mdp):
        found = kernel.pattern(P)
        assert np.array_equal(found.toarray() != 0, (mdp.P > 0).any(axis=1))
        assert found.has_canonical_format
        chain = kernel.pick(P, np.zeros(mdp.n_states, dtype=int))
        V = np.arange(1.0, mdp.n_states + 1)
        bounds = [0, mdp.n_states // 2, mdp.n_states]
        pieces = [piece.dot(V) for piece in kernel.split(chain, bounds)]
        assert np.allclose(np.concatenate(pieces), chain @ V, rtol=1e-14)
