"""``mdptools simulate``: what was drawn, beside what it should average."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from mdptools import evaluate, return_moments, rollout, uniform_policy
from mdptools.cli import _sample
from mdptools.interop import load_model

WORDS = ("example:line_world", "--gamma", "0.9", "--seed", "3")


def told(mdptools, *words):
    done = mdptools("simulate", *words, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_the_page_says_what_the_json_says(mdptools):
    """Seen failing: with the sample's deviation for the standard error; with another J."""
    done, found = mdptools("simulate", *WORDS), told(mdptools, *WORDS)
    assert (done.code, done.err) == (0, "") and max(map(len, done.lines)) <= 80
    assert done.value("episodes") == "1,000 episodes, all to their end"
    assert done.value("return").startswith(f"{found['mean']:.6g}, mean of 1,000; standard error ")
    apart = (found["mean"] - found["J"]) / found["standard_error"]
    assert done.value("difference") == f"{apart:+.2f} standard errors from J"
    lengths = found["lengths"]
    assert done.value("length") == (
        f"{np.mean(lengths):.6g} steps on average, {min(lengths)} to {max(lengths)}"
    )


def test_numbers_are_those_of_the_library(mdptools):
    """Returns are discounted, and the standard error is the exact one.

    Seen failing: with gamma left out of the returns; with N for its root.
    """
    found = told(mdptools, *WORDS, "--episodes", "400")
    mdp = load_model("example:line_world", gamma=0.9)
    pi = uniform_policy(mdp)
    batch = rollout(mdp, pi, 400, rng=np.random.default_rng(3))
    returns = (batch.r * 0.9 ** np.arange(batch.n_steps)).sum(axis=1)
    np.testing.assert_allclose(found["returns"], returns)
    assert found["lengths"] == batch.lengths.tolist()
    assert found["J"] == evaluate(mdp, pi).J == found["exact"]["mean"]
    assert found["standard_error"] == pytest.approx(return_moments(mdp, pi).start_std / 20)
    assert found["deviation"] == pytest.approx(np.std(returns, ddof=1))


def test_cut_episodes_are_compared_with_what_they_should_average(mdptools):
    """Not with J, of which their mean is far.

    Seen failing: with J for the exact mean of cut episodes.
    """
    words = ("example:line_world", "--steps", "2", "--episodes", "4000")
    found = told(mdptools, *words)
    mdp = load_model("example:line_world")
    short = evaluate(mdp.with_objective(horizon=2, gamma=1.0), uniform_policy(mdp)).J
    assert found["exact"]["mean"] == pytest.approx(short) and abs(found["J"] - short) > 1
    assert abs(found["mean"] - short) < 5 * found["standard_error"]
    assert found["terminated"] + found["truncated"] == 4000 and found["truncated"] > 1000
    done = mdptools("simulate", *words)
    assert "cut after 2 steps" in done.value("episodes")
    assert done.value("exact").endswith("the mean of episodes of up to 2 steps")
    assert done.value("difference").endswith("from that")


def test_a_cut_horizon_pays_nothing_for_the_last_state(tmp_path, mdptools):
    """The reward for being somewhere at the end is paid at the end alone.

    Seen failing: with the model's own final reward at the cut.
    """
    from mdptools import MDP, save

    path = str(tmp_path / "final.npz")
    save(MDP([[[1.0]]], [[1.0]], horizon=5, final=[100.0]), path)
    assert told(mdptools, path)["exact"]["mean"] == pytest.approx(105)
    found = told(mdptools, path, "--steps", "2")
    assert found["mean"] == found["exact"]["mean"] == pytest.approx(2)
    assert told(mdptools, path, "--steps", "9")["steps"] is None


def test_average_reward_is_a_mean_of_steps(mdptools):
    """Seen failing: with the sum of the steps."""
    found = told(mdptools, "example:riverswim", "--steps", "50", "--episodes", "500")
    mdp = load_model("example:riverswim")
    pi = uniform_policy(mdp)
    short = evaluate(mdp.with_objective(horizon=50, gamma=1.0), pi).J / 50
    assert found["exact"]["mean"] == pytest.approx(short)
    assert abs(found["mean"] - short) < 5 * found["standard_error"]
    assert found["J"] == evaluate(mdp, pi).J
    assert told(mdptools, "example:riverswim", "--episodes", "2")["steps"] == _sample.LONG_RUN


def test_episodes_without_an_end_are_cut_where_nothing_counts(mdptools, monkeypatch):
    """Or where the work would grow too large, and then they are compared as cut ones.

    Seen failing: without a limit (the sampler refuses); with the limit of the work ignored.
    """
    found = told(mdptools, "example:small", "--episodes", "20")
    assert 0.99 ** found["steps"] < 1e-8 and found["exact"]["mean"] == found["J"]
    monkeypatch.setattr(_sample, "WORK", 1)
    found = told(mdptools, "example:small", "--episodes", "20")
    assert found["steps"] == 1000 and found["exact"]["mean"] < found["J"]
    monkeypatch.setattr(_sample, "TABLE", 1)
    done = mdptools("simulate", "example:small", "--episodes", "20", "--alpha", "0.1")
    assert "too large a table" in done.value("note") and done.code == 0
    assert done.value("test").startswith("none: the exact mean")


def test_batches_and_one_batch_are_episodes_alike(mdptools, monkeypatch):
    """Seen failing: with the same seed for each batch; with those of the first batch alone kept."""
    monkeypatch.setattr(_sample, "CELLS", 100)
    found = told(mdptools, *WORDS, "--episodes", "300", "--show", "300")
    assert found["episodes"] == len(found["returns"]) == len(found["shown"]) == 300
    assert [len(one["a"]) for one in found["shown"]] == found["lengths"]
    assert abs(found["mean"] - found["J"]) < 5 * found["standard_error"]
    equal = told(mdptools, "example:small", "--steps", "10", "--episodes", "20", "--show", "20")
    assert equal["shown"][:10] != equal["shown"][10:]  # two batches of ten


def test_episodes_are_shown_step_by_step(mdptools):
    """Seen failing: with the state after for the state before; with the number of a name."""
    done = mdptools("simulate", *WORDS, "--show", "2", "--episodes", "10")
    one = told(mdptools, *WORDS, "--show", "2", "--episodes", "10")["shown"][0]
    n = len(one["a"])
    assert done.value("episode") == f"1, {n} step" + "s" * (n != 1)
    head, *rows = (line.split() for line in done.section("episode") if line)
    assert head == ["t", "state", "action", "reward"]
    names = ("left", "right")
    for t in range(n):
        assert rows[t][:3] == [f"{t}", f"{one['s'][t] + 1}", names[one["a"][t]]]
        assert float(rows[t][3]) == one["r"][t]
    assert rows[n] == [f"{n}", f"{one['s'][n] + 1}", "terminated"]
    assert sum(line.startswith("episode ") for line in done.lines) == 2


def test_long_episodes_are_shortened(mdptools):
    """Seen failing: with all steps."""
    done = mdptools("simulate", "example:small", "--steps", "50", "--show", "1")
    assert len(done.section("episode")) == 1 + 40 + 2
    assert "  and 10 more steps, to state" in done.out and done.out.endswith(": cut\n")


def test_alpha_makes_it_a_test(mdptools, monkeypatch):
    """Exit code 1 where the mean is too far off; the exact mean is made wrong here.

    By Chebyshev a right sampler fails with at most alpha; the seed is fixed.

    Seen failing: with 0 for the code; with alpha for its root.
    """
    done = mdptools("simulate", *WORDS, "--alpha", "0.01")
    assert done.code == 0 and done.value("test").startswith("holds: more than ")
    found = told(mdptools, *WORDS, "--alpha", "0.01")
    assert found["agrees"] is True
    assert found["allowed"] == pytest.approx(10 * found["standard_error"], rel=1e-6)
    assert told(mdptools, *WORDS)["agrees"] is None
    right = _sample.discounted_return
    monkeypatch.setattr(_sample, "discounted_return", lambda batch, gamma: right(batch, gamma) + 9)
    done = mdptools("simulate", *WORDS, "--alpha", "0.01")
    assert done.code == 1 and done.value("test").startswith("fails: ")
    assert mdptools("simulate", *WORDS).code == 0  # nobody asked


def test_one_episode_has_no_deviation(mdptools):
    """Seen failing: with ddof = 1 for one (a warning, and NaN)."""
    found = told(mdptools, *WORDS, "--episodes", "1")
    assert found["deviation"] is None and found["standard_error"] > 0
    assert mdptools("simulate", *WORDS, "--episodes", "1").code == 0


@pytest.mark.parametrize("ending", ["npz", "csv"])
def test_episodes_can_be_kept(mdptools, tmp_path, ending):
    """Seen failing: with the first batch alone; with padding in the rows."""
    path = tmp_path / f"episodes.{ending}"
    found = told(mdptools, *WORDS, "--episodes", "50", "-o", str(path))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert found["shown"] == []
    if ending == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            returns = (arrays["r"] * 0.9 ** np.arange(arrays["r"].shape[1])).sum(axis=1)
            assert arrays["mask"].sum(axis=1).tolist() == found["lengths"]
            assert int(arrays["terminated"].sum()) == found["terminated"]
    else:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [*csv.DictReader(file)]
        returns = np.zeros(50)
        for row in rows:
            returns[int(row["episode"])] += 0.9 ** int(row["t"]) * float(row["reward"])
        assert len(rows) == sum(found["lengths"])
        assert rows[0]["action_name"] in ("left", "right") and rows[0]["state_name"] in "1234"
        assert sum(int(row["terminated"]) for row in rows) == found["terminated"]
    np.testing.assert_allclose(returns, found["returns"])


def test_control_c_gives_what_there_is(mdptools, monkeypatch):
    """Seen failing: with exit code 0; with nothing at all."""
    monkeypatch.setattr(_sample, "CELLS", 100)
    calls = []

    def interrupted(*words, **keywords):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return rollout(*words, **keywords)

    monkeypatch.setattr(_sample, "rollout", interrupted)
    done = mdptools("simulate", *WORDS)
    assert done.code == 130 and done.err == "mdptools: interrupted.\n"
    assert done.value("episodes").endswith("; stopped by Ctrl-C")
    calls.clear()
    found = json.loads(mdptools("simulate", *WORDS, "--json").out)
    assert found["stopped"] is True and 0 < found["episodes"] < 1000
    calls[:] = [None] * 2
    assert mdptools("simulate", *WORDS) == (130, "", "mdptools: interrupted.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--alpha", "0"], "--alpha is 0; it must be a probability above 0 and below 1"),
        (["--alpha", "1"], "--alpha is 1; it must be"),
        (["-o", "x.txt"], "its name must end in .npz or .csv"),
        (["-o", "nowhere/x.csv"], "there is no folder nowhere"),
        (["--policy", "LEFT", "--gamma", "1"], "give --steps N or --horizon H."),
    ],
)
def test_bad_input_is_one_paragraph(mdptools, tmp_path, words, message):
    """Before anything is drawn.

    Seen failing: with the check of the file's name after the drawing; with "max_steps=".
    """
    left = tmp_path / "left.npy"
    np.save(left, [[1.0, 0.0]] * 5)
    done = mdptools("simulate", *WORDS, *(str(left) if word == "LEFT" else word for word in words))
    assert (done.code, done.out) == (2, "") and message in done.complaint


def test_a_folder_that_cannot_be_written_to(mdptools, tmp_path):
    """Seen failing: with OSError let through (exit code 3)."""
    path = tmp_path / "taken.csv"
    path.mkdir()
    done = mdptools("simulate", *WORDS, "-o", str(path))
    assert done.code == 2 and "taken.csv cannot be written" in done.complaint
    assert [each.name for each in tmp_path.iterdir()] == ["taken.csv"]


def test_an_exact_deviation_is_an_upper_bound():
    """Seen failing: with the bound of the variance left out."""
    mdp = load_model("example:line_world")
    pi = uniform_policy(mdp)
    moments = return_moments(mdp, pi)
    known = _sample._deviation(mdp, pi, 0.0)
    above = moments.start_variance + moments.J_certificates[2].bound
    assert known == math.sqrt(above) > moments.start_std
    assert _sample._deviation(mdp, pi, 0.5) == known + 0.5
