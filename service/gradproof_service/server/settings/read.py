"""From a file, the environment and the command line to a configuration; a mistake is one sentence that says where."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gradproof_service.server.settings.configuration import (
    NO_MOST,
    ROWS,
    SECTIONS,
    Configuration,
    Row,
    Value,
)

PREFIX: Final = "GRADPROOF_SERVE_"
"""Of the environment: `GRADPROOF_SERVE_LIMITS_NODES` is `limits.nodes`."""
LARGEST_FILE: Final = 1 << 20
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class ConfigurationError(Exception):
    """A configuration that cannot be used; the text is one sentence."""


def read_configuration(
    file: Path | None, environment: Mapping[str, str], said: Sequence[tuple[str, str, str]] = ()
) -> Configuration:
    """The configuration: the command line before the environment, before the file, before the defaults.

    `said` are (where, setting, text) of the command line. Raises `ConfigurationError`.
    """
    values: dict[str, Value] = {}
    if file is not None:
        values |= _of_file(file)
    for name in sorted(environment):
        if name.startswith(PREFIX):
            row = _row(name, _of_variable(name))
            values[row.path] = _of_text(name, row, environment[name])
    for where, path, text in said:
        row = _row(where, path)
        values[row.path] = _of_text(where, row, text)
    parts = {
        section: kind(**{r.name: values[r.path] for r in ROWS.values() if r.section == section and r.path in values})
        for section, kind in SECTIONS.items()
    }  # fmt: skip
    return Configuration(**parts)


def _of_file(file: Path) -> dict[str, Value]:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigurationError(f"{file}: expected a configuration, it is larger than 1 MiB")
        read: dict[str, Any] = tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigurationError(
            f"{file}: it cannot be read ({error.strerror or error}); name another file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: it is no TOML ({error}); mend it") from None
    values: dict[str, Value] = {}
    for section, entries in read.items():
        if section not in SECTIONS:
            raise ConfigurationError(f"{file}: {_unknown(section, SECTIONS, 'section')}")
        if not isinstance(entries, dict):
            raise ConfigurationError(
                f"{file}: {section} is a section, write [{section}] and its settings under it"
            )
        for name, value in entries.items():
            row = _row(str(file), f"{section}.{name}")
            values[row.path] = _checked(str(file), row, value)
    return values


def _of_variable(name: str) -> str:
    words = name.removeprefix(PREFIX).lower()
    section = next((s for s in SECTIONS if words.startswith(f"{s}_")), "")
    return f"{section}.{words.removeprefix(f'{section}_')}" if section else words


def _row(where: str, path: str) -> Row:
    row = ROWS.get(path)
    if row is None:
        raise ConfigurationError(f"{where}: {_unknown(path, ROWS, 'setting')}")
    return row


def _unknown(name: str, known: Mapping[str, object], what: str) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.0)
    return f"there is no {what} {name!r}; the nearest is {near[0]!r}"


def _of_text(where: str, row: Row, text: str) -> Value:
    """A value of the environment or the command line, in the form of the setting's default."""
    text = text.strip()
    value: object = text
    if isinstance(row.default, bool):
        value = _WORDS.get(text.lower(), text)
    elif isinstance(row.default, int):
        value = int(text) if text.lstrip("-").isdigit() else text
    elif isinstance(row.default, float):
        try:
            value = float(text)
        except ValueError:
            value = text
    elif isinstance(row.default, tuple):
        value = [part.strip() for part in text.split(",") if part.strip()]
    return _checked(where, row, value)


def _checked(where: str, row: Row, value: object) -> Value:
    """The value when it fits its setting. A value that may be a secret is never shown."""
    default = row.default
    match default, value:
        case bool(), bool():
            return value
        case str(), str():
            if row.path == "operation.log_format" and value not in ("text", "json"):
                raise ConfigurationError(
                    f"{where}: {row.path}: expected text or json, {value!r} came"
                )
            return value
        case tuple(), list():
            if all(isinstance(part, str) for part in value):
                return tuple(map(str, value))
        case ((int() | float()), (int() | float())) if not isinstance(
            default, bool
        ) and not isinstance(value, bool):
            whole = isinstance(default, int)
            if whole and isinstance(value, float):
                pass
            elif row.least <= value <= row.most:
                return value if whole else float(value)
            else:
                top = f" to {row.most:,.0f}" if row.most < NO_MOST else " or more"
                raise ConfigurationError(
                    f"{where}: {row.path}: expected {row.least:g}{top}, {value} came"
                )
        case _:
            pass
    raise ConfigurationError(f"{where}: {row.path}: expected {_form(default)}, {_came(value)} came")


def _form(default: Value) -> str:
    match default:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case _:
            return "a list of texts"


def _came(value: object) -> str:
    """What came, in words; numbers as they are, texts never."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value}"
        case str():
            return "other text"
        case list():
            return "a list of something else"
        case _:
            return "something else"
