"""Random graphs, valid and spoilt, through the reader, the types, the executor and whole checks: abuse 2."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from gradproof_service.arrays import type_of_array
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.typing import Typing
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Attr, Op
from gradproof_service.server.application import Application
from gradproof_service.wire.decode import decode_program, parse_program

from tests.service.abuse.harness import long_size
from tests.service.server.harness import point

GRAPHS = 50_000
BATCH = 100
"""Graphs that travel as the functions of one program."""
SPOILT = 5
"""For so many of them one more travels alone: half of these are spoilt, one in twenty is checked whole."""
LIMITS = Limits(elements=1 << 20, live_elements=1 << 22, jacobian_elements=1 << 18, work=10**8)
APPLICATION = Application(LIMITS)
CHOSEN = list(OPS.values())
FAMILIAR = [op for op in CHOSEN if op.batching == "elementwise"]
SHAPES = ((), (3,), (2, 3), (3, 3), (1, 3), (2, 2, 3), (0,), (1,))
ATTRIBUTES = ("int", "ints", "str", "float", "floats", "bool", "function", "functions")
"""What an attribute of the wrong kind may be."""
KINDS = {FaultKind.UNREADABLE, FaultKind.INVALID, FaultKind.LIMIT, FaultKind.NOT_FOUND}


class Maker:
    """Makes graphs from one stream of random numbers."""

    def __init__(self, rng_seed: int) -> None:
        self.rng = np.random.default_rng(rng_seed)
        self._made: list[FunctionWriter] = []
        """Functions that later ones of the same program may call."""

    def one(self) -> pb.Program:
        """A program of one graph."""
        self._made = []
        writer = ProgramWriter("fuzz")
        self.graph(writer.function("f0"))
        return writer.finish(0)

    def many(self) -> pb.Program:
        """A program of `BATCH` graphs."""
        self._made = []
        writer = ProgramWriter("fuzz")
        for k in range(BATCH):
            self.graph(writer.function(f"f{k}"))
        return writer.finish(0)

    def pick(self, among: Any) -> Any:
        """One of them."""
        return among[int(self.rng.integers(len(among)))]

    def graph(self, f: FunctionWriter) -> None:
        """One to three inputs, up to eight nodes, and the last value as output."""
        values = [f.input(name) for name in "xyz"[: self.rng.integers(1, 4)]]
        if self.rng.random() < 0.3:
            values.append(f.constant(self.pick((0.5, 2, np.arange(3.0), True, np.float32(1.5)))))
        for _ in range(self.rng.integers(1, 9)):
            op: Op = self.pick(FAMILIAR if self.rng.random() < 0.7 else CHOSEN)
            least, most = op.arity
            count = (
                least if most == least else int(self.rng.integers(max(least, 1), (most or 4) + 1))
            )
            made = f.node(
                f"gp.{op.name}", [self.pick(values[-4:]) for _ in range(count)], self.attrs(op)
            )
            values.append(made)
        f.output(values[-1], "out")
        self._made.append(f)

    def attrs(self, op: Op) -> dict[str, Any]:
        """Those that are required, and some of the others, mostly of the right kind."""
        return {a.name: self.value(a) for a in op.attrs if a.required or self.rng.random() < 0.3}

    def value(self, attr: Attr) -> Any:
        """A value for an attribute."""
        small = self.rng.integers(-3, 4)
        match attr.kind if self.rng.random() < 0.95 else self.pick(ATTRIBUTES):
            case "function" if self._made:
                return self.pick(self._made[-3:])
            case "functions" if self._made:
                return tuple(self.pick(self._made[-3:]) for _ in range(2))
            case "bool":
                return bool(small > 0)
            case "int":
                return int(small)
            case "float":
                return self.pick((0.5, -1.0, 0.0, 3, 2**40, 1e300, float("nan")))
            case "ints":
                return tuple(self.rng.integers(-2, 4, self.rng.integers(0, 4)).tolist())
            case "floats":
                return tuple(self.rng.normal(size=self.rng.integers(0, 4)).tolist())
            case _:
                return self.pick(("ij,jk->ik", "sum", "", "reflect", "same", "f8", "x" * 99))

    def arrays(self, names: Any) -> dict[str, np.ndarray[Any, Any]]:
        """A point; now and then with numbers that are none."""
        shape = self.pick(SHAPES)
        made: dict[str, Any] = {}
        for name in names:
            shape = shape if self.rng.random() < 0.7 else self.pick(SHAPES)
            x = self.rng.normal(size=shape)
            if self.rng.random() < 0.03:
                x = x * self.pick((np.nan, np.inf, 0.0, 1e200))
            made[name] = np.asarray(x).astype(self.pick((np.float64,) * 4 + (np.float32, np.int64)))
        return made

    def spoil(self, program: pb.Program) -> pb.Program:
        """The program with a few numbers of its columns, or a few of its bytes, changed."""
        if self.rng.random() < 0.5:
            content = bytearray(program.SerializeToString())
            for _ in range(self.rng.integers(1, 4)):
                content[int(self.rng.integers(len(content)))] ^= 1 << int(self.rng.integers(8))
            return parse_program(bytes(content))
        function = program.functions[0]
        for _ in range(self.rng.integers(1, 4)):
            column = self.pick(
                ("op", "arity", "operand", "attr", "outputs", "n_out", "input_names")
            )
            numbers = getattr(function, column)
            if numbers:
                numbers[int(self.rng.integers(len(numbers)))] = int(self.pick((0, 1, 2, 7, 1 << 20, (1 << 32) - 1)))  # fmt: skip
            else:
                numbers.append(int(self.rng.integers(5)))
        return program


def fuzz(graphs: int, rng_seed: int) -> Counter[str]:
    """What became of so many graphs."""
    maker, told = Maker(rng_seed), Counter[str]()
    while told["graphs"] < graphs:
        program = decode_program(maker.many(), limits=LIMITS)
        typing = Typing(program, LIMITS)
        for k in range(BATCH):
            arrays = maker.arrays(i.name for i in program.functions[k].inputs)
            typing.findings.clear()
            graph = typing.function(k, tuple(map(type_of_array, arrays.values())))
            assert graph is not None or typing.findings or k
            told["typed" if graph is not None else "ill typed"] += 1
        told["graphs"] += BATCH
        for k in range(BATCH // SPOILT):
            arrays = maker.arrays("xyz"[: maker.rng.integers(1, 4)])
            told["graphs"] += 1
            if k % 2 == 0:
                told[worked(maker, arrays, whole=k % 20 == 0)] += 1
            else:
                told[worked(maker, arrays, spoilt=True)] += 1
    return told


def worked(maker: Maker, arrays: Any, *, whole: bool = False, spoilt: bool = False) -> str:
    """What a request about one graph ends as: checked whole, or computed, perhaps after it was spoilt."""
    program = maker.one()
    inputs = program.functions[0].input_names
    given = point(**{program.strings[n]: x for n, x in zip(inputs, arrays.values(), strict=False)})
    try:
        program = maker.spoil(program) if spoilt else program
        if whole:
            report = APPLICATION.check(der.CheckRequest(program=program, point=given)).report
            return f"checked: {chk.Verdict.Name(report.verdict)}"
        answer = APPLICATION.evaluate(der.EvaluateRequest(program=program, point=given))
    except Fault as fault:
        return _refused(fault)
    return "computed" if answer.outputs else "found wanting"


def _refused(fault: Fault) -> str:
    if fault.kind not in KINDS:
        return f"{fault.kind}: {fault}"
    return "refused" if fault.field_path or fault.limit else f"refused without a place: {fault}"


OUTCOMES = {
    "graphs", "typed", "ill typed", "computed", "found wanting", "refused",
    *(f"checked: {name}" for name in chk.Verdict.keys()),  # noqa: SIM118
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_graphs_break_nothing() -> None:
    """2: 50,000 graphs read and typed: one in twelve spoilt, as many computed, one in a hundred checked whole; no crash."""
    told = fuzz(GRAPHS, 0)
    assert set(told) <= OUTCOMES, set(told) - OUTCOMES
    assert told["typed"] > GRAPHS // 10
    assert told["ill typed"] > GRAPHS // 10
    assert told["refused"] > 100
    assert told["checked: VERDICT_AGREES"] > 10


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_graphs_pass_through_the_whole_check() -> None:
    """2, soak: ten thousand graphs, each computed and checked whole, a third of them spoilt first: no crash (`pytest -m soak`)."""
    maker, told = Maker(2), Counter[str]()
    for k in range(10_000):
        arrays = maker.arrays("xyz"[: maker.rng.integers(1, 4)])
        told[worked(maker, arrays, whole=True, spoilt=k % 3 == 0)] += 1
    assert set(told) <= OUTCOMES, set(told) - OUTCOMES
    assert told["checked: VERDICT_AGREES"] > 500


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_very_many_random_graphs_break_nothing() -> None:
    """2, long: ten million graphs with other seeds (`LONG_SIZE=10000000 pytest -m long -k very_many_random`); 0 crashes."""
    for rng_seed in range(1, 1 + long_size(10_000_000) // GRAPHS):
        told = fuzz(GRAPHS, rng_seed)
        assert set(told) <= OUTCOMES, (rng_seed, set(told) - OUTCOMES)
