"""The field of learning: arrows, stationary points, paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import pictures
from mdptools import MDP, ModelError, Softmax, plots, vector_field
from mdptools.gradients import VectorField
from mdptools.policies import LogLinear
from pictures import plt

HERE = Path(__file__).parent / "pictures"
MODEL = MDP(
    [[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.05, 0.95]]], [[-0.1, 0.4], [-0.1, 0.6]], gamma=0.9
)
PLANE = (np.zeros((2, 2)), np.array([[-0.5, 0.5], [0, 0]]), np.array([[0, 0], [-0.5, 0.5]]))
LINE = np.linspace(-4.0, 4.0, 9)
FIELD = vector_field(MODEL, Softmax(MODEL), LINE, LINE, plane=PLANE)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def landscape(J, dx, dy, x=None, y=None):
    """A field from functions."""
    x = np.linspace(-2.0, 2.0, 24) if x is None else x
    y = np.linspace(-1.5, 1.5, 19) if y is None else y
    across, up = np.meshgrid(x, y)
    return VectorField(x, y, J(across, up), dx(across, up), dy(across, up), False)


HILLS = landscape(
    lambda x, y: -((x**2 - 1) ** 2) / 4 - y**2 / 2, lambda x, y: -(x**2 - 1) * x, lambda x, y: -y
)


def arrows(ax):
    """The quiver."""
    (found,) = [one for one in ax.collections if hasattr(one, "U")]
    return found


def marked(ax):
    """Points by label."""
    return {line.get_label(): line.get_xydata() for line in ax.lines if len(line.get_xdata())}


def test_arrows_are_the_field():
    """Where they stand, where they point, how dark they are; all equally long.

    Seen failing: with dx and dy exchanged; with rows for columns; with lengths like speeds.
    """
    found = arrows(plots.vector_field(FIELD))
    across, up = np.meshgrid(FIELD.x, FIELD.y)
    assert np.array_equal(found.get_offsets(), np.stack([across.ravel(), up.ravel()], axis=1))
    speed = np.hypot(FIELD.dx, FIELD.dy).ravel()
    assert np.asarray(found.get_array()) == pytest.approx(speed)
    assert np.hypot(found.U, found.V) == pytest.approx(np.ones(81))
    assert found.U * speed == pytest.approx(FIELD.dx.ravel())
    assert found.V * speed == pytest.approx(FIELD.dy.ravel())
    assert found.angles == "xy"  # along the data, also where the axes have two scales
    dark = found.to_rgba(speed)[:, 0]
    assert dark[speed.argmax()] == dark.min() < 0.1 and dark.max() < 0.85


def test_a_fine_grid_has_no_more_arrows_than_can_be_seen():
    """Seen failing: with the first points of a fine grid alone."""
    line = np.linspace(-1.0, 1.0, 101)
    field = landscape(lambda x, y: x, lambda x, y: 1 + x, lambda x, y: y, line, line)
    found = arrows(plots.vector_field(field))
    x, y = found.get_offsets().T
    assert len(np.unique(x)) == 17 and x.max() == pytest.approx(-x.min()) == pytest.approx(0.96)
    moving = np.hypot(1 + x, y)
    moving = moving[moving > 0]
    assert np.asarray(found.get_array()) == pytest.approx(moving)


def test_speeds_of_many_sizes_are_told_apart_by_logarithms():
    """Seen failing: with one scale for all."""
    steep = landscape(lambda x, y: x, lambda x, y: 10 ** (3 * x), lambda x, y: 0 * y)
    assert type(arrows(plots.vector_field(steep)).norm).__name__ == "LogNorm"
    assert type(arrows(plots.vector_field(FIELD)).norm).__name__ == "Normalize"


def test_stationary_points_and_what_they_do():
    """Two hills and the saddle between them; a basin repels.

    Seen failing: with the signs of the eigenvalues exchanged; with the centres of cells for zeros.
    """
    found = marked(plots.vector_field(HILLS))
    peaks = found["stationary: attracts"]
    assert sorted(peaks[:, 0]) == pytest.approx([-1, 1], abs=0.01)
    assert peaks[:, 1] == pytest.approx(0, abs=1e-9)
    assert found["stationary: a saddle"] == pytest.approx(np.zeros((1, 2)), abs=1e-9)
    assert "stationary: repels" not in found
    basin = landscape(lambda x, y: x**2 + y**2, lambda x, y: 2 * x - 0.3, lambda x, y: 2 * y)
    found = marked(plots.vector_field(basin))
    assert found["stationary: repels"] == pytest.approx(np.array([[0.15, 0.0]]))
    spiral = landscape(lambda x, y: 0 * x, lambda x, y: -x - 9 * y, lambda x, y: 9 * x - y)
    assert set(marked(plots.vector_field(spiral))) == {"stationary: attracts"}


def test_zeros_at_points_of_the_grid_are_marked_once():
    """Seen failing: with all four squares that share it."""
    line = np.linspace(-1.0, 1.0, 5)
    field = landscape(lambda x, y: -(x**2) - y**2, lambda x, y: -x, lambda x, y: -y, line, line)
    assert len(marked(plots.vector_field(field))["stationary: attracts"]) == 1


def test_lines_of_zeros_and_round_off_are_no_points():
    """Seen failing: without the determinant; without the least size."""
    ridge = landscape(lambda x, y: -((x + y) ** 2), lambda x, y: -x - y, lambda x, y: -x - y)
    assert not marked(plots.vector_field(ridge))
    rng = np.random.default_rng(0)
    flat = landscape(
        lambda x, y: x,
        lambda x, y: np.where(x > 0, 1.0, 1e-17 * rng.normal(size=x.shape)),
        lambda x, y: 1e-17 * rng.normal(size=x.shape),
    )
    assert not marked(plots.vector_field(flat))


def test_a_peak_of_a_model_is_found():
    """Two states that look alike, in which the policy has to be random: by ascent, another road.

    Seen failing: with the grid's own largest J for it.
    """
    P = [
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 0.0, 1.0]] * 2,
    ]
    mdp = MDP(P, [[-1.0, -1.0], [-1.0, -1.0], [0.0, 0.0]], gamma=0.95, mu=[1.0, 0.0, 0.0])
    alike = np.zeros((3, 2, 2))
    alike[:2, 1, 0] = 1.0  # one logit for both
    alike[2, 1, 1] = 1.0
    family = LogLinear(mdp, alike)
    line = np.linspace(-2.1, 2.0, 30)
    field = vector_field(mdp, family, line, line)
    best = field.x[field.J.argmax() % 30]
    ax = plots.vector_field(field)
    assert "stationary: attracts" not in marked(ax)  # the second parameter does nothing: a line
    tilted = VectorField(
        field.x, field.y, field.J, field.dx, field.dy - 0.1 * field.y[:, None], False
    )
    peak = marked(plots.vector_field(tilted))["stationary: attracts"]
    assert abs(peak[0, 0] - best) < 0.15 and abs(peak[0, 1]) < 1e-9
    fine = vector_field(mdp, family, peak[:, 0], [0.0])
    assert abs(fine.dx[0, 0]) < 1e-2 * np.abs(field.dx).max()


def test_paths_in_the_plane_and_as_parameters():
    """Seen failing: without the origin; with u and v exchanged; with dots of their own for each."""
    theta = np.array([[[0.0, 0.0], [0.0, 0.0]], [[-0.5, 0.5], [0.25, -0.25]]])
    paths = [[[0.0, 0.0], [1.0, -0.5]], theta]
    ax = plots.vector_field(FIELD, paths=paths, labels=["x and y", "theta"])
    for label in ("x and y", "theta"):
        assert marked(ax)[label] == pytest.approx(np.array(paths[0]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x$, steps along $u$", "$y$, steps along $v$")
    assert ax.get_title(loc="left") == "gradient, a dot for each update"
    origin, u, v = PLANE
    shifted = vector_field(MODEL, Softmax(MODEL), LINE, LINE, plane=(origin + u - 2 * v, u, v))
    ax = plots.vector_field(shifted, paths=theta, labels="one")
    assert marked(ax)["one"] == pytest.approx(np.array(paths[0]) - [1.0, -2.0])
    long = plots.vector_field(FIELD, paths=[np.zeros((401, 2)), np.ones((5, 2))])
    assert {line.get_markevery() for line in long.lines if line.get_label() == "_path"} == {50}


def test_without_a_plane_the_axes_are_the_parameters():
    """Seen failing: with the words of a plane."""
    mdp = MDP(np.ones((1, 2, 1)), [[0.0, 1.0]], gamma=0.5)
    field = vector_field(mdp, Softmax(mdp), LINE, LINE, natural=True)
    ax = plots.vector_field(field)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"$\theta_1$", r"$\theta_2$")
    assert ax.get_title(loc="left") == "natural gradient"
    assert "equal $J$" in ax.get_legend_handles_labels()[1]
    bar = ax.figure.axes[-1]
    assert bar.get_ylabel() == "speed [units of the gradient]"


def test_angles_are_true_where_axes_are_alike():
    """And no arrow is cut at an edge.

    Seen failing: with one scale for axes of any length; with limits at the last points.
    """
    ax = plots.vector_field(FIELD)
    assert ax.get_aspect() == 1.0 and ax.get_xlim() == (-4.5, 4.5)
    long = landscape(lambda x, y: x, lambda x, y: 1 + 0 * x, lambda x, y: 0 * y, y=LINE * 100)
    assert plots.vector_field(long).get_aspect() == "auto"


def test_a_field_of_zeros_is_empty_and_drawn():
    """Seen failing: with a division by the largest speed."""
    zero = landscape(lambda x, y: 0 * x, lambda x, y: 0 * x, lambda x, y: 0 * y)
    ax = plots.vector_field(zero, ax=pictures.canvas())
    assert not ax.collections
    pictures.drawn(ax)


def test_bad_arguments_are_named():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"field is 3; it must be what vector_field returns"):
        plots.vector_field(3)
    thin = vector_field(MODEL, Softmax(MODEL), LINE, [0.0], plane=PLANE)
    with pytest.raises(ModelError, match=r"the field has 9 x 1 points; a picture needs two"):
        plots.vector_field(thin)
    with pytest.raises(
        ModelError, match=r"paths\[0\] has shape \(2, 3\); .* or \(T\+1, \*\(2, 2\)\)"
    ):
        plots.vector_field(FIELD, paths=[np.zeros((2, 3))])
    with pytest.raises(
        ModelError, match=r"paths\[1\] .* it must be finite and \(T\+1, 2\): two par"
    ):
        plots.vector_field(HILLS, paths=[np.zeros((2, 2)), [[np.nan, 0.0]]])
    with pytest.raises(ModelError, match=r"labels has 1 names for 2 paths"):
        plots.vector_field(HILLS, paths=[np.zeros((2, 2))] * 2, labels=["a"])


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.vector_field(FIELD, ax=ax) is ax


def test_the_picture_looks_as_it_did():
    """Seen failing: without arrows; without the path; with arrows as long as they are fast."""
    path = np.array([[-2.0, 1.0], [-1.0, 2.5], [1.0, 3.5]])
    ax = plots.vector_field(FIELD, paths=path, ax=pictures.canvas())
    stored = pictures.stored(ax, HERE / "vector_field.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    fewer = plots.vector_field(FIELD, ax=pictures.canvas())
    assert pictures.apart(pictures.drawn(fewer), stored) > pictures.NEAR
