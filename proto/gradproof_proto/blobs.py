"""Large tensors of a message, moved out into blobs before it is sent and back in after it has arrived.

Both ends use this: a client for its requests, the service for its answers. A message goes through here only when it is
too large to be sent as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from gradproof_proto.tensors import BY_WIRE, Fetch
from gradproof_proto.v1 import program_pb2 as pb

MESSAGE_LIMIT: Final = 4 << 20
"""Bytes of one message that a peer takes by default."""
MESSAGE_ROOM: Final = MESSAGE_LIMIT - (64 << 10)
"""Bytes up to which a message is sent as it is; the rest is for framing."""
TENSOR_LIMIT: Final = 1 << 20
"""Bytes of elements above which a tensor leaves a message that is too large."""

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

M = TypeVar("M", bound=Message)
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
        if top.DESCRIPTOR.full_name in _HOLDERS:
            yield top
            continue
        for field, value in reversed(top.ListFields()):
            if field.message_type is None or field.message_type.full_name in _LEAVES:
                continue
            stack.extend(reversed(value) if field.is_repeated else (value,))


def move_out(message: Message, put: Callable[[bytes], pb.BlobRef]) -> bool:
    """Replaces the elements of large tensors by what `put` names them, until the message fits; whether it does.

    Only tensors above `TENSOR_LIMIT` are moved, unless that is not enough.
    """
    for threshold in (TENSOR_LIMIT, TENSOR_LIMIT >> 6):
        if fits(message):
            return True
        for holder in holders(message):
            if holder.WhichOneof("payload") != "data":
                continue
            content = holder.data  # a copy each time it is asked for
            if len(content) > threshold:
                holder.blob.CopyFrom(put(content))
    return message.ByteSize() <= MESSAGE_ROOM


def fits(message: Message) -> bool:
    """Whether a message may be sent as it is.

    To count the bytes of a message is to write them all, so a large tensor of a point is told by its shape first.
    """
    for field, value in message.ListFields():
        if field.message_type is pb.NamedTensor.DESCRIPTOR and field.is_repeated:
            named: Iterable[pb.NamedTensor] = value
            if any(_said_bytes(entry.tensor) > MESSAGE_ROOM for entry in named):
                return False
    return message.ByteSize() <= MESSAGE_ROOM


def lightened(message: M, put: Callable[[bytes], pb.BlobRef]) -> M:
    """A copy whose tensors above `TENSOR_LIMIT` are what `put` names them: their elements are read once and never copied."""
    copy = type(message)()
    stack: list[tuple[Any, Any]] = [(message, copy)]
    while stack:
        source, target = stack.pop()
        holds = source.DESCRIPTOR.full_name in _HOLDERS
        for field, value in source.ListFields():
            name, kind = field.name, field.message_type
            if holds and name == "data" and len(value) > TENSOR_LIMIT:
                target.blob.CopyFrom(put(value))
            elif kind is None and not field.is_repeated:
                setattr(target, name, value)
            elif kind is None or (field.is_repeated and kind.full_name in _LEAVES):
                getattr(target, name).MergeFrom(value)
            elif field.is_repeated:
                stack.extend((item, getattr(target, name).add()) for item in value)
            else:
                getattr(target, name).SetInParent()
                stack.append((value, getattr(target, name)))
    return copy


def move_in(message: Message, get: Fetch) -> None:
    """Replaces every blob by the bytes that `get` gives for it."""
    for holder in holders(message):
        if holder.WhichOneof("payload") == "blob":
            holder.data = bytes(get(holder.blob))


def resolved(program: pb.Program, get: Fetch) -> pb.Program:
    """The program with the elements of its constants inline, so that its digest does not depend on how it travelled.

    The program itself when no constant lies in a blob. A constant without a complete type is left for the reader.
    """
    if not any(constant.HasField("blob") for constant in program.constants):
        return program
    copy = pb.Program()
    copy.CopyFrom(program)
    for constant in copy.constants:
        if not constant.HasField("blob") or constant.type >= len(copy.types):
            continue
        kind = copy.types[constant.type]
        row = BY_WIRE.get(int(kind.dtype))
        if row is not None and all(dim.HasField("size") and dim.size >= 0 for dim in kind.shape):
            start = constant.blob.offset_bytes
            size = prod(dim.size for dim in kind.shape) * row.stored.itemsize
            if start + size <= constant.blob.size_bytes:
                constant.data = bytes(get(constant.blob)[start : start + size])
    return copy


def _said_bytes(tensor: pb.Tensor) -> int:
    """Bytes that the elements of a tensor take in its message, by its shape; of few elements just their number."""
    elements = prod(tensor.shape)
    if elements < TENSOR_LIMIT >> 6:
        return elements
    row = BY_WIRE.get(int(tensor.dtype))
    inline = tensor.WhichOneof("payload") == "data"
    return elements * row.stored.itemsize if inline and row is not None else 0
