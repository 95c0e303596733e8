"""The contract itself: generated code is what the sources make, lint is clean, and everything has a comment."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"
GENERATED = PROTO / "gradproof_proto" / "v1"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", PROTO / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_code_is_current(tmp_path: Path) -> None:
    """Generating again gives the committed files, byte for byte, and no file more or less."""
    _generator().generate(tmp_path)
    made = {
        path.name: path.read_bytes() for path in (tmp_path / "gradproof_proto" / "v1").iterdir()
    }
    committed = {
        path.name: path.read_bytes()
        for path in GENERATED.glob("*_pb2*.py*")
        if path.suffix != ".pyc"
    }
    assert sorted(made) == sorted(committed)
    assert [name for name in made if made[name] != committed[name]] == []


def test_another_generator_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the pinned tools may write the committed code."""
    module = _generator()
    monkeypatch.setitem(module.PINS, "grpcio-tools", "0.0.1")
    with pytest.raises(RuntimeError, match=r"expected 0\.0\.1"):
        module.generate(tmp_path)


def test_buf_lint() -> None:
    """The STANDARD lint is clean but for the one exception that buf.yaml explains."""
    beside = Path(sys.executable).with_name("buf")
    buf = str(beside) if beside.exists() else shutil.which("buf")
    assert buf is not None, "install buf-bin, it is in the `dev` extra"
    done = subprocess.run([buf, "lint"], cwd=PROTO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    exceptions = (PROTO / "buf.yaml").read_text().partition("except:")[2].partition("breaking:")[0]
    assert [line.strip() for line in exceptions.splitlines() if line.strip().startswith("-")] == [
        "- PACKAGE_DIRECTORY_MATCH"
    ]


def _uncommented(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    comments = {
        tuple(place.path): place.leading_comments.strip()
        for place in file.source_code_info.location
    }

    def walk(
        message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], name: str
    ) -> Iterator[tuple[tuple[int, ...], str]]:
        yield path, name
        yield from (
            ((*path, 2, index), f"{name}.{field.name}") for index, field in enumerate(message.field)
        )
        synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
        for index, oneof in enumerate(message.oneof_decl):
            if index not in synthetic:
                yield (*path, 8, index), f"{name}.{oneof.name}"
        for index, nested in enumerate(message.nested_type):
            yield from walk(nested, (*path, 3, index), f"{name}.{nested.name}")

    def entries() -> Iterator[tuple[tuple[int, ...], str]]:
        for index, message in enumerate(file.message_type):
            yield from walk(message, (4, index), message.name)
        for index, enum in enumerate(file.enum_type):
            yield (5, index), enum.name
            yield from (
                ((5, index, 2, number), value.name) for number, value in enumerate(enum.value)
            )
        for index, service in enumerate(file.service):
            yield (6, index), service.name
            yield from (
                ((6, index, 2, number), method.name) for number, method in enumerate(service.method)
            )

    for path, name in entries():
        if len(comments.get(path, "")) < 4 or not comments[path].endswith((".", ":")):
            yield f"{file.name}: {name}"


def test_everything_has_a_comment(tmp_path: Path) -> None:
    """Every message, field, oneof, enum, value, service and rpc has a sentence above it: that is the contract."""
    target = tmp_path / "contract.binpb"
    sources = [path.relative_to(PROTO).as_posix() for path in sorted(GENERATED.glob("*.proto"))]
    arguments = [f"--proto_path={PROTO}", "--include_source_info", f"--descriptor_set_out={target}"]
    assert protoc.main(["protoc", *arguments, *sources]) == 0
    files = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file
    assert len(files) == len(sources)
    assert [name for file in files for name in _uncommented(file)] == []


def test_missing_comments_are_noticed() -> None:
    """A message without a comment is named, so the test above can fail."""
    file = descriptor_pb2.FileDescriptorProto(name="a.proto")
    file.message_type.add(name="Bare").field.add(name="x")
    assert list(_uncommented(file)) == ["a.proto: Bare", "a.proto: Bare.x"]


def test_importing_is_light() -> None:
    """Messages, tensors and the text form load without gRPC, and the bare package without NumPy."""
    code = (
        "import sys, gradproof_proto, gradproof_proto.v1; assert 'numpy' not in sys.modules;"
        "import gradproof_proto.program_io, gradproof_proto.v1.derivative_pb2; assert 'grpc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
