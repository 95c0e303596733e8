"""JUnit XML, in the form that CI services read: a test case for each case, a failure or an error with its text."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradproof._cli.gate_outputs.told import details
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import Verdict

NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def write(result: GateResult) -> str:
    """The run as one test suite; a run that fails without a case has one that says why."""
    suite = Element("testsuite", name="gradproof")
    for case in result.cases:
        _case(suite, case)
    if result.trouble:
        made = SubElement(suite, "testcase", classname="gradproof", name="collection", time="0.000")
        _add(made, "error", "no case", result.trouble, result.trouble)
    counts = {tag: len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped")}
    numbers = {
        "tests": str(len(suite)), "failures": str(counts["failure"]), "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]), "time": f"{result.seconds:.3f}",
    }  # fmt: skip
    suite.attrib.update(numbers)
    suites = Element("testsuites", {"name": "gradproof", **numbers})
    suites.append(suite)
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _case(suite: Element, case: CaseResult) -> None:
    made = SubElement(
        suite, "testcase",
        classname=_clean(f"gradproof.{case.place.file or case.target}"), name=_clean(case.name), time=f"{case.seconds:.3f}",
    )  # fmt: skip
    if case.place:
        made.set("file", _clean(case.place.file))
        made.set("line", str(case.place.line))
    text = "\n".join([case.sentence, *details(case)])
    if case.verdict is Verdict.SKIPPED:
        SubElement(made, "skipped", message=_clean(case.sentence))
    elif case.verdict is Verdict.ERROR:
        _add(made, "error", str(case.verdict), case.sentence, text)
    elif not case.passed:
        _add(made, "failure", str(case.verdict), case.sentence, text)
    else:
        SubElement(made, "system-out").text = _clean(text)


def _add(made: Element, tag: str, kind: str, message: str, text: str) -> None:
    added = SubElement(made, tag, type=kind, message=_clean(message))
    added.text = _clean(text)


def _clean(text: str) -> str:
    return NOT_XML.sub("\ufffd", text)
