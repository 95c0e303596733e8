"""Rules on functions inside a program are proved alone, and the wrong one is named."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_proto.text_parser import parse_program
from gradproof_service.checking.check import check
from gradproof_service.checking.report import Options, Report, Source, Verdict
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.wire.decode import decode_program

PROGRAM = """gradproof 1
opset gp 1
entry @main

func @wave(x, y) -> (z) {{
  %2 = gp.sin(%x)
  %3 = gp.multiply(%2, %y)
  return %3
  rule {rule}
}}

func @pull(x, y, z_bar) -> (x_bar, y_bar) {{
  %c = gp.cos(%x)
  %a = gp.multiply(%c, %y)
  %x_bar = gp.multiply(%a, %z_bar)
  %s = gp.{slip}(%x)
  %y_bar = gp.multiply(%s, %z_bar)
  return %x_bar, %y_bar
}}

func @push(x, y, x_dot, y_dot) -> (z_dot) {{
  %c = gp.cos(%x)
  %a = gp.multiply(%c, %y)
  %b = gp.multiply(%a, %x_dot)
  %s = gp.{slip}(%x)
  %d = gp.multiply(%s, %y_dot)
  %e = gp.add(%b, %d)
  return %e
}}

func @fore(x, y) -> (z, c, y_kept, s) {{
  %s = gp.sin(%x)
  %z = gp.multiply(%s, %y)
  %c = gp.cos(%x)
  return %z, %c, %y, %s
}}

func @back(c, y, s, z_bar) -> (x_bar, y_bar) {{
  %a = gp.multiply(%c, %y)
  %x_bar = gp.multiply(%a, %z_bar)
  %t = gp.{slip_back}(%s)
  %y_bar = gp.multiply(%t, %z_bar)
  return %x_bar, %y_bar
}}

func @main(u, v) -> (loss) {{
  %2 = gp.square(%u)
  %3 = gp.call(%2, %v, function=@wave)
  %4 = gp.sum(%3)
  return %4
}}
"""


def proved(rule: str, slip: str = "sin", slip_back: str = "positive") -> Report:
    """The report on the program with this rule, and with other ops where it may slip."""
    text = PROGRAM.format(rule=rule, slip=slip, slip_back=slip_back)
    program = decode_program(parse_program(text))
    point = {"u": np.array([0.3, -0.8]), "v": np.array([1.5, 0.4])}
    graph, findings = type_program(program, bind(program.main.inputs, point))
    assert graph is not None, findings
    return check(program, graph, list(point.values()), (), Options())


@pytest.mark.parametrize("rule", ["vjp @pull", "jvp @push", "forward_backward @fore @back"])
def test_a_right_rule_agrees(rule: str) -> None:
    """Every kind of rule is held against the derivative of the function it belongs to."""
    report = proved(rule)
    assert report.verdict is Verdict.AGREES
    judged = [c for c in report.comparisons if c.subject is Source.RULE]
    assert {(c.output, c.input) for c in judged} == {("z", "x"), ("z", "y")}


@pytest.mark.parametrize("rule", ["vjp @pull", "jvp @push", "forward_backward @fore @back"])
def test_a_wrong_rule_is_named_by_its_argument(rule: str) -> None:
    """A slip in one argument's part of a rule disagrees for that argument alone."""
    report = proved(rule, "tanh", "square")
    assert report.verdict is Verdict.DISAGREES
    wrong = {c.input for c in report.comparisons if c.verdict is Verdict.DISAGREES}
    assert wrong == {"y"}


def test_a_wrong_rule_is_shown_where_it_was_stated() -> None:
    """A rule that says where it stands in the source is accused there."""
    report = proved("vjp @pull  @ model.py:20", "tanh")
    (finding,) = [f for f in report.findings if f.code == "GP800"]
    assert (finding.location.file, finding.location.line) == ("model.py", 20)


def test_a_declared_surrogate_is_told_and_not_accused() -> None:
    """A rule that says it is not the derivative is a note, not a fault."""
    report = proved("vjp @pull surrogate", "tanh")
    assert report.verdict is Verdict.AGREES
    assert [f.code for f in report.findings] == ["GP806"]


def test_a_rule_of_the_wrong_form_disagrees() -> None:
    """A rule with other operands than its kind takes is told what was expected."""
    report = proved("vjp @push")
    assert report.verdict is Verdict.DISAGREES
    assert "takes 4 values, expected 3" in report.findings[0].message
