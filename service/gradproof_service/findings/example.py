"""Examples of the catalogue as programs: a line of text becomes a function that is typed and run.

The text is Python expressions over the inputs, ops called by name with attributes as keywords. It
is read as syntax and never executed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Structure, type_of
from gradproof_service.checking.check import check
from gradproof_service.checking.report import Answer, Ask, Claim
from gradproof_service.diagnostic import Finding
from gradproof_service.findings.catalogue import static_findings
from gradproof_service.findings.review import review
from gradproof_service.findings.rule import Example
from gradproof_service.graph.program import Function, Input, Program, RuleRef
from gradproof_service.graph.typing import type_program

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "pow",
    ast.MatMult: "matmul", ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater",
    ast.GtE: "greater_equal", ast.Eq: "equal", ast.NotEq: "not_equal",
}  # fmt: skip


def findings_of(example: Example) -> tuple[Finding, ...]:
    """Everything that gradproof finds in an example: typing, the graph, a check, its review."""
    program, point = program_of(example)
    types = [
        type_of(x.dtype, x.shape, example.structures.get(name, Structure.NONE))
        for name, x in zip(example.at, point, strict=True)
    ]
    graph, wrong = type_program(program, types)
    if graph is None:
        return tuple(wrong)
    if not any(t.is_float for t in graph.output_types):
        return tuple(static_findings(graph))
    claims = _claims(example)
    report = check(
        program, graph, point, claims, example.options, ask=lambda ask: _answer(example, ask)
    )
    if example.planted is not None:
        report = example.planted(report)
    return review(graph, point, report, example.options).findings


def program_of(example: Example) -> tuple[Program, list[Array]]:
    """The example as a program (the claim is function 1) and its point."""
    point = [np.asarray(v, example.dtype if _is_float(v) else None) for v in example.at.values()]
    functions = [function_of("f", example.text, tuple(example.at), example.structures)]
    if example.claim:
        functions.append(
            function_of("claim", example.claim, example.claim_inputs or tuple(example.at))
        )
    if example.rule:
        tangents = tuple(f"{name}_dot" for name in example.at)
        functions.append(function_of("rule", example.rule, (*example.at, *tangents)))
        stated = RuleRef("jvp", len(functions) - 1, surrogate=True)
        functions[0] = replace(functions[0], rules=(stated,))
    return Program(tuple(functions)), point


def function_of(
    name: str, text: str, inputs: Sequence[str], structures: Mapping[str, Structure] | None = None
) -> Function:
    """The untyped function that the text describes; its last line is what it returns."""
    lines = ast.parse(text).body
    constants = _constants(lines, len(inputs))
    reader = _Reader({n: i for i, n in enumerate(inputs)}, constants, len(inputs) + len(constants))
    for line in lines[:-1]:
        assert isinstance(line, ast.Assign)
        reader.assign(line)
    last = lines[-1]
    assert isinstance(last, ast.Expr)
    parts = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    outputs = tuple(reader.value(part) for part in parts)
    names = ("out",) if len(outputs) == 1 else tuple(f"out{i}" for i in range(len(outputs)))
    known = structures or {}
    return Function(
        name, tuple(Input(n, structure=known.get(n, Structure.NONE)) for n in inputs),
        tuple(np.asarray(value) for _, value in reader.constants), reader.ops, reader.operands,
        reader.attrs, outputs, names, reader.counts,
    )  # fmt: skip


@dataclass(slots=True)
class _Reader:
    """A function being read: names and constants to value ids, nodes in columns."""

    names: dict[str, int]
    constants: dict[tuple[type, Any], int]
    before: int
    """Values that stand before the first node: inputs and constants."""
    ops: list[str] = field(default_factory=list[str])
    operands: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    attrs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    counts: list[int] = field(default_factory=list[int])

    def assign(self, line: ast.Assign) -> None:
        """`a = ...`, or `a, b = ...` for an op of several outputs."""
        (target,) = line.targets
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        first = self.value(line.value, len(parts))
        for j, part in enumerate(parts):
            assert isinstance(part, ast.Name)
            self.names[part.id] = first + j

    def value(self, e: ast.expr, count: int = 1) -> int:
        """The id of the (first) value of an expression."""
        match e:
            case ast.Name(id=name):
                return self.names[name]
            case ast.Constant(value=value):
                return self.constants[type(value), value]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.node("negative", [operand], {}, count)
            case ast.BinOp(left=a, op=op, right=b):
                return self.node(_OPERATORS[type(op)], [a, b], {}, count)
            case ast.Compare(left=a, ops=[op], comparators=[b]):
                return self.node(_OPERATORS[type(op)], [a, b], {}, count)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                attrs = {k.arg: ast.literal_eval(k.value) for k in keywords if k.arg}
                return self.node(name, args, attrs, count)
            case _:
                raise ValueError(f"an example cannot say {ast.unparse(e)!r}")

    def node(self, op: str, args: Sequence[ast.expr], attrs: dict[str, Any], count: int) -> int:
        """One application of an op, after those it reads."""
        operands = tuple([self.value(a) for a in args])
        self.ops.append(f"gp.{op}")
        self.operands.append(operands)
        self.attrs.append(attrs)
        self.counts.append(count)
        return self.before + sum(self.counts) - count


def _constants(lines: Sequence[ast.stmt], start: int) -> dict[tuple[type, Any], int]:
    """Numbers used as operands, each with its value id; those in keywords are attributes."""
    inside = {
        id(n)
        for line in lines
        for k in ast.walk(line)
        if isinstance(k, ast.keyword)
        for n in ast.walk(k)
    }
    found: dict[tuple[type, Any], int] = {}
    for line in lines:
        for node in ast.walk(line):
            if isinstance(node, ast.Constant) and id(node) not in inside:
                found.setdefault((type(node.value), node.value), start + len(found))
    return found


def _claims(example: Example) -> list[Claim]:
    first = next(iter(example.at))
    if example.raises:
        return [Claim(example.kind, first, asked=True)]
    return [Claim(example.kind, first, function=1)] if example.claim else []


def _answer(example: Example, ask: Ask) -> Answer:
    return Answer(error=example.raises)


def _is_float(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"
