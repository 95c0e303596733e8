"""What a case's baselines said before: read from the version control of the repository, where there is one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._errors import GradproofError
from gradproof._gate.baseline import Baseline, parse

MOST: Final = 40
"""Baselines of one case that are looked back at."""
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One accepted baseline: the day, the digits in which its claim agreed (its sources, without one), and why."""

    day: str
    digits: float
    reason: str


def history(root: Path, file: str) -> tuple[Moment, ...]:
    """The baselines that the file held, the oldest first; empty without git, or when it was never committed."""
    log = _git(root, ["log", f"--max-count={MOST}", "--format=%H %cs", "--", file])
    commits = [line.partition(" ")[::2] for line in log.decode(errors="replace").splitlines()]
    if not commits:
        return ()
    prefix = _git(root, ["rev-parse", "--show-prefix"]).decode(errors="replace").strip()
    asked = "".join(f"{commit}:{prefix}{file}\n" for commit, _ in commits)
    texts = _texts(_git(root, ["cat-file", "--batch"], asked.encode()), len(commits))
    found: list[Moment] = []
    for (_, day), text in zip(reversed(commits), reversed(texts), strict=True):
        try:
            baseline = parse(text, file)
        except GradproofError:
            continue  # removed in that commit, or of another release
        found.append(Moment(day, _digits(baseline), baseline.reason))
    return tuple(found)


def _digits(baseline: Baseline) -> float:
    pairs = [item for point in baseline.points for item in point.digits.items()]
    claims = [digits for name, digits in pairs if ": claim against" in name]
    return min(claims or [digits for _, digits in pairs], default=0.0)


def _texts(batch: bytes, count: int) -> list[str]:
    """The objects of `git cat-file --batch` in order; an empty text for one that is missing."""
    texts: list[str] = []
    at = 0
    for _ in range(count):
        head, _, _ = batch[at:].partition(b"\n")
        at += len(head) + 1
        words = head.split()
        if len(words) != 3 or words[1] != b"blob":
            texts.append("")
            continue
        size = int(words[2])
        texts.append(batch[at : at + size].decode(errors="replace"))
        at += size + 1
    return texts


def _git(root: Path, arguments: Sequence[str], given: bytes = b"") -> bytes:
    """What git prints; nothing when there is none, or no repository."""
    try:
        done = subprocess.run(  # noqa: S603 fixed words, and paths that are arguments of their own
            ["git", "-C", str(root), *arguments],  # noqa: S607 the git of the user's path
            input=given, capture_output=True, timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout
