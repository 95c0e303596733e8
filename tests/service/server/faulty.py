"""Workers with planted faults: the name of the function that is asked about says what goes wrong.

As a module that is run it is the process that forks such workers; `faulty_server` is a server that uses it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.application import Application
from gradproof_service.server.settings.configuration import Configuration
from gradproof_service.server.workers import nursery, nursery_process

from tests.service.server.harness import ServerThread

ROOT = Path(__file__).resolve().parents[3]


def called(name: str) -> pb.Program:
    """y = x * x under a name that may be a fault's."""
    writer = ProgramWriter("test")
    f = writer.function(name)
    x = f.input("x")
    f.output(f.node("gp.multiply", [x, x]), "y")
    return writer.finish(f)


@contextlib.contextmanager
def faulty_server(
    monkeypatch: pytest.MonkeyPatch, configuration: Configuration | None = None
) -> Iterator[ServerThread]:
    """A server whose workers are these."""
    monkeypatch.setattr(nursery, "MODULE", "tests.service.server.faulty")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with ServerThread(configuration=configuration) as running:
        yield running


def poisoned() -> None:
    """What an invalid access in a library looks like."""
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    """A real one."""
    ctypes.string_at(0)


def broken() -> None:
    """A mistake of ours."""
    raise ValueError("secret inside")


def hungry() -> None:
    """More memory than there is."""
    raise MemoryError


def many_words() -> Any:
    """An answer without large tensors that is larger than a message may be."""
    answer = der.EvaluateResponse()
    for _ in range(60_000):
        answer.findings.add(message="m" * 100)
    return answer


FAULTS: dict[str, Callable[[], Any]] = {
    "poison": poisoned,
    "segfault": segfault,
    "broken": broken,
    "hungry": hungry,
    "wordy": many_words,
}


class Faulty(Application):
    """The application, but for functions with such names."""

    def evaluate(self, request: Any, tick: Any = lambda: None) -> Any:
        """The planted answer, or the real one; that of a `liar` has one bit flipped, another one in each worker."""
        answer = self._planted(request) or super().evaluate(request, tick)
        if _name(request) == "liar":
            flip(answer, os.getpid())
        return answer

    def check(self, request: Any, tick: Any = lambda: None) -> Any:
        """The planted answer, or the real one; `first:3:path` kills its first three workers."""
        return self._planted(request) or super().check(request, tick)

    def _planted(self, request: Any) -> Any:
        name = _name(request)
        if name.startswith("first:"):
            _, times, path = name.split(":")
            for k in range(int(times)):
                with contextlib.suppress(FileExistsError):
                    Path(f"{path}{k}").touch(exist_ok=False)
                    poisoned()
        fault = FAULTS.get(name.partition(" ")[0])
        return fault() if fault else None


def flip(answer: der.EvaluateResponse, bit: int) -> None:
    """One bit of the first output."""
    tensor = answer.outputs[0].tensor
    data = bytearray(tensor.data)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    tensor.data = bytes(data)


def _name(request: Any) -> str:
    if request.WhichOneof("subject") != "program" or not request.program.functions:
        return ""
    function = request.program.functions[request.program.entry]
    names = request.program.strings
    try:
        return str(names[function.name])
    except (IndexError, TypeError) as error:
        raise Fault(FaultKind.INVALID, str(error)) from None


def main() -> None:
    """Fork faulty workers."""
    from gradproof_service.server.workers import worker

    worker.Application = Faulty  # type: ignore[misc]
    nursery_process.main()


if __name__ == "__main__":
    main()
