"""Accepting: the only place where a baseline is written or taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gradproof._errors import RequestError, TargetError
from gradproof._files import write_whole
from gradproof._gate.baseline import committed, file_name, parse
from gradproof._gate.config import Config
from gradproof._gate.environment import own_folder, refuse_in_ci
from gradproof._gate.result import CaseResult
from gradproof._gate.verdicts import Verdict

REFUSED: Final = {
    Verdict.FAIL: "it is wrong; mend it first",
    Verdict.ERROR: "it could not be checked",
    Verdict.SKIPPED: "it is skipped, so nothing was measured",
}


def accept(config: Config, result: CaseResult, reason: str) -> Path:
    """Write the baseline that a result proposes, or take away that of a case that is gone; returns its file.

    The file changes at once or not at all. Raises `RequestError` in continuous integration, without a reason, and for a
    verdict that nobody should accept.
    """
    refuse_in_ci(f"accept {result.name}")
    folder = config.baselines
    if folder is None:
        raise RequestError(
            f"{config.document.file}: baselines = false, so there is nothing to accept"
        )
    reason = " ".join(reason.split())
    if not reason:
        raise RequestError(f'accept {result.name}: expected a reason, such as --reason "new loss"')
    if result.verdict in REFUSED:
        raise RequestError(
            f"accept {result.name}: a {result.verdict} is never accepted, {REFUSED[result.verdict]}: {result.sentence}"
        )
    path = committed(folder).get(result.name, folder / file_name(result.name))
    try:
        if result.verdict is Verdict.GONE:
            path.unlink()
            return path
        put(parse(result.baseline, result.name).accepted(reason).text(), path, config.root)
    except OSError as error:
        raise TargetError(f"{path}: the baseline cannot be written, {error}") from error
    return path


def put(text: str, path: Path, root: Path) -> None:
    """Write a baseline's text, at once or not at all; raises `OSError`."""
    incoming = own_folder(root) / "incoming"  # so that a kill leaves nothing beside the others
    incoming.mkdir(exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(incoming / path.name, text.encode())
    (incoming / path.name).replace(path)


def acceptable(result: CaseResult) -> bool:
    """Whether there is something to accept: a baseline that is missing, moved, or no longer wanted."""
    if result.verdict is Verdict.INCONCLUSIVE:
        return bool(result.baseline) and (not result.previous or result.moved)
    return result.verdict in (Verdict.NEW, Verdict.DRIFT, Verdict.GONE)
