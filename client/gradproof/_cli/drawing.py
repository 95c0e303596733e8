"""A function as a picture for Graphviz or Mermaid: inputs, constants, nodes with their ops, outputs."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from gradproof_proto.columns import FunctionColumns, ProgramColumns
from gradproof_proto.reader import read
from gradproof_proto.tensors import BY_WIRE
from gradproof_proto.text import element_texts, type_text
from gradproof_proto.v1 import program_pb2 as pb


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in the picture; `kind` is input, constant, node or output."""

    id: str
    kind: str
    text: str


def dot(program: pb.Program, types: dict[int, str] | None = None) -> str:
    """The entry function as a Graphviz digraph; `types` gives each node's type as text."""
    boxes, arrows = _picture(read(program), types or {})
    shapes = {"input": "ellipse", "constant": "plaintext", "node": "box", "output": "doublecircle"}
    lines = ["digraph gradproof {", "  rankdir=TB;"]
    lines += [f"  {b.id} [shape={shapes[b.kind]}, label={_dot_text(b.text)}];" for b in boxes]
    lines += [f"  {a} -> {b};" for a, b in arrows]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(program: pb.Program, types: dict[int, str] | None = None) -> str:
    """The entry function as a Mermaid flowchart; `types` gives each node's type as text."""
    boxes, arrows = _picture(read(program), types or {})
    ends = {
        "input": ("([", "])"),
        "constant": (">", "]"),
        "node": ("[", "]"),
        "output": ("((", "))"),
    }
    lines = ["flowchart TD"]
    for b in boxes:
        text = html.escape(b.text).replace("\n", "<br/>")
        lines.append(f'  {b.id}{ends[b.kind][0]}"{text}"{ends[b.kind][1]}')
    lines += [f"  {a} --> {b}" for a, b in arrows]
    return "\n".join(lines) + "\n"


def _picture(
    program: ProgramColumns, types: dict[int, str]
) -> tuple[list[Box], list[tuple[str, str]]]:
    function = program.functions[program.entry]
    owner = list(_owners(function))
    boxes = [Box(f"v{k}", "input", name) for k, name in enumerate(function.input_names)]
    first = len(boxes)
    boxes += [
        Box(f"v{first + k}", "constant", _constant(program, row))
        for k, row in enumerate(function.constants)
    ]
    arrows: list[tuple[str, str]] = []
    for node, op in enumerate(function.op.tolist()):
        name = program.ops[op].removeprefix("gp.")
        boxes.append(Box(f"n{node}", "node", name + (f"\n{types[node]}" if node in types else "")))
        span = slice(int(function.operand_start[node]), int(function.operand_start[node + 1]))
        arrows += [(owner[value], f"n{node}") for value in function.operands[span].tolist()]
    for k, (name, value) in enumerate(zip(function.output_names, function.outputs, strict=True)):
        boxes.append(Box(f"o{k}", "output", name))
        arrows.append((owner[value], f"o{k}"))
    return boxes, arrows


def _owners(function: FunctionColumns) -> Iterator[str]:
    """The box that each value comes from."""
    starts = function.value_start.tolist()
    for value in range(starts[0]):
        yield f"v{value}"
    for node in range(function.n_nodes):
        for _ in range(starts[node], starts[node + 1]):
            yield f"n{node}"


def _constant(program: ProgramColumns, row: int) -> str:
    constant = program.constants[row]
    kind = program.types[constant.type]
    dtype = BY_WIRE[kind.dtype]
    if constant.payload != "blob" and len(constant.content) == dtype.stored.itemsize:
        texts = element_texts(constant.content, dtype.name)
        if texts:
            return texts[0]
    return f"constant {type_text(kind)}"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
