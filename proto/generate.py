"""Regenerates the Python code of the wire contract, beside the `.proto` files it comes from.

Run `python proto/generate.py` with exactly the tools in PINS. The output is committed, and a test compares it byte for byte.

The pin is a decision: generated code refuses a runtime older than its generator, so these tools set the lowest grpcio
(1.85.1) and protobuf (7.35.1) that an installation may have. Moving them is a commit of its own, together with
`pyproject.toml`.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PINS = {"grpcio-tools": "1.85.1"}
ROOT = Path(__file__).resolve().parent
SOURCES = tuple(
    sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("gradproof_proto/v1/*.proto"))
)


def generate(target: Path) -> None:
    """Writes `*_pb2.py` and `*_pb2.pyi` of every source under `target`, and `*_pb2_grpc.py` of those with a service.

    Raises RuntimeError when the tools are not the pinned ones or a source does not compile.
    """
    for tool, pinned in PINS.items():
        if version(tool) != pinned:
            raise RuntimeError(
                f"{tool}: expected {pinned}, found {version(tool)}; install the pinned tool or move the pin."
            )
    well_known = files("grpc_tools").joinpath("_proto")
    includes = [f"--proto_path={ROOT}", f"--proto_path={well_known}"]
    run([*includes, f"--python_out={target}", f"--pyi_out={target}", *SOURCES])
    run(
        [
            *includes,
            f"--grpc_python_out={target}",
            *(source for source in SOURCES if has_service(source)),
        ]
    )


def run(arguments: list[str]) -> None:
    """Runs protoc; raises RuntimeError when it fails."""
    status = protoc.main(["protoc", *arguments])
    if status != 0:
        raise RuntimeError(f"protoc failed with status {status}; its messages stand above.")


def has_service(source: str) -> bool:
    """Whether a source declares a service, and so gets stubs."""
    return any(
        line.startswith("service ")
        for line in (ROOT / source).read_text(encoding="utf-8").splitlines()
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
