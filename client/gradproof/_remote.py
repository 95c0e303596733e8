"""A service behind gRPC. Calls are pure, so one that met a lost connection is tried again.

Messages stay under the 4 MiB that a service takes by default: what is larger is put as blobs first, and large tensors of
an answer are fetched back. gRPC is imported with this module, and this module only when an address is given.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from gradproof_proto.blobs import (
    MESSAGE_LIMIT,
    MESSAGE_ROOM,
    blob_ref,
    fits,
    lightened,
    move_in,
    move_out,
)
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import catalogue_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gradproof._blobs import Blobs
from gradproof._channel import Security, open_channel
from gradproof._errors import (
    AccessError,
    GradproofError,
    LimitError,
    NotFoundError,
    ServiceFault,
    ServiceUnavailable,
    fault,
)
from gradproof._session.link import Link
from gradproof._transport import CONNECT_TIMEOUT_S, AnswerProbe

_DETAILS_KEY: Final = "grpc-status-details-bin"
_KINDS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid",
    grpc.StatusCode.OUT_OF_RANGE: "invalid",
    grpc.StatusCode.FAILED_PRECONDITION: "invalid",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "limit",
    grpc.StatusCode.DEADLINE_EXCEEDED: "deadline",
    grpc.StatusCode.NOT_FOUND: "not found",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
}
Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")


class RemoteTransport:
    """Calls a service over one channel; may be used from several threads."""

    def __init__(
        self,
        address: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        security: Security | None = None,
    ) -> None:
        self.address = address
        self._channel = open_channel(address, security)
        self._derivatives: Any = derivative_pb2_grpc.DerivativeServiceStub(self._channel)
        self._catalogue: Any = catalogue_pb2_grpc.CatalogueServiceStub(self._channel)
        self._blobs = Blobs(self._channel, self._told)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)
        try:
            self.health(timeout_s=connect_timeout_s)
        except GradproofError:
            self.close()
            raise

    def evaluate(
        self, request: der.EvaluateRequest, *, timeout_s: float | None = None
    ) -> der.EvaluateResponse:
        """Outputs at a point."""
        return self._call(self._derivatives.Evaluate, request, timeout_s)

    def differentiate(
        self, request: der.DifferentiateRequest, *, timeout_s: float | None = None
    ) -> der.DifferentiateResponse:
        """Derivatives at a point."""
        return self._call(self._derivatives.Differentiate, request, timeout_s)

    def check(
        self, request: der.CheckRequest, *, timeout_s: float | None = None
    ) -> der.CheckResponse:
        """One check."""
        return self._call(self._derivatives.Check, request, timeout_s)

    def check_suite(
        self, request: der.CheckSuiteRequest, *, timeout_s: float | None = None
    ) -> Iterator[der.CheckSuiteResponse]:
        """Many checks, each answered as soon as it is known."""
        sent = self.fitted(request)
        call = self._derivatives.CheckSuite(sent, timeout=timeout_s)
        try:
            while (answer := self._told(lambda: next(call, None))) is not None:
                move_in(answer, self._blobs.get)
                yield answer
        finally:
            call.cancel()

    def probe(
        self, start: der.ProbeStart, answer: AnswerProbe, *, timeout_s: float | None = None
    ) -> chk.Report:
        """A check of a function that only the caller can evaluate; `answer` runs in the calling thread."""
        outbox: queue.SimpleQueue[der.ProbeRequest | None] = queue.SimpleQueue()
        outbox.put(self.fitted(der.ProbeRequest(start=start)))
        call = self._derivatives.Probe(iter(outbox.get, None), timeout=timeout_s)
        try:
            while (said := self._told(lambda: next(call, None))) is not None:
                move_in(said, self._blobs.get)
                if said.WhichOneof("message") == "report":
                    return said.report
                outbox.put(self.fitted(der.ProbeRequest(answer=answer(said.ask))))
        finally:
            outbox.put(None)
            call.cancel()
        raise ServiceFault(f"{self.address}: the probe ended without a report; please report it")

    def sample_points(
        self, request: der.SamplePointsRequest, *, timeout_s: float | None = None
    ) -> der.SamplePointsResponse:
        """Points inside the domain, on both sides of branches."""
        return self._call(self._derivatives.SamplePoints, request, timeout_s)

    def inspect(
        self, request: der.InspectRequest, *, timeout_s: float | None = None
    ) -> der.InspectResponse:
        """Types, cost and static findings."""
        return self._call(self._derivatives.Inspect, request, timeout_s)

    def list_ops(
        self, request: cat.ListOpsRequest, *, timeout_s: float | None = None
    ) -> cat.ListOpsResponse:
        """The ops."""
        return self._call(self._catalogue.ListOps, request, timeout_s)

    def list_findings(
        self, request: cat.ListFindingsRequest, *, timeout_s: float | None = None
    ) -> cat.ListFindingsResponse:
        """The kinds of findings."""
        return self._call(self._catalogue.ListFindings, request, timeout_s)

    def explain(
        self, request: cat.ExplainRequest, *, timeout_s: float | None = None
    ) -> cat.ExplainResponse:
        """One op or finding as a page."""
        return self._call(self._catalogue.Explain, request, timeout_s)

    def session(self) -> Link:
        """A stream of its own on this connection."""
        from gradproof._session.remote_link import RemoteLink

        return RemoteLink(self._channel, self.fitted, self._blobs.get, self._told)

    def health(self, *, timeout_s: float | None = None) -> str:
        """`serving` or `not serving`; raises `ServiceUnavailable` when nobody answers in time."""
        asked = health_pb2.HealthCheckRequest()
        limit = CONNECT_TIMEOUT_S if timeout_s is None else timeout_s
        try:
            answer = self._health.Check(asked, timeout=limit)
        except grpc.RpcError as error:
            if _code(error) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise self._absent() from None
            if _code(error) is grpc.StatusCode.UNAUTHENTICATED:
                raise AccessError(f"{self.address}: {_said(error)[1]}") from None
            raise ServiceUnavailable(
                f"{self.address}: something answers there, but it is no gradproof service; mend the address"
            ) from None
        except ValueError:
            raise self._closed() from None
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return "serving" if serving else "not serving"

    def close(self) -> None:
        """Close the connection; open calls end."""
        self._channel.close()

    def _call(self, rpc: Callable[..., Any], request: Message, timeout_s: float | None) -> Any:
        sent = self.fitted(request)
        try:
            answer = self._told(lambda: rpc(sent, timeout=timeout_s))
        except NotFoundError:
            if sent is request:
                raise
            # a blob was forgotten between being put and being used
            sent = self.fitted(request)
            answer = self._told(lambda: rpc(sent, timeout=timeout_s))
        move_in(answer, self._blobs.get)
        return answer

    def fitted(self, request: Answer) -> Answer:
        """The request itself when it is small enough, else a copy whose large parts have been put as blobs."""
        if fits(request):
            return request
        contents: dict[bytes, bytes] = {}

        def put(content: bytes) -> pb.BlobRef:
            blob = blob_ref(content)
            contents[blob.sha256] = content
            return blob

        copy = lightened(request, put)
        if not move_out(copy, put):
            sent: Any = copy
            if "program" in copy.DESCRIPTOR.fields_by_name and sent.HasField("program"):
                sent.program_blob.CopyFrom(put(sent.program.SerializeToString(deterministic=True)))
        if copy.ByteSize() > MESSAGE_ROOM:
            raise LimitError(
                f"request: it has {copy.ByteSize()} bytes without its tensors and its program, the "
                f"limit is {MESSAGE_LIMIT}; send fewer claims or cases at once"
            )
        self._blobs.put_missing(contents)
        return copy

    def _told(self, work: Callable[[], Result]) -> Result:
        """The result of a call, its failure as one of our exceptions."""
        try:
            return work()
        except grpc.RpcError as error:
            self._raise(error)
        except ValueError:  # what gRPC raises for a channel that was closed
            raise self._closed() from None

    def _raise(self, error: grpc.RpcError) -> NoReturn:
        code = _code(error)
        kind, message, field_path = _said(error)
        if code is grpc.StatusCode.UNAVAILABLE and kind != "busy":
            raise self._absent() from None
        if code is grpc.StatusCode.UNIMPLEMENTED:
            raise ServiceFault(
                f"{self.address}: the service does not know this call; it is of another release, update it"
            ) from None
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and not kind:
            message = (
                "call: it did not finish in time and was stopped; give it more time or ask for less"
            )
        raise fault(kind or _KINDS.get(code, "internal"), message, field_path) from None

    def _closed(self) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self.address}: this connection was closed; connect again")

    def _absent(self) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"{self.address}: no gradproof service answers there; start one with `gradproof serve`, "
            "or leave the address out to compute in this process"
        )


def _code(error: Any) -> grpc.StatusCode:
    return error.code()


def _said(error: Any) -> tuple[str, str, str]:
    """Kind, sentence and field path as the service told them; the kind is empty when it was not the service."""
    from google.rpc import error_details_pb2, status_pb2  # pyright: ignore[reportMissingImports]

    kind, field_path = "", ""
    message = error.details() or "the call failed"
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY:
            continue
        status = status_pb2.Status()
        with contextlib.suppress(ValueError):
            status.ParseFromString(value)
        for detail in status.details:
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                kind = info.reason.lower().replace("_", " ")
            elif detail.Unpack(bad) and bad.field_violations:
                field_path = bad.field_violations[0].field
    return kind, message, field_path
