"""What long runs of random graphs have found: each once ended as a mistake of ours, and is answered ever since."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from gradproof_service.server.application import Application

from tests.service.server.harness import point

APPLICATION = Application()


def program(node: Any) -> pb.Program:
    """The program whose output is what `node(f, x)` adds, and a function of no use to call."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    f.output(node(f, f.input("x")), "y")
    return writer.finish(f)


def values(node: Any, x: Any) -> Any:
    """The output at a point, or the words of what is wrong with the graph."""
    answer = APPLICATION.evaluate(der.EvaluateRequest(program=program(node), point=point(x=x)))
    if not answer.outputs:
        return [f.message for f in answer.findings if f.severity == chk.SEVERITY_ERROR]
    tensor = answer.outputs[0].tensor
    dtype = {pb.DTYPE_I64: "i8", pb.DTYPE_U64: "u8", pb.DTYPE_U8: "u1"}[tensor.dtype]
    return np.frombuffer(tensor.data, dtype).tolist()


def arange(start: float, stop: float, step: float, dtype: type) -> Any:
    """An arange that takes no input."""
    return lambda f, x: f.node(
        "gp.arange", [], {"start": start, "stop": stop, "step": step, "dtype": np.dtype(dtype)}
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((0.0, 1.0, 1e300, np.int64), [0]),
        ((5.0, 4.0, 1e300, np.uint8), []),
        ((2.0**63, 2.0**63 + 4096, 2048.0, np.uint64), [2**63, 2**63 + 2048]),
        ((9.0, -1.0, -4.0, np.int64), [9, 5, 1]),
        ((250.0, 256.0, 3.0, np.uint8), [250, 253]),
    ],
)
def test_arange_of_whole_numbers(asked: Any, expected: list[int]) -> None:
    """Steps no integer holds where none is taken, and numbers above 2^63."""
    assert values(arange(*asked), 1.0) == expected


def clipped(f: FunctionWriter, x: int) -> int:
    """Truths that depend on x, held between truths and a number."""
    truth = f.node("gp.greater", [x, f.constant(0.0)])
    low = f.node("gp.less", [x, f.constant(-1.0)])
    return f.node("gp.multiply", [f.node("gp.clip", [truth, low, f.constant(0.5)]), x])


def turned(f: FunctionWriter, x: int) -> int:
    """The angle of a number and a truth."""
    return f.node("gp.atan2", [x, f.node("gp.greater", [x, f.constant(0.0)])])


@pytest.mark.parametrize("node", [clipped, turned])
def test_truths_beside_numbers_are_checked(node: Any) -> None:
    """A bool counts as 0 or 1 in margins and in rules: the check ends as any other, and agrees with itself."""
    request = der.CheckRequest(program=program(node), point=point(x=[0.7, 2.0]))
    assert APPLICATION.check(request).report.verdict == chk.VERDICT_AGREES


ATTRIBUTES: dict[str, tuple[str, list[float], dict[str, Any]]] = {
    "numbers where functions stand": ("gp.cond", [True, 1.0], {"branches": (0, 1)}),
    "halves where whole numbers stand": ("gp.reshape", [1.0], {"shape": (0.5, 2.0)}),
    "no number where whole numbers stand": ("gp.reshape", [1.0], {"shape": (float("nan"),)}),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_another_kind_are_told(name: str) -> None:
    """The finding names the attribute."""
    op, operands, attrs = ATTRIBUTES[name]
    (told,) = values(lambda f, x: f.node(op, [f.constant(v) for v in operands], attrs), 1.0)
    assert f"attribute {next(iter(attrs))!r}" in told


@pytest.mark.parametrize("fill", [1e300, float("nan"), 0.5])
@pytest.mark.parametrize("op", ["gp.take", "gp.take_along_axis"])
def test_what_stands_for_elements_outside_fits(op: str, fill: float) -> None:
    """A `fill` that an integer cannot hold is told before anything is read."""

    def node(f: FunctionWriter, x: int) -> int:
        at = f.constant(np.array([0, 7]))
        return f.node(op, [f.constant(np.array([1, 2])), at], {"axis": 0, "fill": fill})

    (told,) = values(node, 1.0)
    assert "fill" in told
