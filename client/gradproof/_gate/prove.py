"""Proof that the gate can fail: known faults planted into each case, each of which it must report by name.

Faults are planted at two places: into what is claimed, where the gate must say FAIL, and into the numbers that were
measured, where it must say DRIFT. A case in which nothing can be planted, or nothing is found, is a gate that cannot fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import from_tensor, to_tensor
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._errors import GradproofError, RequestError
from gradproof._gate.baseline import Baseline, parse, read
from gradproof._gate.case_run import ask, checked_of
from gradproof._gate.cases import Case, unreadable
from gradproof._gate.judge import Checked, judge
from gradproof._gate.measure import measured
from gradproof._gate.recorder import Asked, Recorder
from gradproof._gate.result import CaseResult, Proof
from gradproof._gate.verdicts import FINDINGS, Verdict
from gradproof._gate.workers import Bench
from gradproof._report import Report

Array = np.ndarray[Any, Any]
TAU: Final = 1e-3
"""Half of the smallest relative error that is planted: what `agrees` must be able to see, unless the case asks for less."""
MOVE: Final = {8: 1e-9, 4: 1e-4}
"""The smallest move of a number that a baseline must show, by the bytes of its type."""


def prove_case(case: Case, bench: Bench) -> CaseResult:
    """The case with the proof that it can fail: PASS, or FAIL with the faults that passed unseen, or ERROR."""
    job = bench.job
    recorder = Recorder(bench.transport, bench.cache)
    try:
        file = job.committed.get(case.name)
        then, text = read(file) if file else (None, "")
        asked = ask(case, job.root, recorder)
        plain = judge(case, checked_of(asked), then, held=job.held)
        if plain.verdict not in (Verdict.PASS, Verdict.NEW):
            said = f"it does not pass as it is, so nothing can be proved: {plain.verdict}, {plain.sentence}"
            return replace(
                plain, verdict=Verdict.ERROR, sentence=said, exit_code=plain.exit_code or FINDINGS
            )
        planted = list(_planted(case, recorder, list(asked), then, text, held=job.held))
    except GradproofError as error:
        return unreadable(case, error.message, error.exit_code)
    return replace(_told(case, plain, planted), checks_run=recorder.checks_run)


def _told(case: Case, plain: CaseResult, planted: Sequence[tuple[str, bool]]) -> CaseResult:
    survivors = tuple(name for name, killed in planted if not killed)
    proof = Proof(len(planted), len(planted) - len(survivors), survivors)
    result = replace(plain, proof=proof, exit_code=0, drifts=(), notes=())
    if not proof.killed:
        why = (
            f"none of {proof.planted} planted faults was found"
            if planted
            else "nothing is claimed and no baseline is held, so no fault can be planted"
        )
        return replace(
            result,
            verdict=Verdict.ERROR,
            sentence=f"a gate that cannot fail: {why}",
            exit_code=FINDINGS,
        )
    if proof.kill_rate < case.settings.min_kill_rate:
        return replace(
            result,
            verdict=Verdict.FAIL,
            sentence=f"{proof}; not found: {'; '.join(survivors)}",
            exit_code=FINDINGS,
        )
    return replace(result, verdict=Verdict.PASS, sentence=str(proof))


def _planted(
    case: Case,
    recorder: Recorder,
    asked: Sequence[Asked],
    then: Baseline | None,
    text: str,
    *,
    held: bool,
) -> Iterator[tuple[str, bool]]:
    """Every planted fault, and whether the gate said by name what it had to say."""

    def verdict(checked: Sequence[Checked]) -> Verdict:
        return judge(case, checked, then, held=held).verdict

    for name, change in claim_faults(min(case.settings.tau or TAU, TAU)).items():
        checked = _with_claims(recorder, asked, change)
        if checked:
            yield f"claim {name}", verdict(checked) is Verdict.FAIL
    if not held:
        return
    for name, change in number_faults().items():
        moved = [_with_numbers(one, change) for one in asked]
        yield f"numbers {name}", verdict(moved) is Verdict.DRIFT
    yield "baseline edited by hand", bool(text) and _edit_is_seen(text)


def claim_faults(tau: float) -> dict[str, Callable[[Array], Array]]:
    """Wrong versions of a claimed array, by name; one that changes nothing is not planted."""
    return {
        "negated": lambda a: -a,
        "doubled": lambda a: 2 * a,
        "left at zero": np.zeros_like,
        "with its largest entry at zero": lambda a: _at_largest(a, 0.0),
        f"with a relative error of {2 * tau:g} in its largest entry": lambda a: _at_largest(a, 1 + 2 * tau),
        "shifted by one entry": lambda a: np.roll(a.reshape(-1), 1).reshape(a.shape),
        "transposed": lambda a: np.swapaxes(a, -1, -2)
        if a.ndim > 1 and a.shape[-1] == a.shape[-2]
        else a,
    }  # fmt: skip


def number_faults() -> dict[str, Callable[[Array], Array]]:
    """Moved versions of a measured array, by name."""
    return {
        "moved by a factor": lambda a: a * (1 + _move(a)),
        "moved in one entry": lambda a: _at_largest(a, 1 + _move(a)),
    }


def _move(array: Array) -> float:
    return MOVE.get(array.dtype.itemsize, 0.0)


def _at_largest(array: Array, factor: float) -> Array:
    """The array with its largest entry scaled; among zeros one becomes one."""
    bad = np.array(array)
    if bad.size:
        at = np.unravel_index(int(np.argmax(np.abs(bad))), bad.shape)
        bad[at] = bad[at] * factor if bad[at] else float(factor != 0)
    return bad


def _with_claims(
    recorder: Recorder, asked: Sequence[Asked], change: Callable[[Array], Array]
) -> list[Checked]:
    """The checks made again with every claim changed; empty when that changes none of them."""
    made: list[Asked] = []
    changed = False
    for one in asked:
        request = deepcopy(one.request)
        for claim in request.claims:
            value = from_tensor(claim.values.value)
            bad = np.asarray(change(value), value.dtype)
            limit = 4e-15 * float(np.max(np.abs(value), initial=0.0))
            changed = changed or bool(np.any(np.abs(bad - value) > limit))
            claim.values.value.CopyFrom(to_tensor(bad))
            claim.ClearField(
                "program_function"
            )  # the recording gives the numbers that were claimed before
        made.append(Asked(request, one.report, one.answer))
    if not changed:
        return []
    before = len(recorder.checks)
    for one in made:
        if isinstance(one.request, der.ProbeStart):
            assert one.answer is not None
            recorder.probe(one.request, one.answer)
        else:
            recorder.check(one.request)
    return checked_of(recorder.checks[before:])


def _with_numbers(one: Asked, change: Callable[[Array], Array]) -> Checked:
    """The check as if the function and its derivatives had given other numbers, and still agreed."""
    report, claims = deepcopy(one.report), deepcopy(list(one.request.claims))
    tensors = [
        *(o.tensor for o in report.outputs),
        *(c.values.value for c in claims),
        *(
            d.sparse.values if d.WhichOneof("value") == "sparse" else d.dense
            for d in report.derivatives
        ),
    ]
    for tensor in tensors:
        array = from_tensor(tensor)
        if array.dtype.kind == "f":
            tensor.CopyFrom(to_tensor(np.asarray(change(array), array.dtype)))
    view = Report(report)
    return Checked(view, measured(one.request.point, claims, view))


def _edit_is_seen(text: str) -> bool:
    at = (
        text.rindex('noise = "0x1.') + len('noise = "0x1.')
        if 'noise = "0x1.' in text
        else len(text) - 2
    )
    edited = text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]
    try:
        parse(edited, "baseline")
    except RequestError:
        return True
    return False
