"""Blobs as they travel: a message that is nothing but a chunk, written and read as bytes.

Generated code copies the bytes of a chunk into a message, and the message into its serialized form, and back in the same
two steps. For tensors that is most of the work of sending them, so both ends do this one message by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from gradproof_proto.v1 import blob_pb2

CHUNK: Final = 1 << 20
"""Bytes of one chunk of a blob."""
_LONGEST_SIZE: Final = 5
"""Bytes of the number before a field's content, at most."""


class ChunkForm:
    """The serialized form of a kind of message that has set its field `chunk` and nothing else."""

    def __init__(self, kind: type[Message]) -> None:
        self._tag = bytes([kind.DESCRIPTOR.fields_by_name["chunk"].number << 3 | 2])

    def write(self, chunk: bytes | memoryview) -> bytes:
        """The message with this chunk."""
        return b"".join((self._tag, _varint(len(chunk)), chunk))

    def read(self, content: bytes) -> memoryview | None:
        """The chunk in a message, a view of its bytes; None when the message is anything else."""
        if not content.startswith(self._tag):
            return None
        size = 0
        for place, byte in enumerate(content[1 : 1 + _LONGEST_SIZE]):
            size |= (byte & 127) << 7 * place
            if byte < 128:
                chunk = memoryview(content)[place + 2 :]
                return chunk if len(chunk) == size else None
        return None


PUT: Final = ChunkForm(blob_pb2.PutBlobRequest)
GIVEN: Final = ChunkForm(blob_pb2.GetBlobResponse)


def chunks(content: bytes | memoryview) -> Iterator[memoryview]:
    """Views of at most `CHUNK` bytes, in order; none for empty bytes."""
    view = memoryview(content)
    for start in range(0, len(view), CHUNK):
        yield view[start : start + CHUNK]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
