"""Reports and findings keep what they say on the wire; requests come in with their defaults."""

from __future__ import annotations

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_service.checking.report import (
    Ask,
    Block,
    Claim,
    Comparison,
    Kind,
    Options,
    Profile,
    Report,
    Source,
    Verdict,
)
from gradproof_service.diagnostic import Finding, Location, Severity
from gradproof_service.graph.program import Function, Input, Program
from gradproof_service.wire.encode import encode_ask, encode_findings, encode_options, encode_report
from gradproof_service.wire.requests import decode_options


def function(name: str, ops: list[str], names: dict[int, str] | None = None) -> Function:
    """A function of unary nodes in a row."""
    return Function(
        name, (Input("x"),), (), ops, [(k,) for k in range(len(ops))], [{}] * len(ops),
        (len(ops),), ("y",), names=names or {},
    )  # fmt: skip


PROGRAM = Program(
    (function("f", ["gp.sin", "gp.sqrt"], {0: "first"}), function("g", ["gp.exp"])), 0, b"d" * 32
)


def finding(severity: Severity, node: str, of: str, code: str = "GP999") -> Finding:
    """A finding at a node."""
    return Finding(code, "name", severity, "message", node=node, function=of)


def test_findings_name_the_nodes_of_the_program() -> None:
    """A label becomes the numbers of function and node; what is not in the program stays without."""
    found = {
        (m.code, m.op, m.function, m.node, m.HasField("node"))
        for m in encode_findings(
            [
                finding(Severity.INFO, "first", "f", "a"),
                finding(Severity.INFO, "sqrt#1", "f", "b"),
                finding(Severity.INFO, "exp#0", "g", "c"),
                finding(Severity.INFO, "exp#1", "f", "d"),
                finding(Severity.INFO, "sin#0", "elsewhere", "e"),
                finding(Severity.INFO, "", "f", "f"),
            ],
            PROGRAM,
        )
    }
    assert found == {
        ("a", "gp.sin", 0, 0, True),
        ("b", "gp.sqrt", 0, 1, True),
        ("c", "gp.exp", 1, 0, True),
        ("d", "", 0, 0, False),
        ("e", "", 0, 0, False),
        ("f", "", 0, 0, False),
    }


def test_the_gravest_finding_comes_first() -> None:
    """Order is severity, then function, then node."""
    order = [
        finding(Severity.INFO, "first", "f"),
        finding(Severity.ERROR, "exp#0", "g"),
        finding(Severity.WARNING, "sqrt#1", "f"),
        finding(Severity.ERROR, "sqrt#1", "f"),
    ]
    sent = encode_findings(order, PROGRAM)
    assert [(m.severity, m.function, m.node) for m in sent] == [
        (chk.SEVERITY_ERROR, 0, 1),
        (chk.SEVERITY_ERROR, 1, 0),
        (chk.SEVERITY_WARNING, 0, 1),
        (chk.SEVERITY_INFO, 0, 0),
    ]


def test_a_report_keeps_every_field() -> None:
    """Each field of the records is in the message, under its own name and as the same value."""
    comparison = Comparison(
        "y", "x", Kind.HESSIAN, Source.CLAIM, Source.REVERSE, Verdict.DISAGREES, "z", "noise", "detail",
        5, 6, 1, 2, 3, 4.5, (1, 2), 2.0, 1.0, 1e-9, 1.5, 0.5, 1e-7, 4, ((1, 2), (0, 0)),
    )  # fmt: skip
    place = Location("m.py", 1, 2, 3, 4, "scope", "node", (Location("c.py", 9),))
    grave = Finding(
        "GP102", "sqrt-at-zero", Severity.ERROR, "message", "sqrt#1", "f", place, "x", "y",
        ((0, 1),), (("margin", 0.0),), "cause", "mend", False,
    )  # fmt: skip
    report = Report(
        Verdict.DISAGREES, (comparison,), (grave,), (("y", np.array([1.0, 2.0])),),
        (Block(Kind.HESSIAN, "y", "x", np.eye(2), "z"),), "f", (Source.DIFFERENCES, Source.REVERSE), 7, 8, 9, 10,
        options=Options(wrt=("x",), rtol=1e-5),
    )  # fmt: skip
    message = encode_report(report, program=PROGRAM, version="1")
    sent = message.comparisons[0]
    for field in Comparison.__slots__:
        value = getattr(comparison, field)
        came = getattr(sent, field)
        if field == "worst_index":
            assert tuple(came) == value
        elif field == "wrong":
            assert tuple(tuple(place.index) for place in came) == value
        else:
            assert came == getattr(value, "value", value), field
    told = message.findings[0]
    for field in ("code", "name", "message", "input", "output", "cause", "mend", "confirmed"):
        assert getattr(told, field) == getattr(grave, field), field
    assert (told.location.source_node, told.location.callers[0].file) == ("node", "c.py")
    assert (told.element_count, tuple(told.elements[0].index)) == (1, (0, 1))
    assert (told.numbers[0].name, told.numbers[0].value) == ("margin", 0.0)
    assert list(message.witnesses) == [chk.SOURCE_REVERSE, chk.SOURCE_DIFFERENCES]
    assert (message.evaluations, message.entries_checked, message.entries_total) == (7, 8, 9)
    assert message.directions == 10
    assert message.program_digest == b"d" * 32
    assert message.derivatives[0].second_input == "z"
    np.testing.assert_array_equal(from_tensor(message.derivatives[0].dense), np.eye(2))


def test_options_come_in_with_their_defaults_and_go_out_again() -> None:
    """An empty message is the default record, and a record survives the wire."""
    assert decode_options(chk.Options()) == Options()
    options = Options(
        ("x",), ("y",), 1e-3, 0.0, 0.01, 50, 9, Profile.JAX, 2, 1000, ("GP603",)
    )  # fmt: skip
    assert decode_options(encode_options(options)) == options


def test_seeds_of_a_question_carry_names() -> None:
    """Cotangents are named after outputs, tangents after inputs."""
    point, seed = (np.zeros((2, 3)),), (np.zeros((2, 1)),)
    claims = [Claim(Kind.VJP, asked=True), Claim(Kind.JVP, input="x", asked=True)]
    sent = [encode_ask(Ask(k, 2, point, seed), k, ("x",), claims, ("y",)) for k in range(2)]
    assert [m.seeds[0].name for m in sent] == ["y", "x"]
    assert {m.subject for m in sent} == {der.PROBE_SUBJECT_CLAIM}
    primal = encode_ask(Ask(-1, 2, point), 1, ("x",), claims, ())
    assert primal.subject == der.PROBE_SUBJECT_PRIMAL
