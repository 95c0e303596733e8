"""The words in which gradproof speaks of trouble: faults of a call, and findings about a graph.

A `Fault` is raised: the call itself cannot be served (unreadable, over a limit, out of time).
A `Finding` is data in a normal answer: something true about the graph or its derivatives.
Nothing here formats for a terminal or knows a transport.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class FaultKind(Enum):
    """Why a call cannot be served; `server/` maps each kind to one gRPC status."""

    UNREADABLE = "unreadable"
    """The bytes are no program, no tensor or no message of this contract."""
    INVALID = "invalid"
    """Readable, but an argument does not fit (a missing input, a wrong shape)."""
    LIMIT = "limit"
    """More nodes, elements, bytes or work than the service is configured to take."""
    DEADLINE = "deadline"
    """The caller's deadline passed, or the caller went away."""
    NOT_FOUND = "not found"
    """A name (op, finding, blob) that this service does not have."""
    BUSY = "busy"
    """The service has too much to do at this moment; the same call may be made again later."""
    CRASHED = "worker crashed"
    """The request ended every worker that took it up; making it again would end more."""
    UNAUTHENTICATED = "unauthenticated"
    """The caller has not shown who it is, or may not call."""
    PROTOCOL = "protocol"
    """The two sides speak no protocol in common."""
    INTERNAL = "internal"
    """The mistake is the service's own."""


class Fault(Exception):
    """The call cannot be served; the text is one sentence: where, expected, came, what to do.

    `field_path` names the offending part of the request (`point["x"]`, `functions[0].node[7]`),
    empty when the fault is not about one field. `limit` names the row of the table of limits that
    was reached, `retry_after_s` says when the same call may succeed.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        field_path: str = "",
        limit: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field_path = field_path
        self.limit = limit
        self.retry_after_s = retry_after_s


class Severity(Enum):
    """How much a finding matters; the exit code depends on it."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Location:
    """A range in a source file: lines and columns from 1, the end column behind the last character.

    Zeros and empty words mean unknown. `source_node` names the node in the format it came from;
    `callers` are the calls that led here, innermost first, their own `callers` empty.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    scope: str = ""
    source_node: str = ""
    callers: tuple[Location, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.file or self.line)


NOWHERE = Location()


@dataclass(frozen=True, slots=True)
class Finding:
    """One diagnosis with a stable code.

    `numbers` are what was seen, by name, in the units of the quantity named. `elements` are
    indices into the array that the finding is about (at most a few are kept).
    """

    code: str
    name: str
    severity: Severity
    message: str
    node: str = ""
    function: str = ""
    location: Location = NOWHERE
    input: str = ""
    output: str = ""
    elements: tuple[tuple[int, ...], ...] = ()
    numbers: tuple[tuple[str, float], ...] = field(default=())
    cause: str = ""
    mend: str = ""
    confirmed: bool = True
    related: tuple[Location, ...] = ()
    """Further places that explain the finding as well as `location` does."""
    element_count: int = 0
    """How many elements are concerned, where more than `elements` names."""
