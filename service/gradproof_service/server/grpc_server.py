"""The gRPC server: one event loop, hardened options, health and reflection."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import grpc
from gradproof_proto.blobs import MESSAGE_LIMIT
from gradproof_proto.v1 import (
    blob_pb2,
    blob_pb2_grpc,
    catalogue_pb2,
    catalogue_pb2_grpc,
    derivative_pb2,
    derivative_pb2_grpc,
)
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gradproof_service.server.address import Address, AddressError, check_free
from gradproof_service.server.application import Application
from gradproof_service.server.compute import THREADS, ThreadCompute
from gradproof_service.server.servicers import (
    LONGEST_CALL_S,
    BlobServicer,
    Calls,
    CatalogueServicer,
    DerivativeServicer,
    forgiving,
)

SERVICES: Final = (
    derivative_pb2.DESCRIPTOR.services_by_name["DerivativeService"].full_name,
    catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"].full_name,
    blob_pb2.DESCRIPTOR.services_by_name["BlobService"].full_name,
)
OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.absolute_max_metadata_size", 16 << 10),
    # with the default of 1000 a burst of streams loses calls
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
    ("grpc.max_concurrent_streams", 256),
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
CALLS_AT_ONCE: Final = 4096


class GrpcServer:
    """One server on one address. Everything but the constructor runs on the event loop that calls `start`."""

    def __init__(
        self,
        application: Application,
        address: Address,
        *,
        threads: int = THREADS,
        longest_call_s: float = LONGEST_CALL_S,
    ) -> None:
        self._application = application
        self._address = address
        self._longest_call_s = longest_call_s
        self._compute = ThreadCompute(application, threads)
        self._health: Any = None
        self._server: Any = None

    async def start(self) -> Address:
        """Listen; the address with its real port. Raises `AddressError` when it is taken."""
        check_free(self._address)
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=CALLS_AT_ONCE)
        calls = Calls(self._compute, self._application.blobs, self._longest_call_s)
        own: Any = _Forgiving(server)
        derivative_pb2_grpc.add_DerivativeServiceServicer_to_server(DerivativeServicer(calls), own)
        catalogue_pb2_grpc.add_CatalogueServiceServicer_to_server(CatalogueServicer(calls), own)
        blob_pb2_grpc.add_BlobServiceServicer_to_server(BlobServicer(calls), own)
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue] set at import
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        port = self._bind(server)
        await server.start()
        self._server = server
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return self._address if self._address.path else Address(host=self._address.host, port=port)

    async def stop(self, grace_s: float) -> None:
        """Say that no more is served, let open calls end within `grace_s`, then stop all work."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_s)
        self._compute.close()
        if self._address.path:
            with contextlib.suppress(OSError):
                Path(self._address.path).unlink(missing_ok=True)

    def _bind(self, server: Any) -> int:
        """Bind the address; a socket is the user's alone from its first moment."""
        before = os.umask(0o177)
        try:
            return server.add_insecure_port(str(self._address))
        except RuntimeError:
            raise AddressError(
                f"{self._address}: it cannot be served on; choose another address", usage=False
            ) from None
        finally:
            os.umask(before)


class _Forgiving:
    """What generated code takes for the server: adds its handlers with deserializers that never raise."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers come registered by name."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Adds the handlers of one service."""
        safe = {
            name: handler._replace(request_deserializer=forgiving(handler.request_deserializer))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, safe),)
        )
