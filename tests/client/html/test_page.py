"""Pages of real checks: one file, nothing fetched, every word of a stranger escaped."""

from __future__ import annotations

import re
from pathlib import Path

import gradproof as gp
import numpy as np
import pytest

from tests.client.cli.harness import gradproof
from tests.client.html.pages import HOSTILE, balanced, wrong_jacobian


def test_a_wrong_jacobian_as_a_page() -> None:
    """Verdict, numbers, cause, code frame and every figure; well-formed, and nothing comes from elsewhere."""
    report = wrong_jacobian()
    page = report.to_html()
    tags = balanced(page)
    for words in ("disagrees", "GP800", "[2, 1]", "Cause:", "digits matched", "adjoint size"):
        assert words in page
    assert {"svg", "table", "details", "image"} <= set(tags)
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith(("data:", "#"))
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_a_stranger_cannot_speak_on_the_page(tmp_path: Path) -> None:
    """Names of functions, inputs and files are shown as they are, never run."""
    source = tmp_path / "evil.py"
    source.write_text(HOSTILE, encoding="utf-8")
    code, said, _ = gradproof(
        "check", f"{source}:f", "--at", "x=[1,2,3]", "--claim", f"{source}:df", "--html", str(tmp_path / "out.html"),
    )  # fmt: skip
    assert code == 1, said
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    balanced(page)
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert page.count("<script>") == 1


def test_a_notebook_shows_the_same_pieces() -> None:
    """The fragment has the verdict, the figures and its own style, and no script."""
    fragment = wrong_jacobian()._repr_html_()
    assert balanced(fragment)[0] == "style"
    assert "disagrees" in fragment
    assert "digits matched" in fragment
    assert "<script" not in fragment


def test_a_check_without_evidence_has_a_page_too() -> None:
    """A passing check of one number: words and a table, no empty figure."""
    page = gp.check("x**3 + 2*x", at={"x": 3.0}).to_html()
    balanced(page)
    assert "agrees" in page
    assert "heatmap" not in page.split("<main")[1].split("<script>")[0]


@pytest.mark.parametrize("order", [1, 2])
def test_second_order_and_black_boxes(order: int) -> None:
    """Whatever is checked, the page is well-formed."""
    report = gp.check(
        "sum(sin(x) * x**2)", at={"x": np.arange(1.0, 5.0)}, order=order, evidence=True
    )
    balanced(report.to_html())


def test_a_black_box_has_a_page() -> None:
    """No graph to draw, the sweeps are there."""
    seen: list[float] = []

    def box(x: np.ndarray) -> float:
        seen.append(float(np.sum(x)))
        return float(str(float(np.sum(x**2))))

    report = gp.check(box, at=(np.array([1.0, 2.0]),), claim=lambda x: 2 * x, evidence=True)
    balanced(report.to_html())
    assert seen
