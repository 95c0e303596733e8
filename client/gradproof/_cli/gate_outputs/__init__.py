"""The forms in which a run of the gate is written, one file for each; a form joins with a line in `WRITERS`.

Every form is made from the one record, `_gate/result.py`, and several are written from one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._cli.asking import write_file
from gradproof._cli.gate_outputs import github, html, json, junit, markdown, sarif, text
from gradproof._cli.trouble import Mistake
from gradproof._gate.result import GateResult


@dataclass(frozen=True, slots=True)
class Writer:
    """One form: what it is for, and how a run becomes its text."""

    meaning: str
    write: Callable[[GateResult], str]
    evidence: bool = False
    """Whether it draws the numbers behind each verdict, which the checks must then bring along."""


WRITERS: Final = {
    "text": Writer("for people", text.write),
    "json": Writer("for programs; its schema is gate.schema.json", json.write),
    "junit": Writer("JUnit XML, for the test view of a CI service", junit.write),
    "sarif": Writer("SARIF 2.1.0, for code scanning", sarif.write),
    "github": Writer("annotations that GitHub shows beside the lines", github.write),
    "markdown": Writer("a summary for a job or a pull request", markdown.write),
    "html": Writer("one offline page with every picture", html.write, evidence=True),
}


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
        write_file(output.file, WRITERS[output.form].write(result))
