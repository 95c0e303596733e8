"""Where the work of a call is done: today a few threads of this process.

The seam is `Compute`: a method's name, a message and a deadline go in, a message comes out. Nothing but messages crosses
it, so that workers in processes of their own can stand behind it. A thread cannot be stopped: work ends at its next tick.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.application import Application
from gradproof_service.server.deadline import Deadline

THREADS: Final = 2
PROBES: Final = 64
"""Probes open at once: each holds a thread, which mostly waits for its client."""

Message = Any
Exchange = Callable[[der.ProbeAsk], Any]
"""Sends a question and awaits the answer: `(ask) -> awaitable ProbeAnswer`."""


class Compute(Protocol):
    """Does the work of calls, away from the event loop. Every method raises what the application raises."""

    async def call(self, method: str, request: Message, deadline: Deadline) -> Message:
        """The answer of one handler of the application."""
        ...

    def stream(self, method: str, request: Message, deadline: Deadline) -> AsyncIterator[Message]:
        """The answers of one streaming handler, one at a time."""
        ...

    async def probe(
        self, start: der.ProbeStart, exchange: Exchange, deadline: Deadline
    ) -> chk.Report:
        """The report of a probe whose questions go through `exchange`."""
        ...

    def close(self) -> None:
        """Stop all work."""
        ...


class ThreadCompute:
    """`Compute` by threads; `threads` calls run at once, the others wait in line."""

    def __init__(self, application: Application, threads: int = THREADS) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, "gradproof-compute")
        self._probes = ThreadPoolExecutor(PROBES, "gradproof-probe")
        self._open_probes = 0
        self._running: set[Deadline] = set()

    async def call(self, method: str, request: Message, deadline: Deadline) -> Message:
        """The answer of one handler of the application."""
        handler = getattr(self._application, method)
        return await self._run(self._pool, deadline, handler, request, deadline.tick)

    async def stream(
        self, method: str, request: Message, deadline: Deadline
    ) -> AsyncIterator[Message]:
        """The answers of one streaming handler; a new one is begun when the last one was taken."""
        answers = iter(getattr(self._application, method)(request, deadline.tick))
        # each step may run in another thread, so what a step sets for its context has to travel along
        context = contextvars.copy_context()
        end = object()
        while True:
            answer = await self._run(self._pool, deadline, context.run, next, answers, end)
            if answer is end:
                return
            yield answer

    async def probe(
        self, start: der.ProbeStart, exchange: Exchange, deadline: Deadline
    ) -> chk.Report:
        """The report of a probe; its thread sleeps while the client works."""
        if self._open_probes >= PROBES:
            raise Fault(
                FaultKind.LIMIT, f"probe: {PROBES} are open already; wait for some and start again"
            )
        loop = asyncio.get_running_loop()
        answers: queue.SimpleQueue[der.ProbeAnswer | BaseException] = queue.SimpleQueue()

        async def bring(ask: der.ProbeAsk) -> None:
            try:
                answers.put(await exchange(ask))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 the thread raises it
                answers.put(error)

        def ask_client(ask: der.ProbeAsk) -> der.ProbeAnswer:
            asyncio.run_coroutine_threadsafe(bring(ask), loop)
            answer = answers.get()
            if isinstance(answer, BaseException):
                deadline.tick()
                raise answer
            return answer

        self._open_probes += 1
        try:
            return await self._run(
                self._probes, deadline, self._application.probe, start, ask_client, deadline.tick
            )
        finally:
            self._open_probes -= 1
            answers.put(deadline.passed())  # wakes the thread when nobody will answer any more

    def close(self) -> None:
        """Stop all work at its next tick."""
        for deadline in list(self._running):
            deadline.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._probes.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self, pool: ThreadPoolExecutor, deadline: Deadline, work: Callable[..., Any], *args: Any
    ) -> Any:
        """The result of work in a thread; when time is over or nobody waits, the thread is told to stop."""
        self._running.add(deadline)
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await asyncio.get_running_loop().run_in_executor(pool, work, *args)
        except TimeoutError:
            deadline.cancel()
            raise deadline.passed() from None
        except asyncio.CancelledError:
            deadline.cancel()
            raise
        finally:
            self._running.discard(deadline)
