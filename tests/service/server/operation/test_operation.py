"""What is seen of a running service: its log, its metrics, its traces, its health."""

from __future__ import annotations

import json
import logging
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc
from gradproof_service.server.operation.logs import JsonLines, TextLines
from gradproof_service.server.settings.configuration import Configuration, Operation
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.service.abuse.harness import Service, until
from tests.service.server.faulty import called, faulty_server
from tests.service.server.harness import ServerThread, cubic, point

CHECK = "gradproof.v1.DerivativeService/Check"


@pytest.fixture(scope="module")
def telemetry() -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    """An SDK as whoever runs the service would bring it."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    return spans, reader


@pytest.fixture(scope="module")
def server(telemetry: Any) -> Iterator[ServerThread]:
    """A server with everything open."""
    operation = Operation(
        metrics_address="127.0.0.1:0", health_address="127.0.0.1:0", log_calls=True
    )
    with ServerThread(configuration=Configuration(operation=operation)) as running:
        yield running


def ask(server: ServerThread, *metadata: tuple[str, str]) -> dict[str, str]:
    """One check that ends well and one that does not; the trailing metadata of the first."""
    with grpc.insecure_channel(server.address) as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        request = der.CheckRequest(program=cubic(), point=point(x=1.0))
        _, call = stub.Check.with_call(request, timeout=30, metadata=metadata)
        with pytest.raises(grpc.RpcError):
            stub.Check(der.CheckRequest(program=cubic()), timeout=30)
        return dict(call.trailing_metadata())


def test_each_call_is_a_line_with_its_id(
    server: ServerThread, caplog: pytest.LogCaptureFixture
) -> None:
    """The line says method, code, time, attempts and worker; an id that the caller gives is used, one that is none is not."""
    caplog.set_level(logging.INFO, "gradproof")
    assert ask(server, ("x-request-id", "build-17"))["x-request-id"] == "build-17"
    assert ask(server, ("x-request-id", 'a"b c'))["x-request-id"] != 'a"b c'
    # a line is written when a call has ended, which its caller may know before
    until(lambda: len(_calls(caplog)) == 4)
    lines = [json.loads(JsonLines().format(record)) for record in _calls(caplog)]
    assert [(line["method"], line["code"]) for line in lines] == [(CHECK, "OK"), (CHECK, "INVALID_ARGUMENT")] * 2  # fmt: skip
    assert lines[0]["request_id"] == "build-17"
    assert lines[0]["attempts"] == 1
    assert lines[0]["worker"] in server.server.pool.pids
    assert lines[0]["seconds"] > 0
    text = TextLines().format(_calls(caplog)[0])
    assert text.count("\n") == 0
    assert "request_id=build-17" in text


def _calls(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "gradproof.calls"]


def test_a_mistake_of_ours_is_in_the_log_with_its_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker's traceback is in the log of the server, one JSON object a line."""
    with faulty_server(monkeypatch) as running, grpc.insecure_channel(running.address) as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.Check(der.CheckRequest(program=called("broken"), point=point(x=1.0)), timeout=30)
    lines = [JsonLines().format(record) for record in caplog.records]
    assert all("\n" not in line for line in lines)
    assert any("secret inside" in json.loads(line).get("trace", "") for line in lines)


def test_prometheus_reads_calls_and_workers(server: ServerThread) -> None:
    """Calls by method and code in seconds, and what the workers are at."""
    ask(server)
    where = f"http://{server.server.metrics_address}/metrics"

    def read() -> str:
        with urllib.request.urlopen(where, timeout=10) as answer:
            return answer.read().decode()

    until(lambda: f'code="INVALID_ARGUMENT",method="{CHECK}"' in read())
    text = read()
    assert f'gradproof_call_seconds_count{{code="OK",method="{CHECK}"}}' in text
    assert f'gradproof_call_seconds_count{{code="INVALID_ARGUMENT",method="{CHECK}"}}' in text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["gradproof_workers"]) >= 2
    assert float(values["gradproof_calls_waiting"]) == 0
    assert float(values["gradproof_worker_deaths"]) == 0
    assert f'gradproof_calls_running{{method="{CHECK}"}}' in values


def test_telemetry_follows_the_conventions(server: ServerThread, telemetry: Any) -> None:
    """A span of kind server, child of the caller's, and `rpc.server.call.duration` in seconds."""
    spans, reader = telemetry
    spans.clear()
    caller = "4bf92f3577b34da6a3ce929d0e0e4736"
    ask(server, ("traceparent", f"00-{caller}-00f067aa0ba902b7-01"))

    def mine() -> list[Any]:
        ended = spans.get_finished_spans()
        return [s for s in ended if format(s.context.trace_id, "032x") == caller]

    until(lambda: bool(mine()))
    assert [(s.name, s.kind) for s in mine()] == [(CHECK, trace.SpanKind.SERVER)]
    assert mine()[0].attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": CHECK,
        "rpc.response.status_code": "OK",
    }

    def told() -> set[tuple[Any, Any]]:
        scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
        named = [m for s in scopes for m in s.metrics if m.name == "rpc.server.call.duration"]
        assert {m.unit for m in named} == {"s"}
        points = [p.attributes for m in named for p in m.data.data_points]
        return {(p["rpc.method"], p["rpc.response.status_code"]) for p in points}

    until(lambda: {(CHECK, "OK"), (CHECK, "INVALID_ARGUMENT")} <= told())


def test_draining_is_told_before_calls_are_refused() -> None:
    """After SIGTERM probes read NOT_SERVING while calls are still answered; then the process ends with code 0."""
    with Service("operation.health_address=127.0.0.1:0", "operation.drain_s=3") as service:
        door = service.line.split()[-1]
        with service.channel() as channel, grpc.insecure_channel(door) as probes:
            health = health_pb2_grpc.HealthStub(probes)
            watching = health.Watch(health_pb2.HealthCheckRequest(), timeout=30)
            assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
            service.process.terminate()
            assert next(watching).status == health_pb2.HealthCheckResponse.NOT_SERVING
            stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
            assert stub.Evaluate(der.EvaluateRequest(program=cubic(), point=point(x=1.0)), timeout=30).outputs  # fmt: skip
        assert service.process.wait(30) == 0


def test_health_for_probes(server: ServerThread) -> None:
    """`gradproof health` exits with 0 when the service serves, with 4 when nobody answers."""
    import subprocess

    for address, code in ((server.server.health_address, 0), ("127.0.0.1:9", 4)):
        ended = subprocess.run(
            [sys.executable, "-m", "gradproof", "health", "--server", str(address)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr


def test_reflection_can_be_switched_off() -> None:
    """Without reflection the services are not described."""
    operation = Operation(reflection=False)
    with (
        ServerThread(configuration=Configuration(operation=operation)) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.stream_stream(method)(iter([b""]), timeout=10))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
