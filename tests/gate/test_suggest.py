"""The first configuration: found by names in the source, listed first, never over something that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradproof._gate.config import load
from gradproof._gate.suggest import suggestions

from tests.gate.harness import EXAMPLE, command, environment, run

SOURCE = """
raise SystemExit("this file is read, never run")

def f(x): ...
def df(x): ...
def loss(w, b, scale=2.0): ...
def loss_grad(w, b): ...
def grad_loss(w, b): ...
def layer(x): ...
def layer_vjp(x, y_bar): ...
def layer_jvp(x, x_dot): ...
def layer_hvp(x): ...
def energy(q): ...
def energy_jac(q, extra, more): ...
def alone(x): ...
def grad_of_nothing(x): ...
def rosen(x): ...
def rosen_der(x): ...
def rosen_hess(x): ...
def constant(): ...
def constant_grad(): ...
class Model:
    def g(self, x): ...
    def g_grad(self, x): ...
"""


def test_pairs_are_found_by_their_names(tmp_path: Path) -> None:
    """A function and its derivative, with the kind where the name tells it; signatures that cannot fit are left out."""
    (tmp_path / "a.py").write_text(SOURCE)
    found = [(s.function.name, s.derivative.name, s.kind) for s in suggestions(tmp_path)]
    assert found == [
        ("f", "df", None), ("loss", "grad_loss", "gradient"), ("loss", "loss_grad", "gradient"), ("layer", "layer_vjp", "vjp"),
        ("layer", "layer_jvp", "jvp"), ("rosen", "rosen_der", None), ("rosen", "rosen_hess", "hessian"),
    ]  # fmt: skip


def test_what_is_no_source_of_the_project_is_passed_over(tmp_path: Path) -> None:
    """Environments, hidden folders and files that are no Python cost nothing and break nothing."""
    for folder in (".venv/lib", "node_modules/x", "build", "src/p"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "m.py").write_text("def f(x): ...\ndef df(x): ...\n")
    (tmp_path / "broken.py").write_text("def f(x: ...\n")
    (tmp_path / "zero.py").write_bytes(b"def f(x): ...\0")
    assert [s.target for s in suggestions(tmp_path)] == ["src/p/m.py:f"]


def test_the_list_comes_first_and_nothing_is_overwritten(tmp_path: Path) -> None:
    """With --dry-run nothing is written; without it a configuration that can be read; a second time it is refused."""
    (tmp_path / "model.py").write_text(SOURCE)
    dry = command(tmp_path, "gate", "init", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "model.py:loss" in dry.stdout
    assert "`gradproof gate init` writes" in dry.stdout
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["model.py"]
    done = command(tmp_path, "gate", "init")
    assert done.returncode == 0, done.stderr
    config = load(tmp_path / "gradproof.toml")
    assert [c.name for c in config.cases] == [
        "f",
        "loss",
        "loss-gradient",
        "layer",
        "layer-jvp",
        "rosen",
        "rosen-hessian",
    ]
    before = (tmp_path / "gradproof.toml").read_bytes()
    for arguments in ((), ("--out", "gradproof.toml")):
        again = command(tmp_path, "gate", "init", *arguments)
        assert again.returncode == 2
        assert "never overwritten" in again.stderr
    assert (tmp_path / "gradproof.toml").read_bytes() == before
    other = command(tmp_path, "gate", "init", "--out", "other.toml")
    assert other.returncode == 0
    assert (tmp_path / "other.toml").read_bytes() == before


def test_a_table_in_pyproject_is_a_configuration_too(tmp_path: Path) -> None:
    """Where pyproject.toml has the table no second file appears."""
    (tmp_path / "model.py").write_text(SOURCE)
    (tmp_path / "pyproject.toml").write_text("[tool.gradproof]\n")
    done = command(tmp_path, "gate", "init")
    assert done.returncode == 2
    assert not (tmp_path / "gradproof.toml").exists()


def test_what_it_writes_runs(tmp_path: Path) -> None:
    """The first configuration of the example's own package is accepted by the gate: every case is checked."""
    (tmp_path / "models").mkdir()
    for name in ("physics.py", "losses.py"):
        (tmp_path / "models" / name).write_text((EXAMPLE / "models" / name).read_text())
    assert command(tmp_path, "gate", "init").returncode == 0
    result = run(tmp_path)
    counts = {str(v): n for v, n in result.counts.items()}
    assert result.collected == 16
    assert counts.pop("NEW") >= 12
    assert set(counts) <= {"ERROR", "INCONCLUSIVE", "FAIL"}


@pytest.mark.parametrize("folder", ["missing", ".."])
def test_a_folder_that_is_not_below_is_told(tmp_path: Path, folder: str) -> None:
    """One sentence, exit code 2."""
    done = command(tmp_path, "gate", "init", folder, env=environment())
    assert done.returncode == 2
    assert "expected a folder below" in done.stderr
