"""`gradproof serve`: run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gradproof_service.server.address import AddressError, default_address, parse_address
from gradproof_service.server.grpc_server import GrpcServer
from gradproof_service.server.operation.logs import set_up
from gradproof_service.server.security.files import SecretError
from gradproof_service.server.settings.configuration import Configuration
from gradproof_service.server.settings.read import ConfigurationError, read_configuration
from gradproof_service.server.workers.nursery import NurseryError
from gradproof_service.transforms.plans.memory import keep_freed_memory

USAGE: Final = 2
FAILED: Final = 4
KEPT_BYTES: Final = 64 << 20
"""Freed memory that the process keeps: messages come and go, and new pages for each would be half of the work on them."""


def serve(file: Path | None = None, said: Sequence[tuple[str, str, str]] = ()) -> int:
    """Serve until SIGTERM or SIGINT; the exit code: 0 stopped as told, 2 no configuration, 4 it could not be served.

    The configuration comes from a file, the environment, and `said`: (where, setting, text) of the command line. Prints one
    line when ready, and one sentence when it cannot serve.
    """
    try:
        configuration = read_configuration(file, os.environ, said)
        set_up(configuration.operation.log_format)
        keep_freed_memory(KEPT_BYTES)
        listen = configuration.listen
        encrypted = bool(configuration.tls.certificate)
        where = parse_address(
            listen.address or default_address(), insecure=listen.insecure or encrypted
        )
        asyncio.run(_serve(GrpcServer(where, configuration), configuration))
    except (ConfigurationError, SecretError) as error:
        return _told(error, USAGE)
    except AddressError as error:
        return _told(error, USAGE if error.usage else FAILED)
    except NurseryError as error:
        return _told(error, FAILED)
    return 0


def _told(error: Exception, code: int) -> int:
    sys.stderr.write(f"gradproof: {error}\n")
    return code


async def _serve(server: GrpcServer, configuration: Configuration) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    where = await server.start()
    doors = (("health", server.health_address), ("metrics", server.metrics_address))
    more = "".join(f", {name} on {door}" for name, door in doors if door is not None)
    sys.stdout.write(f"gradproof is serving on {where}{more}\n")
    sys.stdout.flush()
    await told.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends the process at once
    operation = configuration.operation
    await server.stop(operation.grace_s, operation.drain_s)
