"""Wire programs become programs, or faults that name the place."""

from __future__ import annotations

import time

import numpy as np
import pytest
from gradproof_proto.tables import Location as LocationRow
from gradproof_proto.tables import TypeRow
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from gradproof_service.arrays import Structure
from gradproof_service.diagnostic import Fault, FaultKind, Location
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import FunctionRef, Input
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.wire.decode import decode_program, parse_program
from gradproof_service.wire.encode_program import encode_program
from hypothesis import given, settings
from hypothesis import strategies as st


def rich() -> pb.Program:
    """Two functions, a rule, attributes of several kinds, constants, names, places and symbols."""
    writer = ProgramWriter("test")
    main, body = writer.function("main"), writer.function("body")
    x = main.input("x", pb.DTYPE_F64, ("n", 3), pb.STRUCTURE_POSITIVE)
    w = main.input("w")
    outer = writer.location(LocationRow("m.py", 3, 5, 3, 20, "train"))
    inner = LocationRow("m.py", 12, 1, 12, 9, "loss", outer, "node_7")
    s = main.node("gp.sum", [x], {"axes": (-1,), "keepdims": False}, inner, name="total")
    c = main.node("gp.call", [s], {"function": body})
    both = main.node("gp.maximum", [c, main.constant(np.array(0.5))])
    main.output(main.node("gp.multiply", [both, w]), "y")
    v = body.input("v")
    body.output(body.node("gp.exp", [v]), "out")
    body.rule(pb.RULE_KIND_JVP, main, claimed_only=True)
    return writer.finish(main)


def test_everything_that_was_sent_is_there() -> None:
    """Names, types, operands, attributes, places and rules arrive as records."""
    program = decode_program(rich(), digest=True)
    main = program.main
    assert main.inputs == (Input("x", np.dtype("f8"), ("n", 3), Structure.POSITIVE), Input("w"))
    assert main.ops == ["gp.sum", "gp.call", "gp.maximum", "gp.multiply"]
    assert main.operands == [(0,), (3,), (4, 2), (5, 1)]
    assert main.attrs[0] == {"axes": (-1,), "keepdims": False}
    assert main.attrs[1] == {"function": FunctionRef(1)}
    assert main.names == {0: "total"}
    caller = Location("m.py", 3, 5, 3, 20, "train")
    assert main.location(0) == Location("m.py", 12, 1, 12, 9, "loss", "node_7", (caller,))
    assert not main.location(1)
    np.testing.assert_array_equal(main.constants[0], 0.5)
    (rule,) = program.functions[1].rules
    assert (rule.kind, rule.function, rule.claimed_only) == ("jvp", 0, True)
    assert len(program.digest) == 32


def test_what_is_encoded_is_decoded() -> None:
    """Writing a program and reading it again gives the same program, apart from its rules."""
    program = decode_program(rich())
    again = decode_program(encode_program(program, "test", "1"))
    for one, two in zip(program.functions, again.functions, strict=True):
        for field in (
            "name",
            "inputs",
            "ops",
            "operands",
            "attrs",
            "outputs",
            "output_names",
            "names",
        ):
            assert getattr(one, field) == getattr(two, field)
        assert [one.location(k) for k in range(len(one.ops))] == [
            two.location(k) for k in range(len(two.ops))
        ]
    np.testing.assert_array_equal(program.main.constants, again.main.constants)


def test_an_unknown_length_is_whatever_comes() -> None:
    """An axis without a length accepts each, and two such axes need not agree."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    f.output(f.input("x", pb.DTYPE_F64, (None, None, 2)), "y")
    inputs = decode_program(writer.finish(f)).main.inputs
    assert bind(inputs, {"x": np.zeros((3, 4, 2))})[0].shape == (3, 4, 2)
    with pytest.raises(Fault, match="declared with shape"):
        bind(inputs, {"x": np.zeros((3, 4, 5))})


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (TypeRow(pb.DTYPE_F64, (3,)), None),
        (TypeRow(0, (None,)), None),
        (TypeRow(pb.DTYPE_F64), None),
        (TypeRow(0, (4,)), "GP003"),
        (TypeRow(0, ()), "GP003"),
        (TypeRow(pb.DTYPE_F32, (3,)), "GP004"),
    ],
)
def test_a_stated_type_is_held_against_what_is_found(row: TypeRow, code: str | None) -> None:
    """A program that states another type than a node has is told so, at that node."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    f.output(f.node("gp.sin", [f.input("x")], types=[row]), "y")
    program = decode_program(writer.finish(f))
    _, findings = type_program(program, bind(program.main.inputs, {"x": np.zeros(3)}))
    assert [finding.code for finding in findings] == ([] if code is None else [code])
    assert all(finding.node == "sin#0" for finding in findings)


def test_a_fault_names_function_and_node() -> None:
    """The field path leads to the node, the sentence says what was expected."""
    message = rich()
    message.functions[0].operand[2] = 77
    with pytest.raises(Fault) as caught:
        decode_program(message)
    assert caught.value.kind is FaultKind.UNREADABLE
    assert caught.value.field_path == "program.functions[0].node[2]"
    message = rich()
    message.constants[0].data = b"123"
    with pytest.raises(Fault) as caught:
        decode_program(message)
    assert caught.value.field_path == "program.constants[0]"


def test_limits_come_before_memory() -> None:
    """One number that fills a terabyte, and too many nodes, are refused without being made."""
    message = rich()
    message.constants[0].splat = bytes(8)
    message.types.add(dtype=pb.DTYPE_F64).shape.add(size=10**12)
    message.constants[0].type = len(message.types) - 1
    with pytest.raises(Fault, match="limit") as caught:
        decode_program(message)
    assert caught.value.kind is FaultKind.LIMIT
    with pytest.raises(Fault, match="5 nodes, the limit is 3"):
        decode_program(rich(), limits=Limits(nodes=3))


def test_a_long_chain_is_ordinary() -> None:
    """Two hundred thousand nodes and as many callers of callers: no recursion, a few seconds at most."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    value = f.input("x")
    place = 0
    for k in range(200_000):
        place = writer.location(LocationRow("m.py", k + 1, caller=place))
        value = f.node("gp.sin", [value], loc=place)
    f.output(value, "y")
    begun = time.monotonic()
    program = decode_program(writer.finish(f))
    graph, findings = type_program(program, bind(program.main.inputs, {"x": np.zeros(())}))
    assert graph is not None
    assert not findings
    assert len(program.main.location(199_999).callers) == 16
    assert time.monotonic() - begun < 30


PLAIN = rich().SerializeToString(deterministic=True)


@given(at=st.integers(0, len(PLAIN) - 1), byte=st.integers(0, 255), cut=st.integers(0, 40))
@settings(max_examples=600)
def test_damaged_programs_are_refused_or_read(at: int, byte: int, cut: int) -> None:
    """Whatever one byte and a cut do: a fault of one line or a program that types without raising."""
    damaged = bytearray(PLAIN[: len(PLAIN) - cut])
    if at < len(damaged):
        damaged[at] = byte
    fault = refused(bytes(damaged))
    assert fault is None or fault.kind in (
        FaultKind.UNREADABLE, FaultKind.INVALID, FaultKind.LIMIT,
    )  # fmt: skip


def refused(content: bytes) -> Fault | None:
    """The fault with which a program is refused, None when it is read and types."""
    try:
        program = decode_program(parse_program(content), digest=True)
        point = {entry.name: np.ones((2, 3)) for entry in program.main.inputs}
        type_program(program, bind(program.main.inputs, point))
    except Fault as fault:
        return fault
    return None
