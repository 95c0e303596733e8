"""What an exception means to the caller: a refusal with a sentence, or a mistake of ours."""

from __future__ import annotations

from gradproof_service.diagnostic import Fault, FaultKind


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
