"""Checks of sessions that live in the client's own process: threads do what workers do behind a socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gradproof_proto.v1 import derivative_pb2 as der

from gradproof_service.server.deadline import Deadline
from gradproof_service.server.messages import read_message
from gradproof_service.server.sessions.held import Held
from gradproof_service.server.sessions.registry import Sessions
from gradproof_service.server.sessions.session import Read, Write

if TYPE_CHECKING:
    from gradproof_service.server.application import Application


async def serve(application: Application, read: Read, write: Write) -> None:
    """Hold one session of this process until its client leaves."""
    checks = LocalChecks(application)
    blobs: Any = application.blobs
    sessions = Sessions(checks, blobs, application.limits)
    try:
        await sessions.serve(read, write)
    finally:
        sessions.close()
        checks.close()


class LocalChecks:
    """Checks one at a time; work that nobody waits for ends at its next tick."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(1, "gradproof-check")

    async def check(self, request: bytes, deadline: Deadline, held: Held) -> bytes:
        """The answer to a CheckRequest; raises what the application raises."""

        def work() -> bytes:
            deadline.tick()
            asked = read_message(der.CheckRequest, request)
            answer = self._application.check(asked, deadline.tick, document=held.name)
            return answer.SerializeToString()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except asyncio.CancelledError:
            deadline.cancel()
            raise

    def close(self) -> None:
        """Let go of the thread; what runs ends at its next tick."""
        self._pool.shutdown(wait=False, cancel_futures=True)
