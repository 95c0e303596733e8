"""The server as a stranger meets it: raw bytes, health, reflection, blobs, addresses and signals."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_service.server.address import AddressError, parse_address
from gradproof_service.server.grpc_server import SERVICES, options
from gradproof_service.server.settings.configuration import Configuration, Workers
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from tests.service.server.harness import ServerThread, cubic, point, slow

SERVE = """
from gradproof_service.server.main import serve
said = [("", "listen.address", {address!r}), ("", "operation.grace_s", "{grace}")]
raise SystemExit(serve(said=said))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """A server for the whole file."""
    with ServerThread() as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: ServerThread) -> Iterator[grpc.Channel]:
    """A bare channel to it."""
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.mark.parametrize("content", [b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x7f", b"\x00"])
@pytest.mark.parametrize("method", ["Evaluate", "Check", "Differentiate", "Inspect"])
def test_unreadable_bytes_are_the_callers_fault(
    content: bytes, method: str, channel: grpc.Channel
) -> None:
    """Bytes that are no message give INVALID_ARGUMENT and one sentence."""
    call = channel.unary_unary(f"/gradproof.v1.DerivativeService/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        call(content, timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "that are none came" in caught.value.details()


def test_unreadable_streams_are_the_callers_fault(channel: grpc.Channel) -> None:
    """The same holds for the first message of a stream, and for an empty stream."""
    for method in ("DerivativeService/Probe", "DerivativeService/CheckSuite"):
        call = channel.stream_stream(f"/gradproof.v1.{method}")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([b"\xff" * 9]), timeout=5))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    probe = derivative_pb2_grpc.DerivativeServiceStub(channel).Probe
    for requests in ([], [der.ProbeRequest(answer=der.ProbeAnswer(id=1))]):
        with pytest.raises(grpc.RpcError) as caught:
            list(probe(iter(requests), timeout=5))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "expected a start first" in caught.value.details()


def test_a_fault_names_its_field(channel: grpc.Channel) -> None:
    """Details carry a BadRequest with the field and an ErrorInfo with the kind."""
    from google.rpc import error_details_pb2

    stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Evaluate(der.EvaluateRequest(program=cubic()), timeout=5)
    status = rpc_status.from_call(caught.value)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.domain, info.reason) == ("gradproof", "INVALID")
    assert bad.field_violations[0].field == 'point["x"]'


def test_health_and_reflection(channel: grpc.Channel) -> None:
    """Every service is healthy and described."""
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", *SERVICES):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(SERVICES) <= set(database.get_services())
    found = database.FindFileContainingSymbol("gradproof.v1.CheckRequest")
    assert found.package == "gradproof.v1"


def test_a_message_above_the_limit_is_refused(channel: grpc.Channel) -> None:
    """What a client of ours would never send is refused by size alone."""
    call = channel.unary_unary("/gradproof.v1.DerivativeService/Check")
    with pytest.raises(grpc.RpcError) as caught:
        call(bytes((4 << 20) + 1), timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def put(content: bytes, sha256: bytes, size: int) -> Iterator[Any]:
    """A blob as a stream, under the header that is given."""
    yield blob_pb2.PutBlobRequest(header=blob_pb2.BlobHeader(sha256=sha256, size_bytes=size))
    for start in range(0, len(content), 1 << 20):
        yield blob_pb2.PutBlobRequest(chunk=content[start : start + (1 << 20)])


def test_blobs_come_back_as_they_went(channel: grpc.Channel) -> None:
    """What is put is no longer missing, and is given back in pieces of at most a mebibyte."""
    blobs = blob_pb2_grpc.BlobServiceStub(channel)
    content = os.urandom(1000) * 3000
    digest = hashlib.sha256(content).digest()
    asked = blob_pb2.FindMissingBlobsRequest(sha256=[digest])
    assert list(blobs.FindMissingBlobs(asked, timeout=5).missing_sha256) == [digest]
    first = blobs.PutBlob(put(content, digest, len(content)), timeout=5)
    assert (first.blob.sha256, first.already_present) == (digest, False)
    assert blobs.PutBlob(put(content, digest, len(content)), timeout=5).already_present
    assert not blobs.FindMissingBlobs(asked, timeout=5).missing_sha256
    parts = [p.chunk for p in blobs.GetBlob(blob_pb2.GetBlobRequest(sha256=digest), timeout=5)]
    assert b"".join(parts) == content
    assert max(map(len, parts)) == 1 << 20


@pytest.mark.parametrize("sizes", [(3 << 20,), (1, 0, 70_000, 1 << 20, 5, 2 << 20), (100,) * 300])
def test_a_blob_is_its_chunks_however_it_was_cut(
    sizes: tuple[int, ...], channel: grpc.Channel
) -> None:
    """Twice in a row, so that the second one arrives in memory that was made ready after the first."""
    blobs = blob_pb2_grpc.BlobServiceStub(channel)
    for _ in range(2):
        cut = [os.urandom(size) for size in sizes]
        content = b"".join(cut)
        digest = hashlib.sha256(content).digest()
        header = blob_pb2.BlobHeader(sha256=digest, size_bytes=len(content))
        sent = (blob_pb2.PutBlobRequest(chunk=chunk) for chunk in cut)
        blobs.PutBlob(iter([blob_pb2.PutBlobRequest(header=header), *sent]), timeout=20)
        back = blobs.GetBlob(blob_pb2.GetBlobRequest(sha256=digest), timeout=20)
        assert b"".join(part.chunk for part in back) == content


def test_a_stream_of_a_blob_in_another_order_is_refused(channel: grpc.Channel) -> None:
    """A chunk before the header, a second header, and bytes that are no message: one sentence each, and nothing is kept."""
    digest = hashlib.sha256(b"abc").digest()
    header = blob_pb2.PutBlobRequest(header=blob_pb2.BlobHeader(sha256=digest, size_bytes=3))
    first = header.SerializeToString()
    chunk = blob_pb2.PutBlobRequest(chunk=b"abc").SerializeToString()
    call = channel.stream_unary("/gradproof.v1.BlobService/PutBlob")
    for parts, part in (
        ([chunk], "a header first"),
        ([], "a header first"),
        ([first, first, chunk], "a chunk"),
        ([first, chunk[:-1]], "expected a message"),
        ([first, chunk, chunk], "announces 3"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(iter(parts), timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert part in caught.value.details()
    asked = blob_pb2.FindMissingBlobsRequest(sha256=[digest])
    blobs = blob_pb2_grpc.BlobServiceStub(channel)
    assert list(blobs.FindMissingBlobs(asked, timeout=5).missing_sha256) == [digest]


@pytest.mark.parametrize(
    ("content", "digest", "size", "code", "part"),
    [
        (b"abc", bytes(32), 3, grpc.StatusCode.INVALID_ARGUMENT, "SHA-256"),
        (
            b"abc",
            hashlib.sha256(b"abc").digest(),
            9,
            grpc.StatusCode.INVALID_ARGUMENT,
            "announces 9",
        ),
        (
            b"abc",
            hashlib.sha256(b"abc").digest(),
            2,
            grpc.StatusCode.INVALID_ARGUMENT,
            "announces 2",
        ),
        (b"abc", b"short", 3, grpc.StatusCode.INVALID_ARGUMENT, "32 bytes"),
        (b"abc", bytes(32), 1 << 50, grpc.StatusCode.RESOURCE_EXHAUSTED, "limit"),
    ],
)
def test_a_blob_that_is_not_what_it_says_is_refused(
    content: bytes, digest: bytes, size: int, code: Any, part: str, channel: grpc.Channel
) -> None:
    """Nothing is kept of bytes that do not match their header."""
    blobs = blob_pb2_grpc.BlobServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        blobs.PutBlob(put(content, digest, size), timeout=5)
    assert caught.value.code() is code
    assert part in caught.value.details()
    with pytest.raises(grpc.RpcError):
        list(blobs.GetBlob(blob_pb2.GetBlobRequest(sha256=digest), timeout=5))


def test_a_caller_who_leaves_frees_the_thread() -> None:
    """A cancelled call stops working, so the only thread serves the next."""
    with (
        ServerThread(configuration=Configuration(workers=Workers(count=1))) as running,
        grpc.insecure_channel(running.address) as opened,
    ):
        stub = derivative_pb2_grpc.DerivativeServiceStub(opened)
        left = stub.Evaluate.future(der.EvaluateRequest(program=slow(), point=point(x=1.0)))
        health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=5)
        left.cancel()
        stub.Evaluate(der.EvaluateRequest(program=cubic(), point=point(x=1.0)), timeout=5)


def test_a_socket_is_its_users_alone(tmp_path: Path) -> None:
    """The socket's mode is 0600, one left by a dead service is replaced, and it is gone afterwards."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with ServerThread(f"unix:{path}") as running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with grpc.insecure_channel(running.address) as opened:
            answer = health_pb2_grpc.HealthStub(opened).Check(
                health_pb2.HealthCheckRequest(), timeout=5
            )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with (
            pytest.raises(AddressError, match="serves there already"),
            ServerThread(f"unix:{path}"),
        ):
            pass
        assert path.exists()
    assert not path.exists()


def test_a_port_in_use_is_said(server: ServerThread) -> None:
    """A second service on one port is refused in one sentence."""
    with (
        pytest.raises(AddressError, match="another process serves there already") as caught,
        ServerThread(server.address),
    ):
        pass
    assert not caught.value.usage


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    """What is no socket is left alone."""
    path = tmp_path / "data"
    path.write_text("mine")
    with pytest.raises(AddressError, match="no socket"), ServerThread(f"unix:{path}"):
        pass
    assert path.read_text() == "mine"


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "example.org:80", "192.168.0.7:5"])
def test_other_machines_only_when_asked_for(text: str) -> None:
    """An address that others reach needs to be asked for aloud."""
    with pytest.raises(AddressError, match="--insecure") as caught:
        parse_address(text)
    assert caught.value.usage
    assert str(parse_address(text, insecure=True)) == text


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "127.0.0.1:x", "127.0.0.1:70000", "unix:", f"unix:/{'a' * 200}"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A mistake in the address is a mistake of usage."""
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert caught.value.usage


def test_the_options_are_hardened() -> None:
    """Each bound that keeps a stranger from tying the service up is set."""
    bounds = dict(options())
    assert bounds["grpc.max_receive_message_length"] == 4 << 20
    assert bounds["grpc.absolute_max_metadata_size"] == 16 << 10
    assert bounds["grpc.server.max_pending_requests"] == 20_000
    assert bounds["grpc.server.max_pending_requests_hard_limit"] == 30_000
    assert bounds["grpc.max_concurrent_streams"] == 256
    assert bounds["grpc.server_handshake_timeout_ms"] == 10_000
    assert bounds["grpc.max_connection_idle_ms"] == 5 * 60_000
    assert bounds["grpc.max_connection_age_ms"] == 30 * 60_000
    assert bounds["grpc.max_connection_age_grace_ms"] == 2 * 60_000
    assert bounds["grpc.keepalive_time_ms"] == 60_000
    assert bounds["grpc.keepalive_timeout_ms"] == 20_000
    assert bounds["grpc.http2.min_ping_interval_without_data_ms"] == 10_000


def started(address: str, grace: float = 5.0) -> tuple[subprocess.Popen[str], str]:
    """A service in a process of its own, and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE.format(address=address, grace=grace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_well(number: int) -> None:
    """The ready line names the address; an open call still gets its answer; the exit code is 0."""
    process, line = started("127.0.0.1:0")
    try:
        assert line.startswith("gradproof is serving on 127.0.0.1:")
        address = line.split()[-1]
        with grpc.insecure_channel(address) as opened:
            probe = derivative_pb2_grpc.DerivativeServiceStub(opened).Check
            running = probe.future(
                der.CheckRequest(program=cubic(), point=point(x=[0.1 * k for k in range(1, 60)]))
            )
            health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=5)
            process.send_signal(number)
            assert running.result(timeout=10).report.function == "cubic"
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()
        process.wait()


def test_a_signal_ends_long_work_after_the_grace() -> None:
    """Work that would go on for many seconds does not keep the process alive."""
    process, line = started("127.0.0.1:0", grace=0.3)
    try:
        with grpc.insecure_channel(line.split()[-1]) as opened:
            stub = derivative_pb2_grpc.DerivativeServiceStub(opened)
            running = stub.Evaluate.future(der.EvaluateRequest(program=slow(), point=point(x=1.0)))
            health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=5)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - begun < 3.0
            assert running.exception(timeout=5) is not None
    finally:
        process.kill()
        process.communicate()


def test_the_command_says_what_is_wrong(server: ServerThread) -> None:
    """A taken port ends with code 4, an address that others reach with code 2, each with one line."""
    for address, code in ((server.address, 4), ("0.0.0.0:1", 2)):
        ended = subprocess.run(
            [sys.executable, "-c", SERVE.format(address=address, grace=1)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode == code
        assert ended.stdout == ""
        assert ended.stderr.startswith("gradproof: ")
        assert ended.stderr.count("\n") == 1
