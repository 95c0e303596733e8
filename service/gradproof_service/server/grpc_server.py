"""The gRPC server: one event loop, hardened options, health and reflection."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import grpc
from gradproof_proto.blobs import MESSAGE_LIMIT
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.server.address import Address, AddressError, check_free
from gradproof_service.server.blob_servicer import BlobServicer
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.compute import WorkerCompute
from gradproof_service.server.forgiving import Forgiving
from gradproof_service.server.servicers import CATALOGUE, DERIVATIVES, Calls, handlers
from gradproof_service.server.workers.nursery import Nursery
from gradproof_service.server.workers.pool import Pool
from gradproof_service.server.workers.size import available_cores

SERVICES: Final = (
    DERIVATIVES,
    CATALOGUE,
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


class GrpcServer:
    """One server on one address. Everything but the constructor runs on the event loop that calls `start`."""

    def __init__(
        self,
        address: Address,
        *,
        limits: Limits = DEFAULT_LIMITS,
        workers: int | None = None,
    ) -> None:
        self._address = address
        self.blobs = BlobStore(limits.blob_bytes)
        self._limits = limits
        cores = available_cores()
        self._workers = cores if workers is None else workers
        nursery = Nursery(limits, max(1, cores // self._workers))
        self.pool = Pool(nursery, self._workers, limits, limits.worker_bytes // 2)
        self._nursery = nursery
        self._health: Any = None
        self._server: Any = None

    async def start(self) -> Address:
        """Listen; the address with its real port. Raises `AddressError` when it is taken."""
        check_free(self._address)
        self._nursery.start()  # before gRPC has threads
        try:
            await self.pool.start()
            return await self._listen()
        except BaseException:
            await self.pool.close()
            raise

    async def stop(self, grace_s: float) -> None:
        """Say that no more is served, let open calls end within `grace_s`, then stop all work."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_s)
        await self.pool.close()
        if self._address.path:
            with contextlib.suppress(OSError):
                Path(self._address.path).unlink(missing_ok=True)

    async def _listen(self) -> Address:
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=self._limits.calls)
        calls = Calls(WorkerCompute(self.pool, self.blobs), self.blobs, self._limits)
        server.add_generic_rpc_handlers(handlers(calls))
        own: Any = Forgiving(server)
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
