"""Who is admitted: abuse 18. Every method, whatever its form, behind one guard."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from gradproof import AccessError, RequestError, connect
from gradproof_service.server.security.files import SecretError
from gradproof_service.server.security.tokens import Tokens
from gradproof_service.server.settings.configuration import Auth, Configuration, Operation, Tls
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.service.server.harness import ServerThread
from tests.service.server.security.certificates import Authority

TOKEN = "correct-horse-battery-staple"
OLD = "a-token-of-last-year-0123456789"


def token_file(folder: Path, text: str = "", mode: int = 0o600) -> Path:
    """A file with these tokens."""
    path = folder / "tokens"
    path.touch(mode=0o600)
    path.write_text(text or f"# those who may call\n{TOKEN}\n{OLD} until=2020-01-31\n")
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """A server that asks for a token."""
    path = token_file(tmp_path_factory.mktemp("tokens"))
    configuration = Configuration(
        auth=Auth(token_file=str(path)),
        operation=Operation(health_address="127.0.0.1:0", log_calls=True),
    )
    with ServerThread(configuration=configuration) as running:
        yield running


def methods(server: ServerThread, *metadata: tuple[str, str]) -> list[tuple[str, Any]]:
    """Every method that reflection knows, and its descriptor."""
    with grpc.intercept_channel(grpc.insecure_channel(server.address), _Shown(metadata)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        found = []
        for service in database.get_services():
            from google.protobuf.descriptor_pool import DescriptorPool

            described = DescriptorPool(database).FindServiceByName(service)
            found += [(f"/{service}/{m.name}", m) for m in described.methods]
        return found


class _Shown(grpc.StreamStreamClientInterceptor):
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=self._metadata), requests)


def call(server: ServerThread, method: str, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    """The status of an empty call, as a stream in both directions, which fits every form."""
    with grpc.insecure_channel(server.address) as channel:
        try:
            stream = channel.stream_stream(method)(iter([b""]), metadata=metadata, timeout=10)
            next(stream, None)
            stream.cancel()
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


REFUSED: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "unknown": [("authorization", "Bearer not-a-token-of-this-service")],
    "expired": [("authorization", f"Bearer {OLD}")],
    "no scheme": [("authorization", TOKEN)],
    "other scheme": [("authorization", f"Basic {TOKEN}")],
    "twice": [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")],
    "another header": [("x-authorization", f"Bearer {TOKEN}")],
    "empty": [("authorization", "Bearer ")],
    "the comment": [("authorization", "Bearer #")],
}
ADMITTED = [("authorization", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("why", REFUSED)
def test_no_method_is_open(why: str, server: ServerThread) -> None:
    """No method that reflection lists, and no name like one, answers without a token that holds."""
    known = methods(server, ("authorization", f"Bearer {TOKEN}"))
    assert len(known) >= 14
    assert {"Check", "Watch", "ServerReflectionInfo", "PutBlob"} <= {m.name for _, m in known}
    names = [name for name, _ in known]
    tricks = [names[0].lower(), names[0].upper(), f"/{names[0]}", f"{names[0]}/", "/", "/a/b"]
    for method in [*names, *tricks]:
        assert call(server, method, REFUSED[why]) is grpc.StatusCode.UNAUTHENTICATED, method


def test_who_has_a_token_is_admitted(server: ServerThread) -> None:
    """With the token every method answers in its own way; what there is not is said so."""
    for method, _ in methods(server, ADMITTED[0]):
        assert call(server, method, ADMITTED) is not grpc.StatusCode.UNAUTHENTICATED, method
    assert call(server, "/a/b", ADMITTED) is grpc.StatusCode.UNIMPLEMENTED


def test_the_port_for_probes_knows_health_and_nothing_else(server: ServerThread) -> None:
    """Probes need no token on their own port, and find nothing else there."""
    with grpc.insecure_channel(str(server.server.health_address)) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=10
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflected = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        for method in ("/gradproof.v1.DerivativeService/Check", reflected):
            with pytest.raises(grpc.RpcError) as caught:
                list(channel.stream_stream(method)(iter([b""]), timeout=10))
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_client_shows_its_token(
    server: ServerThread, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK with a token file is served, without one it is told in one sentence; no token is ever in the log."""
    caplog.set_level("DEBUG")
    given = tmp_path / "token"
    given.write_text(f"{TOKEN}\n")
    with connect(server.address, token_file=given) as client:
        assert client.evaluate("x**2", at=3.0) == 9.0
    with pytest.raises(AccessError, match="asks for a token"):
        connect(server.address)
    given.write_text("wrong-token-0123456789\n")
    with pytest.raises(AccessError, match="unknown or no longer holds"):
        connect(server.address, token_file=given)
    with pytest.raises(RequestError, match="not encrypted"):
        connect("example.org:50250", token_file=given)
    assert "UNAUTHENTICATED" in {getattr(r, "code", "") for r in caplog.records}
    for secret in (TOKEN, "wrong-token-0123456789"):
        assert all(secret not in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("", 0o604, "anyone on this machine can read"),
        ("# nothing\n", 0o600, "holds no token"),
        ("short\n", 0o600, "line 1: the token has 5 characters"),
        (f"{TOKEN} until=tomorrow\n", 0o600, "line 1: expected nothing or until="),
        (f"{TOKEN}\n{OLD} and more\n", 0o600, "line 2: expected nothing or until="),
    ],
)
def test_a_token_file_that_cannot_be_trusted_is_refused(
    text: str, mode: int, words: str, tmp_path: Path
) -> None:
    """One sentence with the place, and no token in it."""
    with pytest.raises(SecretError, match=words) as caught:
        Tokens(token_file(tmp_path, text, mode))
    assert TOKEN not in str(caught.value)
    assert "short" not in str(caught.value)
    with pytest.raises(SecretError, match="cannot be read"):
        Tokens(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="no plain file"):
        Tokens(tmp_path / "pipe")


def test_tokens_follow_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was taken out holds no longer; a file that became unusable leaves the old ones in force."""
    from gradproof_service.server.security import tokens as module

    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.0)
    path = token_file(tmp_path)
    tokens = Tokens(path)
    assert tokens.admits(TOKEN)
    assert not tokens.admits(OLD)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    path.write_text(f"another-token-0123456789 until={today}\n")
    assert not tokens.admits(TOKEN)
    assert tokens.admits("another-token-0123456789")
    path.write_text("x\n")
    assert tokens.admits("another-token-0123456789")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs for the service and its clients."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_only_certificates_with_the_right_name_are_admitted(
    authority: Authority, tmp_path: Path
) -> None:
    """18: no certificate, that of a stranger, or one with another name: none of them calls."""
    own, good, other = (authority.sign(name) for name in ("service", "ci", "intern"))
    stranger = Authority(tmp_path, "stranger").sign("ci")
    tls = Tls(
        certificate=str(own.certificate), key=str(own.key), client_ca=str(authority.path), client_names=("ci",)
    )  # fmt: skip
    with ServerThread(configuration=Configuration(tls=tls)) as running:
        with connect(
            running.address, tls_ca=authority.path, tls_cert=good.certificate, tls_key=good.key
        ) as client:
            assert client.evaluate("x**2", at=3.0) == 9.0
        with pytest.raises(AccessError, match="not among those that may call"):
            connect(
                running.address,
                tls_ca=authority.path,
                tls_cert=other.certificate,
                tls_key=other.key,
            )
        for shown in ({}, {"tls_cert": stranger.certificate, "tls_key": stranger.key}):
            with pytest.raises(Exception, match="no gradproof service answers"):
                connect(running.address, tls_ca=authority.path, connect_timeout_s=3, **shown)
        with pytest.raises(Exception, match="no gradproof service answers"):
            connect(running.address, connect_timeout_s=1)
