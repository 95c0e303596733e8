"""Large tensors of a message, moved out into blobs before it is sent and back in after it has arrived.

Both ends use this: a client for its requests, the service for its answers. A message goes through here only when it is
too large to be sent as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import Message

from gradproof_proto.v1 import program_pb2 as pb

MESSAGE_LIMIT: Final = 4 << 20
"""Bytes of one message that a peer takes by default."""
MESSAGE_ROOM: Final = MESSAGE_LIMIT - (64 << 10)
"""Bytes up to which a message is sent as it is; the rest is for framing."""
TENSOR_LIMIT: Final = 1 << 20
"""Bytes of elements above which a tensor leaves a message that is too large."""
CHUNK: Final = 1 << 20
"""Bytes of one chunk of a blob."""

_HOLDERS: Final = frozenset(
    descriptor.full_name for descriptor in (pb.Tensor.DESCRIPTOR, pb.Constant.DESCRIPTOR)
)
_LEAVES: Final = frozenset(
    descriptor.full_name
    for descriptor in (
        pb.Type.DESCRIPTOR, pb.AttrSet.DESCRIPTOR, pb.Location.DESCRIPTOR, pb.Function.DESCRIPTOR,
        pb.Version.DESCRIPTOR, pb.MetadataEntry.DESCRIPTOR,
    )
)  # fmt: skip
"""Messages that come in great numbers and hold no elements."""

Holder = Any
"""A `Tensor` or a `Constant`: both have `data` and `blob`."""


def blob_ref(content: bytes) -> pb.BlobRef:
    """The name of these bytes."""
    return pb.BlobRef(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))


def holders(message: Message) -> Iterator[Holder]:
    """Every tensor and constant in a message, in the order of their fields."""
    stack: list[Message] = [message]
    while stack:
        top = stack.pop()
        name = top.DESCRIPTOR.full_name
        if name in _HOLDERS:
            yield top
        if name in _HOLDERS or name in _LEAVES:
            continue
        for field, value in reversed(top.ListFields()):
            if field.message_type is None:
                continue
            stack.extend(reversed(value) if field.is_repeated else (value,))


def move_out(message: Message, put: Callable[[bytes], pb.BlobRef]) -> int:
    """Replaces the elements of each large tensor by what `put` names them; how many were replaced."""
    moved = 0
    for holder in holders(message):
        if holder.WhichOneof("payload") == "data" and len(holder.data) > TENSOR_LIMIT:
            holder.blob.CopyFrom(put(holder.data))
            moved += 1
    return moved


def move_in(message: Message, get: Callable[[pb.BlobRef], bytes]) -> None:
    """Replaces every blob by the bytes that `get` gives for it."""
    for holder in holders(message):
        if holder.WhichOneof("payload") == "blob":
            holder.data = get(holder.blob)


def chunks(content: bytes) -> Iterator[bytes]:
    """The bytes in pieces of at most `CHUNK`; none for empty bytes."""
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]
