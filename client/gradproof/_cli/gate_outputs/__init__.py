"""The forms in which a run of the gate is written, one file for each; a form joins with a line in `WRITERS`.

Every form is made from the one record, `_gate/result.py`, and several are written from one run. What a form needs is
imported when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gradproof._cli.trouble import Mistake
from gradproof._gate.result import GateResult


class Form(Protocol):
    """The module of a form."""

    def write(self, result: GateResult, /) -> str:
        """A run as its text."""
        ...


@dataclass(frozen=True, slots=True)
class Writer:
    """One form, and what it is for."""

    form: str
    meaning: str
    evidence: bool = False
    """Whether it draws the numbers behind each verdict, which the checks must then bring along."""

    def write(self, result: GateResult) -> str:
        """A run as its text."""
        return _module(self.form).write(result)


WRITERS: Final = {
    writer.form: writer
    for writer in (
        Writer("text", "for people"),
        Writer("json", "for programs; its schema is gate.schema.json"),
        Writer("junit", "JUnit XML, for the test view of a CI service"),
        Writer("sarif", "SARIF 2.1.0, for code scanning"),
        Writer("github", "annotations that GitHub shows beside the lines"),
        Writer("markdown", "a summary for a job or a pull request"),
        Writer("html", "one offline page with every picture", evidence=True),
    )
}


def _module(form: str) -> Form:
    match form:
        case "text":
            from gradproof._cli.gate_outputs import text as module
        case "json":
            from gradproof._cli.gate_outputs import json as module
        case "junit":
            from gradproof._cli.gate_outputs import junit as module
        case "sarif":
            from gradproof._cli.gate_outputs import sarif as module
        case "github":
            from gradproof._cli.gate_outputs import github as module
        case "markdown":
            from gradproof._cli.gate_outputs import markdown as module
        case _:
            from gradproof._cli.gate_outputs import html as module
    return module


@dataclass(frozen=True, slots=True)
class Output:
    """One file to be written, and its form."""

    form: str
    file: Path


def read_outputs(texts: Sequence[str]) -> tuple[Output, ...]:
    """The outputs that were asked for as FORM=FILE; raises `Mistake` before anything was checked in vain."""
    found: list[Output] = []
    for given in texts:
        form, equals, file = given.partition("=")
        if not equals or form not in WRITERS or not file.strip():
            raise Mistake(
                f"--output {given}: expected FORM=FILE with a form of {', '.join(WRITERS)}, such as junit=gate.xml"
            )
        path = Path(file)
        if path.is_dir() or not path.parent.is_dir():
            raise Mistake(f"--output {given}: expected a file in a folder that exists")
        if path in (o.file for o in found):
            raise Mistake(
                f"--output {given}: {file} is written already; give each form its own file"
            )
        found.append(Output(form, path))
    return tuple(found)


def write_outputs(outputs: Sequence[Output], result: GateResult) -> None:
    """Write every output, each file whole or not at all."""
    for output in outputs:
        from gradproof._cli.asking import write_file

        write_file(output.file, WRITERS[output.form].write(result))
