"""What a check measured, in the form that a baseline holds: values, reference derivatives, claims, digits of agreement.

Every array comes with its noise: how far rounding alone may move it when the same formula is written in another way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import program_pb2

from gradproof._gate.arrays import hold
from gradproof._gate.baseline import Measured, Quantity
from gradproof._gate.result import Agreement
from gradproof._report import Comparison, Derivative, Report, word

Array = np.ndarray[Any, Any]
SLACK: Final = 64
"""Units of rounding that another order of the same operations may cost, far above what short formulas do."""
BARS: Final = 4
"""Error bars that two roundings of the same derivative may lie apart: one for each, and as much again."""


def measured(
    point: Sequence[program_pb2.NamedTensor], claims: Sequence[pb.Claim], report: Report
) -> Measured:
    """What one check at one point measured."""
    at = {p.name: np.array(from_tensor(p.tensor)) for p in point}
    noise = _reference_noise(report)
    found = list(_values(report, at))
    found += [
        _quantity(_name(d), "reference", d.value, noise.get(_key(d), 0.0))
        for d in report.derivatives
    ]
    for claim in claims:
        kind = word(pb.DerivativeKind, claim.kind, "DERIVATIVE_KIND_")
        second = f" d {claim.second_input}" if claim.second_input else ""
        name = f"{kind} d {claim.output}/d {claim.input}{second}"
        bar = noise.get((claim.output, claim.input, claim.second_input), 0.0)
        found.append(_quantity(name, "claim", from_tensor(claim.values.value), bar))
    return Measured(
        {name: hold(x) for name, x in at.items()},
        report.message.program_digest.hex(),
        tuple(found),
        {pair_name(c): _rounded(c.digits) for c in report.comparisons if c.entries},
    )


def pair_name(c: Comparison | Agreement) -> str:
    """A pair of sources for one output and one input, as a baseline calls it."""
    second = f" d {c.second_input}" if c.second_input else ""
    return f"{c.kind} d {c.output}/d {c.input}{second}: {c.subject} against {c.against}"


def _values(report: Report, at: dict[str, Array]) -> Iterable[Quantity]:
    """The outputs: noise is what rounding of the inputs does to them, by the Jacobian where it is known."""
    for name, y in report.outputs.items():
        bar = 0.0
        for d in report.derivatives:
            x = at.get(d.input)
            if d.output != name or d.second_input or x is None or y.dtype.kind != "f":
                continue
            jacobian = np.abs(d.value.astype(np.float64)).reshape(max(y.size, 1), -1)
            if jacobian.shape[1] == x.size:
                reach = jacobian @ np.abs(x.astype(np.float64)).reshape(-1)
                bar += SLACK * _eps(y) * _largest(reach)
        yield _quantity(name, "value", y, bar)


def _quantity(name: str, kind: str, array: Array, bar: float) -> Quantity:
    own = SLACK * _eps(array) * _largest(array)
    return Quantity(name, kind, hold(array), own + (bar if math.isfinite(bar) else 0.0))


def _reference_noise(report: Report) -> dict[tuple[str, str, str], float]:
    """The error bars of the reference by (output, input, second input); of a black box those of the differences."""
    found: dict[tuple[str, str, str], float] = {}
    own = [c for c in report.comparisons if (c.subject, c.against) == ("reverse", "forward")]
    for c in own or report.comparisons:
        if c.entries and math.isfinite(c.error_bar):
            key = (c.output, c.input, c.second_input)
            found[key] = max(found.get(key, 0.0), BARS * c.error_bar)
    return found


def _key(d: Derivative) -> tuple[str, str, str]:
    return d.output, d.input, d.second_input


def _name(d: Derivative) -> str:
    return f"d {d.output}/d {d.input}" + (f" d {d.second_input}" if d.second_input else "")


def _eps(array: Array) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def _largest(array: Array) -> float:
    size = np.abs(array.astype(np.float64)).reshape(-1)
    return float(np.max(size[np.isfinite(size)], initial=0.0))


def _rounded(digits: float) -> float:
    return round(digits, 1)
