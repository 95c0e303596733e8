"""Walking a hand-written backward pass: the line that is wrong while its operands are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.checking.causes import find_cause
from gradproof_service.checking.causes.telling import Culprit
from gradproof_service.checking.causes.walk import walk
from gradproof_service.diagnostic import Location
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate

from tests.service.checking.causes.planted import Stage, stage

R = np.random.default_rng(6)
POINT = {
    "x": R.standard_normal((16, 3)), "W": R.standard_normal((3, 4)), "b": R.standard_normal(4),
    "V": R.standard_normal((4, 2)),
}  # fmt: skip
T = R.standard_normal((16, 2))
LOGITS = {"x": R.standard_normal((8, 5)), "U": R.standard_normal((5, 3))}
Y = np.eye(3)[R.integers(0, 3, 8)]
Lines = dict[int, Callable[..., Any]]


def net(xp: Any, x: Any, W: Any, b: Any, V: Any) -> Any:
    """Two dense layers, tanh between, squared error averaged over the batch."""
    return xp.mean(xp.sum(xp.square(xp.tanh(x @ W + b) @ V - xp.constant(T)), axes=(-1,)))


def entropy(xp: Any, x: Any, U: Any) -> Any:
    """Softmax cross entropy averaged over the batch."""
    z = x @ U
    whole = xp.logsumexp(z, axes=(-1,), keepdims=True)
    return -xp.mean(xp.sum(xp.constant(Y) * (z - whole), axes=(-1,)))


def t(xp: Any, a: Any) -> Any:
    """The transpose."""
    return xp.matrix_transpose(a)


# The right backward passes, a dictionary of lines: each takes (xp, what is known so far by name).
BACKWARD: Lines = {
    1: lambda xp, k: k.update(h=xp.tanh(k["x"] @ k["W"] + k["b"])),
    2: lambda xp, k: k.update(dp=2.0 * (k["h"] @ k["V"] - xp.constant(T)) / 16.0),
    3: lambda xp, k: k.update(dh=k["dp"] @ t(xp, k["V"])),
    4: lambda xp, k: k.update(dz=k["dh"] * (1.0 - k["h"] * k["h"])),
    5: lambda xp, k: k.update(out=t(xp, k["x"]) @ k["dz"]),
}
SOFTMAX: Lines = {
    1: lambda xp, k: k.update(z=k["x"] @ k["U"]),
    2: lambda xp, k: k.update(e=xp.exp(k["z"])),
    3: lambda xp, k: k.update(p=k["e"] / xp.sum(k["e"], axes=(1,), keepdims=True)),
    4: lambda xp, k: k.update(dz=(k["p"] - xp.constant(Y)) / 8.0),
    5: lambda xp, k: k.update(out=t(xp, k["x"]) @ k["dz"]),
}
DW, DB, DX, DU = "W", "b", "x", "U"

# (function, the right lines, by, the line that is changed, what it becomes)
CASES: list[tuple[str, Lines, str, int, Callable[..., Any]]] = [
    ("net", BACKWARD, DW, 1, lambda xp, k: k.update(h=xp.tanh(k["x"] @ k["W"]))),
    ("net", BACKWARD, DW, 2, lambda xp, k: k.update(dp=2.0 * (k["h"] @ k["V"] - xp.constant(T)))),
    ("net", BACKWARD, DW, 2, lambda xp, k: k.update(dp=(k["h"] @ k["V"] - xp.constant(T)) / 16.0)),
    ("net", BACKWARD, DW, 2, lambda xp, k: k.update(dp=2.0 * (xp.constant(T) - k["h"] @ k["V"]) / 16.0)),
    ("net", BACKWARD, DW, 3, lambda xp, k: k.update(dh=k["dp"] @ t(xp, k["V"]) * 0.3)),
    ("net", BACKWARD, DW, 3, lambda xp, k: k.update(dh=xp.sin(k["dp"]) @ t(xp, k["V"]))),
    ("net", BACKWARD, DW, 4, lambda xp, k: k.update(dz=k["dh"] * (1.0 - k["h"]))),
    ("net", BACKWARD, DW, 4, lambda xp, k: k.update(dz=k["dh"] * k["h"])),
    ("net", BACKWARD, DW, 4, lambda xp, k: k.update(dz=k["dh"] * (1.0 + k["h"] * k["h"]))),
    ("net", BACKWARD, DW, 5, lambda xp, k: k.update(out=t(xp, xp.tanh(k["x"])) @ k["dz"])),
    ("net", {**BACKWARD, 5: lambda xp, k: k.update(out=xp.sum(k["dz"], axes=(0,)))}, DB, 5,
     lambda xp, k: k.update(out=xp.mean(k["dz"], axes=(0,)))),
    ("net", {**BACKWARD, 5: lambda xp, k: k.update(out=xp.sum(k["dz"], axes=(0,)))}, DB, 4,
     lambda xp, k: k.update(dz=k["dh"] * xp.square(1.0 - k["h"]))),
    ("entropy", SOFTMAX, DU, 3, lambda xp, k: k.update(p=k["e"] / xp.sum(k["e"], axes=(0,), keepdims=True))),
    ("entropy", SOFTMAX, DU, 4, lambda xp, k: k.update(dz=(k["p"] + xp.constant(Y)) / 8.0)),
    ("entropy", SOFTMAX, DU, 4, lambda xp, k: k.update(dz=k["p"] - xp.constant(Y))),
    ("entropy", {**SOFTMAX, 5: lambda xp, k: k.update(out=k["dz"] @ t(xp, k["U"]))}, DX, 5,
     lambda xp, k: k.update(out=(k["dz"] * 2.0) @ t(xp, k["U"]))),
]  # fmt: skip


def written(lines: Lines, point: dict[str, Array], seed: Array | None = None) -> Graph:
    """The claim as a graph whose nodes carry the line they were written in."""
    xp = Builder("claim")
    known = {n: xp.input(n, type_of_array(a)) for n, a in point.items()}
    if seed is not None:
        known["seed"] = xp.input("seed", type_of_array(seed))
    for number, line in lines.items():
        xp.location = Location("backward.py", number)
        line(xp, known)
    return xp.finish([known["out"]])


def setting(name: str, by: str) -> tuple[Stage, dict[str, Array]]:
    """The function at its point."""
    point = POINT if name == "net" else LOGITS
    return stage(net if name == "net" else entropy, by, **point), point


def walked(here: Stage, claim: Graph, point: dict[str, Array]) -> Culprit | None:
    """The walk over a claim at the point."""
    inputs = list(point.values())
    return walk(here.mismatch(evaluate(claim, inputs)[0]), claim, inputs)


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{c[0]}-{c[2]}-line{c[3]}-{n}" for n, c in enumerate(CASES)]
)
def test_the_wrong_line_is_named(case: tuple[str, Lines, str, int, Callable[..., Any]]) -> None:
    """One changed line of a right backward pass is named, among few that the proof cannot part."""
    name, lines, by, number, changed = case
    here, point = setting(name, by)
    right = evaluate(written(lines, point), list(point.values()))[0]
    np.testing.assert_allclose(right.reshape(here.right.shape), here.right, rtol=1e-9)
    culprit = walked(here, written({**lines, number: changed}, point), point)
    assert culprit is not None
    lines = [place.line for place in culprit.locations]
    assert number in lines, culprit.text
    assert len(lines) <= 4


def test_an_alias_is_named_where_it_is_used() -> None:
    """`dz = dh` makes no node: the line that uses it is named, then the one that made it."""
    here, point = setting("net", "W")
    claim = written({**BACKWARD, 4: lambda xp, k: k.update(dz=k["dh"])}, point)
    culprit = walked(here, claim, point)
    assert culprit is not None
    assert [place.line for place in culprit.locations][:2] == [5, 3]
    assert "uses the cotangent of tanh#2 where the cotangent of add#1 belongs" in culprit.text


def test_a_vjp_is_walked_with_its_seed() -> None:
    """The claim of a vjp takes one cotangent more, and its cotangents are those of that seed."""
    x = R.standard_normal(5)
    here = stage(lambda xp, x: xp.exp(xp.sin(x)), x=x)
    seeds = R.standard_normal((3, 5))
    lines: Lines = {
        1: lambda xp, k: k.update(s=xp.sin(k["x"])),
        2: lambda xp, k: k.update(ds=k["seed"] * xp.exp(k["s"])),
        3: lambda xp, k: k.update(out=k["ds"] * xp.sin(k["x"])),
    }
    claim = written(lines, {"x": x}, seeds[0])
    got = evaluate(claim, [x, seeds])[0]
    cause = find_cause(
        here.scene, here.o, here.i, got, seeds @ here.right, np.abs(seeds) @ here.bar, claim,
        [x, seeds], seeds=seeds,
    )  # fmt: skip
    assert cause is not None
    assert cause.nodes == ("sin#0",)
    assert cause.culprit[0].line == 3


@pytest.mark.parametrize("whole", [False, True])
def test_forward_claims_are_walked_with_tangents(whole: bool) -> None:
    """A jvp is matched with tangents along its seed, a Jacobian with those along every element."""
    x, A = R.standard_normal(5), R.standard_normal((4, 5))
    here = stage(lambda xp, x: xp.exp(xp.constant(A) @ xp.sin(x)), x=x)
    lines: Lines = {
        1: lambda xp, k: k.update(y=xp.exp(xp.constant(A) @ xp.sin(k["x"]))),
        2: lambda xp, k: k.update(
            s=xp.constant(np.eye(5)) * xp.cos(k["x"]) if whole else xp.cos(k["x"]) * k["seed"]
        ),
        3: lambda xp, k: k.update(z=xp.tanh(xp.constant(A) @ k["s"])),
        4: lambda xp, k: k.update(
            out=xp.expand_dims(k["y"], axes=(-1,)) * k["z"] if whole else k["y"] * k["z"]
        ),
    }
    tangents = None if whole else R.standard_normal((3, 5))
    claim = written(lines, {"x": x}, None if tangents is None else tangents[0])
    got = evaluate(claim, [x] if tangents is None else [x, tangents])[0]
    right = here.right if tangents is None else tangents @ here.right.T
    m = replace(
        here.mismatch(here.right),
        claimed=got,
        reference=right,
        bar=1e-14 * np.abs(right),
        tangents=tangents,
    )
    culprit = walk(m, claim, [x] if tangents is None else [x, tangents[0]])
    assert culprit is not None
    assert culprit.locations[0].line == 3


def test_the_front_door_tells_cause_and_line() -> None:
    """`find_cause` gives the class of nodes in the function and the line of the claim together."""
    here, point = setting("net", "W")
    claim = written({**BACKWARD, 4: lambda xp, k: k.update(dz=k["dh"] * (1.0 - k["h"]))}, point)
    inputs = list(point.values())
    cause = here.cause(evaluate(claim, inputs)[0], claim_graph=claim, claim_inputs=inputs)
    assert cause is not None
    assert cause.code == "F11"
    assert cause.nodes == ("tanh#2",)
    assert 4 in [place.line for place in cause.culprit]
    odd = {**BACKWARD, 4: lambda xp, k: k.update(dz=k["dh"] * xp.cos(k["h"] + k["dh"]))}
    claim = written(odd, point)
    cause = here.cause(evaluate(claim, inputs)[0], claim_graph=claim, claim_inputs=inputs)
    assert cause is not None
    assert 4 in [place.line for place in cause.culprit]


def test_what_does_not_fit_is_not_walked() -> None:
    """A claim of other arguments, or one that returns less, gives nobody."""
    here, point = setting("net", "W")
    claim = written(BACKWARD, point)
    inputs = list(point.values())
    m = here.mismatch(2 * here.right)
    assert walk(m, claim, inputs[:2]) is None
    assert walk(m, claim, inputs, result_index=4) is None
    assert walk(replace(m, tangents=np.ones((1, 12))), claim, inputs) is None
