"""OpenTelemetry by its API alone: a histogram and a span for each call, named by the conventions for RPC.

Who runs the service chooses the SDK and the exporter (`opentelemetry-instrument gradproof serve`); without one the API does
nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from gradproof_service import __version__
from gradproof_service.server.operation.calls import BUCKETS, Seen, code_of

Context = Any


class TelemetryMeter:
    """`rpc.server.call.duration` in seconds, and one server span a call; raises `ImportError` without the API."""

    def __init__(self) -> None:
        from opentelemetry import metrics, propagate, trace

        self._trace: Any = trace
        self._extract: Any = propagate.extract
        self._tracer: Any = trace.get_tracer("gradproof", __version__)
        self._duration: Any = metrics.get_meter("gradproof", __version__).create_histogram(
            "rpc.server.call.duration",
            unit="s",
            description="Duration of calls.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    @contextlib.contextmanager
    def begin(self, method: str, context: Context) -> Generator[None]:
        """A span around the call, child of the caller's."""
        said = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        name = method.lstrip("/")
        with self._tracer.start_as_current_span(
            name,
            context=self._extract(said),
            kind=self._trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": name},
            record_exception=False,
            set_status_on_exception=True,
        ) as span:
            code = "CANCELLED"
            try:
                yield
                code = code_of(context)
            except Exception:
                code = code_of(context)
                raise
            finally:
                span.set_attribute("rpc.response.status_code", code)

    def end(self, seen: Seen) -> None:
        """Records the call's time."""
        told = {
            "rpc.system.name": "grpc",
            "rpc.method": seen.method,
            "rpc.response.status_code": seen.code,
        }
        self._duration.record(seen.seconds, told)
