"""Programs that ask for too much, or for nothing that can be: abuses 3 to 7. In process, where cost can be measured."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.server.application import Application
from gradproof_service.server.messages import read_message

from tests.service.server.harness import cubic, one_node, point

APPLICATION = Application()
MEMORY_MB = 5.0
CPU_S = 0.01


def attempt(request: Any, method: str = "evaluate") -> Any:
    """The answer, or the fault."""
    try:
        return getattr(APPLICATION, method)(request)
    except Fault as fault:
        return fault


def refused(request: Any, method: str = "evaluate") -> str:
    """Why the request is refused, as a fault or by a finding of severity error."""
    answer = attempt(request, method)
    if isinstance(answer, Fault):
        assert answer.kind in (FaultKind.LIMIT, FaultKind.INVALID, FaultKind.UNREADABLE)
        return answer.message
    findings = answer.report.findings if method == "check" else answer.findings
    assert [f for f in findings if f.severity == chk.SEVERITY_ERROR]
    return " ".join(f.message for f in findings)


def cheap(work: Callable[[], object], cpu_s: float = CPU_S, memory_mb: float = MEMORY_MB) -> None:
    """The work takes little processor time and little memory; the best of some tries counts."""
    work()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < memory_mb * 1e6
    taken: list[float] = []
    for _ in range(15):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
        if taken[-1] < cpu_s:
            return
    raise AssertionError(f"{min(taken):.4f} s of processor, expected below {cpu_s}")


def splat(*shape: int) -> der.EvaluateRequest:
    """A constant of one number that fills a shape."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    f.output(f.node("gp.multiply", [f.input("x"), f.constant(2.0)]), "y")
    program = writer.finish(f)
    program.types[program.constants[0].type].ClearField("shape")
    for size in shape:
        program.types[program.constants[0].type].shape.add(size=size)
    program.constants[0].splat = np.float64(1.0).tobytes()
    return der.EvaluateRequest(program=program, point=point(x=1.0))


def broadcast(*shape: int) -> der.EvaluateRequest:
    """A number that is made as large as a shape."""
    return der.EvaluateRequest(
        program=one_node("gp.broadcast_to", "x", attrs={"shape": shape}), point=point(x=1.0)
    )


def claimed(*shape: int) -> der.EvaluateRequest:
    """A tensor of eight bytes that says it is larger."""
    tensor = pb.Tensor(dtype=pb.DTYPE_F64, shape=shape, data=bytes(8))
    return der.EvaluateRequest(program=cubic(), point=[pb.NamedTensor(name="x", tensor=tensor)])


BOMBS = {
    "1e12": (10**12,),
    "(1e6)^3": (10**6,) * 3,
    "negative": (-1,),
    "2^62 x 4": (1 << 62, 4),
    "2^32 x 2^32": (1 << 32, 1 << 32),
    "a product that is zero modulo 2^64": (1 << 32, 1 << 31, 2),
    "huge and negative": (1 << 62, 1 << 62, -3),
}


@pytest.mark.parametrize("shape", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("carrier", [splat, broadcast, claimed])
@pytest.mark.parametrize("method", ["evaluate", "check"])
def test_shape_bombs_are_refused_before_anything_is_allocated(
    carrier: Callable[..., der.EvaluateRequest], shape: tuple[int, ...], method: str
) -> None:
    """3: under 10 ms of processor and 5 MB of memory, in a constant, an attribute or an input."""
    request: Any = carrier(*shape)
    if method == "check":
        request = der.CheckRequest(program=request.program, point=request.point)
    cheap(lambda: refused(request, method))


def test_a_broadcast_that_blows_up_is_refused() -> None:
    """3: two vectors of a hundred thousand make a matrix of ten thousand millions."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x, y = f.input("x"), f.input("y")
    f.output(f.node("gp.add", [x, y]), "z")
    n = 100_000
    request = der.EvaluateRequest(
        program=writer.finish(f), point=point(x=np.zeros((n, 1)), y=np.zeros((1, n)))
    )
    assert "1e+10" in refused(request)
    cheap(lambda: refused(request))


def outer_products(times: int) -> pb.Program:
    """Each step makes the outer product of the vector with itself and lays it out as a vector again."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x, size = f.input("x"), 10
    for _ in range(times):
        row = f.node("gp.reshape", [x], {"shape": (1, size)})
        column = f.node("gp.reshape", [x], {"shape": (size, 1)})
        size *= size
        x = f.node("gp.reshape", [f.node("gp.multiply", [column, row])], {"shape": (size,)})
    f.output(x, "y")
    return writer.finish(f)


def test_growth_by_outer_products_is_refused() -> None:
    """4: sizes that are squared at each step are refused from their types."""
    request = der.EvaluateRequest(program=outer_products(4), point=point(x=np.ones(10)))
    cheap(lambda: refused(request), cpu_s=0.02)


def called_twice(depth: int) -> pb.Program:
    """f0 calls f1 twice, which calls f2 twice, and so on."""
    writer = ProgramWriter("test")
    below = writer.function("leaf")
    x = below.input("x")
    below.output(below.node("gp.cos", [x]), "y")
    for k in range(depth):
        f = writer.function(f"f{k}")
        x = f.input("x")
        once = f.node("gp.call", [x], {"function": below})
        f.output(f.node("gp.call", [once], {"function": below}), "y")
        below = f
    return writer.finish(below)


def test_calls_that_double_at_each_depth_are_refused() -> None:
    """4: sixty functions stand for 2^60 evaluations; the estimate looks at each function once."""
    request = der.EvaluateRequest(program=called_twice(60), point=point(x=1.0))
    assert "operations" in refused(request)
    cheap(lambda: refused(request), cpu_s=0.1)


@pytest.mark.parametrize("op", ["gp.multiply", "gp.add"])
def test_a_shared_value_is_computed_once(op: str) -> None:
    """4: x = x op x, two hundred times, has 2^200 paths; time grows with its nodes."""

    def chained(times: int) -> der.EvaluateRequest:
        writer = ProgramWriter("test")
        f = writer.function("f")
        x = f.input("x")
        for _ in range(times):
            x = f.node(op, [x, x])
        f.output(x, "y")
        return der.EvaluateRequest(program=writer.finish(f), point=point(x=0.5))

    request = chained(200)
    assert not [
        f for f in APPLICATION.evaluate(request).findings if f.severity == chk.SEVERITY_ERROR
    ]
    cheap(lambda: APPLICATION.evaluate(request), cpu_s=0.1)
    gradient = der.DifferentiateRequest(
        program=request.program, point=request.point, kind=chk.DERIVATIVE_KIND_GRADIENT
    )
    assert APPLICATION.differentiate(gradient).derivatives
    cheap(lambda: APPLICATION.differentiate(gradient), cpu_s=0.5)


def test_a_million_nodes_are_within_the_limit_or_refused_at_once() -> None:
    """5: a chain of a million is read without recursion; below the limit it is refused within a second."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    f.output(f.node("gp.cos", [x]), "y")
    program = writer.finish(f)
    n = 1_000_000
    function = program.functions[0]
    function.op.extend([0] * (n - 1))
    function.arity.extend([1] * (n - 1))
    function.operand.extend([1] * (n - 1))
    function.outputs[0] = n
    small = Application(Limits(nodes=n - 1))
    request = der.EvaluateRequest(program=program, point=point(x=0.5))
    with pytest.raises(Fault, match="1000000 nodes"):
        small.evaluate(request)
    begun = time.process_time()
    with pytest.raises(Fault, match="1000000 nodes"):
        small.evaluate(request)
    assert time.process_time() - begun < 1.0
    value = np.frombuffer(APPLICATION.evaluate(request).outputs[0].tensor.data)
    assert np.allclose(value, 0.7390851332151607)


def test_a_node_that_reads_a_million_values() -> None:
    """5: a million inputs of one node are read, typed and joined without recursion."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    f.output(f.node("gp.concat", [x, x], {"axis": -1}), "y")
    program = writer.finish(f)
    n = 1_000_000
    program.functions[0].arity[0] = n
    program.functions[0].operand.extend([1] * (n - 2))
    answer = APPLICATION.evaluate(der.EvaluateRequest(program=program, point=point(x=[1.0])))
    assert list(answer.outputs[0].tensor.shape) == [n] or answer.outputs[0].tensor.HasField("blob")


def broken(change: Callable[[pb.Program], object]) -> der.EvaluateRequest:
    """A request whose program was changed by hand."""
    program = cubic()
    change(program)
    return der.EvaluateRequest(program=program, point=point(x=1.0))


def _twice(program: pb.Program) -> None:
    function = program.functions[0]
    function.input_names.append(function.input_names[0])
    function.input_types.append(0)


def _recursive(program: pb.Program) -> None:
    program.strings.extend(["gp.call", "function"])
    program.op_table.append(len(program.strings) - 2)
    attrs = program.attrs.add().attrs.add(name=len(program.strings) - 1)
    attrs.function = 0
    function = program.functions[0]
    function.op[0] = len(program.op_table) - 1
    function.arity[0] = 1
    del function.operand[0]
    function.attr.extend([len(program.attrs) - 1, *[0] * (len(function.op) - 1)])


STRUCTURES: dict[str, tuple[Callable[[pb.Program], object], str]] = {
    "self loop": (lambda p: p.functions[0].operand.__setitem__(0, 0), "functions[0].node[0]"),
    "dangling": (lambda p: p.functions[0].operand.__setitem__(0, 9), "functions[0].node[0]"),
    "far away": (lambda p: p.functions[0].operand.__setitem__(0, (1 << 32) - 1), "functions[0].node[0]"),
    "no such op": (lambda p: p.functions[0].op.__setitem__(1, 99), "functions[0]"),
    "output of nothing": (lambda p: p.functions[0].outputs.__setitem__(0, 77), "functions[0]"),
    "one name twice": (_twice, "functions[0]"),
    "too few operands": (lambda p: p.functions[0].operand.pop(), "functions[0]"),
    "an op without a name": (lambda p: p.op_table.append(999), "op_table"),
    "a function that calls itself": (_recursive, "functions[0]"),
    "entry": (lambda p: setattr(p, "entry", 5), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_cannot_be_is_refused_and_its_place_named(name: str) -> None:
    """6: cycles, dangling operands, doubled names: INVALID_ARGUMENT with the path of what is wrong."""
    change, place = STRUCTURES[name]
    with pytest.raises(Fault) as caught:
        APPLICATION.evaluate(broken(change))
    assert caught.value.kind in (FaultKind.UNREADABLE, FaultKind.INVALID)
    assert place in caught.value.field_path
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("text", ["a" * 10_000_000, "nul\0nul", "\x1b[31mred", "‮", "'\"`$(x)\n\r"])  # noqa: PLE2502
def test_odd_names_do_no_harm(text: str) -> None:
    """6: names of ten megabytes, of control characters or of marks are carried, or refused shortly; never run, never in full."""
    program = cubic()
    program.strings[program.functions[0].input_names[0]] = text
    for given in (point(x=1.0), point(**{text: 1.0})):
        answer = attempt(der.EvaluateRequest(program=program, point=given))
        if isinstance(answer, Fault):
            assert answer.kind in (FaultKind.INVALID, FaultKind.UNREADABLE, FaultKind.LIMIT)
        else:
            assert np.frombuffer(answer.outputs[0].tensor.data) == 3.0


def test_a_name_that_is_no_text_is_refused() -> None:
    """6: half a surrogate pair in place of a name: bytes that are no message."""
    content = der.EvaluateRequest(program=cubic(), point=point(x=1.0)).SerializeToString()
    assert content.count(b"cubic") == 1
    with pytest.raises(Fault) as caught:
        read_message(der.EvaluateRequest, content.replace(b"cubic", b"c\xed\xa0\x80c"))
    assert caught.value.kind is FaultKind.UNREADABLE


def test_a_million_attributes_are_refused_or_read() -> None:
    """6: a million attributes on one node end as one short fault or finding."""
    program = cubic()
    names = len(program.strings)
    program.strings.extend(f"a{k:07d}" for k in range(1_000_000))
    row = program.attrs.add()
    for k in range(1_000_000):
        row.attrs.add(name=names + k, int_value=k)
    program.functions[0].attr.extend(
        [len(program.attrs) - 1, *[0] * (len(program.functions[0].op) - 1)]
    )
    assert len(refused(der.EvaluateRequest(program=program, point=point(x=1.0)))) < 5_000


STRANGE = {
    "nan": np.nan, "inf": np.inf, "-inf": -np.inf, "-0": -0.0, "denormal": 5e-324, "overflow": 1.7e308,
    "tiny": 1e-200,
}  # fmt: skip


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize(
    "op", ["gp.exp", "gp.sqrt", "gp.log", "gp.square", "gp.reciprocal", "gp.tanh"]
)
def test_no_false_pass_where_numbers_end(op: str, value: float) -> None:
    """7: a wrong claim at a strange point is never passed, nothing that is not finite called right; what stays open has a reason."""
    for claimed_value in (12345.678, np.nan, np.inf):
        values = chk.ClaimValues(value=to_tensor(np.asarray(claimed_value)))
        wrong = chk.Claim(kind=chk.DERIVATIVE_KIND_GRADIENT, input="x", values=values)
        request = der.CheckRequest(program=one_node(op, "x"), point=point(x=value), claims=[wrong])
        answer = attempt(request, "check")
        if isinstance(answer, Fault):
            assert answer.kind is FaultKind.INVALID
            continue
        assert answer.report.verdict != chk.VERDICT_AGREES
        assert answer.report.findings or answer.report.verdict == chk.VERDICT_DISAGREES
        open_ones = [c for c in answer.report.comparisons if c.verdict == chk.VERDICT_INCONCLUSIVE]
        assert all(c.reason for c in open_ones)
