"""A document: a function that stays open at the service, is edited, and is told about."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, Final, Self

from gradproof_proto.editable import Editable, editable
from gradproof_proto.edits import EditError, Renumber, apply_edits
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof._errors import DeadlineError, RequestError, TargetError
from gradproof._options import options as make_options
from gradproof._program import Program
from gradproof._session.difference import difference
from gradproof._session.keeper import Keeper
from gradproof._session.state import State
from gradproof._session.view import STAGES, Diagnostics
from gradproof._subject import Source, Subject, chosen, prepare
from gradproof._transport import Transport

KEPT: Final = object()
"""Stands for a part of the document that an edit leaves as it is."""
_numbers = itertools.count(1)


class Document:
    """One function at a point, open at the service. Made by `Client.open`; a context manager that closes it.

    Each `edit` makes another version. The service looks into the newest one in two stages: "quick" (types, values,
    gradient), for which only what the edit reaches is computed again, then the "check" that `gradproof.check` makes. Both
    give the same as from scratch, bit for bit.
    """

    def __init__(
        self, keeper: Keeper, transport: Transport, source: Source, *, at: Any, claim: Any,
        claim_kind: str | None, depth: str, uri: str, timeout_s: float | None,
        wanted: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if depth not in STAGES:
            raise RequestError(
                f"depth: expected quick or check, {depth!r} came", field_path="depth"
            )
        self._keeper = keeper
        self._transport = transport
        self._timeout_s = timeout_s
        self._source: Source | None = source
        self._at = at
        self._claim = claim
        self._claim_kind = claim_kind
        self._wanted = dict(wanted)
        subject = _recorded(source, at, self._wanted)
        program, claims, made = self._made(subject)
        self._state = State(
            uri or f"document-{next(_numbers)}",
            editable(program),
            {named.name: named for named in subject.point},
            tuple(claims),
            made,
            subject.origin,
            STAGES[depth],
        )
        keeper.add(self._state)

    @property
    def uri(self) -> str:
        """The document's name in its session."""
        return self._state.uri

    @property
    def version(self) -> int:
        """The newest version; each edit makes a higher one."""
        return self._state.version

    @property
    def program(self) -> Program:
        """The program of the newest version."""
        with self._keeper.lock:
            return Program(self._state.program.program, self._state.origin)

    @property
    def free(self) -> int:
        """The number of the next value that an edit adds; see `gradproof.edits`."""
        with self._keeper.lock:
            return len(self._state.program.rows)

    def edit(
        self,
        source: Source | None = None,
        *,
        at: Any = KEPT,
        claim: Any = KEPT,
        claim_kind: str | None = None,
        changes: Sequence[ses.Edit] = (),
        **options: Any,
    ) -> int:
        """Change the document; the new version.

        `source` is the whole function anew: only what differs is sent. `at` gives new values, of some inputs by name or of
        all of them. `claim` and the options of `check` replace those that stand. `changes` are edits of single nodes, made
        by `gradproof.edits`. Raises `GradproofError` for what does not fit; the document then stays as it was.
        """
        with self._keeper.lock:
            if changes:
                if source is not None:
                    raise RequestError(
                        "edit: a function and changes of nodes came; give one of them"
                    )
                self._change(changes)
            if source is None and at is KEPT and claim is KEPT and not options:
                return self.version
            return self._edit(source, at, claim, claim_kind, options)

    def diagnostics(self) -> Diagnostics | None:
        """What is known of the newest version by now, None while nothing is."""
        with self._keeper.lock:
            return self._state.newest()

    def wait(
        self,
        stage: str | None = None,
        *,
        version: int | None = None,
        timeout_s: float | None = None,
    ) -> Diagnostics:
        """What is found in the newest version (or `version`, or one that came after it), waiting for it.

        `stage` is "quick" or "check"; without one it is the last that runs for the document. Raises `DeadlineError` when
        the time is over, and what keeps the service from an answer.
        """
        return self._result(self.waiting(stage, version), timeout_s)

    def check(self, *, timeout_s: float | None = None) -> Any:
        """The whole check of the newest version as a `Report`, also for a document of depth "quick"."""
        number, future = self._keeper.pull(self._state, "check")
        try:
            return self._result(future, timeout_s).report
        except DeadlineError:
            self._keeper.send(ses.OpenRequest(cancel=ses.Cancel(pull=number)))
            raise

    def cancel(self) -> None:
        """Stop the work on the newest version; the next edit begins again."""
        self._keeper.send(ses.OpenRequest(cancel=ses.Cancel(uri=self.uri)))

    def close(self) -> None:
        """Forget the document; whoever waits for it is told."""
        self._keeper.remove(self._state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def waiting(self, stage: str | None, version: int | None) -> Future[Diagnostics]:
        """What `wait` waits for."""
        if stage is not None and stage not in STAGES:
            raise RequestError(
                f"stage: expected quick or check, {stage!r} came", field_path="stage"
            )
        with self._keeper.lock:
            return self._state.wait(self.version if version is None else version, stage)

    def _result(self, future: Future[Diagnostics], timeout_s: float | None) -> Diagnostics:
        limit = self._timeout_s if timeout_s is None else timeout_s
        try:
            return future.result(limit)
        except (FutureTimeout, CancelledError):
            future.cancel()
            raise DeadlineError(
                f"{self.uri}: version {self.version} was not finished in {limit:g} s; "
                "wait longer or ask for the quick stage"
            ) from None

    def _change(self, changes: Sequence[ses.Edit]) -> None:
        """Edits of single nodes."""
        state = self._state
        try:
            program, _ = apply_edits(state.program, changes)
        except EditError as error:
            raise RequestError(str(error), field_path=error.field_path) from None
        self._source = None  # what stands is no longer what was given
        state.program = program
        self._send(changes)

    def _edit(
        self, source: Source | None, at: Any, claim: Any, claim_kind: str | None, options: Any
    ) -> int:
        state = self._state
        if source is None:
            source = self.program if self._source is None else self._source
        at = self._joined(at)
        before = (self._claim, self._claim_kind, self._wanted)
        if claim is not KEPT:
            self._claim, self._claim_kind = claim, claim_kind
        self._wanted = {**self._wanted, **options}
        try:
            subject = _recorded(source, at, self._wanted)
            program, claims, made = self._made(subject)
        except Exception:
            self._claim, self._claim_kind, self._wanted = before
            raise
        self._source, self._at = source, at
        edits, following = _led(state.program, program)
        point = {named.name: named for named in subject.point}
        carried, state.origin = state.origin, subject.origin
        state.program = following
        if edits is None:
            state.point, state.claims, state.options = point, tuple(claims), made
            state.version += 1
            self._keeper.reopen(state)
            return self.version
        edits += [ses.Edit(set_input=v) for n, v in point.items() if state.point[n] != v]
        if subject.origin != carried:
            edits.append(ses.Edit(set_origin=subject.origin))
        if made != state.options:
            edits.append(ses.Edit(set_options=made))
        if tuple(claims) != state.claims:
            edits.append(ses.Edit(set_claims=ses.ClaimList(claims=claims)))
        state.point, state.claims, state.options = point, tuple(claims), made
        if edits:
            self._send(edits)
        return self.version

    def _send(self, edits: Sequence[ses.Edit]) -> None:
        state = self._state
        base, state.version = state.version, state.version + 1
        self._keeper.send(
            ses.OpenRequest(
                edit=ses.EditDocument(
                    uri=state.uri, base_version=base, version=state.version, edits=edits
                )
            )
        )

    def _joined(self, at: Any) -> Any:
        """The point with some inputs replaced, when they are given by name and the others are known by name."""
        if at is KEPT:
            return self._at
        if isinstance(at, Mapping) and isinstance(self._at, Mapping):
            return {**self._at, **at}
        return at

    def _made(self, subject: Subject) -> tuple[pb.Program, Sequence[chk.Claim], chk.Options]:
        """What is sent for a subject: the program with the recording of the claim, the claims, the options."""
        program = subject.needs_program()
        wanted = dict(self._wanted)
        wanted.pop("structure", None)
        wrt = chosen(subject.arguments.names, wanted.pop("wrt", None), "wrt")
        outputs = chosen(program.outputs, wanted.pop("outputs", None), "outputs")
        made = make_options(wrt=wrt, outputs=outputs, **wanted)
        if self._claim is None:
            return program.message, (), made
        from gradproof._claims import claims

        claimed = claims(
            subject, self._claim, self._claim_kind, wrt, outputs, made.rng_seed, self._transport,
            self._timeout_s,
        )  # fmt: skip
        return claimed.beside(program.message), claimed.messages, made


def _led(before: Editable, program: pb.Program) -> tuple[list[ses.Edit] | None, Editable]:
    """The edits that lead to a program, and where they lead; None when it has to be sent whole."""
    edits = difference(before, program)
    if edits is not None:
        with suppress(Renumber):
            return edits, apply_edits(before, edits)[0]
    return None, editable(program)


def _recorded(source: Source, at: Any, wanted: Mapping[str, Any]) -> Subject:
    """The subject, which has to be a program: a black box cannot stay open."""
    subject = prepare(source, at, wanted.get("structure"))
    if subject.program is None:
        raise TargetError(
            f"{subject.origin.name}: it cannot be opened, because it could not be recorded"
            f" ({subject.origin.reason}); gp.check still checks a claim by values"
        )
    return subject
