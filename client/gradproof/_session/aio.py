"""The asynchronous face: the same client and documents for a caller with an event loop of its own.

Nothing here owns a connection or an event loop. What waits for the service waits in the client's own thread and is handed
to the caller's loop, so any number of documents may be waited for at once; what computes runs in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

from gradproof_proto.v1 import session_pb2 as ses

from gradproof._client import Client, connect
from gradproof._errors import DeadlineError
from gradproof._report import Report
from gradproof._session.document import KEPT, Document
from gradproof._session.view import Diagnostics
from gradproof._subject import Source


class AsyncDocument:
    """A `Document` whose calls are awaited; `document` is the one behind it."""

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def version(self) -> int:
        """The newest version."""
        return self.document.version

    async def edit(
        self,
        source: Source | None = None,
        *,
        at: Any = KEPT,
        claim: Any = KEPT,
        claim_kind: str | None = None,
        changes: Sequence[ses.Edit] = (),
        **options: Any,
    ) -> int:
        """Change the document; the new version. See `Document.edit`."""
        return await asyncio.to_thread(
            self.document.edit, source, at=at, claim=claim, claim_kind=claim_kind,
            changes=changes, **options,
        )  # fmt: skip

    def diagnostics(self) -> Diagnostics | None:
        """What is known of the newest version by now."""
        return self.document.diagnostics()

    async def wait(
        self,
        stage: str | None = None,
        *,
        version: int | None = None,
        timeout_s: float | None = None,
    ) -> Diagnostics:
        """What is found in the newest version, waiting for it. See `Document.wait`."""
        future = self.document.waiting(stage, version)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise DeadlineError(
                f"{self.document.uri}: version {self.version} was not finished in {timeout_s:g} s; "
                "wait longer or ask for the quick stage"
            ) from None

    async def follow(self, stage: str | None = None) -> AsyncIterator[Diagnostics]:
        """What is found in one version after another, the newest each time, until the document is closed."""
        version = 0
        while True:
            found = await self.wait(stage, version=version + 1)
            version = found.version
            yield found

    async def check(self, *, timeout_s: float | None = None) -> Report:
        """The whole check of the newest version."""
        return await asyncio.to_thread(self.document.check, timeout_s=timeout_s)

    async def close(self) -> None:
        """Forget the document."""
        await asyncio.to_thread(self.document.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


class AsyncClient:
    """A `Client` whose calls are awaited; `client` is the one behind it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def open(self, f: Source, *, at: Any, **wanted: Any) -> AsyncDocument:
        """Open a function as a document. See `Client.open`."""
        return AsyncDocument(await asyncio.to_thread(self.client.open, f, at=at, **wanted))

    async def check(self, f: Source, *, at: Any, **wanted: Any) -> Report:
        """Check derivatives. See `Client.check`."""
        return await asyncio.to_thread(self.client.check, f, at=at, **wanted)

    async def close(self) -> None:
        """Let go of the connection and its documents."""
        await asyncio.to_thread(self.client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


async def aconnect(address: str, **wanted: Any) -> AsyncClient:
    """An asynchronous client of the service at `host:port` or `unix:PATH`; takes what `connect` takes."""
    return AsyncClient(await asyncio.to_thread(connect, address, **wanted))
