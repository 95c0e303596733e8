"""Programs that say the same have one canonical form and one digest; programs that do not, have not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gradproof_proto.canonical import canonical, function_digests, program_digest
from gradproof_proto.reader import read
from gradproof_proto.tables import Location
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from hypothesis import given
from hypothesis import strategies as st

from tests.proto.programs import programs
from tests.proto.test_program import edit, small_program


def same_bytes(a: pb.Program, b: pb.Program) -> bool:
    """Equality by bits: messages with NaN are not equal to themselves."""
    return a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True)


@given(programs())
def test_idempotent(program: pb.Program) -> None:
    """The canonical form of a canonical program is itself, and has the digest of what it came from."""
    form = canonical(program)
    assert same_bytes(canonical(form), form)
    assert program_digest(form) == program_digest(program)


@given(programs(), st.randoms(use_true_random=False))
def test_order_of_tables_does_not_count(program: pb.Program, random: object) -> None:
    """Shuffled strings and unused rows change neither the canonical form nor the digest."""
    shuffled = pb.Program()
    shuffled.CopyFrom(program)
    order = list(range(1, len(program.strings)))
    random.shuffle(order)
    place = {old: new for new, old in enumerate([0, *order])}
    shuffled.strings[1:] = [program.strings[old] for old in order]
    shuffled.op_table[:] = [place[row] for row in program.op_table]
    for kind in shuffled.types:
        for dim in kind.shape:
            if dim.HasField("symbol"):
                dim.symbol = place[dim.symbol]
    for row in shuffled.attrs:
        for attr in row.attrs:
            attr.name = place[attr.name]
    for spot in shuffled.locations:
        spot.file, spot.scope, spot.source_node = (
            place[spot.file],
            place[spot.scope],
            place[spot.source_node],
        )
    for function in shuffled.functions:
        function.name = place[function.name]
        for column in (function.input_names, function.output_names, function.node_name):
            column[:] = [place[row] for row in column]
    shuffled.strings.append("unused")
    shuffled.types.add(dtype=pb.DTYPE_F16)
    shuffled.version.op_sets.sort(key=lambda op_set: -op_set.version)
    assert same_bytes(canonical(shuffled), canonical(program))
    assert program_digest(shuffled) == program_digest(program)


@pytest.mark.parametrize(
    "change",
    [
        edit("entry", 0),
        edit("functions.1.operand.0", 2),
        edit("functions.1.outputs.0", 5),
        edit("constants.0.data", np.float64(0.25).tobytes()),
        edit("attrs.1.attrs.0.int_value", -2),
        edit("locations.1.line", 4),
        edit("types.1.structure", pb.STRUCTURE_SYMMETRIC),
        edit("functions.1.rules.0.claimed_only", True),
        edit("version.op_sets.0.version", 2),
    ],
)
def test_meaning_changes_the_digest(change: Callable[[pb.Program], None]) -> None:
    """Whatever a check could notice changes the digest."""
    program = small_program()
    before = program_digest(program)
    change(program)
    assert program_digest(program) != before
    assert len(before) == 32


def test_words_do_not_change_the_digest() -> None:
    """Producer and metadata are words about the program."""
    program = small_program()
    before = program_digest(program)
    program.version.producer = "another"
    program.metadata.add(key="a", value="b")
    assert program_digest(program) == before


def chain(edited: int | None = None, line: int = 1) -> pb.Program:
    """Three functions in a chain and one alone; the last of the chain has a rule that calls the function itself."""
    writer = ProgramWriter()
    functions: list[FunctionWriter] = [
        writer.function(name) for name in ("a", "b", "c", "alone", "rule")
    ]
    for index, function in enumerate(functions):
        x = function.input("x")
        op = "gp.cos" if index == edited else "gp.sin"
        x = function.node(op, [x], loc=Location("m.py", line))
        if index in (0, 1):
            x = function.node("gp.call", [x], {"function": functions[index + 1]})
        if index == 4:
            x = function.node("gp.call", [x], {"function": functions[2]})
        function.output(x, "y")
    functions[2].rule(pb.RULE_KIND_VJP, functions[4])
    return writer.finish(0)


@pytest.mark.parametrize(
    ("edited", "touched"), [(0, "0"), (1, "01"), (2, "0124"), (3, "3"), (4, "0124")]
)
def test_merkle(edited: int, touched: str) -> None:
    """An edit changes the digests of exactly those functions that reach the edited one, through calls or rules."""
    before, after = function_digests(read(chain())), function_digests(read(chain(edited)))
    assert "".join(str(index) for index in range(5) if before[index] != after[index]) == touched


def test_places_may_be_left_out() -> None:
    """A line moved in the source changes the digests that count places, and no others."""
    before, after = read(chain()), read(chain(line=2))
    assert function_digests(before, locations=False) == function_digests(after, locations=False)
    assert function_digests(before) != function_digests(after)
