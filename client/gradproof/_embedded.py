"""The service in this process: the one door through which the client knows `gradproof_service`.

The same application answers the same messages as behind gRPC, so a report is the same, byte for byte. The service is
imported when the first call is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof._errors import GradproofError, ServiceFault, fault
from gradproof._transport import AnswerProbe

if TYPE_CHECKING:
    from gradproof_service.server.application import Application
    from gradproof_service.server.deadline import Deadline

    from gradproof._session.link import Link

Answer = TypeVar("Answer")


class EmbeddedTransport:
    """Calls the application directly, in the calling thread. A deadline is looked at between the nodes of a graph."""

    @cached_property
    def _application(self) -> Application:
        from gradproof_service.server.application import Application

        return Application()

    def evaluate(
        self, request: der.EvaluateRequest, *, timeout_s: float | None = None
    ) -> der.EvaluateResponse:
        """Outputs at a point."""
        return _call(self._application.evaluate, request, timeout_s)

    def differentiate(
        self, request: der.DifferentiateRequest, *, timeout_s: float | None = None
    ) -> der.DifferentiateResponse:
        """Derivatives at a point."""
        return _call(self._application.differentiate, request, timeout_s)

    def check(
        self, request: der.CheckRequest, *, timeout_s: float | None = None
    ) -> der.CheckResponse:
        """One check."""
        return _call(self._application.check, request, timeout_s)

    def check_suite(
        self, request: der.CheckSuiteRequest, *, timeout_s: float | None = None
    ) -> Iterator[der.CheckSuiteResponse]:
        """Many checks, one after the other."""
        deadline = _deadline(timeout_s)
        answers = self._application.check_suite(request, deadline.tick)

        def following() -> der.CheckSuiteResponse | None:
            return next(answers, None)

        while (answer := _guarded(following)) is not None:
            yield answer

    def probe(
        self, start: der.ProbeStart, answer: AnswerProbe, *, timeout_s: float | None = None
    ) -> chk.Report:
        """A check of a function that only the caller can evaluate."""
        raised: list[BaseException] = []

        def ask(question: der.ProbeAsk) -> der.ProbeAnswer:
            try:
                return answer(question)
            except BaseException as error:
                raised.append(error)
                raise

        deadline = _deadline(timeout_s)
        try:
            return _guarded(self._application.probe, start, ask, deadline.tick)
        except GradproofError:
            if raised:  # the caller's own exception is the caller's to see
                raise raised[0] from None
            raise

    def sample_points(
        self, request: der.SamplePointsRequest, *, timeout_s: float | None = None
    ) -> der.SamplePointsResponse:
        """Points inside the domain, on both sides of branches."""
        return _call(self._application.sample_points, request, timeout_s)

    def inspect(
        self, request: der.InspectRequest, *, timeout_s: float | None = None
    ) -> der.InspectResponse:
        """Types, cost and static findings."""
        return _call(self._application.inspect, request, timeout_s)

    def list_ops(
        self, request: cat.ListOpsRequest, *, timeout_s: float | None = None
    ) -> cat.ListOpsResponse:
        """The ops."""
        return _call(self._application.list_ops, request, timeout_s)

    def list_findings(
        self, request: cat.ListFindingsRequest, *, timeout_s: float | None = None
    ) -> cat.ListFindingsResponse:
        """The kinds of findings."""
        return _call(self._application.list_findings, request, timeout_s)

    def explain(
        self, request: cat.ExplainRequest, *, timeout_s: float | None = None
    ) -> cat.ExplainResponse:
        """One op or finding as a page."""
        return _call(self._application.explain, request, timeout_s)

    def session(self) -> Link:
        """A session of the same service, on an event loop of its own in this process."""
        from gradproof_service.server.sessions.local import serve

        from gradproof._session.embedded_link import EmbeddedLink

        application = self._application
        return EmbeddedLink(partial(serve, application), application.blobs.get, _guarded)

    def health(self, *, timeout_s: float | None = None) -> str:
        """Always `serving`: it is this process."""
        return "serving"

    def close(self) -> None:
        """Nothing to let go of."""


def warm(
    program: pb.Program, point: Mapping[str, Any], kind: Any, wrt: Sequence[str], threads: int
) -> tuple[Callable[..., Sequence[Any]], tuple[int, ...]]:
    """A program made ready to be called with arrays, and the positions of the inputs it differentiates by."""
    from gradproof_service.server.warm import warm as ready

    return _guarded(ready, program, point, kind, wrt, threads)


def serve(file: Path | None = None, said: Sequence[tuple[str, str, str]] = ()) -> int:
    """Serve until told to stop; the exit code. `said` are (where, setting, text) of the command line."""
    from gradproof_service.server import main

    return main.serve(file, said)


def limits_page() -> list[str]:
    """The limits of a service as lines of text."""
    from gradproof_service.server.settings.configuration import limits_page as page

    return page()


def default_address() -> str:
    """Where `serve` listens, and where to look for a service, when no address is given."""
    from gradproof_service.server.address import default_address as found

    return found()


def _deadline(timeout_s: float | None) -> Deadline:
    from gradproof_service.server.deadline import Deadline

    return Deadline(timeout_s)


def _call(handler: Callable[..., Answer], request: object, timeout_s: float | None) -> Answer:
    if timeout_s is None:  # nothing to look at the clock for
        return _guarded(handler, request)
    return _guarded(handler, request, _deadline(timeout_s).tick)


def _guarded(work: Callable[..., Answer], *args: object) -> Answer:
    """The result of work, its failures as the exceptions that every transport raises."""
    from gradproof_service.server.failures import refusal

    try:
        return work(*args)
    except GradproofError:
        raise
    except Exception as error:
        told = refusal(error)
        if told is None:
            shown = f"the service failed inside ({type(error).__name__}: {error}); please report it"
            raise ServiceFault(shown) from error
        raise fault(told.kind.value, told.message, told.field_path) from None
