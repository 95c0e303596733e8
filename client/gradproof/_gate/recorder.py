"""A way to the service that keeps answers, and remembers every check that went through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from google.protobuf.message import Message
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._gate.cache import Cache
from gradproof._transport import AnswerProbe, Transport

Answer = TypeVar("Answer", bound=Message)


class NotKept(Exception):
    """The answer to a request is not kept, and nothing but kept answers was wanted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One check that was made: what was asked, what came back; `start` and `answer` for a black box."""

    request: der.CheckRequest | der.ProbeStart
    report: chk.Report
    answer: AnswerProbe | None = None


class Recorder:
    """A `Transport` over another. With `kept_only` a request whose answer is not kept raises `NotKept`.

    A black box is asked anew each time: what it would answer does not stand in the request.
    """

    def __init__(self, below: Transport, cache: Cache, *, kept_only: bool = False) -> None:
        self.below = below
        self.cache = cache
        self.kept_only = kept_only
        self.checks: list[Asked] = []
        self.checks_run = 0

    @property
    def checks_cached(self) -> int:
        """Checks whose reports were kept."""
        return len(self.checks) - self.checks_run

    def check(
        self, request: der.CheckRequest, *, timeout_s: float | None = None
    ) -> der.CheckResponse:
        """One check, kept or made."""

        def ask() -> der.CheckResponse:
            self._refuse()
            self.checks_run += 1
            return self.below.check(request, timeout_s=timeout_s)

        response = self.cache.answer(der.CheckResponse, request, ask)
        self.checks.append(Asked(request, response.report))
        return response

    def probe(
        self, start: der.ProbeStart, answer: AnswerProbe, *, timeout_s: float | None = None
    ) -> chk.Report:
        """A check of a black box, always made."""
        self._refuse()
        self.checks_run += 1
        report = self.below.probe(start, answer, timeout_s=timeout_s)
        self.checks.append(Asked(start, report, answer))
        return report

    def evaluate(
        self, request: der.EvaluateRequest, *, timeout_s: float | None = None
    ) -> der.EvaluateResponse:
        """Outputs at a point, kept or computed."""
        return self._kept(
            der.EvaluateResponse, request, lambda: self.below.evaluate(request, timeout_s=timeout_s)
        )  # fmt: skip

    def sample_points(
        self, request: der.SamplePointsRequest, *, timeout_s: float | None = None
    ) -> der.SamplePointsResponse:
        """Points inside the domain, kept or drawn."""
        return self._kept(
            der.SamplePointsResponse, request, lambda: self.below.sample_points(request, timeout_s=timeout_s)
        )  # fmt: skip

    def list_findings(
        self, request: cat.ListFindingsRequest, *, timeout_s: float | None = None
    ) -> cat.ListFindingsResponse:
        """The kinds of findings, kept or asked."""
        return self._kept(
            cat.ListFindingsResponse, request, lambda: self.below.list_findings(request, timeout_s=timeout_s)
        )  # fmt: skip

    def inspect(
        self, request: der.InspectRequest, *, timeout_s: float | None = None
    ) -> der.InspectResponse:
        """Types, cost and static findings, kept or asked."""
        return self._kept(
            der.InspectResponse, request, lambda: self.below.inspect(request, timeout_s=timeout_s)
        )

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's below."""
        return getattr(self.below, name)

    @property
    def transport(self) -> Transport:
        """Itself, as what calls take: what it does not keep, the transport below does."""
        return cast("Transport", self)

    def _kept(self, kind: type[Answer], request: Message, ask: Callable[[], Answer]) -> Answer:
        def asked() -> Answer:
            self._refuse()
            return ask()

        return self.cache.answer(kind, request, asked)

    def _refuse(self) -> None:
        if self.kept_only:
            raise NotKept
