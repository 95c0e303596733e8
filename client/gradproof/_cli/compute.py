"""`eval`, `grad`, `jacobian`, `hessian`: the numbers themselves, whole and exact."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from gradproof_proto.sparse import Rows, from_sparse
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._cli import numbers
from gradproof._cli.asking import Format, deliver, service
from gradproof._cli.findings_page import add_findings
from gradproof._cli.json_text import array_record, json_text
from gradproof._cli.page import page_for, show
from gradproof._cli.progress import at_work
from gradproof._cli.report_parts import derivative_name
from gradproof._cli.sparse_page import sparse_record, sparse_text
from gradproof._cli.subject import Aimed, aimed, in_our_words
from gradproof._cli.trouble import AGREES, FINDINGS, USAGE
from gradproof._differentiate import DENSE_LIMIT
from gradproof._report import dense, word
from gradproof._subject import named

Verb = Literal["eval", "grad", "jacobian", "hessian"]
Named = tuple[str, np.ndarray[Any, Any]]
KINDS: Final = {
    "grad": chk.DERIVATIVE_KIND_GRADIENT,
    "jacobian": chk.DERIVATIVE_KIND_JACOBIAN,
    "hessian": chk.DERIVATIVE_KIND_HESSIAN,
}
MODES: Final = {"auto": der.MODE_AUTO, "forward": der.MODE_FORWARD, "reverse": der.MODE_REVERSE}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call of such a command, as it was asked."""

    verb: Verb
    target: str
    at: tuple[str, ...]
    wrt: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    mode: Literal["auto", "forward", "reverse"] = "auto"
    form: Format = "text"
    out: Path | None = None
    timeout_s: float | None = None
    server: str = ""
    structure: tuple[str, ...] = ()
    sparse: bool = False
    """Sparse whatever the size; large sparse matrices come so by themselves."""


def run_compute(wanted: Wanted) -> int:
    """Compute and print; exits 2 when a finding says why nothing could be computed."""
    with at_work(wanted.target):
        this = aimed(wanted.target, wanted.at, structure=wanted.structure)
        answer = _ask(wanted, this)
    if answer.findings:
        page = page_for(sys.stderr)
        add_findings(page, answer.findings, source=this.source)
        show(page, sys.stderr)
    outputs = [(o.name, from_tensor(o.tensor)) for o in answer.outputs]
    if not outputs:
        return USAGE
    if wanted.verb == "eval":
        return _outputs(wanted, outputs)
    return _derivatives(wanted, outputs, answer.derivatives)


def _ask(wanted: Wanted, this: Aimed) -> der.DifferentiateResponse:
    """The answer of the service; for `eval` one without derivatives, and a function's own values."""
    assert this.subject is not None
    point = this.subject.point
    if wanted.verb == "eval" and this.subject.plain is not None:
        values = named([n for n, _ in this.subject.plain], [a for _, a in this.subject.plain])
        return der.DifferentiateResponse(outputs=values)
    with service(wanted.server) as transport, in_our_words(this.target):
        if wanted.verb == "eval":
            request = der.EvaluateRequest(program=this.program.message, point=point)
            answer = transport.evaluate(request, timeout_s=wanted.timeout_s)
            return der.DifferentiateResponse(outputs=answer.outputs, findings=answer.findings)
        request = der.DifferentiateRequest(
            program=this.program.message, point=point, kind=KINDS[wanted.verb],
            mode=MODES[wanted.mode], sparse=True, dense_elements=0 if wanted.sparse else DENSE_LIMIT,
            options=chk.Options(wrt=wanted.wrt, outputs=wanted.outputs),
        )  # fmt: skip
        return transport.differentiate(request, timeout_s=wanted.timeout_s)


def _outputs(wanted: Wanted, outputs: Sequence[Named]) -> int:
    if wanted.form == "json":
        deliver(json_text({"outputs": {n: array_record(a) for n, a in outputs}}), wanted.out)
    else:
        deliver(_text(outputs), wanted.out)
    return AGREES


def _derivatives(
    wanted: Wanted, outputs: Sequence[Named], derivatives: Sequence[chk.Derivative]
) -> int:
    found = [from_sparse(d.sparse) if d.HasField("sparse") else dense(d) for d in derivatives]
    if wanted.form == "json":
        record = {
            "outputs": {n: array_record(a) for n, a in outputs},
            "derivatives": [
                {
                    "kind": word(chk.DerivativeKind, d.kind, "DERIVATIVE_KIND_"),
                    "output": d.output, "input": d.input, "second_input": d.second_input,
                    **(sparse_record(a) if isinstance(a, Rows) else array_record(a)),
                }
                for d, a in zip(derivatives, found, strict=True)
            ],
        }  # fmt: skip
        deliver(json_text(record), wanted.out)
    else:
        several = len({d.output for d in derivatives}) > 1
        order = 2 if wanted.verb == "hessian" else 1
        names = [
            derivative_name(
                d.output, d.input, d.second_input or d.input, named=several, order=order
            )
            for d in derivatives
        ]
        deliver(_text(list(zip(names, found, strict=True))), wanted.out)
    values = [a.values if isinstance(a, Rows) else a for a in found]
    return AGREES if all(np.isfinite(a).all() for a in values) else FINDINGS


def _text(named: Sequence[tuple[str, np.ndarray[Any, Any] | Rows]]) -> str:
    """One array as it is; several as `name = array`, so that the numbers stay easy to cut out."""
    width = page_for().width
    if len(named) == 1:
        return _numbers(named[0][1], width) + "\n"
    parts: list[str] = []
    for name, array in named:
        text = _numbers(array, width - len(name) - 3)
        indent = "\n" + " " * (len(name) + 3)
        parts += f"{name} = {indent.join(text.splitlines())}".splitlines()
    return "".join(line.rstrip() + "\n" for line in parts)


def _numbers(array: np.ndarray[Any, Any] | Rows, width: int) -> str:
    return sparse_text(array) if isinstance(array, Rows) else numbers.full(array, width)
