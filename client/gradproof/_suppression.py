"""Findings that the user's own source says are not wanted: `# gradproof: ignore[GP302]` on their line.

The lines are read from the files that a program names; the service is told the codes and the lines,
so that every road (check, lint, the static pass) leaves the same findings out and counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gradproof_proto.v1 import program_pb2

from gradproof._errors import RequestError
from gradproof._named_files import source_text

WORD: Final = "gradproof:"
DIRECTIVE: Final = re.compile(r"#\s*gradproof:\s*(?P<said>.*?)\s*(?:#.*)?$")
IGNORE: Final = re.compile(r"ignore(?:\[(?P<codes>[\w\s,-]+)\])?")
EVERY: Final = "GP"
"""The beginning of every code."""


def noted(program: program_pb2.Program) -> list[str]:
    """What the comments beside a program's nodes ask for, as `CODE@FILE:LINE`, in the order of the files.

    Raises `RequestError` for a comment that speaks to gradproof and cannot be read.
    """
    lines: dict[str, set[int]] = {}
    for place in program.locations:
        file = program.strings[place.file] if place.file < len(program.strings) else ""
        if place.line:
            last = max(place.line, place.end_line)
            lines.setdefault(file, set()).update(range(place.line, last + 1))
    return [spec for file, wanted in lines.items() for spec in _in_file(file, wanted)]


def _in_file(file: str, wanted: set[int]) -> Iterator[str]:
    text = source_text(file)
    for n, line in enumerate(text.splitlines() if WORD in text else (), 1):
        if n not in wanted or WORD not in line:
            continue
        found = DIRECTIVE.search(line)
        if found is None:
            continue
        asked = IGNORE.fullmatch(found["said"])
        if asked is None:
            raise RequestError(
                f"{file}:{n}: expected `# gradproof: ignore` or `# gradproof: ignore[GP302]`,"
                f" {found['said'][:40]!r} came",
                field_path="suppress",
            )
        codes = (asked["codes"] or EVERY).split(",")
        yield from (f"{code.strip()}@{file}:{n}" for code in codes if code.strip())
