"""What sessions cost: an edit beside the bare stream, an edit of a large document beside the work from scratch, an idle stream.

    python -m tests.bench.sessions            # every table, two to four minutes
    python -m tests.bench.sessions edit       # an edit of 100 nodes beside the floor
    python -m tests.bench.sessions large      # an edit of one node in 100,000
    python -m tests.bench.sessions idle       # memory of idle sessions, edits a second

Times are the least of several repeats, floor and product in turn: the machine is rarely still.
"""

from __future__ import annotations

import asyncio
import queue
import statistics
import subprocess
import sys
import time
from typing import Any

import grpc
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.v1 import session_pb2_grpc
from gradproof_proto.writer import ProgramWriter
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.application import Application
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.sessions.document import Version, edited, opened
from gradproof_service.server.sessions.quick import Quick
from gradproof_service.transforms.evaluate import no_tick

from tests.service.server.sessions.process import ServiceProcess
from tests.service.server.sessions.test_abuse import idle, storm

ECHO = "/bench.Echo/Stream"
TURNS = 400


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def branches(count: int, length: int) -> pb.Program:
    """`count` branches of `length` nodes each, joined by a tree of additions: an edit reaches its branch and the path down."""
    writer = ProgramWriter("bench")
    f = writer.function("branches")
    x, y = f.input("x"), f.input("y")
    ends: list[int] = []
    for branch in range(count):
        v = f.node("gp.multiply", [x, f.constant(1.0 + branch / count)])
        for step in range(length - 2):
            v = f.node(("gp.sin", "gp.tanh", "gp.cos")[step % 3], [v])
        ends.append(f.node("gp.multiply", [v, y]))
    while len(ends) > 1:
        pairs = zip(ends[::2], ends[1::2], strict=False)
        ends = [f.node("gp.add", list(pair)) for pair in pairs] + ends[len(ends) & ~1 :]
    f.output(ends[0], "out")
    return writer.finish(f)


def at(**values: float) -> list[pb.NamedTensor]:
    """A point."""
    return [pb.NamedTensor(name=n, tensor=to_tensor(v)) for n, v in values.items()]


def replaced(version: Version, turn: int) -> ses.EditDocument:
    """An edit of one node in the middle of a branch."""
    number = version.program.order[50 + 7 * turn]
    row: Any = version.program.rows[number]
    op = "gp.exp" if row.op != "gp.exp" else "gp.sin"
    node = ses.EditedNode(op=op, operands=row.operands[:1])
    change = ses.Edit(replace_node=ses.ReplaceNode(value=number, node=node))
    return ses.EditDocument(
        uri="d", base_version=version.number, version=version.number + 1, edits=[change]
    )


def version_of(program: pb.Program) -> Version:
    """The first version of a document of depth quick."""
    message = ses.OpenDocument(
        uri="d", version=1, program=program, point=at(x=0.3, y=1.1), depth=ses.STAGE_QUICK
    )
    return opened(message, BlobStore(), DEFAULT_LIMITS)


def echo(address: str) -> None:
    """The floor: a stream that gives back what it gets, no message read or written."""

    async def stream(requests: Any, context: Any) -> Any:
        async for request in requests:
            yield request

    async def main() -> None:
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(stream)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("bench.Echo", {"Stream": handler}),)
        )
        server.add_insecure_port(address)
        await server.start()
        say("ready")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop(0)

    asyncio.run(main())


def edit_table() -> None:
    """An edit to a 100-node document over a socket, the bare stream in turn with it, and the computation alone."""
    program = branches(5, 20)
    version = version_of(program)
    blobs, alone = BlobStore(), Quick(BlobStore(), DEFAULT_LIMITS)
    alone.run(version, set(), no_tick)
    computed: list[float] = []
    for turn in range(100):
        begun = time.perf_counter()
        following, changed = edited(version, replaced(version, turn % 5), blobs, DEFAULT_LIMITS)
        alone.run(following, changed, no_tick)
        computed.append(time.perf_counter() - begun)
        version = following
    with ServiceProcess() as service:
        floor_at = f"{service.address}.floor"
        floor = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sessions", "echo", floor_at],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert floor.stdout is not None
        assert floor.stdin is not None
        floor.stdout.readline()
        with (
            grpc.insecure_channel(service.address) as ours,
            grpc.insecure_channel(floor_at) as bare,
        ):
            said: queue.SimpleQueue[Any] = queue.SimpleQueue()
            stub: Any = session_pb2_grpc.SessionServiceStub(ours)
            call = stub.Open(iter(said.get, None))
            said.put(ses.OpenRequest(hello=ses.Hello()))
            next(call)
            version = version_of(program)
            said.put(
                ses.OpenRequest(
                    open=ses.OpenDocument(
                        uri="d", version=1, program=program, point=at(x=0.3, y=1.1),
                        depth=ses.STAGE_QUICK,
                    )
                )
            )  # fmt: skip
            answer = next(call)
            pings: queue.SimpleQueue[Any] = queue.SimpleQueue()
            pongs = bare.stream_stream(ECHO)(iter(pings.get, None))
            payload = answer.SerializeToString()
            taken: dict[str, list[float]] = {"floor": [], "edit": []}
            for turn in range(TURNS):
                begun = time.perf_counter()
                pings.put(payload)
                next(pongs)
                taken["floor"].append(time.perf_counter() - begun)
                message = replaced(version, turn % 5)
                version, _ = edited(version, message, blobs, DEFAULT_LIMITS)
                begun = time.perf_counter()
                said.put(ses.OpenRequest(edit=message))
                assert next(call).diagnostics.version == message.version
                taken["edit"].append(time.perf_counter() - begun)
            said.put(None)
            pings.put(None)
        floor.stdin.close()
        floor.wait()
    say(f"{'an edit of a 100-node document':42}{'p10 ms':>9}{'p50 ms':>9}{'p99 ms':>9}")
    rows = {
        "bare stream, the same bytes back": taken["floor"],
        "computation alone": computed,
        "edit to diagnostics over the socket": taken["edit"],
    }
    for name, samples in rows.items():
        cuts = statistics.quantiles(samples, n=100)
        say(f"{name:42}{cuts[9] * 1e3:9.3f}{cuts[49] * 1e3:9.3f}{cuts[98] * 1e3:9.3f}")
    over = statistics.median(taken["edit"]) - statistics.median(taken["floor"])
    over -= statistics.median(computed)
    say(f"above floor and computation: {over * 1e3:.3f} ms in the median (aim: 2)")


def large_table(nodes: int = 100_000, whole: bool = True) -> None:
    """An edit of one node in a large document beside the same stage and the whole check from scratch."""
    program = branches(nodes // 100, 99)
    begun = time.perf_counter()
    version = version_of(program)
    read = time.perf_counter() - begun
    blobs, quick = BlobStore(), Quick(BlobStore(), DEFAULT_LIMITS)
    begun = time.perf_counter()
    quick.run(version, set(), no_tick)
    cold = time.perf_counter() - begun + read
    reached = quick.nodes
    taken: list[float] = []
    result = None
    for turn in range(25):
        message = replaced(version, 13 * turn)
        begun = time.perf_counter()
        version, changed = edited(version, message, blobs, DEFAULT_LIMITS)
        result = quick.run(version, changed, no_tick)
        taken.append(time.perf_counter() - begun)
    again = Quick(BlobStore(), DEFAULT_LIMITS)
    begun = time.perf_counter()
    fresh = again.run(version_of(version.program.program), set(), no_tick)
    cold = min(cold, time.perf_counter() - begun)
    assert result is not None
    assert fresh.SerializeToString(deterministic=True) == result.SerializeToString(
        deterministic=True
    )
    edit = statistics.median(taken)
    say(f"a document of {len(version.program.order):,} nodes")
    say(f"{'quick stage from scratch':42}{cold * 1e3:12.1f} ms, {sum(reached):,} nodes looked at")
    say(f"{'an edit of one node, quick stage':42}{edit * 1e3:12.1f} ms, {sum(quick.nodes):,} nodes looked at")  # fmt: skip
    say(f"{'share of the quick stage from scratch':42}{100 * edit / cold:12.2f} % (aim: 2)")
    if whole:
        checks_of(version, edit)


def checks_of(version: Version, quick: float) -> None:
    """The whole check after an edit of one node beside the whole check from scratch; CPU time of one thread."""
    blobs, application = BlobStore(), Application()

    def checked(version: Version, document: str) -> tuple[float, bytes]:
        begun = time.process_time()
        request = der.CheckRequest.FromString(version.request().SerializeToString())
        service = application if document else Application()
        answer = service.check(request, document=document).SerializeToString(deterministic=True)
        return time.process_time() - begun, answer

    first, _ = checked(version, "d")
    taken: list[float] = []
    answer = b""
    for turn in range(5):
        version, _ = edited(version, replaced(version, 13 * turn), blobs, DEFAULT_LIMITS)
        seconds, answer = checked(version, "d")
        taken.append(seconds)
    scratch, fresh = checked(version, "")
    assert fresh == answer
    edit = statistics.median(taken)
    say(f"{'the whole check from scratch':42}{scratch * 1e3:12.1f} ms")
    say(f"{'the first check of the document':42}{first * 1e3:12.1f} ms")
    say(f"{'the whole check after an edit':42}{edit * 1e3:12.1f} ms, the same bytes")
    say(f"{'share of the whole check from scratch':42}{100 * edit / scratch:12.2f} % (aim: 2)")
    say(f"{'share until the quick stage has answered':42}{100 * quick / scratch:12.2f} %")


def idle_table() -> None:
    """Memory of idle sessions, and how many edits a second one document takes."""
    say(f"{'an idle session of 2,000':42}{idle(2000) / 1e3:12.1f} KB (aim: 50)")
    sent, told = storm(3.0, 10_000.0)
    say(f"{'edits a second in a storm':42}{sent / 3.0:12.0f}, {told} versions told of")


def main(words: list[str]) -> None:
    """Print the tables that are named, all of them when none is."""
    if words[:1] == ["echo"]:
        echo(words[1])
        return
    tables = {"edit": edit_table, "large": large_table, "idle": idle_table}
    for name in words or list(tables):
        tables[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
