"""The first configuration: functions of a package that have a gradient beside them, found by their names.

Only source is read. Nothing is imported, and no file is ever overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._errors import RequestError, TargetError
from gradproof._gate.baseline import quoted
from gradproof._gate.config import OWN_FILE, PROJECT_FILE
from gradproof._gate.sources import FunctionSource, functions_of, python_files

NAMES: Final = (
    ("grad_{}", "gradient"), ("{}_grad", "gradient"), ("{}_gradient", "gradient"), ("gradient_{}", "gradient"),
    ("d{}", None), ("{}_der", None), ("{}_prime", None), ("{}_deriv", None), ("{}_derivative", None),
    ("{}_jac", "jacobian"), ("jac_{}", "jacobian"), ("{}_jacobian", "jacobian"), ("jacobian_{}", "jacobian"),
    ("{}_vjp", "vjp"), ("{}_jvp", "jvp"), ("{}_hess", "hessian"), ("{}_hessian", "hessian"), ("hess_{}", "hessian"),
    ("{}_hvp", "hvp"),
)  # fmt: skip
"""What the derivative of `f` is called, `{}` standing for it, and what it returns when the name tells."""
SEEDS: Final = {"vjp": 1, "jvp": None, "hvp": None}
"""How many arguments a rule takes beside the function's own; None: as many again."""
BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A function and what looks like its derivative; `file` counts from the root."""

    file: str
    function: FunctionSource
    derivative: FunctionSource
    kind: str | None

    @property
    def target(self) -> str:
        """The function as a TARGET."""
        return f"{self.file}:{self.function.name}"

    @property
    def claim(self) -> str:
        """The derivative as a TARGET."""
        return f"{self.file}:{self.derivative.name}"


def suggestions(root: Path, folder: Path | None = None) -> tuple[Suggestion, ...]:
    """Every pair below a folder, in order of files and lines; files that are no Python are passed over."""
    found: list[Suggestion] = []
    for file in python_files(folder or root):
        try:
            sources = functions_of(file)
        except (OSError, SyntaxError):
            continue
        shown = file.relative_to(root).as_posix()
        found += [Suggestion(shown, f, d, kind) for f, d, kind in _pairs(sources)]
    return tuple(found)


def _pairs(
    sources: Sequence[FunctionSource],
) -> Iterable[tuple[FunctionSource, FunctionSource, str | None]]:
    by_name = {source.name: source for source in sources}
    for f in sources:
        for pattern, kind in NAMES:
            d = by_name.get(pattern.format(f.name))
            if d is not None and d is not f and _fits(f, d, kind):
                yield f, d, kind


def _fits(f: FunctionSource, d: FunctionSource, kind: str | None) -> bool:
    """The derivative takes what the function takes, and a rule its seeds besides."""
    if not f.arguments:
        return False
    more = SEEDS.get(kind or "", 0)
    if kind in SEEDS:
        return (
            len(d.arguments) > len(f.arguments)
            if more is None
            else len(d.arguments) >= f.required + more
        )
    return d.required <= len(f.arguments) and len(d.arguments) >= f.required


def written(found: Sequence[Suggestion], table: str) -> str:
    """The configuration for the pairs; `table` is `tool.gradproof.` in a pyproject.toml, else empty.

    The points are left to the person: a value that nobody chose would be checked where nobody computes.
    """
    start = f"[{table.removesuffix('.')}]\n" if table else ""
    lines = [
        f'{start}baselines = "gradients"  # committed: what the gate holds the numbers against',
        "",
    ]
    taken: set[str] = set()
    for one in found:
        name = _name(one, taken)
        key = name if BARE.fullmatch(name) else quoted(name)
        lines += [
            f"[{table}cases.{key}]",
            f"target = {quoted(one.target)}",
            f"claim = {quoted(one.claim)}",
        ]
        lines += [f"claim_kind = {quoted(one.kind)}"] if one.kind else []
        at = ", ".join(
            f'{a} = {{ sample = "normal", shape = [3] }}'
            for a in one.function.arguments[: one.function.required or 1]
        )
        lines += [f"at = {{ {at} }}  # say which point, and which shapes", ""]
    return "\n".join(lines)


def _name(one: Suggestion, taken: set[str]) -> str:
    """A name for the case: the function's, with its kind or its file where that is not enough."""
    stem = Path(one.file).stem
    for name in (
        one.function.name, f"{one.function.name}-{one.kind or one.derivative.name}",
        f"{stem}.{one.function.name}-{one.derivative.name}", f"{one.target}-{one.derivative.name}",
    ):  # fmt: skip
        if name not in taken:
            break
    taken.add(name)
    return name


def write_first(root: Path, found: Sequence[Suggestion]) -> Path:
    """Write `gradproof.toml`; raises `RequestError` when a configuration exists, `TargetError` when it cannot be written."""
    project, own = root / PROJECT_FILE, root / OWN_FILE
    if own.exists():
        raise RequestError(f"{OWN_FILE} exists already; it is never overwritten")
    if project.is_file() and "[tool.gradproof" in project.read_text("utf-8", errors="replace"):
        raise RequestError(
            f"{PROJECT_FILE} has a [tool.gradproof] already; it is never overwritten"
        )
    try:
        with own.open("x", encoding="utf-8") as file:  # "x": also not one that appears meanwhile
            file.write(written(found, ""))
    except OSError as error:
        raise TargetError(f"{own}: the file cannot be written, {error}") from error
    return own
