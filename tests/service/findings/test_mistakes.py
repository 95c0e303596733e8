"""The pages of causes: every code that a report can name is explained, with a claim that makes it."""

from __future__ import annotations

import re

import pytest
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_service.checking.causes import NAMES
from gradproof_service.findings.example import findings_of
from gradproof_service.findings.mistakes import MISTAKES, Mistake, mistake_page
from gradproof_service.server.catalogue import explain


def test_every_cause_has_its_page() -> None:
    """The codes that the search names and those that are explained are the same, in order."""
    assert [m.code for m in MISTAKES] == sorted(NAMES)
    assert len({m.name for m in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.code)
def test_the_example_has_the_cause(mistake: Mistake) -> None:
    """The claim of a page is wrong, and its cause is the one that the page explains."""
    if mistake.example is None:
        assert mistake.code == "F08"  # at a kink no claim between the slopes is called wrong
        return
    told = [f.cause for f in findings_of(mistake.example) if f.code == "GP800"]
    assert [cause[:3] for cause in told] == [mistake.code]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.code)
def test_a_page_says_everything(mistake: Mistake) -> None:
    """Code, name, meaning, slip and mend are on the page, in lines that fit a terminal's paragraph."""
    text = mistake_page(mistake)
    for part in (mistake.code, mistake.name, mistake.meaning, mistake.slip, mistake.mend):
        assert re.fullmatch(r"\S.*", part)
        assert part in text
    assert all(len(line) < 200 for line in text.splitlines())


@pytest.mark.parametrize("subject", ["F05", "f05", "missing-path", " F05 "])
def test_a_cause_is_explained_by_code_and_name(subject: str) -> None:
    """`explain` takes causes like findings."""
    answer = explain(cat.ExplainRequest(subject=subject))
    assert answer.finding.code == "F05"
    assert answer.markdown.startswith("# F05 missing-path")


def test_a_cause_that_does_not_exist_names_the_nearest() -> None:
    """A slip of the pen is answered with codes that exist."""
    answer = explain(cat.ExplainRequest(subject="missing-paths"))
    assert answer.WhichOneof("description") is None
    assert "`missing-path`" in answer.markdown
