"""The files for running a service: valid, hardened, and in step with the code."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from gradproof_service.server.settings.read import read_configuration

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
BIN = Path(sys.executable).parent
MANIFESTS = sorted(p for p in KUBERNETES.glob("*.yaml") if p.name != "kustomization.yaml")


def ran(*command: object) -> str:
    """What a command printed; it must end well."""
    ended = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def manifest(name: str) -> Any:
    """One manifest."""
    return yaml.safe_load((KUBERNETES / f"{name}.yaml").read_text())


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_valid(path: Path) -> None:
    """Each is what Kubernetes knows, with no field that it does not."""
    assert "passed" in ran(BIN / "kubernetes-validate", "--strict", path)


def test_a_misspelt_field_is_found(tmp_path: Path) -> None:
    """The validation would notice."""
    wrong = tmp_path / "wrong.yaml"
    text = (KUBERNETES / "deployment.yaml").read_text()
    wrong.write_text(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    with pytest.raises(AssertionError):
        ran(BIN / "kubernetes-validate", "--strict", wrong)


def test_every_manifest_is_applied() -> None:
    """The kustomization names them all."""
    assert sorted(manifest("kustomization")["resources"]) == [p.name for p in MANIFESTS]


def test_the_dockerfile_passes_its_linter() -> None:
    """hadolint has nothing to say."""
    assert ran(BIN / "hadolint", DEPLOY / "Dockerfile") == ""


def test_the_compose_file_is_valid() -> None:
    """It fits the schema of compose files."""
    ran(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose" / "compose.yaml")  # fmt: skip


def test_the_example_configuration_is_one() -> None:
    """It is read without a complaint, fits the schema, and is what Kubernetes is given."""
    path = DEPLOY / "gradproof.toml"
    made = read_configuration(path, {})
    jsonschema.validate(tomllib.loads(path.read_text()), json.loads((DEPLOY / "configuration.schema.json").read_text()))  # fmt: skip
    assert manifest("configmap")["data"]["gradproof.toml"] == path.read_text()
    container = manifest("deployment")["spec"]["template"]["spec"]["containers"][0]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    listen, operation = made.listen, made.operation
    asked = (listen.address, operation.health_address, operation.metrics_address)
    assert [int(a.rpartition(":")[2]) for a in asked] == [
        ports[n] for n in ("grpc", "health", "metrics")
    ]
    assert container["startupProbe"]["grpc"]["port"] == ports["health"]
    grace = manifest("deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert operation.drain_s + operation.grace_s < grace
    mounted = [m["mountPath"] for m in container["volumeMounts"]]
    for file in (made.tls.certificate, made.tls.key, made.auth.token_file):
        assert any(file.startswith(f"{path}/") for path in mounted)


def test_the_pod_may_do_nothing_that_it_need_not() -> None:
    """No root, no capabilities, no writable file system, no token of the cluster, nothing out and only named ones in."""
    pod = manifest("deployment")["spec"]["template"]["spec"]
    own = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}  # fmt: skip
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(pod["containers"][0])
    policy = manifest("networkpolicy")["spec"]
    assert policy["podSelector"] == {}
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert policy["egress"] == []
    assert all(rule["from"] for rule in policy["ingress"])
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for service in compose.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert re.search(r":v?\d", service["image"])


def test_everything_that_is_installed_is_pinned() -> None:
    """The locks hold each library that the package, its serve extra and its build ask for, by exact version and digest of its wheels."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = given["project"]
    wanted = {
        "requirements.lock": [*project["dependencies"], *project["optional-dependencies"]["serve"]],
        "build.lock": given["build-system"]["requires"],
    }
    text = (DEPLOY / "Dockerfile").read_text()
    for lock, requirements in wanted.items():
        pinned = _locked(DEPLOY / lock)
        for requirement in requirements:
            name, least = re.fullmatch(r"([\w-]+)>=([\d.]+).*", requirement).groups()  # type: ignore[union-attr]
            assert _numbers(pinned[name.lower()]) >= _numbers(least)
        assert re.search(
            rf"pip install --require-hashes --only-binary :all: --requirement {lock}", text
        )
        assert f"!deploy/{lock}" in (DEPLOY / "Dockerfile.dockerignore").read_text()
    installs = re.findall(r"pip install (.*?)(?: \\|$)", text, re.M)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    assert re.search(r"ARG PYTHON=3\.\d+\.\d+-slim-\w+", text)
    assert f"gradproof:{project['version']}" in text


def _locked(path: Path) -> dict[str, str]:
    """The versions in a lock file, each with the digest of one or more wheels, and nothing besides."""
    text = re.sub(r" \\\n +", " ", path.read_text())
    pinned: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        found = re.fullmatch(r"([a-z0-9-]+)==([\w.]+)((?: --hash=sha256:[0-9a-f]{64})+)", line)
        assert found, line
        pinned[found[1]] = found[2]
    return pinned


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def test_dashboard_and_alerts_ask_for_what_there_is() -> None:
    """Every metric in them is one that the service tells."""
    source = (ROOT / "service/gradproof_service/server/operation/prometheus.py").read_text()
    told = set(re.findall(r'"(gradproof_\w+)"', source))
    texts = [
        (DEPLOY / "compose" / n).read_text() for n in ("alerts.yaml", "grafana/gradproof.json")
    ]
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for text in texts for name in re.findall(r"\bgradproof_\w+", text)}  # fmt: skip
    assert asked == told
    panels = json.loads(texts[1])["panels"]
    assert len({p["id"] for p in panels}) == len(panels) >= 8


def test_the_unit_is_locked_down() -> None:
    """systemd: a user of its own, nothing writable, credentials, and a drain that has its time."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((DEPLOY / "systemd" / "gradproof.service").read_text())
    unit = parser["Service"]
    assert unit["ExecStart"].split()[1:3] == ["serve", "--config"]
    assert unit["DynamicUser"] == unit["NoNewPrivileges"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["KillMode"] == "mixed"
    made = read_configuration(DEPLOY / "gradproof.toml", {})
    assert float(unit["TimeoutStopSec"]) > made.operation.drain_s + made.operation.grace_s
