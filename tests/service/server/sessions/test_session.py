"""The session protocol over a real socket: who may speak, what is said, in which order, and what a mistake costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_service.graph.limits import Limits
from gradproof_service.server.application import Application
from gradproof_service.server.settings.configuration import Configuration

from tests.service.server.harness import ServerThread, cubic, point, slow
from tests.service.server.sessions.talk import Talk

LIMITS = Limits(documents=3, sessions=40)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """A server for the whole file."""
    with ServerThread(configuration=Configuration(limits=LIMITS)) as running:
        yield running


@pytest.fixture
def talk(server: ServerThread) -> Iterator[Talk]:
    """A session of its own for each test."""
    with Talk(server.address) as talking:
        yield talking


def opening(version: int = 1, uri: str = "d", **fields: Any) -> ses.OpenDocument:
    """A small document."""
    given: dict[str, Any] = {"program": cubic(), "point": point(x=3.0), **fields}
    return ses.OpenDocument(uri=uri, version=version, **given)


def at(x: float, base: int, version: int | None = None, uri: str = "d") -> ses.EditDocument:
    """An edit of the point."""
    edit = ses.Edit(set_input=point(x=x)[0])
    return ses.EditDocument(
        uri=uri, base_version=base, version=base + 1 if version is None else version, edits=[edit]
    )


def cold(x: float) -> chk.Report:
    """The check from scratch."""
    request = der.CheckRequest(program=cubic(), point=point(x=x))
    return Application().check(request).report


def test_a_session_says_who_it_is(talk: Talk) -> None:
    """The welcome names protocol, release, ops and limits."""
    welcome = talk.wait(lambda m: m.HasField("welcome")).welcome
    assert welcome.protocol == 1
    assert welcome.service_version
    assert len(welcome.op_digest) == 32
    assert [(s.namespace, s.version) for s in welcome.op_sets] == [("gp", 1)]
    assert welcome.limits.documents == LIMITS.documents
    assert len(welcome.session_id) == 16


@pytest.mark.parametrize(
    ("first", "code", "said"),
    [
        ({"hello": ses.Hello(min_protocol=7, max_protocol=9)}, "FAILED_PRECONDITION", "update the service"),
        ({"open": ses.OpenDocument(uri="d")}, "INVALID_ARGUMENT", "expected hello first, open came"),
        ({}, "INVALID_ARGUMENT", "expected hello first, an empty message came"),
    ],
)  # fmt: skip
def test_a_client_that_cannot_be_spoken_with_is_told_why(
    server: ServerThread, first: dict[str, Any], code: str, said: str
) -> None:
    """Another protocol, no hello: a documented status and one sentence."""
    with Talk(server.address, say_hello=False) as talking:
        talking.say(**first)
        error: Any = talking.status()
        assert error.code().name == code
        assert said in error.details()


def test_a_document_is_told_of_stage_by_stage(talk: Talk) -> None:
    """First the quick stage, then the check, which is final and has the bytes of the unary call's report."""
    talk.say(open=opening())
    final = talk.final(1)
    stages = [(d.stage, d.version, d.final) for d in talk.diagnostics()]
    assert stages == [(ses.STAGE_QUICK, 1, False), (ses.STAGE_CHECK, 1, True)]
    assert final.report.SerializeToString(deterministic=True) == cold(3.0).SerializeToString(
        deterministic=True
    )


def test_an_edit_gives_another_version_and_an_equal_result_is_unchanged(talk: Talk) -> None:
    """There and back: the results differ, then the ids are those of the beginning; an edit without effect is unchanged."""
    talk.say(open=opening())
    first = talk.final(1)
    talk.say(edit=at(4.0, 1))
    second = talk.final(2)
    assert second.report == cold(4.0)
    assert second.result_id != first.result_id
    assert second.generation > first.generation
    talk.say(edit=at(4.0, 2))
    third = talk.final(3)
    assert third.WhichOneof("result") == "unchanged"
    assert third.result_id == second.result_id
    talk.say(edit=at(3.0, 3))
    fourth = talk.final(4)
    assert (fourth.result_id, fourth.WhichOneof("result")) == (first.result_id, "report")


def test_results_held_from_another_session_are_not_sent_again(server: ServerThread) -> None:
    """A client that comes back names what it holds, and is told that it is unchanged."""
    with Talk(server.address) as before:
        before.say(open=opening())
        held = [d.result_id for d in [before.final(1), *before.diagnostics()]]
    with Talk(server.address) as after:
        after.say(open=opening(version=9, held_results=held))
        assert after.final(9).WhichOneof("result") == "unchanged"
        assert [d.WhichOneof("result") for d in after.diagnostics()] == ["unchanged"] * 2


def test_a_newer_edit_stops_what_runs(talk: Talk) -> None:
    """A check of many seconds is given up for the version that comes after it, and nothing is said of it any more."""
    talk.say(open=opening(program=slow(), point=point(x=1.0), depth=ses.STAGE_CHECK))
    time.sleep(0.5)
    begun = time.monotonic()
    change = ses.Edit(set_program=cubic())
    talk.say(edit=ses.EditDocument(uri="d", base_version=1, version=2, edits=[change]))
    assert talk.final(2).report.verdict == chk.VERDICT_AGREES
    assert time.monotonic() - begun < 20
    told = [(d.version, d.stage) for d in talk.diagnostics()]
    assert told == [(1, ses.STAGE_QUICK), (2, ses.STAGE_QUICK), (2, ses.STAGE_CHECK)]


@pytest.mark.parametrize(
    ("edit", "reason", "said", "have"),
    [
        (at(4.0, 7), "STALE_VERSION", "has version 1, an edit from 7", 1),
        (at(4.0, 1, 1), "STALE_VERSION", "has version 1, an edit from 1", 1),
        (at(4.0, 1, uri="other"), "NOT_FOUND", "no document 'other' is open", 0),
        (
            ses.EditDocument(uri="d", base_version=1, version=2, edits=[ses.Edit()]),
            "INVALID", "expected a change, none came", 1,
        ),
        (
            ses.EditDocument(uri="d", base_version=1, version=2,
                             edits=[ses.Edit(remove_value=ses.RemoveValue(value=99))]),
            "INVALID", "a node or a constant, 99 came", 1,
        ),
    ],
)  # fmt: skip
def test_an_edit_that_does_not_fit_asks_for_the_document_anew(
    talk: Talk, edit: ses.EditDocument, reason: str, said: str, have: int
) -> None:
    """The service says why and which version it has; opened again, the document goes on."""
    talk.say(open=opening())
    talk.final(1)
    talk.say(edit=edit)
    resync = talk.wait(lambda m: m.HasField("resync")).resync
    assert (resync.uri, resync.have_version, resync.why.reason) == (edit.uri, have, reason)
    assert said in resync.why.message
    if edit.uri == "d":
        talk.say(edit=at(8.0, 1))  # passed over: the document is not the client's any more
        talk.say(open=opening(version=5, point=point(x=5.0)))
        assert talk.final(5).report == cold(5.0)
        assert {d.version for d in talk.diagnostics()} == {1, 5}


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"point": []}, grpc.StatusCode.INVALID_ARGUMENT, "input 'x' has no value"),
        ({"point": point(x=1.0) * 2}, grpc.StatusCode.INVALID_ARGUMENT, "comes twice"),
        ({"program": pb.Program()}, grpc.StatusCode.INVALID_ARGUMENT, "expected a format number"),
        ({"options": chk.Options(order=9)}, grpc.StatusCode.INVALID_ARGUMENT, "expected 1 or 2"),
        (
            {"program": None, "program_blob": pb.BlobRef(sha256=bytes(32), size_bytes=3)},
            grpc.StatusCode.NOT_FOUND, "it is not here",
        ),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_looked_into_says_why(
    talk: Talk, fields: dict[str, Any], code: grpc.StatusCode, said: str
) -> None:
    """A failure with a code of gRPC and one sentence, final; the session and its other documents go on."""
    if fields.get("program", 0) is None:
        fields = {"program_blob": fields["program_blob"]}
        message = ses.OpenDocument(uri="d", version=1, point=point(x=1.0), **fields)
    else:
        message = opening(**fields)
    talk.say(open=message)
    final = talk.final(1)
    assert final.failure.code == code.value[0]
    assert said in final.failure.message
    talk.say(open=opening(uri="beside"))
    assert talk.final(1, "beside").report == cold(3.0)


def test_pulls_are_answered_once_each(talk: Talk) -> None:
    """A document of depth quick is checked when it is pulled; what the client holds is unchanged; a lost one is said."""
    talk.say(open=opening(depth=ses.STAGE_QUICK))
    quick = talk.final(1)
    assert quick.stage == ses.STAGE_QUICK
    talk.say(pull=ses.Pull(id=1, uri="d", stage=ses.STAGE_CHECK))
    first = talk.wait(lambda m: m.pull.id == 1).pull
    assert first.diagnostics.report == cold(3.0)
    talk.say(pull=ses.Pull(id=2, uri="d"))
    assert talk.wait(lambda m: m.pull.id == 2).pull.diagnostics.HasField("unchanged")
    talk.say(pull=ses.Pull(id=3, uri="nowhere"))
    assert talk.wait(lambda m: m.pull.id == 3).pull.failure.reason == "NOT_FOUND"
    assert [m.pull.id for m in talk.heard if m.HasField("pull")] == [1, 2, 3]


def test_a_client_that_pulls_is_told_nothing_of_itself(server: ServerThread) -> None:
    """With pull_only no work is done and nothing is said until it is asked for."""
    with Talk(server.address, ses.Hello(pull_only=True)) as talk:
        talk.say(open=opening())
        talk.say(pull=ses.Pull(id=1, uri="d", stage=ses.STAGE_QUICK))
        answer = talk.wait(lambda m: m.pull.id == 1).pull
        assert answer.diagnostics.quick.outputs
        assert not any(m.HasField("diagnostics") for m in talk.heard)


def test_what_is_taken_back_is_said_to_be(talk: Talk) -> None:
    """A pull and the work on a document are cancelled, each answered; the next edit begins again."""
    talk.say(open=opening(program=slow(), point=point(x=1.0)))
    talk.say(pull=ses.Pull(id=1, uri="d"))
    talk.say(cancel=ses.Cancel(pull=1))
    assert talk.wait(lambda m: m.pull.id == 1).pull.failure.reason == "CANCELLED"
    talk.say(pull=ses.Pull(id=2, uri="d"))
    talk.say(cancel=ses.Cancel(uri="d"))
    assert talk.wait(lambda m: m.pull.id == 2).pull.failure.reason == "CANCELLED"
    assert talk.final(1).failure.code == grpc.StatusCode.CANCELLED.value[0]
    change = ses.Edit(set_program=cubic())
    talk.say(edit=ses.EditDocument(uri="d", base_version=1, version=2, edits=[change]))
    assert talk.final(2).report.verdict == chk.VERDICT_AGREES


def test_of_a_closed_document_nothing_more_is_said(talk: Talk) -> None:
    """Closed in the middle of its work: no word of it comes after the next document's."""
    talk.say(open=opening(program=slow(), point=point(x=1.0)))
    talk.say(pull=ses.Pull(id=1, uri="d"))
    talk.say(close=ses.CloseDocument(uri="d"))
    assert talk.wait(lambda m: m.pull.id == 1).pull.failure.reason == "NOT_FOUND"
    talk.say(open=opening(uri="next"))
    talk.final(1, "next")
    answered = next(n for n, m in enumerate(talk.heard) if m.HasField("pull"))
    assert {m.diagnostics.uri for m in talk.heard[answered + 1 :]} == {"next"}


def test_more_documents_than_the_limit_are_refused(talk: Talk) -> None:
    """The one too many is refused by name; the others go on; closing one makes room."""
    for n in range(LIMITS.documents + 1):
        talk.say(open=opening(uri=f"d{n}", depth=ses.STAGE_QUICK))
    resync = talk.wait(lambda m: m.HasField("resync")).resync
    assert (resync.uri, resync.why.reason) == ("d3", "LIMIT")
    assert "3 documents are open" in resync.why.message
    talk.say(close=ses.CloseDocument(uri="d0"))
    talk.say(open=opening(uri="d3", depth=ses.STAGE_QUICK))
    assert talk.final(1, "d3").quick.outputs


def test_progress_is_told_to_those_who_want_it(server: ServerThread) -> None:
    """A long check says now and then that it is at work."""
    with Talk(server.address, ses.Hello(progress=True)) as talk:
        talk.say(open=opening(program=slow(), point=point(x=1.0)))
        progress = talk.wait(lambda m: m.HasField("progress")).progress
        assert (progress.uri, progress.version) == ("d", 1)
        assert progress.stage in (ses.STAGE_QUICK, ses.STAGE_CHECK)


def test_a_session_too_many_is_told_to_come_back(server: ServerThread) -> None:
    """One above the limit: UNAVAILABLE with one sentence; when others have left there is room again."""
    held = [Talk(server.address) for _ in range(LIMITS.sessions)]
    try:
        for talking in held:
            talking.wait(lambda m: m.HasField("welcome"))
        with Talk(server.address) as refused:
            error: Any = refused.status()
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "40 are open, which is the limit" in error.details()
    finally:
        for talking in held:
            talking.vanish()
    assert left_alone(server)
    with Talk(server.address) as again:
        again.wait(lambda m: m.HasField("welcome"))


def test_a_client_that_vanishes_leaves_nothing(server: ServerThread) -> None:
    """Gone in the middle of an edit and of a check: no session, no run and no busy worker stays."""
    for _ in range(5):
        talking = Talk(server.address)
        talking.say(open=opening(program=slow(), point=point(x=1.0)))
        talking.say(edit=at(2.0, 1))
        talking.wait(lambda m: m.HasField("welcome"))
        talking.vanish()
    assert left_alone(server)


def test_a_client_that_vanishes_after_its_last_word_leaves_nothing(server: ServerThread) -> None:
    """It has closed its direction, is waited for with a check of many seconds, and then is gone."""
    talking = Talk(server.address)
    talking.say(open=opening(program=slow(), point=point(x=1.0)))
    talking.wait(lambda m: m.HasField("diagnostics"))
    talking.hang_up()
    time.sleep(0.2)
    talking.vanish()
    assert left_alone(server)
    assert not server.tasks("Session.")


def test_a_session_ends_when_its_client_has_said_everything(server: ServerThread) -> None:
    """A client that closes its direction at once gets what it has asked for, and an orderly end."""
    talking = Talk(server.address)
    talking.say(open=opening())
    talking.leave()
    assert talking.error is None
    assert [d.stage for d in talking.diagnostics()] == [ses.STAGE_QUICK, ses.STAGE_CHECK]
    assert left_alone(server)


def test_unreadable_bytes_end_only_their_own_session(server: ServerThread, talk: Talk) -> None:
    """Bytes that are no message: INVALID_ARGUMENT and one sentence; the session beside it goes on."""
    with grpc.insecure_channel(server.address) as channel:
        call = channel.stream_stream("/gradproof.v1.SessionService/Open")(iter([b"\xff\xff\xff"]))
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "3 bytes that are none came" in error.details()
    talk.say(open=opening())
    assert talk.final(1).report == cold(3.0)


def test_draining_is_told_and_waited_for() -> None:
    """A service that stops tells every session, lets nobody in, and stops as soon as all have left."""
    with ServerThread() as server:
        talk = Talk(server.address)
        talk.say(open=opening())
        talk.final(1)
        servicer = server.server.sessions
        drained = server.submit(servicer.drain(30.0))
        told = talk.wait(lambda m: m.HasField("draining")).draining
        assert told.deadline_s == 30.0
        with Talk(server.address) as late:
            error: Any = late.status()
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "about to stop" in error.details()
        talk.say(edit=at(4.0, 1))
        assert talk.final(2).report == cold(4.0), "until then the session is served"
        talk.leave()
        drained.result(20)


def left_alone(server: ServerThread, patience_s: float = 30.0) -> bool:
    """Whether every session has gone, with everything it had at work."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if not len(server.server.sessions.sessions) and not server.tasks("Run."):
            return True
        time.sleep(0.02)
    return False
