"""What the server and a worker say to each other: frames over a socket pair, large bodies in shared memory.

A frame is a header of fixed size, a short note and a body. A body above `INLINE` bytes travels as the descriptor of
anonymous shared memory: it has no name, so nothing is left behind when either end dies. Nothing is ever unpickled: notes are
packed numbers or JSON, bodies are serialized messages or the bytes of a blob.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from google.protobuf.message import Message

from gradproof_service.server.messages import read_message
from gradproof_service.server.shared import SharedBytes

INLINE: Final = 64 << 10
"""Bytes of a body that go through the socket: always less than its empty buffer takes."""
LONGEST_NOTE: Final = 32 << 10
TASK_NOTE: Final = struct.Struct("<IdQ")
"""Before the method's name: the task's number, the seconds it has left, and the first answer wanted of a stream."""
RESULT_NOTE: Final = struct.Struct("<Q")
"""Resident bytes of the worker after the task."""
M = TypeVar("M", bound=Message)
_HEADER: Final = struct.Struct("<BBxxIQ")
_READ: Final = 256 << 10
_DESCRIPTORS: Final = 16


class Kind(IntEnum):
    """What a frame says."""

    TASK = 1
    """To the worker: do this. Note: `TASK_NOTE`, then the method's name, and behind a space the document that it is about."""
    RESULT = 2
    """The answer, and the end of the task. Note: `RESULT_NOTE`."""
    FAULT = 3
    """The task cannot be done. Note: JSON of the fault."""
    MISTAKE = 4
    """The worker failed inside. Note: JSON of the exception's name and its traceback."""
    ITEM = 5
    """One answer of a stream; the worker waits for `MORE`."""
    MORE = 6
    ASK = 7
    """A question of a probe; the worker waits for `TOLD`."""
    TOLD = 8
    FETCH = 9
    """Note: a blob's digest; the worker waits for `BLOB` or `NO_BLOB`."""
    BLOB = 10
    NO_BLOB = 11
    KEEP = 12
    """Note: a blob's digest; body: its bytes, for the caller to collect."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that arrived."""

    kind: Kind
    note: bytes
    body: bytes | SharedBytes

    def read(self, kind: type[M]) -> M:
        """The body as a message; raises `Fault` when it is none."""
        if isinstance(self.body, bytes):
            return read_message(kind, self.body)
        with self.body as shared:
            return read_message(kind, shared.view)

    def content(self) -> bytes:
        """The body as bytes; shared memory is copied out and let go."""
        if isinstance(self.body, bytes):
            return self.body
        with self.body as shared:
            return bytes(shared.view)

    def view(self) -> bytes | memoryview:
        """The body to be read where it lies; shared memory is kept as long as the view is."""
        if isinstance(self.body, bytes):
            return self.body
        with self.body as shared:
            return shared.view[:]


class Inbox:
    """Bytes and descriptors as they came, given out as frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._descriptors: deque[int] = deque()

    def receive(self, connection: socket.socket) -> bool:
        """Take what is there; False at the end of the connection."""
        data, descriptors, _, _ = socket.recv_fds(connection, _READ, _DESCRIPTORS)
        self._descriptors.extend(descriptors)
        self._bytes += data
        return bool(data)

    def frame(self) -> Frame | None:
        """The next whole frame, None when it has not come yet."""
        held = self._bytes
        if len(held) < _HEADER.size:
            return None
        kind, shared, noted, size = _HEADER.unpack_from(held)
        end = _HEADER.size + noted + (0 if shared else size)
        if len(held) < end:
            return None
        note = bytes(held[_HEADER.size : _HEADER.size + noted])
        inline = bytes(held[end - size : end]) if not shared else b""
        body = SharedBytes(self._descriptors.popleft(), size) if shared else inline
        del held[:end]
        return Frame(Kind(kind), note, body)

    def close(self) -> None:
        """Let go of descriptors that no frame has taken."""
        while self._descriptors:
            os.close(self._descriptors.popleft())


def send(
    connection: socket.socket, kind: Kind, note: bytes = b"", body: bytes | SharedBytes = b""
) -> None:
    """Send one frame; raises `OSError` when the other end is gone, or, on a socket that does not block, does not take it."""
    if isinstance(body, SharedBytes):
        _send_shared(connection, kind, note, body)
    elif len(body) > INLINE:
        with SharedBytes.of(body) as shared:
            _send_shared(connection, kind, note, shared)
    else:
        _send_all(connection, _HEADER.pack(kind, 0, len(note), len(body)) + note + body)


def _send_shared(connection: socket.socket, kind: Kind, note: bytes, body: SharedBytes) -> None:
    data = _HEADER.pack(kind, 1, len(note), body.size) + note
    sent = socket.send_fds(connection, [data], [body.descriptor])
    _send_all(connection, data[sent:])


def _send_all(connection: socket.socket, data: bytes) -> None:
    """`sendall`, but what a socket without blocking does not take at once is an error and not half a frame in silence."""
    if connection.gettimeout() is None:
        connection.sendall(data)
    elif data and connection.send(data) != len(data):
        raise BlockingIOError("the worker does not read")
