"""No request makes the service open a path: abuse 19, over a real socket, watched by an audit hook in every process."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from gradproof_proto.tables import Location
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import catalogue_pb2_grpc, derivative_pb2_grpc, session_pb2_grpc
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import ProgramWriter

from tests.service.abuse.harness import Service, evaluate, until
from tests.service.server.harness import point

SECRET = "correct horse battery staple"
HOOK = """
import os, sys
_log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def _hook(event, arguments):
    for a in arguments if event in {events!r} else ():
        if isinstance(a, (str, bytes)):
            os.write(_log, f"{{os.getpid()}} {{event}} {{os.fsdecode(a)!r}}\\n".encode("utf-8", "replace"))
sys.addaudithook(_hook)
"""
EVENTS = (
    "open", "os.listdir", "os.scandir", "os.chdir", "os.exec", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir",
    "os.truncate", "os.link", "os.symlink", "subprocess.Popen", "os.system", "ctypes.dlopen", "glob.glob", "import",
)  # fmt: skip
"""All that is done with a path, and the loading of modules by name."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that nobody but a request names."""
    made = tmp_path_factory.mktemp("named")
    (made / "plain.py").write_text(SECRET)
    (made / "link.py").symlink_to(made / "plain.py")
    (made / "hard.py").hardlink_to(made / "plain.py")
    os.mkfifo(made / "pipe.py")
    return made


@pytest.fixture(scope="module")
def tricks(folder: Path) -> list[str]:
    """Paths in every shape."""
    above = "../" * 12 + str(folder / "plain.py").lstrip("/")
    links = [str(folder / name) for name in ("plain.py", "link.py", "hard.py", "pipe.py")]
    return [*links, above, f"file://{folder}/plain.py", str(folder), "/proc/self/environ", "/dev/zero", "/etc/passwd"]  # fmt: skip


@pytest.fixture(scope="module")
def watched(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:  # fmt: skip
    """A service whose processes write down every path they open."""
    own = tmp_path_factory.mktemp("hook")
    (own / "sitecustomize.py").write_text(HOOK.format(log=str(own / "log"), events=EVENTS))
    paths = os.pathsep.join([str(own), *filter(None, [os.environ.get("PYTHONPATH")])])
    with Service("workers.count=2", environment={"PYTHONPATH": paths}) as service:
        with service.channel() as channel:
            evaluate(channel, 1.0)
        yield service, own / "log"


def program() -> pb.Program:
    """A function of two inputs with every text a program can hold: places, names, attributes, data about itself."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x, w = f.input("x"), f.input("w")
    place = writer.location(Location("file.py", 1, 1, 1, 2, "scope", source_node="node"))
    y = f.node("gp.einsum", [w, x], {"equation": "ij,j->i"}, loc=place, name="named")
    f.output(f.node("gp.log", [f.node("gp.sin", [y], loc=place)], loc=place), "y")
    made = writer.finish(f)
    made.version.producer, made.version.producer_version = "test", "1"
    made.metadata.add(key="key", value="value")
    return made


def requests() -> list[Message]:
    """One valid request for each method that takes texts, every text in it filled."""
    at = point(x=[0.5, 1.5], w=[[1.0, 2.0], [3.0, 4.0]])
    place = chk.SourceLocation(file="file.py", line=1, scope="scope", source_node="node")
    values = chk.ClaimValues(value=at[1].tensor)
    claim = chk.Claim(
        kind=chk.DERIVATIVE_KIND_JACOBIAN, input="x", output="y", second_input="", values=values,
        location=place,
    )  # fmt: skip
    second = chk.Claim(
        kind=chk.DERIVATIVE_KIND_HESSIAN, input="x", output="y", second_input="w", values=values
    )
    options = chk.Options(wrt=["x"], outputs=["y"], suppress=["GP302"], select=["GP"])
    origin = chk.Origin(reason="reason", name="name")
    case = der.CheckCase(name="case", point=at, claims=[claim], options=options, origin=origin)
    node = ses.EditedNode(
        op="gp.sin", operands=[1], attrs=[ses.NamedAttr(name="a", string_value="b")], location=place,
        name="node",
    )  # fmt: skip
    edits = [
        ses.Edit(add_node=ses.AddNode(value=99, node=node)),
        ses.Edit(set_output=ses.SetOutput(name="y", value=1)),
        ses.Edit(set_input=at[0]),
        ses.Edit(set_options=options),
        ses.Edit(set_origin=origin),
    ]
    return [
        der.EvaluateRequest(program=program(), point=at, options=options),
        der.DifferentiateRequest(program=program(), point=at, kind=chk.DERIVATIVE_KIND_JACOBIAN),
        der.CheckRequest(program=program(), point=at, claims=[claim, second], options=options, origin=origin),
        der.CheckSuiteRequest(program=program(), cases=[case], options=options),
        der.InspectRequest(program=program(), point=at, nodes=True),
        der.SamplePointsRequest(program=program(), options=options),
        der.ProbeStart(inputs=[der.ProbeInput(name="x")], point=at[:1], claims=[claim], options=options, origin=origin),
        cat.ListOpsRequest(family="arithmetic"),
        cat.ExplainRequest(subject="GP302"),
        ses.OpenRequest(hello=ses.Hello(client_name="test", client_version="1")),
        ses.OpenRequest(
            open=ses.OpenDocument(
                uri="d", version=1, program=program(), point=at, claims=[claim], options=options, origin=origin
            )
        ),
        *(ses.OpenRequest(edit=ses.EditDocument(uri="d", base_version=1, version=2, edits=[e])) for e in edits),
        ses.OpenRequest(pull=ses.Pull(id=1, uri="d")),
        ses.OpenRequest(cancel=ses.Cancel(uri="d")),
        ses.OpenRequest(close=ses.CloseDocument(uri="d")),
    ]  # fmt: skip


TURN = 5
"""Each text is tried with every so-manieth path; the next text begins with the next path."""
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED)
Spot = tuple[Message, FieldDescriptor, int | None]
"""A text in a message: whose, which field, and which of several."""


def spots(message: Message) -> Iterator[Spot]:
    """Every text in a message, however deep."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            yield from ((message, field, k) for k in range(len(value))) if field.is_repeated else [(message, field, None)]  # fmt: skip
        elif field.message_type:
            for one in value if field.is_repeated else [value]:
                yield from spots(one)


def fields(kind: Descriptor, seen: set[str]) -> set[str]:
    """Every text field that a message can hold."""
    if kind.full_name in seen:
        return set()
    seen.add(kind.full_name)
    found = {f.full_name for f in kind.fields if f.type == FieldDescriptor.TYPE_STRING}
    return found.union(*(fields(f.message_type, seen) for f in kind.fields if f.message_type))


def spoilt(message: Message, tricks: list[str]) -> Iterator[Message]:
    """The message with each of its texts in turn, and with all at once, a path."""
    count = len(list(spots(message)))
    for chosen in [*([k] for k in range(count)), list(range(count))]:
        for turn in range(0, len(tricks), TURN):
            copy = type(message)()
            copy.CopyFrom(message)
            for k, (owner, field, at) in enumerate(list(spots(copy))):
                if k in chosen:
                    trick = tricks[(k + turn) % len(tricks)]
                    if at is None:
                        setattr(owner, field.name, trick)
                    else:
                        getattr(owner, field.name)[at] = trick
            yield copy


def test_every_text_of_every_request_is_tried() -> None:
    """The requests below hold each text field that any request message has."""
    wanted: set[str] = set()
    seen: set[str] = set()
    tried = {field.full_name for message in requests() for _, field, _ in spots(message)}
    for message in [*requests(), ses.OpenRequest(), cat.ListFindingsRequest()]:
        wanted |= fields(message.DESCRIPTOR, seen)
    assert tried == wanted


def test_no_request_opens_a_path(
    watched: tuple[Service, Path], tricks: list[str], folder: Path
) -> None:
    """Each text of each request as each kind of path: nothing of it is opened, listed, run or loaded, and nothing is told of it."""
    service, log = watched
    sent = told = 0
    before = opened(log, tricks, folder)
    with service.channel() as channel:
        for message in requests():
            for one in spoilt(message, tricks):
                sent += 1
                answer = said(channel, one)
                told += answer != b""
                assert SECRET.encode() not in answer
        assert evaluate(channel, 2.0) == 12.0
        until(lambda: len(service.workers()) == 3)
    assert sent > 300
    assert told > sent // 4
    assert {service.pid, *service.workers()} <= {int(line[0]) for line in lines(log)}
    assert opened(log, tricks, folder) == before


def test_the_hook_sees_what_is_opened(
    watched: tuple[Service, Path], tricks: list[str], folder: Path
) -> None:
    """A process of ours that did open one of them would be found out."""
    _, log = watched
    environment = {"PYTHONPATH": str(log.parent)}
    for trick in ("/etc/passwd", str(folder / "link.py"), tricks[4]):
        before = len(opened(log, tricks, folder))
        code = "import sys; open(sys.argv[1]).close()"
        subprocess.run([sys.executable, "-c", code, trick], check=True, env=environment)
        assert len(opened(log, tricks, folder)) == before + 1


def lines(log: Path) -> list[list[str]]:
    """What was seen: process, event, path."""
    return [line.split(" ", 2) for line in log.read_text().splitlines()]


def opened(log: Path, tricks: list[str], folder: Path) -> list[list[str]]:
    """Events with a path that a request named."""
    real = {os.path.realpath(trick) for trick in tricks}
    paths = [(line, line[2].strip("'\"")) for line in lines(log)]
    return [line for line, path in paths if str(folder) in path or os.path.realpath(path) in real]


def said(channel: grpc.Channel, message: Message) -> bytes:
    """The answer as bytes; empty when the request was refused."""
    try:
        return b"".join(one.SerializeToString() for one in _asked(channel, message))
    except grpc.RpcError as error:
        if error.code() in REFUSED:
            return b""
        raise


def _asked(channel: grpc.Channel, message: Any) -> Iterator[Message]:
    derivatives: Any = derivative_pb2_grpc.DerivativeServiceStub(channel)
    catalogue: Any = catalogue_pb2_grpc.CatalogueServiceStub(channel)
    if isinstance(message, ses.OpenRequest):
        yield from _session(channel, message)
    elif isinstance(message, der.ProbeStart):
        yield from _probe(derivatives, message)
    elif isinstance(message, der.CheckSuiteRequest):
        yield from derivatives.CheckSuite(message, timeout=30)
    else:
        name = type(message).__name__.removesuffix("Request")
        yield getattr(derivatives if hasattr(derivatives, name) else catalogue, name)(
            message, timeout=30
        )


def _probe(stub: Any, start: der.ProbeStart) -> Iterator[Message]:
    """A probe that answers twice, with the texts of the start, and then leaves."""
    out: queue.SimpleQueue[der.ProbeRequest | None] = queue.SimpleQueue()
    out.put(der.ProbeRequest(start=start))
    name = start.inputs[0].name
    call = stub.Probe(iter(out.get, None), timeout=30)
    for turn, answer in enumerate(call):
        yield answer
        if not answer.HasField("ask") or turn == 2:
            break
        outputs = [pb.NamedTensor(name=name, tensor=answer.ask.points[0].tensor)]
        out.put(der.ProbeRequest(answer=der.ProbeAnswer(id=answer.ask.id, outputs=outputs, error=name if turn else "")))  # fmt: skip
    out.put(None)
    call.cancel()


def _session(channel: grpc.Channel, message: ses.OpenRequest) -> Iterator[Message]:
    """A session of its own: hello and a document first, unless that is what is spoilt, and some words of the service."""
    stub: Any = session_pb2_grpc.SessionServiceStub(channel)
    hello, opening = [m for m in requests() if isinstance(m, ses.OpenRequest)][:2]
    before = {"hello": [], "open": [hello]}.get(message.WhichOneof("message") or "", [hello, opening])  # fmt: skip
    call = stub.Open(iter([*before, message]), timeout=30)
    yield from call
