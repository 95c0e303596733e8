"""Every fingerprint names its planted example, and none names what is only noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.checking.causes import NAMES, find_cause
from gradproof_service.checking.causes.fingerprints import FINGERPRINTS, fingerprints
from gradproof_service.checking.reference import blocks_of
from gradproof_service.checking.scene import gradient_scene

from tests.service.checking.causes.planted import Stage, random_graph, stage

R = np.random.default_rng(5)
X, W, B, T = (
    R.standard_normal((16, 3)),
    R.standard_normal((3, 2)),
    R.standard_normal(2),
    R.standard_normal((16, 2)),
)
V = R.standard_normal(10)
S = R.standard_normal((4, 4))
H = np.tanh(X @ W + B)
D = 2 * (H - T) * (1 - H**2) / 16


def loss(xp: Any, x: Any, W: Any, b: Any) -> Any:
    """A dense layer with tanh, squared error summed over outputs, averaged over the batch."""
    wrong = xp.tanh(x @ W + b) - xp.constant(T)
    return xp.mean(xp.sum(xp.square(wrong), axes=(-1,)))


def layer(by: str) -> Stage:
    """The loss by one of its arguments."""
    return stage(loss, by, x=X, W=W, b=B)


def vector(function: Callable[..., Any], x: Array = V) -> Stage:
    """A function of one vector."""
    return stage(function, x=x)


def matrix() -> Stage:
    """A function of one square matrix whose gradient is not symmetric."""
    return stage(lambda xp, x: xp.sum(xp.sin(x) @ xp.cos(x)), x=S)


def two_branches(xp: Any, x: Any) -> Any:
    """sin on the right, a square on the left."""
    return xp.sum(xp.where(xp.greater(x, 0.0), xp.sin(x), xp.square(x)))


def exchanged(xp: Any, x: Any, z: Any) -> Any:
    """Two arguments of one shape."""
    return xp.sum(xp.sin(x) * z)


CASES: list[tuple[str, str, Callable[[], Stage], Callable[[Array], Any]]] = [
    ("F01", "claimed = 16 x true", lambda: layer("W"), lambda r: 16 * r),
    ("F01", "16 is the first axis of x: a mean written as a sum", lambda: layer("b"), lambda r: 16 * r),
    ("F01", "a sum written as a mean", lambda: vector(lambda xp, x: xp.sum(xp.sin(x))), lambda r: r / 10),
    ("F01", "the sign is turned", lambda: layer("x"), lambda r: -r),
    ("F01", "claimed = 1/2 x true", lambda: layer("W"), lambda r: r / 2),
    ("F01", "claimed = 2 x true", lambda: layer("b"), lambda r: r * 2),
    ("F01", "ln 10", lambda: layer("W"), lambda r: r * np.log(10)),
    ("F01", "pi/180", lambda: layer("W"), lambda r: r * np.pi / 180),
    ("F01", "2 pi", lambda: layer("W"), lambda r: r * 2 * np.pi),
    ("F01", "claimed = 1.2345 x true", lambda: layer("W"), lambda r: r * 1.2345),
    ("F02", "3 in 5 entries, 4 in 5 entries", lambda: vector(lambda xp, x: xp.sum(xp.square(x))),
     lambda r: r / np.repeat([4.0, 3.0], 5)),
    ("F03", "of x transposed", matrix, lambda r: r.T),
    ("F03", "axes of output and input are exchanged",
     lambda: vector(lambda xp, x: xp.tanh(xp.constant(R_SQUARE) @ x), V[:4]), lambda r: r.T),
    ("F03", "reversed", lambda: vector(lambda xp, x: xp.sum(xp.exp(x))), lambda r: r[::-1]),
    ("F03", "shifted by 1", lambda: vector(lambda xp, x: xp.sum(xp.exp(x))), lambda r: np.roll(r, 1)),
    ("F03", "column order", lambda: layer("W"), lambda r: r.reshape(-1).reshape((3, 2), order="F")),
    ("F03", "another order", lambda: vector(lambda xp, x: xp.sum(xp.exp(x))), lambda r: r[[3, 1, 2, 0, 4, 5, 9, 7, 8, 6]]),
    ("F04", "at index 1 along the first axis of W", lambda: layer("W"), lambda r: r * [[1], [0], [1]]),
    ("F04", "at index 1 along the second axis of W", lambda: layer("W"), lambda r: r * [1, 0]),
    ("F07", "G + G^T - diag(G)", matrix, lambda r: r + r.T - np.diag(np.diag(r))),
    ("F07", "(G + G^T)/2", matrix, lambda r: (r + r.T) / 2),
    ("F07", "twice", matrix, lambda r: 2 * r - np.diag(np.diag(r))),
    ("F07", "lower triangle", matrix, np.tril),
    ("F07", "lower triangle of the matrix", lambda: vector(lambda xp, x: xp.tanh(xp.constant(R_SQUARE) @ x), V[:4]), np.tril),
    ("F08", "one-sided slopes", lambda: vector(lambda xp, x: xp.sum(xp.relu(x) * 3.0), np.array([0.0, 1, -2, 0])),
     lambda r: np.array([3.0, 3, 0, 1.5])),
    ("F09", "its mean along the first axis of W", lambda: layer("W"), lambda r: np.broadcast_to(r.mean(0), r.shape)),
    ("F09", "its running sum", lambda: vector(lambda xp, x: xp.sum(xp.exp(x))), np.cumsum),
    ("F09", "only the first slice", lambda: layer("b"), lambda r: D[0]),
    ("F10", "by z, not by x", lambda: stage(exchanged, x=V, z=V[::-1] * 2), lambda r: np.sin(V)),
    ("F10", "at -x", lambda: vector(lambda xp, x: xp.sum(xp.sin(x * x + x))), lambda r: np.cos(V * V - V) * (1 - 2 * V)),
    ("F10", "value of sin#0 itself", lambda: vector(lambda xp, x: xp.sum(xp.exp(xp.sin(x)))), lambda r: np.sin(V)),
    ("F11", "its slope is written 1 - y", lambda: layer("W"), lambda r: X.T @ (2 * (H - T) * (1 - H) / 16)),
    ("F11", "its own slope is left out", lambda: layer("b"), lambda r: (2 * (H - T) / 16).sum(0)),
    ("F11", "its slope is written y", lambda: vector(lambda xp, x: xp.sum(xp.square(xp.sigmoid(x)))),
     lambda r: 2 / (1 + np.exp(-V)) ** 2),
    ("F12", "digits", matrix, lambda r: r.astype(np.float32) * (1 + 1e-7 * np.sin(np.arange(16).reshape(4, 4)))),
    ("F13", "right where x >= 0", lambda: vector(two_branches), lambda r: np.where(V > 0, r, 3 * V**2)),
    ("F18", "only along x itself", lambda: vector(lambda xp, x: xp.sum(xp.sin(x))), lambda r: r - V * (V @ r.ravel()) / (V @ V)),
    ("F14", "exactly 0", lambda: layer("W"), lambda r: 0 * r),
    ("F14", "NaN in 1 of 6", lambda: layer("W"), lambda r: np.where(r == r.max(), np.nan, r)),
    ("F15", "only the entry at [1, 1]", lambda: layer("W"), lambda r: r * np.array([[1, 1], [1, 1.001], [1, 1]])),
    ("F15", "right at index 0 of x only", lambda: vector(lambda xp, x: xp.sum(xp.exp(x))),
     lambda r: np.where(np.arange(10) > 0, r + np.cos(np.arange(10)), r)),
    ("F05", "the contribution to x through exp#1 is missing",
     lambda: vector(lambda xp, x: xp.sum(xp.sin(x) * xp.exp(x) + xp.square(x))), lambda r: np.cos(V) * np.exp(V) + 2 * V),
    ("F06", "claimed = true", lambda: vector(lambda xp, x: xp.sum(xp.sin(x) * xp.exp(x) + xp.square(x))),
     lambda r: r - 2 * np.cos(V) * np.exp(V) + 2 * V),
    ("F16", "none of the usual ones",
     lambda: vector(lambda xp, x: xp.sum(xp.sin(xp.constant(R_WIDE) @ x)) + xp.sum(xp.square(x))),
     lambda r: r + R_WIDE.T @ np.array([0.3, -0.7])),
]  # fmt: skip
R_SQUARE = R.standard_normal((4, 4))
R_WIDE = R.standard_normal((2, 10))


@pytest.mark.parametrize("case", CASES, ids=[f"{c[0]}-{c[1][:28]}" for c in CASES])
def test_a_planted_mistake_is_named(
    case: tuple[str, str, Callable[[], Stage], Callable[[Array], Any]],
) -> None:
    """The planted cause comes first, with its numbers, and explains everything."""
    code, says, make, claim = case
    here = make()
    cause = here.cause(np.asarray(claim(here.block)))
    assert cause is not None
    assert cause.code == code, cause.text
    assert says in cause.text
    assert cause.name == NAMES[code][0]
    assert cause.explained > 0.95


def test_every_code_has_a_planted_mistake() -> None:
    """No code is without an example; the walk has its own tests."""
    assert {c[0] for c in CASES} == set(NAMES) - {"F17"}
    assert len({f.code for f in FINGERPRINTS}) == len(FINGERPRINTS)


def test_the_story_of_a_batch() -> None:
    """A mean written as a sum is told with the batch size and with the node that averages."""
    cause = layer("W").cause(16 * layer("W").block)
    assert cause is not None
    assert (
        cause.text
        == "claimed = 16 x true in all 6 entries; 16 is the first axis of x: a mean written as a sum"
    )
    assert cause.nodes[0].startswith("mean#")


@pytest.mark.parametrize("rng_seed", range(12))
def test_noise_has_no_cause(rng_seed: int) -> None:
    """What follows no rule is given no cause: random claims, and right ones with random errors."""
    graph, arrays = random_graph(rng_seed, 20)
    here = stage(graph, a=arrays[0], b=arrays[1], c=arrays[2])
    r = np.random.default_rng((rng_seed, 3))
    if not here.right.any():
        return
    shape = here.right.shape
    for claimed in (
        here.right * (1 + 1e-3 * r.standard_normal(shape)),
        here.right * r.uniform(-2, 2, shape),
        here.right + r.standard_normal(shape),
    ):
        assert list(fingerprints(here.mismatch(claimed))) == []
        assert here.cause(claimed) is None


def test_a_factor_under_noise_is_still_named() -> None:
    """Multiplicative noise of 1e-4 does not hide a constant factor."""
    here = layer("W")
    cause = here.cause(16 * here.block * (1 + 1e-4 * np.cos(np.arange(6)).reshape(3, 2)))
    assert cause is not None
    assert cause.code == "F01"
    assert 0.99 < cause.explained <= 1


def test_one_entry_in_many() -> None:
    """A single entry that is 1e-6 off among thousands is told by its index."""
    here = vector(lambda xp, x: xp.sum(xp.tanh(x) * x), R.standard_normal(5000))
    claimed = here.block
    claimed[777] *= 1 + 1e-6
    cause = here.cause(claimed)
    assert cause is not None
    assert cause.code == "F15"
    assert "[777]" in cause.text


def test_a_hessian_is_read_like_a_jacobian() -> None:
    """In the scene of a gradient the same forms are named."""
    first = stage(lambda xp, x: xp.sum(xp.exp(xp.sin(x) * xp.flip(x))), x=V[:4])
    scene = gradient_scene(first.scene, 0)
    block = blocks_of(scene, "reverse")[0, 0]
    here = Stage(scene, 0, 0, block.value, 8 * block.bar + 1e-14)
    for claimed, code in (
        (2 * here.right, "F01"),
        (np.triu(here.right), "F07"),
        (here.right * 0, "F14"),
    ):
        cause = here.cause(claimed)
        assert cause is not None
        assert cause.code == code


def test_one_number_says_little() -> None:
    """With one entry only a well known factor is named."""
    here = stage(lambda xp, x: xp.sin(x) * xp.exp(x), x=np.array(1.3))
    doubled = here.cause(2 * here.right)
    assert doubled is not None
    assert doubled.code == "F01"
    assert here.cause(1.3371 * here.right) is None


def test_bad_input_has_no_cause() -> None:
    """Shapes that do not fit, empty blocks and references that are not finite give None."""
    here = layer("W")
    assert here.cause(here.right) is None
    infinite = np.full(here.right.shape, np.inf)
    assert find_cause(here.scene, 0, 1, here.right, infinite, here.bar) is None
    assert find_cause(here.scene, 0, 1, here.right[:, :2], here.right, here.bar) is None
    assert find_cause(here.scene, 0, 1, 2 * here.right, here.right, infinite) is None
