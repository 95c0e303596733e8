"""From what the configuration says to the cases of a run: patterns spread out, a shard or a selection taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from gradproof._errors import RequestError
from gradproof._gate.config import CaseTable, Config, Settings
from gradproof._gate.keys import title
from gradproof._gate.result import CaseResult, Place
from gradproof._gate.sources import FunctionSource, functions_of, python_files
from gradproof._gate.verdicts import UNREADABLE, Verdict

IN_FILE: Final = re.compile(r"(?P<file>[^:]+\.py):(?P<name>[\w.*?\[\]!-]+)")
IN_MODULE: Final = re.compile(r"(?P<module>[^\W\d][\w.]*):(?P<name>[\w.*?\[\]!-]+)")
MAGIC: Final = re.compile(r"[*?\[]")
SHARD: Final = re.compile(r"(?P<own>\d+)/(?P<of>\d+)")


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a run, in plain data.

    `file` (from the root) and `line` are where its target stands, or where the case is written when the target stands
    in no file; `written` is how messages call its place in the configuration.
    """

    name: str
    target: str
    claim: str
    claim_kind: str | None
    at: Any
    structure: Mapping[str, str]
    wrt: tuple[str, ...]
    outputs: tuple[str, ...]
    skip: str
    settings: Settings
    file: str
    line: int
    written: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of several into which the cases are dealt; parts count from 1."""

    own: int = 1
    of: int = 1

    def holds(self, position: int) -> bool:
        """Whether the case at this position belongs to it."""
        return position % self.of == self.own - 1


def read_shard(text: str) -> Shard:
    """A shard as it is written, `2/5`; raises `RequestError`."""
    found = SHARD.fullmatch(text.strip())
    shard = Shard(int(found["own"]), int(found["of"])) if found else Shard(0, 0)
    if not 1 <= shard.own <= shard.of <= 10_000:
        raise RequestError(
            f"--shard: expected PART/PARTS such as 2/5, {text!r} came", field_path="shard"
        )
    return shard


def collect(config: Config) -> tuple[Case, ...]:
    """Every case of a configuration, in its order; raises `RequestError` for a pattern that names no function."""
    found = [case for table in config.cases for case in _spread(config, table)]
    names: dict[str, Case] = {}
    for case in found:
        if case.name in names:
            raise RequestError(
                f"{case.written}: the case {case.name!r} exists already ({names[case.name].written}); give it another name"
            )
        names[case.name] = case
    return tuple(found)


def chosen(
    cases: Sequence[Case], words: Sequence[str] = (), shard: Shard | None = None
) -> tuple[Case, ...]:
    """The cases of a shard that match any of the words; all without words."""
    part = shard or Shard()
    dealt = [case for k, case in enumerate(cases) if part.holds(k)]
    return tuple(case for case in dealt if matches(case.name, words))


def matches(name: str, words: Iterable[str]) -> bool:
    """Whether a case's name holds one of the words, or matches it as a pattern; `not WORD` turns it round."""
    wanted = list(words)
    return not wanted or any(_match(name.lower(), word.strip().lower()) for word in wanted)


def _match(name: str, word: str) -> bool:
    if word.startswith("not "):
        return not _match(name, word[4:].strip())
    return fnmatchcase(name, word) if MAGIC.search(word) else word in name


def _spread(config: Config, table: CaseTable) -> list[Case]:
    """The cases that a table stands for: one, or one for each function that its pattern names."""
    named = IN_FILE.fullmatch(table.target) or IN_MODULE.fullmatch(table.target)
    if named is None or not MAGIC.search(table.target):
        return [_one(config, table, named)]
    found = _functions(config, table, named)
    if not found:
        where = config.document.where((*table.path, "target"))
        raise RequestError(
            f"{where}: {title(table.path)}: {table.target!r} names no function; a gate over nothing would never fail"
        )
    return [_of_pattern(config, table, source, named) for source in found]


def _one(config: Config, table: CaseTable, named: re.Match[str] | None) -> Case:
    files = _files(config, named) if named else []
    file = files[0] if files else None
    source = (
        next((s for s in _read(file) if named and s.name == named["name"]), None) if file else None
    )
    container = (
        (named.groupdict().get("file") or named.groupdict().get("module") or "") if named else ""
    )
    return _case(
        config, table, table.name, table.target, container, named["name"] if named else "",
        file, source.line if source else 0,
    )  # fmt: skip


def _of_pattern(
    config: Config, table: CaseTable, source: FunctionSource, named: re.Match[str]
) -> Case:
    module = named.groupdict().get("module")
    container = module or source.file.relative_to(config.root).as_posix()
    name = (
        f"{table.name}[{container}:{source.name}]" if not module else f"{table.name}[{source.name}]"
    )
    target = f"{container}:{source.name}"
    return _case(config, table, name, target, container, source.name, source.file, source.line)


def _case(
    config: Config, table: CaseTable, name: str, target: str, container: str, function: str,
    file: Path | None, line: int,
) -> Case:  # fmt: skip
    shown = file.relative_to(config.root).as_posix() if file else ""
    claim = table.claim.replace("{file}", container).replace("{name}", function)
    return Case(
        name, target, claim, table.claim_kind, table.at, table.structure, table.wrt, table.outputs, table.skip,
        config.settings_for(shown, table), shown or config.file,
        line if shown else config.document.line(table.path), config.document.where(table.path),
    )  # fmt: skip


def _functions(config: Config, table: CaseTable, named: re.Match[str]) -> list[FunctionSource]:
    found: list[FunctionSource] = []
    for file in _files(config, named):
        try:
            sources = functions_of(file)
        except (OSError, SyntaxError) as error:
            where = config.document.where((*table.path, "target"))
            raise RequestError(
                f"{where}: {file.relative_to(config.root)} cannot be read, {error}"
            ) from error
        hidden = named["name"].startswith("_")
        found += [
            s for s in sources
            if fnmatchcase(s.name, named["name"]) and (hidden or not s.name.startswith("_"))
        ]  # fmt: skip
    return found


def _files(config: Config, named: re.Match[str]) -> list[Path]:
    """The files that a target speaks of and that lie below the root."""
    groups = named.groupdict()
    if groups.get("file"):
        pattern = str(groups["file"])
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            return []
        if not MAGIC.search(pattern):
            return [config.root / pattern] if (config.root / pattern).is_file() else []
        return list(python_files(config.root, pattern))
    inner = Path(*str(groups["module"]).split("."))
    folders = [config.root, config.root / "src", *(config.root / p for p in config.pythonpath)]
    tried = [f / end for f in folders for end in (inner.with_suffix(".py"), inner / "__init__.py")]
    return [path for path in tried if path.is_file() and path.is_relative_to(config.root)][:1]


def _read(file: Path) -> tuple[FunctionSource, ...]:
    try:
        return functions_of(file)
    except (OSError, SyntaxError):  # the check itself tells what is wrong with it
        return ()


def unreadable(case: Case, sentence: str, code: int = UNREADABLE) -> CaseResult:
    """The result of a case that could not be checked."""
    at = Place(case.file, case.line)
    return CaseResult(case.name, Verdict.ERROR, sentence, case.target, case.claim, at, code)
