"""Random histories of a session, checked against a model: every final answer is the check from scratch, bit for bit.

    pytest -m long tests/service/server/sessions/test_history.py

drives two hundred histories of sixty steps.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

import pytest
from gradproof._errors import GradproofError
from gradproof._session.keeper import Keeper
from gradproof._session.state import State
from gradproof._transport import connect
from gradproof_proto.editable import Editable, editable
from gradproof_proto.edits import apply_edits
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_service.diagnostic import Fault
from gradproof_service.server.application import Application
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.client.proxy import Proxy
from tests.service.server.harness import ServerThread
from tests.service.server.sessions import documents

NAMES = st.sampled_from(["a", "b", "c"])


class Heard(Keeper):
    """A keeper that writes down what it hears, to be held against the model's history."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.history: list[tuple[str, int, int]] = []
        super().__init__(*args, **more)

    def _hear(self, message: ses.OpenResponse) -> None:
        if message.HasField("diagnostics"):
            told = message.diagnostics
            self.history.append((told.uri, told.version, self._states[told.uri].version if told.uri in self._states else -1))  # fmt: skip
        super()._hear(message)


class History(RuleBasedStateMachine):
    """A client with a few documents on a road that is cut now and then."""

    server: ServerThread

    def __init__(self) -> None:
        super().__init__()
        self.proxy = Proxy(self.server.address)
        self.transport = connect(self.proxy.address, timeout_s=120)
        self.keeper = Heard(self.transport)
        self.states: dict[str, State] = {}
        self.application = Application()
        self.generation = 0
        self.kills = 0

    @rule(name=NAMES, program=documents.programs(8), quick=st.booleans())
    def open(self, name: str, program: pb.Program, quick: bool) -> None:
        """A document comes."""
        if name in self.states:
            return
        self.generation += 1
        point = documents.tensors(x=[0.3, -0.2, 1.0], y=[1.5, 0.1, -0.7], s=0.25)
        state = State(
            f"{name}{self.generation}", editable(program), {named.name: named for named in point}, (),
            chk.Options(witness_evaluations=2), chk.Origin(name=name),
            ses.STAGE_QUICK if quick else ses.STAGE_CHECK,
        )  # fmt: skip
        self.states[name] = state
        self.keeper.add(state)

    @rule(name=NAMES, data=st.data(), times=st.integers(1, 5))
    def edit(self, name: str, data: st.DataObject, times: int) -> None:
        """A document is edited once, or several times before anything is heard."""
        for _ in range(times):
            state = self.states.get(name)
            if state is None:
                return
            changes = data.draw(documents.edits(state.program, 2))
            if not changes:
                continue
            with self.keeper.lock:
                state.program, _ = apply_edits(state.program, changes)
                inputs = [e.set_input for e in changes if e.HasField("set_input")]
                state.point = {**state.point, **{named.name: named for named in inputs}}
                base, state.version = state.version, state.version + 1
                message = ses.EditDocument(
                    uri=state.uri, base_version=base, version=state.version, edits=changes
                )
                self.keeper.send(ses.OpenRequest(edit=message))

    @rule()
    def cut(self) -> None:
        """The connection is lost."""
        self.proxy.cut()

    @rule(name=NAMES)
    def stale(self, name: str) -> None:
        """An edit against a version that the service does not have: it asks for the document anew."""
        state = self.states.get(name)
        if state is not None:
            with self.keeper.lock:
                wrong = ses.EditDocument(
                    uri=state.uri, base_version=state.version + 7, version=state.version + 8
                )
                self.keeper.send(ses.OpenRequest(edit=wrong))

    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        """The work is taken back, and begun again by an edit of the options."""
        state = self.states.get(name)
        if state is not None:
            with self.keeper.lock:
                self.keeper.send(ses.OpenRequest(cancel=ses.Cancel(uri=state.uri)))
                base, state.version = state.version, state.version + 1
                state.options = chk.Options(witness_evaluations=2, rng_seed=state.version)
                change = ses.Edit(set_options=state.options)
                message = ses.EditDocument(
                    uri=state.uri, base_version=base, version=state.version, edits=[change]
                )
                self.keeper.send(ses.OpenRequest(edit=message))

    @rule(name=NAMES)
    def close(self, name: str) -> None:
        """A document goes."""
        state = self.states.pop(name, None)
        if state is not None:
            self.keeper.remove(state)

    @precondition(lambda self: self.kills < 2)
    @rule(which=st.integers(0, 9))
    def kill(self, which: int) -> None:
        """A worker dies in the middle of whatever it does: fewer than would make a request look like poison."""
        pids = self.server.server.pool.pids
        if pids:
            self.kills += 1
            with suppress(ProcessLookupError):
                os.kill(pids[which % len(pids)], signal.SIGKILL)

    @precondition(lambda self: self.states)
    @rule(name=NAMES)
    def look(self, name: str) -> None:
        """The last word about the newest version is what the unary call says of the same program."""
        state = self.states.get(name)
        if state is None:
            return
        self.kills = 0
        pulled = self._outcome(lambda: self.keeper.pull(state, "check")[1].result(120).message)
        assert pulled == self._cold(state)
        with self.keeper.lock:
            waited = state.wait(state.version, None)
        if state.depth == ses.STAGE_CHECK:
            assert self._outcome(lambda: waited.result(120).message) == self._cold(state)

    @invariant()
    def nothing_goes_back(self) -> None:
        """No diagnostics of a version stand after those of a newer one, and none is newer than what was sent."""
        newest: dict[str, int] = {}
        for uri, version, known in list(self.keeper.history):
            assert version >= newest.get(uri, 0)
            assert known < 0 or version <= known
            newest[uri] = version

    def teardown(self) -> None:
        """Every document is looked at once more."""
        for name in list(self.states):
            self.look(name)
        self.nothing_goes_back()
        self.keeper.close()
        self.transport.close()
        self.proxy.__exit__()

    def _cold(self, state: State) -> bytes:
        request = der.CheckRequest(
            program=_plain(state.program), point=state.point.values(), options=state.options,
            origin=state.origin,
        )  # fmt: skip
        return self._outcome(lambda: self.application.check(request).report)

    def _outcome(self, work: Any) -> bytes:
        try:
            return work().SerializeToString(deterministic=True)
        except (GradproofError, Fault) as error:
            return error.message.encode()


def _plain(document: Editable) -> pb.Program:
    """The program read from its bytes, so that nothing is shared with what was edited."""
    return pb.Program.FromString(document.program.SerializeToString())


@pytest.fixture(scope="module", autouse=True)
def server() -> Any:
    """A server for all histories."""
    with ServerThread() as running:
        History.server = running
        yield running


def run(examples: int, steps: int) -> None:
    """Drive histories."""
    History.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    test = History.TestCase("runTest")
    test.runTest()


def test_every_history_ends_in_what_is_so() -> None:
    """Opens, edits, cuts, cancels, kills and closes in any order: the short form."""
    run(12, 20)


@pytest.mark.long
def test_every_long_history_ends_in_what_is_so() -> None:
    """The long form; the command stands at the head of the file."""
    run(200, 60)
