"""The house keeps its floors: who may import whom, read from the source without running it.

Every import statement counts, also one inside a function or under `TYPE_CHECKING`.
Each law is also held against a planted violation, so that it is known to be able to fail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE_DIRS = {
    "gradproof_proto": ROOT / "proto" / "gradproof_proto",
    "gradproof_service": ROOT / "service" / "gradproof_service",
    "gradproof": ROOT / "client" / "gradproof",
}

# The package's own `__init__` is the ground: it runs before every floor and imports none.
FLOORS = {
    "": 0,
    "diagnostic": 1,
    "arrays": 1,
    "ops": 2,
    "graph": 3,
    "transforms": 4,
    "checking": 5,
    "findings": 6,
    "wire": 6,
    "server": 7,
    "__main__": 7,
}
TOP_PURE_FLOOR = 5

# Network, clock, environment, global state: what the pure floors hold none of.
IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "datetime",
        "gradproof_proto",
        "google",
        "grpc",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "time",
    }
)
# Long elementwise runs are split over a small thread pool, and only there.
THREADED_ROOM = "transforms"
THREADS = frozenset({"threading", "concurrent"})
PROTOBUF = frozenset({"gradproof_proto", "google", "grpc"})

# What turns text or bytes into running code.
CODE_MODULES = frozenset(
    {
        "cloudpickle",
        "code",
        "codeop",
        "dill",
        "imp",
        "importlib",
        "joblib",
        "marshal",
        "pickle",
        "pkgutil",
        "runpy",
        "shelve",
    }
)
HARMLESS_IMPORTLIB = frozenset({"importlib.metadata", "importlib.resources"})
CODE_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
# (file, name) -> why it is right there. Everything else goes without.
CODE_ALLOWED = {
    ("gradproof/_targets.py", "importlib"): (
        "`package.module:function` on the command line: the user's own module and process"
    ),
    ("gradproof/_gate/code.py", "importlib"): "where our own packages lie; nothing is loaded",
    (
        "gradproof/_gate/watch.py",
        "importlib",
    ): "where packages lie, and their names; nothing is loaded",
    ("gradproof_service/ops/__init__.py", "importlib"): (
        "the family files of its own folder, from a list of constants"
    ),
    ("gradproof_service/transforms/scalar/code.py", "exec"): (
        "expressions of our own op records with numbered names; a test holds them to known words"
    ),
}


def modules(package: str, source_dir: Path) -> Iterator[tuple[str, Path]]:
    """Every hand-written module of a package as (dotted name, file), in a fixed order."""
    for path in sorted(source_dir.rglob("*.py")):
        if path.stem.endswith(("_pb2", "_pb2_grpc")):
            continue
        parts = path.relative_to(source_dir).with_suffix("").parts
        yield ".".join((package, *parts)), path


def imported_names(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each (line, absolute dotted name) a module imports; `from a import b` gives `a.b`."""
    package = module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = [node.module] if node.module else []
            if node.level:
                origin = package[: len(package) - node.level + 1] + origin
            for alias in node.names:
                yield node.lineno, ".".join([*origin, alias.name])


def room(module: str) -> str:
    """The room of a `gradproof_service` module or name: its first part below the package."""
    parts = module.split(".")
    if len(parts) < 2 or parts[1] == "__init__":
        return ""
    return parts[1]


def service_violations(source_dir: Path) -> list[str]:
    """Each import in the service that goes up, out to the client, or from a pure floor outside."""
    found: list[str] = []
    for module, path in modules("gradproof_service", source_dir):
        here = room(module)
        if here not in FLOORS:
            found.append(f"{module}: no floor is given for {here!r}; add it to FLOORS")
            continue
        for line, name in imported_names(module, ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{module}:{line}"
            top = name.split(".")[0]
            if top == "gradproof":
                found.append(f"{where} imports the client: {name}")
            elif top == "gradproof_service":
                there = room(name)
                # A name that is no room is one of the package's own `__init__`, the ground.
                floor_there = FLOORS.get(there, 0)
                if floor_there > FLOORS[here]:
                    found.append(f"{where} ({here}) imports from a floor above: {name}")
                elif here == "findings" and there == "wire":
                    found.append(f"{where}: findings know no protobuf, also not through {name}")
            elif FLOORS[here] <= TOP_PURE_FLOOR and top in IMPURE:
                if not (here == THREADED_ROOM and top in THREADS):
                    found.append(f"{where}: {here or 'the package'} is pure, {name} is not")
            elif here == "findings" and top in PROTOBUF:
                found.append(f"{where}: findings know no protobuf: {name}")
    return found


def door_violations(package: str, source_dir: Path) -> list[str]:
    """Each import by which the client or the contract reaches a room it must not know."""
    closed = {
        "gradproof": {"gradproof_service"},
        "gradproof_proto": {"gradproof", "gradproof_service"},
    }
    return [
        f"{module}:{line} imports {name}"
        for module, path in modules(package, source_dir)
        if module != "gradproof._embedded"
        for line, name in imported_names(module, ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] in closed[package]
    ]


def code_violations(package: str, source_dir: Path) -> list[str]:
    """Each place that could run code which came from outside, beyond `CODE_ALLOWED`."""
    found: list[str] = []
    for module, path in modules(package, source_dir):
        file = f"{package}/{path.relative_to(source_dir).as_posix()}"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        uses = [
            (line, name.split(".")[0])
            for line, name in imported_names(module, tree)
            if name.split(".")[0] in CODE_MODULES
            and ".".join(name.split(".")[:2]) not in HARMLESS_IMPORTLIB
        ]
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in CODE_CALLS:
                uses.append((node.lineno, node.func.id))
            uses += [
                (node.lineno, "allow_pickle")
                for keyword in node.keywords
                if keyword.arg == "allow_pickle"
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            ]
        found += [
            f"{file}:{line} uses {name}" for line, name in uses if (file, name) not in CODE_ALLOWED
        ]
    return found


def test_service_floors() -> None:
    """The service imports downwards only, and its floors up to `checking` hold no outside world."""
    assert service_violations(SOURCE_DIRS["gradproof_service"]) == []


@pytest.mark.parametrize("package", ["gradproof", "gradproof_proto"])
def test_one_door(package: str) -> None:
    """The client knows the service through `_embedded.py` alone; the contract knows neither."""
    assert door_violations(package, SOURCE_DIRS[package]) == []


@pytest.mark.parametrize("package", sorted(SOURCE_DIRS))
def test_nothing_from_outside_runs(package: str) -> None:
    """No package unpickles, evaluates or imports what it was sent."""
    assert code_violations(package, SOURCE_DIRS[package]) == []


def test_every_exception_is_used() -> None:
    """An exception for a file holds only as long as the file needs it."""
    for file, name in CODE_ALLOWED:
        path = SOURCE_DIRS[file.split("/")[0]].parent / file
        if path.exists():
            assert name in path.read_text(encoding="utf-8"), f"{file} uses no {name}: drop it"


def plant(folder: Path, file: str, text: str) -> Path:
    """Writes one module into an otherwise empty package and returns the package's folder."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ops/a.py", "from gradproof_service.graph import builder\n"),
        ("ops/a.py", "import gradproof_service.checking.check\n"),
        ("ops/a.py", "from ..graph.builder import Builder\n"),
        ("ops/deep/a.py", "from ...server import main\n"),
        ("graph/a.py", "from gradproof_service import transforms\n"),
        ("graph/a.py", "def f():\n    from gradproof_service.transforms import forward\n"),
        ("checking/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import grpc\n"),
        ("checking/a.py", "from google.protobuf import message\n"),
        ("arrays.py", "import time\n"),
        ("graph/a.py", "import threading\n"),
        ("transforms/a.py", "import os.path\n"),
        ("findings/a.py", "from gradproof_proto.v1 import report_pb2\n"),
        ("findings/a.py", "from gradproof_service.wire import report\n"),
        ("server/a.py", "import gradproof\n"),
        ("server/a.py", "from gradproof.client import Client\n"),
        ("__init__.py", "from .server import main\n"),
        ("attic.py", "x = 1\n"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, text: str) -> None:
    """One import in the wrong direction is one violation, in whatever form it is written."""
    assert len(service_violations(plant(tmp_path, file, text))) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ops/a.py", "from gradproof_service.arrays import Type\nimport numpy as np\n"),
        ("ops/a.py", "from . import record\nfrom ..diagnostic import Finding\n"),
        ("ops/__init__.py", "from .record import Op\n"),
        ("transforms/a.py", "from concurrent.futures import ThreadPoolExecutor\n"),
        ("graph/a.py", "from gradproof_service import __version__\n"),
        ("server/a.py", "import asyncio, os, grpc\nfrom gradproof_service.wire import x\n"),
    ],
)
def test_a_rightful_import_passes(tmp_path: Path, file: str, text: str) -> None:
    """Imports from below, and from the own room, are no violation."""
    assert service_violations(plant(tmp_path, file, text)) == []


def test_a_planted_second_door_is_found(tmp_path: Path) -> None:
    """The client's one door is open, and a second one is found."""
    text = "def f():\n    from gradproof_service.server import servicer\n"
    assert len(door_violations("gradproof", plant(tmp_path, "check.py", text))) == 1
    assert len(door_violations("gradproof_proto", plant(tmp_path, "check.py", text))) == 1
    (tmp_path / "check.py").rename(tmp_path / "_embedded.py")
    assert door_violations("gradproof", tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\n",
        "from pickle import loads\n",
        "def f(s):\n    return eval(s)\n",
        "exec('x = 1')\n",
        "m = __import__(name)\n",
        "import importlib\n",
        "from importlib import import_module\n",
        "import importlib.util\n",
        "np.load(path, allow_pickle=True)\n",
        "np.load(path, allow_pickle=flag)\n",
    ],
)
def test_planted_code_from_outside_is_found(tmp_path: Path, text: str) -> None:
    """Every way to run what was sent is found."""
    assert len(code_violations("gradproof", plant(tmp_path, "a.py", text))) == 1


def test_data_from_outside_passes(tmp_path: Path) -> None:
    """Reading data, compiling patterns and asking for our own version run no code."""
    text = "from importlib import metadata\nre.compile('x')\nnp.load(p, allow_pickle=False)\n"
    assert code_violations("gradproof", plant(tmp_path, "a.py", text)) == []
