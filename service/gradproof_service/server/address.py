"""Where the service listens: a unix socket, or a port on loopback; elsewhere only when it is asked for aloud."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 50250
SOCKET_NAME: Final = "gradproof.sock"
LONGEST_PATH: Final = 100
"""Bytes of a socket's path: the least that systems allow, less a little."""


class AddressError(Exception):
    """An address that cannot be served on; the text is one sentence. `usage`: the caller's mistake."""

    def __init__(self, message: str, *, usage: bool) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Address:
    """A unix socket's path, or a host and a port (0: any free one)."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def default_address() -> str:
    """A socket in the user's runtime directory when there is one, else a port on loopback."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return f"unix:{Path(runtime) / SOCKET_NAME}"
    return f"127.0.0.1:{DEFAULT_PORT}"


def parse_address(text: str, *, insecure: bool = False) -> Address:
    """The address in `unix:PATH`, `HOST:PORT` or `[HOST]:PORT`; raises `AddressError`."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or len(os.fsencode(path)) > LONGEST_PATH:
            raise AddressError(
                f"address {text!r}: expected a path of 1 to {LONGEST_PATH} bytes; choose a shorter one",
                usage=True,
            )
        return Address(path=str(Path(path).absolute()))
    host, colon, digits = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not digits.isascii() or not digits.isdigit() or int(digits) > 65535:
        raise AddressError(
            f"address {text!r}: expected unix:PATH or HOST:PORT; for instance 127.0.0.1:{DEFAULT_PORT}",
            usage=True,
        )
    if not insecure and not is_loopback(host):
        raise AddressError(
            f"address {text!r}: {host} can be reached from other machines and the connection is not "
            "encrypted; serve on 127.0.0.1, or pass --insecure when the network is yours",
            usage=True,
        )
    return Address(host=host, port=int(digits))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_free(address: Address) -> None:
    """Removes the socket of a service that is gone; raises `AddressError` when the address is taken."""
    if address.path:
        _check_path(address)
    elif address.port:
        _check_port(address)


def _check_path(address: Address) -> None:
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        if not Path(address.path).parent.is_dir():
            raise AddressError(
                f"{address}: its folder does not exist; make it or choose another path", usage=False
            ) from None
        return
    if not stat.S_ISSOCK(mode):
        raise AddressError(
            f"{address}: a file that is no socket stands there; choose another path", usage=False
        )
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            Path(address.path).unlink(missing_ok=True)
            return
        except OSError as error:
            raise AddressError(
                f"{address}: the socket there cannot be used ({error.strerror}); choose another path",
                usage=False,
            ) from None
    raise _taken(address)


def _check_port(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _taken(address) from None
            raise AddressError(
                f"{address}: it cannot be served on ({error.strerror or error}); choose another address",
                usage=False,
            ) from None


def _taken(address: Address) -> AddressError:
    return AddressError(
        f"{address}: another process serves there already; stop it or choose another address",
        usage=False,
    )
