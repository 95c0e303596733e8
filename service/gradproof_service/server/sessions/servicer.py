"""`SessionService` behind gRPC: the stream's two directions are handed to a session."""

from __future__ import annotations

import logging
from typing import Any

from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.v1 import session_pb2_grpc

from gradproof_service.server.compute import STORY, Compute, Story
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.servicers import Calls
from gradproof_service.server.sessions.held import Held
from gradproof_service.server.sessions.registry import Sessions

Context = Any
_log = logging.getLogger("gradproof.sessions")


class WorkerChecks:
    """Checks by the workers of the service; each that did not go smoothly leaves a line in the log."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    async def check(self, request: bytes, deadline: Deadline, held: Held) -> bytes:
        """The answer to a CheckRequest; raises what `Compute` raises."""
        story = Story()
        STORY.set(story)
        try:
            return await self._compute.call("check", request, deadline, affinity=held.name)
        finally:
            _log.log(
                logging.INFO if story.attempts > 1 else logging.DEBUG,
                "a document was checked",
                extra={
                    "document": held.uri,
                    "version": held.number,
                    "attempts": story.attempts,
                    "worker": story.worker,
                },
            )


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    """`SessionService`; `drain` is called before the server stops."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.sessions = Sessions(WorkerChecks(calls.compute), calls.blobs, calls.limits)

    async def Open(self, request_iterator: Any, context: Context) -> None:  # noqa: D102, N802
        requests = aiter(request_iterator)

        async def read() -> ses.OpenRequest | None:
            return await anext(requests, None)

        try:
            await self.sessions.serve(read, context.write)
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)

    async def drain(self, grace_s: float) -> None:
        """Tell every client that the service will stop, and wait until they have left or `grace_s` is over."""
        await self.sessions.drain(grace_s)
