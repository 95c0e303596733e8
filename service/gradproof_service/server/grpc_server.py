"""The gRPC server: one event loop in front of the workers, guarded and bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from pathlib import Path
from typing import Any, Final

import grpc
from gradproof_proto.blobs import MESSAGE_LIMIT
from gradproof_proto.v1 import session_pb2, session_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.server.address import Address, AddressError, check_free, parse_address
from gradproof_service.server.blob_servicer import BLOBS, blob_handlers
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.compute import WorkerCompute
from gradproof_service.server.forgiving import Forgiving
from gradproof_service.server.operation.calls import CallLog, Meter
from gradproof_service.server.operation.probes import HealthPort
from gradproof_service.server.operation.prometheus import PrometheusMeter
from gradproof_service.server.operation.telemetry import TelemetryMeter
from gradproof_service.server.security.guard import Guard
from gradproof_service.server.security.tls import Certificates
from gradproof_service.server.security.tokens import Tokens
from gradproof_service.server.servicers import CATALOGUE, DERIVATIVES, Calls, handlers
from gradproof_service.server.sessions.servicer import SessionServicer
from gradproof_service.server.settings.configuration import Configuration, Tls
from gradproof_service.server.workers.nursery import Nursery
from gradproof_service.server.workers.pool import Pool
from gradproof_service.server.workers.size import available_cores

SERVICES: Final = (
    DERIVATIVES,
    CATALOGUE,
    BLOBS,
    session_pb2.DESCRIPTOR.services_by_name["SessionService"].full_name,
)


def options(limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[str, int], ...]:
    """What bounds strangers at the level of connections."""
    return (
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
        ("grpc.max_metadata_size", 8 << 10),
        ("grpc.absolute_max_metadata_size", 16 << 10),
        # with the default of 1000 a burst of streams loses calls
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 30_000),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 300_000),
        # the only bound on a request that never completes
        ("grpc.max_connection_age_ms", 1_800_000),
        ("grpc.max_connection_age_grace_ms", 120_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # a second service on one port is a mistake, not a team
        ("grpc.so_reuseport", 0),
    )


class GrpcServer:
    """One server on one address. Everything but the constructor runs on the event loop that calls `start`.

    Raises `AddressError` or `SecretError` for what the configuration names and cannot be used.
    """

    def __init__(self, address: Address, configuration: Configuration | None = None) -> None:
        self._configuration = configuration = configuration or Configuration()
        self._address = address
        self._limits = limits = configuration.limits
        cores = available_cores()
        size = configuration.workers.count or cores
        self._nursery = Nursery(limits, max(1, cores // size))
        self.pool = Pool(self._nursery, size, limits, configuration.workers)
        self.blobs = BlobStore(limits.blob_bytes)
        tls, tokens = configuration.tls, configuration.auth.token_file
        self._certificates = Certificates(tls) if tls != Tls() else None
        self._tokens = Tokens(Path(tokens)) if tokens else None
        self.sessions: SessionServicer | None = None
        self._servicers: list[Any] = []
        self._meters: list[Meter] = []
        self._metrics: PrometheusMeter | None = None
        self._health: Any = None
        self._health_port: HealthPort | None = None
        self._server: Any = None
        self.metrics_address: Address | None = None
        self.health_address: Address | None = None

    async def start(self) -> Address:
        """Listen; the address with its real port. Raises `AddressError` when it is taken."""
        check_free(self._address)
        _raise_descriptors()
        self._nursery.start()  # before gRPC has threads
        try:
            await self.pool.start()
            await self._open_side_doors()
            return await self._listen()
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, grace_s: float, drain_s: float = 0.0) -> None:
        """Say that no more is served, wait `drain_s`, let open calls end within `grace_s`, then stop all work."""
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        if self._server is not None:
            await asyncio.sleep(drain_s)
            for servicer in self._servicers:
                await servicer.drain(grace_s)
            await self._server.stop(grace_s)
        await self.pool.close()
        if self._health_port is not None:
            await self._health_port.stop()
        if self._metrics is not None:
            self._metrics.close()
        if self._address.path and self._server is not None:
            with contextlib.suppress(OSError):
                Path(self._address.path).unlink(missing_ok=True)

    async def _open_side_doors(self) -> None:
        """Health and metrics, each on a port of its own."""
        operation = self._configuration.operation
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue] set at import
        if operation.metrics_address:
            self._metrics = PrometheusMeter(self.pool, self.blobs)
            where = parse_address(operation.metrics_address, insecure=True)
            self.metrics_address = self._metrics.serve(where)
            self._meters.append(self._metrics)
        if operation.health_address:
            where = parse_address(operation.health_address, insecure=True)
            self._health_port = HealthPort(where, self._health)
            self.health_address = await self._health_port.start()
        with contextlib.suppress(ImportError):
            self._meters.append(TelemetryMeter())

    async def _listen(self) -> Address:
        operation = self._configuration.operation
        watcher = CallLog(self._meters, tell_all=operation.log_calls)
        guard = Guard(self._tokens, self._configuration.tls.client_names, watcher)
        server = grpc.aio.server(
            options=options(self._limits),
            maximum_concurrent_rpcs=self._limits.calls,
            interceptors=[guard],
        )
        compute = WorkerCompute(self.pool, self.blobs, self._configuration.workers.cross_check)
        calls = Calls(compute, self.blobs, self._limits)
        server.add_generic_rpc_handlers((*handlers(calls), blob_handlers(calls)))
        own: Any = Forgiving(server)
        self.sessions = SessionServicer(calls)
        self._servicers.append(self.sessions)
        session_pb2_grpc.add_SessionServiceServicer_to_server(self.sessions, own)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if operation.reflection:
            names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        port = self._bind(server)
        await server.start()
        self._server = server
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return self._address if self._address.path else Address(host=self._address.host, port=port)

    def _bind(self, server: Any) -> int:
        """Bind the address; a socket is the user's alone from its first moment."""
        before = os.umask(0o177)
        try:
            if self._certificates is not None:
                return server.add_secure_port(str(self._address), self._certificates.credentials)
            return server.add_insecure_port(str(self._address))
        except RuntimeError:
            raise AddressError(
                f"{self._address}: it cannot be served on; choose another address", usage=False
            ) from None
        finally:
            os.umask(before)


def _raise_descriptors() -> None:
    """As many descriptors as the system lets us have: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
