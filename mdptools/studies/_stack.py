"""Exact optimisers in step: many models, or many starts, as one array, without Python for each.

Takes     a rule that is a formula of pi, Q, A and visits; discounted models of one shape.
Gives     `Stack`, which moves all tables at once; for one model it is the shortest way through.
Source    the rules: `_gradient_rules`, `_natural_rules`, `_mirror_rules`, whose steps these are.
Not here  rules that need more than one evaluation a step, or sizes that depend on x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatArray
from ..bellman import backup
from ..errors import ModelError
from ..model import MDP
from ..policies import Direct, Softmax
from ._gradient_rules import GradientAscent
from ._line_search import LineSearch
from ._mirror_rules import MirrorDescent
from ._natural_rules import MultiplicativeWeights, NaturalPolicyGradient
from ._projection import FARTHEST
from ._rule import error_of_q
from ._steps import Adaptive, Geometric, scale_of
from ._tables import DEEPEST, told_apart

SMALL = 32
"""States up to which all models are inverted together; above, one LU for each costs less."""

NARROW = 16
"""Actions up to which they are compared column by column."""


class Recipe(NamedTuple):
    """A rule as a formula on tables."""

    kind: str  # "gradient": x + eta g; "multiply": pi exp(eta Q); "project": P(pi + eta Q)
    temperature: float = 1.0  # of the logits
    natural: bool = False  # eta counts in theta: Q is multiplied by eta / (1 - gamma)
    constant: bool = True  # eta does not depend on t


def recipe(rule: Any, mdp: MDP) -> Recipe | str:
    """The formula of a rule on one model, or why it has none.

    Parameters
    ----------
    rule : Rule
    mdp : MDP

    Returns
    -------
    Recipe or str
    """
    kind = type(rule)  # a class of its own may step in its own way
    if kind not in (GradientAscent, NaturalPolicyGradient, MultiplicativeWeights, MirrorDescent):
        return f"{kind.__name__} is no formula of pi, Q and visits"
    if mdp.objective != "discounted":
        return f"the objective is {mdp.objective}, not discounted"
    if isinstance(rule.step_size, (LineSearch, Adaptive)):
        return f"{type(rule.step_size).__name__} makes the step depend on x"
    if getattr(rule, "tau", 0.0) or getattr(rule, "barrier", 0.0):
        return "tau and barrier must be 0"
    constant = not (isinstance(rule.step_size, Geometric) or callable(rule.step_size))
    if kind is MirrorDescent:
        return Recipe("multiply" if rule.divergence == "kl" else "project", constant=constant)
    if kind is MultiplicativeWeights:
        return Recipe("multiply", natural=True, constant=constant)
    family = rule.family_of(mdp)
    if type(family) is not Softmax or not np.array_equal(family.mdp.allowed, mdp.allowed):
        return "its family is not the tabular softmax of this model"
    heat = float(family.temperature)
    if kind is GradientAscent:
        return Recipe("gradient", heat, constant=constant)
    if rule.method not in ("auto", "advantage"):
        return f"method {rule.method!r} needs the Fisher matrix"
    if rule.method == "advantage":
        return "method 'advantage' does not anchor theta: use method='auto'"
    return Recipe("multiply", heat, natural=True, constant=constant)


class Found(NamedTuple):
    """The policies of a stack, evaluated. Rows of refused pairs hold any finite number in Q."""

    pi: FloatArray  # (N, S, A)
    V: FloatArray  # (N, S)
    Q: FloatArray  # (N, S, A)
    visits: FloatArray | None  # (N, S), 0 on terminal states; None if nobody asked


class Stack:
    """N tables of one rule, moved together.

    Parameters
    ----------
    rule : Rule
        With a `Recipe`.
    models : sequence of MDP
        One, or N of them; of one shape.
    x : (N, S, A) array
        Where each table starts.
    visits : bool
        Whether `found` has visits, also where the rule needs none.

    Attributes
    ----------
    x : (N, S, A) array
        Now: logits, or policies for a recipe that projects. `tables` is what the rule itself has.
    """

    def __init__(
        self, rule: Any, models: Sequence[MDP], x: FloatArray, *, visits: bool = True
    ) -> None:
        recipes: list[Recipe] = []
        for i, mdp in enumerate(models):
            made = recipe(rule, mdp)
            if isinstance(made, str):
                raise ModelError(f"{rule.name} cannot run in a stack, at model {i}: {made}.")
            recipes.append(made)
        self.rule, self.models = rule, models
        self.recipe = recipes[0]
        heats = np.array([one.temperature for one in recipes])
        self._heat = None if (heats == 1).all() else heats[:, None, None]
        masks = np.stack([mdp.allowed for mdp in models])
        self._refused = None if masks.all() else ~masks
        self._scale = np.array([scale_of(mdp) for mdp in models])
        self._shortest = float(self._scale.min())
        self._reward = max(mdp.facts.reward_max for mdp in models)
        self.x = np.array(x, dtype=float)
        if self.recipe.kind == "multiply":
            halves = self._masked(self.x) / 2  # so that the gap does not overflow
            self.x = np.maximum(2 * (halves - top_of(halves)), DEEPEST)
        self._visits = visits or self.recipe.kind == "gradient"
        self._evaluate = evaluator(models, len(self.x))
        self._found: Found | None = None
        self._sizes: FloatArray | None = None
        self._kept: tuple[FloatArray, FloatArray, float] | None = None

    def policies(self) -> FloatArray:
        """pi of each table, (N, S, A); rows sum to one."""
        if self.recipe.kind == "project":
            return self.x
        z = self.x
        if self.recipe.kind == "gradient":
            z = self._masked(z)
            with np.errstate(over="ignore"):
                z = z - top_of(z)
        weights: FloatArray = np.exp(z if self._heat is None else z / self._heat)
        weights /= total(weights)
        return weights

    def tables(self) -> FloatArray:
        """x as the rule itself has it: 0 at refused pairs."""
        return self.x if self._refused is None else np.where(self._refused, 0.0, self.x)

    def _masked(self, z: FloatArray) -> FloatArray:
        """-inf at refused pairs."""
        return z if self._refused is None else np.where(self._refused, -np.inf, z)

    @property
    def found(self) -> Found:
        """The policies at x, evaluated: once for each x."""
        if self._found is None:
            pi = self.policies()
            self._found = Found(pi, *self._evaluate(pi, self._visits))
        return self._found

    def sizes(self, t: int) -> FloatArray:
        """Step sizes as the rule has them, one for each model."""
        if self._sizes is None or not self.recipe.constant:
            sizes = [self.rule.step_size_at(mdp, t) for mdp in self.models]
            self._sizes = np.array(sizes, dtype=float)
        return self._sizes

    def advance(self, t: int) -> None:
        """Step t of every table."""
        eta = self.sizes(t)
        here = self.found
        if self.recipe.kind == "gradient":
            self._ascend(eta[:, None, None], here)
        else:
            self._follow(eta, here)
        self._found = None

    def _ascend(self, eta: FloatArray, here: Found) -> None:
        """x + eta visits pi A / temperature."""
        assert here.visits is not None
        A = here.Q - here.V[:, :, None]
        pull = A
        pull *= here.pi
        pull *= here.visits[:, :, None]
        if self._heat is not None:
            pull /= self._heat
        with np.errstate(over="ignore", invalid="ignore"):  # which is refused
            self.x = self.x + eta * pull
        if not np.isfinite(self.x).all():
            raise ModelError(f"{self.rule.name}: the step left float64; take smaller steps.")

    def _follow(self, eta: FloatArray, here: Found) -> None:
        """Policies multiplied by exp(rate Q), or moved by rate Q and projected."""
        rate, speed, fastest = self._speeds(eta)
        Q = self._masked(here.Q)
        gap = Q - top_of(Q)
        gap = self._told_apart(here, gap, rate, fastest)
        with np.errstate(over="ignore", invalid="ignore"):  # to -inf, which such a step means
            move = gap * speed
        if fastest == np.inf:
            move[np.isnan(move)] = 0.0  # inf times a gap of 0
        if self.recipe.kind == "multiply":
            moved = self.x + move
            moved -= top_of(moved)
            self.x = np.maximum(moved, DEEPEST, out=moved)
            return
        with np.errstate(over="ignore"):
            moved = np.maximum(self.x + move, FARTHEST)
        project = [Direct(mdp).project for mdp in self.models]
        n = len(project)
        self.x = np.stack([project[i % n](rows) for i, rows in enumerate(moved)])

    def _speeds(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """What Q is multiplied by, that for logits, and the largest; kept for steps of one size."""
        if self._kept is None or not self.recipe.constant:
            rate = eta / self._scale if self.recipe.natural else eta
            speed = rate[:, None, None]
            self._kept = (
                rate,
                speed if self._heat is None else speed * self._heat,
                float(rate.max()),
            )
        return self._kept

    def _told_apart(
        self, here: Found, gap: FloatArray, rate: FloatArray, fastest: float
    ) -> FloatArray:
        """0 for differences within round-off that the step would blow up, as `told_apart`.

        LU without growth leaves residuals below ``10 n eps max |V|``: where even a hundred times
        the error that follows is not blown up, no bound has to be computed.
        """
        largest = float(np.abs(here.V).max()) + self._reward
        if not fastest * (1e3 * EPS * here.V.shape[1] * largest / self._shortest) > 1:
            return gap
        apart = gap.copy()
        count = len(self.models)
        for i in range(len(apart)):
            mdp = self.models[i % count]
            Q = np.where(mdp.allowed, here.Q[i], -np.inf)
            bound = error_of_q(mdp, here.pi[i], here.V[i], Q)
            apart[i] = told_apart(gap[i], bound, float(rate[i % count]))
        return apart


def top_of(z: FloatArray) -> FloatArray:
    """The largest number along the last axis, kept as an axis; refused pairs hold -inf."""
    if z.shape[-1] > NARROW:
        top: FloatArray = z.max(axis=-1, keepdims=True)
        return top
    best = z[..., 0].copy()
    for a in range(1, z.shape[-1]):
        np.maximum(best, z[..., a], out=best)
    return best[..., None]


def total(x: FloatArray) -> FloatArray:
    """The sum along the last axis, kept as an axis."""
    sums: FloatArray = x @ np.ones((x.shape[-1], 1))
    return sums


Evaluator = Callable[[FloatArray, bool], tuple[FloatArray, FloatArray, FloatArray | None]]


def evaluator(models: Sequence[MDP], count: int) -> Evaluator:
    """A function from policies (N, S, A) to V, Q and visits.

    Parameters
    ----------
    models : sequence of MDP
        One, or N.
    count : int
        N.

    Returns
    -------
    function (pi, visits) -> (V, Q, visits or None)
        Time O(N (S^3 + S^2 A)).
    """
    if count == 1 or models[0].n_states > SMALL:
        return _Large(models)
    return _Small(models)


class _Large:
    """One LU for each policy, of which V and visits come."""

    def __init__(self, models: Sequence[MDP]) -> None:
        self.models = models

    def __call__(
        self, pi: FloatArray, visits: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        V, Q = np.zeros(pi.shape[:2]), np.empty(pi.shape)
        often = np.zeros(pi.shape[:2]) if visits else None
        for i, one in enumerate(pi):
            mdp = self.models[i % len(self.models)]
            r = total(one * mdp.R)[:, 0]
            dense = mdp.facts.dense
            chain = kernel.mix_each(mdp.P, one[None])[0] if dense else kernel.mix(mdp.P, one)
            live: Any = slice(None)
            if mdp.facts.any_terminal:
                live = ~mdp.terminal
                chain = kernel.restrict(chain, live)
            resolvent = kernel.Resolvent(chain, mdp.gamma)
            V[i, live] = resolvent.solve(r[live])
            if often is not None:
                often[i, live] = resolvent.solve_adjoint(mdp.mu[live])
            Q[i] = backup(mdp, V[i])
            if not mdp.facts.all_allowed:
                Q[i, ~mdp.allowed] = 0.0
        return V, Q, often


class _Small:
    """All inverses at once."""

    def __init__(self, models: Sequence[MDP]) -> None:
        live = np.stack([~mdp.terminal for mdp in models])
        self.P = kernel.tensors([mdp.P for mdp in models]) * live[:, :, None, None]
        self.R = np.stack([mdp.R for mdp in models]) * live[:, :, None]
        self.mu = np.stack([mdp.mu for mdp in models])
        self.gamma = np.array([mdp.gamma for mdp in models])[:, None, None]
        self.live = live

    def __call__(
        self, pi: FloatArray, visits: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        chains = np.einsum("nsa,nsat->nst", pi, self.P)
        # The transpose is column dominant: elimination neither pivots nor cancels.
        matrices = np.eye(pi.shape[1]) - self.gamma * np.swapaxes(chains, 1, 2)
        inverses = np.linalg.inv(matrices)
        r = np.einsum("nsa,nsa->ns", pi, np.broadcast_to(self.R, pi.shape))
        V = np.einsum("nts,nt->ns", inverses, r)
        Q = np.einsum("nsat,nt->nsa", self.P, V)
        Q *= self.gamma
        Q += self.R
        often = None
        if visits:
            mu = np.broadcast_to(self.mu, V.shape)
            often = np.einsum("nts,ns->nt", inverses, mu) * self.live
        return V, Q, often
