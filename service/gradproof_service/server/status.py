"""Faults as gRPC statuses with details: `BadRequest` names the field, `ErrorInfo` the kind."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # pyright: ignore[reportMissingImports]
    BadRequest,
    ErrorInfo,
)
from google.rpc.status_pb2 import Status  # pyright: ignore[reportMissingImports]

from gradproof_service.diagnostic import Fault, FaultKind

DOMAIN: Final = "gradproof"
DETAILS_KEY: Final = "grpc-status-details-bin"
CODES: Final = {
    FaultKind.UNREADABLE: grpc.StatusCode.INVALID_ARGUMENT,
    FaultKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    FaultKind.LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    FaultKind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    FaultKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
}
MESSAGE_CHARACTERS: Final = 1024
"""Longest sentence that travels: it goes in a header, and headers are bounded."""

Metadata = tuple[tuple[str, bytes], ...]


def of_fault(fault: Fault) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code, sentence and details of a fault."""
    return _status(CODES[fault.kind], fault.kind.value, fault.message, fault.field_path)


def of_mistake(error: Exception) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code and sentence of a mistake of ours; says its kind and nothing of its inside."""
    sentence = f"the service failed ({type(error).__name__}); its log says more, please report it"
    return _status(grpc.StatusCode.INTERNAL, "internal", sentence, "")


def _status(
    code: grpc.StatusCode, kind: str, message: str, field_path: str
) -> tuple[grpc.StatusCode, str, Metadata]:
    text = one_line(message)
    status = Status(code=code.value[0], message=text)
    info = ErrorInfo(reason=kind.upper().replace(" ", "_"), domain=DOMAIN)
    status.details.append(_any(info))
    if field_path:
        violation = BadRequest.FieldViolation(
            field=field_path[:MESSAGE_CHARACTERS], description=text
        )
        status.details.append(_any(BadRequest(field_violations=[violation])))
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
