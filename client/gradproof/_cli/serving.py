"""`serve` and `health`: start a service, and ask whether one answers."""

from __future__ import annotations

import os
import time

from gradproof._cli.asking import service
from gradproof._cli.page import write
from gradproof._cli.trouble import AGREES, FAILED, Mistake
from gradproof._transport import CONNECT_TIMEOUT_S, SERVER_VARIABLE


def run_health(server: str, timeout_s: float | None) -> int:
    """Say whether the service answers and how long it took; exits 4 when it does not serve."""
    start = time.perf_counter()
    with service(server) as transport:
        state = transport.health(timeout_s=CONNECT_TIMEOUT_S if timeout_s is None else timeout_s)
    taken_ms = (time.perf_counter() - start) * 1e3
    where = server or os.environ.get(SERVER_VARIABLE, "").strip() or "the service in this process"
    write(f"{where}: {state}, answered in {taken_ms:.0f} ms\n")
    return AGREES if state == "serving" else FAILED


def run_serve(address: str, *, insecure: bool, workers: int | None, grace_s: float | None) -> int:
    """Serve until stopped; the exit code is the service's own."""
    try:
        from gradproof._embedded import serve

        return serve(address, insecure=insecure, workers=workers, grace_s=grace_s)
    except ImportError as error:
        raise Mistake(f"the service cannot be started here: {error}") from error
