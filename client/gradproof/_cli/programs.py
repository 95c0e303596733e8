"""`show` and `convert`: a function as a program, printed, drawn or written to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._cli.asking import deliver, service, write_file
from gradproof._cli.page import page_for, show, write
from gradproof._cli.progress import at_work
from gradproof._cli.subject import Aimed, aimed
from gradproof._cli.trouble import AGREES, Mistake
from gradproof._program import BINARY_SUFFIX, TEXT_SUFFIX

Picture = Literal["text", "dot", "mermaid"]


def run_show(target: str, at: tuple[str, ...], form: Picture, out: Path | None, server: str) -> int:
    """Print the program of a target: its text form, or a picture."""
    with at_work(target):
        this = aimed(target, at, partial=True)
        typed = _inspect(this, server) if this.subject else None
    types = {n.node: ", ".join(n.types) for n in typed.nodes} if typed else {}
    if form == "text":
        deliver(typed.text if typed and typed.text else this.program.to_text(), out)
    else:
        from gradproof._cli.drawing import dot, mermaid

        draw = dot if form == "dot" else mermaid
        deliver(draw(this.program.message, types), out)
    return AGREES


def run_convert(target: str, at: tuple[str, ...], out: Path) -> int:
    """Write the program of a target to a file, binary or text by its suffix."""
    if out.suffix not in (BINARY_SUFFIX, TEXT_SUFFIX):
        raise Mistake(
            f"{out}: expected a name that ends in {BINARY_SUFFIX} (binary) or {TEXT_SUFFIX} (text)"
        )
    with at_work(target):
        this = aimed(target, at, partial=True)
    program = this.program
    write_file(out, program.to_text() if out.suffix == TEXT_SUFFIX else program.to_bytes())
    write(f"{out}: {program.name}({', '.join(program.inputs)}), {program.node_count} nodes\n")
    return AGREES


def _inspect(this: Aimed, server: str) -> der.InspectResponse:
    assert this.subject is not None
    request = der.InspectRequest(program=this.program.message, point=this.subject.point, nodes=True)
    with service(server) as transport:
        response = transport.inspect(request)
    if response.findings:
        from gradproof._cli.findings_page import add_findings

        page = page_for(sys.stderr)
        add_findings(page, response.findings, source=this.source)
        show(page, sys.stderr)
    return response
