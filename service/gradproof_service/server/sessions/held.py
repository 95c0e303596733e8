"""One document of a session: its newest version, what was found in it, and who waits for it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from secrets import token_hex

from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.server.sessions.document import Version
from gradproof_service.server.sessions.quick import Quick

QUICK = ses.STAGE_QUICK
CHECK = ses.STAGE_CHECK


@dataclass(frozen=True, slots=True)
class Found:
    """What one stage found in one version: a result with its id, or a failure."""

    version: int
    generation: int
    stage: int
    result: ses.QuickResult | chk.Report | ses.Failure
    id: bytes = b""


@dataclass(slots=True)
class Held:
    """A document; `version` is None while the client has to open it again. Used on the event loop alone."""

    uri: str
    quick: Quick
    number: int = 0
    """The newest version that was accepted."""
    version: Version | None = None
    generation: int = 0
    changed: set[int] = field(default_factory=set[int])
    """Values that changed since the version that the quick stage saw last."""
    found: dict[int, Found] = field(default_factory=dict[int, Found])
    """What the stages found in the newest version."""
    client_has: set[bytes] = field(default_factory=set[bytes])
    """Ids of the results that the client holds."""
    pulls: dict[int, ses.Pull] = field(default_factory=dict[int, ses.Pull])
    stopped: bool = False
    """The client took the work on this version back."""
    refused: ses.Failure | None = None
    """Why the document could not be opened, until it is opened again."""
    name: str = field(default_factory=lambda: token_hex(8))
    """Unlike that of every other document: its checks go to one worker, which may remember the program."""
    accepted_at: float = 0.0
    """When the newest version came, by the loop's clock."""

    def accept(self, version: Version, changed: set[int], now: float) -> None:
        """Another version stands."""
        self.version, self.number = version, version.number
        self.changed |= changed
        self.generation += 1
        self.found = {}
        self.stopped = False
        self.refused = None
        self.accepted_at = now

    def goal(self, pull_only: bool) -> int:
        """The last stage that has to run for this version; 0: none."""
        if self.version is None or self.stopped:
            return 0
        deepest = max((pull.stage or CHECK for pull in self.pulls.values()), default=0)
        return deepest if pull_only else max(deepest, self.version.depth)

    def said(self, found: Found, final: bool, known: Container[bytes] = ()) -> ses.Diagnostics:
        """What was found as it is told, `unchanged` when the client holds it."""
        message = ses.Diagnostics(
            uri=self.uri,
            version=found.version,
            generation=found.generation,
            stage=found.stage,  # pyright: ignore[reportArgumentType]
            result_id=found.id,
            final=final,
        )
        result = found.result
        if isinstance(result, ses.Failure):
            message.failure.CopyFrom(result)
            return message
        if found.id in self.client_has or found.id in known:
            message.unchanged.SetInParent()
            return message
        if isinstance(result, ses.QuickResult):
            message.quick.CopyFrom(result)
        else:
            message.report.CopyFrom(result)
        self.client_has = {i for i in self.client_has if i[:1] != found.id[:1]} | {found.id}
        return message
