"""The client: every call of the SDK bound to one way to the service.

The functions of the `gradproof` module are the methods of a client of its own: the service in this
process, or the one that `GRADPROOF_SERVER` names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from gradproof import _differentiate
from gradproof._check import run_check
from gradproof._differentiate import Sparse
from gradproof._errors import RequestError
from gradproof._options import CheckOptions
from gradproof._report import Report
from gradproof._subject import Source
from gradproof._transport import CONNECT_TIMEOUT_S, Transport, default_transport
from gradproof._transport import connect as connect_transport
from gradproof._words import SERVER_VARIABLE

if TYPE_CHECKING:
    from gradproof._session.document import Document
    from gradproof._session.keeper import Keeper


class Wanted(TypedDict, total=False):
    """What the derivative calls take besides function and point.

    With a `structure` first derivatives are those along the tangent space of what is declared.
    """

    wrt: str | Sequence[str] | None
    outputs: str | Sequence[str] | None
    profile: str
    structure: Mapping[str, str] | None
    timeout_s: float | None


class Client:
    """A way to the service; a context manager that closes it. `timeout_s` holds for calls that name none.

    In every call `f` is a function, an expression string or a `Program`, and `at` is the point: a
    mapping by name, a tuple by position, or the only argument. Python numbers are float64.
    """

    def __init__(self, transport: Transport, *, timeout_s: float | None = None) -> None:
        self.transport = transport
        self.timeout_s = timeout_s
        self._keeper: Keeper | None = None
        self._lock = Lock()

    def check(
        self,
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
        **options: Unpack[CheckOptions],
    ) -> Report:
        """Check the derivatives of f at a point, against `claim` when there is one.

        `claim` is an array, a tuple or dict of them, or a function; `claim_kind` says what it is of what,
        and is guessed when it can be:
        "gradient": claim(*args) -> arg-shaped array, or a tuple of them;
        "jacobian": claim(*args) -> `(*out.shape, *arg.shape)` each;
        "hessian": claim(*args) -> `(*arg.shape, *arg.shape)`;
        "vjp": claim(*args, cotangent) -> arg-shaped; "jvp": claim(*args, *tangents) -> out-shaped;
        "hvp": claim(*args, *tangents) -> arg-shaped.
        `wrt` and `outputs` choose by name; `rtol` and `atol` are forgiven beyond the error bars; `tau` is
        the relative error that a pass must be able to see. `structure` declares inputs that are not free,
        such as {"S": "spd"}: symmetric, spd, lower, upper, positive, simplex, orthogonal, integer_valued. They
        are varied, and a claim about them judged, only along the tangent space.

        `suppress` leaves findings out, `select` all others: a code ("GP603"), the beginning of codes ("GP3") or
        a name, at one node or line behind an "@". So does `# gradproof: ignore[GP603]` on the line itself. What
        carries the verdict is never left out; `Report.suppressed` counts the others.

        `points` above 1 checks at so many points, the given one and others inside the domain that `rng_seed`
        decides; the claim is then a function, called at each. `prove` plants faults into every claim that is
        not wrong and counts those that this check catches (`Report.proofs`). `evidence` brings what pictures are
        drawn from, for `Report.to_html` and notebooks. `save` names a `.gpc` file for a
        disagreement, made small; `replay` shows it again. Raises `GradproofError`; a wrong derivative is
        no exception but a verdict.
        """
        return run_check(
            self.transport,
            f,
            at=at,
            claim=claim,
            claim_kind=claim_kind,
            wrt=wrt,
            outputs=outputs,
            structure=structure,
            points=points,
            save=save,
            timeout_s=self._timeout(timeout_s),
            **options,
        )

    def replay(self, path: str | Path, *, timeout_s: float | None = None) -> Report:
        """Check a counterexample that `save` wrote again; raises `TargetError` when the file holds none."""
        from gradproof._counterexample import replay

        return replay(self.transport, path, self._timeout(timeout_s))

    def evaluate(self, f: Source, *, at: Any, timeout_s: float | None = None) -> Any:
        """The output of f, or a tuple of them."""
        return _differentiate.evaluate(self.transport, f, at, self._timeout(timeout_s))

    def value_and_gradient(
        self, f: Source, *, at: Any, **wanted: Unpack[Wanted]
    ) -> tuple[Any, Any]:
        """The scalar output and its gradient: arg-shaped, a tuple of them for several arguments."""
        return _differentiate.value_and_gradient(
            self.transport, f, at, **self._with_timeout(wanted)
        )

    def gradient(self, f: Source, *, at: Any, **wanted: Unpack[Wanted]) -> Any:
        """The gradient of the scalar output: arg-shaped, a tuple of them for several arguments."""
        return self.value_and_gradient(f, at=at, **wanted)[1]

    def jacobian(
        self, f: Source, *, at: Any, sparse: Sparse = "auto", **wanted: Unpack[Wanted]
    ) -> Any:
        """The Jacobian, `(*out.shape, *arg.shape)`; tuples for several outputs (outside) and arguments (inside).

        With `sparse` True each block is a `scipy.sparse.csr_array` of shape (out.size, arg.size) that stores what is not
        structurally zero, and only that is computed; "auto" does so for more than a million elements that are mostly zero.
        """
        return _differentiate.jacobian(self.transport, f, at, sparse, **self._with_timeout(wanted))

    def hessian(
        self, f: Source, *, at: Any, sparse: Sparse = "auto", **wanted: Unpack[Wanted]
    ) -> Any:
        """The Hessian of the scalar output, `(*arg.shape, *arg.shape)`; nested tuples for several arguments.

        `sparse` as for `jacobian`: blocks of shape (arg.size, arg.size).
        """
        return _differentiate.hessian(self.transport, f, at, sparse, **self._with_timeout(wanted))

    def jvp(
        self, f: Source, *, at: Any, tangents: Any, **wanted: Unpack[Wanted]
    ) -> tuple[Any, Any]:
        """The outputs, and their tangents for these tangents of the arguments (given like `at`)."""
        return _differentiate.jvp(self.transport, f, at, tangents, **self._with_timeout(wanted))

    def vjp(
        self, f: Source, *, at: Any, cotangents: Any, **wanted: Unpack[Wanted]
    ) -> tuple[Any, Any]:
        """The outputs, and the arguments' cotangents for these cotangents of the outputs."""
        return _differentiate.vjp(self.transport, f, at, cotangents, **self._with_timeout(wanted))

    def hvp(self, f: Source, *, at: Any, tangents: Any, **wanted: Unpack[Wanted]) -> Any:
        """The derivative of the gradient along these tangents, arg-shaped."""
        return _differentiate.hvp(self.transport, f, at, tangents, **self._with_timeout(wanted))

    def open(
        self,
        f: Source,
        *,
        at: Any,
        claim: Any = None,
        claim_kind: str | None = None,
        depth: str = "check",
        uri: str = "",
        timeout_s: float | None = None,
        **options: Any,
    ) -> Document:
        """Open f at a point as a `Document` that can be edited; `depth` "quick" leaves the whole check to `Document.check`.

        `options` are those of `check`. All documents of a client share one stream; when it is lost they are opened again
        as they stand. Raises `GradproofError`; a black box cannot be opened.
        """
        from gradproof._session.document import Document

        return Document(
            self.keeper(), self.transport, f, at=at, claim=claim, claim_kind=claim_kind,
            depth=depth, uri=uri, timeout_s=self._timeout(timeout_s), wanted=options,
        )  # fmt: skip

    def keeper(self) -> Keeper:
        """What holds the documents of this client, made with the first of them."""
        with self._lock:
            if self._keeper is None:
                from gradproof._session.keeper import Keeper

                self._keeper = Keeper(self.transport)
            return self._keeper

    def health(self) -> str:
        """`serving` or `not serving`; raises `ServiceUnavailable` when nobody answers."""
        return self.transport.health(timeout_s=self.timeout_s)

    def close(self) -> None:
        """Let go of the connection and its documents; later calls fail."""
        if self._keeper is not None:
            self._keeper.close()
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _timeout(self, timeout_s: float | None) -> float | None:
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        if timeout_s is not None and not timeout_s > 0:
            raise RequestError(
                f"timeout_s: expected seconds above zero, {timeout_s} came", field_path="timeout_s"
            )
        return timeout_s

    def _with_timeout(self, wanted: Wanted) -> dict[str, Any]:
        return {**wanted, "timeout_s": self._timeout(wanted.get("timeout_s"))}


def connect(
    address: str,
    *,
    timeout_s: float | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    tls_ca: str | Path | None = None,
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    token_file: str | Path | None = None,
) -> Client:
    """A client of the service at `host:port` or `unix:PATH`; raises `ServiceUnavailable` when nobody answers.

    `timeout_s` is the time for each call, `connect_timeout_s` the time to find the service answering. `tls_ca` is a file
    with the authorities to trust, or "system" for those of the machine; `tls_cert` and `tls_key` show who calls;
    `token_file` holds a bearer token. With none of the four the environment is asked: `GRADPROOF_TLS_CA`,
    `GRADPROOF_TLS_CERT`, `GRADPROOF_TLS_KEY`, `GRADPROOF_TOKEN_FILE`. Raises `AccessError` when the service does not admit
    the caller.
    """
    security = None
    if any((tls_ca, tls_cert, tls_key, token_file)):
        from gradproof._channel import Security

        security = Security(tls_ca, tls_cert, tls_key, token_file)
    transport = connect_transport(address, timeout_s=connect_timeout_s, security=security)
    return Client(transport, timeout_s=timeout_s)


_default: tuple[str, Client] | None = None


def default_client() -> Client:
    """The client behind the module's functions; made anew when `GRADPROOF_SERVER` changes."""
    global _default  # noqa: PLW0603  (one service in this process serves every call)
    address = os.environ.get(SERVER_VARIABLE, "").strip()
    if _default is None or _default[0] != address:
        _default = (address, Client(default_transport()))
    return _default[1]
