"""One session: what the client says is done, and what is found is put into the outbox.

A session knows no transport: `serve` is given a way to read and a way to write. Its reader never waits for work, so a
client is heard while its documents are checked; its writer waits for a slow client, and meanwhile newer replaces older.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import grpc
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.failures import refusal
from gradproof_service.server.sessions import welcome
from gradproof_service.server.sessions.document import edited, opened
from gradproof_service.server.sessions.held import CHECK, Found, Held
from gradproof_service.server.sessions.outbox import Outbox
from gradproof_service.server.sessions.quick import Quick
from gradproof_service.server.sessions.results import CANCELLED, STALE, failure, refused
from gradproof_service.server.sessions.room import SMALL_NODES
from gradproof_service.server.sessions.run import Run

if TYPE_CHECKING:
    from gradproof_service.server.sessions.registry import Sessions

Read = Callable[[], Awaitable[ses.OpenRequest | None]]
"""The next message of the client; None: it says nothing more."""
Write = Callable[[ses.OpenResponse], Awaitable[None]]
LARGE_BYTES: Final = 32 << 10
"""A message above this is read beside the event loop."""


class Session:
    """What one client has open."""

    def __init__(self, home: Sessions, name: str) -> None:
        self.name = name
        self.outbox = Outbox()
        self._home = home
        self._documents: dict[str, tuple[Held, Run]] = {}
        self._hello = ses.Hello()

    async def serve(self, read: Read, write: Write) -> None:
        """Hold the session until the client leaves; raises `Fault` for a client that cannot be spoken with."""
        self._hello = await welcome.hello(read)
        with self._home.entered(self):
            await write(welcome.answer(self._hello, self.name, self._home.limits))
            writer = asyncio.create_task(self._write(write))
            reader = asyncio.create_task(self._read(read))
            tasks = [writer, reader]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if reader.done():
                    reader.result()
                    tasks[1] = asyncio.create_task(self._last_words())
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if writer.done():
                    writer.result()
            finally:
                for task in tasks:
                    task.cancel()
                await self._forget_all()
                await asyncio.gather(*tasks, return_exceptions=True)

    def drain(self, deadline_s: float) -> None:
        """Tell the client that the session will end."""
        message = ses.OpenResponse(draining=ses.Draining(deadline_s=deadline_s))
        self.outbox.put("draining", lambda: message)

    async def _read(self, read: Read) -> None:
        while (message := await read()) is not None:
            kind = message.WhichOneof("message")
            match kind:
                case "open":
                    await self._open(message.open)
                case "edit":
                    await self._edit(message.edit)
                case "close":
                    self._close(message.close.uri)
                case "pull":
                    self._pull(message.pull)
                case "cancel":
                    self._cancel(message.cancel)
                case "hello":
                    raise Fault(
                        FaultKind.INVALID,
                        "message: a second hello came; say hello once",
                        field_path="hello",
                    )
                case _:
                    pass

    async def _write(self, write: Write) -> None:
        while True:
            await write(await self.outbox.next())

    async def _last_words(self) -> None:
        """The client says nothing more: what it has asked for is still found and sent."""
        for _, run in list(self._documents.values()):
            await run.settled()
        await self.outbox.emptied()

    async def _forget_all(self) -> None:
        documents = list(self._documents.values())
        self._documents.clear()
        for _, run in documents:
            run.stop()
        for held, run in documents:
            await run.settled()
            self._home.room.leave(held.quick)

    async def _open(self, message: ses.OpenDocument) -> None:
        uri = message.uri
        if not uri:
            self._resync(
                "", 0, _invalid("uri: expected a name that is not empty; name the document")
            )
            return
        if uri not in self._documents:
            if len(self._documents) >= self._home.limits.documents:
                most = self._home.limits.documents
                told = f"uri: {most} documents are open, which is the limit; close one first"
                self._resync(uri, 0, failure(Fault(FaultKind.LIMIT, told, limit="documents")))
                return
            self._documents[uri] = self._new(uri)
        held, run = self._documents[uri]
        if message.version <= held.number:
            told = f"version: expected one above {held.number}, {message.version} came; count on"
            self._resync(uri, held.number, refused(grpc.StatusCode.ABORTED, STALE, told))
            return
        held.client_has = set(message.held_results)
        self._silence(held)
        blobs, limits = self._home.blobs, self._home.limits
        try:
            version = await self._aside(
                message.ByteSize() if message.ByteSize() > LARGE_BYTES else 0,
                lambda: opened(message, blobs, limits),
            )
        except Exception as error:  # noqa: BLE001 told as a failure of this document
            self._refuse(held, message.version, error)
            return
        held.accept(version, set(), asyncio.get_running_loop().time())
        run.wake()

    async def _edit(self, message: ses.EditDocument) -> None:
        known = self._documents.get(message.uri)
        if known is None:
            told = f"uri: no document {message.uri!r} is open; open it first"
            self._resync(message.uri, 0, refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", told))
            return
        held, run = known
        if held.version is None:
            return  # a resync was asked for already
        if message.base_version != held.number or message.version <= held.number:
            told = (
                f"version: the document has version {held.number}, an edit from {message.base_version} "
                f"to {message.version} came; open it again"
            )
            self._lose(held, run, refused(grpc.StatusCode.ABORTED, STALE, told))
            return
        if len(message.edits) > welcome.EDITS:
            told = f"edits: {len(message.edits)} came, the limit is {welcome.EDITS}; send them in parts"
            self._lose(held, run, failure(Fault(FaultKind.LIMIT, told)))
            return
        before, (blobs, limits) = held.version, (self._home.blobs, self._home.limits)
        nodes = max(1, len(before.program.order))
        large = nodes if nodes > SMALL_NODES or message.ByteSize() > LARGE_BYTES else 0
        try:
            version, changed = await self._aside(
                large, lambda: edited(before, message, blobs, limits)
            )
        except Exception as error:  # noqa: BLE001 told as a failure of this document
            self._lose(held, run, failure(self._told(error)))
            return
        self._silence(held)
        held.accept(version, changed, asyncio.get_running_loop().time())
        run.wake()

    def _close(self, uri: str) -> None:
        known = self._documents.pop(uri, None)
        if known is None:
            return
        held, run = known
        self._silence(held)
        self.outbox.drop(("resync", uri))
        told = refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f"uri: {uri!r} was closed")
        for number in list(held.pulls):
            self._answer(held, number, told)
        held.version = None
        run.stop()
        self._home.room.leave(held.quick)

    def _pull(self, message: ses.Pull) -> None:
        known = self._documents.get(message.uri)
        waiting = sum(len(held.pulls) for held, _ in self._documents.values())
        if known is None:
            told = f"uri: no document {message.uri!r} is open; open it first"
            self._say_pull(message.id, refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", told))
            return
        if waiting >= welcome.PULLS:
            told = f"pull: {waiting} are waiting, which is the limit; wait for some"
            self._say_pull(message.id, failure(Fault(FaultKind.LIMIT, told)))
            return
        if any(message.id in held.pulls for held, _ in self._documents.values()):
            raise Fault(
                FaultKind.INVALID,
                f"pull: number {message.id} is waiting already; number the pulls",
                field_path="pull.id",
            )
        held, run = known
        if held.refused is not None:
            self._say_pull(message.id, held.refused)
            return
        held.pulls[message.id] = message
        held.stopped = False
        self._answer_pulls(held)
        run.wake()

    def _cancel(self, message: ses.Cancel) -> None:
        if message.WhichOneof("target") == "pull":
            for held, run in self._documents.values():
                if message.pull in held.pulls:
                    self._answer(held, message.pull, CANCELLED)
                    run.wake()
            return
        known = self._documents.get(message.uri)
        if known is None or known[0].version is None:
            return
        held, run = known
        stage = held.goal(self._hello.pull_only)
        for number in list(held.pulls):
            self._answer(held, number, CANCELLED)
        if stage and stage not in held.found:
            held.stopped = True
            run.wake()
            self._tell(held, Found(held.number, held.generation, stage, CANCELLED), True)

    def _new(self, uri: str) -> tuple[Held, Run]:
        home = self._home
        held = Held(uri, Quick(home.blobs, home.limits))
        run = Run(
            held,
            home.checks,
            home.room,
            home.limits.seconds,
            self._hello.pull_only,
            lambda found, final: self._tell(held, found, final),
            self._progress if self._hello.progress else None,
        )
        return held, run

    def _tell(self, held: Held, found: Found, final: bool) -> None:
        """Send what was found, unless something newer comes before it is its turn."""
        self._answer_pulls(held)
        self.outbox.drop(("progress", held.uri))
        if self._hello.pull_only:
            return

        def item() -> ses.OpenResponse | None:
            if found.version != held.number:
                return None
            said = held.said(found, final)
            return self._home.fitted(ses.OpenResponse(diagnostics=said))

        self.outbox.put(("diagnostics", held.uri, found.stage), item)

    def _answer_pulls(self, held: Held) -> None:
        """Answer those who wait for what is known by now."""
        for number, pull in list(held.pulls.items()):
            found = held.found.get(pull.stage or CHECK)
            if found is not None:
                self._answer(held, number, found)

    def _answer(self, held: Held, number: int, answer: Found | ses.Failure) -> None:
        pull = held.pulls.pop(number)
        if isinstance(answer, ses.Failure):
            self._say_pull(number, answer)
            return

        def item() -> ses.OpenResponse:
            final = answer.stage >= held.goal(self._hello.pull_only)
            said = held.said(answer, final, set(pull.held_results))
            return self._home.fitted(
                ses.OpenResponse(pull=ses.PullAnswer(id=number, diagnostics=said))
            )

        self.outbox.put(("pull", number), item)

    def _say_pull(self, number: int, why: ses.Failure) -> None:
        message = ses.OpenResponse(pull=ses.PullAnswer(id=number, failure=why))
        self.outbox.put(("pull", number), lambda: message)

    def _progress(self, message: ses.Progress) -> None:
        said = ses.OpenResponse(progress=message)
        self.outbox.put(("progress", message.uri), lambda: said)

    def _silence(self, held: Held) -> None:
        """Nothing that waits to be sent about a document is sent: something newer stands."""
        for stage in (ses.STAGE_QUICK, CHECK):
            self.outbox.drop(("diagnostics", held.uri, stage))
        self.outbox.drop(("progress", held.uri))

    def _refuse(self, held: Held, number: int, error: Exception) -> None:
        """A document that could not be opened: told as a failure of its version."""
        held.version, held.number = None, number
        held.generation += 1
        held.found = {}
        why = held.refused = failure(self._told(error))
        for pull in list(held.pulls):
            self._answer(held, pull, why)
        self._tell(held, Found(number, held.generation, CHECK, why), True)

    def _lose(self, held: Held, run: Run, why: ses.Failure) -> None:
        """The client's document and ours are not the same any more; pulls wait until it is opened again."""
        self._silence(held)
        held.version = None
        run.wake()
        self._resync(held.uri, held.number, why)

    def _resync(self, uri: str, number: int, why: ses.Failure) -> None:
        message = ses.OpenResponse(resync=ses.Resync(uri=uri, have_version=number, why=why))
        self.outbox.put(("resync", uri), lambda: message)

    def _told(self, error: Exception) -> Fault:
        fault = refusal(error)
        if fault is None:
            raise error
        return fault

    async def _aside(self, nodes: int, work: Callable[[], Any]) -> Any:
        """The result of work, in a thread when there are `nodes` to work on."""
        if not nodes:
            return work()
        threads = self._home.room.threads(nodes)
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def _invalid(message: str) -> ses.Failure:
    return failure(Fault(FaultKind.INVALID, message, field_path="uri"))
