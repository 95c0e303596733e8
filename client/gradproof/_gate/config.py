"""The configuration: `[tool.gradproof]` of pyproject.toml, or a `gradproof.toml`, read and held against its keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from gradproof._errors import RequestError
from gradproof._gate.keys import CASE, SETTINGS, TOP, read_table, title
from gradproof._gate.toml_lines import Document, Path_, read_toml
from gradproof._named_files import trust

OWN_FILE: Final = "gradproof.toml"
PROJECT_FILE: Final = "pyproject.toml"
ADDED_UP: Final = ("ignore", "errors")
"""Settings of which every layer adds to those above."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a case is checked and judged; the keys of `keys.SETTINGS`, with what holds when nothing is said."""

    rtol: float | None = None
    atol: float | None = None
    tau: float | None = None
    order: int = 1
    profile: str = "numpy"
    rng_seed: int = 0
    points: int = 1
    drift_digits: float | None = None
    select: tuple[str, ...] = ("GP", "F")
    ignore: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    timeout_s: float = 60.0
    inconclusive: str = "tell"
    min_kill_rate: float = 1.0

    def under(self, given: Mapping[str, Any]) -> Settings:
        """These settings with others laid over them."""
        added = {k: (*getattr(self, k), *given[k]) for k in ADDED_UP if k in given}
        named = {f.name for f in fields(self)}
        return replace(self, **{k: v for k, v in given.items() if k in named} | added)


@dataclass(frozen=True, slots=True)
class CaseTable:
    """A case as it is written: a pattern in `target` may stand for several."""

    name: str
    target: str
    claim: str
    claim_kind: str | None
    at: Any
    structure: Mapping[str, str]
    wrt: tuple[str, ...]
    outputs: tuple[str, ...]
    skip: str
    settings: Mapping[str, Any]
    path: Path_


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `root` is the folder of its file, from which every path in it counts."""

    root: Path
    file: str
    document: Document
    baselines: Path | None
    pythonpath: tuple[str, ...]
    jobs: int
    budget_s: float | None
    settings: Settings
    per_path: tuple[tuple[str, Mapping[str, Any]], ...]
    cases: tuple[CaseTable, ...] = field(default=())

    def settings_for(self, file: str, case: CaseTable) -> Settings:
        """The settings of a case whose target stands in `file` (from the root; empty: in none)."""
        found = self.settings
        for pattern, given in self.per_path:
            if file and fnmatchcase(file, pattern):
                found = found.under(given)
        return found.under(case.settings)


def find(start: Path | None = None) -> Path:
    """The nearest configuration file here or in a folder above; raises `RequestError` when there is none."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        own, project = folder / OWN_FILE, folder / PROJECT_FILE
        if own.is_file():
            return own
        if project.is_file() and "[tool.gradproof" in project.read_text("utf-8", errors="replace"):
            return project
    raise RequestError(
        f"there is no {OWN_FILE} and no [tool.gradproof] in a {PROJECT_FILE}, here or above;"
        " `gradproof gate init` writes a first one"
    )


def load(path: Path | None = None) -> Config:
    """Read a configuration file; raises `RequestError` with file, line and the nearest known key."""
    path = find() if path is None else path
    shown = os.path.relpath(path)
    document = read_toml(path, path.name if shown.startswith("..") else shown)
    start: Path_ = () if path.name != PROJECT_FILE else ("tool", "gradproof")
    table: Any = document.values
    for part in start:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise RequestError(
            f"{document.file}: expected a table [tool.gradproof], there is none; `gradproof gate init` writes a first one"
        )
    given = read_table(document, table, start, (*TOP, *SETTINGS))
    folder = given.get("baselines", "gradients")
    root = path.resolve().parent
    trust(root)
    return Config(
        root=root,
        file=path.name,
        document=document,
        baselines=None if folder is False else _inside(root, folder, document, (*start, "baselines")),
        pythonpath=given.get("pythonpath", ()),
        jobs=given.get("jobs", 0),
        budget_s=given.get("budget_s"),
        settings=Settings().under(given),
        per_path=_per_path(document, given.get("per-path", {}), (*start, "per-path")),
        cases=_cases(document, given.get("cases", {}), (*start, "cases")),
    )  # fmt: skip


def _inside(root: Path, folder: str, document: Document, path: Path_) -> Path:
    found = (root / folder).resolve()
    if not found.is_relative_to(root) or found == root:
        raise RequestError(
            f"{document.where(path)}: baselines: expected a folder below {document.file}'s own, {folder!r} came"
        )
    return found


def _per_path(
    document: Document, table: Mapping[str, Any], path: Path_
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return tuple(
        (pattern, _table(document, given, (*path, pattern), SETTINGS))
        for pattern, given in table.items()
    )


def _cases(document: Document, table: Mapping[str, Any], path: Path_) -> tuple[CaseTable, ...]:
    names = {key.name for key in CASE}
    found: list[CaseTable] = []
    for name, raw in table.items():
        here = (*path, name)
        given = _table(document, raw, here, (*CASE, *SETTINGS))
        if not name.strip():
            raise RequestError(f"{document.where(here)}: expected a name for the case")
        if "target" not in given:
            raise RequestError(
                f'{document.where(here)}: {title(here)} has no target; write target = "model.py:{name}"'
            )
        found.append(
            CaseTable(
                name=name,
                target=given["target"],
                claim=given.get("claim", ""),
                claim_kind=given.get("claim_kind"),
                at=given.get("at", {}),
                structure=given.get("structure", {}),
                wrt=given.get("wrt", ()),
                outputs=given.get("outputs", ()),
                skip=given.get("skip", ""),
                settings={k: v for k, v in given.items() if k not in names},
                path=here,
            )
        )
    return tuple(found)


def _table(document: Document, given: Any, path: Path_, keys: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise RequestError(f"{document.where(path)}: {title(path)}: expected a table of keys")
    return read_table(document, given, path, keys)
