"""What is seen of every call: its log line, its metrics, its trace."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc

from gradproof_service.server.compute import STORY, Story

REQUEST_ID: Final = "x-request-id"
QUIET: Final = ("/grpc.health.v1.Health/",)
"""Methods that probes call again and again: what went well is measured but not told."""
FAILED: Final = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
BUCKETS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
)  # fmt: skip
"""Bounds of histograms of times, seconds."""
_CODES: Final[dict[object, str]] = {
    key: code.name for code in grpc.StatusCode for key in (code, code.value[0])
}
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_log: Final = logging.getLogger("gradproof.calls")
Context = Any


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that has ended."""

    method: str
    """As in the path: `gradproof.v1.DerivativeService/Check`."""
    code: str
    seconds: float


class Meter(Protocol):
    """Counts calls."""

    def begin(self, method: str, context: Context) -> contextlib.AbstractContextManager[None]:
        """A block around a call that runs."""
        ...

    def end(self, seen: Seen) -> None:
        """A call has ended."""
        ...


class CallLog:
    """Gives each call an id, measures it, and says in the log what became of it."""

    def __init__(self, meters: Sequence[Meter] = (), *, tell_all: bool = False) -> None:
        self._meters = meters
        self._tell_all = tell_all

    @contextlib.contextmanager
    def call(self, method: str, context: Context) -> Generator[None]:
        """A block around one call."""
        request_id = _request_id(context)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        story = Story()
        token = STORY.set(story)
        start = time.perf_counter()
        gone = True
        try:
            with contextlib.ExitStack() as running:
                for meter in self._meters:
                    running.enter_context(meter.begin(method, context))
                yield
            gone = False
        except Exception:
            gone = False
            raise
        finally:
            STORY.reset(token)
            code = "CANCELLED" if gone else code_of(context)
            seen = Seen(method.lstrip("/"), code, time.perf_counter() - start)
            for meter in self._meters:
                meter.end(seen)
            self._tell(seen, story, request_id, context)

    def _tell(self, seen: Seen, story: Story, request_id: str, context: Context) -> None:
        level = logging.ERROR if seen.code in FAILED else logging.INFO
        all_told = self._tell_all and not f"/{seen.method}".startswith(QUIET)
        told = all_told or seen.code != "OK" or story.attempts > 1
        if not told or not _log.isEnabledFor(level):
            return
        extra: dict[str, object] = {
            "request_id": request_id,
            "method": seen.method,
            "code": seen.code,
            "seconds": round(seen.seconds, 6),
            "attempts": story.attempts,
            "worker": story.worker,
        } | story.more  # fmt: skip
        if seen.code != "OK":
            extra["peer"] = context.peer()
        _log.log(level, "call", extra=extra)


def _request_id(context: Context) -> str:
    """The caller's own id when it can stand in a log, else a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and _HARMLESS.fullmatch(str(value)):
            return str(value)
    return secrets.token_hex(8)


def code_of(context: Context) -> str:
    """The name of the status that a call has so far."""
    return _CODES.get(context.code(), "OK")
