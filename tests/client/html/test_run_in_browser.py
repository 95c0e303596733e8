"""The page of a gate opened and clicked in a real Chromium: `pytest -m browser`, as in `test_in_browser.py`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.html.browser import CONTRAST, opened_in
from tests.gate.harness import command, environment, repository

pytestmark = pytest.mark.browser

MODEL = """
import numpy as np


def right(x):
    return np.sum(np.tanh(x))


def right_grad(x):
    return 1 - np.tanh(x) ** 2


def moved(x):
    return np.sum(x**3)


def moved_grad(x):
    return 3 * x**2


def wrong(x):
    return np.mean(np.exp(x))


def wrong_grad(x):
    return np.exp(x) / x.size
"""
CASES = """
[cases.open]
target = "exp(-x**2)"
claim = "-2*x*exp(-x**2)"
at = { x = 1.5 }
tau = 1e-17
[cases.left]
target = "sqrt(x)"
at = { x = 2.0 }
skip = "not today"
[cases.missing]
target = "model.py:nobody"
at = { x = 1.0 }
"""
CASE = "[cases.{0}]\ntarget = 'model.py:{0}'\nclaim = 'model.py:{0}_grad'\nat = {{ x = [0.5, -1.0, 2.0] }}\n"
EVERY = ["DRIFT", "ERROR", "FAIL", "GONE", "INCONCLUSIVE", "NEW", "PASS", "SKIPPED"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run in which every verdict occurs, over baselines that were accepted twice."""
    import subprocess

    who = {
        f"GIT_{kind}_{what}": "a" for kind in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    env = environment(GIT_CONFIG_GLOBAL="/dev/null", **who)

    def commit(root: Path, why: str) -> None:
        assert command(root, "gate", "accept", "--all", "--reason", why).returncode == 0
        for words in (("add", "-A"), ("commit", "-qm", why)):
            subprocess.run(["git", *words], cwd=root, env=env, check=True)

    kept = "".join(map(CASE.format, ("right", "moved", "wrong")))
    root = repository(
        tmp_path_factory.mktemp("gate") / "r",
        kept + "[cases.gone]\ntarget='x**2'\nat={x=1.0}\n",
        model=MODEL,
    )
    subprocess.run(["git", "init", "-q"], cwd=root, env=env, check=True)
    commit(root, "the first")
    model = root / "model.py"
    model.write_text(
        MODEL.replace("np.sum(x**3)", "np.sum(2 * x**3)").replace("return 3 * x", "return 6 * x")
    )
    commit(root, "twice as much")
    model.write_text(
        model.read_text()
        .replace("6 * x**2", "6 * x**2 * (1 + 1e-9)")
        .replace("np.exp(x) / x.size", "np.exp(x)")
    )
    (root / "gradproof.toml").write_text(kept + CASES + "[cases.new]\ntarget='x**2'\nat={x=1.0}\n")
    out = root / "gate.html"
    assert command(root, "gate", "run", "--output", f"html={out}").returncode == 1
    return out


@pytest.fixture
def opened(chromium: Any, file: Path) -> Iterator[Any]:
    """The page in a desktop window."""
    yield from opened_in(chromium, file, viewport={"width": 1200, "height": 900})


def shown(page: Any) -> list[str]:
    """The verdicts in the table that are to be seen."""
    return sorted(
        row.split()[1] for row in page.locator(".cases tbody tr:visible .badge").all_inner_texts()
    )


def test_buttons_and_words_choose_among_the_cases(opened: Any) -> None:
    """A verdict that is taken away leaves table and page, a name is searched for, and what is left is counted."""
    assert shown(opened) == EVERY
    opened.locator(".choice label", has_text="FAIL").click()
    assert shown(opened) == [v for v in EVERY if v != "FAIL"]
    assert not opened.locator("details.case", has_text="constant-factor").is_visible()
    assert opened.locator(".shown").inner_text() == "7 of 8 cases are shown"
    opened.locator(".choice label", has_text="FAIL").click()
    opened.locator("input[type=search]").fill("MOV")
    assert shown(opened) == ["DRIFT"]
    assert opened.locator("details.case:visible").count() == 1
    opened.locator("input[type=search]").fill("")
    assert shown(opened) == EVERY
    assert opened.locator(".shown").inner_text() == ""


def test_a_case_opens_where_it_is_asked_for(opened: Any) -> None:
    """What passed is folded, what did not is open; a click in the table unfolds a case and brings it into view."""
    folded = {
        d.get_attribute("data-verdict"): d.get_attribute("open") is None
        for d in opened.locator("details.case").all()
    }
    assert folded == {v: v == "PASS" for v in EVERY if v not in ("SKIPPED", "ERROR", "GONE")}
    case = opened.locator("details.case[data-verdict=PASS]")
    assert not case.locator(".node").first.is_visible()
    opened.locator(".cases a", has_text="right").click()
    case.locator(".node").first.wait_for()
    assert 0 <= case.bounding_box()["y"] < 900
    case.locator("summary").first.click()
    assert not case.locator(".node").first.is_visible()


def test_pictures_of_each_case_are_its_own(opened: Any) -> None:
    """The graph of one case answers, and those of the others stay as they are."""
    cases = opened.locator("details.case[open]")
    assert cases.count() >= 3
    first, second = (cases.nth(k).locator(".graph") for k in (0, 1))
    before = second.locator(".small").first.text_content()
    first.get_by_label("lost digits").check()
    assert "digits" in first.locator(".small").first.text_content()
    assert second.locator(".small").first.text_content() == before
    first.locator(".node").first.click()
    assert "|adjoint|" in first.locator(".readout").inner_text()


def test_a_case_tells_its_baselines(opened: Any) -> None:
    """Two accepted baselines are two bars, and two lines with the day, the digits and the reason, the newest first."""
    panel = opened.locator("details.case[data-verdict=DRIFT] .baselines")
    assert panel.locator("rect").count() == 2
    lines = panel.locator("li").all_inner_texts()
    assert [line.partition("digits. ")[2] for line in lines] == ["twice as much", "the first"]
    assert (
        "was 24, is 24.000000024" in opened.locator("details.case[data-verdict=DRIFT]").inner_text()
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(chromium: Any, file: Path, scheme: str) -> None:
    """Contrast of 4.5 and more, in light and in dark, also of buttons that are off."""
    for page in opened_in(chromium, file, color_scheme=scheme):
        page.locator(".choice label").first.click()
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [360, 390, 800])
def test_nothing_sticks_out(chromium: Any, file: Path, width: int) -> None:
    """On a phone and a tablet the page does not scroll sideways, and sentences have the whole width of the phone."""
    for page in opened_in(chromium, file, viewport={"width": width, "height": 800}):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width < 400:
            assert page.locator(".cases .wide").first.bounding_box()["width"] > 0.9 * (width - 30)
            assert (
                page.evaluate(
                    "parseFloat(getComputedStyle(document.querySelector('.cases .wide')).fontSize)"
                )
                >= 14
            )


def test_verdicts_are_told_apart_without_colour(chromium: Any, file: Path) -> None:
    """Without any colour vision each verdict still has a sign and a word of its own."""
    from PIL import Image

    for page in opened_in(chromium, file, viewport={"width": 1200, "height": 900}):
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
        shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), dtype=float)
        assert np.ptp(shot, axis=2).max() <= 3  # no colour is left
        badges = page.locator(".cases .badge").all_inner_texts()
        assert (
            len({text.split()[0] for text in badges})
            == len({text.split()[1] for text in badges})
            == len(EVERY)
        )


def test_nothing_is_lost_without_scripts(chromium: Any, file: Path) -> None:
    """Every case is in the table and can be unfolded when scripts are off."""
    for page in opened_in(chromium, file, java_script_enabled=False):
        assert shown(page) == EVERY
        page.locator("details.case[data-verdict=PASS] summary").first.click()
        assert page.locator("details.case[data-verdict=PASS] .node").first.is_visible()
