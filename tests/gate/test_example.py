"""What the gate says of the example repository, as it is and after a change that a person could make."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradproof._gate.result import GateResult
from gradproof._gate.verdicts import Verdict

from tests.gate.harness import by_name, edit, run


def test_the_committed_baselines_are_met(first_run: tuple[Path, GateResult]) -> None:
    """Thirty cases pass against what is committed, and every one of them was checked."""
    result = first_run[1]
    assert result.counts == {Verdict.PASS: 30}, [c for c in result.cases if not c.passed]
    assert result.exit_code == 0
    assert all(c.entries_checked and c.checks_run for c in result.cases)


def test_a_second_run_checks_nothing_again(
    first_run: tuple[Path, GateResult], example: Path
) -> None:
    """Unchanged cases come from what is kept, with the same record, black boxes too."""
    before = first_run[1]
    run(example)  # whoever works on the checks meanwhile has made the kept answers old
    after = run(example)
    assert sum(c.checks_run for c in after.cases) == 0
    assert after.plain(timing=False) == before.plain(timing=False)


def test_a_refactoring_that_keeps_gradients_passes(example: Path) -> None:
    """Other formulas for the same numbers pass, also where rounding moves them by some units in the last place."""
    edit(example, "models/layers.py", "return a_bar @ w.T, x.T @ a_bar, a_bar.sum(axis=0)",
         "return np.dot(a_bar, w.T), (a_bar.T @ x).T, np.ones(len(x)) @ a_bar")  # fmt: skip
    edit(example, "models/layers.py", "a_bar = y_bar * (1 - y * y)", "a_bar = y_bar - y_bar * y**2")
    edit(example, "models/losses.py", "return 1 - p @ t / np.sqrt((p @ p) * (t @ t))",
         "return 1 - np.sum(p * t) / (np.sqrt(p @ p) * np.sqrt(t @ t))")  # fmt: skip
    edit(example, "models/physics.py", "r3 = (x * x + y * y) ** 1.5", "r3 = np.hypot(x, y) ** 3")
    result = run(example)
    assert result.exit_code == 0, [c.sentence for c in result.cases if not c.passed]
    moved = [c for c in result.cases if c.drifts]
    assert {"dense", "losses[models/losses.py:loss_cosine]"} <= {c.name for c in moved}
    assert all("moved by rounding only" in c.sentence for c in moved)
    assert (
        "the graph is not the baseline's"
        in by_name(result)["losses[models/losses.py:loss_cosine]"].notes
    )


@pytest.mark.parametrize(
    ("file", "before", "after", "case", "moved"),
    [
        ("models/losses.py", "g = r / np.sqrt(1 + r * r)", "g = r / np.sqrt(1 + r * r) * (1 + 1e-9)",
         "losses[models/losses.py:loss_huber]", {"claim"}),
        ("models/physics.py", "return x / r3, y / r3", "return x / r3, y / r3 * (1 - 1e-9)", "orbit", {"claim"}),
        ("models/physics.py", "return p * p / 2 - np.cos(q)", "return (p * p / 2 - np.cos(q)) * (1 + 1e-9)",
         "pendulum", {"value", "reference"}),
    ],
)  # fmt: skip
def test_a_gradient_that_moves_by_a_billionth_is_drift(
    example: Path, file: str, before: str, after: str, case: str, moved: set[str]
) -> None:
    """A relative change of 1e-9 still agrees and is told: how far, where, then and now."""
    edit(example, file, before, after)
    result = run(example)
    assert result.exit_code == 1
    assert result.counts == {Verdict.PASS: 29, Verdict.DRIFT: 1}
    found = by_name(result)[case]
    beyond = [d for d in found.drifts if d.beyond]
    kinds = {"claim" if d.quantity.startswith("claimed") else "value" if d.quantity.startswith("value") else "reference"
             for d in beyond}  # fmt: skip
    assert kinds == moved
    assert all(abs(d.relative) == pytest.approx(1e-9, rel=1e-3) for d in beyond)
    assert all(8.5 < d.digits < 9.6 and d.tolerance_digits > 10 for d in beyond)
    assert all(d.now != d.then and d.ulps > 1e5 for d in beyond)


@pytest.mark.parametrize(
    ("before", "after", "case"),
    [
        ("    a_bar = h_bar * (1 - h * h)\n    return a_bar @ w1.T", "    a_bar = h_bar * (1 + h * h)\n    return a_bar @ w1.T", "network"),
        ("    a_bar = y_bar * (1 - y * y)", "    a_bar = y_bar * (1 - y)", "dense"),
        ("    return r * (y_bar - y_bar.mean()", "    return r * (y_bar + y_bar.mean()", "normalise"),
    ],
)  # fmt: skip
def test_a_broken_backward_pass_fails_with_its_line(
    example: Path, before: str, after: str, case: str
) -> None:
    """The case is FAIL, and the place is the line that was broken."""
    line = edit(example, "models/layers.py", before, after)
    found = by_name(run(example, words=(case,)))[case]
    assert found.verdict is Verdict.FAIL
    assert (found.place.file, found.place.line) == ("models/layers.py", line)
    assert found.findings[0].cause
    assert found.exit_code == 1


def test_a_case_that_is_deleted_is_gone(example: Path) -> None:
    """Both a function that a pattern no longer finds and a table that is no longer there are told by name."""
    edit(example, "models/losses.py", "def loss_cauchy", "def cauchy")
    table = (
        '[cases.sinc]\ntarget = "sin(x) / x"\nclaim = "cos(x)/x - sin(x)/x**2"\nat = { x = 1.7 }\n'
    )
    edit(example, "gradproof.toml", table, "")
    result = run(example)
    gone = {c.name: c for c in result.cases if c.verdict is Verdict.GONE}
    assert set(gone) == {"sinc", "losses[models/losses.py:loss_cauchy]"}
    assert result.exit_code == 1
    assert gone["sinc"].place.file == "gradients/sinc.toml"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("0x1.", "0x1.1", 1),
        lambda text: text.replace('verdict = "agrees"', 'verdict = "inconclusive"'),
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(line for line in text.splitlines() if not line.startswith("digest")),
        lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n",
        lambda text: "",
        lambda text: "\0\0\0",
    ],
    ids=["number", "verdict", "half", "no digest", "conflict", "empty", "no text"],
)  # fmt: skip
def test_a_baseline_edited_by_hand_is_caught(example: Path, change: object) -> None:
    """The case is an error that names the file, never a pass and never a crash."""
    path = example / "gradients" / "orbit.toml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    result = run(example, words=("orbit",))
    assert [c.verdict for c in result.cases] == [Verdict.ERROR]
    assert "orbit.toml" in result.cases[0].sentence
    assert result.exit_code == 2


def test_a_baseline_of_another_case_does_not_serve(example: Path) -> None:
    """A file copied over another leaves its case without a baseline."""
    source, target = example / "gradients" / "orbit.toml", example / "gradients" / "polar.toml"
    target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    found = by_name(run(example, words=("polar", "orbit")))
    assert found["polar"].verdict is Verdict.NEW
    assert found["orbit"].verdict is Verdict.PASS


def test_a_point_that_moves_is_told(example: Path) -> None:
    """Numbers at another point are not compared: the input that moved is named."""
    edit(example, "gradproof.toml", "at = { x = 0.6, y = -0.9 }", "at = { x = 0.6, y = -0.8 }")
    found = by_name(run(example, words=("orbit",)))["orbit"]
    assert found.verdict is Verdict.DRIFT
    assert "input y" in found.sentence
