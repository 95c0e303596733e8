"""Connections that say nothing, half of something, or far too much: abuses 9 and 23."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from gradproof_service.server import grpc_server

from tests.service.abuse.harness import evaluate, until
from tests.service.server.harness import ServerThread

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SHORT = {
    "grpc.server_handshake_timeout_ms": 1000,
    "grpc.max_connection_idle_ms": 1500,
    "grpc.max_connection_age_ms": 3000,
    "grpc.max_connection_age_grace_ms": 500,
}
"""The service's own timeouts, made short."""
REAPED_S = 2 * 3.5


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerThread]:
    """A server with short timeouts for connections."""
    real = grpc_server.options

    def short(*args: Any) -> tuple[tuple[str, int], ...]:
        return tuple({**dict(real(*args)), **SHORT}.items())

    monkeypatch.setattr(grpc_server, "options", short)
    with ServerThread() as running:
        yield running


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


SILENCES = {
    "nothing": b"",
    "half a greeting": PREFACE[:9],
    "a greeting": PREFACE + SETTINGS,
    "half a frame": PREFACE + SETTINGS + headers(1)[:20],
    "a body that never ends": PREFACE + SETTINGS + headers(1) + frame(0, 1, b"\x00\x00\x00\xff\xff12"),
}  # fmt: skip


def opened(server: ServerThread, words: bytes) -> socket.socket:
    """A connection that has said this."""
    host, _, port = server.address.rpartition(":")
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


def besiege(server: ServerThread, each: int) -> None:
    """So many connections of each kind of silence: all are reaped, and honest calls are answered meanwhile."""
    answered = 0
    stop = threading.Event()

    def ask() -> None:
        nonlocal answered
        while not stop.is_set():
            with grpc.insecure_channel(server.address) as channel:
                assert evaluate(channel, 2.0, timeout_s=60) == 12.0
                answered += 1

    honest = threading.Thread(target=ask)
    honest.start()
    crowd = [opened(server, words) for words in SILENCES.values() for _ in range(each)]
    begun = time.monotonic()
    try:
        while crowd:
            for one in [c for c in crowd if closed(c)]:
                one.close()
                crowd.remove(one)
            assert time.monotonic() - begun < REAPED_S + 20, f"{len(crowd)} are still open"
            time.sleep(0.05)
    finally:
        stop.set()
        honest.join()
        for one in crowd:
            one.close()
    assert answered > 5


def test_silent_connections_are_reaped(server: ServerThread) -> None:
    """9: three hundred connections in five kinds of silence are closed by the timeouts, one honest caller notices nothing."""
    besiege(server, 60)


@pytest.mark.long
def test_very_many_silent_connections_are_reaped(server: ServerThread) -> None:
    """9, long: 2,400 connections (`pytest -m long -k very_many_silent`); all closed within twice the timeouts."""
    besiege(server, 480)


@pytest.mark.parametrize("flood", ["resets", "pings", "settings", "empty data"])
def test_floods_end_or_do_no_harm(flood: str) -> None:
    """23: rapid resets, pings, settings and empty frames without end: the connection is closed or served, others are answered."""
    floods = {
        "resets": (headers(2 * k + 1) + frame(3, 2 * k + 1, struct.pack(">I", 8)) for k in range(20_000)),
        "pings": (frame(6, payload=bytes(8)) for _ in range(50_000)),
        "settings": (SETTINGS for _ in range(50_000)),
        "empty data": (headers(1) if k == 0 else frame(0, 1) for k in range(50_000)),
    }  # fmt: skip
    with ServerThread() as running, grpc.insecure_channel(running.address) as channel:
        assert evaluate(channel, 1.0) == 3.0
        one = opened(running, PREFACE + SETTINGS)
        one.settimeout(2)
        ended = False
        part = b""
        for piece in floods[flood]:
            part += piece
            if len(part) < 4096:
                continue
            try:
                one.sendall(part)
            except OSError:  # closed, or no longer read
                ended = True
                break
            part = b""
            one.setblocking(False)
            ended = closed(one)
            one.settimeout(2)
            if ended:
                break
        assert evaluate(channel, 2.0) == 12.0
        if flood == "pings" and not ended:
            one.setblocking(False)
            until(lambda: closed(one))
        one.close()
        until(lambda: running.server.pool.working == 0)


def test_metadata_without_end_is_refused() -> None:
    """23: metadata above 16 KiB ends the call before any of our code sees it."""
    with ServerThread() as running, grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/gradproof.v1.DerivativeService/Check")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("x-long", "a" * 20_000)], timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert evaluate(channel, 2.0) == 12.0
