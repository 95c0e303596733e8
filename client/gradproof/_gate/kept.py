"""Whole results kept by content: a case that passed passes again, without a process, while everything it read is the same.

What decides: the case as it is written, its baseline, the code of this release, Python and the kind of machine, every
file, folder and variable that its process had read by then (`watch.py`), and through the folder they stand in the
versions of all packages. Only what passed is kept. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from gradproof._gate.cases import Case
from gradproof._gate.code import code_digest
from gradproof._gate.contents import Contents, from_root, unchanged
from gradproof._gate.result import Agreement, CaseResult, Drift, Place, Told
from gradproof._gate.store import load, save
from gradproof._gate.verdicts import Verdict

COMPILED: Final = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "NPY_", "NUMPY_", "PYTHON")
"""Variables that begin so are read by compiled code, where nobody sees it."""


class Kept:
    """The results in a folder, for a run over the repository at `root` with these settings."""

    def __init__(self, folder: Path, root: Path, made: str) -> None:
        self.folder = folder
        self.root = str(root)
        self._made = made
        self._known: dict[str, str] = {}

    def find(self, case: Case, baseline: Path | None) -> CaseResult | None:
        """The result of a case that is unchanged, else None."""
        try:
            previous = baseline.read_bytes().decode() if baseline else ""
        except (OSError, ValueError):
            return None
        data = load(self.folder, self._name(case, previous))
        if data is None:
            return None
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # of another release
            given = json.loads(data)
            if unchanged(given["contents"], self.root, self._known):
                return replace(_result(given["result"]), previous=previous)
        return None

    def keep(self, case: Case, result: CaseResult, contents: Contents) -> None:
        """Keep the result of a case that passed, and what its process had read."""
        plain = {"contents": contents, "result": _plain(result)}
        save(self.folder, self._name(case, result.previous), json.dumps(plain).encode())

    def _name(self, case: Case, previous: str) -> str:
        text = "\0".join((self._made, repr(case), previous))
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def surroundings(root: Path, *settings: object) -> str:
    """What results depend on besides their cases, as a digest: settings of the run, code, Python, machine, variables."""
    paths = [from_root(os.path.abspath(path), str(root)) for path in sys.path]  # noqa: PTH100
    variables = sorted((k, v) for k, v in os.environ.items() if k.startswith(COMPILED))
    made = (
        settings,
        code_digest(),
        sys.version,
        sysconfig.get_platform(),
        sys.byteorder,
        paths,
        variables,
    )
    return hashlib.sha256(repr(made).encode(errors="surrogatepass")).hexdigest()


def _plain(result: CaseResult) -> dict[str, Any]:
    plain = asdict(replace(result, previous=""))
    return {**plain, "reports": [b64encode(report).decode() for report in result.reports]}


def _result(plain: dict[str, Any]) -> CaseResult:
    made: dict[str, Any] = {
        "verdict": Verdict(plain["verdict"]),
        "place": Place(**plain["place"]),
        "findings": tuple(map(_told, plain["findings"])),
        "agreements": tuple(Agreement(**_indexed(one)) for one in plain["agreements"]),
        "drifts": tuple(Drift(**_indexed(one)) for one in plain["drifts"]),
        "notes": tuple(plain["notes"]),
        "reports": tuple(map(b64decode, plain["reports"])),
        "checks_run": 0,
        "checks_cached": plain["checks_run"] + plain["checks_cached"],
        "seconds": 0.0,
    }
    return CaseResult(**{**plain, **made})


def _told(plain: dict[str, Any]) -> Told:
    place: Any = Place(**plain["place"])
    return Told(**{**plain, "place": place})


def _indexed(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "worst_index": tuple(plain["worst_index"])}
