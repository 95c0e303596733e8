"""A check of a document that was edited gives the bytes of a check from scratch, whatever was kept of the versions before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server import lineages
from gradproof_service.server.application import Application
from gradproof_service.server.lineages import Lineages
from gradproof_service.transforms import planned, rounding, unit_sweeps
from gradproof_service.transforms.evaluate import no_tick
from gradproof_service.transforms.incremental import lineage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.server.sessions import documents
from tests.service.server.sessions.test_quick import POINTS, chain, edit, version_of

SHORT = [(rounding, "LONG"), (lineages, "LONG"), (planned, "NODES"), (unit_sweeps, "NODES")]


@contextmanager
def every_length() -> Generator[None]:
    """Functions of any length are treated as long ones are, also from scratch."""
    patches = [patch.object(module, name, -1) for module, name in SHORT]
    try:
        for one in patches:
            one.start()
        yield
    finally:
        patch.stopall()


def told(application: Application, version: Any, tick: Any = no_tick, document: str = "d") -> bytes:
    """The answer to the check of a version, as bytes; a refusal is its message."""
    request = der.CheckRequest.FromString(version.request().SerializeToString())
    try:
        answer = application.check(request, tick, document=document)
    except Fault as fault:
        if fault.kind is FaultKind.DEADLINE:
            raise
        return fault.message.encode()
    return answer.SerializeToString(deterministic=True)


def from_scratch(version: Any) -> bytes:
    """The same from a service that met nothing before."""
    return told(Application(), version, document="")


@pytest.mark.parametrize("kind", ["vectors", "numbers", "float32"])
@given(data=st.data())
@settings(max_examples=12)
def test_after_any_edits_the_report_is_that_from_scratch(kind: str, data: st.DataObject) -> None:
    """Any program, any edits, of the point too, some versions passed over: the bytes of a new service's report."""
    with every_length():
        scalar = kind == "numbers"
        version = version_of(data.draw(documents.programs(scalar=scalar)), POINTS[kind])
        application = Application()
        for _ in range(data.draw(st.integers(2, 5))):
            if data.draw(st.integers(0, 3)):
                assert told(application, version) == from_scratch(version)
            version, _ = edit(version, data.draw(documents.edits(version.program, scalar=scalar)))
        assert told(application, version) == from_scratch(version)


class Stopped(Exception):
    """What never leaves a tick."""


@given(data=st.data())
@settings(max_examples=12)
def test_a_check_that_was_stopped_anywhere_is_taken_up_again(data: st.DataObject) -> None:
    """Stopped at any tick, then edited, then run to the end: the bytes of a check from scratch."""
    with every_length():
        version = version_of(data.draw(documents.programs(20)), POINTS["vectors"])
        application = Application()
        for _ in range(data.draw(st.integers(1, 3))):
            left = data.draw(st.integers(0, 400))

            def tick() -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Fault(FaultKind.DEADLINE, "stopped")

            with suppress(Fault):
                told(application, version, tick)
            version, _ = edit(version, data.draw(documents.edits(version.program)))
        assert told(application, version) == from_scratch(version)


def chained(length: int) -> Any:
    """Fifty branches of `length` nodes; each edit of one reaches a fiftieth of the document."""
    return version_of(chain(length), documents.tensors(x=0.3, y=1.1))


def turned(version: Any, turn: int) -> Any:
    """The next version: another node in one branch."""
    number = version.program.order[20 + 3 * turn]
    op = ("gp.cos", "gp.exp")[turn % 2]
    node = ses.EditedNode(op=op, operands=version.program.rows[number].operands[:1])
    return edit(version, [ses.Edit(replace_node=ses.ReplaceNode(value=number, node=node))])[0]


def test_only_what_an_edit_reaches_is_computed() -> None:
    """An edit in one branch of fifty takes a fraction of the kernel calls of a check from scratch."""
    version = chained(50)
    application, calls = Application(), [0]

    def tick() -> None:
        calls[0] += 1

    told(application, version, tick)
    whole, calls[0] = calls[0], 0
    version = turned(version, 0)
    assert told(application, version, tick) == from_scratch(version)
    assert 0 < calls[0] < 0.06 * whole
    calls[0] = 0
    told(application, version, tick)
    assert calls[0] < 0.001 * whole, "nothing changed, so nothing is computed"


def test_what_is_kept_is_bounded() -> None:
    """A long life begins anew now and then, a small room keeps nothing, and the bytes are right all along."""
    version, application = chained(45), Application()
    with patch.object(lineage, "SPARE", -(10**9)):
        for turn in range(3):
            version = turned(version, turn)
            told(application, version)
        assert told(application, version) == from_scratch(version)
    small = Lineages(kept_bytes=1000)
    with patch.object(application, "lineages", small):
        assert told(application, version) == from_scratch(version)
    assert not len(small)
    told(application, version)
    told(application, version, document="another")
    assert len(application.lineages) == 2


def test_a_failure_inside_keeps_nothing() -> None:
    """After a mistake of ours the next check of the document is one from scratch."""
    version, application = chained(45), Application()
    told(application, version)

    def broken() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        told(application, turned(version, 1), broken)
    assert not len(application.lineages)
    assert told(application, version) == from_scratch(version)
