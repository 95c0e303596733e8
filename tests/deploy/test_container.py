"""The container without an engine: the same command and environment, another user, and a root that cannot be written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc

from tests.service.abuse.harness import alive, children, evaluate
from tests.service.server.harness import cubic, point
from tests.service.server.security.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
TOKEN = "a-token-for-the-container-0123456789"
READ_ONLY = """
mount --make-rprivate /
while read -r _ where _; do mount -o remount,bind,ro "$where" 2>/dev/null; done < /proc/self/mounts
mount -o remount,bind,ro / || exit 90
touch /tmp/written 2>/dev/null && exit 91
exec {drop} "$@"
"""


def environment() -> dict[str, str]:
    """What the image sets, on ports of our own."""
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    block = re.search(r"^ENV (.*?)(?<!\\)\n", stage, re.S | re.M)
    assert block
    found = dict(pair.split("=", 1) for pair in block[1].replace("\\\n", " ").split())
    found.pop("PATH")
    return {k: re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", v) for k, v in found.items()}


def command() -> list[str]:
    """The image's entry point and command."""
    entry, rest = (json.loads(re.search(rf"^{w} (\[.*\])$", DOCKERFILE, re.M)[1]) for w in ("ENTRYPOINT", "CMD"))  # type: ignore[index]  # fmt: skip
    assert entry == ["gradproof"]
    return [sys.executable, "-m", *entry, *rest]


def dropping(files: list[Path]) -> str:
    """How rights are given up: the image's user where it can read what it must, else nobody's rights at least."""
    if os.getuid() != 0:
        return ""
    who = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.M)
    assert who
    user = f"--reuid={who[1]} --regid={who[2]} --clear-groups"
    base = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import gradproof_service']))"
    probe = subprocess.run(
        [*f"{base} {user}".split(), sys.executable, "-c", again], capture_output=True, check=False
    )
    if probe.returncode:
        return base
    for file in files:
        shutil.chown(file, int(who[1]), int(who[2]))
    return f"{base} {user}"


@pytest.fixture
def container(tmp_path: Path) -> Any:
    """The service as the image runs it, with a certificate and a token."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    authority = Authority(tmp_path)
    pair = authority.sign("localhost")
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    drop = dropping([pair.key, tokens])
    given = {
        "GRADPROOF_SERVE_TLS_CERTIFICATE": str(pair.certificate),
        "GRADPROOF_SERVE_TLS_KEY": str(pair.key),
        "GRADPROOF_SERVE_AUTH_TOKEN_FILE": str(tokens),
    }
    process = subprocess.Popen(
        ["unshare", *(() if os.getuid() == 0 else ("-r",)), "-m", "sh", "-c", READ_ONLY.format(drop=drop), "sh", *command()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        env={"PATH": os.environ["PATH"], **environment(), **given},
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        assert line, (process.wait(), process.communicate())
        found = dict(re.findall(r"(serving|health|metrics) on ([\d.:]+\d)", line))
        yield process, found, authority, tokens
    finally:
        process.kill()
        process.communicate()


def test_the_container_serves_as_nobody_and_writes_nowhere(container: Any) -> None:
    """Entry command, environment, probes, metrics, a check over TLS with a token, and a drain: on a root that is read-only."""
    process, found, authority, tokens = container
    status = Path(f"/proc/{process.pid}/status").read_text()
    if os.getuid() == 0:  # else there were no rights to give up
        assert re.search(r"^CapBnd:\t0+$", status, re.M)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    probe = [sys.executable, "-m", "gradproof", "health", "--server", found["health"]]
    assert subprocess.run(probe, capture_output=True, check=False, timeout=60).returncode == 0
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
    shown = [("authorization", f"Bearer {tokens.read_text().strip()}")]
    with grpc.secure_channel(found["serving"], credentials) as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        request = der.CheckRequest(program=cubic(), point=point(x=2.0))
        assert stub.Check(request, timeout=60, metadata=shown).report.verdict
        with pytest.raises(grpc.RpcError) as caught:
            evaluate(channel, 1.0)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    family = [process.pid, *children(process.pid), *(w for n in children(process.pid) for w in children(n))]  # fmt: skip
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = process.stderr.read()
    assert all(json.loads(line) for line in log.splitlines())
    assert TOKEN not in log
    until = time.monotonic() + 5
    while any(map(alive, family)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(alive, family))


def test_an_image_without_a_certificate_refuses_to_be_open(tmp_path: Path) -> None:
    """The image's own address is one that others reach: without TLS the command says so and ends."""
    given = {**environment(), "GRADPROOF_SERVE_LISTEN_ADDRESS": "0.0.0.0:0"}
    ended = subprocess.run(
        command(), capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.environ["PATH"], **given}
    )  # fmt: skip
    assert ended.returncode == 2
    assert "is not encrypted" in ended.stderr


def test_five_commands(tmp_path: Path) -> None:
    """The commands of the page, run as they stand there (the first, which installs, has been run already)."""
    page = (ROOT / "deploy" / "README.md").read_text()
    block = re.search(r"```sh\n(pip install.*?)```", page, re.S)
    assert block
    lines = block[1].strip().splitlines()
    assert len(lines) == 5
    gradproof = f"{sys.executable} -m gradproof"
    commands = [re.sub(r"(^|; )gradproof", rf"\1{gradproof}", line) for line in lines[1:]]
    commands[2] = commands[2].replace("0.0.0.0:50250", "127.0.0.1:0")
    port = r"$(sed 's/.*127.0.0.1:\([0-9]*\).*/\1/' ready)"
    commands[3] = commands[3].replace("localhost:50250", f"localhost:{port}")
    script = "\n".join([*commands[:3], "server=$!", commands[3], "code=$?", "kill $server; wait $server", "exit $code"])  # fmt: skip
    ended = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert "29" in ended.stdout
