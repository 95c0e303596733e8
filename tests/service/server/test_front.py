"""What the front process does itself is bounded before it begins; everything else is a worker's."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import numpy as np
import pytest
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import ProgramWriter
from gradproof_service.diagnostic import Fault
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.methods import METHODS, Form
from gradproof_service.server.servicers import CATALOGUE, DERIVATIVES, Calls, handlers
from gradproof_service.server.sessions.document import CONSTANT_ELEMENTS, opened
from gradproof_service.server.sessions.quick import Quick
from gradproof_service.transforms.evaluate import no_tick

from tests.service.abuse.harness import Service, resident_mb
from tests.service.server.harness import point
from tests.service.server.sessions.talk import Talk


def spread(*sizes: int) -> pb.Program:
    """y = x * (sum of each constant): constants of these many elements, each sent as one number."""
    writer = ProgramWriter("test")
    f = writer.function("spread")
    y = f.input("x")
    for size in sizes:
        # a constant of two elements of its own, whose type becomes the large one below
        total = f.node("gp.sum", [f.constant(np.full(2, 1.0 / size))], {"axes": (-1,)})
        y = f.node("gp.multiply", [y, total])
    f.output(y, "y")
    program = writer.finish(f)
    rows = [c for c in program.constants if len(program.types[c.type].shape) == 1]
    assert len(rows) == len(set(sizes))
    for constant in rows:
        (number,) = struct.unpack("<d", constant.splat)
        kind = program.types.add()
        kind.CopyFrom(program.types[constant.type])
        kind.shape[0].size = round(1 / number)
        constant.type = len(program.types) - 1
    return program


def test_every_rpc_of_programs_goes_to_the_workers() -> None:
    """The handlers of both services hand the bytes of a call on, unread, to the method of their name; there are no others."""
    asked: list[tuple[str, bytes]] = []

    class Workers:
        async def call(self, method: str, request: bytes, deadline: Any, **more: Any) -> bytes:
            asked.append((method, request))
            return b"answer"

        async def stream(self, method: str, request: bytes, deadline: Any) -> Any:
            asked.append((method, request))
            yield b"answer"

    class Context:
        def time_remaining(self) -> None:
            return None

    class Details:
        def __init__(self, method: str) -> None:
            self.method = method

    from gradproof_proto.v1 import catalogue_pb2, derivative_pb2

    calls: Any = Calls(Workers(), BlobStore(), DEFAULT_LIMITS)  # type: ignore[arg-type]
    both: Any = handlers(calls)
    services = [catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"]]
    services.append(derivative_pb2.DESCRIPTOR.services_by_name["DerivativeService"])
    assert {s.full_name for s in services} == {CATALOGUE, DERIVATIVES}

    async def main() -> None:
        for service in services:
            for rpc in service.methods:
                path = f"/{service.full_name}/{rpc.name}"
                (found,) = [h for one in both if (h := one.service(Details(path))) is not None]
                assert found.request_deserializer is None, "a message is read where it is worked on"
                if found.unary_unary is not None:
                    assert await found.unary_unary(path.encode(), Context()) == b"answer"
                elif found.unary_stream is not None:
                    answers = found.unary_stream(path.encode(), Context())
                    assert [a async for a in answers] == [b"answer"]
                else:
                    asked.append(
                        ("probe", path.encode())
                    )  # its first message must be read to be asked

    asyncio.run(main())
    assert sorted(method for method, _ in asked) == sorted(METHODS)
    assert {m.name for m in METHODS.values() if m.form is Form.PROBE} == {"probe"}
    assert all(path.decode().startswith("/gradproof.v1.") for _, path in asked)


@pytest.mark.parametrize(
    ("sizes", "left_out"),
    [
        ((CONSTANT_ELEMENTS,), False),
        ((CONSTANT_ELEMENTS + 1,), True),
        ((CONSTANT_ELEMENTS // 2, CONSTANT_ELEMENTS // 2 + 1), True),
        ((1 << 27,), True),
    ],
)
def test_a_number_that_fills_a_shape_takes_no_memory(
    sizes: tuple[int, ...], left_out: bool
) -> None:
    """What a document's constants take is bounded together; a document with more has no quick stage."""
    message = ses.OpenDocument(
        uri="d", version=1, program=spread(*sizes), point=point(x=np.float64(2.0))
    )
    version = opened(message, BlobStore(), DEFAULT_LIMITS)
    held = {
        id(c): c.nbytes
        for f in version.untyped.functions
        for c in f.constants
        if any(c.strides) or c.size == 1
    }
    assert sum(held.values()) <= 8 * CONSTANT_ELEMENTS + 64
    result = Quick(BlobStore(), DEFAULT_LIMITS).run(version, set(), no_tick)
    assert result.left_out is left_out
    if not left_out:
        (number,) = struct.unpack("<d", result.outputs[0].tensor.data)
        assert number == pytest.approx(2.0, rel=1e-9)


def test_constants_above_the_limit_are_refused_all_the_same() -> None:
    """A view takes no memory here, but it would in a worker."""
    message = ses.OpenDocument(
        uri="d", version=1, program=spread(1 << 29), point=point(x=np.float64(2.0))
    )
    with pytest.raises(Fault, match="broadcast a smaller constant"):
        opened(message, BlobStore(), DEFAULT_LIMITS)


def test_a_small_message_costs_the_front_process_little() -> None:
    """Three documents of 159 bytes that each stand for a gigabyte: the server grows by a few megabytes."""
    program = spread(1 << 27)
    assert program.ByteSize() < 200
    with Service("workers.count=1") as service:
        talk = Talk(service.address)
        talk.wait(lambda m: m.HasField("welcome"))
        before = resident_mb(service.pid)
        for uri in "abc":
            document = ses.OpenDocument(
                uri=uri, version=1, program=program, point=point(x=np.float64(2.0)),
                depth=ses.STAGE_QUICK,
            )  # fmt: skip
            talk.say(open=document)
            assert talk.final(1, uri).quick.left_out
        assert resident_mb(service.pid) - before < 50
        talk.leave()
