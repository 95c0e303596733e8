"""The first words of a session: which protocol is spoken, what the service knows, how much a session may hold."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final

from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service import __version__
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.ops import OPS
from gradproof_service.server.sessions.quick import ELEMENTS, WORK

PROTOCOLS: Final = range(1, 2)
"""The protocols that are spoken."""
OP_SET: Final = 1
EDITS: Final = 100_000
"""Edits of one message."""
PULLS: Final = 256
"""Pulls of one session that are not answered yet."""


async def hello(read: Callable[[], Awaitable[ses.OpenRequest | None]]) -> ses.Hello:
    """The client's hello; raises `Fault` when it says something else, or speaks no protocol that is known here."""
    message = await read()
    if message is None or message.WhichOneof("message") != "hello":
        came = "nothing" if message is None else message.WhichOneof("message") or "an empty message"
        raise Fault(
            FaultKind.INVALID,
            f"message: expected hello first, {came} came; say hello",
            field_path="hello",
        )
    oldest = message.hello.min_protocol or 1
    newest = max(oldest, message.hello.max_protocol)
    if newest < PROTOCOLS.start or oldest >= PROTOCOLS.stop:
        ours = PROTOCOLS.start if len(PROTOCOLS) == 1 else f"{PROTOCOLS.start} to {PROTOCOLS[-1]}"
        theirs = oldest if oldest == newest else f"{oldest} to {newest}"
        older = "client" if newest < PROTOCOLS.start else "service"
        raise Fault(
            FaultKind.PROTOCOL,
            f"hello: the service speaks session protocol {ours}, the client {theirs}; update the {older}",
            field_path="hello.max_protocol",
        )
    return message.hello


def answer(said: ses.Hello, name: str, limits: Limits) -> ses.OpenResponse:
    """The welcome."""
    newest = max(said.min_protocol or 1, said.max_protocol)
    return ses.OpenResponse(
        welcome=ses.Welcome(
            protocol=min(newest, PROTOCOLS[-1]),
            session_id=name,
            service_version=__version__,
            op_sets=[pb.OpSet(namespace="gp", version=OP_SET)],
            op_digest=_op_digest(),
            limits=ses.SessionLimits(
                documents=limits.documents,
                edits=EDITS,
                pulls=PULLS,
                message_bytes=limits.message_bytes,
                nodes=limits.nodes,
                quick_elements=ELEMENTS,
                quick_work=WORK,
            ),
        )
    )


@cache
def _op_digest() -> bytes:
    listed = "\n".join(f"{name} {op.since}" for name, op in sorted(OPS.items()))
    return hashlib.sha256(listed.encode()).digest()
