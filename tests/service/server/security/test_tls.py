"""Certificates: which are refused at the start, and what happens when they change: abuse 22."""

from __future__ import annotations

import shutil
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from gradproof import connect
from gradproof_service.server.security.files import SecretError
from gradproof_service.server.security.tls import Certificates
from gradproof_service.server.settings.configuration import Configuration, Tls

from tests.service.server.harness import ServerThread
from tests.service.server.security.certificates import Authority, Pair


def section(pair: Pair, **more: Any) -> Tls:
    """The settings that name a pair."""
    return Tls(certificate=str(pair.certificate), key=str(pair.key), **more)


def test_what_cannot_serve_is_said(tmp_path: Path) -> None:
    """Expired, unreadable, no pair, half a pair, a key for everyone: one sentence each."""
    authority = Authority(tmp_path)
    good, expired = authority.sign("good"), authority.sign("expired", days=-1)
    Certificates(section(good))
    with pytest.raises(SecretError, match=r"the certificate expired on .* renew it"):
        Certificates(section(expired))
    with pytest.raises(SecretError, match="cannot be read"):
        Certificates(section(Pair(tmp_path / "none", good.key)))
    with pytest.raises(SecretError, match="not the private key"):
        Certificates(section(Pair(good.certificate, expired.key)))
    with pytest.raises(SecretError, match=r"tls.key: it is not set"):
        Certificates(Tls(certificate=str(good.certificate)))
    with pytest.raises(SecretError, match=r"tls.client_ca: .* set tls.certificate and tls.key too"):
        Certificates(Tls(client_ca=str(authority.path)))
    with pytest.raises(SecretError, match=r"tls.client_names: .* set tls.client_ca too"):
        Certificates(section(good, client_names=("ci",)))
    with pytest.raises(SecretError, match="expected a certificate in PEM"):
        Certificates(section(Pair(good.key, good.key)))
    with pytest.raises(SecretError, match="client authority cannot be read"):
        Certificates(section(good, client_ca=str(tmp_path / "none")))
    good.key.chmod(0o644)
    with pytest.raises(SecretError, match="anyone on this machine can read the private key"):
        Certificates(section(good))


def serial(address: str) -> int:
    """The serial number of the certificate that is served there."""
    from cryptography import x509

    host, _, port = address.rpartition(":")
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate((host, int(port)), timeout=10).encode()
    ).serial_number


def test_a_rotated_certificate_is_served_and_no_call_fails(tmp_path: Path) -> None:
    """22: under load the pair is replaced again and again: new connections see the new one, 0 calls fail."""
    authority = Authority(tmp_path)
    live = authority.sign("live")
    failed: list[BaseException] = []
    asked = 0
    stop = threading.Event()
    with ServerThread(configuration=Configuration(tls=section(live))) as running:

        def ask() -> None:
            nonlocal asked
            while not stop.is_set():
                try:
                    with connect(
                        running.address, tls_ca=authority.path, connect_timeout_s=20
                    ) as client:
                        for _ in range(5):
                            assert client.evaluate("x**2", at=3.0) == 9.0
                            asked += 1
                except BaseException as error:  # noqa: BLE001 counted
                    failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        seen = {serial(running.address)}
        for k in range(6):
            replace(live, authority.sign(f"next{k}"))
            seen.add(serial(running.address))
        stop.set()
        for thread in threads:
            thread.join()
        replace(live, authority.sign("old", days=-1))
        assert serial(running.address) in seen
    assert not failed
    assert asked > 10
    assert len(seen) == 7


def replace(live: Pair, new: Pair) -> None:
    """Put a new pair in place of the old one; the key first, as a half-written pair would have it."""
    for now, then in ((new.key, live.key), (new.certificate, live.certificate)):
        waiting = then.with_suffix(".new")
        shutil.copy(now, waiting)
        waiting.chmod(0o600)
        waiting.replace(then)
