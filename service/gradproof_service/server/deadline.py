"""When a call must stop: its deadline, or the caller's departure."""

from __future__ import annotations

import threading
import time

from gradproof_service.diagnostic import Fault, FaultKind


class Deadline:
    """Stops long work: `tick` is called between nodes and raises when there is no time left or nobody waits."""

    __slots__ = ("_cancelled", "_end", "timeout_s")

    def __init__(self, timeout_s: float | None = None) -> None:
        self.timeout_s = timeout_s
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody waits for the answer any more; may be called from any thread."""
        self._cancelled.set()

    def remaining_s(self) -> float | None:
        """Seconds left, never below zero; None when there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def tick(self) -> None:
        """Raises `Fault` when the work has to stop."""
        if self._cancelled.is_set():
            raise Fault(FaultKind.DEADLINE, "call: it was cancelled by the caller")
        if self._end is not None and time.monotonic() > self._end:
            raise self.passed()

    def passed(self) -> Fault:
        """The fault that says that the time is over."""
        shown = "" if self.timeout_s is None else f" after {self.timeout_s:.3g} s"
        return Fault(
            FaultKind.DEADLINE,
            f"call: it did not finish in time and was stopped{shown}; "
            "give it more time or ask for less",
        )
