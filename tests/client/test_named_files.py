"""Files that data names: none is read that the user did not choose, whatever trick the name or the file plays."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradproof._errors import GradproofError, RequestError
from gradproof._gate.baseline import committed, read
from gradproof._gate.points import points
from gradproof._named_files import SOURCE_BYTES, open_beneath, own, source_text, trust
from gradproof_proto.tables import Location
from gradproof_proto.text import print_program
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter

SECRET = "password = 'correct horse battery staple'"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the folder in which the user works."""
    path = tmp_path / "outside" / "secret.py"
    path.parent.mkdir()
    path.write_text(f"{SECRET}\n" * 3)
    return path


@pytest.fixture
def work(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the user works: a file of his own, and whatever a stranger's archive may have brought."""
    folder = tmp_path / "work"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "own.py").write_text("x = 1\ny = 2\n")
    (folder / "inside.py").symlink_to(Path("inner") / "own.py")
    (folder / "link.py").symlink_to(secret)
    (folder / "folder").symlink_to(secret.parent)
    (folder / "environment.py").symlink_to("/proc/self/environ")
    (folder / "device.py").symlink_to("/dev/zero")
    (folder / "second.py").hardlink_to(secret)
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "large.py").write_bytes(b"\n" * (SOURCE_BYTES + 1))
    os.mkfifo(folder / "fifo.py")
    monkeypatch.chdir(folder)
    return folder


def tricks(secret: Path) -> dict[str, str]:
    """Names that lead where nobody asked to go."""
    return {
        "above": "../outside/secret.py",
        "above, from below": "inner/../../outside/secret.py",
        "absolute": str(secret),
        "symbolic link": "link.py",
        "linked folder": "folder/secret.py",
        "hard link": "second.py",
        "pipe": "fifo.py",
        "process": "/proc/self/environ",
        "process, by a link": "environment.py",
        "process, by its folder": f"/proc/self/cwd/../{secret.parent.name}/secret.py",
        "device": "/dev/zero",
        "device, by a link": "device.py",
        "loop": "loop.py",
        "too large": "large.py",
        "folder": "inner",
        "the root itself": ".",
        "nothing": "",
        "none": "absent.py",
        "no name": "a\0.py",
        "no text": "\udcff.py",
        "long": "a" * 5000 + ".py",
    }


TRICKS = tuple(tricks(Path("/outside/secret.py")))


@pytest.mark.parametrize("trick", TRICKS)
def test_no_name_leads_out(trick: str, work: Path, secret: Path) -> None:
    """Every trick: source is empty, an open is refused in half a sentence, and neither waits."""
    name = tricks(secret)[trick]
    assert source_text(name) == ""
    with pytest.raises((OSError, ValueError)) as caught:
        open_beneath(work, name, SOURCE_BYTES)
    assert SECRET not in str(caught.value)


def test_sockets_are_no_files(work: Path) -> None:
    """A socket with the name of a source file is left alone."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s.py")
        assert source_text("s.py") == ""


def test_own_files_are_read(work: Path, secret: Path) -> None:
    """Beneath the folder, by a link that stays there, by its whole path; elsewhere what runs here or was trusted."""
    for name in ("inner/own.py", "./inner/own.py", "inside.py", str(work / "inner" / "own.py")):
        assert source_text(name) == "x = 1\ny = 2\n"
    own("traced.py", str(secret))
    assert source_text("traced.py").startswith(SECRET)
    other = work.parent / "other"
    other.mkdir()
    (other / "more.py").write_text("z = 3\n")
    assert source_text("more.py") == ""
    trust(other)
    assert source_text("more.py") == "z = 3\n"
    assert source_text(str(other / "more.py")) == "z = 3\n"


def test_what_runs_here_is_read_again_only_when_it_changed(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check asks for its comments: a file that stayed is opened once, one that changed is seen at once."""
    file = work / "inner" / "own.py"
    own("kept.py", str(file))
    os.utime(file, ns=(1, 1))
    opened: list[Any] = []
    real = os.open

    def counted(path: Any, *rest: Any, **options: Any) -> int:
        opened.append(path)
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", counted)
    assert [source_text("kept.py") for _ in range(3)] == ["x = 1\ny = 2\n"] * 3
    assert opened == [str(file)]
    for text in ("x = 3\ny = 4\n", "x = 5\ny = 6\n"):  # of one size, one right behind the other
        file.write_text(text)
        assert source_text("kept.py") == text
    file.unlink()
    assert source_text("kept.py") == ""


def swapped(
    at: str, swap: Callable[[], object], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Once, just before this part of a path is looked at with this call, something is exchanged."""
    real: Any = getattr(os, name)
    done: list[bool] = []

    def call(path: Any, *rest: Any, **options: Any) -> Any:
        if path == at and "dir_fd" in options and not done:
            done.append(True)
            swap()
        return real(path, *rest, **options)

    monkeypatch.setattr(os, name, call)


def test_a_swap_in_between_gains_nothing(
    work: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, or a folder on its way, that becomes a link, a pipe or a second name after the path was judged."""
    mine = work / "inner" / "own.py"

    def exchanged(path: Path, make: Callable[[Path], object]) -> Callable[[], object]:
        def swap() -> None:
            path.rename(path.with_name("kept"))
            make(path)

        return swap

    cases: list[tuple[str, str, Path, Callable[[Path], object]]] = [
        ("own.py", "open", mine, lambda p: p.symlink_to(secret)),
        ("own.py", "open", mine, lambda p: p.hardlink_to(secret)),
        ("own.py", "open", mine, os.mkfifo),
        ("own.py", "stat", mine, lambda p: p.symlink_to(secret)),
        ("own.py", "stat", mine, os.mkfifo),
        ("inner", "open", mine.parent, lambda p: p.symlink_to(secret.parent)),
    ]
    (secret.parent / "own.py").write_text(SECRET)
    for part, call, path, make in cases:
        with monkeypatch.context() as patch:
            swapped(part, exchanged(path, make), patch, call)
            assert source_text("inner/own.py") == "", (part, call)
        assert path.with_name("kept").exists(), "the swap did not happen"
        path.unlink()
        path.with_name("kept").rename(path)
        assert source_text("inner/own.py") == "x = 1\ny = 2\n"


def test_the_descriptor_is_given_back(work: Path, secret: Path) -> None:
    """However an open ends, no descriptor stays behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in tricks(secret).values():
        source_text(name)
    for _ in range(5):
        source_text("inner/own.py")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def strangers(places: dict[str, str]) -> pb.Program:
    """A program whose every node says it comes from another file."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    y = f.input("x")
    for name in places.values():
        if "\0" in name or "\udcff" in name:
            continue
        y = f.node("gp.log1p", [y], loc=writer.location(Location(name, 1, 1, 1, 4, "f")))
        y = f.node("gp.log", [f.node("gp.add", [y, f.constant(1.0)])], loc=writer.location(Location(name, 2, 1, 2, 4, "f")))  # fmt: skip
    f.output(y, "y")
    return writer.finish(f)


WATCH = """
import sys
from gradproof._cli.app import run
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        print(f"OPENED {arguments[0]}", file=seen, flush=True)
seen = open(sys.argv[1], "w")
sys.addaudithook(hook)
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize("suffix", ["gpb", "gpt"])
def test_a_strangers_program_shows_none_of_my_files(
    suffix: str, work: Path, secret: Path, tmp_path: Path
) -> None:
    """`gradproof check stranger.gpt` with every trick as a source location: no report in any form holds a word of them, none is opened."""
    program = strangers({**tricks(secret), "mine": "inner/own.py"})
    path = work / f"stranger.{suffix}"
    if suffix == "gpb":
        path.write_bytes(program.SerializeToString())
    else:
        path.write_text(print_program(program))
    seen = tmp_path / "seen"
    for options in (
        ["--claim", "3*x", "--html", "page.html"],
        ["--claim", "3*x", "--format", "sarif"],
        ["--claim", "3*x", "--format", "json"],
    ):
        ended = subprocess.run(
            [sys.executable, "-c", WATCH, str(seen), "check", path.name, "--at", "x=1e-9", *options],
            capture_output=True, text=True, check=False, timeout=60, cwd=work,
        )  # fmt: skip
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "disagrees" in ended.stdout or "GP" in ended.stdout
        assert "battery staple" not in ended.stdout + ended.stderr
        opened = {Path(name).name for name in seen.read_text().split("OPENED ")}
        assert {f"{path.name}\n", "own.py\n"} <= opened, "the places were not looked up"
        named = {f"{Path(name).name}\n" for name in tricks(secret).values() if Path(name).suffix}
        assert not named & opened
    assert "battery staple" not in (work / "page.html").read_text()


def test_a_baseline_is_a_plain_file(work: Path, secret: Path) -> None:
    """A baseline that is a link out, a pipe, a device or a hard link is said to be unreadable; nothing waits, nothing is shown."""
    folder = work / "gradients"
    folder.mkdir()
    (folder / "a.toml").symlink_to(secret)
    (folder / "b.toml").hardlink_to(secret)
    (folder / "c.toml").symlink_to("/dev/zero")
    os.mkfifo(folder / "d.toml")
    assert sorted(committed(folder)) == ["a", "b", "c", "d"]
    for path in committed(folder).values():
        with pytest.raises(RequestError, match="the baseline cannot be read") as caught:
            read(path)
        assert "staple" not in str(caught.value)


def test_an_array_of_a_case_lies_beneath_its_root(work: Path, secret: Path) -> None:
    """Arrays that a configuration names: one beneath its folder is read, for the tricks a sentence says which of them it is."""
    np.save(work / "inner" / "w.npy", np.eye(2))
    np.save(secret.parent / "w.npy", np.eye(3))
    (work / "w.npy").symlink_to(Path("inner") / "w.npy")
    (work / "out.npy").symlink_to(secret.parent / "w.npy")
    (work / "two.npy").hardlink_to(secret.parent / "w.npy")
    os.mkfifo(work / "pipe.npy")
    for name in ("inner/w.npy", "w.npy", str(work / "w.npy")):
        assert points({"w": f"@{name}"}, work, 0)[0]["w"].shape == (2, 2)
    told = {
        "../outside/w.npy": "leads out of",
        str(secret.parent / "w.npy"): "leads out of",
        "out.npy": "put the file itself there",
        "two.npy": "hard link",
        "pipe.npy": "no plain file",
    }
    for name, words in told.items():
        with pytest.raises(GradproofError, match=words):
            points({"w": f"@{name}"}, work, 0)


def damaged() -> dict[str, bytes]:
    """Files that begin as arrays do and are none."""
    packed, plain = io.BytesIO(), io.BytesIO()
    np.savez_compressed(packed, x=np.arange(1000.0))
    np.save(plain, np.arange(10.0))
    zipped, whole = packed.getvalue(), plain.getvalue()
    middle = len(zipped) // 2
    return {
        "cut.npz": zipped[:middle],
        "flipped.npz": zipped[:middle] + bytes(b ^ 255 for b in zipped[middle : middle + 40]) + zipped[middle + 40 :],
        "no zip.npz": b"PK\x03\x04" + bytes(100),
        "empty.npz": b"",
        "cut.npy": whole[:-8],
        "shape.npy": whole.replace(b"(10,)", b"(9999999999999,)".ljust(5)),
        "one.npz": whole,
    }  # fmt: skip


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_array_is_told_in_one_sentence(name: str, work: Path) -> None:
    """Cut, flipped or lying about its size: an error that names the file, from a case or the command line."""
    (work / name).write_bytes(damaged()[name])
    at: Any = f"@{name}" if name == "one.npz" else {"x": f"@{name}"}
    with pytest.raises(GradproofError, match=name):
        points(at, work, 0)
