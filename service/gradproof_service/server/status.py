"""Faults as gRPC statuses with details: `BadRequest` names the field, `ErrorInfo` the kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # pyright: ignore[reportMissingImports]
    BadRequest,
    ErrorInfo,
    QuotaFailure,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # pyright: ignore[reportMissingImports]

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.failures import WorkerMistake

DOMAIN: Final = "gradproof"
DETAILS_KEY: Final = "grpc-status-details-bin"
CODES: Final = {
    FaultKind.UNREADABLE: grpc.StatusCode.INVALID_ARGUMENT,
    FaultKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    FaultKind.LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    FaultKind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    FaultKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    FaultKind.BUSY: grpc.StatusCode.UNAVAILABLE,
    FaultKind.CRASHED: grpc.StatusCode.INTERNAL,
    FaultKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    FaultKind.PROTOCOL: grpc.StatusCode.FAILED_PRECONDITION,
    FaultKind.INTERNAL: grpc.StatusCode.INTERNAL,
}
MESSAGE_CHARACTERS: Final = 1024
"""Longest sentence that travels: it goes in a header, and headers are bounded."""

Metadata = tuple[tuple[str, bytes], ...]


def of_fault(fault: Fault) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code, sentence and details of a fault."""
    return _status(CODES[fault.kind], fault)


def of_mistake(error: Exception) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code and sentence of a mistake of ours; says its kind and nothing of its inside."""
    name = error.name if isinstance(error, WorkerMistake) else type(error).__name__
    sentence = f"the service failed ({name}); its log says more, please report it"
    return _status(grpc.StatusCode.INTERNAL, Fault(FaultKind.INTERNAL, sentence))


def _status(code: grpc.StatusCode, fault: Fault) -> tuple[grpc.StatusCode, str, Metadata]:
    """`BadRequest` names the field, `QuotaFailure` the limit, `RetryInfo` when to come back, `ErrorInfo` the kind."""
    text = one_line(fault.message)
    status = Status(code=code.value[0], message=text)
    reason = fault.kind.value.upper().replace(" ", "_")
    status.details.append(_any(ErrorInfo(reason=reason, domain=DOMAIN)))
    if fault.field_path:
        violation = BadRequest.FieldViolation(
            field=fault.field_path[:MESSAGE_CHARACTERS], description=text
        )
        status.details.append(_any(BadRequest(field_violations=[violation])))
    if fault.limit:
        reached = QuotaFailure.Violation(subject=fault.limit, description=text)
        status.details.append(_any(QuotaFailure(violations=[reached])))
    if fault.retry_after_s:
        again = RetryInfo()
        again.retry_delay.FromTimedelta(timedelta(seconds=fault.retry_after_s))
        status.details.append(_any(again))
    return code, text, ((DETAILS_KEY, status.SerializeToString()),)


def one_line(message: str) -> str:
    """The sentence without line breaks, shortened in the middle when it is too long for a header."""
    text = " ".join(message.split())
    if len(text) <= MESSAGE_CHARACTERS:
        return text
    half = MESSAGE_CHARACTERS // 2 - 2
    return f"{text[:half]} ... {text[-half:]}"


def _any(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
