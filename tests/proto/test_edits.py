"""Edits: what a program says after them, and that those which do not fit are refused whole."""

from __future__ import annotations

import pytest
from gradproof._session.difference import difference
from gradproof_proto.canonical import canonical, program_digest
from gradproof_proto.columns import ProgramError
from gradproof_proto.editable import Editable, InputRow, NodeRow, editable
from gradproof_proto.edits import EditError, apply_edits
from gradproof_proto.reader import read
from gradproof_proto.tables import ConstantRow
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import ProgramWriter
from hypothesis import given
from hypothesis import strategies as st

from tests.proto.programs import programs as any_programs
from tests.service.server.sessions import documents


@given(any_programs())
def test_a_program_that_is_not_edited_is_the_same(program: pb.Program) -> None:
    """Made editable and back: the canonical form of what was read."""
    assert editable(program).program == canonical(program)


@given(st.data())
def test_every_version_is_a_program_and_older_ones_stay(data: st.DataObject) -> None:
    """After any edits the program reads, stands in order, counts its uses, and the version before is as it was."""
    document = editable(data.draw(documents.programs()))
    for _ in range(4):
        before = program_digest(document.columns() and document.program)
        following, _ = apply_edits(document, data.draw(documents.edits(document)))
        read(following.program)
        ranks = [following.rank[n] for n in following.order]
        assert ranks == sorted(set(ranks))
        read_values = [v for row in following.nodes() for v in row.operands]
        read_values += following.outputs.values()
        assert following.uses == [read_values.count(v) for v in range(len(following.rows))]
        assert program_digest(editable(document.program).program) == before
        document = following


@given(st.data())
def test_numbers_last_when_a_document_is_opened_again(data: st.DataObject) -> None:
    """Read again with its numbers, a document takes the same edits as before and says the same after them."""
    document = editable(data.draw(documents.programs()))
    for _ in range(3):
        document, _ = apply_edits(document, data.draw(documents.edits(document)))
    again = editable(document.program, document.numbers(), len(document.rows))
    assert again.numbers() == document.numbers()
    assert (again.order, again.uses) == (document.order, document.uses)
    edits = data.draw(documents.edits(document))
    assert apply_edits(again, edits)[0].program == apply_edits(document, edits)[0].program


@pytest.mark.parametrize(
    ("numbers", "free"),
    [([0, 1], 9), ([0, 1, 2, 2], 9), ([0, 1, 2, 4], 9), ([1, 0, 2, 3], 9), ([0, 1, 2, 3], 3), ([0, 1, 2, 3], 2**40)],
)  # fmt: skip
def test_numbers_that_no_document_can_have_are_refused(numbers: list[int], free: int) -> None:
    """Too few, twice, a node torn apart, inputs elsewhere, above the next free one, beyond all bounds."""
    program = document_of_three().program
    assert editable(program, [0, 1, 2, 3], 9).rows[4:] == [None] * 5
    with pytest.raises(ProgramError, match="distinct numbers"):
        editable(program, numbers, free)


@given(st.data())
def test_the_difference_of_two_programs_leads_from_one_to_the_other(data: st.DataObject) -> None:
    """The edits that are found between two versions give the second one's digest when they are applied to the first."""
    first = editable(data.draw(documents.programs()))
    second = first
    for _ in range(data.draw(st.integers(0, 3))):
        second, _ = apply_edits(second, data.draw(documents.edits(second)))
    found = difference(first, second.program)
    if list(first.outputs) != list(second.outputs):
        assert found is None
        return
    assert found is not None
    there, _ = apply_edits(first, found)
    assert meaning(there) == meaning(second)


def meaning(document: Editable) -> list[object]:
    """Every node in order and every output, spelled out down to inputs and constants: no number and no order of constants."""
    said: dict[int, object] = {}
    for v, row in enumerate(document.rows):
        if isinstance(row, ConstantRow):
            said[v] = (document.places.types[row.type], row[1:])
        elif isinstance(row, InputRow):
            said[v] = row
    nodes: list[object] = []
    for number in document.order:
        row = document.rows[number]
        assert isinstance(row, NodeRow)
        place = document.places.locations[row.location]
        read_values = tuple(said[v] for v in row.operands)
        node = hash((row.op, repr(row.attrs), place, row.name, row.n_out, read_values))
        nodes.append(node)
        said.update({number + j: (node, j) for j in range(row.n_out)})
    return [*nodes, *((name, said[v]) for name, v in document.outputs.items())]


def test_one_changed_node_is_one_edit() -> None:
    """Two programs that differ in one op differ by one replacement."""

    def program(op: str) -> pb.Program:
        writer = ProgramWriter("test")
        f = writer.function("f")
        v = f.input("x")
        for step in range(20):
            v = f.node(op if step == 7 else "gp.sin", [v], name=f"n{step}")
        f.output(v, "out")
        return writer.finish(f)

    (edit,) = difference(editable(program("gp.sin")), program("gp.cos")) or []
    assert edit.replace_node.node.op == "gp.cos"
    assert edit.replace_node.value == 8


def document_of_three() -> Editable:
    """x -> sin -> split -> out."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    s = f.node("gp.sin", [x])
    a, _ = f.node("gp.split", [s], {"sizes": (1, 2), "axis": -1}, n_out=2)  # type: ignore[misc]
    f.output(a, "out")
    return editable(writer.finish(f))


def node(op: str, *operands: int, n_out: int = 1) -> ses.EditedNode:
    """A node without attributes."""
    return ses.EditedNode(op=op, operands=operands, n_out=n_out)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (ses.Edit(add_node=ses.AddNode(value=9, node=node("gp.sin", 0))), "next free number, 4, 9"),
        (ses.Edit(add_node=ses.AddNode(value=4, node=node("gp.sin", 4))), "no value 4"),
        (ses.Edit(add_node=ses.AddNode(value=4, before=1, node=node("gp.sin", 2))), "not stand in front"),
        (ses.Edit(add_node=ses.AddNode(value=4, before=3, node=node("gp.sin", 0))), "first output, 3"),
        (ses.Edit(add_node=ses.AddNode(value=4, node=node("", 0))), "name of an op"),
        (ses.Edit(replace_node=ses.ReplaceNode(value=2, node=node("gp.sin", 0))), "2 outputs, the new one 1"),
        (ses.Edit(replace_node=ses.ReplaceNode(value=0, node=node("gp.sin", 0))), "first output, 0"),
        (ses.Edit(replace_node=ses.ReplaceNode(value=1, node=node("gp.sin", 1))), "not stand in front"),
        (ses.Edit(remove_value=ses.RemoveValue(value=1)), "still read 1 times"),
        (ses.Edit(remove_value=ses.RemoveValue(value=0)), "a node or a constant, 0"),
        (ses.Edit(remove_value=ses.RemoveValue(value=3)), "a node or a constant, 3"),
        (ses.Edit(set_output=ses.SetOutput(name="", value=1)), "name of an output"),
        (ses.Edit(set_output=ses.SetOutput(name="nope")), "no output 'nope'"),
        (ses.Edit(set_output=ses.SetOutput(name="out", value=77)), "no value 77"),
        (ses.Edit(add_constant=ses.AddConstant(value=4, tensor=pb.Tensor())), "known dtype"),
        (
            ses.Edit(add_constant=ses.AddConstant(value=4, tensor=pb.Tensor(dtype=pb.DTYPE_F64, shape=[2], data=b"1"))),
            "expected 16 bytes of elements, 1 came",
        ),
        (
            ses.Edit(add_node=ses.AddNode(value=4, node=ses.EditedNode(op="gp.call", attrs=[ses.NamedAttr(name="function", function=0)]))),
            "reach itself",
        ),
        (
            ses.Edit(add_node=ses.AddNode(value=4, node=ses.EditedNode(op="gp.call", attrs=[ses.NamedAttr(name="function", function=7)]))),
            "has 1 functions, 7",
        ),
        (
            ses.Edit(add_node=ses.AddNode(value=4, node=ses.EditedNode(op="gp.sin", attrs=[ses.NamedAttr(name="a")]))),
            "expected a value",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_changes_nothing(edit: ses.Edit, said: str) -> None:
    """One sentence that names the edit; the edit before it in the same message is not applied either."""
    document = document_of_three()
    digest = program_digest(document.program)
    harmless = ses.Edit(replace_node=ses.ReplaceNode(value=1, node=node("gp.cos", 0)))
    with pytest.raises(EditError, match=said) as caught:
        apply_edits(document, [harmless, edit])
    assert caught.value.field_path == "edits[1]"
    assert program_digest(document.program) == digest
    row = document.rows[1]
    assert isinstance(row, NodeRow)
    assert row.op == "gp.sin"
