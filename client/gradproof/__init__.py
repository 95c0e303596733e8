"""gradproof checks derivatives: the Python SDK, the command and the gate.

    import gradproof as gp

    report = gp.check(f, at={"x": x}, claim=df)
    report.verdict  # "agrees", "disagrees" or "inconclusive"

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradproof import edits, testing
    from gradproof._api import (
        check,
        evaluate,
        gradient,
        hessian,
        hvp,
        jacobian,
        jvp,
        replay,
        trace,
        value_and_gradient,
        vjp,
    )
    from gradproof._client import Client, connect
    from gradproof._errors import (
        AccessError,
        DeadlineError,
        GradproofError,
        LimitError,
        NotFoundError,
        RequestError,
        ServiceFault,
        ServiceUnavailable,
        TargetError,
    )
    from gradproof._expression import expression
    from gradproof._prepared import Prepared, prepare
    from gradproof._program import Program
    from gradproof._report import (
        CheckedPoint,
        Comparison,
        Coverage,
        Derivative,
        Finding,
        Location,
        Proof,
        Report,
    )
    from gradproof._session.aio import AsyncClient, AsyncDocument, aconnect
    from gradproof._session.document import Document
    from gradproof._session.view import Diagnostics

_HOME = {
    **dict.fromkeys(
        (
            "check",
            "evaluate",
            "gradient",
            "hessian",
            "hvp",
            "jacobian",
            "jvp",
            "replay",
            "trace",
            "value_and_gradient",
            "vjp",
        ),
        "_api",
    ),
    **dict.fromkeys(("Client", "connect"), "_client"),
    **dict.fromkeys(
        (
            "AccessError",
            "DeadlineError",
            "GradproofError",
            "LimitError",
            "NotFoundError",
            "RequestError",
            "ServiceFault",
            "ServiceUnavailable",
            "TargetError",
        ),
        "_errors",
    ),
    "expression": "_expression",
    "Prepared": "_prepared",
    "prepare": "_prepared",
    "Program": "_program",
    **dict.fromkeys(
        (
            "CheckedPoint",
            "Comparison",
            "Coverage",
            "Derivative",
            "Finding",
            "Location",
            "Proof",
            "Report",
        ),
        "_report",
    ),
    **dict.fromkeys(("AsyncClient", "AsyncDocument", "aconnect"), "_session.aio"),
    "Document": "_session.document",
    "Diagnostics": "_session.view",
}

__all__ = [
    "AccessError",
    "AsyncClient",
    "AsyncDocument",
    "CheckedPoint",
    "Client",
    "Comparison",
    "Coverage",
    "DeadlineError",
    "Derivative",
    "Diagnostics",
    "Document",
    "Finding",
    "GradproofError",
    "LimitError",
    "Location",
    "NotFoundError",
    "Prepared",
    "Program",
    "Proof",
    "Report",
    "RequestError",
    "ServiceFault",
    "ServiceUnavailable",
    "TargetError",
    "aconnect",
    "check",
    "connect",
    "edits",
    "evaluate",
    "expression",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "prepare",
    "replay",
    "testing",
    "trace",
    "value_and_gradient",
    "vjp",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import (
            PackageNotFoundError,
            version,
        )  # it costs more than all the rest

        try:
            return version("gradproof")
        except PackageNotFoundError:
            from gradproof._words import PRODUCER_VERSION

            return PRODUCER_VERSION
    home = _HOME.get(name)
    if home is None and name not in ("edits", "testing"):
        raise AttributeError(f"module 'gradproof' has no attribute {name!r}")
    module = _load(home or name)
    value = module if home is None else getattr(module, name)
    globals()[name] = value
    return value


def _load(name: str) -> Any:
    """A module of this package by its name, which stands in the table above."""
    match name:
        case "_api":
            from gradproof import _api as module
        case "_client":
            from gradproof import _client as module
        case "_errors":
            from gradproof import _errors as module
        case "_expression":
            from gradproof import _expression as module
        case "_prepared":
            from gradproof import _prepared as module
        case "_program":
            from gradproof import _program as module
        case "_report":
            from gradproof import _report as module
        case "_session.aio":
            from gradproof._session import aio as module
        case "_session.document":
            from gradproof._session import document as module
        case "_session.view":
            from gradproof._session import view as module
        case "edits":
            import gradproof.edits as module
        case _:
            import gradproof.testing as module
    return module


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
