"""Blocks of rows, on as many threads as the machine and the user allow.

Takes     a function that works on a range of rows.
Gives     its effect on all of them.
Not here  what is done with the rows (`_products`).

Each block is computed by itself and written to a place of its own, so the answer has the same bits
on any number of threads. Threads are started for one product and end with it: that takes some 50
microseconds, against milliseconds for what comes in blocks, and nothing is left behind that a fork
or an exit of the interpreter could meet.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

MOST = 8
"""Threads, at most: a few of them read memory as fast as it is."""

_FIRST = threading.Lock()
"""Held by the one caller at a time that has helpers; others, and a child of a fork, do alone."""


def workers() -> int:
    """How many threads work on one large product, the caller's among them.

    Returns
    -------
    int
        The processors that this process may run on, at most 8, and at most the environment's
        ``OMP_NUM_THREADS``, which limits the linear algebra below NumPy as well.
    """
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        available = os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted) > 0:
        available = min(available, int(wanted))
    return min(available, MOST)


def each(work: Callable[[int, int], object], n: int, size: int) -> None:
    """Call ``work(begin, end)`` for the blocks of ``range(n)``, in any order.

    Parameters
    ----------
    work : function (int, int) -> anything
        Must release the GIL for most of its time to gain from threads. What it raises comes out.
    n : int
    size : int
        Of a block; the last one may be smaller.
    """
    starts = iter(range(0, n, size))
    turn = threading.Lock()

    def some() -> None:
        while True:
            with turn:
                begin = next(starts, n)
            if begin >= n:
                return
            work(begin, min(begin + size, n))

    helpers = min(workers(), -(-n // size)) - 1
    if helpers < 1 or not _FIRST.acquire(blocking=False):
        some()
        return
    try:
        from concurrent.futures import ThreadPoolExecutor  # loads too much for `import mdptools`

        with ThreadPoolExecutor(helpers) as pool:
            done = []
            with suppress(RuntimeError):  # no more threads to be had: then with fewer
                for _ in range(helpers):
                    done.append(pool.submit(some))
            some()
        for helper in done:
            helper.result()
    finally:
        _FIRST.release()
