"""One set of cases, asked in this process and over a real socket: the answers are the same, byte for byte."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gradproof._errors import (
    DeadlineError,
    GradproofError,
    LimitError,
    RequestError,
    ServiceFault,
)
from gradproof._transport import Transport, connect, default_transport, embedded
from gradproof_proto.tensors import from_tensor, to_tensor
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter

from tests.service.server.harness import (
    ServerThread,
    cubic,
    one_node,
    point,
    slow,
    two_outputs,
)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """A server for the whole file."""
    with ServerThread() as running:
        yield running


@pytest.fixture(scope="module")
def remote(server: ServerThread) -> Iterator[Transport]:
    """A connection to it."""
    transport = connect(server.address)
    yield transport
    transport.close()


@pytest.fixture(scope="module", params=["embedded", "server"])
def transport(request: pytest.FixtureRequest, remote: Transport) -> Transport:
    """Each way in turn."""
    return embedded() if request.param == "embedded" else remote


def wire(message: Any) -> bytes:
    """The bytes of a message."""
    return message.SerializeToString(deterministic=True)


def claim(**fields: Any) -> chk.Claim:
    """A claimed gradient."""
    return chk.Claim(kind=chk.DERIVATIVE_KIND_GRADIENT, **fields)


def values(array: Any) -> chk.ClaimValues:
    """A claim given as numbers."""
    return chk.ClaimValues(value=to_tensor(np.asarray(array)))


CHECKS = {
    "no claim": der.CheckRequest(program=cubic(), point=point(x=3.0)),
    "right claim": der.CheckRequest(
        program=cubic(), point=point(x=3.0), claims=[claim(values=values(29.0))]
    ),
    "wrong claim": der.CheckRequest(
        program=cubic(), point=point(x=3.0), claims=[claim(values=values(58.0))]
    ),
    "two outputs": der.CheckRequest(
        program=two_outputs(),
        point=point(x=[1.0, 2.0], y=[3.0, 4.0]),
        options=chk.Options(rng_seed=7),
        origin=chk.Origin(carriage=chk.CARRIAGE_EXPRESSION, name="two"),
    ),
    "ill typed": der.CheckRequest(
        program=one_node("gp.matmul", "a", "b"), point=point(a=np.ones((2, 3)), b=np.ones((2, 3)))
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_report_does_not_depend_on_the_way(name: str, remote: Transport) -> None:
    """The same check gives the same bytes in this process and over a socket, and again when it is repeated."""
    here = wire(embedded().check(CHECKS[name]))
    assert here == wire(remote.check(CHECKS[name]))
    assert here == wire(remote.check(CHECKS[name]))


def test_verdicts(transport: Transport) -> None:
    """A right claim agrees, a wrong one disagrees, and the report says by whom and of what."""
    right = transport.check(CHECKS["right claim"]).report
    wrong = transport.check(CHECKS["wrong claim"]).report
    assert right.verdict == chk.VERDICT_AGREES
    assert wrong.verdict == chk.VERDICT_DISAGREES
    assert right.service_version
    assert len(right.program_digest) == 32
    assert transport.check(CHECKS["two outputs"]).report.origin.name == "two"


def test_an_ill_typed_program_is_a_finding(transport: Transport) -> None:
    """A bad graph is data in a normal answer, with node, op and function."""
    (finding,) = transport.check(CHECKS["ill typed"]).report.findings
    assert finding.code == "GP003"
    assert (finding.node, finding.op, finding.function) == (0, "gp.matmul", 0)
    found = transport.evaluate(
        der.EvaluateRequest(program=CHECKS["ill typed"].program, point=CHECKS["ill typed"].point)
    )
    assert [f.code for f in found.findings] == ["GP003"]
    assert not found.outputs


def test_evaluate_one_point_and_many(transport: Transport) -> None:
    """A batch of points equals its points one by one."""
    x = np.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]])
    many = transport.evaluate(der.EvaluateRequest(program=cubic(), point=point(x=x), batch=3))
    one = [
        from_tensor(
            transport.evaluate(der.EvaluateRequest(program=cubic(), point=point(x=row)))
            .outputs[0]
            .tensor
        )
        for row in x
    ]
    np.testing.assert_array_equal(from_tensor(many.outputs[0].tensor), np.stack(one))


SEEDS = {
    chk.DERIVATIVE_KIND_VJP: point(v=[0.5, -1.0]),
    chk.DERIVATIVE_KIND_JVP: point(x=[1.0, 0.25], y=[-2.0, 3.0]),
    chk.DERIVATIVE_KIND_HVP: point(x=[1.0, 0.25]),
}


@pytest.mark.parametrize("kind", range(1, 7))
def test_a_derivative_is_also_a_program(kind: int, transport: Transport) -> None:
    """The program that is emitted, sent again with the same point and seeds, gives the same derivatives."""
    given = point(x=[1.0, 2.0], y=[3.0, 4.0])
    seeds = SEEDS.get(kind, [])
    scalar = kind in (
        chk.DERIVATIVE_KIND_GRADIENT,
        chk.DERIVATIVE_KIND_HESSIAN,
        chk.DERIVATIVE_KIND_HVP,
    )
    answer = transport.differentiate(
        der.DifferentiateRequest(
            program=two_outputs(), point=given, kind=kind, seeds=seeds, emit_program=True,
            options=chk.Options(outputs=["loss"] if scalar else []),
        )
    )  # fmt: skip
    program = answer.program
    names = [program.strings[row] for row in program.functions[program.entry].input_names]
    sent = {seed.name: from_tensor(seed.tensor) for seed in seeds}
    shapes = {"loss": (), "v": (2,), "x": (2,), "y": (2,)}
    for name in names[2:]:
        base = name.removesuffix("_bar").removesuffix("_dot")
        given += point(**{name: sent.get(base, np.zeros(shapes[base]))})
    again = transport.evaluate(der.EvaluateRequest(program=program, point=given))
    assert not again.findings
    for derivative, output in zip(answer.derivatives, again.outputs, strict=True):
        expected = from_tensor(derivative.dense)
        np.testing.assert_allclose(from_tensor(output.tensor), expected, rtol=1e-13, atol=1e-15)
        assert tuple(output.tensor.shape) == expected.shape


def test_the_modes_agree(transport: Transport) -> None:
    """Forward and reverse mode give the same Jacobian within rounding, and the known one."""
    x = np.array([0.5, 2.0])
    found = [
        from_tensor(
            transport.differentiate(
                der.DifferentiateRequest(
                    program=cubic(), point=point(x=x), mode=mode, kind=chk.DERIVATIVE_KIND_JACOBIAN
                )
            )
            .derivatives[0]
            .dense
        )
        for mode in (der.MODE_FORWARD, der.MODE_REVERSE, der.MODE_UNSPECIFIED)
    ]
    for jacobian in found:
        np.testing.assert_allclose(jacobian, np.diag(3 * x**2 + 2), rtol=1e-14)


def test_batched_seeds_are_stacked_seeds(transport: Transport) -> None:
    """Many seeds at once give what each gives alone."""
    seeds = np.array([[1.0, 0.0], [0.5, -2.0], [3.0, 1.0]])
    request = der.DifferentiateRequest(
        program=cubic(), point=point(x=[1.0, 2.0]), kind=chk.DERIVATIVE_KIND_VJP,
        seeds=point(y=seeds), seed_batch=3,
    )  # fmt: skip
    many = from_tensor(transport.differentiate(request).derivatives[0].dense)
    one = []
    for seed in seeds:
        alone = der.DifferentiateRequest(
            program=cubic(), point=request.point, kind=request.kind, seeds=point(y=seed)
        )
        one.append(from_tensor(transport.differentiate(alone).derivatives[0].dense))
    np.testing.assert_array_equal(many, np.stack(one))


def test_a_suite_answers_each_case_once(remote: Transport) -> None:
    """Cases are answered in both ways alike, and one that cannot be checked does not stop the others."""
    request = der.CheckSuiteRequest(
        program=cubic(),
        cases=[
            der.CheckCase(name="a", point=point(x=1.0)),
            der.CheckCase(name="b"),
            der.CheckCase(name="c", point=point(x=[1.0, 2.0]), options=chk.Options(rng_seed=3)),
        ],
    )
    here = list(embedded().check_suite(request))
    there = sorted(remote.check_suite(request), key=lambda answer: answer.index)
    assert [wire(a) for a in here] == [wire(a) for a in there]
    assert [a.name for a in here] == ["a", "b", "c"]
    assert "'x' has no value" in here[1].fault
    assert here[2].report.options.rng_seed == 3


def sum_of_cubes(ask: der.ProbeAsk) -> der.ProbeAnswer:
    """Answers for f(x) = sum(x**3) and its gradient."""
    x = from_tensor(ask.points[0].tensor)
    assert len(x) == ask.batch
    made = 3 * x**2 if ask.subject == der.PROBE_SUBJECT_CLAIM else (x**3).sum(-1)
    return der.ProbeAnswer(id=ask.id, outputs=point(y=made))


PROBE = der.ProbeStart(
    inputs=[der.ProbeInput(name="x")],
    point=point(x=[1.0, 2.0]),
    claims=[chk.Claim(kind=chk.DERIVATIVE_KIND_GRADIENT, asked=chk.AskedClaim())],
)


def test_a_probe_asks_the_caller(remote: Transport) -> None:
    """A black box is judged by its answers, in both ways alike."""
    here = embedded().probe(PROBE, sum_of_cubes)
    assert here.verdict == chk.VERDICT_AGREES
    assert wire(here) == wire(remote.probe(PROBE, sum_of_cubes))


def test_what_a_probed_function_raises_reaches_the_caller(transport: Transport) -> None:
    """The caller's own exception is not translated."""

    def broken(_: der.ProbeAsk) -> der.ProbeAnswer:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        transport.probe(PROBE, broken)


def test_wrong_answers_in_a_probe_are_refused(transport: Transport) -> None:
    """An answer to another question, or to too few points, is the caller's fault."""

    def renumbered(ask: der.ProbeAsk) -> der.ProbeAnswer:
        answer = sum_of_cubes(ask)
        answer.id += 5
        return answer

    def shortened(ask: der.ProbeAsk) -> der.ProbeAnswer:
        return der.ProbeAnswer(id=ask.id, outputs=point(y=np.zeros(ask.batch + 1)))

    for answer in (renumbered, shortened):
        with pytest.raises(RequestError, match="answer"):
            transport.probe(PROBE, answer)


def test_inspect_types_every_node(transport: Transport) -> None:
    """The text states a type on each node, and inputs with complete types need no value."""
    answer = transport.inspect(
        der.InspectRequest(
            program=two_outputs(), point=point(x=np.zeros(3), y=np.zeros(3)), nodes=True
        )
    )
    assert list(answer.output_types) == ["f64", "f64[3]"]
    assert [list(node.types) for node in answer.nodes] == [["f64[3]"]] * 4 + [["f64"]]
    assert answer.text.count(": f64[3] = ") == 4
    assert answer.flops > 0
    assert answer.peak_bytes >= 9 * 8


def test_the_catalogue_is_the_same_in_both_ways(remote: Transport) -> None:
    """Ops, findings and pages are the same records."""
    here = embedded()
    assert wire(here.list_ops(cat.ListOpsRequest())) == wire(remote.list_ops(cat.ListOpsRequest()))
    ops = {op.name: op for op in here.list_ops(cat.ListOpsRequest()).ops}
    assert ops["gp.multiply"].min_arity == 2
    assert list(ops["gp.multiply"].differentiable_inputs) == [0, 1]
    for subject in ("gp.sqrt", "sqrt"):
        assert here.explain(cat.ExplainRequest(subject=subject)).op.name == "gp.sqrt"
    findings = {f.name: f.code for f in remote.list_findings(cat.ListFindingsRequest()).findings}
    assert findings["sqrt-at-zero"] == "GP102"
    for subject in ("GP102", "gp102", "sqrt-at-zero"):
        assert here.explain(cat.ExplainRequest(subject=subject)).finding.code == "GP102"
    unknown = remote.explain(cat.ExplainRequest(subject="gp.sqr"))
    assert unknown.WhichOneof("description") is None
    assert "sqrt" in unknown.markdown


def test_findings_stand_in_reports(transport: Transport) -> None:
    """What the graph shows is told by inspect, what the point shows by check; a code that is not wanted is left out."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    f.output(f.node("gp.sqrt", [f.node("gp.multiply", [x, x])]), "y")
    program = writer.finish(f)
    possible = transport.inspect(der.InspectRequest(program=program, point=point(x=0.0)))
    assert {"GP102"} <= {f.code for f in possible.findings}
    request = der.CheckRequest(program=program, point=point(x=0.0))
    seen = {f.code: f for f in transport.check(request).report.findings}
    assert seen["GP102"].confirmed
    assert (seen["GP102"].node, seen["GP102"].op) == (1, "gp.sqrt")
    request.options.suppress.append("GP102")
    assert "GP102" not in {f.code for f in transport.check(request).report.findings}


HARD = {
    "a maximum that broadcasts": (
        one_node("gp.maximum", "x", "y"), {"x": [0.5, 2.0], "y": [[1.0, 1.5], [0.2, 3.0], [2.5, 0.1]]},
    ),
    "no axis to pad": (one_node("gp.pad", "x", attrs={"pad_width": (), "mode": "edge"}), {"x": 2.0}),
    "a diagonal far outside": (one_node("gp.diagonal", "x", attrs={"offset": 2**40}), {"x": np.eye(2)}),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_hard_requests_are_answered(name: str, transport: Transport) -> None:
    """What damaged requests once made fail inside is an ordinary answer."""
    program, values = HARD[name]
    report = transport.check(der.CheckRequest(program=program, point=point(**values))).report
    assert report.verdict != chk.VERDICT_DISAGREES
    assert not [f for f in report.findings if f.severity == chk.SEVERITY_ERROR]


def test_a_deadline_ends_long_work(transport: Transport) -> None:
    """A call that would take many seconds ends when its time is over, with the exception that says so."""
    begun = time.monotonic()
    with pytest.raises(DeadlineError, match="did not finish in time"):
        transport.evaluate(der.EvaluateRequest(program=slow(), point=point(x=1.0)), timeout_s=0.2)
    assert time.monotonic() - begun < 2.0


def test_health(transport: Transport) -> None:
    """Both say that they serve."""
    assert transport.health() == "serving"


def test_the_environment_names_the_server(
    monkeypatch: pytest.MonkeyPatch, server: ServerThread
) -> None:
    """Without an address the service is in this process; with one it is there."""
    monkeypatch.delenv("GRADPROOF_SERVER", raising=False)
    assert type(default_transport()).__name__ == "EmbeddedTransport"
    monkeypatch.setenv("GRADPROOF_SERVER", server.address)
    found = default_transport()
    assert type(found).__name__ == "RemoteTransport"
    found.close()


def dangling() -> pb.Program:
    """A node that reads what does not exist."""
    program = cubic()
    program.functions[0].operand[0] = 99
    return program


def splat_bomb() -> pb.Program:
    """One number that fills 8 TB."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x")
    f.output(f.node("gp.add", [x, f.constant(np.ones(4))]), "y")
    program = writer.finish(f)
    kind = program.types[program.constants[0].type]
    kind.shape[0].size = 10**12
    return program


def no_format() -> pb.Program:
    """A program that was not finished."""
    program = cubic()
    program.version.format = 0
    return program


def half() -> pb.Program:
    """An input declared as f32[2,n]."""
    writer = ProgramWriter("test")
    f = writer.function("f")
    x = f.input("x", pb.DTYPE_F32, (2, "n"))
    f.output(x, "y")
    return writer.finish(f)


X = point(x=1.0)
TOO_SHORT = [
    pb.NamedTensor(name="x", tensor=pb.Tensor(dtype=pb.DTYPE_F64, shape=[10**12], data=b""))
]
BAD = {
    "no program": (der.EvaluateRequest(point=X), RequestError, "brings none", "program"),
    "no format": (der.EvaluateRequest(program=no_format(), point=X), RequestError, "format", "program.version"),
    "dangling operand": (
        der.EvaluateRequest(program=dangling(), point=X), RequestError, "operand 0", "program.functions[0].node[0]",
    ),
    "missing input": (der.EvaluateRequest(program=cubic()), RequestError, "no value", 'point["x"]'),
    "extra input": (
        der.EvaluateRequest(program=cubic(), point=point(x=1.0, z=2.0)), RequestError, "no input 'z'", 'point["z"]',
    ),
    "twice": (der.EvaluateRequest(program=cubic(), point=[*X, *X]), RequestError, "twice", 'point["x"]'),
    "dtype": (
        der.EvaluateRequest(program=half(), point=point(x=np.zeros((2, 3)))), RequestError, "declared f32", 'point["x"]',
    ),
    "shape": (
        der.EvaluateRequest(program=half(), point=point(x=np.zeros(3, np.float32))), RequestError, "shape", 'point["x"]',
    ),
    "half precision": (
        der.EvaluateRequest(program=cubic(), point=point(x=np.zeros(3, np.float16))), RequestError, "float16", 'point["x"]',
    ),
    "too few bytes": (der.EvaluateRequest(program=cubic(), point=TOO_SHORT), RequestError, "expected 8000000000000 bytes", 'point["x"]'),
    "no such function": (
        der.EvaluateRequest(program=cubic(), point=X, function=3), RequestError, "1 functions", "function",
    ),
    "constant of 1e12 elements": (
        der.EvaluateRequest(program=splat_bomb(), point=X), LimitError, "limit", None,
    ),
    "batch that is not there": (
        der.EvaluateRequest(program=cubic(), point=X, batch=4), RequestError, "4 points in front", 'point["x"]',
    ),
    "unknown blob": (
        der.EvaluateRequest(program_blob=pb.BlobRef(sha256=b"0" * 32, size_bytes=9), point=X),
        GradproofError, "put it again", None,
    ),
    "no kind": (der.DifferentiateRequest(program=cubic(), point=X), RequestError, "expected one of gradient", "kind"),
    "gradient of a vector": (
        der.DifferentiateRequest(program=cubic(), point=point(x=[1.0, 2.0]), kind=1), RequestError, "of one number", "kind",
    ),
    "unknown wrt": (
        der.DifferentiateRequest(program=cubic(), point=X, kind=2, options=chk.Options(wrt=["q"])),
        RequestError, "no input 'q'", "options.wrt",
    ),
    "integer point": (
        der.DifferentiateRequest(program=cubic(), point=point(x=3), kind=2), RequestError, "no float input", "options.wrt",
    ),
    "seed of another shape": (
        der.DifferentiateRequest(program=cubic(), point=X, kind=3, seeds=point(y=[1.0, 2.0])),
        RequestError, "expected f64 of shape ()", 'seeds["y"]',
    ),
    "jacobian of 1e10 entries": (
        der.DifferentiateRequest(program=cubic(), point=point(x=np.zeros(100_000)), kind=2), LimitError, "vjp", "kind",
    ),
    "program of a jacobian of side 3000": (
        der.DifferentiateRequest(
            program=two_outputs(), point=point(x=np.zeros(3000), y=0.0), kind=2, emit_program=True,
            options=chk.Options(wrt=["y"]),
        ),
        LimitError, "side 3000", "emit_program",
    ),
    "tau": (
        der.CheckRequest(program=cubic(), point=X, options=chk.Options(tau=float("nan"))), RequestError, "tau", "options.tau",
    ),
    "order": (
        der.CheckRequest(program=cubic(), point=X, options=chk.Options(order=3)), RequestError, "1 or 2", "options.order",
    ),
    "claim of nothing": (
        der.CheckRequest(program=cubic(), point=X, claims=[claim()]), RequestError, "say what is claimed", "claims[0]",
    ),
    "claim without seeds": (
        der.CheckRequest(program=cubic(), point=X, claims=[chk.Claim(kind=3, values=values(1.0))]),
        RequestError, "needs the seeds", "claims[0].values.seeds",
    ),
    "claim that nobody answers": (
        der.CheckRequest(program=cubic(), point=X, claims=[claim(asked=chk.AskedClaim())]),
        RequestError, "probe", "claims[0].asked",
    ),
    "claim of no function": (
        der.CheckRequest(program=cubic(), point=X, claims=[claim(function=9)]), RequestError, "1 functions", "claims[0].function",
    ),
    "claim of an unknown input": (
        der.CheckRequest(program=cubic(), point=X, claims=[claim(input="q", values=values(1.0))]),
        RequestError, "'q'", None,
    ),
    "infinite point": (
        der.CheckRequest(program=cubic(), point=point(x=np.inf)), RequestError, "finite", 'point["x"]',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_in_one_sentence(name: str, transport: Transport) -> None:
    """What is wrong is said with the field it concerns, in both ways alike, and it is never our own failure."""
    request, kind, part, field_path = BAD[name]
    rpc = {
        der.EvaluateRequest: transport.evaluate,
        der.DifferentiateRequest: transport.differentiate,
        der.CheckRequest: transport.check,
    }[type(request)]
    begun = time.monotonic()
    with pytest.raises(kind) as caught:
        rpc(request)  # type: ignore[operator]
    assert time.monotonic() - begun < 2.0
    assert not isinstance(caught.value, ServiceFault)
    assert part in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2
    if isinstance(caught.value, RequestError) and field_path is not None:
        assert caught.value.field_path == field_path


ILL_TYPED = {
    "unknown op": (one_node("gp.sine", "x"), point(x=1.0), "GP001", "gp.sin"),
    "wrong arity": (one_node("gp.sin", "x", "y"), point(x=1.0, y=2.0), "GP002", "operand"),
    "shapes": (one_node("gp.add", "x", "y"), point(x=[1.0, 2.0], y=[1.0, 2.0, 3.0]), "GP003", ""),
    "attribute": (one_node("gp.sin", "x", attrs={"axis": 1}), point(x=1.0), "GP005", "axis"),
    "1e12 elements": (
        one_node("gp.broadcast_to", "x", attrs={"shape": (10**6, 10**6)}), point(x=1.0), "GP006", "elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ILL_TYPED)
def test_what_is_wrong_with_a_graph_is_a_finding(name: str, transport: Transport) -> None:
    """Nothing is computed or allocated, and the finding names the node."""
    program, given, code, part = ILL_TYPED[name]
    answer = transport.check(der.CheckRequest(program=program, point=given)).report
    assert [f.code for f in answer.findings] == [code]
    assert part in answer.findings[0].message
    assert answer.findings[0].HasField("node")
    assert not answer.outputs
