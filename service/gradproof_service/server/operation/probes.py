"""Health for probes: a port of its own in plain text that knows the health service and nothing else."""

from __future__ import annotations

from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2_grpc

from gradproof_service.server.address import Address, AddressError, check_free

OPTIONS: Final = (
    ("grpc.max_receive_message_length", 4 << 10),
    ("grpc.max_metadata_size", 4 << 10),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 60_000),
    ("grpc.so_reuseport", 0),
)


class HealthPort:
    """Answers with the health that the service itself tells."""

    def __init__(self, address: Address, servicer: Any) -> None:
        self._address = address
        self._servicer = servicer
        self._server: Any = None

    async def start(self) -> Address:
        """Listen; the address with its real port. Raises `AddressError` when it is taken."""
        check_free(self._address)
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=256)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, self._server)
        try:
            port = self._server.add_insecure_port(str(self._address))
        except RuntimeError:
            raise AddressError(
                f"{self._address}: health cannot be told there; choose another address", usage=False
            ) from None
        await self._server.start()
        return Address(host=self._address.host, port=port)

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            await self._server.stop(0)
