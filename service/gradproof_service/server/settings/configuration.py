"""Every setting of a service with its default and its meaning; sections are the tables of the file."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, cast

from gradproof_service.graph.limits import Limits, limit_rows

Value = str | int | float | bool | tuple[str, ...]
LIMITS: Final = "limits"
NO_MOST: Final = 1 << 62


def _setting(default: Value, meaning: str, *, least: float = 0, most: float = NO_MOST) -> Any:
    return field(default=default, metadata={"meaning": meaning, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the service is."""

    address: str = _setting(
        "", "unix:PATH or HOST:PORT; empty: a socket of the user's own, else a port on loopback"
    )
    insecure: bool = _setting(False, "serve beyond this machine without encryption")


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption, and certificates of clients. The files are read again when they change."""

    certificate: str = _setting("", "file with the certificate chain in PEM; with key: serve TLS")
    key: str = _setting("", "file with the private key in PEM")
    client_ca: str = _setting(
        "", "file with the authorities whose clients may call; others may not"
    )
    client_names: tuple[str, ...] = _setting(
        (),
        "names of clients that may call, as in their certificates; empty: all that client_ca signed",
    )


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may call."""

    token_file: str = _setting(
        "",
        "file with one bearer token a line, `TOKEN [until=YYYY-MM-DD]`; empty: no token is asked for",
    )


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that compute."""

    count: int = _setting(0, "processes at work at once; 0: one for each processor", most=1024)
    recycle_tasks: int = _setting(2000, "tasks after which a process is replaced", least=1)
    recycle_bytes: int = _setting(
        2 << 30, "resident bytes above which a process is replaced after its task", least=1 << 20
    )
    cross_check: float = _setting(
        0.0, "share of calls computed by two processes, whose answers must be equal", most=1
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """Running the service."""

    health_address: str = _setting(
        "", "HOST:PORT that answers health questions and nothing else, in plain text, for probes"
    )
    metrics_address: str = _setting("", "HOST:PORT for Prometheus, in plain text; empty: none")
    reflection: bool = _setting(True, "describe the services to those who may call them")
    log_format: str = _setting("text", "text or json")
    log_calls: bool = _setting(False, "a line in the log for each call that ends well, too")
    drain_s: float = _setting(
        0.0, "seconds between saying that no more is served and refusing new calls", most=3600
    )
    grace_s: float = _setting(10.0, "seconds that open calls have when told to stop", most=3600)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration."""

    listen: Listen = field(default_factory=Listen)
    tls: Tls = field(default_factory=Tls)
    auth: Auth = field(default_factory=Auth)
    workers: Workers = field(default_factory=Workers)
    operation: Operation = field(default_factory=Operation)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, named `section.name`."""

    section: str
    name: str
    default: Value
    meaning: str
    least: float
    most: float

    @property
    def path(self) -> str:
        """The setting's whole name."""
        return f"{self.section}.{self.name}"


def _rows() -> tuple[Row, ...]:
    found: list[Row] = []
    for section in fields(Configuration):
        if section.name == LIMITS:
            continue
        assert section.default_factory is not MISSING
        for entry in fields(cast(Any, section.default_factory)):
            meta = entry.metadata
            found.append(
                Row(
                    section.name, entry.name, cast(Value, entry.default),
                    str(meta["meaning"]), float(meta["least"]), float(meta["most"]),
                )
            )  # fmt: skip
    for row in limit_rows():
        meaning = f"{row.unit}; protects {row.protects}"
        found.append(Row(LIMITS, row.name, row.default, meaning, 1, row.most))
    return tuple(found)


ROWS: Final = {row.path: row for row in _rows()}
"""The table of all settings."""
SECTIONS: Final[dict[str, type[Any]]] = {
    section.name: cast(Any, section.default_factory) for section in fields(Configuration)
}


def limits_page() -> list[str]:
    """The limits as lines of text: name, default, unit, what each protects."""
    rows = limit_rows()
    wide = max(len(row.name) for row in rows)
    return [
        f"{row.name.ljust(wide)} {_short(row.default):>7} {row.unit}: {row.protects}"
        for row in rows
    ]


def _short(number: int) -> str:
    """A number as people write it: 512Mi when it is round to the base of two, 1e+13 when it is large, else with commas."""
    for power, letter in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
        if 1 << power <= number < 10_000 << power and number % (1 << power) == 0:
            return f"{number >> power}{letter}"
    return f"{number:,}" if number < 10**7 else f"{number:.0e}"
