"""Studies: exact iterations of a policy or of a table, beside the truth and the theorems.

Takes     an MDP and rules: small frozen objects with start, step, policy and values.
Gives     the rules; `run_study`, which holds every theorem of the catalogue against their traces;
          named `experiments`.
Source    each rule and each bound names its own.
Not here  iterations that draw (estimators), planners that certify their answer (planning).
"""

from . import _experiments as experiments
from ._average_trace import average_trace
from ._catalogue import Bound, bound, bound_names, bounds
from ._constrained_rules import ConstrainedSurrogate
from ._estimate_moments import EstimateMoments, estimate_moments
from ._gradient_rules import GradientAscent
from ._laws import gradient_limit, natural_slope, two_arm_flow
from ._learn import LearnStep, learn
from ._learning import Learning
from ._learning_experiments import learning_steps
from ._line_search import LineSearch
from ._linear_rules import LinearQLearning, LinearSarsa, LinearTD, Recursion
from ._mirror_rules import MirrorDescent
from ._mixture_rules import ConservativePolicyIteration
from ._natural_rules import MultiplicativeWeights, NaturalPolicyGradient, SoftPolicyIteration
from ._objectives import truth
from ._projected_rules import ProjectedGradient
from ._proximal_rules import ProximalPenalty, ProximalPolicy
from ._recursion import expected_recursion, spectral_radius
from ._restricted_rules import RestrictedGradient, restricted_step
from ._rule import Rule
from ._run import finite_trace, run_study
from ._stacked import StackedRun, run_stacked
from ._steps import Adaptive, Geometric, smoothness
from ._study import Run, Study
from ._sweep_rules import ModifiedPolicyIteration, PolicyIteration, QIteration, ValueIteration
from ._trace import Trace, trace
from ._trust_region_rules import TrustRegion
from ._truth import Truth
from ._value_rules import QLearning, Sarsa, TargetTable, TemporalDifference
from ._watch import StudyStep

__all__ = [
    "Adaptive",
    "Bound",
    "ConservativePolicyIteration",
    "ConstrainedSurrogate",
    "EstimateMoments",
    "Geometric",
    "GradientAscent",
    "LearnStep",
    "Learning",
    "LineSearch",
    "LinearQLearning",
    "LinearSarsa",
    "LinearTD",
    "MirrorDescent",
    "ModifiedPolicyIteration",
    "MultiplicativeWeights",
    "NaturalPolicyGradient",
    "PolicyIteration",
    "ProjectedGradient",
    "ProximalPenalty",
    "ProximalPolicy",
    "QIteration",
    "QLearning",
    "Recursion",
    "RestrictedGradient",
    "Rule",
    "Run",
    "Sarsa",
    "SoftPolicyIteration",
    "StackedRun",
    "Study",
    "StudyStep",
    "TargetTable",
    "TemporalDifference",
    "Trace",
    "TrustRegion",
    "Truth",
    "ValueIteration",
    "average_trace",
    "bound",
    "bound_names",
    "bounds",
    "estimate_moments",
    "expected_recursion",
    "experiments",
    "finite_trace",
    "gradient_limit",
    "learn",
    "learning_steps",
    "natural_slope",
    "restricted_step",
    "run_stacked",
    "run_study",
    "smoothness",
    "spectral_radius",
    "trace",
    "truth",
    "two_arm_flow",
]
