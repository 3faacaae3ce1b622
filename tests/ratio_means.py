"""The exact mean of a ratio of two sums over independent trajectories.

Takes     the law of one trajectory's numerator A and denominator B > 0 (or A = B = 0).
Gives     E[sum A_i / sum B_i] over n of them, with 0/0 = 0.
Source    1/b = int_0^inf exp(-u b) du, so the mean is n int E[A exp(-u B)] E[exp(-u B)]^(n-1) du.
"""

import numpy as np


def mean_of_ratio(chance, A, B, n):
    """By the trapezoid rule in log u, exact to about 1e-12."""
    log_u = np.arange(-60, 60, 0.05)
    u = np.exp(log_u)[:, None]
    decay = np.exp(-u * B)
    inner = (decay * A) @ chance * (decay @ chance) ** (n - 1)
    return float(n * 0.05 * (inner * u[:, 0]).sum())
