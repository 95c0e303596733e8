"""What an exception means to the caller: a refusal with a sentence, or a mistake of ours."""

from __future__ import annotations

import json
from typing import Final

from gradproof_service.diagnostic import Fault, FaultKind

LONGEST: Final = 2048
"""Characters of a sentence or a field path that leave a worker."""


class WorkerMistake(Exception):
    """A worker failed inside: `name` is the exception's, the text its traceback, for the log alone."""

    def __init__(self, name: str, trace: str) -> None:
        super().__init__(trace)
        self.name = name


def refusal(error: Exception) -> Fault | None:
    """The fault that an exception stands for, None when it is a mistake of ours."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, MemoryError):
        return Fault(
            FaultKind.LIMIT,
            "call: it needs more memory than the service has; send a smaller point or ask for less",
        )
    return None


def pack_fault(fault: Fault) -> bytes:
    """The fault as bytes that `unpack_fault` reads in another process."""
    told = [fault.kind.value, _short(fault.message), _short(fault.field_path), fault.limit]
    return json.dumps([*told, fault.retry_after_s]).encode()


def unpack_fault(packed: bytes) -> Fault:
    """The fault that a worker told."""
    kind, message, field_path, limit, retry_after_s = json.loads(packed)
    return Fault(
        FaultKind(kind), message, field_path=field_path, limit=limit, retry_after_s=retry_after_s
    )


def _short(text: str) -> str:
    """A sentence that names something of the caller's is as long as that; nobody reads more than this."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
