"""Serialized messages of the contract, read and made to fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from gradproof_proto.blobs import MESSAGE_LIMIT, move_out
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind

M = TypeVar("M", bound=Message)


def read_message(kind: type[M], content: bytes | memoryview) -> M:
    """The message in serialized bytes; raises `Fault` when they hold none."""
    message = kind()
    try:
        message.ParseFromString(content)  # pyright: ignore[reportArgumentType] takes a view as well
    except DecodeError:
        raise unreadable(len(content)) from None
    return message


def unreadable(size_bytes: int) -> Fault:
    """The fault that bytes are no message."""
    return Fault(
        FaultKind.UNREADABLE,
        f"request: expected a message of the contract, {size_bytes} bytes that are none came; "
        "use the client of this release",
    )


def fitted(message: M, put: Callable[[bytes], pb.BlobRef]) -> M:
    """The message, its large tensors put as blobs when it is too large; raises `Fault` when it stays so."""
    if not move_out(message, put):
        raise Fault(
            FaultKind.LIMIT,
            f"answer: it has {message.ByteSize()} bytes without its tensors, the limit is "
            f"{MESSAGE_LIMIT}; ask for fewer outputs or for products with seeds",
            limit="message_bytes",
        )
    return message
