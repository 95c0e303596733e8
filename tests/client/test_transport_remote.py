"""What only a service elsewhere can do: be absent, be too small for a message, forget, and fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradproof._errors import (
    LimitError,
    RequestError,
    ServiceFault,
    ServiceUnavailable,
)
from gradproof._transport import connect, embedded
from gradproof_proto.tensors import from_tensor, to_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.writer import ProgramWriter
from gradproof_service.graph.limits import Limits
from gradproof_service.server.settings.configuration import Configuration, Workers

from tests.service.server.faulty import called, faulty_server
from tests.service.server.harness import ServerThread, cubic, point, slow, two_outputs


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """A server for the whole file."""
    with ServerThread() as running:
        yield running


@pytest.fixture
def remote(server: ServerThread) -> Iterator[Any]:
    """A connection of its own for each test."""
    transport = connect(server.address)
    yield transport
    transport.close()


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    """A port that refuses, a socket that is missing and a peer that is silent: one sentence, within two seconds."""
    with socket.socket() as silent, socket.socket() as free:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        addresses = [
            f"127.0.0.1:{free.getsockname()[1]}",
            f"127.0.0.1:{silent.getsockname()[1]}",
            f"unix:{tmp_path / 'none.sock'}",
        ]
        for address in addresses:
            begun = time.monotonic()
            with pytest.raises(ServiceUnavailable, match="no gradproof service answers") as caught:
                connect(address)
            assert time.monotonic() - begun < 2.0
            assert caught.value.exit_code == 4
            assert address in caught.value.message


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:port", "host:99999", "unix:"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """A mistake in the address is the caller's, and is said without trying it."""
    with pytest.raises(RequestError, match="expected HOST:PORT or unix:PATH"):
        connect(address)


def test_a_service_that_goes_away_is_missed() -> None:
    """A call after the service stopped fails with the sentence that says so."""
    with ServerThread() as running:
        transport = connect(running.address)
    with pytest.raises(ServiceUnavailable):
        transport.check(der.CheckRequest(program=cubic(), point=point(x=1.0)), timeout_s=5)
    transport.close()
    with pytest.raises(ServiceUnavailable):
        transport.health()


def test_a_service_that_comes_back_is_found(tmp_path: Path) -> None:
    """A restart between two calls is not noticed."""
    address = f"unix:{tmp_path / 's.sock'}"
    request = der.EvaluateRequest(program=cubic(), point=point(x=1.0))
    with ServerThread(address):
        transport = connect(address)
        first = transport.evaluate(request)
    with ServerThread(address):
        assert transport.evaluate(request, timeout_s=10) == first
    transport.close()


def test_large_points_and_answers_travel(remote: Any) -> None:
    """12 MB in and 12 MB out are the same numbers as in this process."""
    x = np.random.default_rng(0).standard_normal((1500, 1000))
    request = der.EvaluateRequest(program=cubic(), point=point(x=x))
    sent = request.SerializeToString(deterministic=True)
    assert remote.evaluate(request) == embedded().evaluate(request)
    assert (
        request.SerializeToString(deterministic=True) == sent
    )  # the caller's message is untouched


def test_many_middling_tensors_travel(remote: Any) -> None:
    """Tensors below a mebibyte that are too much together go the same way."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    names = [f"x{i}" for i in range(8)]
    ids = [f.input(name) for name in names]
    for name, value in zip(names, ids, strict=True):
        f.output(f.node("gp.sum", [value], {"axes": (-1,)}), name)
    given = point(**{name: np.full(100_000, float(i)) for i, name in enumerate(names)})
    request = der.EvaluateRequest(program=writer.finish(f), point=given)
    assert remote.evaluate(request) == embedded().evaluate(request)


def test_a_large_constant_changes_no_digest(remote: Any) -> None:
    """A program is the same program however its constants travelled."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    weights = np.random.default_rng(1).standard_normal(700_000)
    f.output(
        f.node("gp.multiply", [x, f.node("gp.sum", [f.constant(weights)], {"axes": (-1,)})]), "y"
    )
    request = der.CheckRequest(program=writer.finish(f), point=point(x=2.0))
    assert remote.check(request) == embedded().check(request)


def test_a_program_of_many_nodes_travels_as_a_blob(remote: Any) -> None:
    """A program above the limit is put whole."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    value = f.input("x")
    for k in range(60_000):
        value = f.node("gp.sin", [value], name=f"{'n' * 70}{k}")
    f.output(value, "y")
    request = der.EvaluateRequest(program=writer.finish(f), point=point(x=0.3))
    assert request.ByteSize() > 4 << 20
    assert remote.evaluate(request) == embedded().evaluate(request)


def test_a_forgotten_blob_is_put_again(server: ServerThread, remote: Any) -> None:
    """A blob that is forgotten between the question and the call costs a second try, not an error."""
    x = np.random.default_rng(2).standard_normal(700_000)
    request = der.EvaluateRequest(program=cubic(), point=point(x=x))
    store = server.server.blobs
    missing = store.missing
    calls = 0

    def nothing_missing(digests: Iterator[bytes]) -> list[bytes]:
        nonlocal calls
        calls += 1
        return [] if calls == 1 else missing(digests)

    store.missing = nothing_missing  # type: ignore[method-assign]
    try:
        assert remote.evaluate(request) == embedded().evaluate(request)
    finally:
        store.missing = missing  # type: ignore[method-assign]
    assert calls == 2


def test_a_request_that_cannot_be_made_smaller_is_refused(remote: Any) -> None:
    """Too many words for one message: the refusal says what to do."""
    request = der.CheckRequest(program=cubic(), point=point(x=1.0))
    request.options.suppress.extend([f"GP{k:0100d}" for k in range(50_000)])
    with pytest.raises(LimitError, match="fewer claims"):
        remote.check(request)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A transport to a server whose workers do as the name of a function says."""
    with faulty_server(monkeypatch) as running:
        transport = connect(running.address)
        yield transport
        transport.close()


def test_an_answer_that_cannot_be_made_smaller_is_refused(faulty: Any) -> None:
    """Too many findings for one message: the refusal comes from the service and says what to do."""
    with pytest.raises(LimitError, match="fewer outputs"):
        faulty.evaluate(der.EvaluateRequest(program=called("wordy"), point=point(x=1.0)))


def test_a_mistake_of_ours_shows_nothing_of_its_inside(
    faulty: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller reads one short sentence, the log holds the traceback."""
    with pytest.raises(ServiceFault) as caught:
        faulty.check(der.CheckRequest(program=called("broken"), point=point(x=1.0)))
    assert "(ValueError)" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert "secret inside" in caplog.text


def test_running_out_of_memory_is_a_limit(faulty: Any) -> None:
    """A MemoryError asks the caller for less and is no failure of the service."""
    with pytest.raises(LimitError, match="memory"):
        faulty.check(der.CheckRequest(program=called("hungry"), point=point(x=1.0)))


def test_a_deadline_frees_the_worker() -> None:
    """After a call was given up, the one worker there is serves the next at once."""
    with ServerThread(configuration=Configuration(workers=Workers(count=1))) as running:
        transport = connect(running.address)
        request = der.EvaluateRequest(program=slow(), point=point(x=1.0))
        for _ in range(2):
            with pytest.raises(Exception, match="did not finish in time"):
                transport.evaluate(request, timeout_s=0.2)
        begun = time.monotonic()
        transport.evaluate(der.EvaluateRequest(program=cubic(), point=point(x=1.0)), timeout_s=5)
        assert time.monotonic() - begun < 1.0
        transport.close()


def test_the_service_has_a_deadline_of_its_own() -> None:
    """A call without a deadline ends at the service's."""
    with ServerThread(configuration=Configuration(limits=Limits(seconds=1))) as running:
        transport = connect(running.address)
        with pytest.raises(Exception, match=r"did not finish in time and was stopped after 1 s"):
            transport.evaluate(der.EvaluateRequest(program=slow(), point=point(x=1.0)))
        transport.close()


def test_many_callers_at_once(remote: Any) -> None:
    """One transport serves many threads, each with its own answer."""

    def ask(k: int) -> float:
        answer = remote.evaluate(der.EvaluateRequest(program=cubic(), point=point(x=float(k))))
        return float(from_tensor(answer.outputs[0].tensor))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(64))) == [k**3 + 2.0 * k for k in range(64)]


def test_checks_at_once_do_not_touch_each_other(remote: Any) -> None:
    """Reports made side by side in several threads are those made one after the other."""
    requests = [
        der.CheckRequest(program=program, point=given, options=chk.Options(rng_seed=seed))
        for seed in range(3)
        for program, given in (
            (cubic(), point(x=[0.5, 2.0 + seed])),
            (two_outputs(), point(x=[1.0, 2.0], y=[3.0, float(seed)])),
        )
    ]
    expected = [embedded().check(request) for request in requests]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(remote.check, requests)) == expected


def test_a_probe_with_large_points_travels(remote: Any) -> None:
    """Questions and answers above the limit go through blobs too."""
    start = der.ProbeStart(
        inputs=[der.ProbeInput(name="x")], point=point(x=np.linspace(0.5, 1.5, 3000))
    )
    largest = 0

    def answer(ask: der.ProbeAsk) -> der.ProbeAnswer:
        nonlocal largest
        x = from_tensor(ask.points[0].tensor)
        largest = max(largest, x.nbytes)
        return der.ProbeAnswer(id=ask.id, outputs=point(y=np.sin(x).sum(-1)))

    there = remote.probe(start, answer)
    assert there == embedded().probe(start, answer)
    assert largest > 1 << 20


def test_a_probe_whose_caller_is_slow_ends_in_time(remote: Any) -> None:
    """The deadline covers the caller's own thinking."""

    def answer(ask: der.ProbeAsk) -> der.ProbeAnswer:
        threading.Event().wait(0.3)
        return der.ProbeAnswer(id=ask.id, outputs=point(y=np.zeros(ask.batch)))

    start = der.ProbeStart(inputs=[der.ProbeInput(name="x")], point=point(x=1.0))
    begun = time.monotonic()
    with pytest.raises(Exception, match="did not finish in time"):
        remote.probe(start, answer, timeout_s=0.5)
    assert time.monotonic() - begun < 2.0


def test_importing_the_client_imports_no_grpc() -> None:
    """Transports are named without gRPC; only a remote one needs it, and a check in this process never."""
    program = (
        "import sys\n"
        "from gradproof._transport import embedded\n"
        "from gradproof_proto.v1 import catalogue_pb2\n"
        "embedded().explain(catalogue_pb2.ExplainRequest(subject='sin'))\n"
        "assert 'grpc' not in sys.modules and 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_claimed_values_above_the_limit_travel(remote: Any) -> None:
    """A claimed Jacobian of 5 MB is compared like a small one."""
    weights = np.random.default_rng(3).standard_normal((60_000, 10))
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    f.output(f.node("gp.matmul", [f.constant(weights), x]), "y")
    claim = chk.Claim(
        kind=chk.DERIVATIVE_KIND_JACOBIAN, values=chk.ClaimValues(value=to_tensor(weights))
    )
    given = point(x=np.linspace(0.1, 1.0, 10))
    request = der.CheckRequest(program=writer.finish(f), point=given, claims=[claim])
    assert remote.check(request).report.verdict == chk.VERDICT_AGREES
