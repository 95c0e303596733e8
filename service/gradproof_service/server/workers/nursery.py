"""The server's side of the process that forks workers: start it, ask it for one, have one killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import gradproof_proto

import gradproof_service
from gradproof_service.graph.limits import Limits
from gradproof_service.server.workers.nursery_process import ANSWER, COMMAND, FORK, KILL

MODULE: Final = "gradproof_service.server.workers.nursery_process"
READY_S: Final = 60.0
"""Longest wait until everything is loaded, on a machine that is very busy."""
FORK_S: Final = 10.0
THREADS: Final = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
"""Variables that bound the threads of BLAS libraries; they are read when the library is loaded."""


class NurseryError(Exception):
    """No worker can be had; the text says why."""


class Nursery:
    """One forking process. `start` may block for a second and runs before gRPC; the rest runs on the event loop."""

    def __init__(self, limits: Limits, threads: int) -> None:
        self._limits = limits
        self._threads = threads
        self._lock = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._commands: socket.socket | None = None
        self._children: dict[int, int] = {}
        """For each worker a descriptor of its process where the system has such, else -1."""

    def start(self) -> None:
        """Begin to load; `wait` waits until that is done. The process is started anew when it was there before."""
        self.close()
        ours, theirs = socket.socketpair()
        settings: Mapping[str, Any] = {
            "commands": theirs.fileno(),
            "memory_bytes": self._limits.worker_bytes,
            "limits": asdict(self._limits),
        }
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 our own interpreter and module
                [sys.executable, "-P", "-m", MODULE, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=self._environment(),
            )
        ours.setblocking(False)
        self._commands = ours

    async def wait(self) -> None:
        """Until workers can be forked; raises `NurseryError` when they never can."""
        async with self._lock:
            await self._answer(READY_S)

    async def fork(self, data: socket.socket, control: socket.socket) -> int:
        """A new worker with these sockets; its process number. Raises `NurseryError`."""
        async with self._lock:
            if self._commands is None:
                raise NurseryError("the process that forks workers is gone")
            try:
                descriptors = [data.fileno(), control.fileno()]
                socket.send_fds(self._commands, [COMMAND.pack(FORK, 0)], descriptors)
            except OSError as error:
                raise NurseryError(f"the process that forks workers is gone ({error})") from None
            worker = await self._answer(FORK_S)
            self._children[worker] = _process_descriptor(worker)
            return worker

    def kill(self, worker: int) -> None:
        """End a worker at once; one that has ended already is left alone. Every worker is killed once in the end."""
        process = self._children.pop(worker, None)
        with contextlib.suppress(OSError):
            if (
                process is None
            ):  # its parent is gone, so its number is nobody's but its own until it ends
                os.kill(worker, signal.SIGKILL)
            elif process >= 0:
                try:
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                finally:
                    os.close(process)
            elif self._commands is not None:
                self._commands.send(COMMAND.pack(KILL, worker))

    def close(self) -> None:
        """End the process; workers end when their own sockets close."""
        if self._commands is not None:
            self._commands.close()
            self._commands = None
        for process in self._children.values():
            if process >= 0:
                os.close(process)
        self._children.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def _answer(self, wait_s: float) -> int:
        assert self._commands is not None
        loop = asyncio.get_running_loop()
        answer = b""
        try:
            async with asyncio.timeout(wait_s):
                while len(answer) < ANSWER.size:
                    part = await loop.sock_recv(self._commands, ANSWER.size - len(answer))
                    if not part:
                        raise NurseryError(
                            "the process that forks workers ended; its words are above"
                        )
                    answer += part
        except TimeoutError:
            raise NurseryError(f"no worker came within {wait_s:g} s") from None
        except OSError as error:
            raise NurseryError(f"the process that forks workers is gone ({error})") from None
        return ANSWER.unpack(answer)[0]

    def _environment(self) -> dict[str, str]:
        """Ours, with BLAS bounded and our packages found where this process found them."""
        roots = [str(Path(p.__path__[0]).parent) for p in (gradproof_proto, gradproof_service)]
        paths = [*roots, *filter(None, [os.environ.get("PYTHONPATH", "")])]
        bounds = dict.fromkeys(THREADS, str(self._threads))
        return {**os.environ, **bounds, "PYTHONPATH": os.pathsep.join(paths)}


def _process_descriptor(process: int) -> int:
    """What names the process for good, while its number may be given to another one; -1 where there is no such thing."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return -1
