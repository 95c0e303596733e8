"""A check of a function that only the client can evaluate: the questions go out, the answers come back in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gradproof_proto.tensors import Fetch
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof_service import __version__
from gradproof_service.arrays import Array
from gradproof_service.checking.blackbox import check_black_box
from gradproof_service.checking.report import Answer, Ask, Claim
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.options import read_options, sifted
from gradproof_service.transforms.evaluate import Tick
from gradproof_service.wire.encode import encode_ask, encode_report
from gradproof_service.wire.requests import decode_answer, decode_box, decode_claims, decode_point

AskClient = Callable[[der.ProbeAsk], der.ProbeAnswer]
"""Puts a question to the holder of a black box and waits for the answer."""


def probe(start: der.ProbeStart, ask_client: AskClient, fetch: Fetch, tick: Tick) -> chk.Report:
    """The report; `fetch` gives the blobs that the start or an answer names. Raises `Fault` for what cannot be asked."""
    options = read_options(start.options)
    box = decode_box(start)
    claims = decode_claims(start.claims, probe=True, fetch=fetch)
    point = decode_point(start.point, fetch=fetch)
    for name in box.inputs:
        if name not in point:
            raise Fault(
                FaultKind.INVALID,
                f"point: input {name!r} has no value; give one",
                field_path=f'point["{name}"]',
            )
    asker = _Asker(box.inputs, claims, ask_client, tick, fetch)
    arrays = tuple(point[name] for name in box.inputs)
    report = check_black_box(box, arrays, claims, options, ask=asker.ask, tick=tick)
    shown, left_out = sifted(report.findings, options)
    report = replace(report, findings=tuple(shown), suppressed=left_out)
    origin = start.origin if start.HasField("origin") else None
    return encode_report(report, origin=origin, version=__version__)


class _Asker:
    """Puts the questions of one probe, numbered, and reads the answers."""

    def __init__(
        self,
        inputs: tuple[str, ...],
        claims: Sequence[Claim],
        client: AskClient,
        tick: Tick,
        fetch: Fetch,
    ) -> None:
        self._inputs = inputs
        self._claims = claims
        self._client = client
        self._tick = tick
        self._fetch = fetch
        self._asked = 0
        self._outputs: dict[str, Array] = {}

    def ask(self, question: Ask) -> Answer:
        """The answer to one question."""
        self._tick()
        self._asked += 1
        message = encode_ask(question, self._asked, self._inputs, self._claims, list(self._outputs))
        answer = self._client(message)
        if answer.id != self._asked:
            raise Fault(
                FaultKind.INVALID,
                f"answer: expected the answer to question {self._asked}, {answer.id} came; "
                "answer each question once",
                field_path="answer.id",
            )
        found = decode_answer(answer, question.batch, self._fetch)
        if question.claim < 0 and not self._outputs:
            self._outputs = dict(found.outputs)
        self._tick()
        return found
