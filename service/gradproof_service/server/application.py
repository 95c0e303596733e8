"""The service as plain functions: a message in, a message out, a `Fault` when the call cannot be served.

Everything that serves (the gRPC server, the embedded door of the client) calls these same functions with the same
messages, so an answer does not depend on the way it was asked for. Nothing here knows a transport, a thread or a clock:
`tick` is called during long work and raises to stop it. What only some calls need is imported by those calls: a check from
the command line should not wait for pages and printers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service import __version__
from gradproof_service.checking.report import Options, Report, Verdict
from gradproof_service.diagnostic import Fault, FaultKind, Finding
from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.graph.program import Program
from gradproof_service.server.blobs import Blobs, BlobStore
from gradproof_service.server.cost import judge_cost
from gradproof_service.server.differentiate import (
    derivative_program,
    derivatives,
    may_be_sparse,
    wanted,
)
from gradproof_service.server.options import read_options, sifted
from gradproof_service.server.subject import Subject, program_message, read_program, type_at
from gradproof_service.transforms.evaluate import Tick, batch_of, no_tick
from gradproof_service.transforms.jacobian import Mode
from gradproof_service.transforms.planned import planned
from gradproof_service.wire.decode import decode_program
from gradproof_service.wire.encode import (
    encode_block,
    encode_findings,
    encode_report,
    named_tensors,
)
from gradproof_service.wire.encode_program import encode_program
from gradproof_service.wire.requests import (
    decode_claims,
    decode_kind,
    decode_point,
    decode_types,
)

if TYPE_CHECKING:
    from gradproof_service.server.lineages import Lineages
    from gradproof_service.server.probing import AskClient

PRODUCER: Final = "gradproof.service"
_MODES: Final[dict[int, Mode]] = {
    der.MODE_UNSPECIFIED: "auto",
    der.MODE_AUTO: "auto",
    der.MODE_FORWARD: "forward",
    der.MODE_REVERSE: "reverse",
}


class Application:
    """One handler for every rpc. Its only state is the store of blobs, and what saves time for documents that are edited."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, blobs: Blobs | None = None) -> None:
        self.limits = limits
        self.blobs: Blobs = BlobStore(limits.blob_bytes) if blobs is None else blobs

    def evaluate(self, request: der.EvaluateRequest, tick: Tick = no_tick) -> der.EvaluateResponse:
        """Outputs at one point or at many."""
        options = read_options(request.options)
        program = read_program(request, self.blobs, self.limits)
        subject = self._typed(program, request.point, request.options, batch=request.batch)
        graph = subject.graph
        if graph is None:
            return der.EvaluateResponse(findings=self._shown(subject.findings, program, options))
        batch = request.batch
        judge_cost(graph, (bool(batch),) * len(graph.inputs), batch, self.limits)
        values = planned(graph, subject.point, tick=tick)
        if batch:
            values = [
                batch_of(y, t.rank, batch) for y, t in zip(values, graph.output_types, strict=True)
            ]
        return der.EvaluateResponse(
            outputs=named_tensors(zip(graph.output_names, values, strict=True)),
            findings=self._shown(subject.findings, program, options),
        )

    def differentiate(
        self, request: der.DifferentiateRequest, tick: Tick = no_tick
    ) -> der.DifferentiateResponse:
        """Derivatives at a point, and on request the program that computes them."""
        options = read_options(request.options)
        kind = decode_kind(request.kind, "kind")
        if int(request.mode) not in _MODES:
            raise Fault(
                FaultKind.INVALID,
                f"mode: expected auto, forward or reverse, {int(request.mode)} came; leave it out",
                field_path="mode",
            )
        program = read_program(request, self.blobs, self.limits)
        subject = self._typed(program, request.point, request.options)
        shown = self._shown(subject.findings, program, options)
        graph = subject.graph
        if graph is None:
            return der.DifferentiateResponse(findings=shown)
        seeds = decode_point(request.seeds, field="seeds", fetch=self.blobs.get)
        asked = wanted(
            graph, kind, _MODES[request.mode], options, seeds, request.seed_batch, self.limits
        )
        judge_cost(graph, (False,) * len(graph.inputs), 0, self.limits)
        values = planned(graph, subject.point, tick=tick)
        small = request.dense_elements
        if request.sparse and may_be_sparse(graph, asked, small):
            from gradproof_service.server.sparse import (
                sparse_derivatives,  # scipy, which few calls need
            )

            told = sparse_derivatives(graph, subject.point, asked, small, tick)
        else:
            told = list(map(encode_block, derivatives(graph, subject.point, asked, tick)))
        response = der.DifferentiateResponse(
            outputs=named_tensors(zip(graph.output_names, values, strict=True)),
            derivatives=told,
            findings=shown,
        )
        if request.emit_program:
            made = encode_program(derivative_program(graph, asked), PRODUCER, __version__)
            response.program.CopyFrom(made)
        return response

    def check(
        self, request: der.CheckRequest, tick: Tick = no_tick, *, document: str = ""
    ) -> der.CheckResponse:
        """One check of one function at one point.

        `document` names what the function is a version of: what was computed for other versions is then not computed again.
        """
        program = read_program(request, self.blobs, self.limits, digest=True)
        report = self._check(program, request, request.options, tick, document)
        response = der.CheckResponse(report=report)
        if request.counterexample and response.report.verdict == chk.VERDICT_DISAGREES:
            from gradproof_service.server.counterexample import smallest

            found = smallest(
                self._typed(program, request.point, request.options), response.report, request
            )
            if found is not None:
                response.counterexample.CopyFrom(found)
        return response

    def sample_points(
        self, request: der.SamplePointsRequest, tick: Tick = no_tick
    ) -> der.SamplePointsResponse:
        """Points inside the domain, on both sides of the branches that can be reached."""
        from gradproof_service.checking.points import sample_points
        from gradproof_service.checking.scene import make_scene
        from gradproof_service.findings.coverage import coverage_findings

        options = read_options(request.options)
        program = read_program(request, self.blobs, self.limits)
        subject = self._typed(program, request.point, request.options)
        graph = subject.graph
        if graph is None:
            return der.SamplePointsResponse(
                findings=self._shown(subject.findings, program, options)
            )
        count = request.count or 1
        if count > self.limits.points:
            raise Fault(
                FaultKind.LIMIT,
                f"count: {count} points are wanted, the limit is {self.limits.points}; ask several "
                "times with other seeds",
                field_path="count",
                limit="points",
            )
        judge_cost(graph, (True,) * len(graph.inputs), count, self.limits)
        scene = make_scene(graph, subject.point, options, tick)
        points, coverage = sample_points(
            graph, subject.point, scene.wrt, count, options.rng_seed, tick=tick
        )
        return der.SamplePointsResponse(
            points=[
                der.SampledPoint(point=named_tensors(zip(graph.inputs, p, strict=True))) for p in points
            ],
            sides=coverage.sides, sides_seen=coverage.sides_seen, unseen=coverage.unseen,
            findings=self._shown(coverage_findings(graph, coverage), program, options),
        )  # fmt: skip

    def check_suite(
        self, request: der.CheckSuiteRequest, tick: Tick = no_tick, *, first: int = 0
    ) -> Iterator[der.CheckSuiteResponse]:
        """Each case from the `first` on, as soon as it is known; one that cannot be checked does not stop the others."""
        program = read_program(request, self.blobs, self.limits, digest=True)
        message = program_message(request, self.blobs)
        for index in range(first, len(request.cases)):
            case = request.cases[index]
            answer = der.CheckSuiteResponse(index=index, name=case.name)
            try:
                entered = program
                if case.HasField("function"):
                    entered = decode_program(
                        message, entry=case.function, fetch=self.blobs.get, limits=self.limits,
                        digest=True,
                    )  # fmt: skip
                options = case.options if case.HasField("options") else request.options
                answer.report.CopyFrom(self._check(entered, case, options, tick))
            except Fault as fault:
                if fault.kind is FaultKind.DEADLINE:
                    raise
                answer.fault = fault.message
            yield answer

    def probe(
        self, start: der.ProbeStart, ask_client: AskClient, tick: Tick = no_tick
    ) -> chk.Report:
        """A check of a function that only the client can evaluate; `ask_client` blocks until it has answered."""
        from gradproof_service.server.probing import probe

        return probe(start, ask_client, self.blobs.get, tick)

    def inspect(self, request: der.InspectRequest, tick: Tick = no_tick) -> der.InspectResponse:
        """Types, cost, memory and static findings."""
        from gradproof_service.server import inspection

        options = read_options(request.options)
        message = program_message(request, self.blobs)
        program = read_program(request, self.blobs, self.limits, digest=True)
        given = decode_types(request.point)
        response, graph, findings = inspection.inspect(
            message, program, given, self.limits, request.nodes
        )
        if graph is not None:
            from gradproof_service.findings.catalogue import static_findings

            findings = [*findings, *static_findings(graph)]
        shown, response.suppressed = sifted(findings, options)
        response.findings.extend(encode_findings(shown, program))
        return response

    def list_ops(self, request: cat.ListOpsRequest, tick: Tick = no_tick) -> cat.ListOpsResponse:
        """The ops."""
        from gradproof_service.server import catalogue

        return catalogue.list_ops(request)

    def list_findings(
        self, request: cat.ListFindingsRequest, tick: Tick = no_tick
    ) -> cat.ListFindingsResponse:
        """The kinds of findings."""
        from gradproof_service.server import catalogue

        return catalogue.list_findings()

    def explain(self, request: cat.ExplainRequest, tick: Tick = no_tick) -> cat.ExplainResponse:
        """One op or one finding as a page; what is unknown gets a page that names the nearest."""
        from gradproof_service.server import catalogue

        return catalogue.explain(request)

    @cached_property
    def lineages(self) -> Lineages:
        """What is kept of documents between their checks."""
        from gradproof_service.server.lineages import Lineages  # only documents pay for it

        return Lineages()

    def _typed(
        self,
        program: Program,
        point: Sequence[pb.NamedTensor],
        options: chk.Options,
        *,
        batch: int = 0,
    ) -> Subject:
        wide = int(options.compute_dtype) == pb.DTYPE_F64
        return type_at(program, point, self.blobs, self.limits, batch=batch, compute_f64=wide)

    def _check(
        self, program: Program, request: Any, options_message: chk.Options, tick: Tick,
        document: str = "",
    ) -> chk.Report:  # fmt: skip
        """`request` is a check or a case of a suite: point, claims and origin."""
        from gradproof_service.checking.check import check_scene
        from gradproof_service.checking.scene import make_scene
        from gradproof_service.findings.review import review_scene

        options = read_options(options_message)
        claims = decode_claims(
            request.claims, functions=len(program.functions), fetch=self.blobs.get
        )
        subject = self._typed(program, request.point, options_message)
        if subject.graph is None:
            report = Report(
                Verdict.INCONCLUSIVE,
                findings=tuple(subject.findings),
                function=program.main.name,
                options=options,
            )
        else:
            judge_cost(subject.graph, (False,) * len(subject.point), 0, self.limits)
            with np.errstate(
                all="ignore"
            ):  # what overflows is judged as a number, not as a warning
                scene = make_scene(subject.graph, subject.point, options, tick)
                followed = (
                    self.lineages.following(document, scene) if document else nullcontext(scene)
                )
                with followed as scene:
                    report = check_scene(program, scene, claims, options)
                    report = review_scene(scene, report, options)
        return encode_report(report, program=program, origin=_origin(request), version=__version__)

    def _shown(
        self, findings: Sequence[Finding], program: Program, options: Options
    ) -> list[chk.Finding]:
        return encode_findings(sifted(findings, options)[0], program)


def _origin(request: Any) -> chk.Origin | None:
    return cast(chk.Origin, request.origin) if request.HasField("origin") else None
