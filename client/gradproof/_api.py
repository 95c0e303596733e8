"""The module's own functions: `Client`'s methods on the default client, and the ways to a `Program`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from gradproof._client import Client, Wanted, default_client
from gradproof._differentiate import Sparse
from gradproof._errors import TargetError
from gradproof._options import CheckOptions
from gradproof._program import Program
from gradproof._report import Report
from gradproof._subject import Source


def check(
    f: Source,
    *,
    at: Any,
    claim: Any = None,
    claim_kind: str | None = None,
    wrt: str | Sequence[str] | None = None,
    outputs: str | Sequence[str] | None = None,
    structure: Mapping[str, str] | None = None,
    points: int = 1,
    save: str | Path | None = None,
    timeout_s: float | None = None,
    client: Client | None = None,
    **options: Unpack[CheckOptions],
) -> Report:
    """Check the derivatives of f at a point, against `claim` when there is one; see `Client.check`."""
    return (client or default_client()).check(
        f,
        at=at,
        claim=claim,
        claim_kind=claim_kind,
        wrt=wrt,
        outputs=outputs,
        structure=structure,
        points=points,
        save=save,
        timeout_s=timeout_s,
        **options,
    )


def replay(
    path: str | Path, *, timeout_s: float | None = None, client: Client | None = None
) -> Report:
    """Check a counterexample that `check(..., save=path)` wrote again: the same numbers on any machine."""
    return (client or default_client()).replay(path, timeout_s=timeout_s)


def evaluate(f: Source, *, at: Any, timeout_s: float | None = None) -> Any:
    """The output of f at a point, or a tuple of them."""
    return default_client().evaluate(f, at=at, timeout_s=timeout_s)


def value_and_gradient(f: Source, *, at: Any, **wanted: Unpack[Wanted]) -> tuple[Any, Any]:
    """The scalar output and its gradient: arg-shaped, a tuple of them for several arguments."""
    return default_client().value_and_gradient(f, at=at, **wanted)


def gradient(f: Source, *, at: Any, **wanted: Unpack[Wanted]) -> Any:
    """The gradient of the scalar output: arg-shaped, a tuple of them for several arguments."""
    return default_client().gradient(f, at=at, **wanted)


def jacobian(f: Source, *, at: Any, sparse: Sparse = "auto", **wanted: Unpack[Wanted]) -> Any:
    """The Jacobian, `(*out.shape, *arg.shape)`; see `Client.jacobian`."""
    return default_client().jacobian(f, at=at, sparse=sparse, **wanted)


def hessian(f: Source, *, at: Any, sparse: Sparse = "auto", **wanted: Unpack[Wanted]) -> Any:
    """The Hessian of the scalar output, `(*arg.shape, *arg.shape)`; see `Client.hessian`."""
    return default_client().hessian(f, at=at, sparse=sparse, **wanted)


def jvp(f: Source, *, at: Any, tangents: Any, **wanted: Unpack[Wanted]) -> tuple[Any, Any]:
    """The outputs, and their tangents for these tangents of the arguments (given like `at`)."""
    return default_client().jvp(f, at=at, tangents=tangents, **wanted)


def vjp(f: Source, *, at: Any, cotangents: Any, **wanted: Unpack[Wanted]) -> tuple[Any, Any]:
    """The outputs, and the arguments' cotangents for these cotangents of the outputs."""
    return default_client().vjp(f, at=at, cotangents=cotangents, **wanted)


def hvp(f: Source, *, at: Any, tangents: Any, **wanted: Unpack[Wanted]) -> Any:
    """The derivative of the gradient along these tangents, arg-shaped."""
    return default_client().hvp(f, at=at, tangents=tangents, **wanted)


def trace(f: Callable[..., Any], *, at: Any) -> Program:
    """The program that f becomes at a point; its `origin` says by which road.

    Raises `TargetError` with the reasons when no road carries it: then `check` still takes it, as a
    black box.
    """
    from gradproof._tracing import carry

    carried = carry(f, at)
    if carried.program is None:
        raise TargetError(f"{carried.origin.name} cannot be recorded: {carried.origin.reason}")
    return carried.program
