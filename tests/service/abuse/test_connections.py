"""Connections that say nothing, half of something, or far too much: abuses 9 and 23."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from gradproof_service.server import grpc_server

from tests.service.abuse.attacks import (
    CALLS,
    FLOODS,
    PREFACE,
    SETTINGS,
    Attack,
    borne,
    closed,
    flood,
    frame,
    headers,
    opened,
    slowest,
)
from tests.service.abuse.harness import Service, evaluate, until
from tests.service.server.harness import ServerThread

SHORT = {
    "grpc.server_handshake_timeout_ms": 1000,
    "grpc.max_connection_idle_ms": 1500,
    "grpc.max_connection_age_ms": 3000,
    "grpc.max_connection_age_grace_ms": 500,
}
"""The service's own timeouts, made short."""
REAPED_S = 2 * 3.5


@pytest.fixture(scope="module")
def calm() -> Iterator[Service]:
    """A service in a process of its own, with timeouts as they are."""
    with Service("workers.count=2") as running, running.channel() as channel:
        evaluate(channel, 1.0)
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerThread]:
    """A server with short timeouts for connections."""
    real = grpc_server.options

    def short(*args: Any) -> tuple[tuple[str, int], ...]:
        return tuple({**dict(real(*args)), **SHORT}.items())

    monkeypatch.setattr(grpc_server, "options", short)
    with ServerThread() as running:
        yield running


SILENCES = {
    "nothing": b"",
    "half a greeting": PREFACE[:9],
    "a greeting": PREFACE + SETTINGS,
    "half a frame": PREFACE + SETTINGS + headers(1)[:20],
    "a body that never ends": PREFACE + SETTINGS + headers(1) + frame(0, 1, b"\x00\x00\x00\xff\xff12"),
}  # fmt: skip


def besiege(server: ServerThread, each: int) -> None:
    """So many connections of each kind of silence: all are reaped, and honest calls are answered as in calm, also new callers'."""
    with grpc.insecure_channel(server.address) as channel:
        calm = slowest(lambda: evaluate(channel, 2.0), CALLS)
        crowd = [opened(server.address, words) for words in SILENCES.values() for _ in range(each)]
        begun = time.monotonic()
        under = [slowest(lambda: evaluate(channel, 2.0), CALLS)]
        try:
            while crowd:
                for one in [c for c in crowd if closed(c)]:
                    one.close()
                    crowd.remove(one)
                assert time.monotonic() - begun < REAPED_S + 20, f"{len(crowd)} are still open"
                with grpc.insecure_channel(server.address) as new:
                    assert evaluate(new, 2.0, timeout_s=60) == 12.0
                under.append(slowest(lambda: evaluate(channel, 2.0), CALLS))
        finally:
            for one in crowd:
                one.close()
        calm = max(calm, slowest(lambda: evaluate(channel, 2.0), CALLS))
        assert min(under) < 3 * calm, f"{min(under):.4f} s, {calm:.4f} s in calm"


def test_silent_connections_are_reaped(server: ServerThread) -> None:
    """9: three hundred connections in five kinds of silence are closed by the timeouts, honest callers notice nothing."""
    besiege(server, 60)


@pytest.mark.long
def test_very_many_silent_connections_are_reaped(server: ServerThread) -> None:
    """9, long: 2,400 connections (`pytest -m long -k very_many_silent`); all closed within twice the timeouts."""
    besiege(server, 480)


@pytest.mark.parametrize("kind", FLOODS)
def test_floods_end_or_do_no_harm(kind: str) -> None:
    """23: rapid resets, pings, settings and empty frames without end: the connection is closed or served, others are answered."""
    with ServerThread() as running, grpc.insecure_channel(running.address) as channel:
        assert evaluate(channel, 1.0) == 3.0
        ended = any(over for _ in range(5) for over in flood(running.address, kind))
        assert ended or kind != "pings", "pings without end were answered without end"
        assert evaluate(channel, 2.0) == 12.0
        until(lambda: running.server.pool.working == 0)


@pytest.mark.parametrize("kind", FLOODS)
def test_floods_do_not_slow_others_down(kind: str, calm: Service) -> None:
    """23: while a flood comes over one connection after the other, p99 of honest calls is below three times that of calm."""
    with Attack(kind, calm.address) as attack, calm.channel() as channel:
        borne(lambda: evaluate(channel, 2.0), attack, times=3.0, blows=20)


class Weight:
    """An attack that makes every call ten times as slow."""

    def __init__(self) -> None:
        self.count = 0
        self.clock = 0.0
        self.going = False

    def go(self) -> None:
        """Let it go on."""
        self.going = True

    def pause(self) -> None:
        """No more for now."""
        self.going = False

    def ask(self) -> None:
        """A call."""
        self.count += self.going
        self.clock += 10.0 if self.going else 1.0


def test_what_slows_others_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement behind the tests above can fail."""
    weight = Weight()
    monkeypatch.setattr(time, "perf_counter", lambda: weight.clock)
    with pytest.raises(AssertionError, match="times as long"):
        borne(weight.ask, weight, times=3.0, blows=1)


def test_metadata_without_end_is_refused() -> None:
    """23: metadata above 16 KiB ends the call before any of our code sees it."""
    with ServerThread() as running, grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/gradproof.v1.DerivativeService/Check")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("x-long", "a" * 20_000)], timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert evaluate(channel, 2.0) == 12.0
