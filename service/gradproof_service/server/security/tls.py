"""Encryption: the service's certificate, read again when it changes, and the authorities of its clients."""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from pathlib import Path
from typing import Any, Final

import grpc

from gradproof_service.server.security.files import SecretError, read_file, stamp
from gradproof_service.server.settings.configuration import Tls

_log: Final = logging.getLogger("gradproof.tls")
Pair = tuple[bytes, bytes]


class Certificates:
    """The files of a `Tls` section. `credentials` are what a server port takes."""

    def __init__(self, section: Tls) -> None:
        """Raises `SecretError` when the files cannot be used: unreadable, expired, no pair, or not enough of them."""
        if section.client_names and not section.client_ca:
            raise SecretError(
                "tls.client_names: names are taken from certificates that an authority signed; "
                "set tls.client_ca too"
            )
        if bool(section.certificate) != bool(section.key):
            missing = "key" if section.certificate else "certificate"
            raise SecretError(
                f"tls.{missing}: it is not set, and the other half of the pair is; set both"
            )
        if not section.certificate:
            raise SecretError(
                "tls.client_ca: clients show certificates only over an encrypted connection; "
                "set tls.certificate and tls.key too"
            )
        self._certificate, self._key = Path(section.certificate), Path(section.key)
        self._client_ca = Path(section.client_ca) if section.client_ca else None
        self._paths = [self._certificate, self._key, *filter(None, [self._client_ca])]
        self._stamp = stamp(*self._paths)
        self._pair, self._authorities = self._read()

    @property
    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files: a changed pair serves the next handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._fetch, self._client_ca is not None
        )

    def _configuration(self) -> Any:
        certificate, key = self._pair
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=self._authorities
        )

    def _fetch(self) -> Any:
        """The configuration when it changed, else None; files that became unusable leave the old ones in force."""
        now = stamp(*self._paths)
        if now == self._stamp:
            return None
        self._stamp = now
        try:
            self._pair, self._authorities = self._read()
        except SecretError as error:
            _log.error("the certificate in use stays: %s", error)
            return None
        _log.info("the certificate was read again")
        return self._configuration()

    def _read(self) -> tuple[Pair, bytes | None]:
        certificate = read_file(self._certificate, "certificate")
        key = read_file(self._key, "private key", private=True)
        authorities = None
        if self._client_ca is not None:
            authorities = read_file(self._client_ca, "client authority")
            _check_dates(self._client_ca, authorities)
        _check_dates(self._certificate, certificate)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._certificate, self._key, password=_no_password
            )
        except (ssl.SSLError, ValueError, OSError):
            raise SecretError(
                f"{self._key}: it is not the private key of {self._certificate}, or has a password; "
                "name the pair that belongs together"
            ) from None
        return (certificate, key), authorities


def _no_password() -> str:
    raise ValueError("a key with a password")


def _check_dates(path: Path, content: bytes) -> None:
    """Raises `SecretError` when the first certificate in the file is none, or today is not among its days."""
    try:
        from cryptography import x509
    except ImportError:
        raise SecretError(
            "tls: certificates are read with the cryptography library, which is not installed; "
            "install gradproof[serve]"
        ) from None
    try:
        first = x509.load_pem_x509_certificates(content)[0]
    except ValueError:
        raise SecretError(f"{path}: expected a certificate in PEM, none is in it") from None
    now = dt.datetime.now(dt.UTC)
    if now > first.not_valid_after_utc:
        raise SecretError(
            f"{path}: the certificate expired on {first.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew it"
        )
    if now < first.not_valid_before_utc:
        raise SecretError(
            f"{path}: the certificate holds from {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on; "
            "look at the clock, or use another one"
        )
