"""How a request reaches the service: in this process, or over gRPC. Both take and give the same messages.

`default_transport` follows `GRADPROOF_SERVER`: unset or empty means in this process. Nothing here imports gRPC or the
service before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._words import SERVER_VARIABLE

if TYPE_CHECKING:
    from gradproof._channel import Security
    from gradproof._session.link import Link

CONNECT_TIMEOUT_S: Final = 1.5
"""How long `connect` waits for the first answer: below the two seconds after which a person wonders."""

AnswerProbe = Callable[[der.ProbeAsk], der.ProbeAnswer]
"""Evaluates a black box at the points of a question; what it raises ends the probe and reaches the caller."""


class Transport(Protocol):
    """A way to the service. Every call raises a `GradproofError`; `timeout_s` None means the service's own limit."""

    def evaluate(
        self, request: der.EvaluateRequest, *, timeout_s: float | None = None
    ) -> der.EvaluateResponse:
        """Outputs at a point."""
        ...

    def differentiate(
        self, request: der.DifferentiateRequest, *, timeout_s: float | None = None
    ) -> der.DifferentiateResponse:
        """Derivatives at a point."""
        ...

    def check(
        self, request: der.CheckRequest, *, timeout_s: float | None = None
    ) -> der.CheckResponse:
        """One check."""
        ...

    def check_suite(
        self, request: der.CheckSuiteRequest, *, timeout_s: float | None = None
    ) -> Iterator[der.CheckSuiteResponse]:
        """Many checks, each answered as soon as it is known."""
        ...

    def probe(
        self, start: der.ProbeStart, answer: AnswerProbe, *, timeout_s: float | None = None
    ) -> chk.Report:
        """A check of a function that only the caller can evaluate; `answer` is called in the calling thread."""
        ...

    def sample_points(
        self, request: der.SamplePointsRequest, *, timeout_s: float | None = None
    ) -> der.SamplePointsResponse:
        """Points inside the domain, on both sides of branches."""
        ...

    def inspect(
        self, request: der.InspectRequest, *, timeout_s: float | None = None
    ) -> der.InspectResponse:
        """Types, cost and static findings."""
        ...

    def list_ops(
        self, request: cat.ListOpsRequest, *, timeout_s: float | None = None
    ) -> cat.ListOpsResponse:
        """The ops."""
        ...

    def list_findings(
        self, request: cat.ListFindingsRequest, *, timeout_s: float | None = None
    ) -> cat.ListFindingsResponse:
        """The kinds of findings."""
        ...

    def explain(
        self, request: cat.ExplainRequest, *, timeout_s: float | None = None
    ) -> cat.ExplainResponse:
        """One op or finding as a page."""
        ...

    def session(self) -> Link:
        """A stream on which documents are opened and edited."""
        ...

    def health(self, *, timeout_s: float | None = None) -> str:
        """`serving` or `not serving`; raises `ServiceUnavailable` when nobody answers."""
        ...

    def close(self) -> None:
        """Let go of what the transport holds; later calls fail."""
        ...


def default_transport() -> Transport:
    """The service named by `GRADPROOF_SERVER`, or the one in this process."""
    address = os.environ.get(SERVER_VARIABLE, "").strip()
    return connect(address) if address else embedded()


def embedded() -> Transport:
    """The service in this process: no port, no second process."""
    from gradproof._embedded import EmbeddedTransport

    return EmbeddedTransport()


def connect(
    address: str, *, timeout_s: float = CONNECT_TIMEOUT_S, security: Security | None = None
) -> Transport:
    """A service at `host:port` or `unix:PATH`, found to be answering; `security` None means what the environment names.

    Raises `ServiceUnavailable` when nobody answers within `timeout_s`, `AccessError` when the service does not admit the
    caller, `RequestError` when it is no address or a file cannot be used.
    """
    from gradproof._remote import RemoteTransport

    return RemoteTransport(address, connect_timeout_s=timeout_s, security=security)
