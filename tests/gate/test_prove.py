"""Gates that cannot fail are found: by proof, or already by a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gradproof._gate.prove import claim_faults, number_faults
from gradproof._gate.verdicts import Verdict
from gradproof._gate.workers import proved
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.gate.harness import command, one, repository, run

MODEL = """
import numpy as np

def f(x):
    return np.sum(x**3)

def df(x):
    return 3 * x**2

def wrong(x):
    return 3.3 * x**2

def flat(x):
    return np.sum(0 * x)

def flat_grad(x):
    return np.zeros_like(x)
"""


def gate(tmp_path: Path, lines: str, top: str = "") -> Path:
    """A gate over one case."""
    text = f"{top}\n[cases.it]\ntarget = 'model.py:f'\nat = {{ x = [1.0, 2.0] }}\n{lines}\n"
    return repository(tmp_path, text, model=MODEL)


def prove(root: Path) -> object:
    """The gate's proof."""
    from gradproof._gate.config import load
    from gradproof._gate.run import Asked, run_gate

    return run_gate(
        load(root / "gradproof.toml"), Asked(command="gate prove", jobs=1), None, proved
    )


def accepted(root: Path) -> Path:
    """The repository with its baselines accepted."""
    from gradproof._gate.accept import accept
    from gradproof._gate.config import load

    for case in run(root, jobs=1).cases:
        accept(load(root / "gradproof.toml"), case, "first")
    return root


def can_fail(example: Path, *arguments: str) -> int:
    """Every planted fault is found in the cases that are asked for; how many cases there were."""
    done = command(example, "gate", "prove", "--format", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert all(c["proof"]["killed"] == c["proof"]["planted"] >= 3 for c in cases)
    assert sum(c["proof"]["planted"] for c in cases) > 6 * len(cases)
    return len(cases)


def test_cases_of_the_example_can_fail(example: Path) -> None:
    """Every fault planted into a fifth of the cases is found, by name."""
    assert can_fail(example, "--shard", "3/5") == 6


@pytest.mark.long
def test_every_case_of_the_example_can_fail(example: Path) -> None:
    """`pytest -m long tests/gate/test_prove.py`: the same for all thirty."""
    assert can_fail(example) == 30


def test_a_wrong_tolerance_is_found_by_the_run(tmp_path: Path) -> None:
    """A tolerance that forgives everything fails the run itself, also when the claim is wrong within it."""
    for claim in ("df", "wrong"):
        root = gate(tmp_path / claim, f"claim = 'model.py:{claim}'\nrtol = 1.0")
        found = one(run(root))
        assert found.verdict is Verdict.FAIL
        assert any(t.code == "GP703" and t.fails for t in found.findings)
        ignored = gate(
            tmp_path / f"{claim}2", f"claim = 'model.py:{claim}'\natol = 1e6\nignore = ['GP']"
        )
        assert one(run(ignored)).verdict is Verdict.FAIL


def test_a_loose_tolerance_is_found_by_proof(tmp_path: Path) -> None:
    """A tolerance of five per cent lets a fault of 0.2 per cent live: its name is told, and the proof fails."""
    tight = accepted(gate(tmp_path / "tight", "claim = 'model.py:df'"))
    assert one(prove(tight)).proof.kill_rate == 1.0
    loose = accepted(gate(tmp_path, "claim = 'model.py:df'\nrtol = 0.05\ntau = 0.2"))
    assert one(run(loose)).verdict is Verdict.PASS
    found = one(prove(loose))
    assert found.verdict is Verdict.FAIL
    assert found.proof.survivors == ("claim with a relative error of 0.002 in its largest entry",)
    assert found.exit_code == 1


def test_a_loose_drift_is_found_by_proof(tmp_path: Path) -> None:
    """Three digits for drift let a move of 1e-9 live."""
    root = accepted(gate(tmp_path, "claim = 'model.py:df'\ndrift_digits = 3"))
    found = one(prove(root))
    assert found.verdict is Verdict.FAIL
    assert found.proof.survivors == ("numbers moved by a factor", "numbers moved in one entry")
    lenient = accepted(
        gate(tmp_path / "b", "claim = 'model.py:df'\ndrift_digits = 3\nmin_kill_rate = 0.5")
    )
    assert one(prove(lenient)).verdict is Verdict.PASS


def test_an_always_true_gate_is_an_error(tmp_path: Path) -> None:
    """Nothing claimed and no baseline held: whatever the function becomes, it would pass."""
    root = gate(tmp_path, "", "baselines = false")
    assert one(run(root)).verdict is Verdict.PASS
    found = one(prove(root))
    assert found.verdict is Verdict.ERROR
    assert "a gate that cannot fail" in found.sentence
    assert found.exit_code == 1


def test_a_missing_baseline_is_found_by_proof(tmp_path: Path) -> None:
    """Without a committed baseline no move of the numbers is found, and each such fault is named."""
    found = one(prove(gate(tmp_path, "claim = 'model.py:df'")))
    assert found.verdict is Verdict.FAIL
    assert found.proof.survivors == (
        "numbers moved by a factor", "numbers moved in one entry", "baseline edited by hand",
    )  # fmt: skip


def test_a_claim_of_zeros_can_still_be_wrong(tmp_path: Path) -> None:
    """Where the derivative is zero no scaling is a fault, but one entry that is not zero is."""
    text = "baselines = false\n[cases.it]\ntarget = 'model.py:flat'\nclaim = 'model.py:flat_grad'\nat = { x = [1.0, 2.0] }\n"
    found = one(prove(repository(tmp_path, text, model=MODEL)))
    assert found.proof.planted == found.proof.killed == 1


def test_a_case_that_does_not_pass_proves_nothing(tmp_path: Path) -> None:
    """A wrong claim is an error of the proof, with what the run says of it."""
    found = one(prove(gate(tmp_path, "claim = 'model.py:wrong'")))
    assert found.verdict is Verdict.ERROR
    assert "does not pass as it is" in found.sentence
    assert found.exit_code == 1


@pytest.mark.parametrize("config", ["", "baselines = 'gradients'\n", "[cases]\n"])
def test_a_gate_that_collects_nothing_fails(tmp_path: Path, config: str) -> None:
    """No case at all is a failure of run and proof, with the reason."""
    result = run(repository(tmp_path, config))
    assert result.exit_code == 1
    assert result.trouble == "no case is configured; a gate over nothing would never fail"


def test_words_that_match_nothing_fail(tmp_path: Path) -> None:
    """A selection with a slip in it is not green."""
    result = run(gate(tmp_path, "claim = 'model.py:df'"), words=("lossy",))
    assert result.exit_code == 1
    assert result.trouble == "no case matches lossy; there are it"


def test_skipping_needs_a_reason_and_cannot_be_all(tmp_path: Path) -> None:
    """A skipped case is counted and told; when all are skipped the run fails."""
    root = gate(tmp_path, "skip = 'no data on this machine'")
    result = run(root)
    assert one(result).verdict is Verdict.SKIPPED
    assert one(result).sentence == "no data on this machine"
    assert result.exit_code == 1
    assert result.trouble == "every case is skipped; a gate over nothing would never fail"
    two = gate(
        tmp_path / "two",
        "skip = 'not yet'\n[cases.other]\ntarget = 'x**2'\nat = { x = 1.0 }",
        "baselines = false",
    )
    assert run(two).exit_code == 0


def test_a_case_skipped_by_mistake_keeps_its_baseline_in_sight(tmp_path: Path) -> None:
    """A case that is renamed away is GONE, not forgotten."""
    root = accepted(gate(tmp_path, "claim = 'model.py:df'"))
    path = root / "gradproof.toml"
    path.write_text(path.read_text().replace("[cases.it]", "[cases.its]"))
    result = run(root)
    assert sorted(str(c.verdict) for c in result.cases) == ["GONE", "NEW"]
    assert result.exit_code == 1


@given(
    hnp.arrays("f8", hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-10, 10)),
    st.floats(1e-6, 0.1),
)
def test_a_planted_fault_changes_what_it_says(array: np.ndarray, tau: float) -> None:
    """Faults keep shape and type, leave the original alone, and change only where they say."""
    before = array.copy()
    for change in (*claim_faults(tau).values(), *number_faults().values()):
        bad = np.asarray(change(array), array.dtype)
        assert bad.shape == array.shape
    np.testing.assert_array_equal(array, before)
    assume(np.abs(array).max() > 0)
    one_entry = claim_faults(tau)[f"with a relative error of {2 * tau:g} in its largest entry"](
        array
    )
    assert np.count_nonzero(one_entry != array) == 1
