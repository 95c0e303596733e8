"""What others copy: the GitHub action, the GitLab job and the commit hook are valid, and their steps really run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pre_commit.clientlib import load_manifest
from ruamel.yaml import YAML

from tests.gate.harness import edit, environment, repository, run

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "deploy" / "github-action"
GITLAB = ROOT / "deploy" / "gitlab" / "gradproof.gitlab-ci.yml"


def yaml(text: str) -> Any:
    """A YAML text as plain values, by YAML 1.2: `on` is a word."""
    return YAML(typ="safe", pure=True).load(text)


def schema(name: str) -> Any:
    """A schema that check-jsonschema brings."""
    path = files("check_jsonschema").joinpath("builtin_schemas", "vendor", name)
    found = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(found)(found)


def bin_folder(folder: Path) -> Path:
    """A folder in which `python` and `gradproof` are those of this run."""
    folder.mkdir()
    for name, line in {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "gradproof": f'exec {shlex.quote(sys.executable)} -m gradproof "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_action_is_valid() -> None:
    """It validates against GitHub's schema; a step without a shell would not."""
    action = yaml((ACTION / "action.yml").read_text())
    validator = schema("github-actions.json")
    validator.validate(action)
    assert {i: bool(v["description"]) for i, v in action["inputs"].items()}
    broken = json.loads(json.dumps(action))
    del broken["runs"]["steps"][0]["shell"]
    assert not validator.is_valid(broken)


def test_no_input_of_the_action_becomes_code() -> None:
    """Inputs reach a shell through variables only, never by being pasted into a script."""
    for step in yaml((ACTION / "action.yml").read_text())["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_readme_tells_the_action_as_it_is() -> None:
    """The workflow in it is valid, and the tables of inputs and outputs are those of the action."""
    text = (ACTION / "README.md").read_text()
    action = yaml((ACTION / "action.yml").read_text())
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    schema("github-workflows.json").validate(yaml(found[1]))
    rows = dict(re.findall(r"^\| `([\w-]+)` \|\s*`?([^|`]*)`?\s*\|", text, re.MULTILINE))
    assert {k: v.strip() for k, v in rows.items()} == {
        k: v["default"] for k, v in action["inputs"].items()
    }
    assert re.findall(r"`([\w-]+)`", text.partition("Outputs: ")[2].partition(".")[0]) == list(
        action["outputs"]
    )


def run_action(root: Path, tmp_path: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """The last step of the action, as GitHub would run it."""
    action = yaml((ACTION / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    inputs = {name: value["default"] for name, value in action["inputs"].items()} | given
    env = environment(CI="true", GITHUB_ACTIONS="true")
    for name, value in step["env"].items():
        env[name] = re.sub(
            r"\$\{\{ (.*?) \}\}",
            lambda found: (
                str(ACTION)
                if found[1] == "github.action_path"
                else inputs[found[1].removeprefix("inputs.")]
            ),
            value,
        )
    env["PATH"] = f"{bin_folder(tmp_path / 'bin')}{os.pathsep}{env['PATH']}"
    env["GITHUB_OUTPUT"], env["GITHUB_STEP_SUMMARY"] = (
        str(tmp_path / "output"),
        str(tmp_path / "summary"),
    )
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=root, env=env, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def outputs(tmp_path: Path) -> dict[str, str]:
    """What the step set."""
    return dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())


def test_the_action_runs_and_tells_what_is_wrong(example: Path, tmp_path: Path) -> None:
    """A broken gradient: exit code 1, an annotation at its line, a summary, and reports where the outputs say."""
    line = edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    done = run_action(example, tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.search(
        rf"^::error file=models/physics\.py,line={line},.*title=FAIL pendulum::",
        done.stdout,
        re.MULTILINE,
    )
    assert "pendulum" in (tmp_path / "summary").read_text()
    found = outputs(tmp_path)
    assert found["exit-code"] == "1"
    assert json.loads(Path(found["json"]).read_text())["counts"] == {"PASS": 29, "FAIL": 1}
    assert Path(found["sarif"]).is_file()
    assert Path(found["junit"]).is_file()


def test_the_action_passes_what_is_right(example: Path, tmp_path: Path) -> None:
    """All thirty pass; arguments are divided at spaces and are nothing but arguments."""
    done = run_action(example, tmp_path, arguments="-k orbit -k polar")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(Path(outputs(tmp_path)["json"]).read_text())["counts"] == {"PASS": 2}


@pytest.mark.parametrize(
    "given",
    [{"arguments": "$(touch pwned) ; touch pwned `touch pwned`"}, {"command": "run; touch pwned"}],
)
def test_inputs_of_the_action_are_never_run(
    example: Path, tmp_path: Path, given: dict[str, str]
) -> None:
    """What looks like a shell's command in an input is refused as an argument."""
    done = run_action(example, tmp_path, **given)
    assert done.returncode == 2
    assert not (example / "pwned").exists()


def test_the_gitlab_job_is_valid_and_its_script_runs(example: Path, tmp_path: Path) -> None:
    """It validates against GitLab's schema, and its line runs in a shard and writes what it promises."""
    job = yaml(GITLAB.read_text())
    schema("gitlab-ci.json").validate(job)
    (line,) = job["gradproof"]["script"]
    env = environment(CI="true", CI_NODE_INDEX="2", CI_NODE_TOTAL="3")
    env["PATH"] = f"{bin_folder(tmp_path / 'bin')}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", line],
        cwd=example,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    artifacts = job["gradproof"]["artifacts"]
    for name in (*artifacts["paths"], artifacts["reports"]["junit"]):
        assert (example / name).stat().st_size
    assert json.loads((example / "gradproof.json").read_text())["shard"] == "2/3"


def test_the_hook_is_as_pre_commit_reads_it() -> None:
    """pre-commit itself accepts the manifest, and the hook computes nothing."""
    (hook,) = load_manifest(str(ROOT / ".pre-commit-hooks.yaml"))
    assert hook["id"] == "gradproof"
    assert hook["entry"] == "gradproof gate lint"
    assert hook["pass_filenames"]


def test_the_hook_tells_static_findings_of_the_files_it_is_given(tmp_path: Path) -> None:
    """Only cases in these files are looked at, nothing is checked, and a finding that counts fails with its line."""
    model = "import numpy as np\n\ndef f(x):\n    y = np.exp(x)\n    return np.log(np.sum(y))\n\ndef df(x):\n    return 0 * x\n"
    text = (
        "errors = ['GP301']\n[cases.a]\ntarget = 'model.py:f'\nclaim = 'model.py:df'\nat = { x = [1.0, 2.0] }\n"
        "[cases.b]\ntarget = 'other.py:f'\nat = { x = [1.0, 2.0] }\n"
    )
    root = repository(tmp_path / "r", text, model=model, other="def f(x):\n    return x.sum()\n")
    env = environment()
    env["PATH"] = f"{bin_folder(tmp_path / 'bin')}{os.pathsep}{env['PATH']}"

    def hook(*names: str) -> subprocess.CompletedProcess[str]:
        words = ["gradproof", "gate", "lint", "--format", "json", *names]
        return subprocess.run(
            words, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    done = hook("model.py")
    assert done.returncode == 1, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["verdict"], case["checks_run"], case["entries_checked"]) == ("FAIL", 0, 0)
    assert case["place"]["file"] == "model.py"
    assert case["place"]["line"] == 5
    assert hook("other.py").returncode == 0
    assert hook("elsewhere.py").returncode == 0
    assert run(root, words=("a",)).cases[0].checks_run == 1
