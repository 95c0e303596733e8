"""Prometheus: calls by method and code, what the workers are at, what the blobs hold. On a port of its own."""

from __future__ import annotations

import contextlib
from typing import Any

from gradproof_service.server.address import Address, AddressError
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.operation.calls import BUCKETS, Seen
from gradproof_service.server.workers.pool import Pool


class PrometheusMeter:
    """Counts calls and shows gauges; raises `AddressError` when the library or the port cannot be had."""

    def __init__(self, pool: Pool, blobs: BlobStore) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise AddressError(
                "operation.metrics_address: metrics need the prometheus-client library, which is not "
                "installed; install gradproof[serve]",
                usage=True,
            ) from None
        self._library: Any = prometheus
        self.registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        self._seconds = prometheus.Histogram(
            "gradproof_call_seconds", "Time of calls.", ("method", "code"), buckets=BUCKETS,
            registry=registry,
        )  # fmt: skip
        self._running = prometheus.Gauge(
            "gradproof_calls_running", "Calls that are open.", ("method",), registry=registry
        )
        gauges: tuple[tuple[str, str, Any], ...] = (
            ("gradproof_calls_waiting", "Calls in line for a worker.", lambda: pool.waiting),
            ("gradproof_workers_working", "Workers with a task.", lambda: pool.working),
            ("gradproof_workers", "Worker processes.", lambda: len(pool.pids)),
            ("gradproof_worker_deaths", "Workers that ended by themselves, so far.", lambda: pool.deaths),
            ("gradproof_blob_bytes", "Bytes of blobs.", lambda: blobs.held_bytes),
        )  # fmt: skip
        for name, meaning, read in gauges:
            prometheus.Gauge(name, meaning, registry=registry).set_function(read)
        self._server: Any = None

    def serve(self, address: Address) -> Address:
        """Answer on an address; the address with its real port."""
        try:
            self._server, _ = self._library.start_http_server(
                address.port, address.host, registry=self.registry
            )
        except OSError as error:
            raise AddressError(
                f"{address}: metrics cannot be served there ({error.strerror or error}); "
                "choose another address",
                usage=False,
            ) from None
        return Address(host=address.host, port=self._server.server_address[1])

    def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def begin(self, method: str, context: Any) -> contextlib.AbstractContextManager[None]:
        """Counts the call as open while it runs."""
        return self._running.labels(method.lstrip("/")).track_inprogress()

    def end(self, seen: Seen) -> None:
        """Counts the call by method and code."""
        self._seconds.labels(seen.method, seen.code).observe(seen.seconds)
