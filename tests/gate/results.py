"""Runs of the gate made by hand, with everything in them that a form could stumble over."""

from __future__ import annotations

import math
from typing import Final

from gradproof._gate.result import (
    Agreement,
    CaseResult,
    Drift,
    GateResult,
    Place,
    Proof,
    Told,
    printable,
)
from gradproof._gate.verdicts import MEANINGS, Verdict

NASTY: Final = (
    'a "quoted" <b>&amp;</b> |pipe|, 100 % `code` ::error::\nline\r\0\x1b[31m\ud800 ] ]]> ünï 🙂'
)
PLACE: Final = Place("models/a file, with: signs.py", 31, 5, 31, 20, "loss")


def case(verdict: Verdict, name: str = "", **more: object) -> CaseResult:
    """A case with this verdict and everything that may come with one."""
    told = Told(
        "GP800",
        "derivative-differs",
        "error",
        NASTY,
        PLACE,
        f"F05 missing-path: {NASTY}",
        "mend it",
        "x",
        "out",
        0,
        True,
    )
    soft = Told("GP603", "shared-subexpression", "info", "used twice", Place())
    agreement = Agreement(
        0, "out", "x", "", "gradient", "claim", "reverse", "disagrees", "", 42, 7, 3.1, 14.2, (3, 2), 0.2114, 0.4228, 1e-12, True
    )  # fmt: skip
    drift = Drift(
        1,
        "claimed d out/d x",
        3.1,
        13.0,
        1e7,
        (2,),
        0.4228,
        math.nan,
        -math.inf,
        beyond=True,
        fingerprint="x 2",
    )
    given: dict[str, object] = {
        "place": PLACE, "exit_code": MEANINGS[verdict].exit_code, "points": 2, "entries_checked": 42, "entries_total": 42,
        "checks_run": 1, "seconds": 0.25, "target": "model.py:f", "claim": "model.py:df",
    }  # fmt: skip
    if MEANINGS[verdict].level:
        given |= {
            "agreements": (agreement,),
            "drifts": (drift,),
            "notes": ("the graph is not the baseline's",),
        }
    if verdict in (Verdict.FAIL, Verdict.ERROR):
        given |= {"findings": (told, soft), "proof": Proof(9, 7, ("claim negated", NASTY))}
    sentence = "all is well" if verdict is Verdict.PASS else NASTY
    made = CaseResult(
        name or f"case {verdict} {NASTY}",
        verdict,
        sentence,
        **{**given, **more},  # type: ignore[arg-type]
    )
    return printable(made)


def every_verdict() -> GateResult:
    """A run with one case of each verdict."""
    cases = tuple(case(v) for v in Verdict)
    return GateResult(
        cases,
        len(cases),
        root="/nowhere",
        shard="1/2",
        selected=("a",),
        stopped_early=3,
        seconds=1.5,
        version="0.1.0",
    )


def many(count: int) -> GateResult:
    """A run with so many failures and as many open verdicts."""
    cases = tuple(case(Verdict.FAIL, f"f{k}") for k in range(count)) + tuple(
        case(Verdict.INCONCLUSIVE, f"i{k}") for k in range(count)
    )
    return GateResult(cases, len(cases), root="/nowhere", version="0.1.0")


def empty() -> GateResult:
    """A run that collected nothing."""
    return printable(GateResult((), 0, trouble=f"no case is configured {NASTY}", version="0.1.0"))


def clean() -> GateResult:
    """A run in which everything passes."""
    return GateResult((case(Verdict.PASS, "p"), case(Verdict.SKIPPED, "s")), 2, version="0.1.0")
