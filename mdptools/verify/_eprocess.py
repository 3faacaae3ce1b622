"""E-processes: evidence against a mean of zero that stays valid however often one looks.

Takes     rows y (n, D), independent and alike, batch after batch; where they can be (`_support`).
Gives     log E, whose chance of ever reaching log(1 / alpha) is at most alpha if the mean is 0.
Source    Ville (1939) for the inequality. Derived: a factor 1 + bet . y with a bet fixed beforehand
          and 1 + bet . y > 0 on the whole support has mean 1 if y has mean 0, so the product of
          factors is a martingale; a mixture of such products over starting times is one as well.
Not here  the size of bets (`_bets`), the reassuring claim (`_equivalence`), where rows come from
          (`_statistical`).

Nothing is bet on the first batch. For each later one the bets are made from all earlier rows: one
bet on all coordinates at once, along (covariance about 0)^-1 mean, and one on each coordinate. Bets
only have to be good guesses: whatever they are, the guarantee holds. Wealth is kept in logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ._bets import Bet, coordinate_bets, log_growth, shrinking, vector_bet
from ._enumeration import Compensated, pairwise
from ._support import Support

GROWTH = 1.5  # the next look is after so many times the rows of the last
FIRST, FIRST_WIDE, WIDE = 250, 500, 16  # rows before the first bet: more above so many coordinates
MATRIX_ROWS = 2**15  # so many rows tell the correlations well enough; moments are of all rows
MATRIX_WORK, WIDEST = 2**31, 512  # products in the matrix; above so many coordinates there is none
SUSPECT = 18.0  # rows depend on each other: by chance once in e^18 independent samples


def looks(n_first: int, most: int) -> Iterator[int]:
    """Numbers of rows after which one looks: n_first, then half as many more each time.

    Examples
    --------
    >>> list(looks(250, 1000))
    [250, 375, 563, 845, 1000]
    """
    n = min(n_first, most)
    yield n
    while n < most:
        n = min(int(np.ceil(n * GROWTH)), most)
        yield n


def first_look(width: int) -> int:
    """How many rows of ``width`` coordinates there are before the first bet."""
    return FIRST_WIDE if width > WIDE else FIRST


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What an e-process has to know of some rows: their sums, and what a bet made of them.

    Attributes
    ----------
    n : int
    total, square : (D,) arrays
        Sums of y and y^2.
    matrix : (D, D) array or None
        The sum of y y', where it is still asked for.
    low, high : (D,) arrays
        The smallest and the largest y.
    growth : float
        Sum of log(1 + share direction . y).
    each : (D,) array
        Sum of log(1 + each y).
    worst : (D,) array
        The row on which the vector bet lost most.
    fall : float
        What it lost there.
    lagged, spread, peak : float
        Sum of g_t g_(t+1) and of g_t^2, and the largest g_t^2, for g = direction . y less its mean
        here.
    """

    n: int
    total: FloatArray
    square: FloatArray
    matrix: FloatArray | None
    low: FloatArray
    high: FloatArray
    growth: float
    each: FloatArray
    worst: FloatArray
    fall: float
    lagged: float
    spread: float
    peak: float


def measure(y: FloatArray, bet: Bet, *, matrix: bool) -> Part:
    """Everything about rows y (n, D) that `EProcess.take` wants; no BLAS, so always the same bits.

    Time O(n D), or O(n D^2) with the matrix.
    """
    along = np.einsum("nd,d->n", y, bet.direction)
    # About the mean of these rows: about another one, rows without variance seem to depend.
    centred = along - along.mean()
    if np.abs(centred).max() <= 1e-9 * np.abs(along).max():
        centred[:] = 0.0
    worst = int(along.argmin())
    along *= bet.share
    return Part(
        n=len(y),
        total=pairwise(y),
        square=np.einsum("nd,nd->d", y, y),
        matrix=np.einsum("ni,nj->ij", y, y) if matrix else None,
        low=y.min(axis=0),
        high=y.max(axis=0),
        worst=y[worst].copy(),
        fall=-float(along[worst]),
        growth=float(log_growth(along[:, None])[0]),
        each=log_growth(y * bet.each),
        lagged=float((centred[1:] * centred[:-1]).sum()),
        spread=float((centred * centred).sum()),
        peak=float((centred * centred).max()),
    )


class Wealth:
    """Products of factors, mixed over the batch with which they start.

    Z <- (Z + w_j) e_j with w_j = 1 / (j (j + 1)), and E = Z + 1 / (j + 1): the share of the money
    that has not been put in yet.

    Parameters
    ----------
    size : int
        Number of bets that run side by side.
    """

    def __init__(self, size: int) -> None:
        self._log_z: FloatArray = np.full(size, -np.inf)
        self._j = 0

    def multiply(self, log_factors: FloatArray) -> None:
        """One more batch: its factors, (size,)."""
        self._j += 1
        put_in = -np.log(self._j * (self._j + 1.0))
        self._log_z = np.logaddexp(self._log_z, put_in) + log_factors

    @property
    def log_e(self) -> FloatArray:
        """Log E of each bet, (size,)."""
        total: FloatArray = np.logaddexp(self._log_z, -np.log(self._j + 1.0))
        return total


class EProcess:
    """A test of the mean of rows being zero, batch after batch.

    Parameters
    ----------
    support : Support
        Where rows y can be.
    floor : (D,) array
        A coordinate whose root mean square is not above this is taken for round-off.
    guard : bool
        Refuse rows that depend on the row before.

    Notes
    -----
    Total E = (E of the vector + mean over coordinates of their E) / 2.

    Examples
    --------
    >>> from mdptools.verify._support import Declared
    >>> support = Declared((-np.ones(2), np.ones(2)), np.inf, np.zeros(2))
    >>> test, rng = EProcess(support, np.zeros(2)), np.random.default_rng(0)
    >>> for n in (250, 125, 188, 282, 423):
    ...     test.feed(rng.choice([-1.0, 1.0], (n, 2), p=[0.4, 0.6]))
    >>> bool(test.log_e > np.log(1e6)), test.n
    (True, 1268)
    """

    def __init__(self, support: Support, floor: FloatArray, *, guard: bool = True) -> None:
        self.support = support
        self.floor = floor
        self.guard = guard
        self.n = 0
        self._total, self._square, self._matrix = Compensated(), Compensated(), Compensated()
        self._matrix_rows = 0
        self._lag = np.zeros(2)  # sum of standardised lagged products; rows
        self._peak = 0.0
        self.start_again()

    def start_again(self) -> None:
        """Wealth back to 1; what is known of the rows stays."""
        self._vector, self._each = Wealth(1), Wealth(len(self.floor))
        self.log_e = 0.0
        self.largest = 0.0

    @property
    def mean(self) -> FloatArray:
        """Of all rows so far, (D,)."""
        return self._total.total / self.n if self.n else np.zeros_like(self.floor)

    @property
    def second(self) -> FloatArray:
        """The mean of y^2, (D,)."""
        return self._square.total / self.n if self.n else np.zeros_like(self.floor)

    @property
    def variance(self) -> FloatArray:
        """About the mean, (D,)."""
        return np.maximum(self.second - self.mean**2, 0.0)

    @property
    def wants_matrix(self) -> bool:
        """Whether correlations are still to be learned."""
        width = len(self.floor)
        return width <= WIDEST and self._matrix_rows < min(MATRIX_ROWS, MATRIX_WORK // width**2)

    @property
    def log_each(self) -> FloatArray:
        """Log E of each coordinate's own bet, (D,)."""
        return self._each.log_e

    def bet(self) -> Bet:
        """What is bet on the next batch: from all rows so far."""
        direction, each, share = np.zeros_like(self.floor), np.zeros_like(self.floor), 0.0
        scale = np.sqrt(self.second)
        used = np.flatnonzero((scale > self.floor) & self.support.known)
        if len(used):  # none before the first row
            mean, scale = self.mean[used], scale[used]
            direction[used], share = vector_bet(self.n, mean, scale, self._correlations(used))
            each[used] = coordinate_bets(self.n, mean, scale)
        if share:
            share *= float(shrinking(-share * self.support.minimum(direction)))
        falls = np.where(each > 0, -each * self.support.low, -each * self.support.high)
        return Bet(direction, share, each * shrinking(falls))

    def take(self, parts: Sequence[Part]) -> None:
        """One batch, measured with `bet`, in order. The first one is only learned from."""
        if self.n:
            self._vector.multiply(_summed([np.array([p.growth]) for p in parts]))
            self._each.multiply(_summed([p.each for p in parts]))
            vector, each = float(self._vector.log_e[0]), self._each.log_e
            mean_of_each = float(np.logaddexp.reduce(each)) - np.log(len(each))
            self.log_e = float(np.logaddexp(vector, mean_of_each) - np.log(2.0))
            self.largest = max(self.largest, self.log_e)
            self._check_independent(parts)
        self.learn(parts)

    def learn(self, parts: Sequence[Part]) -> None:
        """Sums of a batch, without its bets."""
        for part in parts:
            self.n += part.n
            self._total.add(part.total)
            self._square.add(part.square)
            if part.matrix is not None:
                self._matrix.add(part.matrix)
                self._matrix_rows += part.n

    def feed(self, y: FloatArray) -> None:
        """One batch of rows (n, D)."""
        self.take([measure(y, self.bet(), matrix=self.wants_matrix)])

    def _correlations(self, used: Any) -> FloatArray | None:
        """About 0, between the coordinates in use. What was not seen to vary is uncorrelated."""
        if len(self.floor) > WIDEST:
            return None
        matrix = (self._matrix.total / self._matrix_rows)[np.ix_(used, used)]
        scale = np.sqrt(np.diag(matrix))
        seen = np.where(scale > self.floor[used], scale, np.inf)
        matrix = matrix / seen / seen[:, None]
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def _check_independent(self, parts: Sequence[Part]) -> None:
        """Pass if bets do not look like those on the row before; else raise ModelError.

        Standardised products z_t z_(t+1) of independent rows have mean 0 and variance 1 and are at
        most max z^2: their sum is tested by Bernstein's inequality, which heavy tails do not fool.
        """
        n = sum(p.n for p in parts)
        spread = sum(p.spread for p in parts)
        if not (self.guard and spread > 0):
            return
        self._lag += sum(p.lagged for p in parts) / (spread / n), n
        self._peak = max(self._peak, max(p.peak for p in parts) / (spread / n))
        lag, rows = (float(x) for x in self._lag)
        if lag**2 > 2 * SUSPECT * (rows + self._peak * abs(lag) / 3):
            raise ModelError(
                f"rows depend on each other: the correlation of a row with the next is "
                f"{lag / rows:.2g}, {abs(lag) / np.sqrt(rows):.0f} standard errors from 0, after "
                f"{int(rows)} rows. No error rate can be promised for them. If k rows in a row "
                f"belong together, unit=k averages them first."
            )


def _summed(terms: Sequence[FloatArray]) -> FloatArray:
    """The sum, in order."""
    total = Compensated()
    for term in terms:
        total.add(term)
    return total.total
