"""The picture of a graph: nodes, arrows, probabilities, classes, and that they keep apart."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex
from matplotlib.patches import Circle, FancyArrowPatch

import pictures
from mdptools import MDP, MissingExtraError, ModelError, plots, solve
from mdptools.plots import _curves, _places, _style
from mdptools.policies import uniform_policy
from mdptools.problems import (
    chain,
    frozen_lake,
    garnet,
    multichain,
    random_walk,
    recycling_robot,
    ring,
)
from pictures import plt

ROBOT = recycling_robot(gamma=0.9)
WALK = random_walk()
TWO_ENDS = multichain()
HERE = Path(__file__).parent / "pictures"


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def nodes(ax):
    """Circles by name: "state 0", "ring 0", "action 0,1"."""
    return {patch.get_gid(): patch for patch in ax.patches if isinstance(patch, Circle)}


def arrows(ax):
    """Arrows by name: "0->1", where action nodes follow the states."""
    return {patch.get_gid(): patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)}


def written(ax):
    return sorted(text.get_text() for text in ax.texts)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().texts]


def test_a_chain_has_an_arrow_for_each_transition_with_its_probability():
    """Seen failing: with probabilities of one action; with arrows from the ends; with a label of
    those that are sure."""
    ax = plots.transition_graph(WALK, uniform_policy(WALK))
    moves = {f"{s}->{t}" for s in range(1, 6) for t in (s - 1, s + 1)}
    assert set(arrows(ax)) == moves | {"start->3"}
    assert written(ax) == sorted(["0.5"] * 10 + [*"0123456"])
    pi = [[1 / 3, 2 / 3, 0.0], [0.0, 0.1, 0.9]]
    ax = plots.transition_graph(ROBOT, pi)
    P = np.einsum("sa,sat->st", pi, ROBOT.P)
    assert written(ax) == sorted([*(f"{p:.2g}" for p in P.ravel()), "high", "low"])
    sure = plots.transition_graph(ROBOT, [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert set(arrows(sure)) == {"0->0", "1->0"} and written(sure) == ["high", "low"]


def test_numbers_that_would_be_rounded_to_1_are_not():
    """Seen failing: with two digits for all."""
    for p, shown in ((0.997, "0.997"), (0.99999, "≈1"), (0.25, "0.25")):
        mdp = MDP([[[p, 1 - p]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.5)
        assert shown in written(plots.transition_graph(mdp, [[1.0], [1.0]]))


def test_without_a_policy_actions_are_small_nodes():
    """Seen failing: with refused actions; with actions of terminal states; with laws exchanged."""
    ax = plots.transition_graph(ROBOT)
    pairs = [(int(s), int(a)) for s, a in np.argwhere(ROBOT.allowed)]
    assert {name for name in nodes(ax) if name.startswith("action")} == {
        f"action {s},{a}" for s, a in pairs
    }
    wanted = {
        f"{2 + i}->{t}" for i, (s, a) in enumerate(pairs) for t in np.flatnonzero(ROBOT.P[s, a])
    }
    assert set(arrows(ax)) == wanted
    named = ["high", "low", *(ROBOT.action_names[a] for _, a in pairs)]
    shared = [p for s, a in pairs for p in ROBOT.P[s, a] if 0 < p < 1]
    assert written(ax) == sorted([*named, *(f"{p:.2g}" for p in shared)])
    assert nodes(ax)["action 0,0"].radius < nodes(ax)["state 0"].radius / 3
    ends_ = plots.transition_graph(WALK)
    assert not {"action 0,0", "action 6,0"} & set(nodes(ends_))


def test_arrows_go_from_rim_to_rim():
    """Seen failing: with curves from centre to centre; with source and target exchanged."""
    ax = plots.transition_graph(garnet(6, 2, 2, gamma=0.9, rng=0), None)
    held = nodes(ax)
    states = [held[f"state {s}"] for s in range(6)]
    actions = [held[name] for name in held if name.startswith("action")]
    every = states + actions
    for name, arrow in arrows(ax).items():
        source, target = (every[int(i)] for i in name.split("->"))
        curve = arrow._path_original.vertices  # as it was given
        for node, point in ((source, curve[0]), (target, curve[-1])):
            distance = np.hypot(*(np.array(node.center) - point))
            assert distance == pytest.approx(node.radius, abs=0.05)


def test_recurrent_classes_have_colours_and_transient_states_are_grey():
    """Seen failing: with communicating classes; with one colour for all; with grey ends."""
    ax = plots.transition_graph(TWO_ENDS, uniform_policy(TWO_ENDS))
    found = [to_hex(nodes(ax)[f"state {s}"].get_facecolor()).upper() for s in range(3)]
    assert found == ["#E3E3E3", *_style.COLOURS[:2]]
    assert legend(ax) == ["recurrent class 1", "recurrent class 2", "transient"]
    ax = plots.transition_graph(WALK, uniform_policy(WALK))
    assert {to_hex(nodes(ax)[f"state {s}"].get_facecolor()) for s in (0, 6)} == {"#ffffff"}
    assert {name for name in nodes(ax) if name.startswith("ring")} == {"ring 0", "ring 6"}
    assert legend(ax) == ["transient", "terminal: two rings", "start"]
    ax = plots.transition_graph(TWO_ENDS)  # each of the three comes back to itself
    found = [to_hex(nodes(ax)[f"state {s}"].get_facecolor()).upper() for s in range(3)]
    assert found == list(_style.COLOURS[:3]) and legend(ax)[-1] == "action"


def test_episodes_start_where_an_arrow_from_nowhere_points():
    """Seen failing: with an arrow to each state that can be the start; from within the node."""
    ax = plots.transition_graph(chain(4, n_actions=2), uniform_policy(chain(4, n_actions=2)))
    curve = arrows(ax)["start->0"]._path_original.vertices
    node = nodes(ax)["state 0"]
    away = np.hypot(*(curve - node.center).T) / node.radius
    assert away == pytest.approx([2.1, 1.55, 1.0])
    assert not any(name.startswith("start") for name in arrows(plots.transition_graph(ROBOT)))


def test_two_ways_between_two_states_are_two_curves():
    """Seen failing: with straight lines; with both bent to the same side."""
    mdp = ring(6, rng=0)
    ax = plots.transition_graph(mdp, uniform_policy(mdp))
    there, back = (arrows(ax)[name]._path_original.vertices for name in ("0->1", "1->0"))
    middle = [_curves.bezier(curve, np.array([0.5]))[0] for curve in (there, back)]
    assert np.hypot(*(middle[0] - middle[1])) > 0.15
    to_and_fro = MDP([[[0.0, 1.0]], [[1.0, 0.0]]], [1.0, 1.0], 0.5)  # no labels push these apart
    ax = plots.transition_graph(to_and_fro, [[1.0], [1.0]])
    there, back = (arrows(ax)[name]._path_original.vertices for name in ("0->1", "1->0"))
    middle = [_curves.bezier(curve, np.array([0.5]))[0] for curve in (there, back)]
    assert np.hypot(*(middle[0] - middle[1])) > 0.15
    loop = plots.transition_graph(ROBOT, uniform_policy(ROBOT))
    assert len(arrows(loop)["0->0"]._path_original.vertices) == 4


def test_arrows_run_round_nodes_and_labels_aside_from_labels():
    """Seen failing: with straight arrows alone; with all labels in the middle."""
    radii = np.full(3, 0.3)
    places = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    (curve,) = _curves.curves(places, radii, [_curves.Joined(0, 1, (0.0, 0.0))])
    course = _curves.bezier(curve.points, np.linspace(0, 1, 50))
    assert np.hypot(*(course - places[2]).T).min() > 0.3
    corners = np.array([[0.0, 0.0], [2.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
    size = (0.5, 0.2)
    crossing = [_curves.Joined(0, 1, size), _curves.Joined(2, 3, size)]
    one, other = _curves.curves(corners, np.full(4, 0.1), crossing)
    assert (np.abs(one.label - other.label) >= np.array(size) - 1e-9).any()
    for curve in (one, other):
        assert curve.points[1] == pytest.approx([1.0, 1.0])  # there was no need to bend


@pytest.mark.parametrize("mdp", [ROBOT, chain(12, n_actions=2), TWO_ENDS])
def test_no_arrow_runs_through_the_name_of_an_action(mdp):
    """Seen failing: with all names to the right of their nodes."""
    ax = plots.transition_graph(mdp)
    ax.figure.canvas.draw()
    paths = [
        ax.transData.transform(_curves.bezier(arrow._path_original.vertices, np.linspace(0, 1, 40)))
        for arrow in arrows(ax).values()
    ]
    course = np.concatenate(paths)
    for text in ax.texts:
        if text.get_fontstyle() == "italic":
            low, high = text.get_window_extent().get_points()
            assert not ((course > low + 1) & (course < high - 1)).all(axis=1).any()


@pytest.mark.parametrize(
    ("mdp", "pi"),
    [(garnet(12, 2, 2, gamma=0.9, rng=0), None), (frozen_lake(), "uniform")],
)
def test_words_keep_clear_of_nodes_and_of_each_other(mdp, pi):
    """Of all pairs of words, and of all words and states that they do not name.

    Seen failing: with labels that do not mind nodes or each other.
    """
    ax = plots.transition_graph(mdp, None if pi is None else uniform_policy(mdp))
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent().get_points() for text in ax.texts]

    def overlap(one, other):
        inner = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
        return float(np.prod(np.maximum(inner, 0)))

    sizes = [float(np.prod(box[1] - box[0])) for box in boxes]
    covered = sum(overlap(one, other) for one, other in combinations(boxes, 2))
    assert covered < 0.01 * sum(sizes)
    discs = [node for name, node in nodes(ax).items() if name.startswith("state")]
    for text, box in zip(ax.texts, boxes, strict=True):
        centre = ax.transData.inverted().transform(box.mean(axis=0))
        inside = [np.hypot(*(centre - disc.center)) < 0.9 * disc.radius for disc in discs]
        named = text.get_bbox_patch() is None and text.get_fontstyle() == "normal"
        assert sum(inside) == named


def test_states_stand_where_the_layout_says_or_by_their_distances():
    """Seen failing: with rows upwards; with a random start; with the layout left aside."""
    lake = frozen_lake()
    ax = plots.transition_graph(lake, uniform_policy(lake))
    place = {s: nodes(ax)[f"state {s}"].center for s in range(16)}
    assert place[1][0] - place[0][0] == pytest.approx(1.1) and place[1][1] == place[0][1]
    assert place[4][1] - place[0][1] == pytest.approx(-1.1)
    mdp = garnet(9, 2, 2, gamma=0.9, rng=3)
    first, second = (nodes(plots.transition_graph(mdp, solve(mdp).pi)) for _ in range(2))
    assert all(first[name].center == second[name].center for name in first)
    round_ = ring(6, rng=0)
    held = nodes(plots.transition_graph(round_, uniform_policy(round_)))
    at = np.array([held[f"state {s}"].center for s in range(6)])
    sides = np.hypot(*(at - np.roll(at, 1, axis=0)).T)
    assert np.ptp(sides) < 0.05 * sides.mean() and at[:, 0].argmin() == 0


def test_a_long_row_is_folded():
    """There and back: each state is beside the next.

    Seen failing: with rows that all begin on the left; with rows folded that are hidden by arrows.
    """
    long = chain(24, n_actions=2)
    held = nodes(plots.transition_graph(long, uniform_policy(long)))
    at = np.array([held[f"state {s}"].center for s in range(24)])
    steps = np.hypot(*np.diff(at, axis=0).T)
    assert steps.max() < 1.2 * 1.1 + 1e-9 and np.ptp(at[:, 0]) < 12.5
    assert len(np.unique(at[:, 1].round(6))) == 3
    jumps = np.zeros((24, 24), dtype=bool)
    jumps[np.arange(24), (5 * np.arange(24) + 7) % 24] = True
    row = MDP(jumps[:, None].astype(float), np.ones(24), 0.5, layout=(1, 24))
    assert len(np.unique(_places.state_places(row, jumps, 1.1)[:, 1].round(3))) > 5


def test_states_in_one_place_part():
    """Seen failing: without parting (a division by 0)."""
    mdp = MDP(np.full((4, 1, 4), 0.25), np.ones(4), 0.5, layout=[(0, 0), (0, 0), (1, 1), (3, 0)])
    at = _places.state_places(mdp, np.ones((4, 4), dtype=bool), 1.0)
    apart = [np.hypot(*(at[i] - at[j])) for i, j in combinations(range(4), 2)]
    assert min(apart) == pytest.approx(1.0) and max(apart) < 20
    alone = MDP(np.ones((1, 1, 1)), [1.0], 0.5)
    assert set(nodes(plots.transition_graph(alone))) == {"state 0", "action 0,0"}
    islands = MDP(np.eye(5)[:, None], np.ones(5), 0.5)
    assert len(nodes(plots.transition_graph(islands, np.ones((5, 1))))) == 5


def test_long_names_stand_below_and_are_no_mathematics():
    """Seen failing: with names that leave their circles; with "$" as mathematics."""
    mdp = MDP(np.full((2, 1, 2), 0.5), [1.0, 2.0], 0.5, action_names=["$go_"],
              state_names=["a rather long name", "another of an endless length"])  # fmt: skip
    ax = plots.transition_graph(mdp)
    assert {"0", "1", "a rather long name", "another of an endle…"} < set(written(ax))
    assert "$go_" in written(ax) and not any(text.get_parse_math() for text in ax.texts)
    pictures.drawn(ax)


def test_what_is_too_large_is_refused_with_what_else_there_is():
    """Seen failing: without the limits; with the hint at a grid for a model that has none."""
    large = garnet(41, 2, 2, gamma=0.9, rng=0)
    with pytest.raises(
        ModelError, match=r"has 41 states; more than 40 cannot.*Instead: plots\.tab"
    ):
        plots.transition_graph(large)
    dense = garnet(12, 3, 4, gamma=0.9, rng=0)
    with pytest.raises(
        ModelError, match=r"has 144 arrows; more than 100 .*\(mdp, pi\) is the chai"
    ):
        plots.transition_graph(dense)
    lake = frozen_lake("8x8")
    with pytest.raises(ModelError, match=r"has 64 states.*Instead: plots\.grid_world shows values"):
        plots.transition_graph(lake, solve(lake).pi)
    with pytest.raises(ModelError, match=r"pi has shape \(5, 2, 3\).*: pi\[0\] is the first\.$"):
        plots.transition_graph(ROBOT, np.ones((5, 2, 3)) / 3)
    with pytest.raises(ModelError, match=r"pi gives 0\.333333 to action 2 \('recharge'\) in state"):
        plots.transition_graph(ROBOT, np.ones((2, 3)) / 3)
    with pytest.raises(ModelError, match=r"mdp is of type int"):
        plots.transition_graph(3)


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots(1, 2)[1][1]
    assert plots.transition_graph(ROBOT, ax=ax) is ax and len(plt.get_fignums()) == 1
    assert ax.get_aspect() == 1 and not ax.axison


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    """Seen failing: with a bare ImportError."""
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(MissingExtraError, match=r"mdptools\[plots\]"):
        plots.transition_graph(ROBOT)


def test_the_picture_looks_as_it_did():
    """Seen failing: with smaller states; with the classes' colours moved on by one."""
    mdp = chain(5, n_actions=2)

    def picture(pi):
        ax = pictures.canvas((8.0, 5.0))
        return pictures.silent(plots.transition_graph(mdp, pi, ax=ax))

    pi = uniform_policy(mdp)
    ax = picture(pi)
    stored = pictures.stored(ax, HERE / "transition_graph.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    assert np.array_equal(pictures.drawn(ax), pictures.drawn(picture(pi)))
    nodes(ax)["state 2"].set_visible(False)
    assert pictures.apart(pictures.drawn(ax), stored) > pictures.NEAR
