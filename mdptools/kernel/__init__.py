"""Transition kernels: the one room that knows whether P is dense or sparse.

Takes     P, an (S, A, S) array or an (S*A, S) SciPy sparse array with row ``s*A + a``.
Gives     its products, its support, the checks of its rows, and linear systems with its chains.
          Rows of refused pairs are zero.
Source    Puterman (1994), section 5.6: P_pi and its adjoint.
Not here  rewards and discounting (bellman), reachability (structure).
"""

from typing import TYPE_CHECKING

from ._blocks import expect_at as expect_at
from ._blocks import loops as loops
from ._blocks import pattern as pattern
from ._blocks import split as split
from ._follower import Follower as Follower
from ._follower import compact as compact
from ._products import among as among
from ._products import column_length as column_length
from ._products import columns as columns
from ._products import expect as expect
from ._products import expect_in_blocks as expect_in_blocks
from ._products import first_rows as first_rows
from ._products import lump as lump
from ._products import mix as mix
from ._products import of_rows as of_rows
from ._products import pick as pick
from ._products import push as push
from ._products import restrict as restrict
from ._products import step as step
from ._products import table as table
from ._products import take as take
from ._products import to_dense as to_dense
from ._resolvent import Resolvent as Resolvent
from ._stacks import expect_each as expect_each
from ._stacks import mix_each as mix_each
from ._stacks import push_each as push_each
from ._stacks import tensors as tensors
from ._storage import absorb as absorb
from ._storage import as_kernel as as_kernel
from ._storage import branches as branches
from ._storage import check_entries as check_entries
from ._storage import clear_rows as clear_rows
from ._storage import code as code
from ._storage import divide_rows as divide_rows
from ._storage import is_dense as is_dense
from ._storage import is_sparse as is_sparse
from ._storage import row_lengths as row_lengths
from ._storage import row_sums as row_sums
from ._storage import same as same
from ._storage import shape as shape
from ._storage import size as size
from ._storage import stays as stays
from ._storage import support as support
from ._threads import workers as workers

if TYPE_CHECKING:
    from ._storage import Chain as Chain
    from ._storage import Kernel as Kernel
