"""Results as JSON: a schema number, a type, all that `CONTENTS` says, within a limit."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction

import numpy as np
import pytest

import mdptools
from mdptools import MDP, Certificate, ModelError, problems, report, solve, studies, verify
from mdptools.estimators import GradientLearner
from mdptools.policies import Softmax, uniform_policy

NOT_FIELDS = {  # what is no result of its own, or would repeat the model
    "Learning": {"final"},
    "MDP": {"P", "average", "facts", "law"},
    "NaturalGradient": {"fisher"},
    "Study": {"truth"},
    "Verdict": {"case"},
}


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def read(result, **keywords):
    return json.loads(report.dumps(result, **keywords), parse_constant=refuse)


def two_state(**keywords):
    P = [[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0], [0.25, 0.75]]]
    allowed = [[True, True], [True, False]]
    P[1][1] = [0.0, 0.0]
    return MDP(P, [[1.0, 0.0], [0.0, 0.0]], **{"gamma": 0.5, **keywords}, allowed=allowed)


def test_a_solution_holds_all_its_numbers():
    """Seen failing: with -inf left to json; with Q missing from CONTENTS; without the type of the
    certificate."""
    found = solve(two_state())
    got = read(found)
    assert (got["schema"], got["type"]) == (1, "Solution")
    assert got["Q"][1][1] == "-inf"
    assert got["Q"][0] == found.Q[0].tolist()
    np.testing.assert_array_equal(got["V"], found.V)
    assert got["optimal_actions"] == found.optimal_actions.tolist()
    assert got["gain"] is None
    certificate = got["certificate"]
    assert certificate["type"] == "Certificate" and "schema" not in certificate
    assert certificate["bound"] == found.certificate.bound
    assert certificate["lower"] == found.certificate.lower.tolist()


def test_a_model_holds_its_branches():
    """Seen failing: with divmod by the number of states; with `allowed` always null."""
    mdp = two_state(state_names=["a", "b"])
    got = read(mdp)
    P = np.zeros((2, 2, 2))
    parts = got["branches"]
    P[parts["state"], parts["action"], parts["next_state"]] = parts["probability"]
    np.testing.assert_array_equal(P, mdp.P)
    assert parts["reward"] == mdp.R[parts["state"], parts["action"]].tolist()
    assert got["allowed"] == [[True, True], [True, False]]
    assert got["terminal"] == [1] and got["state_names"] == ["a", "b"]
    assert [*got][2:] == [*report.CONTENTS["MDP"]]
    assert read(problems.small())["allowed"] is None


def test_rewards_that_differ_on_the_way_to_one_state_are_kept():
    """Seen failing: with R(s, a) written for each branch."""
    coin = MDP.from_outcomes([[[(0.5, 0, 1.0, True), (0.5, 0, -1.0, True)]]], gamma=1.0)
    assert sorted(read(coin)["branches"]["reward"][:2]) == [-1.0, 1.0]


def test_fractions_are_strings_and_exact():
    """Seen failing: with float(x) for str(x)."""
    got = read(mdptools.solve_exactly(problems.small()))
    assert Fraction(got["J"]) == mdptools.solve_exactly(problems.small()).J
    low, high = read(mdptools.discount_sensitivity(problems.discount_mismatch(3)))["brackets"][0]
    assert Fraction(low) < Fraction(high)


def test_a_model_inside_a_result_is_told_by_its_sizes():
    """Seen failing: with the whole model written wherever it stands."""
    mdp = problems.bandit([1.0, 0.0]).with_objective(horizon=1)
    learner = GradientLearner("reinforce", step_size=1.0)
    got = read(studies.learn(mdp, learner, 2, rng=0))
    assert got["mdp"] == {
        "type": "MDP",
        "n_states": mdp.n_states,
        "n_actions": 2,
        "objective": "finite",
        "gamma": 1.0,
        "horizon": 1,
    }
    assert got["learner"]["type"] == "GradientLearner" and got["learner"]["step_size"] == 1.0
    assert len(got["J"][0]) == 3


def test_a_study_says_it_its_own_way():
    """Seen failing: with "schema" inside again; with the fields of the dataclass."""
    study = studies.run_study(problems.small(), studies.PolicyIteration(), 2)
    got = read(study)
    own = json.loads(json.dumps(study.to_json()))
    assert got == {**own, "type": "Study"}
    assert tuple(key for key in got if key not in ("schema", "type")) == report.CONTENTS["Study"]


def test_verdicts_and_reports_are_nested():
    """Seen failing: with the case of a verdict written; with tuples of results by their type."""
    mdp = problems.line_world(gamma=0.9).with_objective(horizon=3, gamma=0.9)
    verdict = verify.check_estimator(
        lambda batch: np.zeros((batch.n, 5, 2)), mdp, uniform_policy(mdp)
    )
    got = read(verdict)
    assert got["outcome"] == "biased" and "case" not in got
    assert got["witness"]["type"] == "Witness"
    assert got["witness"]["trajectories"]["mask"][0][0] is True
    found = verify.gradient_report(mdp, uniform_policy(mdp), n=100)
    got = read(found)
    assert [row["type"] for row in got["rows"]] == ["EstimatorRow"] * len(found.rows)
    assert got["gradient"]["J"] == found.gradient.J


def test_a_type_that_is_not_listed_holds_its_public_fields():
    """Seen failing: with private fields written; with functions written by their address."""
    mdp = problems.small()
    got = read(mdptools.fisher_information(mdp, Softmax(mdp), np.zeros((2, 2))))
    assert got["type"] == "Fisher" and got["family"]["type"] == "Softmax"
    assert got["weights"]
    assert "_last" not in read(mdptools.objective(mdp, Softmax(mdp)))
    assert read(studies.PolicyIteration())["type"] == "PolicyIteration"
    family = mdptools.Callable(mdp, lambda x: x, lambda x: x, shape=(2, 2))
    assert read(family)["function"] == {"type": "function"}


def test_there_is_a_limit():
    """Seen failing: without `spend` for arrays; with the limit counted for each array alone;
    without `count` for studies."""
    found = solve(problems.garnet(50, 4, 2, gamma=0.9, rng=0))
    report.to_json(found, limit=2000)
    with pytest.raises(ModelError, match=r"^Solution\.\w+ has \d+ numbers, and to_json writes"):
        report.to_json(found, limit=500)
    with pytest.raises(ModelError, match=r"^MDP\.branches has 2,000 numbers"):
        report.to_json(problems.garnet(50, 4, 2, gamma=0.9, rng=0), limit=1999)
    study = studies.run_study(problems.small(), studies.PolicyIteration(), 2)
    with pytest.raises(ModelError, match=r"numbers, and to_json writes up to 10 in all"):
        report.to_json(study, limit=10)
    with pytest.raises(ModelError, match=r"^limit is 0; it must be an int >= 1"):
        report.to_json(study, limit=0)


@dataclass
class Mine:
    """Not of mdptools."""

    V: float = 0.0


@pytest.mark.parametrize("thing", [3, "x", {"V": 1}, np.zeros(2), Certificate, None, Mine()])
def test_what_is_no_result_is_refused(thing):
    """Seen failing: with any dataclass taken; with an array written as it is."""
    with pytest.raises(ModelError, match=r"is no result of mdptools; to_json takes"):
        report.to_json(thing)


def results_by_name():
    """Every dataclass and named tuple of the faces of rooms."""
    for room in mdptools._NAMES:
        face = importlib.import_module(f"mdptools.{room}")
        for name in getattr(face, "__all__", ()):
            kind = getattr(face, name)
            if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):
                yield name, kind


@pytest.mark.parametrize("name", report.CONTENTS)
def test_the_list_says_what_each_type_holds(name):
    """Seen failing: with "history" left out of Solution; with a name that it has not."""
    kind = {**dict(results_by_name()), "MDP": MDP, "Certificate": Certificate}[name]
    listed = set(report.CONTENTS[name])
    if is_dataclass(kind):
        public = {f.name for f in fields(kind) if not f.name.startswith("_")}
    else:
        public = set(kind._fields)
    assert public - NOT_FIELDS.get(name, set()) <= listed
    if name not in ("Study", "MDP"):  # which have words of their own
        assert all(key in public or hasattr(kind, key) for key in listed)
    assert not NOT_FIELDS.get(name, set()) & listed
