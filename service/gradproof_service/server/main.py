"""`gradproof serve`: run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import Final

from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.server.address import AddressError, default_address, parse_address
from gradproof_service.server.grpc_server import GrpcServer

GRACE_S: Final = 10.0
USAGE: Final = 2
FAILED: Final = 4


def serve(
    address: str = "",
    *,
    insecure: bool = False,
    workers: int | None = None,
    grace_s: float = GRACE_S,
    limits: Limits = DEFAULT_LIMITS,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit code: 0 stopped as told, 2 no address, 4 it could not be served.

    `address` is `unix:PATH` or `HOST:PORT`; empty: a socket in the user's runtime directory, else a port on loopback.
    Prints one line when ready, and one sentence when it cannot serve.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        where = parse_address(address or default_address(), insecure=insecure)
        server = GrpcServer(where, limits=limits, workers=workers)
        asyncio.run(_serve(server, grace_s))
    except AddressError as error:
        sys.stderr.write(f"gradproof: {error}\n")
        return USAGE if error.usage else FAILED
    return 0


async def _serve(server: GrpcServer, grace_s: float) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    where = await server.start()
    sys.stdout.write(f"gradproof is serving on {where}\n")
    sys.stdout.flush()
    await told.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends the process at once
    await server.stop(grace_s)
