"""What the `gradproof` fixture gives to a test: checks that fail it with a text a person can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradproof._check import run_check
from gradproof._client import default_client
from gradproof._errors import TargetError
from gradproof._gate.accept import put
from gradproof._gate.baseline import file_name, read
from gradproof._gate.cache import Cache
from gradproof._gate.case_run import checked_of, propose
from gradproof._gate.cases import Case
from gradproof._gate.config import Settings
from gradproof._gate.judge import judge
from gradproof._gate.recorder import Recorder
from gradproof._gate.result import CaseResult
from gradproof._gate.sentences import drift_sentence
from gradproof._gate.verdicts import Verdict
from gradproof._report import Report
from gradproof._subject import Source
from gradproof.testing import explain

OWN = ("baseline", "drift_digits", "allow_inconclusive")


@dataclass(slots=True)
class Checker:
    """Checks of one test. `check` fails the test unless the verdict is `agrees`, and returns the report."""

    test: str
    root: Path
    folder: Path
    update: str
    options: Mapping[str, Any]
    fail: Callable[[str], None]
    count: int = field(default=0)

    def check(self, f: Source, *, at: Any, claim: Any = None, **options: Any) -> Report:
        """Check f as `gradproof.check` does, with the marker's options under those given here.

        `baseline=True` (or a name, when a test has several) also holds the numbers against a committed file, which
        `--gradproof-update=REASON` writes; `drift_digits` says in how many digits. With `allow_inconclusive` only a
        wrong derivative fails.
        """
        wanted = {**self.options, **options}
        baseline, drift_digits, lenient = (wanted.pop(name, None) for name in OWN)
        recorder = Recorder(default_client().transport, Cache(None, ""))
        report = run_check(recorder.transport, f, at=at, claim=claim, **wanted)
        self.count += 1
        if report.verdict == "disagrees" or (report.verdict == "inconclusive" and not lenient):
            self.fail(explain(report))
        if baseline:
            name = baseline if isinstance(baseline, str) else self._name()
            said = "" if claim is None else str(getattr(claim, "__name__", "claim"))
            self._hold(name, said, recorder, drift_digits, wanted.get("profile") or "numpy")
        return report

    def _name(self) -> str:
        return self.test if self.count == 1 else f"{self.test}-{self.count}"

    def _hold(
        self, name: str, claim: str, recorder: Recorder, drift_digits: float | None, profile: str
    ) -> None:
        """Hold the numbers against the baseline of this name, or write it when that is asked for."""
        settings = Settings(profile=profile, drift_digits=drift_digits)
        case = Case(name, self.test, claim, None, {}, {}, (), (), "", settings, "", 0, "")
        path = self.folder / file_name(name)
        checked = checked_of(recorder.checks)
        if self.update:
            try:
                put(propose(case, checked).accepted(self.update).text(), path, self.root)
            except OSError as error:
                raise TargetError(f"{path}: the baseline cannot be written, {error}") from error
            return
        then = read(path)[0] if path.is_file() else None
        result = judge(case, checked, then, held=True)
        if result.verdict in (Verdict.NEW, Verdict.DRIFT) or not result.passed:
            self.fail(_told(result, path))


def _told(result: CaseResult, path: Path) -> str:
    lines = [f"{result.verdict} {result.name}: {result.sentence}"]
    lines += [f"  {drift_sentence(d)}" for d in result.drifts if d.beyond]
    lines.append(f'  baseline: {path}; accept with pytest --gradproof-update="why"')
    return "\n".join(lines)
