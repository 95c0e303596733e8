"""Results that are kept whole: found again without a process while all that was read is the same, and never otherwise."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradproof._gate.baseline import committed
from gradproof._gate.cases import collect
from gradproof._gate.code import code_digest, code_folders
from gradproof._gate.config import load
from gradproof._gate.contents import MODULES, NAMES, names
from gradproof._gate.result import GateResult
from gradproof._gate.run import job_for
from gradproof._gate.store import DIGEST_BYTES
from gradproof._gate.verdicts import Verdict

from tests.gate.harness import by_name, copy_of, edit, one, repository, run

SETTLED_S = 0.1
"""What changed just now might change once more without a sign, and is not kept."""

MODEL = """
import os
from pathlib import Path

import numpy as np

from helper import power

HERE = Path(__file__).parent
WEIGHTS = np.load(HERE / "weights.npy")
BOOSTED = (HERE / "boost.txt").exists()
SCALE = float(os.environ.get("MODEL_SCALE", "1"))
PARTS = sorted(p.name for p in (HERE / "parts").iterdir())
try:
    from faster import factor
except ImportError:
    factor = 1.0


def f(x):
    return np.sum(WEIGHTS * power(x)) * SCALE * factor * len(PARTS) * (2.0 if BOOSTED else 1.0)


def df(x):
    return 3 * WEIGHTS * x**2 * SCALE * factor * len(PARTS) * (2.0 if BOOSTED else 1.0)


def steps(a):
    low, high = 0.0, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**3 < float(a) else (low, middle)
    return high


def dsteps(a):
    return 1 / (3 * steps(a) ** 2)
"""
CONFIG = """
baselines = false
[cases.a]
target = "model.py:f"
claim = "model.py:df"
at = { x = "@x.npy" }
[cases.box]
target = "model.py:steps"
claim = "model.py:dsteps"
at = { a = 2.5 }
[cases.text]
target = "x**3"
claim = "3*x**2"
at = { x = 2.0 }
[cases.left]
target = "x**3"
skip = "not today"
"""


def save(path: Path, *values: float) -> None:
    """An array in a file."""
    np.save(path, np.array(values))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GateResult]:
    """A repository whose function reads all kinds of things, and its first run."""
    root = repository(
        tmp_path_factory.mktemp("kept") / "small", CONFIG, model=MODEL, helper="def power(x):\n    return x**3\n"
    )  # fmt: skip
    (root / "parts").mkdir()
    (root / "parts" / "one").write_text("")
    save(root / "weights.npy", 1.0, 2.0)
    save(root / "x.npy", 0.5, 1.5)
    time.sleep(SETTLED_S)
    return root, run(root, jobs=1)


@pytest.fixture
def small(made_once: tuple[Path, GateResult], tmp_path: Path) -> Path:
    """A copy of it, with what the run has kept."""
    return copy_of(made_once[0], tmp_path / "small")


def found(root: Path) -> list[str]:
    """The cases whose results would be found again, without anything being run."""
    config = load(root / "gradproof.toml")
    every = collect(config)
    files = committed(config.baselines)
    kept = job_for(config, every, files, cached=True).kept
    assert kept is not None
    return [case.name for case in every if kept.find(case, files.get(case.name)) is not None]


def test_what_is_unchanged_is_found_again_without_a_process(
    small: Path, made_once: tuple[Path, GateResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same record, also of a black box and of a case that is skipped, although no process can be started."""
    before = made_once[1]
    assert [(c.checks_run, c.checks_cached) for c in before.cases] == [
        (1, 0),
        (1, 0),
        (1, 0),
        (0, 0),
    ]
    monkeypatch.setattr(
        "gradproof._gate.workers._Worker._start", lambda _: pytest.fail("a process is started")
    )
    after = run(small)
    assert [(c.checks_run, c.checks_cached) for c in after.cases] == [
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 0),
    ]
    assert after.plain(timing=False) == before.plain(timing=False)
    assert [c.baseline for c in after.cases] == [c.baseline for c in before.cases]
    with pytest.raises(pytest.fail.Exception):
        run(small, cached=False)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the function": lambda r: (r / "model.py").write_text(MODEL.replace("3 * WEIGHTS", "3.0 * WEIGHTS")),
    "a helper module": lambda r: (r / "helper.py").write_text("def power(x):\n    return x * x * x\n"),
    "an array it loads": lambda r: save(r / "weights.npy", 1.0, 3.0),
    "the array of the point": lambda r: save(r / "x.npy", 0.5, 1.25),
    "a file that was not there": lambda r: (r / "boost.txt").write_text(""),
    "a file that is no longer there": lambda r: (r / "helper.py").rename(r / "numpy_helper.py"),
    "a module that was not there": lambda r: (r / "faster.py").write_text("factor = 3.0\n"),
    "the names in a folder": lambda r: (r / "parts" / "two").write_text(""),
    "the point": lambda r: edit(r, "gradproof.toml", "at = { a = 2.5 }", "at = { a = 2.25 }"),
    "a setting": lambda r: edit(r, "gradproof.toml", "baselines = false", "baselines = false\nrng_seed = 1"),
    "the baselines": lambda r: edit(r, "gradproof.toml", "baselines = false", 'baselines = "gradients"'),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_a_case_read_makes_it_run_again(small: Path, what: str) -> None:
    """A change of code, of data, or of what is there at all is seen; back again, what was kept holds again."""
    assert found(small) == ["a", "box", "text"]
    before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
    CHANGES[what](small)
    assert found(small) != ["a", "box", "text"]
    for path in set(small.rglob("*")) - set(before):
        if path.is_file():
            path.unlink()
    for path, data in before.items():
        path.write_bytes(data)
    assert found(small) == ["a", "box", "text"]


def test_a_run_after_a_change_gives_what_a_run_anew_gives(small: Path) -> None:
    """The numbers follow the data, and are kept in their turn."""
    save(small / "weights.npy", 5.0, 6.0)
    time.sleep(SETTLED_S)
    after = run(small, jobs=1)
    assert {c.name for c in after.cases if c.checks_run} == {"a", "box"}
    assert after.plain(timing=False) == run(small, jobs=1, cached=False).plain(timing=False)
    assert found(small) == ["a", "box", "text"]


def test_variables_count_when_they_were_asked_for(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value where there was none is seen; variables that nobody asked for do not matter; all of linear algebra do."""
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert found(small) == ["a", "box", "text"]
    monkeypatch.setenv("MODEL_SCALE", "2")
    assert "a" not in found(small)
    monkeypatch.delenv("MODEL_SCALE")
    assert found(small) == ["a", "box", "text"]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert found(small) == []


def test_other_code_of_this_release_is_seen(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One file more among the packages of gradproof, and nothing that was kept holds."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.py").write_text("")
    folders = (*code_folders(), str(tmp_path / "more"))
    monkeypatch.setattr("gradproof._gate.code.code_folders", lambda: folders)
    code_digest.cache_clear()
    assert found(small) == []
    monkeypatch.undo()
    code_digest.cache_clear()
    assert found(small) == ["a", "box", "text"]


def test_another_release_of_a_library_is_seen(
    made_once: tuple[Path, GateResult], small: Path
) -> None:
    """Folders from which something was imported are told by what is installed in them, numpy's among them."""
    for entry in whole(small):
        folders = [name for name in entry["contents"]["paths"] if name.startswith(MODULES)]
        assert MODULES + str(Path(np.__file__).parent.parent) in folders
    packages = small / "lib" / "site-packages"
    (packages / "tool-1.0.dist-info").mkdir(parents=True)
    (packages / "tool.py").write_text("FACTOR = 1.0\n")
    edit(
        small,
        "gradproof.toml",
        "baselines = false",
        'baselines = false\npythonpath = ["lib/site-packages"]',
    )
    edit(small, "model.py", "import numpy as np\n", "import numpy as np\nimport tool\n")
    time.sleep(SETTLED_S)
    run(small, jobs=1)
    assert found(small) == ["a", "box", "text"]
    (packages / "tool-1.0.dist-info").rename(packages / "tool-1.1.dist-info")
    assert "a" not in found(small)


def test_what_does_not_pass_is_never_kept(tmp_path: Path) -> None:
    """A wrong derivative, an open verdict and a case without a baseline run anew each time."""
    text = "\n[cases.{}]\ntarget = 'x**3'\nclaim = '{}'\nat = {{ x = 2.0 }}\n"
    cases = (
        text.format("wrong", "2*x**2")
        + text.format("open", "3*x**2")
        + "tau = 1e-17\n"
        + text.format("new", "3*x**2")
    )
    root = repository(tmp_path, cases)
    result = by_name(run(root, jobs=1))
    assert {name: str(c.verdict) for name, c in result.items()} == {
        "wrong": "FAIL",
        "open": "INCONCLUSIVE",
        "new": "NEW",
    }
    assert whole(root) == []


def test_code_that_is_edited_while_the_gate_runs_is_not_kept(tmp_path: Path) -> None:
    """A file that is no longer what was read when the case ends decides nothing: the next run runs the new code."""
    model = "import helper\n\n\ndef f(x):\n    return x**helper.POWER\n\n\ndef df(x):\n    helper.edit()\n    return 3 * x**2\n"
    helper = "POWER = 3\n\n\ndef edit():\n    import os\n    os.path.exists('next.py') and os.replace('next.py', 'helper.py')\n"
    config = "baselines = false\n[cases.a]\ntarget = 'model.py:f'\nclaim = 'model.py:df'\nat = { x = 2.0 }\n"
    root = repository(
        tmp_path, config, model=model, helper=helper, next="POWER = 4\n\n\ndef edit():\n    pass\n"
    )
    time.sleep(SETTLED_S)
    assert one(run(root)).verdict is Verdict.PASS
    assert whole(root) == []
    assert one(run(root)).verdict is Verdict.FAIL


def test_a_damaged_result_is_not_found(small: Path) -> None:
    """Cut, emptied or of another form, it is as if it were not there."""
    for change in (lambda data: data[:-3], lambda _: b"", lambda _: sha256(b"{}").digest() + b"{}"):
        assert found(small)
        before = {path: path.read_bytes() for path in kept_files(small)}
        for path, data in before.items():
            path.write_bytes(change(data))
        assert found(small) == []
        for path, data in before.items():
            path.write_bytes(data)


def test_the_digest_of_a_folder_is_that_of_its_names(tmp_path: Path) -> None:
    """For imports only what an import may mean counts; hidden and compiled files never do."""
    (tmp_path / "a.py").write_text("1")
    everything, modules = names(NAMES, str(tmp_path)), names(MODULES, str(tmp_path))
    for name in (".hidden", "__pycache__"):
        (tmp_path / name).write_text("")
        assert names(NAMES, str(tmp_path)) == everything
    (tmp_path / "report.xml").write_text("")
    assert names(NAMES, str(tmp_path)) != everything
    assert names(MODULES, str(tmp_path)) == modules
    (tmp_path / "folder").mkdir()
    assert names(MODULES, str(tmp_path)) != modules


def kept_files(root: Path) -> list[Path]:
    """Everything that is kept."""
    return [p for p in (root / ".gradproof" / "cache").glob("*/*") if p.is_file()]


def whole(root: Path) -> list[dict[str, Any]]:
    """The results that are kept whole, as they are written."""
    texts = (p.read_bytes()[DIGEST_BYTES:] for p in kept_files(root))
    return [json.loads(text) for text in texts if text.startswith(b'{"contents"')]
