"""The roads by which a function becomes a program, tried in order; each result is held against a plain call.

1. NumPy calls on traced arrays are recorded as they come.
2. The function is built anew with recording stand-ins for NumPy, math and scipy.
3. Small points: every scalar operation inside an object array is recorded.
4. None of them: the function is a black box, and is only asked for values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gradproof_proto.v1 import check_pb2, program_pb2

from gradproof._arguments import Arguments, Array, Function, bind
from gradproof._errors import TargetError
from gradproof._outputs import (
    Outputs,
    evaluate,
    name_of,
    named_outputs,
    one_line,
    untouched_random_state,
)
from gradproof._program import Program
from gradproof._tracing.array import Traced
from gradproof._tracing.namespace import Rebuild
from gradproof._tracing.operands import as_traced
from gradproof._tracing.places import label
from gradproof._tracing.scalars import MAX_ELEMENTS, gather, spread
from gradproof._tracing.tape import Tape
from gradproof._tracing.unsupported import Unsupported, behind

CLOSE: Final = {8: 1e-9, 4: 1e-4}
"""How far a recording may lie from the plain call, relative to the output's size: rounding only."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A function at a point: its arguments, its plain outputs there, and its program if there is one."""

    function: Function
    arguments: Arguments
    outputs: Outputs
    program: Program | None
    origin: check_pb2.Origin


class RoadClosed(Exception):
    """One road could not carry the function; the message says why."""


def carry(function: Function, at: Any) -> Carried:
    """Take the function to a program by the first road that is open, or leave it a black box.

    Raises `TargetError` when the function fails at the point, changes its arguments or draws from
    the global random state.
    """
    return carry_at(function, *_plain(function, at))


def carry_at(function: Function, arguments: Arguments, outputs: Outputs) -> Carried:
    """`carry` when the arguments are bound and the outputs of a plain call are known."""
    name = origin_name(function)
    reasons: dict[str, list[str]] = {}
    for carriage, word, road in ROADS:
        try:
            message = _record(function, arguments, outputs, road)
        except RoadClosed as closed:
            reasons.setdefault(str(closed), []).append(word)
            continue
        origin = check_pb2.Origin(carriage=carriage, reason=_told(reasons), name=name)
        return Carried(function, arguments, outputs, Program(message, origin), origin)
    origin = check_pb2.Origin(
        carriage=check_pb2.CARRIAGE_BLACK_BOX, reason=_told(reasons), name=name
    )
    return Carried(function, arguments, outputs, None, origin)


def _told(reasons: dict[str, list[str]]) -> str:
    """Why the better roads were closed, each reason once."""
    return "; ".join(f"{' and '.join(roads)}: {reason}" for reason, roads in reasons.items())


def origin_name(function: Function) -> str:
    """What the function is called in reports, such as `model.py:loss`."""
    code = getattr(function, "__code__", None)
    if code is None:
        module = getattr(function, "__module__", None)
        return f"{module}:{name_of(function)}" if module else name_of(function)
    return f"{label(code.co_filename).rpartition('/')[2]}:{name_of(function)}"


def _plain(function: Function, at: Any) -> tuple[Arguments, Outputs]:
    """The arguments and outputs of a plain call; whole numbers stay whole where floats are refused."""
    arguments = bind(function, at)
    try:
        return arguments, evaluate(function, arguments)
    except TargetError as error:
        if not arguments.has_python_ints or not isinstance(error.__cause__, TypeError | IndexError):
            raise
    arguments = bind(function, at, ints_as_floats=False)
    return arguments, evaluate(function, arguments)


Road = Callable[[Function, Arguments, Sequence[Traced], Sequence[Any]], Any]
"""Calls a function with traced inputs, and with more arguments after them (of a rule: its seeds)."""


def _arrays(
    function: Function, arguments: Arguments, inputs: Sequence[Traced], after: Sequence[Any]
) -> Any:
    return arguments.call(function, inputs, *after)


def _namespace(
    function: Function, arguments: Arguments, inputs: Sequence[Traced], after: Sequence[Any]
) -> Any:
    rebuilt = Rebuild().function(function)
    if rebuilt is function:
        raise RoadClosed("it is not written in Python")
    return arguments.call(rebuilt, inputs, *after)


def _scalars(
    function: Function, arguments: Arguments, inputs: Sequence[Traced], after: Sequence[Any]
) -> Any:
    total = sum(x.size for x in inputs)
    if total > MAX_ELEMENTS:
        raise RoadClosed(f"{total} elements are more than {MAX_ELEMENTS}")
    seeds = [spread(x) if isinstance(x, Traced) else x for x in after]
    result = arguments.call(function, [spread(x) for x in inputs], *seeds)
    if isinstance(result, dict):
        return {k: gather(v) for k, v in result.items()}
    return tuple(map(gather, result)) if isinstance(result, tuple) else gather(result)


ROADS: Final[tuple[tuple[check_pb2.Carriage, str, Road], ...]] = (
    (check_pb2.CARRIAGE_ARRAY_TRACE, "array tracing", _arrays),
    (check_pb2.CARRIAGE_NAMESPACE, "namespace tracing", _namespace),
    (check_pb2.CARRIAGE_SCALAR_TRACE, "scalar tracing", _scalars),
)


def _record(
    function: Function, arguments: Arguments, outputs: Outputs, road: Road
) -> program_pb2.Program:
    """The program that one road gives; raises `RoadClosed`."""
    tape = Tape(name_of(function), _record.__code__)
    inputs = [tape.input(leaf.name, leaf.value) for leaf in arguments.leaves]
    try:
        with np.errstate(all="ignore"), untouched_random_state(name_of(function)):
            result = road(function, arguments, [x.copy() for x in inputs], ())
            named = named_outputs(result, _to_traced)
    except (RoadClosed, Unsupported) as error:
        raise RoadClosed(str(error)) from error
    except TargetError:
        raise
    except Exception as error:  # the user's code met something that is not quite an array
        refusal = behind(error)
        if isinstance(refusal, Unsupported):
            raise RoadClosed(str(refusal)) from error
        raise RoadClosed(f"{type(error).__name__}, {one_line(error)}") from error
    _compare(named, outputs)
    for name, value in named:
        tape.function.output(value.id_on(tape), name)
    return tape.finish()


def _to_traced(value: Any, name: str) -> Traced:
    return as_traced(value)


def _compare(named: Sequence[tuple[str, Traced]], outputs: Outputs) -> None:
    """Hold the recorded values against the plain call; raises `RoadClosed` when they are not the same."""
    if [n for n, _ in named] != [n for n, _ in outputs]:
        raise RoadClosed("the recording returns other outputs than the plain call")
    for (name, traced), (_, plain) in zip(named, outputs, strict=True):
        data: Array = traced.data
        if data.shape != plain.shape or data.dtype != plain.dtype:
            raise RoadClosed(
                f"output {name} is {data.dtype}{list(data.shape)} in the recording, "
                f"{plain.dtype}{list(plain.shape)} in the plain call"
            )
        if not same(data, plain):
            raise RoadClosed(f"output {name} differs between the recording and the plain call")


def same(data: Array, plain: Array) -> bool:
    """Equal up to rounding, NaNs and infinities in the same places."""
    if data.dtype.kind != "f":
        return bool(np.array_equal(data, plain))
    finite = np.isfinite(plain)
    if not np.array_equal(
        np.where(finite, 0.0, plain), np.where(np.isfinite(data), 0.0, data), equal_nan=True
    ):
        return False
    if not finite.any():
        return True
    a, b = data[finite].astype(np.float64), plain[finite].astype(np.float64)
    return bool(np.max(np.abs(a - b)) <= CLOSE[plain.dtype.itemsize] * np.max(np.abs(b)))
