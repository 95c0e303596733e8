"""All sessions of a service: how many there are, what they share, and how they are told to leave."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Generator
from typing import Final

from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.messages import fitted
from gradproof_service.server.sessions.room import Room
from gradproof_service.server.sessions.run import Checks
from gradproof_service.server.sessions.session import Read, Session, Write

RETRY_S: Final = 1.0


class Sessions:
    """The sessions of one service, on one event loop."""

    def __init__(self, checks: Checks, blobs: BlobStore, limits: Limits) -> None:
        self.checks = checks
        self.blobs = blobs
        self.limits = limits
        self.room = Room()
        self._open: set[Session] = set()
        self._left = asyncio.Event()
        self._draining = False

    def __len__(self) -> int:
        """Sessions that are open."""
        return len(self._open)

    async def serve(self, read: Read, write: Write) -> None:
        """Hold one session until its client leaves; raises `Fault` when it cannot begin."""
        await Session(self, secrets.token_hex(8)).serve(read, write)

    async def drain(self, grace_s: float) -> None:
        """Let nobody in any more, tell everybody to leave, and wait until they have or `grace_s` is over."""
        self._draining = True
        for session in self._open:
            session.drain(grace_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._open:
                    self._left.clear()
                    await self._left.wait()

    def close(self) -> None:
        """Let go of the threads; what they do ends at its next tick."""
        self.room.close()

    @contextlib.contextmanager
    def entered(self, session: Session) -> Generator[None]:
        """The time during which a session is open; raises `Fault` when there is no room."""
        if self._draining:
            raise Fault(
                FaultKind.BUSY,
                "session: the service is about to stop; open the session again in a moment",
                retry_after_s=RETRY_S,
            )
        if len(self._open) >= self.limits.sessions:
            raise Fault(
                FaultKind.BUSY,
                f"session: {self.limits.sessions} are open, which is the limit; come back later",
                limit="sessions",
                retry_after_s=RETRY_S,
            )
        self._open.add(session)
        try:
            yield
        finally:
            self._open.discard(session)
            self._left.set()

    def fitted(self, message: ses.OpenResponse) -> ses.OpenResponse:
        """A message that fits, its large tensors put as blobs; raises `Fault` when it stays too large."""
        return fitted(message, self.blobs.put)
