"""One wrong local rule in a random graph: the place is always in the class that is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.checking.causes import find_cause
from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.edits import edits_of
from gradproof_service.checking.causes.fingerprints import fingerprints
from gradproof_service.checking.causes.flow import Flow, flow_of, sweep
from gradproof_service.checking.causes.localise import localise
from gradproof_service.checking.causes.use import Use
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS

from tests.service.checking.causes.planted import Stage, random_graph, stage
from tests.service.ops.draws import SeededDraw


def planted(rng_seed: int, nodes: int) -> tuple[Stage, Use, Array] | None:
    """A random graph with one mistake at one use: what it makes of the gradient by the first input.

    The faulty gradient comes from a whole reverse sweep with the wrong rule in it. None: no use to
    be wrong at, or a mistake that changes nothing.
    """
    graph, arrays = random_graph(rng_seed, nodes)
    here = stage(graph, a=arrays[0], b=arrays[1], c=arrays[2])
    r = np.random.default_rng((rng_seed, 8))
    flow = flow_of(here.mismatch(here.right.copy()))
    assert flow is not None
    if not flow.uses:
        return None
    use = flow.uses[int(r.integers(len(flow.uses)))]
    made: list[Array] = [c * use.x_bar for c in (2.0, 0.5, -1.0, 0.0)]
    with np.errstate(all="ignore"):
        made += [
            m
            for m in (e.make() for e in edits_of(use))
            if m is not None and m.shape == use.x_bar.shape
        ]
    wrong = made[int(r.integers(len(made)))]
    claimed = sweep(
        flow, wrong=lambda u: wrong if (u.node, u.operand) == (use.node, use.operand) else u.x_bar
    )
    change = np.linalg.norm(claimed - here.right)
    if not np.isfinite(claimed).all() or change <= 1e-9 * np.linalg.norm(here.right):
        return None
    return here, use, claimed


@pytest.mark.parametrize("nodes", [12, 30])
def test_the_true_place_is_always_in_the_class(nodes: int) -> None:
    """Of many faults in random graphs every one is in the class named, and classes are small."""
    sizes: list[int] = []
    for rng_seed in range(40):
        found = planted(rng_seed, nodes)
        if found is None:
            continue
        here, use, claimed = found
        cause = here.cause(claimed)
        assert cause is not None, rng_seed
        label = here.scene.graph.node_label(use.node)
        assert label in cause.nodes, (rng_seed, label, cause.text)
        sizes.append(len(cause.nodes))
    assert len(sizes) >= 20
    assert np.median(sizes) <= 4


def flow_at(here: Stage, claimed: Array) -> Flow:
    """The flow of a claim."""
    flow = flow_of(here.mismatch(claimed))
    assert flow is not None
    return flow


@pytest.mark.parametrize("by", ["a", "b", "c"])
def test_cotangents_and_tangents_belong_together(by: str) -> None:
    """The cotangent of any value times its tangents is what flows through it; at the input, all."""
    graph, arrays = random_graph(4, 20)
    here = stage(graph, by, a=arrays[0], b=arrays[1], c=arrays[2])
    flow = flow_at(here, 2 * here.right)
    np.testing.assert_allclose(flow.bars[here.i].reshape(1, -1), here.right, rtol=1e-12, atol=1e-14)
    through = sum(
        (flow.pushed(u.value, u.x_bar) for u in flow.uses if u.value == here.i),
        np.zeros((1, here.right.shape[1])),
    )
    np.testing.assert_allclose(through, here.right, rtol=1e-12, atol=1e-14)


def chain(xp: Any, x: Any) -> Any:
    """Nodes in series: they all carry the same flow."""
    return xp.sum(xp.exp(xp.sin(xp.tanh(x))))


def test_a_chain_is_never_told_apart() -> None:
    """A factor 2 in a chain could sit at any of its nodes, and all of them are named."""
    here = stage(chain, x=np.array([0.3, -0.7, 1.1]))
    cause = here.cause(2 * here.right)
    assert cause is not None
    assert {n.split("#")[0] for n in cause.nodes} == {"tanh", "sin", "exp", "sum"}


def test_a_mistake_of_its_own_singles_out_its_node() -> None:
    """A slope written wrong is told from its neighbours, with the line it stands in."""
    x = np.array([0.3, -0.7, 1.1])
    here = stage(chain, x=x)
    claimed = np.exp(np.sin(np.tanh(x))) * np.sin(np.tanh(x)) * (1 - np.tanh(x) ** 2)
    cause = here.cause(claimed)
    assert cause is not None
    assert cause.nodes == ("sin#1",)


def test_the_same_mistake_at_every_use() -> None:
    """An op that is wrong wherever it stands is named with all its nodes."""
    r = np.random.default_rng(3)
    x, W = r.standard_normal((4, 3)), r.standard_normal((3, 3))
    here = stage(lambda xp, x, W: xp.sum(xp.tanh(xp.tanh(xp.tanh(x @ W) @ W) @ W)), "W", x=x, W=W)
    h = [x]
    for _ in range(3):
        h.append(np.tanh(h[-1] @ W))
    d, claimed = np.ones((4, 3)), np.zeros((3, 3))
    for k in (3, 2, 1):
        d = d * (1 - h[k])
        claimed, d = claimed + h[k - 1].T @ d, d @ W.T
    cause = here.cause(claimed)
    assert cause is not None
    assert "every tanh (3 of them)" in cause.text
    assert len(cause.nodes) == 3


def test_jacobians_vjps_and_long_inputs() -> None:
    """Many rows are combined, many inputs looked at along directions, seeds used as they are."""
    r = np.random.default_rng(4)
    x, A = r.standard_normal(120), 0.1 * r.standard_normal((30, 120))
    here = stage(lambda xp, x: xp.tanh(xp.constant(A) @ xp.sin(x)), x=x)
    claimed = here.right / np.cos(x)
    cause = here.cause(claimed)
    assert cause is not None
    assert cause.nodes == ("sin#1",)
    seeds = r.standard_normal((3, 30))
    m = here.mismatch(claimed)
    m.claimed, m.reference, m.seeds = seeds @ claimed, seeds @ here.right, seeds
    m.bar = np.abs(seeds) @ here.bar
    flow = flow_of(m)
    assert flow is not None
    assert [x.nodes for x in localise(flow, sizes_of(here.scene.graph))] == [("sin#1",)]


def test_a_jvp_is_read_along_its_tangents() -> None:
    """The rows of a jvp are outputs: factors are named, and places found through the same flow."""
    r = np.random.default_rng(5)
    x, A = r.standard_normal(6), r.standard_normal((4, 6))
    here = stage(lambda xp, x: xp.tanh(xp.constant(A) @ xp.sin(x)), x=x)
    tangents = r.standard_normal((5, 6))
    right, bar = tangents @ here.right.T, np.abs(tangents) @ here.bar.T
    for claimed, code, nodes in (
        (tangents @ (here.right / np.cos(x)).T, "F11", {"sin#1"}),
        (-right, "F01", {"sin#1", "matmul#2", "tanh#3"}),
    ):
        cause = find_cause(here.scene, 0, 0, claimed, right, bar, tangents=tangents)
        assert cause is not None
        assert cause.code == code
        assert set(cause.nodes) <= nodes
        assert cause.nodes


def test_large_graphs_are_left_to_the_fingerprints() -> None:
    """Above the limit nothing is localised, and the factor is named all the same."""

    def long(xp: Any, x: Any) -> Any:
        for _ in range(550):
            x = x + xp.sin(x) * 0.001
        return xp.sum(x)

    here = stage(long, x=np.array([0.3, -0.7, 1.1]))
    graph: Graph = here.scene.graph
    assert flow_of(here.mismatch(2 * here.right)) is None
    cause = here.cause(2 * here.right)
    assert len(graph) > 1500
    assert cause is not None
    assert (cause.code, cause.nodes) == ("F01", ())


@pytest.mark.parametrize("name", sorted(n for n, op in OPS.items() if op.batching != "run"))
def test_no_op_makes_a_search_stumble(name: str) -> None:
    """Every op can be searched: a doubled claim is named, a search raises nothing, twice alike."""
    for rng_seed in range(2):
        operands, attrs = OPS[name].sample(SeededDraw(rng_seed))
        xp = Builder(name)
        inputs = [xp.input(f"x{n}", type_of_array(np.asarray(a))) for n, a in enumerate(operands)]
        made = xp.apply_op(OPS[name], inputs, attrs)
        out = made[0] if isinstance(made, tuple) else made
        active = [n for n, a in enumerate(operands) if np.asarray(a).dtype.kind == "f"]
        if not out.type.is_float or not active or not out.type.size:
            continue
        y = xp.sin(out)
        point = {f"x{n}": a for n, a in enumerate(operands)}
        here = stage(xp.finish([xp.sum(y * y) if rng_seed else y]), f"x{active[0]}", **point)
        if (
            not here.right.any()
            or not np.isfinite(here.right).all()
            or not np.isfinite(here.bar).all()
        ):
            continue
        m = here.mismatch(2 * here.right)
        flow = flow_of(m)
        assert flow is not None
        found = [*fingerprints(m), *localise(flow, sizes_of(here.scene.graph))]
        assert "F01" in {x.code for x in found}
        again = here.cause(2 * here.right)
        assert again is not None
        assert again == here.cause(2 * here.right)
