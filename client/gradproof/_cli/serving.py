"""`serve` and `health`: start a service, and ask whether one answers."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from gradproof._cli.asking import service
from gradproof._cli.page import write
from gradproof._cli.trouble import AGREES, FAILED, Mistake
from gradproof._transport import CONNECT_TIMEOUT_S
from gradproof._words import SERVER_VARIABLE


def run_health(server: str, timeout_s: float | None) -> int:
    """Say whether the service answers and how long it took; exits 4 when it does not serve."""
    start = time.perf_counter()
    with service(server) as transport:
        state = transport.health(timeout_s=CONNECT_TIMEOUT_S if timeout_s is None else timeout_s)
    taken_ms = (time.perf_counter() - start) * 1e3
    where = server or os.environ.get(SERVER_VARIABLE, "").strip() or "the service in this process"
    write(f"{where}: {state}, answered in {taken_ms:.0f} ms\n")
    return AGREES if state == "serving" else FAILED


def run_serve(file: Path | None, said: Sequence[tuple[str, str, str]]) -> int:
    """Serve until stopped; the exit code is the service's own. `said` are (option, setting, text)."""
    try:
        from gradproof._embedded import serve

        return serve(file, said)
    except ImportError as error:
        raise Mistake(f"the service cannot be started here: {error}") from error


def settings(pairs: Sequence[str]) -> list[tuple[str, str, str]]:
    """The settings of `--set NAME=VALUE`."""
    found: list[tuple[str, str, str]] = []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise Mistake(f"--set {pair!r}: expected NAME=VALUE, such as limits.nodes=100000")
        found.append(("--set", name.strip(), text))
    return found
