"""A run: the same whatever the number of processes, parts of it, and what ends it early."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gradproof._errors import RequestError
from gradproof._gate.result import GateResult
from gradproof._gate.run import Asked, run_gate
from gradproof._gate.verdicts import GRAVITY, MEANINGS, Verdict, gravest
from gradproof._gate.workers import Job, from_kept, open_bench

from tests.gate.harness import by_name, command, edit, one, repository, run

MODEL = """
import os, signal, sys, time
import numpy as np

def f(x):
    return np.sum(x**3)

def df(x):
    print("printed by the user's code")
    return 3 * x**2

def wrong(x):
    return 2 * x**2

def hangs(x):
    while True:
        time.sleep(0.01)

def dies(x):
    os.kill(os.getpid(), signal.SIGSEGV)

def leaves(x):
    sys.exit(7)

def leaves_at_once(x):
    os._exit(5)

def raises(x):
    raise ValueError("not today")

def draws(x):
    return np.sum(x) + np.random.random()
"""


def cases(**targets: str) -> str:
    """A configuration of cases at one point, without baselines."""
    tables = (
        f"[cases.{name}]\ntarget = 'model.py:{target}'\nat = {{ x = [1.0, 2.0] }}\n"
        if ":" not in target
        else f"[cases.{name}]\n{target.partition(':')[2]}\n"
        for name, target in targets.items()
    )
    return "baselines = false\ntimeout_s = 120\n" + "".join(tables)


def test_the_numbers_do_not_depend_on_the_processes(
    first_run: tuple[Path, GateResult], example: Path
) -> None:
    """One process, two, or three, from kept answers or anew: equal records, to the bit."""
    before = first_run[1].plain(timing=False)
    for asked in ({"jobs": 1, "cached": False}, {"jobs": 3}):
        result = run(example, **asked)
        assert result.plain(timing=False) == before
        assert [c.reports for c in result.cases] == [c.reports for c in first_run[1].cases]


def test_shards_together_are_the_whole(example: Path, first_run: tuple[Path, GateResult]) -> None:
    """Every case is in one shard, and a baseline that is gone is told by exactly one."""
    from gradproof._gate.cases import read_shard

    edit(
        example,
        "gradproof.toml",
        '[cases.sinc]\ntarget = "sin(x) / x"',
        '[cases.sinc2]\ntarget = "sin(x) / x"',
    )
    parts = [run(example, shard=read_shard(f"{i}/3")) for i in (1, 2, 3)]
    names = [c.name for part in parts for c in part.cases]
    assert sorted(names) == sorted([*(c.name for c in first_run[1].cases), "sinc2"])
    assert sorted(str(c.verdict) for part in parts for c in part.cases if not c.passed) == [
        "GONE",
        "NEW",
    ]
    assert parts[0].shard == "1/3"


def test_only_what_failed_last_is_run_again(example: Path) -> None:
    """After a failure --last-failed runs that case until it passes, and then everything."""
    edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    assert run(example, words=("pendulum", "orbit")).counts == {Verdict.PASS: 1, Verdict.FAIL: 1}
    assert [c.name for c in run(example, last_failed=True).cases] == ["pendulum"]
    edit(example, "models/physics.py", "return np.sin(q), -p", "return np.sin(q), p")
    assert [c.name for c in run(example, last_failed=True).cases] == ["pendulum"]
    assert len(run(example, last_failed=True).cases) == 30


@pytest.mark.parametrize("jobs", [1, 3])
def test_fail_fast_ends_at_the_first_failure_in_order(tmp_path: Path, jobs: int) -> None:
    """Cases before the first failure are there, none after it, whatever was faster."""
    text = cases(
        a="f", b=":target='model.py:f'\nclaim='model.py:wrong'\nat={x=[1.0,2.0]}", c="raises", d="f"
    )
    root = repository(tmp_path, text, model=MODEL)
    result = run(root, fail_fast=True, jobs=jobs, cached=False)
    assert [(c.name, str(c.verdict)) for c in result.cases] == [("a", "PASS"), ("b", "FAIL")]
    assert result.stopped_early == 2


def test_one_bad_case_costs_no_other(tmp_path: Path) -> None:
    """Code that hangs, dies, leaves or raises is an error with its reason, and the others are checked."""
    text = cases(
        good="f", hangs="hangs", dies="dies", leaves="leaves", at_once="leaves_at_once", raises="raises", draws="draws",
        missing="nothing", nowhere=":target='absent.py:f'\nat={x=1}", no_point=":target='model.py:f'",
        wrong_claim=":target='model.py:f'\nclaim='model.py:f'\nclaim_kind='jacobian'\nat={x=[1.0,2.0]}", last="f",
    ).replace("[cases.hangs]", "[cases.hangs]\ntimeout_s = 1")  # fmt: skip
    root = repository(tmp_path, text, model=MODEL)
    result = run(root, cached=False)
    found = by_name(result)
    assert {n: str(found[n].verdict) for n in ("good", "last")} == {"good": "PASS", "last": "PASS"}
    for name, told in {
        "hangs": "did not finish within 1 s and was stopped",
        "dies": "its process died (SIGSEGV)",
        "at_once": "its process died (exit code 5)",
        "leaves": "raised SystemExit: 7",
        "raises": "raised ValueError at the point: not today",
        "draws": "draws from the global random state",
        "missing": "there is no 'nothing'",
        "nowhere": "absent.py: no such file",
        "no_point": "needs a value for 'x'",
        "wrong_claim": "expected shape",
    }.items():
        assert found[name].verdict is Verdict.ERROR, name
        assert told in found[name].sentence, (name, found[name].sentence)
        assert found[name].exit_code == 2
        assert "\n" not in found[name].sentence
    assert result.exit_code == 2
    assert [c.name for c in result.cases] == list(found)


def test_what_the_users_code_prints_is_not_the_answer(tmp_path: Path) -> None:
    """Prints of claims go to stderr; stdout is the JSON and nothing else."""
    text = cases(a=":target='model.py:f'\nclaim='model.py:df'\nat={x=[1.0,2.0]}")
    root = repository(tmp_path, text, model=MODEL)
    done = command(root, "gate", "run", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"PASS": 1}
    assert "printed by the user's code" in done.stderr


def test_a_time_budget_is_told_case_by_case(tmp_path: Path) -> None:
    """Cases that the budget left no time for are inconclusive, by name, and let the run fail with 3."""
    text = "budget_s = 1e-9\ninconclusive = 'pass'\n" + cases(a="f", b="f")
    result = run(repository(tmp_path, text, model=MODEL))
    assert [str(c.verdict) for c in result.cases] == ["INCONCLUSIVE", "INCONCLUSIVE"]
    assert "the time budget of 1e-09 s was spent" in result.cases[0].sentence
    assert result.exit_code == 3


def test_a_service_that_does_not_answer_is_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With GRADPROOF_SERVER at nobody, every case says so."""
    monkeypatch.setenv("GRADPROOF_SERVER", "127.0.0.1:9")
    result = run(repository(tmp_path, cases(a="f"), model=MODEL))
    assert one(result).verdict is Verdict.ERROR
    assert result.exit_code == 4


def test_several_points_are_each_checked_and_held(tmp_path: Path) -> None:
    """Literal points and drawn ones all stand in the baseline; a move at the last of them is drift there."""
    from gradproof._gate.accept import accept
    from gradproof._gate.config import load

    text = "[cases.a]\ntarget='model.py:f'\nclaim='model.py:df'\npoints=2\n[[cases.a.at]]\nx=[1.0,2.0]\n[[cases.a.at]]\nx=[-1.0,0.5]\n"
    root = repository(tmp_path, text, model=MODEL)
    new = one(run(root))
    assert (str(new.verdict), new.points) == ("NEW", 4)
    accept(load(root / "gradproof.toml"), new, "first")
    assert one(run(root)).verdict is Verdict.PASS
    edit(
        root,
        "model.py",
        "return 3 * x**2",
        "return 3 * x**2 * np.where(x[0] == -1.0, 1 + 1e-9, 1.0)",
    )
    drifted = one(run(root))
    assert drifted.verdict is Verdict.DRIFT
    assert {d.point for d in drifted.drifts if d.beyond} == {2}


def test_structures_reach_the_check(tmp_path: Path) -> None:
    """An input declared positive definite is checked along that set; a kind that does not exist is told."""
    model = "import numpy as np\ndef f(S):\n    return np.linalg.slogdet(S)[1]\ndef df(S):\n    return np.linalg.inv(S).T\n"
    text = "baselines=false\n[cases.a]\ntarget='model.py:f'\nclaim='model.py:df'\nat={S=[[2.0,0.5],[0.5,1.0]]}\nstructure={S='spd'}\n"
    root = repository(tmp_path, text, model=model)
    assert one(run(root)).verdict is Verdict.PASS
    edit(root, "gradproof.toml", "'spd'", "'speedy'")
    assert one(run(root)).verdict is Verdict.ERROR


def test_a_damaged_answer_is_asked_anew(tmp_path: Path) -> None:
    """Whatever happens to the folder of kept answers, the results stay."""
    root = repository(
        tmp_path,
        cases(a=":target='model.py:f'\nclaim='model.py:df'\nat={x=[1.0,2.0]}"),
        model=MODEL,
    )
    before = run(root, jobs=1)
    kept = [p for p in (root / ".gradproof" / "cache").rglob("*") if p.is_file()]
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:-3] + b"\0\1\2")
    after = run(root, jobs=1)
    assert after.plain(timing=False) == before.plain(timing=False)
    assert sum(c.checks_run for c in after.cases) == 1
    for path in kept:
        path.write_bytes(b"")
    assert run(root, jobs=1).plain(timing=False) == before.plain(timing=False)


def test_the_gravest_code_is_what_is_certain() -> None:
    """Findings come before a failed service, that before unreadable input, that before open verdicts."""
    assert gravest([]) == 0
    assert [gravest(GRAVITY[: k + 1]) for k in range(5)] == list(GRAVITY) == [0, 3, 2, 4, 1]
    assert set(MEANINGS) == set(Verdict)


def test_what_a_run_keeps_is_not_committed(example: Path) -> None:
    """git sees the baselines and nothing that a run leaves behind."""
    import subprocess

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=example, capture_output=True, text=True, check=True
        )
        return done.stdout

    git("init", "-q")
    run(example, words=("orbit",))
    assert (example / ".gradproof" / "cache").is_dir()
    assert ".gradproof" not in git("status", "--porcelain", "--untracked-files=all")
    assert "gradients/orbit.toml" in git("status", "--porcelain", "--untracked-files=all")


def test_nothing_kept_means_nothing_known(tmp_path: Path) -> None:
    """Asked for kept answers only, a case that has none is left for later, not judged."""
    from gradproof._gate.cases import collect
    from gradproof._gate.config import load

    from tests.client.cli.harness import inside

    root = repository(tmp_path, cases(a="f"), model=MODEL)
    every = collect(load(root / "gradproof.toml"))
    bench = open_bench(Job(root, every, {}, held=False, cache=root / "kept"))
    with inside(root):
        assert from_kept(every[0], bench) is None


def test_a_configuration_that_cannot_be_meant_is_raised_before_anything_runs(
    tmp_path: Path,
) -> None:
    """A pattern that names nothing ends the run before a process is started."""
    from gradproof._gate.config import load

    root = repository(tmp_path, "[cases.a]\ntarget='model.py:zz*'\n", model=MODEL)
    with pytest.raises(RequestError, match="names no function"):
        run_gate(load(root / "gradproof.toml"), Asked())
    assert not (root / ".gradproof").exists()
