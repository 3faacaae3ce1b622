"""Estimators as people write them: whatever the style, the same rows, or one clear error."""

from fractions import Fraction

import numpy as np
import pytest

from mdptools import MDP, ModelError, rollout
from mdptools.estimators import gpomdp
from mdptools.policies import Observation
from mdptools.sampling import Trajectories
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import enumerate_trajectories, exact_moments
from mdptools.verify._returned import Layout, Reader, as_array, flat
from mdptools.verify._rows import Caller
from mdptools.verify._styles import STYLES, adapt, adapt_sampler, as_dict, read_target, seed_of

MDP_4 = discriminating_mdp()
FAMILY, THETA = policy_for(MDP_4)
PSI = FAMILY.score(THETA)


def everything():
    return Trajectories.concatenate(list(enumerate_trajectories(MDP_4, (FAMILY, THETA))))


class Tensor:
    """What a torch tensor does, as far as it matters: it must be detached before it is an array."""

    def __init__(self, data, requires_grad=True, device="gpu"):
        self.data, self.requires_grad, self.device = np.asarray(data), requires_grad, device

    def detach(self):
        return Tensor(self.data, False, self.device)

    def cpu(self):
        return Tensor(self.data, self.requires_grad, "cpu")

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy.")
        return self.data if dtype is None else self.data.astype(dtype)


class JaxArray:
    """What a JAX array does: it gives itself to NumPy, without detach or cpu."""

    def __init__(self, data):
        self.data = np.asarray(data, dtype=np.float32)

    def __array__(self, dtype=None, copy=None):
        return self.data if dtype is None else self.data.astype(dtype)


def of_steps(steps):
    """GPOMDP as in a lecture: one loop over a list."""
    grad, G = np.zeros_like(THETA), 0.0
    for t in reversed(range(len(steps))):
        s, a, r = steps[t]
        G = r + MDP_4.gamma * G
        grad += MDP_4.gamma**t * PSI[s, a].reshape(THETA.shape) * G
    return grad


def of_dict(episode):
    """The same with Gymnasium's words."""
    rewards = episode["rewards"]
    discounts = MDP_4.gamma ** np.arange(len(rewards))
    to_go = np.cumsum((discounts * rewards)[::-1])[::-1]  # gamma^t G_t
    scores = PSI[episode["observations"][:-1], episode["actions"]]
    return (scores * to_go[:, None]).sum(axis=0)


@pytest.mark.parametrize("wrap", [np.asarray, Tensor, JaxArray, np.ndarray.tolist])
def test_every_style_gives_the_rows_of_the_vectorised_estimator(wrap):
    """Seen failing: gamma^t left out of `of_steps`; detach, or cpu, not called; s of the last step
    dropped; rows of trajectory i + 1 given to i.
    """
    batch = everything()
    rows = gpomdp(batch, FAMILY, THETA, MDP_4.gamma)
    tol = 1e-5 if wrap is JaxArray else 1e-14
    for estimator, style in [
        (lambda b: wrap(gpomdp(b, FAMILY, THETA, MDP_4.gamma)), "batch"),
        (lambda steps: wrap(of_steps(steps)), "steps"),
        (lambda episode: wrap(of_dict(episode)), "dicts"),
    ]:
        caller = Caller(adapt(estimator, style), THETA.shape)
        assert np.abs(caller.rows(batch) - rows).max() <= tol
        assert (caller.precision > 1e-8) == (wrap is JaxArray)


def test_a_step_is_made_of_plain_numbers():
    """And the list knows how the episode ended.

    Seen failing: NumPy's numbers left in; `last` one step early; terminated for truncated.
    """
    batch = Trajectories.from_steps(
        [[(0, 1, 2.0), (3, 0, -1.0)], []], last=[4, 2], terminated=[False, True]
    )
    seen = []
    adapt(lambda steps: seen.append(steps) or 0.0, "steps")(batch)
    assert seen == [[(0, 1, 2.0), (3, 0, -1.0)], []]
    assert [type(x) for x in seen[0][0]] == [int, int, float]
    assert [(x.last, x.terminated, x.truncated, len(x.logp)) for x in seen] == [
        (4, False, True, 2),
        (2, True, False, 0),
    ]


def test_a_dict_has_the_arrays_of_an_episode():
    """Seen failing: padding kept; the flags of the end at every step; the last state left out."""
    batch = Trajectories.from_steps(
        [[(0, 1, 2.0), (3, 0, -1.0)], [(1, 1, 0.5)], []],
        last=[4, 2, 2],
        terminated=[True, False, True],
    )
    one, two, three = (as_dict(batch, i) for i in range(3))
    assert one["observations"].tolist() == one["states"].tolist() == [0, 3, 4]
    assert one["actions"].tolist() == [1, 0]
    assert one["rewards"].tolist() == [2.0, -1.0]
    assert one["terminations"].tolist() == [False, True]
    assert one["truncations"].tolist() == [False, False]
    assert one["final_observation"] == 4
    assert two["terminations"].tolist() == [False]
    assert two["truncations"].tolist() == [True]
    assert two["observations"].tolist() == [1, 2]
    assert three["observations"].tolist() == [2]
    assert three["actions"].shape == three["terminations"].shape == (0,)
    one["rewards"][0] = 7.0  # people write into their arrays
    assert batch.r[0, 0] == 2.0


def test_what_was_seen_stands_beside_the_state():
    """Steps are (s, o, a, r) and `observations` are what the policy saw.

    Seen failing: s for o in observations; o and a exchanged.
    """
    mdp = MDP([[[0.5, 0.5]] * 2] * 2, [1.0, -1.0], gamma=0.9, horizon=3)
    family = Observation(mdp, [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    batch = rollout(mdp, (family, np.zeros(family.shape)), 20, rng=0)
    kept = []
    adapt(lambda steps: kept.append(steps) or 0.0, "steps")(batch)
    for i, steps in enumerate(kept):
        episode = as_dict(batch, i)
        s, o, a, r = (np.array(x) for x in zip(*steps, strict=True))
        assert (s == batch.s[i, :3]).all()
        assert (o == batch.o[i]).all()
        assert (a == batch.a[i]).all()
        assert (r == batch.r[i]).all()
        assert (episode["observations"] == batch.o[i]).all()
        assert (episode["states"] == batch.s[i]).all()
    assert (batch.o != batch.s[:, :3]).any()


def test_dicts_of_arrays_are_laid_side_by_side():
    """In the order of the target's keys; nested keys joined; the coarsest type counts.

    Seen failing: the order of the answer's keys kept; float64 next to float32 taken for float64.
    """
    target = {"w": np.zeros((2, 2)), "net": {"b": np.zeros(2), "c": 0.0}}
    vector, layout = read_target(target)
    assert vector.shape == (7,)
    assert layout.shapes == (("w", (2, 2)), ("net.b", (2,)), ("net.c", ()))
    assert [layout.name(j) for j in (1, 4, 6)] == ["'w'[0, 1]", "'net.b'[0]", "'net.c'"]
    with pytest.raises(IndexError, match="7 columns"):
        layout.name(7)

    def one(steps):
        n = float(len(steps))
        return {"net": {"c": n, "b": Tensor([n, -n])}, "w": np.full((2, 2), 3 * n, np.float32)}

    batch = everything()
    caller = Caller(adapt(one, "steps"), (7,), layout=layout)
    rows = caller.rows(batch)
    assert (rows == batch.lengths[:, None] * np.array([3, 3, 3, 3, 1, -1, 1])).all()
    assert caller.precision == np.finfo(np.float32).eps
    assert read_target("J") == ("J", None)
    # Without a dict as target: the order of the first answer.
    found = exact_moments(adapt(one, "steps"), MDP_4, (FAMILY, THETA))
    assert found.mean[0] == found.mean[1] == -found.mean[2]


@pytest.mark.parametrize(
    ("estimator", "style", "message"),
    [
        (lambda b: {"w": b.r, "v": b.r[:3]}, "batch", r"\(3, 4\) at key 'v' and \(480, 4\) at key"),
        (lambda b: {"w": b.r[:3]}, "batch", r"returned 3 rows \(shape \(3, 4\)\) for 480"),
        (lambda b: {}, "batch", "a dict without keys"),
        (lambda b: {"w": {"x": None}}, "batch", "key 'w.x' is None: is a return statement missing"),
        (lambda b: b.r[0], "batch", "returned 4 rows .* for 480 .* style='steps'"),
        (lambda b: b.r.sum(), "batch", "returned one number .* style='steps' .* style='dicts'"),
        (lambda steps: None, "steps", "trajectory 0 is None"),
        (lambda steps: np.zeros(len(steps)), "steps", r"shape \(3,\); it had \(4,\) for traj"),
        (
            lambda steps: {"a": 1.0} if steps else {"b": 1.0},
            "steps",
            r"keys \['b'\]; it had \['a'\]",
        ),
        (
            lambda e: {"v": e["rewards"][:1]},
            "dicts",
            r"shape \(0,\) at key 'v'; it had \(1,\)",
        ),
        (lambda e: 0.0 if len(e["actions"]) else np.nan, "dicts", "not finite; .* in column 0"),
        (lambda e: {"v": [0.0, np.inf]}, "dicts", r"inf in 'v'\[1\], for the trajectory"),
        (lambda steps: "many", "steps", "is <U4 instead of real numbers"),
        (lambda steps: 1j, "steps", "is complex128 instead of real numbers"),
        (lambda steps: [1.0, [2.0]], "steps", "is no array of real numbers"),
    ],
)
def test_an_answer_that_is_no_row(estimator, style, message):
    """Seen failing: each without its check."""
    with pytest.raises(ModelError, match=message):
        Caller(adapt(estimator, style)).rows(everything())


def test_the_keys_must_be_the_targets():
    """Seen failing: unknown keys dropped; missing ones left out; shapes not compared."""
    _, layout = read_target({"w": [0.0, 0.0], "b": 0.0})
    batch = everything()
    for answer, message in [
        ({"w": batch.r[:, :2]}, "lacks key 'b': its keys must be"),
        ({"w": batch.r[:, :2], "b": batch.r[:, 0], "c": batch.r}, "has a key 'c' too many"),
        ({"w": batch.r[:, :3], "b": batch.r[:, 0]}, r"shape \(3,\) at key 'w'; it must be \(2,\)"),
    ]:
        with pytest.raises(ModelError, match=message):
            Caller(lambda b, x=answer: x, (3,), layout=layout).rows(batch)
    with pytest.raises(ModelError, match=r"have shape \(2,\), the target has shape \(3,\)"):
        Caller(lambda b: b.r[:, :2], (3,), layout=layout).rows(batch)
    # Who returns the flat vector knows the order.
    assert Caller(lambda b: b.r[:, :3], (3,), layout=layout).rows(batch).shape == (480, 3)


def test_rows_keep_their_shape_from_call_to_call():
    """Where no target says what it is. Seen failing: without the check."""
    widths = iter([2, 2, 2, 3])
    caller = Caller(lambda b: np.zeros((b.n, next(widths))))
    caller.rows(everything())
    with pytest.raises(ModelError, match=r"shape \(2,\) at first, and then \(3,\)"):
        caller.rows(everything())


@pytest.mark.parametrize(
    ("estimator", "style", "note"),
    [
        (lambda steps: sum(r for s, a, r in steps), "batch", "style='steps' hands it a list"),
        (lambda episode: episode["rewards"].sum(), "batch", "style='dicts' a dict"),
        (lambda steps: steps[-1][2], "steps", "trajectory 1 .*: 3"),
    ],
)
def test_an_exception_of_the_estimator_stays_what_it_is_and_gets_a_note(estimator, style, note):
    """Seen failing: without the note; with the note of another style."""
    batch = Trajectories.from_steps([[(0, 0, 1.0)], []], last=[3, 3])
    with pytest.raises((ValueError, TypeError, IndexError), match=r".") as caught:
        adapt(estimator, style)(batch)
    assert not isinstance(caught.value, ModelError)
    assert any(note.split(" .*")[0] in line for line in caught.value.__notes__)


def test_a_sampler_is_asked_for_n_rows():
    """Seen failing: without each check; the seed of the parent named."""
    sampler = adapt_sampler(lambda n, rng: rng.random((n, 2, 3)), (2, 3))
    rows = sampler(5, np.random.default_rng(1))
    assert (rows == np.random.default_rng(1).random((5, 6))).all()
    assert sampler.precision == np.finfo(float).eps
    with pytest.raises(ModelError, match=r"the sampler returned 1 rows .* for 5 draws"):
        adapt_sampler(lambda n, rng: rng.random((1, 2)))(5, np.random.default_rng(1))
    seeds = np.random.SeedSequence(3, spawn_key=(7,))
    bad = adapt_sampler(lambda n, rng: {"v": np.where(np.arange(n) == 3, np.nan, 1.0)})
    message = r"1 of the 5 .* row 3, with nan in 'v', for draw 3 of 5 from SeedSequence\(3, spawn_k"
    with pytest.raises(ModelError, match=message):
        bad(5, np.random.default_rng(seeds))
    assert bad.column(0) == "'v'"
    assert seed_of(object()) == ""


def test_where_drawn_trajectories_came_from_is_named():
    """Seen failing: without the origin."""
    batch = rollout(MDP_4, (FAMILY, THETA), 5, rng=3)
    caller = Caller(lambda b: np.full(b.n, np.nan), origin="drawn from SeedSequence(3)")
    with pytest.raises(ModelError, match=r"5 of the 5 .* for drawn from SeedSequence\(3\), the tr"):
        caller.rows(batch)


def test_numbers_of_all_kinds():
    """Seen failing: fractions refused; a list of tensors not detached; bfloat16 taken."""
    assert as_array([Fraction(1, 4), 2], "x").tolist() == [0.25, 2.0]
    assert as_array((Tensor(1.0), Tensor(2.0)), "x").tolist() == [1.0, 2.0]
    assert as_array(True, "x") == 1

    class Half(Tensor):
        def __array__(self, dtype=None, copy=None):
            raise TypeError("Got unsupported ScalarType BFloat16")

        detach = cpu = lambda self: self

    with pytest.raises(ModelError, match=r"x is no array of real numbers: .*BFloat16"):
        as_array(Half(1.0), "x")
    array, layout, eps = flat(np.float32(2.0), "x")
    assert (array, layout, eps) == (2.0, None, np.finfo(np.float32).eps)
    assert Layout((("a", ()),)).size == 1
    assert Reader("it", "rows").read(3.0, 7, str, one=True).tolist() == [[3.0]]


def test_styles_that_do_not_exist():
    """Seen failing: without the checks."""
    with pytest.raises(ModelError, match="'lists'; it must be one of batch, steps, dicts, sampler"):
        adapt(of_steps, "lists")
    with pytest.raises(ModelError, match="a sampler takes"):
        adapt(of_steps, STYLES[-1])
    with pytest.raises(ModelError, match="of type int; it must be called"):
        adapt(3, "batch")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mask": [[True, True], [False, True]]},
            r"mask\[1\] is False at step 0 and True at step 1",
        ),
        ({"terminated": [True, True]}, "trajectory 1 is both terminated and truncated"),
        ({"truncated": [False, False]}, "trajectory 1 is neither"),
    ],
)
def test_a_mask_or_an_end_that_contradicts_itself(change, message):
    """Seen failing: each without its check."""
    good = {
        "s": np.zeros((2, 3), int),
        "a": np.zeros((2, 2), int),
        "r": np.zeros((2, 2)),
        "mask": np.array([[True, True], [True, False]]),
        "terminated": np.array([True, False]),
        "truncated": np.array([False, True]),
        "logp": np.zeros((2, 2)),
    }
    assert Trajectories(**good).n == 2
    with pytest.raises(ModelError, match=message):
        Trajectories(**good | {name: np.array(x) for name, x in change.items()})
