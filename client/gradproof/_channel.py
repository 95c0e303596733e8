"""How a connection is opened: addresses, encryption, tokens, and what is tried again.

Secrets come from files, never from an argument; a token is not sent where others could read it on the way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
from gradproof_proto.blobs import MESSAGE_LIMIT

from gradproof._errors import RequestError

CA_VARIABLE: Final = "GRADPROOF_TLS_CA"
CERT_VARIABLE: Final = "GRADPROOF_TLS_CERT"
KEY_VARIABLE: Final = "GRADPROOF_TLS_KEY"
TOKEN_VARIABLE: Final = "GRADPROOF_TOKEN_FILE"  # noqa: S105 the name of a variable with the name of a file
SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        # a stream of questions and answers is nothing to be sent twice (a session opens its documents again on another);
        # and gRPC 1.85 ends the process when one that it would send again is cut while it is written
        {
            "name": [
                {"service": "gradproof.v1.SessionService"},
                {"service": "gradproof.v1.DerivativeService", "method": "Probe"},
            ]
        },
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                # a service that stops may cancel a call that has only just reached it
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        },
    ],
}
"""Every call of one request is a function of it, so all of those may be made again."""
OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    # below the default of seconds, so that a service that restarts is found again at once
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
)


@dataclass(frozen=True, slots=True)
class Security:
    """Files that a connection needs; `tls_ca` names authorities ("system": those of the machine), all may be left out."""

    tls_ca: str | Path | None = None
    tls_cert: str | Path | None = None
    tls_key: str | Path | None = None
    token_file: str | Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Security:
        """What `GRADPROOF_TLS_CA`, `GRADPROOF_TLS_CERT`, `GRADPROOF_TLS_KEY` and `GRADPROOF_TOKEN_FILE` name."""
        names = (CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE, TOKEN_VARIABLE)
        return cls(*(environment.get(name, "").strip() or None for name in names))

    @property
    def encrypted(self) -> bool:
        """Whether the connection is to be encrypted."""
        return any((self.tls_ca, self.tls_cert, self.tls_key))


def open_channel(address: str, security: Security | None = None) -> grpc.Channel:
    """A channel to a service; raises `RequestError` for an address or files that cannot be used."""
    security = Security.from_environment() if security is None else security
    address = checked(address)
    if security.encrypted:
        channel = grpc.secure_channel(address, _credentials(security), options=options(address))
    else:
        channel = grpc.insecure_channel(address, options=options(address))
    token = token_reader(address, security)
    return channel if token is None else grpc.intercept_channel(channel, _WithToken(token))


def checked(address: str) -> str:
    """The address as gRPC wants it; raises `RequestError` when it is none."""
    if address.startswith("unix:") and len(address) > len("unix:"):
        return address
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise RequestError(
            f"server {address!r}: expected HOST:PORT or unix:PATH; for instance localhost:50250"
        )
    return address


def options(address: str) -> list[tuple[str, Any]]:
    """A proxy is for other machines: one that the environment names is not asked for this one."""
    return [*OPTIONS, ("grpc.enable_http_proxy", 0)] if _local(address) else list(OPTIONS)


def token_reader(address: str, security: Security) -> Callable[[], str] | None:
    """What gives the token at each call, so that a file that was changed counts; None without a token."""
    if security.token_file is None:
        return None
    if not security.encrypted and not _local(address):
        raise RequestError(
            f"token_file: the connection to {address} is not encrypted and others could read the token; "
            "give tls_ca as well"
        )
    path = Path(security.token_file)

    def read() -> str:
        words = _content(path, "token_file").split()
        if not words:
            raise RequestError(f"token_file: {path} is empty; write the token into it")
        return words[0].decode("ascii", "replace")

    read()
    return read


def _credentials(security: Security) -> grpc.ChannelCredentials:
    if bool(security.tls_cert) != bool(security.tls_key):
        raise RequestError("tls_cert and tls_key belong together; give both or none")
    ca = security.tls_ca
    return grpc.ssl_channel_credentials(
        None if ca in (None, "system") else _content(Path(ca), "tls_ca"),
        _content(Path(security.tls_key), "tls_key") if security.tls_key else None,
        _content(Path(security.tls_cert), "tls_cert") if security.tls_cert else None,
    )


def _content(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"{what}: {path} cannot be read ({error.strerror or error}); name another file"
        ) from None


def _local(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith(("127.", "unix"))


class _Details(NamedTuple):
    """The details of a call, as gRPC reads them back from an interceptor."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Shows the token at every call, streams included."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return continuation(self._shown(client_call_details), request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        return continuation(self._shown(client_call_details), request)

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return continuation(self._shown(client_call_details), request_iterator)

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return continuation(self._shown(client_call_details), request_iterator)

    def _shown(self, details: Any) -> Any:
        shown = ("authorization", f"Bearer {self._token()}")
        return _Details(
            details.method, details.timeout, [*(details.metadata or ()), shown],
            details.credentials, details.wait_for_ready, details.compression,
        )  # fmt: skip
