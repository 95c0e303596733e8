"""The smallest request that shows a wrong claim again: one input, one output, one claim."""

from __future__ import annotations

import numpy as np
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof_service import __version__
from gradproof_service.checking.shrink import shrink
from gradproof_service.graph.emit import emit
from gradproof_service.server.subject import Subject
from gradproof_service.wire.encode import named_tensors
from gradproof_service.wire.encode_program import encode_program


def smallest(
    subject: Subject, report: chk.Report, request: der.CheckRequest
) -> der.CheckRequest | None:
    """A request for the pair with the largest relative error among wrong claims given as values.

    None when the wrong claims are functions of the program: they need it whole.
    """
    graph = subject.graph
    wrong = [
        c for c in report.comparisons
        if c.subject == chk.SOURCE_CLAIM and c.verdict == chk.VERDICT_DISAGREES
    ]  # fmt: skip
    pairs = [(c, claim) for c in wrong for claim in request.claims if _same(c, claim)]
    if graph is None or not pairs:
        return None
    worst, claim = max(pairs, key=lambda p: p[0].max_rel_error)
    i, o = graph.inputs.index(worst.input), graph.output_names.index(worst.output)
    inputs = [np.asarray(x) for x in subject.point]
    if claim.kind in (chk.DERIVATIVE_KIND_HESSIAN, chk.DERIVATIVE_KIND_HVP) and (
        worst.second_input not in ("", worst.input)
    ):
        return None
    small, kept = shrink(graph, inputs, i, o)
    made = der.CheckRequest(
        program=encode_program(emit(small), "gradproof.counterexample", __version__),
        point=named_tensors((graph.inputs[k], inputs[k]) for k in kept),
        claims=[claim],
        options=request.options,
        origin=request.origin,
    )
    made.claims[0].input, made.claims[0].output = worst.input, worst.output
    made.claims[0].ClearField("program_function")  # that function is not in the small program
    made.options.wrt[:] = [worst.input]
    made.options.outputs[:] = [worst.output]
    return made


def _same(comparison: chk.Comparison, claim: chk.Claim) -> bool:
    return (
        claim.WhichOneof("given") == "values"
        and claim.kind == comparison.kind
        and claim.input in ("", comparison.input)
        and claim.output in ("", comparison.output)
    )
