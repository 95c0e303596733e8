"""One check: the subject and its claims are made, sent, and the report comes back as a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof_proto.v1 import check_pb2
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._options import options
from gradproof._report import Report
from gradproof._subject import Source, black_box, chosen, prepare
from gradproof._transport import Transport


def run_check(
    transport: Transport,
    source: Source,
    *,
    at: Any,
    claim: Any = None,
    claim_kind: str | None = None,
    wrt: str | Sequence[str] | None = None,
    outputs: str | Sequence[str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    tau: float | None = None,
    rng_seed: int = 0,
    profile: str = "",
    order: int = 1,
    witness_evaluations: int | None = None,
    suppress: Sequence[str] = (),
    timeout_s: float | None = None,
) -> Report:
    """Check a function's derivatives at a point; see `gradproof.check`."""
    subject = prepare(source, at)
    inputs = chosen(subject.arguments.names, wrt, "wrt")
    known = (
        subject.program.outputs if subject.program else [name for name, _ in subject.plain or ()]
    )
    results = chosen(known, outputs, "outputs")
    wanted = options(
        wrt=inputs,
        outputs=results,
        rtol=rtol,
        atol=atol,
        tau=tau,
        rng_seed=rng_seed,
        profile=profile,
        order=order,
        witness_evaluations=witness_evaluations,
        suppress=suppress,
    )
    given: list[check_pb2.Claim] = []
    if claim is not None:
        from gradproof._claims import claims  # with the tracer behind it: only when used

        given = claims(subject, claim, claim_kind, inputs, results, rng_seed, transport, timeout_s)
    if subject.program is None:
        assert subject.function is not None
        start = der.ProbeStart(
            inputs=[der.ProbeInput(name=name) for name in subject.arguments.names],
            point=subject.point,
            claims=given,
            options=wanted,
            origin=subject.origin,
        )
        answer = black_box(subject.function, subject.arguments)
        return Report(transport.probe(start, answer, timeout_s=timeout_s))
    request = der.CheckRequest(
        program=subject.program.message,
        point=subject.point,
        claims=given,
        options=wanted,
        origin=subject.origin,
    )
    return Report(transport.check(request, timeout_s=timeout_s).report)
