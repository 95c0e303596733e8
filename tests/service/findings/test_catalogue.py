"""The catalogue of findings keeps its promises: examples, names and pages."""

from __future__ import annotations

import re
from pathlib import Path

import gradproof_service
import pytest
from gradproof_service.arrays import Structure, type_of
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.findings.catalogue import (
    FINDINGS,
    explain,
    static_findings,
    tidy,
)
from gradproof_service.findings.example import findings_of, program_of
from gradproof_service.findings.page import page
from gradproof_service.findings.rule import Example, Rule
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.typing import type_program

RULES = list(FINDINGS.values())


def graph_of(example: Example) -> Graph:
    """The typed graph of an example."""
    program, point = program_of(example)
    types = [
        type_of(x.dtype, x.shape, example.structures.get(name, Structure.NONE))
        for name, x in zip(example.at, point, strict=True)
    ]
    graph, wrong = type_program(program, types)
    assert graph is not None, wrong
    return graph


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_the_failing_example_fails(rule: Rule) -> None:
    """The example of a finding has it, under its name, with its mend."""
    found = [f for f in findings_of(rule.fails) if f.code == rule.code]
    assert found
    for f in found:
        assert f.name == rule.name
        assert f.mend
        assert f.message[-1] != "."
        assert "  " not in f.message


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_the_mended_example_is_clean(rule: Rule) -> None:
    """The mended example does not have the finding any more, and no error instead."""
    found = findings_of(rule.mended)
    assert [f for f in found if f.code == rule.code] == []
    assert [f for f in found if f.severity is Severity.ERROR] == []


@pytest.mark.parametrize("rule", [r for r in RULES if r.look or r.survey], ids=lambda r: r.code)
def test_the_graph_alone_shows_it(rule: Rule) -> None:
    """What can be seen in a graph is seen without a point, as possible, and only where it is."""
    found = [f for f in static_findings(graph_of(rule.also or rule.fails)) if f.code == rule.code]
    assert found
    assert not any(f.confirmed for f in found)
    assert all(f.severity is not Severity.ERROR for f in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_a_record_is_complete(rule: Rule) -> None:
    """A record has a stable code and name, three sentences, and a way to be found."""
    assert re.fullmatch(r"GP\d{3}", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    for text in (rule.meaning, rule.why, rule.mend):
        assert re.fullmatch(r"\S.*\.", text)
    ways = (rule.look, rule.see, rule.survey, rule.witness, rule.read, rule.made_by or None)
    assert any(way is not None for way in ways)
    assert bool(rule.ops) == bool(rule.look or rule.see)
    assert rule.static or rule.at_point


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_a_page_says_everything(rule: Rule) -> None:
    """The page has the reason, the mend and both examples."""
    text = page(rule)
    for part in (rule.code, rule.name, rule.meaning, rule.why, rule.mend):
        assert part in text
    assert text.count("```python") == 2
    assert all(len(line) < 200 for line in text.splitlines())


def test_names_are_unique() -> None:
    """No two codes share a name, and covered codes exist."""
    assert len({r.name for r in RULES}) == len(RULES)
    assert {code for r in RULES for code in r.covers} <= set(FINDINGS)


def test_every_code_in_the_service_is_explained() -> None:
    """A code that any module makes has its record here."""
    root = Path(gradproof_service.__file__).parent
    used = {
        code
        for path in root.rglob("*.py")
        for code in re.findall(r'"(GP\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert used == set(FINDINGS)


@pytest.mark.parametrize("subject", ["GP102", "gp102", "sqrt-at-zero", " GP102 "])
def test_explain_takes_codes_and_names(subject: str) -> None:
    """A finding is explained by its code or its name."""
    assert explain(subject).code == "GP102"


def test_explain_names_the_nearest() -> None:
    """An unknown word is a fault that says what comes close."""
    with pytest.raises(Fault, match="did you mean 'sqrt-at-zero'") as caught:
        explain("sqrt-at-zer")
    assert caught.value.kind is FaultKind.NOT_FOUND


def test_tidy_prefers_what_was_seen() -> None:
    """The confirmed replaces the possible, the specific covers the general, the gravest come first."""

    def made(
        code: str, *, confirmed: bool = True, severity: Severity = Severity.WARNING
    ) -> Finding:
        return Finding(
            code, FINDINGS[code].name, severity, code, node="sqrt#1", confirmed=confirmed
        )

    possible, seen = made("GP103", confirmed=False, severity=Severity.INFO), made("GP103")
    general, other = made("GP102"), made("GP108", severity=Severity.ERROR)
    assert tidy([possible, general, seen, other]) == [other, seen]
