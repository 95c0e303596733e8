"""Documents and edits made by Hypothesis: small functions of vectors with kinks, several outputs, calls and ill-typed nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_proto.editable import Editable, NodeRow
from gradproof_proto.edits import apply_edits
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from hypothesis import strategies as st

UNARY = ("sin", "exp", "tanh", "negative", "abs", "square", "relu", "stop_gradient", "expm1")
BINARY = ("add", "multiply", "subtract", "maximum", "divide")
NAMES = ("", "", "", "loss", "hidden")
values = st.floats(-2, 2, width=32).map(lambda x: round(float(x), 3))
vectors = st.lists(values, min_size=3, max_size=3).map(np.array)


@st.composite
def programs(draw: st.DrawFn, nodes: int = 12, scalar: bool = False) -> pb.Program:
    """A function of two vectors (or with `scalar` numbers) and a number, with a helper function that it may call."""
    writer = ProgramWriter("test")
    helper = writer.function("helper")
    a, b = helper.input("a"), helper.input("b")
    helper.output(helper.node("gp.multiply", [helper.node("gp.sin", [a]), b]), "c")
    f = writer.function("f")
    known = [
        f.input("x"),
        f.input("y"),
        f.input("s"),
        f.constant(0.5),
        f.constant(draw(values if scalar else vectors)),
    ]
    for _ in range(draw(st.integers(1, nodes))):
        known.extend(_written(draw, f, helper, known, scalar))
    total = f.node("gp.add", known[:2])
    for value in draw(st.lists(st.sampled_from(known), max_size=6)):
        total = f.node("gp.add", [total, value])
    f.output(f.node("gp.sum", [total], {"axes": () if scalar else (-1,)}), "out")
    if draw(st.booleans()):
        f.output(draw(st.sampled_from(known)), "other")
    return writer.finish(f)


def _written(
    draw: st.DrawFn, f: FunctionWriter, helper: FunctionWriter, known: list[int], scalar: bool
) -> tuple[int, ...]:
    op, operands, attrs, n_out = draw(_choices(known, scalar))
    if op == "gp.call":
        attrs = {"function": helper}
    made = f.node(op, operands, attrs, n_out=n_out, name=draw(st.sampled_from(NAMES)))
    return made if isinstance(made, tuple) else (made,)


@st.composite
def _choices(
    draw: st.DrawFn, known: list[int], scalar: bool
) -> tuple[str, list[int], dict[str, Any], int]:
    one = st.sampled_from(known[:3]) | st.sampled_from(known)
    kind = draw(st.sampled_from("uuuu" * 5 + "bbbb" * 6 + "ccccc" + ("k" if scalar else "rrsk")))
    if kind == "u":
        return f"gp.{draw(st.sampled_from(UNARY))}", [draw(one)], {}, 1
    if kind == "b":
        return f"gp.{draw(st.sampled_from(BINARY))}", [draw(one), draw(one)], {}, 1
    if kind == "c":
        return "gp.call", [draw(one), draw(one)], {}, 1
    if kind == "s":
        return "gp.split", [draw(one)], {"sizes": (1, 2), "axis": -1}, 2
    if kind == "r":
        return "gp.sum", [draw(one)], {"axes": (-1,), "keepdims": draw(st.booleans())}, 1
    wrong = draw(st.sampled_from(("gp.nope", "gp.matmul", "gp.sin", "gp.reshape")))
    return wrong, [draw(one), draw(one)], {}, 1


@st.composite
def edits(
    draw: st.DrawFn, document: Editable, most: int = 4, scalar: bool = False
) -> list[ses.Edit]:
    """One to `most` edits that fit the document, one after the other."""
    made: list[ses.Edit] = []
    for _ in range(draw(st.integers(1, most))):
        edit = draw(_edit(document, scalar))
        if edit is not None:
            document, _ = apply_edits(document, [edit])
            made.append(edit)
    return made


@st.composite
def _edit(draw: st.DrawFn, document: Editable, scalar: bool) -> ses.Edit | None:
    kind = draw(st.sampled_from(["replace", "replace", "add", "add", "remove", "output", "constant", "input"]))  # fmt: skip
    free = len(document.rows)
    if kind == "constant":
        tensor = to_tensor(draw(values if scalar else vectors | values))
        return ses.Edit(add_constant=ses.AddConstant(value=free, tensor=tensor))
    if kind == "input":
        name = draw(st.sampled_from(["x", "y", "s"]))
        value = draw(values if scalar or name == "s" else vectors)
        return ses.Edit(set_input=pb.NamedTensor(name=name, tensor=to_tensor(value)))
    if kind == "output":
        standing = [v for v, row in enumerate(document.rows) if row is not None]
        name = draw(st.sampled_from(["out", "third"]))
        return ses.Edit(set_output=ses.SetOutput(name=name, value=draw(st.sampled_from(standing))))
    if kind == "remove":
        loose = [
            v for v, row in enumerate(document.rows)
            if isinstance(row, NodeRow) and not any(document.uses[v : v + row.n_out])
        ]  # fmt: skip
        if not loose:
            return None
        return ses.Edit(remove_value=ses.RemoveValue(value=draw(st.sampled_from(loose))))
    if not document.order:
        return None
    at = draw(st.integers(0, len(document.order) - (kind == "replace")))
    rank = document.rank[document.order[at]] if at < len(document.order) else float("inf")
    inside = {*document.order[at:]}
    before = [
        v for v, row in enumerate(document.rows)
        if row is not None and v not in inside and (document.rank[v] < rank or v < 3)
    ]  # fmt: skip
    op, operands, attrs, n_out = draw(_choices(before, scalar))
    place = document.rows[document.order[at]] if kind == "replace" else None
    if isinstance(place, NodeRow) and place.n_out != n_out:
        return None
    node = ses.EditedNode(op=op, operands=operands, n_out=n_out, name=draw(st.sampled_from(NAMES)))
    for name, value in attrs.items():
        attr = node.attrs.add(name=name)
        if isinstance(value, tuple):
            attr.ints.values.extend(value)
        elif isinstance(value, bool):
            attr.bool_value = value
        else:
            attr.int_value = value
    if op == "gp.call":
        node.attrs.add(name="function", function=0)
    if isinstance(place, NodeRow):
        return ses.Edit(replace_node=ses.ReplaceNode(value=document.order[at], node=node))
    added = ses.AddNode(value=free, node=node)
    if at < len(document.order):
        added.before = document.order[at]
    return ses.Edit(add_node=added)


def tensors(**values: Any) -> list[pb.NamedTensor]:
    """A point."""
    return [pb.NamedTensor(name=n, tensor=to_tensor(np.asarray(x))) for n, x in values.items()]
