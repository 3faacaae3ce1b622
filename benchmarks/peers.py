"""The peers: other libraries on the same models, each with the settings that make it right.

Takes     built models, and true values to measure the errors of the answers.
Gives     competitors, none where a library is not installed.
Source    quantecon.markov.DiscreteDP, mdptoolbox.mdp, mdpsolver.model, stormpy.
Not here  what is compared (bench_<room>), the clock (common).

Whatever a peer can do once for a model (build it in its own format) is done before the clock
starts, except by pymdptoolbox, which has no such thing. What it hands back is fetched while the
clock runs: without values and policy there is no answer. Above each adapter stands what goes wrong
without its settings.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdptools import kernel

from .common import Competitor, largest_error

EPSILON = 1e-8  # the accuracy that everybody has to reach


def absent(*modules: str) -> list[str]:
    """Those that are not installed."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


def nested(models: Sequence[Any]) -> list[tuple[list[Any], list[Any], list[Any]]]:
    """Of each model the probabilities, successors and rewards as lists: state, action, branch."""
    return [_nested(mdp) for mdp in models]


def _nested(mdp: Any) -> tuple[list[Any], list[Any], list[Any]]:
    row, successor, probability = (part.tolist() for part in kernel.branches(mdp.P))
    ends = np.searchsorted(row, np.arange(mdp.R.size + 1)).tolist()
    probs: list[Any] = []
    columns: list[Any] = []
    rewards: list[Any] = []
    for s, allowed in enumerate(mdp.allowed):
        pairs = (s * len(allowed) + np.flatnonzero(allowed)).tolist()
        probs.append([probability[ends[pair] : ends[pair + 1]] for pair in pairs])
        columns.append([successor[ends[pair] : ends[pair + 1]] for pair in pairs])
        rewards.append(mdp.R[s, allowed].tolist())
    return probs, columns, rewards


# -- quantecon -----------------------------------------------------------------------------------
# All its methods stop after 250 iterations, with whatever they have: value iteration at gamma .99
# needs ten times as many, and no warning tells. Its epsilon is twice the error of value iteration
# and of modified policy iteration.
ENOUGH = 1_000_000


def quantecon_models(models: Sequence[Any]) -> list[Any]:
    """The same models as DiscreteDP: dense P in product form, sparse P by state-action pairs."""
    if absent("quantecon"):
        return []
    from quantecon.markov import DiscreteDP

    built = []
    for mdp in models:
        if mdp.facts.dense:
            R = np.where(mdp.allowed, mdp.R, -np.inf)
            built.append(DiscreteDP(R, np.array(mdp.P), mdp.gamma))
        else:
            states, actions = np.nonzero(mdp.allowed)
            P = mdp.P if mdp.facts.all_allowed else mdp.P[mdp.allowed.ravel()]
            built.append(DiscreteDP(mdp.R[mdp.allowed], P, mdp.gamma, states, actions))
    return built


def quantecon(
    method: str, built: Sequence[Any], truths: Any, k: int | None = None
) -> list[Competitor]:
    """One of its methods on models from `quantecon_models`; ``k`` inner sweeps (it takes 20)."""
    if not built:
        return []
    options: dict[str, Any] = {"max_iter": ENOUGH}
    if method != "policy_iteration":
        options["epsilon"] = EPSILON
    if k is not None:
        options["k"] = k
    return [
        Competitor(
            f"quantecon {method}" + ("" if k is None else f", k={k}"),
            lambda: [m.solve(method=method, **options) for m in built],
            error=largest_error(truths, lambda result: result.v),
        )
    ]


# -- pymdptoolbox --------------------------------------------------------------------------------
# Its value iterations stop by the span of the last change and return V without the shift that
# belongs to it: off by tens at gamma .99. Where an episode can end (the lake) nothing changes in
# the last state, and the span is a norm; only there its ValueIteration is run. PolicyIteration
# solves linear systems and is right.
# RelativeValueIteration stops after 1,000 iterations, or at a span of 0.01, by default, and on
# a periodic chain only then (with 0 for the 0.5 of a two-cycle); its gain is the lower end of the
# bracket, not the middle.
# Its models are checked and copied anew in each run: there is none to build once.
def toolbox(
    solver: str,
    models: Sequence[Any],
    truths: Any,
    value: Callable[[Any], Any] = lambda answer: np.array(answer.V),
    *,
    discounted: bool = True,
    **options: Any,
) -> list[Competitor]:
    """One of its solvers; without ``discounted`` it is handed no discount."""
    if absent("mdptoolbox"):
        return []
    import mdptoolbox.mdp

    make = getattr(mdptoolbox.mdp, solver)
    tensors = [
        (np.array(m.P.transpose(1, 0, 2)), np.array(m.R), *([m.gamma] if discounted else []))
        for m in models
    ]

    def run() -> list[Any]:
        answers = [make(*tensor, **options) for tensor in tensors]
        for answer in answers:
            answer.run()
        return answers

    return [Competitor(f"pymdptoolbox {solver}", run, largest_error(truths, value))]


# -- mdpsolver -----------------------------------------------------------------------------------
# A second `solve` starts from the values *and* the policy of the first: it is over at once. Handing
# over zeros as values leaves it the policy. One element, -1, is how an untouched model marks both,
# so that each run starts as the first one did, bit by bit. Its tolerance is 1e-3 by default; "gs"
# and "sor" stop by the sup norm and take twenty times as long. Its "pi" sweeps each policy up to a
# million times: at 1,000 states it did not end in three minutes. Of an average reward it gives
# values alone.
# Its OpenMP threads (`parallel`) are as many as the environment said when its library was loaded;
# it has to be told when there should be more. One thread is faster without them.
AFRESH: dict[str, Any] = {"initPolicy": [-1], "initValueVector": [-1.0]}


def mdpsolver_models(models: Sequence[Any]) -> list[Any]:
    """The same models in its format, from lists of lists."""
    if absent("mdpsolver"):
        return []
    return [
        _mdpsolver_model(mdp.gamma, *lists)
        for mdp, lists in zip(models, nested(models), strict=True)
    ]


def _mdpsolver_model(gamma: float, probs: Any, columns: Any, rewards: Any) -> Any:
    import mdpsolver

    built = mdpsolver.model()
    # It wants a discount below 1 of an average reward as well, and then makes no use of it.
    built.mdp(
        discount=0.5 if gamma == 1 else gamma,
        rewards=rewards,
        tranMatProbs=probs,
        tranMatColumns=columns,
    )
    return built


def mdpsolver(
    built: Sequence[Any],
    truths: Any,
    value: Callable[[Any], Any] = lambda answer: np.array(answer[0]),
    *,
    threads: int = 1,
    **options: Any,
) -> list[Competitor]:
    """Its modified policy iteration on models from `mdpsolver_models`."""
    if not built:
        return []
    given = {"algorithm": "mpi", "tolerance": EPSILON, "makeFinalCheck": False}

    def run() -> list[Any]:
        if threads > 1:
            _openmp(threads)
        for model in built:
            model.solve(**given, **AFRESH, **options, parallel=threads > 1)
        return [(model.getValueVector(), model.getPolicy()) for model in built]

    return [Competitor("mdpsolver mpi", run, largest_error(truths, value))]


def _openmp(threads: int) -> None:
    """Tell mdpsolver's own OpenMP library, which is a file beside it in a wheel."""
    import mdpsolver as package

    folder = Path(package.__file__).parent.parent / "mdpsolver.libs"
    for library in folder.glob("libgomp*"):
        ctypes.CDLL(str(library)).omp_set_num_threads(threads)


def from_arrays(P: np.ndarray, R: np.ndarray, truths: Any) -> list[Competitor]:
    """Many dense models (N, S, A, S), gamma .99, in a loop that builds each and solves it."""
    loops = []
    if not absent("quantecon"):
        from quantecon.markov import DiscreteDP

        loops.append(
            Competitor(
                "quantecon policy_iteration, from arrays",
                lambda: [DiscreteDP(r, p, 0.99).solve() for p, r in zip(P, R, strict=True)],
                error=largest_error(truths, lambda result: result.v),
            )
        )
    if not absent("mdpsolver"):
        import mdpsolver as package

        def one(p: np.ndarray, r: np.ndarray) -> Any:
            built = package.model()
            built.mdp(discount=0.99, rewards=r.tolist(), tranMatWithZeros=p.tolist())
            built.solve(tolerance=EPSILON, parallel=False, makeFinalCheck=False)
            return built.getValueVector(), built.getPolicy()

        loops.append(
            Competitor(
                "mdpsolver mpi, from arrays",
                lambda: [one(p, r) for p, r in zip(P, R, strict=True)],
                error=largest_error(truths, lambda answer: np.array(answer[0])),
            )
        )
    return loops


# -- stormpy -------------------------------------------------------------------------------------
# Without soundness its value iteration stops when little changes: on the fair walk 0..40 it says
# 0.49995 for a half. The sound environment has two-sided bounds; its precision is relative and 1e-6
# by default. Values of all states are asked for, as ours are. Left to itself it takes optimistic
# value iteration, component by component. Its policy iteration is not run: with these settings it
# took 40 times as long on one grid, and did not end within a minute on the other or the gambler.
STORM_METHODS = {"as it chooses": None, "interval iteration": "INTERVAL_ITERATION"}


def storm_model(mdp: Any, targets: Sequence[int]) -> Any:
    """The same model with a label "goal"; rewards as the model "r"."""
    import stormpy.datastructures
    import stormpy.models

    n_states, n_actions = mdp.R.shape
    row, successor, probability = kernel.branches(mdp.P)
    builder = stormpy.datastructures.SparseMatrixBuilder[float](
        rows=n_states * n_actions,
        columns=n_states,
        entries=len(row),
        has_custom_row_grouping=True,
        row_groups=n_states,
    )
    groups = list(range(0, n_states * n_actions, n_actions))
    builder.add_next_values(row.tolist(), successor.tolist(), probability.tolist(), groups)
    labels = stormpy.models.StateLabeling(n_states)
    labels.add_label("init")
    labels.add_label_to_state("init", 0)
    labels.add_label("goal")
    for target in targets:
        labels.add_label_to_state("goal", int(target))
    rewards = stormpy.models.SparseRewardModel[float](
        optional_state_action_reward_vector=mdp.R.ravel().tolist()
    )
    parts = stormpy.models.SparseModelComponents[float](builder.build(), labels, {"r": rewards})
    return stormpy.models.SparseMdp[float](parts)


def storm(
    query: str, mdp: Any, targets: Sequence[int], truth: np.ndarray, how: str = "as it chooses"
) -> list[Competitor]:
    """A property such as 'Pmax=? [F "goal"]', in every state."""
    if absent("stormpy"):
        return []
    import stormpy
    import stormpy.environments

    built = storm_model(mdp, targets)
    asked = stormpy.parse_properties(query)[0]
    environment = stormpy.environments.sound()
    solver = environment.solver()
    method = STORM_METHODS[how]
    if method is not None:
        solver.min_max().method = getattr(stormpy.environments.MinMaxMethod, method)
    for part in (solver.min_max(), solver.native()):
        part.precision = stormpy.Rational(EPSILON)
        part.relative_termination_criterion = False
    return [
        Competitor(
            f"stormpy {query}, {how}",
            lambda: np.array(
                stormpy.model_checking(
                    built, asked, only_initial_states=False, environment=environment
                ).get_value_vector()
            ),
            error=lambda V: float(np.abs(V - truth).max()),
        )
    ]
