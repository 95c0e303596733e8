"""Attacks on a service from a process of their own, and how much longer honest calls take meanwhile.

Run as a module it attacks: `python -m tests.service.abuse.attacks KIND ADDRESS COUNT_FILE`. It has the lowest
priority, so that what honest callers feel is what the service does, not what the attacker computes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self

import grpc
from gradproof_proto.v1 import derivative_pb2 as der

from tests.service.server.harness import cubic

ROOT = Path(__file__).resolve().parents[3]
CALLS = 100
TRIES = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def raw(address: str, content: bytes, **options: Any) -> grpc.StatusCode:
    """The status of a check whose bytes are these."""
    with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary("/gradproof.v1.DerivativeService/Check")
        try:
            call(content, timeout=60, **options)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def nested(depth: int) -> bytes:
    """A message inside a message, so many times."""
    pieces: list[bytes] = []
    size = 0
    for _ in range(depth):
        pieces.append(b"\x0a" + varint(size))
        size += len(pieces[-1])
    return b"".join(reversed(pieces))


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


BOMBS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "64 MiB of zeros, compressed": (bytes(64 << 20), {"compression": grpc.Compression.Gzip}),
    "one byte too many": (bytes((4 << 20) + 1), {}),
    "two million empty messages": (der.CheckRequest(program=cubic()).SerializeToString() + b"\x22\x00" * (2_000_000 - 1000), {}),
    "two million empty nodes": (b"\x0a" + varint(4_000_000) + b"\x2a\x00" * 2_000_000, {}),
    "nested a thousand times": (nested(1000), {}),
    "nested until it is full": (nested(900_000), {}),
    "a length without end": (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", {}),
}  # fmt: skip


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


SETTINGS = frame(4)


def headers(stream: int, path: bytes = b"/gradproof.v1.DerivativeService/Check") -> bytes:
    """The start of a call, its headers written out letter by letter."""
    words = [
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
        (b"te", b"trailers"), (b"content-type", b"application/grpc"),
    ]  # fmt: skip
    packed = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in words
    )
    return frame(1, stream, packed, flags=4)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "resets": lambda: (headers(2 * k + 1) + frame(3, 2 * k + 1, struct.pack(">I", 8)) for k in range(20_000)),
    "pings": lambda: (frame(6, payload=bytes(8)) for _ in range(50_000)),
    "settings": lambda: (SETTINGS for _ in range(50_000)),
    "empty data": lambda: (headers(1) if k == 0 else frame(0, 1) for k in range(50_000)),
}  # fmt: skip


def opened(address: str, words: bytes) -> socket.socket:
    """A connection that has said this."""
    host, _, port = address.rpartition(":")
    one = socket.create_connection((host, int(port)), timeout=10)
    one.sendall(words)
    one.setblocking(False)
    return one


def closed(one: socket.socket) -> bool:
    """Whether the other end has closed; what it said before is read."""
    with contextlib.suppress(BlockingIOError):
        try:
            while True:
                if not one.recv(1 << 16):
                    return True
        except ConnectionError:
            return True
    return False


def flood(address: str, kind: str) -> Iterator[bool]:
    """Send all of a flood; after each 4 KiB whether the other end has closed, or reads no more."""
    one = opened(address, PREFACE + SETTINGS)
    part = b""
    try:
        for piece in FLOODS[kind]():
            part += piece
            if len(part) < 4096:
                continue
            one.settimeout(2)
            try:
                one.sendall(part)
            except OSError:
                yield True
                return
            part = b""
            one.setblocking(False)
            yield closed(one)
    finally:
        one.close()


class Attack:
    """A process that attacks a service, over and over; it pauses until it is let go."""

    def __init__(self, kind: str, address: str) -> None:
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115 closed when the attack is left
        words = [sys.executable, "-m", __name__, kind, address, self._file.name]
        self._process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self.pause()

    @property
    def count(self) -> int:
        """Blows so far."""
        return int.from_bytes(Path(self._file.name).read_bytes() or b"\0", "little")

    def pause(self) -> None:
        """No more blows for now."""
        self._process.send_signal(signal.SIGSTOP)

    def go(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._file.close()


class Blows(Protocol):
    """What can be let go and paused, and counts its blows."""

    @property
    def count(self) -> int:
        """Blows so far."""
        ...

    def go(self) -> None:
        """Let it go on."""
        ...

    def pause(self) -> None:
        """No more blows for now."""
        ...


def borne(ask: Callable[[], object], attack: Blows, times: float, blows: int) -> list[float]:
    """How many times as long honest calls take at p99 under so many blows as in calm just before and after.

    Measured again, up to `TRIES` times, until it is below `times`: a busy machine makes single figures
    noisy, and what is really slower is so each time. Raises `AssertionError` when it never is.
    """
    ratios: list[float] = []
    for _ in range(TRIES):
        before = slowest(ask, CALLS)
        attack.go()
        try:
            target = attack.count + blows
            under = slowest(ask, CALLS, lambda target=target: attack.count >= target)
        finally:
            attack.pause()
        ratios.append(under / max(before, slowest(ask, CALLS)))
        if ratios[-1] < times:
            return ratios
    raise AssertionError(f"honest calls took {ratios} times as long, expected below {times}")


def slowest(
    ask: Callable[[], object], calls: int, enough: Callable[[], bool] = lambda: True
) -> float:
    """Seconds of all but one in a hundred calls: as many as said, and on until it is enough."""
    taken: list[float] = []
    end = time.monotonic() + 60
    while len(taken) < calls or not enough():
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
        assert time.monotonic() < end, "the attack did not get on"
    return sorted(taken)[-max(1, len(taken) // 100)]


def main() -> None:
    """Attack until killed."""
    kind, address, count_file = sys.argv[1:]
    os.nice(19)
    file = os.open(count_file, os.O_WRONLY)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    count = 0
    while True:
        blows: Iterator[object] = (
            (raw(address, content, **options) for content, options in BOMBS.values())
            if kind == "bombs"
            else flood(address, kind)
        )
        for _ in blows:
            count += 1
            os.pwrite(file, count.to_bytes(8, "little"), 0)


if __name__ == "__main__":
    main()
