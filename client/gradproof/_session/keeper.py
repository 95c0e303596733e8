"""The open documents of one client, kept open over as many streams as it takes.

One thread listens. When the stream is lost it opens another one, and each document again as it stands: tensors that the
service still has are named by their hash, results that the client still has are not sent again.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Final

from gradproof_proto.v1 import session_pb2 as ses

from gradproof._errors import GradproofError, ServiceFault, ServiceUnavailable
from gradproof._session.link import Link
from gradproof._session.state import State
from gradproof._session.view import STAGES, Diagnostics, error_of
from gradproof._transport import Transport
from gradproof._words import PRODUCER, PRODUCER_VERSION

RECONNECT_S: Final = 30.0
"""How long a lost service is looked for."""
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 1.0
OPENED_AT_ONCE: Final = 32
"""Streams of this process that are being opened at the same time: a burst of them is refused."""
TRIES: Final = 4

_gate: Final = threading.BoundedSemaphore(OPENED_AT_ONCE)


class Keeper:
    """All documents of one client on one session."""

    def __init__(self, transport: Transport, *, reconnect_s: float = RECONNECT_S) -> None:
        self.lock = threading.RLock()
        self.reconnects = 0
        """How often another stream was opened for a lost one."""
        self._transport = transport
        self._reconnect_s = reconnect_s
        self._states: dict[str, State] = {}
        self._pulls: dict[int, tuple[State, Future[Diagnostics]]] = {}
        self._numbers = 0
        self._draining = False
        self._closed = threading.Event()
        self._error: GradproofError | None = None
        self._link: Link | None = self._opened(TRIES)
        self._thread = threading.Thread(
            target=self._listen, name="gradproof-documents", daemon=True
        )
        self._thread.start()

    def add(self, state: State) -> None:
        """Open a document."""
        with self.lock:
            self._check()
            self._states[state.uri] = state
            self.send(ses.OpenRequest(open=state.opening()))

    def remove(self, state: State) -> None:
        """Close a document."""
        with self.lock:
            if self._states.pop(state.uri, None) is not None:
                state.fail(ServiceUnavailable(f"{state.uri}: the document was closed"))
                self.send(ses.OpenRequest(close=ses.CloseDocument(uri=state.uri)))

    def reopen(self, state: State) -> None:
        """Send a document whole, as it stands."""
        self.send(ses.OpenRequest(open=state.opening()))

    def send(self, request: ses.OpenRequest) -> None:
        """Say something; while the stream is lost nothing is said, because everything will be said anew."""
        with self.lock:
            self._check()
            if self._link is None:
                return
            try:
                self._link.send(request)
            except ServiceUnavailable:
                self._link.close()  # what could not be said is said when another stream stands
                self._link = None

    def pull(self, state: State, stage: str) -> tuple[int, Future[Diagnostics]]:
        """Ask for a stage of a document; the number of the question and its answer."""
        with self.lock:
            self._numbers += 1
            number, future = self._numbers, Future[Diagnostics]()
            self._pulls[number] = (state, future)
            self._ask(number, state, stage)
            return number, future

    def close(self) -> None:
        """End the session; documents are forgotten and whoever waits is told."""
        with self.lock:
            if self._closed.is_set():
                return
            self._closed.set()
            link, self._link = self._link, None
        if link is not None:
            link.close()
        self._thread.join()
        self._give_up(ServiceUnavailable("session: it was closed; open the document again"))

    def _ask(self, number: int, state: State, stage: str) -> None:
        held = list(state.held)
        pull = ses.Pull(id=number, uri=state.uri, stage=STAGES[stage], held_results=held)
        self.send(ses.OpenRequest(pull=pull))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed.is_set():
            raise ServiceUnavailable("session: it was closed; open the document again")

    def _opened(self, tries: int) -> Link:
        """A stream on which the service has said welcome."""
        for left in reversed(range(tries)):
            try:
                with _gate:
                    return self._greeted()
            except (ServiceUnavailable, ServiceFault):
                if not left or self._closed.wait(FIRST_WAIT_S):
                    raise
        raise AssertionError("a try either gives a link or raises")

    def _greeted(self) -> Link:
        link = self._transport.session()
        try:
            link.send(
                ses.OpenRequest(
                    hello=ses.Hello(
                        min_protocol=1,
                        max_protocol=1,
                        client_name=PRODUCER,
                        client_version=PRODUCER_VERSION,
                    )
                )
            )
            heard = link.receive()
            if heard is None or heard.WhichOneof("message") != "welcome":
                raise ServiceFault(
                    "session: the service did not say welcome; it is of another release, update it"
                )
        except BaseException:
            link.close()
            raise
        return link

    def _listen(self) -> None:
        while not self._closed.is_set():
            link = self._link
            try:
                heard = None if link is None else link.receive()
            except GradproofError as error:
                heard, lost = None, error
            else:
                lost = ServiceUnavailable("session: the service ended the stream")
            if heard is not None:
                with self.lock:
                    self._hear(heard)
                    if self._draining and not self._waiting() and link is not None:
                        link.close()
            elif not self._closed.is_set() and not self._resume(lost):
                return

    def _resume(self, lost: GradproofError) -> bool:
        """Another stream with every document as it stands; False when none is found in time."""
        with self.lock:
            self._link = None
            self._draining = False
        end, wait = time.monotonic() + self._reconnect_s, FIRST_WAIT_S
        while not self._closed.is_set():
            try:
                link = self._opened(1)
                with self.lock:
                    self._link = link
                    self.reconnects += 1
                    for state in self._states.values():
                        self.reopen(state)
                    for number, (state, _) in self._pulls.items():
                        self._ask(number, state, "check")
                    if self._link is link:
                        return True
            except (ServiceUnavailable, ServiceFault) as error:
                lost = error
            except GradproofError as error:
                self._give_up(error)
                return False
            if time.monotonic() > end:
                self._give_up(lost)
                return False
            self._closed.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
        return False

    def _give_up(self, error: GradproofError) -> None:
        with self.lock:
            self._error = self._error or error
            for state in self._states.values():
                state.fail(error)
            for _, future in self._pulls.values():
                future.set_exception(error)
            self._pulls.clear()

    def _waiting(self) -> bool:
        return bool(self._pulls) or any(state.waiters for state in self._states.values())

    def _hear(self, message: ses.OpenResponse) -> None:
        match message.WhichOneof("message"):
            case "diagnostics":
                state = self._states.get(message.diagnostics.uri)
                if state is not None:
                    state.hear(message.diagnostics)
            case "pull":
                self._answer(message.pull)
            case "resync":
                self._resync(message.resync)
            case "draining":
                self._draining = True
            case _:
                pass

    def _answer(self, message: ses.PullAnswer) -> None:
        state, future = self._pulls.pop(message.id, (None, None))
        if state is None or future is None:
            return
        failure = message.failure
        if message.HasField("diagnostics"):
            if message.diagnostics.WhichOneof("result") != "failure":
                future.set_result(state.read(message.diagnostics))
                return
            failure = message.diagnostics.failure
        future.set_exception(error_of(failure))

    def _resync(self, message: ses.Resync) -> None:
        state = self._states.get(message.uri)
        if state is None:
            return
        if message.why.reason == "LIMIT" and not message.have_version:
            state.lost = error_of(message.why)
            state.fail(state.lost)
            return
        state.version = max(state.version, message.have_version + 1)
        self.reopen(state)
