"""A real server on a real socket in a thread of its own, and small programs to ask about."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, Self

import numpy as np
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from gradproof_service.server.address import Address, parse_address
from gradproof_service.server.grpc_server import GrpcServer
from gradproof_service.server.settings.configuration import Configuration


class ServerThread:
    """A context in which a server runs; `address` is where."""

    def __init__(
        self, address: str = "127.0.0.1:0", configuration: Configuration | None = None
    ) -> None:
        self.address = ""
        self.server: Any = None
        self._asked = parse_address(address)
        self._configuration = configuration
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run something on the server's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def tasks(self, word: str) -> list[str]:
        """What is at work on the server's loop under a name that holds `word`."""

        async def look() -> list[str]:
            names = [getattr(t.get_coro(), "__qualname__", "") for t in asyncio.all_tasks()]
            return [name for name in names if word in name]

        return self.submit(look()).result(20)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 told to the test
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        server = GrpcServer(self._asked, self._configuration)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        where: Address = await server.start()
        self.server = server
        self.address = str(where)
        self._ready.set()
        await self._stop.wait()
        await server.stop(0.5)


def cubic() -> pb.Program:
    """y = x**3 + 2 x, any shape."""
    writer = ProgramWriter("test")
    f = writer.function("cubic")
    x = f.input("x")
    cube = f.node("gp.multiply", [f.node("gp.multiply", [x, x]), x])
    f.output(f.node("gp.add", [cube, f.node("gp.multiply", [f.constant(2.0), x])]), "y")
    return writer.finish(f)


def two_outputs() -> pb.Program:
    """loss = sum(sin(x) * y + sin(x)), v = sin(x) * y + sin(x), for vectors."""
    writer = ProgramWriter("test")
    f = writer.function("two")
    x, y = f.input("x"), f.input("y")
    v = f.node("gp.add", [f.node("gp.multiply", [f.node("gp.sin", [x]), y]), f.node("gp.sin", [x])])
    f.output(f.node("gp.sum", [v], {"axes": (-1,)}), "loss")
    f.output(v, "v")
    return writer.finish(f)


def _loop(writer: ProgramWriter, cond: FunctionWriter, body: FunctionWriter) -> pb.Program:
    f = writer.function("loop")
    x = f.input("x")
    zero = f.constant(0)
    _, last = f.node("gp.while_loop", [zero, x], {"cond": cond, "body": body}, n_out=2)  # type: ignore[misc]
    f.output(last, "y")
    return writer.finish(f)


def slow() -> pb.Program:
    """y = x after 900 000 trips of x -> cos(x): many seconds of work, stopped between nodes."""
    writer = ProgramWriter("test")
    body, cond = writer.function("body"), writer.function("cond")
    n, x = body.input("n"), body.input("x")
    body.output(body.node("gp.add", [n, body.constant(1)]), "n")
    body.output(body.node("gp.cos", [x]), "x")
    n, _ = cond.input("n"), cond.input("x")
    cond.output(cond.node("gp.less", [n, cond.constant(900_000)]), "go")
    return _loop(writer, cond, body)


def one_node(op: str, *operands: str, attrs: Mapping[str, Any] | None = None) -> pb.Program:
    """out = op(operands), one input for each distinct name."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    ids = {name: f.input(name) for name in dict.fromkeys(operands)}
    f.output(f.node(op, [ids[name] for name in operands], attrs), "out")
    return writer.finish(f)


def point(**values: Any) -> list[pb.NamedTensor]:
    """Arrays by name as they travel."""
    return [pb.NamedTensor(name=n, tensor=to_tensor(np.asarray(x))) for n, x in values.items()]
