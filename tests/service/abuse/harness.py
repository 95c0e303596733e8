"""A service as a process of its own, its workers, and what the system says about them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import grpc
import numpy as np
from gradproof._channel import OPTIONS
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc
from gradproof_proto.writer import ProgramWriter

from tests.service.server.harness import cubic, point

COMMAND = "import runpy; runpy.run_module('gradproof', run_name='__main__')"


class Service:
    """`gradproof serve` on a free port of loopback, with these settings; `prelude` is code that its process runs first."""

    def __init__(
        self,
        *settings: str,
        address: str = "127.0.0.1:0",
        environment: Any = None,
        prelude: str = "",
    ) -> None:
        # a pipe that nobody reads would fill, and stop the server in the middle of a line of its log
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed when the service is left
        said = [word for setting in settings for word in ("--set", setting)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{prelude}\n{COMMAND}", "serve", address, *said],
            stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        if not self.line.startswith("gradproof is serving on "):
            self.process.wait()
            raise AssertionError(self.line + self.words())
        self.address = self.line.split()[4].rstrip(",")

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    def workers(self) -> list[int]:
        """The processes that compute: children of the process that forks them."""
        return [worker for nursery in children(self.pid) for worker in children(nursery)]

    def channel(self) -> grpc.Channel:
        """A channel with the client's options."""
        return grpc.insecure_channel(self.address, options=OPTIONS)

    def stop(self, number: int = signal.SIGTERM, wait_s: float = 30) -> tuple[int, str]:
        """End it with a signal; its exit code and its words."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=wait_s)
        words = self.words()
        self._close()
        return code, words

    def words(self) -> str:
        """What it has written to its log."""
        self._log.seek(0)
        return self._log.read()

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            finally:
                self.process.kill()
        self.process.wait()
        self._close()


def long_size(usual: int) -> int:
    """How much a long form does: as much as `LONG_SIZE` in the environment says, else what it does by itself."""
    return int(os.environ.get("LONG_SIZE", usual))


def children(pid: int) -> list[int]:
    """Processes whose parent this is."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process still runs (one that only waits to be collected does not)."""
    return _state(pid) not in "ZX"


def computes(pid: int) -> bool:
    """Whether the process has, or wants, a processor."""
    return _state(pid) in "RD"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def dying_s() -> float:
    """Seconds that this machine takes at this moment to end a process that computes: nothing can be faster."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        until(lambda: cpu_s([child.pid]) > 0.02)
        child.kill()
        return until(lambda: not alive(child.pid))


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor that these processes have used."""
    total = 0
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def named_memory(pids: Iterable[int]) -> list[str]:
    """Files of shared memory that these processes have mapped: what would be left behind when they are killed."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return [line for line in lines if "/dev/shm/" in line]


def until(holds: Callable[[], bool], wait_s: float = 20.0) -> float:
    """Seconds until it holds; fails when it never does."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < wait_s, "it never came true"
        time.sleep(0.002)
    return time.monotonic() - begun


def evaluate(
    channel: grpc.Channel, x: float, timeout_s: float = 30, *, patient: bool = False
) -> float:
    """x**3 + 2 x, by the service; `patient` waits for one that is not there yet."""
    stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
    request = der.EvaluateRequest(program=cubic(), point=point(x=x))
    answer = stub.Evaluate(request, timeout=timeout_s, wait_for_ready=patient or None)
    return float(from_tensor(answer.outputs[0].tensor))


def blas(side: int = 4000) -> der.EvaluateRequest:
    """One product of matrices that are made from a number: seconds inside one call of the library."""
    writer = ProgramWriter("test")
    f = writer.function("blas")
    x = f.input("x")
    ones = f.node("gp.broadcast_to", [x], {"shape": (side, side)})
    y = f.node("gp.matmul", [ones, ones])
    f.output(f.node("gp.sum", [y], {"axes": (-1, -2)}), "y")
    return der.EvaluateRequest(program=writer.finish(f), point=point(x=np.float64(1.0)))


def code_of(caught: Any) -> grpc.StatusCode:
    """The status of a failed call."""
    return caught.value.code()
