"""The recording: values of one function under construction, and `apply`, which adds a node.

A value is live when it depends on an input. What does not is computed at once and recorded as a
constant only when a live value meets it, so plain NumPy work around the inputs leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import CodeType, FrameType
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import dtype_row
from gradproof_proto.v1 import program_pb2
from gradproof_proto.writer import ProgramWriter

from gradproof._tracing import places
from gradproof._tracing.array import Traced
from gradproof._tracing.kernels import KERNELS
from gradproof._tracing.unsupported import refuse
from gradproof._words import PRODUCER, PRODUCER_VERSION

SMALL: Final = 64
DEFAULTS: Final = {
    "keepdims": False, "offset": 0, "k": 0, "correction": 0.0, "ord": 2.0, "mode": "constant", "value": 0.0,
}  # fmt: skip
"""Attribute values that stand for themselves when nothing is stored: programs store no defaults."""


class Tape:
    """One function being recorded; `boundary` is the code whose callers are not the user's."""

    def __init__(self, name: str, boundary: CodeType | None = None) -> None:
        self.writer = ProgramWriter(f"{PRODUCER}.trace", PRODUCER_VERSION)
        self.function = self.writer.function(name)
        self.trail = places.Trail(self.writer.location, boundary)
        self.node_count = 0
        self._constants: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._numbers: dict[tuple[Any, np.dtype[Any]], tuple[int, np.ndarray[Any, Any]]] = {}

    def input(self, name: str, data: np.ndarray[Any, Any]) -> Traced:
        """Declare the next input, of the dtype and shape of its value at the point."""
        wire = dtype_row(data.dtype).wire
        return Traced(data, self.function.input(name, wire, data.shape), self)

    def constant(self, data: np.ndarray[Any, Any]) -> int:
        """The id of a fixed value; small ones are one value however often they are used."""
        if data.dtype.kind not in "fiub" or data.dtype.itemsize > 8:
            refuse(
                "object-value",
                f"an array of {data.dtype} meets a traced one",
                "arrays of real numbers",
            )
        if data.size > SMALL:
            return self.function.constant(data)
        key = (data.dtype.str, data.shape, data.tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.function.constant(data)
        return found

    def number(self, value: float, dtype: np.dtype[Any]) -> tuple[int, np.ndarray[Any, Any]]:
        """The id of a Python number in this dtype, and its array."""
        key = (value or repr(value), dtype)  # 0.0 and -0.0 are equal and not the same
        found = self._numbers.get(key)
        if found is None:
            data = np.asarray(value, dtype)
            found = self._numbers[key] = (self.constant(data), data)
        return found

    def append(self, op: str, operands: Sequence[int], frame: FrameType) -> int:
        """Add a node without attributes for the line that this frame was called from; its output's id."""
        self.node_count += 1
        return self.function.plain_node(op, operands, self.trail.row(frame))

    def finish(self) -> program_pb2.Program:
        """The program, its one function the entry."""
        self.trail.forget()
        return self.writer.finish(self.function)


def tape_of(operands: Sequence[Any]) -> Tape | None:
    """The tape on which one of these is live, None when none is."""
    for operand in operands:
        if isinstance(operand, Traced) and operand.tape is not None:
            return operand.tape
    return None


def apply(op: str, *operands: Any, **attrs: Any) -> Any:
    """Apply an op of the catalogue to traced values, arrays and Python numbers.

    Python numbers are weak: they take the dtype of the arrays they meet. Returns a `Traced`, or a
    tuple of them for an op with several outputs.
    """
    lifted = lift(operands)
    kernel = KERNELS[op]
    data = kernel(*[value.data for value in lifted], **attrs)
    return record(op, lifted, attrs, data)


def record(op: str, operands: Sequence[Traced], attrs: Mapping[str, Any], data: Any) -> Any:
    """Add a node whose concrete outputs are known; no node when no operand is live."""
    several = isinstance(data, tuple)
    tape = tape_of(operands)
    if tape is None:
        return tuple(map(constant, data)) if several else constant(data)
    ids = [value.id_on(tape) for value in operands]
    tape.node_count += 1
    stored = {name: v for name, v in attrs.items() if name not in DEFAULTS or v != DEFAULTS[name]}
    count = len(data) if several else 1
    first = tape.function.node(
        f"gp.{op}", ids, stored, tape.trail.row(places.called_from(1)), count
    )
    if not several:
        assert isinstance(first, int)
        return Traced(np.asarray(data), first, tape)
    numbers = (first,) if isinstance(first, int) else first
    return tuple(Traced(np.asarray(d), n, tape) for d, n in zip(data, numbers, strict=True))


def constant(data: Any) -> Traced:
    """A value that depends on no input: an array of its own, that may be written into."""
    return Traced(np.array(data), -1, None)


def lift(operands: Sequence[Any]) -> list[Traced]:
    """Every operand as a traced value; Python numbers in the dtype of the arrays they meet."""
    strong = [x for x in map(_strong, operands) if x is not None]
    weak = [x for x in operands if type(x) in (bool, int, float)]
    dtype = np.result_type(*(x.dtype for x in strong), *weak) if strong and weak else None
    lifted: list[Traced] = []
    for operand in operands:
        if isinstance(operand, Traced):
            lifted.append(operand)
        elif dtype is not None and type(operand) in (bool, int, float):
            lifted.append(Traced(np.asarray(operand, dtype=dtype), -1, None))
        else:
            lifted.append(Traced(_array(operand), -1, None))
    return lifted


def _strong(operand: Any) -> Any:
    if isinstance(operand, Traced):
        return operand
    return None if type(operand) in (bool, int, float) else _array(operand)


def _array(operand: Any) -> np.ndarray[Any, Any]:
    found = np.asarray(operand)
    if found.dtype.kind not in "fiub":
        refuse("object-value", f"a value of type {type(operand).__name__} meets a traced array")
    return found
