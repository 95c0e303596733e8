"""The record of a run of the gate: everything that any face shows, in plain values.

Reports of the checks are kept whole, as serialized messages, for faces that draw their numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gradproof._gate.verdicts import FINDINGS, MEANINGS, Verdict, gravest
from gradproof._printable import printable_text

if TYPE_CHECKING:
    from gradproof._report import Report

FORMAT: Final = 1
"""The number of the JSON form; it grows when a reader would misunderstand."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source file, its path from the root; lines and columns count from 1, zero is unknown."""

    file: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    scope: str = ""

    def __bool__(self) -> bool:
        return bool(self.file)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Told:
    """One finding of a case; `fails` says that it counts against the case."""

    code: str
    name: str
    severity: str
    message: str
    place: Place
    cause: str = ""
    mend: str = ""
    input: str = ""
    output: str = ""
    point: int = 0
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two sources held against each other: digits now, and in the baseline (None without one)."""

    point: int
    output: str
    input: str
    second_input: str
    kind: str
    subject: str
    against: str
    verdict: str
    reason: str
    entries: int
    entries_wrong: int
    digits: float
    digits_then: float | None
    worst_index: tuple[int, ...]
    claimed: float
    reference: float
    error_bar: float
    lost: bool = False

    @property
    def title(self) -> str:
        """`d out/d x: claim against reverse`."""
        second = f" d {self.second_input}" if self.second_input else ""
        return f"d {self.output}/d {self.input}{second}: {self.subject} against {self.against}"


@dataclass(frozen=True, slots=True)
class Drift:
    """One array that is not what its baseline holds: the worst entry, then and now; `beyond` says past the tolerance.

    `relative` is signed, (now - then)/|then|; `ulps` counts units in the last place at the worst entry;
    `digits` match, `tolerance_digits` have to. For a large array the worst entry is the worst of its sample.
    """

    point: int
    quantity: str
    digits: float
    tolerance_digits: float
    ulps: float
    worst_index: tuple[int, ...]
    then: float
    now: float
    relative: float
    beyond: bool
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What planting faults into a case showed: how many, how many the gate found by name, and the others in words."""

    planted: int
    killed: int
    survivors: tuple[str, ...] = ()

    @property
    def kill_rate(self) -> float:
        """The share that was found; zero when nothing was planted."""
        return self.killed / self.planted if self.planted else 0.0

    def __str__(self) -> str:
        return f"found {self.killed} of {self.planted} planted faults"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case; `sentence` stands alone, `moved` says that it is not where its baseline is.

    `baseline` is the text that accepting it would commit, `previous` that of the committed `file`, a path from the root.
    """

    name: str
    verdict: Verdict
    sentence: str
    target: str = ""
    claim: str = ""
    place: Place = Place()
    exit_code: int = 0
    findings: tuple[Told, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    drifts: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()
    moved: bool = False
    proof: Proof | None = None
    points: int = 0
    entries_checked: int = 0
    entries_total: int = 0
    checks_run: int = 0
    checks_cached: int = 0
    seconds: float = 0.0
    baseline: str = field(default="", repr=False)
    previous: str = field(default="", repr=False)
    file: str = field(default="", repr=False)
    reports: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing about it lets the run fail."""
        return self.exit_code == 0

    @property
    def views(self) -> tuple[Report, ...]:
        """The reports of its checks, one for each point."""
        from gradproof_proto.v1 import check_pb2

        from gradproof._report import Report

        return tuple(Report(check_pb2.Report.FromString(r)) for r in self.reports)


@dataclass(frozen=True, slots=True)
class GateResult:
    """A whole run: its cases in order, and what was asked of it. `trouble` is why a run over no case fails."""

    cases: tuple[CaseResult, ...]
    collected: int
    command: str = "gate run"
    root: str = ""
    shard: str = ""
    selected: tuple[str, ...] = ()
    stopped_early: int = 0
    trouble: str = ""
    seconds: float = 0.0
    version: str = ""

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many cases have each verdict, in the order of the table; only those that occur."""
        found = Counter(case.verdict for case in self.cases)
        return {v: found[v] for v in MEANINGS if found[v]}

    @property
    def exit_code(self) -> int:
        """0 nothing is wrong; 1 something is; 2 unreadable input; 3 open only; 4 the service failed."""
        return gravest([*(c.exit_code for c in self.cases), *([FINDINGS] if self.trouble else [])])

    @property
    def passed(self) -> bool:
        """Whether the gate lets the change through."""
        return self.exit_code == 0

    def plain(self, *, timing: bool = True) -> dict[str, Any]:
        """The record as what JSON has; without timing, equal runs give equal records."""
        whole = {
            "format": FORMAT,
            "command": self.command,
            "version": self.version,
            "passed": self.passed,
            "exit_code": self.exit_code,
            "collected": self.collected,
            "counts": {str(v): n for v, n in self.counts.items()},
            "shard": self.shard,
            "selected": list(self.selected),
            "stopped_early": self.stopped_early,
            "trouble": self.trouble,
            "cases": [case_to_plain(case, timing=timing) for case in self.cases],
        }
        return {**whole, "seconds": round(self.seconds, 3)} if timing else whole


SHOWN: Final = tuple(
    f.name for f in fields(CaseResult) if f.name not in ("seconds", "baseline", "previous", "file", "reports")
)  # fmt: skip


def case_to_plain(case: CaseResult, *, timing: bool = True) -> dict[str, Any]:
    """One case as what JSON has; without timing it does not tell how much came from the cache either."""
    found = asdict(case)
    names = SHOWN if timing else tuple(n for n in SHOWN if not n.startswith("checks_"))
    plain: dict[str, Any] = {name: found[name] for name in names}
    plain["verdict"] = str(case.verdict)
    return {**plain, "seconds": round(case.seconds, 3)} if timing else plain


def printable(value: Any) -> Any:
    """A record without characters that no terminal, file or form should see: controls and halves of characters.

    What the user's code puts into a message is shown, never obeyed. Texts of baselines stay as they are.
    """
    if type(value) is str:
        return printable_text(value)
    if isinstance(value, tuple):
        return tuple(map(printable, value))
    if is_dataclass(value) and not isinstance(value, type):
        kept = ("baseline", "previous")
        names = [f.name for f in fields(value) if f.name not in kept]
        return replace(value, **{name: printable(getattr(value, name)) for name in names})
    return value
