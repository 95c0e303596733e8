"""A session in this process: its two directions are queues, its event loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from gradproof_proto.blobs import move_in
from gradproof_proto.tensors import Fetch
from gradproof_proto.v1 import session_pb2 as ses

Serve = Callable[
    [
        Callable[[], Awaitable[ses.OpenRequest | None]],
        Callable[[ses.OpenResponse], Awaitable[None]],
    ],
    Awaitable[None],
]
"""Holds a session, given a way to read and a way to write."""


class EmbeddedLink:
    """The stream of a session that `serve` holds; `guarded` turns what the service raises into our exceptions."""

    def __init__(self, serve: Serve, get: Fetch, guarded: Callable[..., Any]) -> None:
        self._serve = serve
        self._get = get
        self._guarded = guarded
        self._heard: queue.SimpleQueue[ses.OpenResponse | BaseException | None] = (
            queue.SimpleQueue()
        )
        self._said: asyncio.Queue[ses.OpenRequest] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gradproof-session", daemon=True)
        self._thread.start()
        self._begun.wait()

    def send(self, request: ses.OpenRequest) -> None:
        """Say something."""
        loop, said = self._loop, self._said
        if loop is not None and said is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(said.put_nowait, request)

    def receive(self) -> ses.OpenResponse | None:
        """The next message."""
        heard = self._heard.get()
        if heard is None or isinstance(heard, BaseException):
            self._heard.put(None)
            return None if heard is None else self._guarded(_raised, heard)
        move_in(heard, self._get)
        return heard

    def close(self) -> None:
        """End the session and its thread, whatever is at work."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(task.cancel)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
            self._heard.put(None)
        except asyncio.CancelledError:
            self._heard.put(None)
        except BaseException as error:  # noqa: BLE001 told to whoever receives
            self._heard.put(error)
        finally:
            self._begun.set()

    async def _hold(self) -> None:
        said = self._said = asyncio.Queue()
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._begun.set()

        async def write(message: ses.OpenResponse) -> None:
            self._heard.put(message)

        await self._serve(said.get, write)


def _raised(error: BaseException) -> Any:
    raise error
