"""Benchmarks: how fast, against whom, and how wrong the answer was that was timed.

Takes     nothing: the models are made from fixed seeds.
Gives     entries, each a contest in one interleaved run (``python -m benchmarks.run``).
Not here  whether the answers are right for every model (tests).

Importing this package keeps linear algebra on one thread: small work is many times slower on
several. It has to happen before NumPy is loaded, so it stands here.
"""

import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))
