"""Pages opened and clicked in a real Chromium: `pytest -m browser`, with Chromium installed and `pip install -e '.[browser]'`.

Left out unless asked for, because a browser is no Python package; the checks that every change must pass ask for it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.html.browser import CONTRAST, opened_in
from tests.client.html.pages import wrong_jacobian

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a wrong Jacobian."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(wrong_jacobian().to_html(), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Any, file: Path) -> Iterator[Any]:
    """The page in a desktop window; whatever goes wrong inside it fails the test."""
    yield from opened_in(chromium, file, viewport={"width": 1200, "height": 900})


def test_a_cell_tells_its_numbers(opened: Any) -> None:
    """A click on the ringed cell shows claimed, reference and digits; the arrow keys move on."""
    readout = opened.locator(".heatmap .readout")
    ring = opened.locator(".ring").first.bounding_box()
    opened.mouse.click(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    said = readout.inner_text()
    assert said.startswith("[2, 1]"), said
    assert "3.0 digits match" in said
    opened.locator(".pane svg").first.focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowDown")
    assert readout.inner_text().startswith("[3, 2]")


def test_the_graph_changes_its_colours_and_tells_of_a_node(opened: Any) -> None:
    """Each mode has its own numbers in the boxes; a click and the enter key open a node."""
    node = opened.locator(".node", has_text="tanh").first
    small = node.locator(".small")
    assert "|adj|" in small.text_content()
    opened.get_by_label("lost digits").check()
    assert "digits" in small.text_content()
    opened.get_by_label("suspicion").check()
    assert "%" in small.text_content()
    node.click()
    assert "tanh" in opened.locator(".graph .readout").inner_text()
    assert opened.locator(".edge.near").count() >= 2
    opened.locator(".node").first.focus()
    opened.keyboard.press("Enter")
    assert "input" in opened.locator(".graph .readout").inner_text()


def test_findings_unfold_to_their_source(opened: Any) -> None:
    """The wrong claim is open with its line marked; a click folds it."""
    frame = opened.locator(".finding .meant").first
    assert "J[2, 1] *= 1.001" in frame.inner_text()
    opened.locator("summary").first.click()
    assert not frame.is_visible()


def test_the_witness_has_its_pictures(opened: Any) -> None:
    """Step sweep and Taylor remainder are drawn beside each other, as large as the page allows."""
    plots = opened.locator(".twin svg.plot")
    assert plots.count() == 2
    boxes = [plots.nth(k).bounding_box() for k in range(2)]
    assert all(box["width"] > 300 for box in boxes)
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=40)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(chromium: Any, file: Path, scheme: str) -> None:
    """Contrast of 4.5 and more between words and ground, in light and in dark."""
    for page in opened_in(chromium, file, color_scheme=scheme):
        assert page.evaluate(CONTRAST) == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


def test_a_phone_shows_it_without_scrolling_sideways(chromium: Any, file: Path) -> None:
    """At 360 pixels nothing sticks out, wide tables scroll inside themselves, letters stay readable."""
    for page in opened_in(chromium, file, viewport={"width": 360, "height": 740}):
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator(".pane svg").first.bounding_box()["width"] > 200
        assert (
            page.evaluate("parseFloat(getComputedStyle(document.querySelector('p')).fontSize)")
            >= 14
        )


def test_the_wrong_cell_is_seen_without_colour(chromium: Any, file: Path) -> None:
    """Without any colour vision the wrong cell is far darker than those that match, and words carry the verdict."""
    from PIL import Image

    for page in opened_in(chromium, file, viewport={"width": 1200, "height": 900}):
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
        pane = page.locator('.pane[data-kind="digits"] svg')
        shot = np.asarray(Image.open(io.BytesIO(pane.screenshot())).convert("RGB"), dtype=float)
        assert np.ptp(shot, axis=2).max() <= 3  # no colour is left
        rows, columns = shot.shape[0] / 4, shot.shape[1] / 5
        wrong, right = (
            shot[int((r + 0.5) * rows), int((c + 0.5) * columns)].mean()
            for r, c in ((2, 1), (0, 0))
        )
        assert wrong < 0.6 * right
        assert page.locator(".verdict h1").inner_text() == "✗ disagrees"


def test_nothing_is_lost_without_scripts(chromium: Any, file: Path) -> None:
    """Figures and words are there when scripts are off."""
    for page in opened_in(chromium, file, java_script_enabled=False):
        assert page.locator(".pane svg").count() == 3
        assert page.locator(".node").count() > 3
        assert page.locator(".finding").first.is_visible()


def test_a_notebook_keeps_its_own_looks(chromium: Any, tmp_path: Path) -> None:
    """In a bare page, in the dark, every word of the piece can be read, no idle button is shown, and the page stays as it is."""
    cell = tmp_path / "cell.html"
    outside = "<p style='color: gray; background: white'>Out[1]:</p>"
    cell.write_text(f"<html><body>{outside}{wrong_jacobian()._repr_html_()}</body></html>")
    for page in opened_in(chromium, cell, color_scheme="dark"):
        assert [words for words in page.evaluate(CONTRAST) if "Out[1]" not in words] == []
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
        )
        assert page.evaluate("getComputedStyle(document.body).margin") == "8px"
        assert page.locator(".pane svg").count() == 3
        assert not page.locator(".modes").is_visible()
        assert "Click" not in page.locator("body").inner_text()
