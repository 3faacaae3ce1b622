"""A model with Gaussian actions whose values are known in closed form, and a smooth one.

Takes     nothing.
Gives     two models, a policy, the integrals that quadrature has to find.
Not here  quadrature.
"""

import numpy as np

from mdptools.continuous import ContinuousMDP, GaussianPolicy

FIXED = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.0, 0.0, 1.0]])
MU = np.array([0.7, 0.3, 0.0])
POLICY = GaussianPolicy([0.4, -0.8, 0.0], [np.log(0.7), np.log(1.3), 0.0])
SQUARE, LINE = np.array([-1.0, 0.5, 9.0]), np.array([2.0, 1.0, 9.0])


def pays(s, a):
    """A parabola for each state."""
    return SQUARE[s] * a**2 + LINE[s] * a + s


def polynomial(**keywords):
    """Parabolas for rewards; transitions that do not depend on the action; state 2 ends it."""
    keywords = {"gamma": 0.9, "mu": MU, "terminal": [2]} | keywords
    return ContinuousMDP(pays, lambda s, a: FIXED[s] + 0.0 * a[..., None], 3, **keywords)


def sigmoid(s, a):
    """More action, likelier to change the state; 0.3 to end."""
    moves = 0.7 / (1 + np.exp(-a - 0.5 * s))
    p = np.zeros((*np.shape(s), 3))
    p[..., 2] = 0.3
    np.put_along_axis(p, np.asarray(1 - s)[..., None], moves[..., None], axis=-1)
    np.put_along_axis(p, np.asarray(s)[..., None], 0.7 - moves[..., None], axis=-1)
    return p


def smooth(**keywords):
    """Smooth, not polynomial."""
    keywords = {"gamma": 0.9, "mu": MU, "terminal": [2]} | keywords
    return ContinuousMDP(lambda s, a: np.cos(a) + s, sigmoid, 3, **keywords)


def solve(mdp, r, P):
    """V of the two live states from mean rewards (2,) and chains (2, 2)."""
    if mdp.horizon is None:
        return np.linalg.solve(np.eye(2) - mdp.gamma * P, r)
    V = np.zeros(2)
    for _ in range(mdp.horizon):
        V = r + mdp.gamma * P @ V
    return V


def closed_form(mdp, theta):
    """J of the polynomial model: E a^2 = mean^2 + std^2."""
    mean, std = theta[0, :2], np.exp(theta[1, :2])
    r = SQUARE[:2] * (mean**2 + std**2) + LINE[:2] * mean + np.arange(2)
    return MU[:2] @ solve(mdp, r, FIXED[:2, :2])
