"""What can go wrong in a call, as exceptions: the same ones whether the service is in this process or far away.

    GradproofError                 exit code
      TargetError                  2   what was named cannot be imported, parsed or traced
      RequestError                 2   the request is unreadable, or an argument does not fit
      LimitError                   2   the request asks for more than the service is configured to give
      NotFoundError                2   a name that the service does not have
      DeadlineError                4   the time given was not enough
      ServiceUnavailable           4   nobody answers at the address, or the service has too much to do
      AccessError                  4   the service does not admit the caller
      ServiceFault                 4   the service failed; the mistake is ours

Every message is one sentence that stands alone: where, what was expected, what came, what to do.
A wrong derivative is never an exception: it is a verdict.
"""

from __future__ import annotations

from typing import Final


class GradproofError(Exception):
    """A call that gave no answer; `exit_code` is what the command exits with."""

    exit_code: int = 4

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TargetError(GradproofError):
    """What was named to be checked cannot be imported, read, parsed or traced."""

    exit_code = 2


class RequestError(GradproofError):
    """The request cannot be read, or an argument does not fit.

    `kind` is "unreadable" or "invalid"; `field_path` names the part of the request, such as `point["x"]`, or is empty.
    """

    exit_code = 2

    def __init__(self, message: str, *, kind: str = "invalid", field_path: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.field_path = field_path


class LimitError(GradproofError):
    """More nodes, elements, bytes or work than the service is configured to take."""

    exit_code = 2


class NotFoundError(GradproofError):
    """A name (an op, a finding, a blob) that the service does not have."""

    exit_code = 2


class DeadlineError(GradproofError):
    """The time given with `timeout_s` was not enough."""


class ServiceUnavailable(GradproofError):
    """Nobody answers at the address, or the service has too much to do at this moment."""


class AccessError(GradproofError):
    """The service does not admit the caller: a token or a certificate is missing, unknown or too old."""


class ServiceFault(GradproofError):
    """The service failed in a way that is its own mistake."""


INTERNAL: Final = "internal"
FAULT_KINDS: Final = (
    "unreadable", "invalid", "limit", "deadline", "not found", "busy", "worker crashed",
    "unauthenticated", "protocol", INTERNAL,
)  # fmt: skip
"""The kinds of fault that a service tells, by the words that travel."""


def fault(kind: str, message: str, field_path: str = "") -> GradproofError:
    """The exception for a fault that the service told."""
    match kind:
        case "unreadable" | "invalid":
            return RequestError(message, kind=kind, field_path=field_path)
        case "limit":
            return LimitError(message)
        case "deadline":
            return DeadlineError(message)
        case "not found":
            return NotFoundError(message)
        case "busy" | "protocol":
            return ServiceUnavailable(message)
        case "unauthenticated":
            return AccessError(message)
        case _:
            return ServiceFault(message)
