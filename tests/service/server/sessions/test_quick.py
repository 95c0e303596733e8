"""The quick stage after any edits is what the same request gives from scratch, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_proto.tensors import from_tensor, to_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import ProgramWriter
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.application import Application
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.sessions.document import Version, edited, opened
from gradproof_service.server.sessions.quick import Quick
from gradproof_service.transforms.evaluate import no_tick
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.server.harness import slow
from tests.service.server.sessions import documents

BLOBS = BlobStore()
POINT = documents.tensors(x=[0.3, -0.2, 1.0], y=[1.5, 0.1, -0.7], s=0.25)

NARROW = {n: from_tensor(t).astype(np.float32) for n, t in ((p.name, p.tensor) for p in POINT)}
POINTS = {
    "vectors": POINT,
    "numbers": documents.tensors(x=0.3, y=1.5, s=0.25),
    "float32": documents.tensors(**NARROW),
}


def version_of(program: pb.Program, point: Any = POINT, **fields: Any) -> Version:
    """The first version of a document."""
    message = ses.OpenDocument(uri="d", version=1, program=program, point=point, **fields)
    return opened(message, BLOBS, DEFAULT_LIMITS)


def edit(version: Version, edits: list[ses.Edit]) -> tuple[Version, set[int]]:
    """The next version."""
    message = ses.EditDocument(
        uri="d", base_version=version.number, version=version.number + 1, edits=edits
    )
    return edited(version, message, BLOBS, DEFAULT_LIMITS)


def from_scratch(version: Version) -> ses.QuickResult:
    """What the unary calls answer for the same program, point and options."""
    application = Application()
    check = version.request()
    request = der.DifferentiateRequest(
        program=check.program, point=check.point, options=check.options,
        kind=chk.DERIVATIVE_KIND_VJP,
    )  # fmt: skip
    evaluated = application.evaluate(
        der.EvaluateRequest(program=check.program, point=check.point, options=check.options)
    )
    if not evaluated.outputs:
        return ses.QuickResult(findings=evaluated.findings)
    named = [o for o in evaluated.outputs if o.tensor.dtype in (pb.DTYPE_F64, pb.DTYPE_F32)]
    chosen = check.options.outputs
    for output in named:
        if not chosen or output.name in chosen:
            ones = np.ones_like(from_tensor(output.tensor))
            request.seeds.add(name=output.name).tensor.CopyFrom(to_tensor(ones))
    quick = ses.QuickResult(outputs=evaluated.outputs)
    if request.seeds:
        for block in application.differentiate(request).derivatives:
            quick.gradient.add(name=block.input).tensor.CopyFrom(block.dense)
    return quick


def told(quick: Quick, version: Version, changed: set[int]) -> bytes:
    """The quick result as bytes."""
    return quick.run(version, changed, no_tick).SerializeToString(deterministic=True)


@pytest.mark.parametrize("kind", ["vectors", "numbers", "float32"])
@given(st.data())
@settings(max_examples=100)
def test_after_any_edits_it_is_as_from_scratch(kind: str, data: st.DataObject) -> None:
    """Any program, any edits, some versions passed over: the same bytes as the unary calls give.

    An edit of an input that was float32 makes it float64, so that its type changes too.
    """
    scalar = kind == "numbers"
    program = data.draw(documents.programs(scalar=scalar))
    version = version_of(program, POINTS[kind])
    quick = Quick(BLOBS, DEFAULT_LIMITS)
    pending: set[int] = set()
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.integers(0, 3)):
            expected = from_scratch(version).SerializeToString(deterministic=True)
            assert told(quick, version, pending) == expected
            pending = set()
        version, changed = edit(version, data.draw(documents.edits(version.program, scalar=scalar)))
        pending |= changed
    expected = from_scratch(version).SerializeToString(deterministic=True)
    assert told(quick, version, pending) == expected


class Stopped(Exception):
    """What the tick of a run raises that is stopped."""


@given(st.data())
@settings(max_examples=80)
def test_a_run_that_was_stopped_anywhere_is_taken_up_again(data: st.DataObject) -> None:
    """Stopped at any tick, then edited, then run to the end: the same bytes as from scratch."""
    version = version_of(data.draw(documents.programs(20)))
    quick = Quick(BLOBS, DEFAULT_LIMITS)
    pending: set[int] = set()
    for _ in range(data.draw(st.integers(1, 4))):
        left = data.draw(st.integers(0, 60))

        def tick() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stopped

        try:
            quick.run(version, pending, tick)
            pending = set()
        except Stopped:
            pending = set()
        version, pending = edit(version, data.draw(documents.edits(version.program)))
    expected = from_scratch(version).SerializeToString(deterministic=True)
    assert told(quick, version, pending) == expected


def chain(length: int) -> pb.Program:
    """Two hundredths of the nodes hang together: branches of `length` nodes, stacked and summed."""
    writer = ProgramWriter("test")
    f = writer.function("branches")
    x, y = f.input("x"), f.input("y")
    ends: list[int] = []
    for branch in range(50):
        v = f.node("gp.multiply", [x, f.constant(1.0 + branch)])
        for step in range(length):
            v = f.node(("gp.sin", "gp.tanh")[step % 2], [v])
        ends.append(f.node("gp.multiply", [v, y]))
    f.output(f.node("gp.sum", [f.node("gp.stack", ends, {"axis": -1})], {"axes": (-1,)}), "out")
    return writer.finish(f)


def test_only_what_an_edit_reaches_is_computed() -> None:
    """An edit in one branch of fifty types, sweeps and computes that branch and what joins the branches."""
    version = version_of(chain(40), documents.tensors(x=0.3, y=1.1))
    quick = Quick(BLOBS, DEFAULT_LIMITS)
    quick.run(version, set(), no_tick)
    whole = sum(quick.nodes)
    number = version.program.order[20]
    node = ses.EditedNode(op="gp.cos", operands=[number - 1])
    version, changed = edit(
        version, [ses.Edit(replace_node=ses.ReplaceNode(value=number, node=node))]
    )
    assert told(quick, version, changed) == from_scratch(version).SerializeToString(
        deterministic=True
    )
    typed, swept, computed = quick.nodes
    assert 0 < computed < 0.05 * whole
    assert swept < 0.05 * whole + 100
    assert told(quick, version, set()) == told(Quick(BLOBS, DEFAULT_LIMITS), version, set())
    assert quick.nodes[1:] == (0, 0), "nothing changed, so nothing is computed"
    assert typed <= 45


def test_a_long_life_does_not_fill_the_memory() -> None:
    """After many edits the store holds a bounded multiple of what the document needs, and the bits are right."""
    version = version_of(chain(4), documents.tensors(x=0.3, y=1.1))
    quick = Quick(BLOBS, DEFAULT_LIMITS)
    quick.run(version, set(), no_tick)
    order = version.program.order
    most = 0
    for turn in range(60):
        number = order[1 + 6 * (turn % 50)]
        op = ("gp.cos", "gp.sin", "gp.exp", "gp.tanh")[turn % 4]
        node = ses.EditedNode(op=op, operands=[number - 1])
        tensor = to_tensor(0.3 + 1e-3 * turn)
        version, changed = edit(
            version,
            [
                ses.Edit(replace_node=ses.ReplaceNode(value=number, node=node)),
                ses.Edit(set_input=pb.NamedTensor(name="x", tensor=tensor)),
            ],
        )
        result = quick.run(version, changed, no_tick)
        most = max(most, quick.held_nodes)
    assert result == from_scratch(version)
    assert most < 30_000
    assert quick.held_nodes < most, "it was compacted on the way"


def test_what_is_too_large_is_left_out() -> None:
    """A document beyond the elements or the work of the quick stage says so, before anything is computed."""
    version = version_of(chain(40), documents.tensors(x=0.3, y=1.1))
    for small in ({"elements": 100}, {"work": 100}):
        quick = Quick(BLOBS, DEFAULT_LIMITS, **small)
        assert quick.run(version, set(), no_tick) == ses.QuickResult(left_out=True)
        assert quick.nodes == (0, 0, 0)


def test_a_loop_without_a_known_end_is_left_out() -> None:
    """Nobody can say how long it takes, so it is left to a process that can be stopped."""
    version = version_of(slow(), documents.tensors(x=1.0))
    quick = Quick(BLOBS, DEFAULT_LIMITS)
    assert quick.run(version, set(), no_tick) == ses.QuickResult(left_out=True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"point": documents.tensors(x=[1.0], y=[1.0])}, 'point["s"]'),
        ({"point": documents.tensors(x=[1.0], y=[1.0], s=1.0, z=1.0)}, 'point["z"]'),
        ({"options": chk.Options(wrt=["nope"])}, "options.wrt"),
        ({"options": chk.Options(tau=7.0)}, "options.tau"),
    ],
)
def test_what_does_not_fit_is_refused_as_from_scratch(fields: dict[str, Any], field: str) -> None:
    """A point or an option that does not fit is the fault that the unary call raises, with its field."""
    with pytest.raises(Fault) as caught:
        Quick(BLOBS, DEFAULT_LIMITS).run(version_of(_sum(), **fields), set(), no_tick)
    assert (caught.value.kind, caught.value.field_path) == (FaultKind.INVALID, field)


def _sum() -> pb.Program:
    writer = ProgramWriter("test")
    f = writer.function("f")
    x, y, s = f.input("x"), f.input("y"), f.input("s")
    f.output(f.node("gp.add", [f.node("gp.add", [x, y]), s]), "out")
    return writer.finish(f)
