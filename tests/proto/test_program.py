"""Programs that the writer makes are read as they were meant, and hostile ones are refused by name."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from gradproof_proto.call_graph import components, find_cycle
from gradproof_proto.reader import ProgramError, read
from gradproof_proto.tables import Location, TypeRow
from gradproof_proto.text import print_program
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from hypothesis import given
from hypothesis import strategies as st

from tests.proto.programs import programs


def small_program() -> pb.Program:
    """Two functions: `main` calls `body`; constants are made between nodes."""
    writer = ProgramWriter(producer="test")
    body = writer.function("body")
    x = body.input("x")
    body.output(body.node("gp.sin", [x], loc=Location("m.py", 3, 1)), "y")
    main = writer.function("main")
    x = main.input("x", pb.DTYPE_F64, (3, "n"))
    first, second = main.node("gp.split", [x], {"axis": -1, "absent": None}, n_out=2)
    half = main.constant(0.5)
    total = main.node("gp.multiply", [second, half])
    other = main.constant(np.zeros((2, 2), np.float32))
    called = main.node("gp.call", [total, other, first], {"function": body})
    main.output(called, "value")
    main.output(half, "half")
    main.rule(pb.RULE_KIND_JVP, body, nondiff_inputs=[0], surrogate=True)
    return writer.finish(main)


def test_writer_renumbers() -> None:
    """Constants made late stand before node outputs on the wire, and operands follow them."""
    columns = read(small_program())
    main = columns.functions[1]
    assert [columns.ops[row] for row in main.op] == ["gp.split", "gp.multiply", "gp.call"]
    assert main.operands.tolist() == [0, 4, 1, 5, 2, 3]
    assert main.value_start.tolist() == [3, 5, 6, 7]
    assert main.outputs == (6, 1)
    assert [columns.constants[row].payload for row in main.constants] == ["data", "splat"]
    assert columns.types[main.input_types[0]] == TypeRow(int(pb.DTYPE_F64), (3, "n"))
    assert columns.attrs[int(main.attr[0])] == (("axis", "int_value", -1),)
    assert columns.calls == ((), (0,))
    assert columns.entry == 1
    assert main.rules[0].surrogate


def test_rows_are_interned_by_bits() -> None:
    """1, 1.0 and True are different attributes, 0.0 and -0.0 too; equal ones are one row."""
    writer = ProgramWriter()
    function = writer.function("f")
    for value in (1, 1.0, True, 0.0, -0.0, 1, float("nan"), float("nan"), (), (1,), (1.0,)):
        function.node("gp.full", [], {"value": value})
    rows = read(writer.finish()).functions[0].attr.tolist()
    assert rows == [1, 2, 3, 4, 5, 1, 6, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda f: f.node("gp.sin", [7]),
        lambda f: f.node("gp.sin", [-1]),
        lambda f: f.node("gp.sin", [0], n_out=0),
        lambda f: f.node("gp.sin", [0], {"a": object()}),
        lambda f: f.node("gp.sin", [0], {"a": (1, "b")}),
        lambda f: f.input("x"),
        lambda f: f.output(3, "y"),
        lambda f: (f.output(0, "y"), f.output(0, "y")),
        lambda f: (f.constant(1.0), f.input("z")),
        lambda f: f.node("gp.sin", [0], loc=Location(caller=9)),
    ],
)
def test_writer_misuse(misuse: Callable[..., object]) -> None:
    """What would make the program unreadable is refused where it is written."""
    function = ProgramWriter().function("f")
    function.input("x")
    with pytest.raises(ValueError, match=r"expected|declare"):
        misuse(function)


def edit(path: str, value: object) -> Callable[[pb.Program], None]:
    """Sets one field, named by a path such as `functions.1.operand.0`."""

    def apply(program: pb.Program) -> None:
        *parents, last = path.split(".")
        target: object = program
        for step in parents:
            target = target[int(step)] if step.isdecimal() else getattr(target, step)
        if last.isdecimal():
            target[int(last)] = value
        elif last == "append":
            target.append(value)
        else:
            setattr(target, last, value)

    return apply


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (edit("version.format", 0), "version: expected a format number"),
        (edit("version.min_reader", 9), "version: expected at most format 1, the program needs 9"),
        (edit("strings.0", "x"), "strings: expected an empty string"),
        (edit("op_table.0", 999), "op_table[0]: expected a row of strings"),
        (edit("types.0.dtype", 1), "types: expected the unknown type"),
        (edit("types.1.dtype", 77), "types[1]: expected a known dtype, 77"),
        (edit("types.1.structure", 77), "types[1]: expected a known structure, 77"),
        (edit("types.1.rank_unknown", True), "types[1]: expected no axes"),
        (
            lambda p: p.types[1].shape[0].ParseFromString(pb.Dim(size=-4).SerializeToString()),
            "zero or more, -4 came",
        ),
        (
            lambda p: p.types[1].shape[0].ParseFromString(pb.Dim(size=2**62).SerializeToString()),
            "fits in memory",
        ),
        (edit("attrs.1.attrs.0.name", 999), "attrs[1]: expected a row of strings"),
        (
            lambda p: p.attrs[1].attrs[0].ClearField("int_value"),
            "attrs[1] (axis): expected a value, none came",
        ),
        (
            lambda p: p.attrs[1].attrs.add(name=p.attrs[1].attrs[0].name, int_value=1),
            "distinct names in order",
        ),
        (edit("attrs.2.attrs.0.function", 5), "expected a row of functions below 2, 5 came"),
        (edit("locations.1.caller", 1), "locations[1]: expected a caller below 1"),
        (edit("constants.0.type", 99), "constants[0]: expected a row of types"),
        (edit("constants.0.type", 1), "constants[0]: expected a complete type"),
        (edit("constants.0.data", b"123"), "constants[0]: expected 8 bytes of data, 3 came"),
        (edit("constants.1.splat", b"123"), "constants[1]: expected 4 bytes of splat, 3 came"),
        (edit("constants.0.blob", None), "SHA-256 of 32 bytes, 0 came"),
        (edit("functions.1.name", 999), "function 1: expected a row of strings"),
        (edit("functions.1.op.0", 99), "function 1 (@main), op[0]: expected a row of op_table"),
        (edit("functions.1.arity.append", 1), "arity: expected 3 entries, 4 came"),
        (
            edit("functions.1.arity.0", 2**32 - 1),
            "as many operands as the arities add up to, 4294967300",
        ),
        (edit("functions.1.n_out.0", 0), "node 0 (gp.split): expected one or more outputs"),
        (edit("functions.1.n_out.0", 2**32 - 1), "expected at most 16777216 values"),
        (
            edit("functions.1.operand.1", 0),
            "node 1 (gp.multiply): operand 0: expected a distance from 1 to 5, 0 came",
        ),
        (
            edit("functions.1.operand.1", 6),
            "node 1 (gp.multiply): operand 0: expected a distance from 1 to 5, 6 came",
        ),
        (edit("functions.1.operand.append", 1), "as many operands"),
        (edit("functions.1.attr.2", 99), "node 2 (gp.call): attr: expected a row of attrs"),
        (edit("functions.0.loc.0", 99), "node 0 (gp.sin): loc: expected a row of locations"),
        (edit("functions.1.node_name.append", 0), "node_name: expected 3 entries, 1 came"),
        (edit("functions.1.out_type.append", 0), "out_type: expected 4 entries or none, 1 came"),
        (edit("functions.1.outputs.0", 7), "outputs[0]: expected a row of values below 7, 7 came"),
        (edit("functions.1.output_names.append", 0), "expected 2 output names, 3 came"),
        (edit("functions.1.output_names.0", 0), "distinct output names"),
        (edit("functions.1.input_types.0", 99), "input_types[0]"),
        (edit("functions.1.rules.0.kind", 9), "rules: expected a known kind, 9 came"),
        (edit("functions.1.rules.0.function", 9), "rules[0]: expected a row of functions"),
        (edit("functions.1.rules.0.location", 9), "expected a row of locations"),
        (edit("functions.1.rules.0.nondiff_inputs", None), "nondiff_inputs[0]"),
        (edit("attrs.2.attrs.0.function", 1), "it reaches itself: @main -> @main"),
        (edit("entry", 2), "entry: expected a function below 2, 2 came"),
    ],
)
def test_damaged_programs(damage: Callable[[pb.Program], None], words: str) -> None:
    """Every index, length and order that can be wrong is noticed, and the sentence names the place."""
    program = small_program()
    read(program)
    if words.startswith("SHA-256"):
        program.constants[0].blob.SetInParent()
    elif words.startswith("nondiff_inputs"):
        program.functions[1].rules[0].nondiff_inputs[:] = [4]
    else:
        damage(program)
    with pytest.raises(ProgramError) as caught:
        read(program)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(programs(), st.data())
def test_bytes_that_were_damaged(program: pb.Program, data: st.DataObject) -> None:
    """Truncated and altered bytes are read or refused by an error of ours, and what was read can be printed."""
    content = bytearray(program.SerializeToString())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] = data.draw(st.integers(0, 255))
    try:
        damaged = pb.Program.FromString(bytes(content))
    except DecodeError:
        return
    with suppress(ProgramError):
        print_program(damaged)


def test_small_messages_allocate_little() -> None:
    """A few bytes that announce billions of outputs, operands or elements cost nothing."""
    hostile = small_program()
    hostile.functions[1].n_out[0] = 2**23
    huge = hostile.types.add(dtype=pb.DTYPE_U8)
    huge.shape.add(size=2**58)
    hostile.constants[1].type = len(hostile.types) - 1
    hostile.constants[1].splat = b"\0"
    tracemalloc.start()
    try:
        read(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_cycles() -> None:
    """A cycle through many functions is found without recursion, and a graph without one has callees first."""
    count = 50_000
    chain = [[index + 1] for index in range(count)] + [[]]
    assert find_cycle(chain) == []
    assert [group[0] for group in components(chain)] == list(range(count, -1, -1))
    chain[-1] = [0]
    assert find_cycle(chain) == [*range(count + 1), 0]
    assert find_cycle([[1], [2], [1]]) == [1, 2, 1]


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=8, max_size=8))
def test_components_reach_each_other(edges: list[list[int]]) -> None:
    """Two functions are in one component exactly when each reaches the other (by repeated matrix products)."""
    step = np.eye(8, dtype=bool)
    for node, targets in enumerate(edges):
        step[node, targets] = True
    reach = np.linalg.matrix_power(step.astype(np.int64), 8) > 0
    groups = components(edges)
    assert sorted(node for group in groups for node in group) == list(range(8))
    home = {node: position for position, group in enumerate(groups) for node in group}
    for a in range(8):
        for b in range(8):
            assert (home[a] == home[b]) == (reach[a, b] and reach[b, a])
            if reach[a, b]:
                assert home[b] <= home[a]
    assert bool(find_cycle(edges)) == (
        len(groups) < 8 or any(node in edges[node] for node in range(8))
    )
