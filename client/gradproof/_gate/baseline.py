"""Baselines: what was measured and accepted, one committed text file for each case.

The text is TOML with hexadecimal floats, its order is fixed, and it carries a digest of all the rest, so that an edit
by hand is seen. It is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gradproof._errors import RequestError
from gradproof._named_files import open_beneath

if TYPE_CHECKING:
    from gradproof._gate.arrays import Held

FORMAT: Final = 1
SUFFIX: Final = ".toml"
HEAD: Final = (
    "# The baseline of a gradproof case. `gradproof gate review` and `gradproof gate accept` write it;\n"
    "# an edit by hand is caught. After a merge conflict take either side and accept the case again.\n"
)
LIMIT_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Quantity:
    """One array that was measured: "value", "reference" or "claim"; `noise` is what rounding alone may move, absolute."""

    name: str
    kind: str
    held: Held
    noise: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at one point: the point, the graph's digest, the arrays, and digits by pair of sources."""

    at: Mapping[str, Held]
    program: str
    quantities: tuple[Quantity, ...]
    digits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was measured of a case when a person accepted it, and why."""

    case: str
    target: str
    claim: str
    verdict: str
    profile: str
    versions: Mapping[str, str]
    points: tuple[Measured, ...]
    reason: str = ""

    def text(self) -> str:
        """The file's text; equal baselines have equal text."""
        body = _body(self)
        return f'{HEAD}digest = "{_digest(body)}"\n{body}'

    def accepted(self, reason: str) -> Baseline:
        """The baseline with the reason for which it was accepted."""
        return replace(self, reason=reason)


def file_name(case: str) -> str:
    """The file of a case: its name, made fit for a file system and still distinct."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", case).strip("-.") or "case"
    if plain == case and len(case) <= 100:
        return f"{case}{SUFFIX}"
    return f"{plain[:80]}-{hashlib.sha256(case.encode()).hexdigest()[:8]}{SUFFIX}"


def read(path: Path) -> tuple[Baseline, str]:
    """A baseline and its text; raises `RequestError` when it is unreadable or was edited by hand."""
    try:
        text = _text(path)
        return parse(text, path.name), text
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{path.name}: the baseline cannot be read, {error}; accept the case again"
        ) from error


def parse(text: str, called: str) -> Baseline:
    """The baseline of a text; raises `RequestError` naming `called`."""
    if "<<<<<<< " in text:
        raise RequestError(
            f"{called}: the baseline holds a merge conflict; take either side and accept the case again"
        )
    found = re.match(r'(?:#[^\n]*\n)*digest = "([0-9a-f]*)"\n', text)
    if found is None or _digest(text[found.end() :]) != found[1]:
        raise RequestError(
            f"{called}: the baseline was changed by hand, its digest does not fit; take it back from version control,"
            " or accept the case again"
        )
    try:
        given = tomllib.loads(text)
        if given["format"] != FORMAT:
            raise RequestError(
                f"{called}: expected a baseline of format {FORMAT}, {given['format']} came; it needs another release"
            )
        return Baseline(
            given["case"], given["target"], given["claim"], given["verdict"], given["profile"],
            given["versions"], tuple(map(_measured, given.get("points", ()))), given["reason"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(
            f"{called}: the baseline cannot be read, {error!r}; accept the case again"
        ) from error


def committed(folder: Path | None) -> dict[str, Path]:
    """The file of every baseline in the folder by the name of its case, sorted; an unreadable one by its stem."""
    found: dict[str, Path] = {}
    if folder is None or not folder.is_dir():
        return found
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            named = re.search(r"^case = (\".*\")$", _text(path), re.MULTILINE)
            found[str(json.loads(named[1])) if named else path.stem] = path
        except (OSError, ValueError):
            found[path.stem] = path
    return found


def _text(path: Path) -> str:
    with open_beneath(path.parent, path.name, LIMIT_BYTES) as file:
        return file.read().decode("utf-8")


def _measured(given: Mapping[str, Any]) -> Measured:
    from gradproof._gate.arrays import Held  # with numpy behind it: only where numbers are read

    return Measured(
        {name: Held.from_plain(held) for name, held in given.get("at", {}).items()},
        given["program"],
        tuple(
            Quantity(q["name"], q["kind"], Held.from_plain(q), float.fromhex(q["noise"]))
            for q in given.get("quantities", ())
        ),
        {str(k): float(v) for k, v in given.get("digits", {}).items()},
    )


def _body(baseline: Baseline) -> str:
    lines = [f"format = {FORMAT}"]
    lines += [
        f"{name} = {quoted(getattr(baseline, name))}"
        for name in ("case", "target", "claim", "verdict", "profile", "reason")
    ]
    lines += [
        "",
        "[versions]",
        *(f"{k} = {quoted(v)}" for k, v in sorted(baseline.versions.items())),
    ]
    for point in baseline.points:
        lines += ["", "[[points]]", f"program = {quoted(point.program)}"]
        for name, held in point.at.items():
            lines += ["", f"[points.at.{quoted(name)}]", *_table(held.plain())]
        for q in point.quantities:
            lines += [
                "",
                "[[points.quantities]]",
                f"name = {quoted(q.name)}",
                f"kind = {quoted(q.kind)}",
            ]
            lines += [*_table(q.held.plain()), f"noise = {quoted(q.noise.hex())}"]
        if point.digits:
            lines += ["", "[points.digits]"]
            lines += [f"{quoted(pair)} = {digits:.1f}" for pair, digits in point.digits.items()]
    return "\n".join(lines) + "\n"


def _table(plain: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, value in plain.items():
        if isinstance(value, str):
            lines.append(f"{key} = {quoted(value)}")
        elif key == "shape":
            lines.append(f"{key} = {json.dumps(value)}")
        else:  # an entry a line, so that two changes meet only where they are the same
            lines += [f"{key} = [", *(f"  {quoted(v)}," for v in value), "]"]
    return lines


def quoted(text: str) -> str:
    """Text as a basic string of TOML: what JSON escapes, and the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
