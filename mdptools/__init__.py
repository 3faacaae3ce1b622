"""Exact, certified answers for small Markov decision processes.

A model goes in as explicit arrays; its values, policies and structure come out, each number with
a proved bound on its error. The names used most are also here: ``from mdptools import MDP``.

The rooms, each of which imports only from those above it::

    errors        what can go wrong, by name
    words         numbers and names as words
    markup        words as HTML, escaped
    arrays        the types of arrays and their shapes
    checks        what is asked of every argument at the door
    kernel        transition kernels, dense or sparse
    model         MDP, the model, and RewardLaw, the branches behind its rewards
    structure     graphs, classes, end components, reachability, proper policies
    policies      tables, and families that make them from parameters
    bellman       Bellman operators, one application each
    certificates  from a residual to a proved bound
    evaluation    values, visits and J of one policy
    planning      optimal values and policies
    gradients     exact derivatives of J: gradients, Hessians, Fisher information, surrogates
    hardness      diameter, gaps, mixing, discounts at which the optimum changes, a model in words
    sampling      trajectories, drawn many at a time
    estimators    returns, values and policy gradients from trajectories; learners
    problems      ready-made models
    transforms    new models from old ones, with the map of answers
    interop       models in and out: files, other libraries' arrays, graphs and environments
    verify        exact moments, targets, verdicts: where the exact and the sampled meet
    continuous    a Gaussian action for each state; a walk on a line: quadrature and samples
    studies       exact iterations, beside what theorems promise; learners beside the truth
    plots         pictures of results; matplotlib is loaded when one is drawn
    report        a model or a verification as one HTML file; any result as JSON
    testing       strategies and models for tests; its files are imported by path
    cli           the command ``mdptools``

Examples
--------
>>> from mdptools import MDP, solve
>>> P = [[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]]  # P[s, a, t]
>>> R = [[5.0, 10.0], [-1.0, 2.0]]  # R[s, a]
>>> sol = solve(MDP(P, R, gamma=0.99), tol=1e-6)
>>> print(sol.V.round(4))
[392.2991 386.1607]
>>> sol.certificate.bound <= 1e-6
True
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers know it; importing typing would cost more than this file

if TYPE_CHECKING:
    from . import arrays as arrays
    from . import bellman as bellman
    from . import certificates as certificates
    from . import checks as checks
    from . import continuous as continuous
    from . import errors as errors
    from . import estimators as estimators
    from . import evaluation as evaluation
    from . import gradients as gradients
    from . import hardness as hardness
    from . import interop as interop
    from . import kernel as kernel
    from . import markup as markup
    from . import model as model
    from . import planning as planning
    from . import plots as plots
    from . import policies as policies
    from . import problems as problems
    from . import report as report
    from . import sampling as sampling
    from . import structure as structure
    from . import studies as studies
    from . import testing as testing
    from . import transforms as transforms
    from . import verify as verify
    from . import words as words
    from .certificates import Certificate as Certificate
    from .errors import ConvergenceError as ConvergenceError
    from .errors import MdptoolsError as MdptoolsError
    from .errors import MissingExtraError as MissingExtraError
    from .errors import ModelError as ModelError
    from .evaluation import Evaluation as Evaluation
    from .evaluation import ReturnDistribution as ReturnDistribution
    from .evaluation import ReturnMoments as ReturnMoments
    from .evaluation import deviation_matrix as deviation_matrix
    from .evaluation import evaluate as evaluate
    from .evaluation import occupancy as occupancy
    from .evaluation import return_distribution as return_distribution
    from .evaluation import return_moments as return_moments
    from .gradients import Fisher as Fisher
    from .gradients import Gradient as Gradient
    from .gradients import ImprovementBound as ImprovementBound
    from .gradients import LogBarrier as LogBarrier
    from .gradients import NaturalGradient as NaturalGradient
    from .gradients import Objective as Objective
    from .gradients import PerformanceDifference as PerformanceDifference
    from .gradients import Surrogate as Surrogate
    from .gradients import VectorField as VectorField
    from .gradients import clipped_bound as clipped_bound
    from .gradients import direct_gradient as direct_gradient
    from .gradients import fisher_information as fisher_information
    from .gradients import hessian as hessian
    from .gradients import hessian_vector_product as hessian_vector_product
    from .gradients import log_barrier as log_barrier
    from .gradients import max_divergence_bound as max_divergence_bound
    from .gradients import mixture_bound as mixture_bound
    from .gradients import natural_gradient as natural_gradient
    from .gradients import objective as objective
    from .gradients import performance_difference as performance_difference
    from .gradients import policy_gradient as policy_gradient
    from .gradients import regularised_evaluation as regularised_evaluation
    from .gradients import regularised_gradient as regularised_gradient
    from .gradients import surrogate as surrogate
    from .gradients import tv_improvement_bound as tv_improvement_bound
    from .gradients import values_jacobian as values_jacobian
    from .gradients import vector_field as vector_field
    from .hardness import bisimulation as bisimulation
    from .hardness import describe as describe
    from .hardness import diameter as diameter
    from .hardness import discount_sensitivity as discount_sensitivity
    from .interop import from_gymnasium as from_gymnasium
    from .interop import load as load
    from .interop import save as save
    from .interop import to_gymnasium as to_gymnasium
    from .model import MDP as MDP
    from .model import RewardLaw as RewardLaw
    from .model import dumps as dumps
    from .planning import BatchSolution as BatchSolution
    from .planning import ExactSolution as ExactSolution
    from .planning import Solution as Solution
    from .planning import Step as Step
    from .planning import average_policy_iteration as average_policy_iteration
    from .planning import backward_induction as backward_induction
    from .planning import evaluate_exactly as evaluate_exactly
    from .planning import gauss_seidel_value_iteration as gauss_seidel_value_iteration
    from .planning import linear_program as linear_program
    from .planning import lookahead as lookahead
    from .planning import modified_policy_iteration as modified_policy_iteration
    from .planning import policy_iteration as policy_iteration
    from .planning import prioritized_sweeping as prioritized_sweeping
    from .planning import q_iteration as q_iteration
    from .planning import reach_probability as reach_probability
    from .planning import reach_reward as reach_reward
    from .planning import relative_value_iteration as relative_value_iteration
    from .planning import show_progress as show_progress
    from .planning import soft_policy_iteration as soft_policy_iteration
    from .planning import soft_value_iteration as soft_value_iteration
    from .planning import solve as solve
    from .planning import solve_batch as solve_batch
    from .planning import solve_exactly as solve_exactly
    from .planning import topological_value_iteration as topological_value_iteration
    from .planning import total_reward as total_reward
    from .planning import value_iteration as value_iteration
    from .policies import Callable as Callable
    from .policies import Direct as Direct
    from .policies import Family as Family
    from .policies import LogLinear as LogLinear
    from .policies import Observation as Observation
    from .policies import Sight as Sight
    from .policies import Softmax as Softmax
    from .policies import SoftmaxAt as SoftmaxAt
    from .policies import Timed as Timed
    from .policies import check_policy as check_policy
    from .policies import deterministic_policy as deterministic_policy
    from .policies import epsilon_greedy as epsilon_greedy
    from .policies import from_jax as from_jax
    from .policies import from_torch as from_torch
    from .policies import sight as sight
    from .policies import split_policy as split_policy
    from .policies import uniform_policy as uniform_policy
    from .sampling import Trajectories as Trajectories
    from .sampling import rollout as rollout
    from .structure import EndComponent as EndComponent
    from .structure import adjacency as adjacency
    from .structure import almost_surely_reach as almost_surely_reach
    from .structure import attractor_policy as attractor_policy
    from .structure import can_reach as can_reach
    from .structure import communicating_classes as communicating_classes
    from .structure import end_components as end_components
    from .structure import every_policy_proper as every_policy_proper
    from .structure import fewest_steps as fewest_steps
    from .structure import graph as graph
    from .structure import improper_states as improper_states
    from .structure import is_acyclic as is_acyclic
    from .structure import is_communicating as is_communicating
    from .structure import is_deterministic as is_deterministic
    from .structure import is_proper as is_proper
    from .structure import is_unichain as is_unichain
    from .structure import period as period
    from .structure import reachable as reachable
    from .structure import recurrent_classes as recurrent_classes
    from .structure import transient_states as transient_states
    from .transforms import Answers as Answers
    from .transforms import Memory as Memory
    from .transforms import discount_as_termination as discount_as_termination
    from .transforms import relabel as relabel
    from .transforms import remember as remember
    from .verify import Verdict as Verdict
    from .verify import check_estimator as check_estimator
    from .verify import explain as explain

# What stands in this file twice, here and for type checkers, tests/test_front_door.py compares.
_NAMES = {
    "errors": ("ConvergenceError", "MdptoolsError", "MissingExtraError", "ModelError"),
    "words": (),
    "markup": (),
    "arrays": (),
    "checks": (),
    "kernel": (),
    "model": ("MDP", "RewardLaw", "dumps"),
    "structure": (
        "EndComponent",
        "adjacency",
        "almost_surely_reach",
        "attractor_policy",
        "can_reach",
        "communicating_classes",
        "end_components",
        "every_policy_proper",
        "fewest_steps",
        "graph",
        "improper_states",
        "is_acyclic",
        "is_communicating",
        "is_deterministic",
        "is_proper",
        "is_unichain",
        "period",
        "reachable",
        "recurrent_classes",
        "transient_states",
    ),
    "policies": (
        "Callable",
        "Direct",
        "Family",
        "LogLinear",
        "Observation",
        "Sight",
        "Softmax",
        "SoftmaxAt",
        "Timed",
        "check_policy",
        "deterministic_policy",
        "epsilon_greedy",
        "from_jax",
        "from_torch",
        "sight",
        "split_policy",
        "uniform_policy",
    ),
    "bellman": (),
    "certificates": ("Certificate",),
    "evaluation": (
        "Evaluation",
        "ReturnDistribution",
        "ReturnMoments",
        "deviation_matrix",
        "evaluate",
        "occupancy",
        "return_distribution",
        "return_moments",
    ),
    "planning": (
        "BatchSolution",
        "ExactSolution",
        "Solution",
        "Step",
        "average_policy_iteration",
        "backward_induction",
        "evaluate_exactly",
        "gauss_seidel_value_iteration",
        "linear_program",
        "lookahead",
        "modified_policy_iteration",
        "policy_iteration",
        "prioritized_sweeping",
        "q_iteration",
        "reach_probability",
        "reach_reward",
        "relative_value_iteration",
        "show_progress",
        "soft_policy_iteration",
        "soft_value_iteration",
        "solve",
        "solve_batch",
        "solve_exactly",
        "topological_value_iteration",
        "total_reward",
        "value_iteration",
    ),
    "gradients": (
        "Fisher",
        "Gradient",
        "ImprovementBound",
        "LogBarrier",
        "NaturalGradient",
        "Objective",
        "PerformanceDifference",
        "Surrogate",
        "VectorField",
        "clipped_bound",
        "direct_gradient",
        "fisher_information",
        "hessian",
        "hessian_vector_product",
        "log_barrier",
        "max_divergence_bound",
        "mixture_bound",
        "natural_gradient",
        "objective",
        "performance_difference",
        "policy_gradient",
        "regularised_evaluation",
        "regularised_gradient",
        "surrogate",
        "tv_improvement_bound",
        "values_jacobian",
        "vector_field",
    ),
    "hardness": ("bisimulation", "describe", "diameter", "discount_sensitivity"),
    "sampling": ("Trajectories", "rollout"),
    "estimators": (),
    "problems": (),
    "transforms": ("Answers", "Memory", "discount_as_termination", "relabel", "remember"),
    "interop": ("from_gymnasium", "load", "save", "to_gymnasium"),
    "verify": ("Verdict", "check_estimator", "explain"),
    "continuous": (),
    "studies": (),
    "plots": (),
    "report": (),
    "testing": (),
}
_HOME = {name: room for room, names in _NAMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - all are strings


def __dir__() -> list[str]:
    return sorted({*__all__, *_NAMES, *(name for name in globals() if name.startswith("__"))})


if not TYPE_CHECKING:  # a type checker that saw this would believe in every name

    def __getattr__(name):
        """Import what is asked for, once."""
        from importlib import import_module

        if name in _NAMES:
            return import_module(f"{__name__}.{name}")  # and from now on an attribute of this
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
