"""Reports, findings, derivatives and questions as messages; the programs that gradproof writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from gradproof_proto.sparse import Rows, to_sparse
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array
from gradproof_service.checking.report import (
    Ask,
    Block,
    Claim,
    Comparison,
    Evidence,
    Kind,
    NodeSeen,
    Options,
    Report,
)
from gradproof_service.diagnostic import Finding, Location, Severity
from gradproof_service.graph.program import Program
from gradproof_service.graph.typing import NAMESPACE

SEVERITIES: Final = {
    Severity.INFO: chk.SEVERITY_INFO,
    Severity.WARNING: chk.SEVERITY_WARNING,
    Severity.ERROR: chk.SEVERITY_ERROR,
}


def encode_report(
    report: Report,
    *,
    program: Program | None = None,
    origin: chk.Origin | None = None,
    version: str = "",
) -> chk.Report:
    """A report as it travels; `program` gives findings their node and function numbers, and the digest."""
    message = chk.Report(
        comparisons=map(encode_comparison, report.comparisons),
        findings=encode_findings(report.findings, program),
        outputs=named_tensors(report.outputs),
        derivatives=map(encode_block, report.derivatives),
        function=report.function,
        evaluations=report.evaluations,
        entries_checked=report.entries_checked,
        entries_total=report.entries_total,
        directions=report.directions,
        suppressed=report.suppressed,
        program_digest=b"" if program is None else program.digest,
        options=encode_options(report.options),
        service_version=version,
        evidence=map(_encode_evidence, report.evidence),
        nodes=map(_encode_node, report.nodes),
        claimed=map(encode_block, report.claimed),
    )
    _set(message, "verdict", report.verdict.value)
    for proof in report.proofs:
        added = message.proofs.add(
            output=proof.output, input=proof.input, planted=proof.planted, caught=proof.caught,
            missed=proof.missed,
        )  # fmt: skip
        _set(added, "kind", proof.kind.value)
    message.witnesses.extend(sorted(source.value for source in report.witnesses))  # pyright: ignore[reportArgumentType]
    if origin is not None:
        message.origin.CopyFrom(origin)
    return message


def _encode_node(record: NodeSeen) -> chk.NodeEvidence:
    message = chk.NodeEvidence(
        node=record.node, label=record.label, op=record.op, operands=record.operands, shape=record.shape,
        value_norm=record.value_norm, cotangent_norm=record.cotangent_norm, lost_digits=record.lost_digits,
    )  # fmt: skip
    if record.location:
        message.location.CopyFrom(encode_location(record.location))
    return message


def encode_comparison(record: Comparison) -> chk.Comparison:
    """One comparison, field by field."""
    message = chk.Comparison(
        output=record.output,
        input=record.input,
        second_input=record.second_input,
        reason=record.reason,
        detail=record.detail,
        entries=record.entries,
        entries_total=record.entries_total,
        entries_wrong=record.entries_wrong,
        entries_unclear=record.entries_unclear,
        directions=record.directions,
        digits=record.digits,
        worst_index=map(int, record.worst_index),
        claimed=record.claimed,
        reference=record.reference,
        error_bar=record.error_bar,
        max_abs_error=record.max_abs_error,
        max_rel_error=record.max_rel_error,
        power=record.power,
        worst_seed=record.worst_seed,
        wrong=_places(record.wrong),
    )
    _set(message, "kind", record.kind.value)
    _set(message, "subject", record.subject.value)
    _set(message, "against", record.against.value)
    _set(message, "verdict", record.verdict.value)
    return message


def encode_findings(findings: Iterable[Finding], program: Program | None) -> list[chk.Finding]:
    """Findings, the gravest first, then by function and node."""
    nodes = _Nodes(program)
    messages = [_finding(finding, nodes) for finding in findings]
    messages.sort(key=lambda m: (-m.severity, m.function, m.node, m.code))
    return messages


def _finding(record: Finding, nodes: _Nodes) -> chk.Finding:
    message = chk.Finding(
        code=record.code,
        name=record.name,
        severity=SEVERITIES[record.severity],
        message=record.message,
        input=record.input,
        output=record.output,
        elements=_places(record.elements),
        element_count=record.element_count or len(record.elements),
        numbers=[chk.NamedNumber(name=name, value=float(value)) for name, value in record.numbers],
        cause=record.cause,
        mend=record.mend,
        confirmed=record.confirmed,
    )
    if record.location:
        message.location.CopyFrom(encode_location(record.location))
    message.related.extend(map(encode_location, record.related))
    nodes.place(record, message)
    return message


def _places(indices: Iterable[Sequence[int]]) -> list[chk.ElementIndex]:
    return [chk.ElementIndex(index=map(int, index)) for index in indices]


def _encode_evidence(record: Evidence) -> chk.Evidence:
    sweep, taylor = record.sweep, record.taylor
    message = chk.Evidence(
        output=record.output, input=record.input, second_input=record.second_input,
        index=map(int, record.index), along_direction=record.along_direction, slope=record.slope,
        sweep=chk.Sweep(
            steps=sweep.steps, quotients=sweep.quotients, bounds=sweep.bounds,
            chosen_step=sweep.chosen_step, plateau_low=sweep.plateau[0],
            plateau_high=sweep.plateau[1], estimate=sweep.estimate, error_bar=sweep.error_bar,
        ),
        taylor=chk.TaylorRate(
            rate=taylor.rate, sight=taylor.sight, steps=taylor.steps, remainders=taylor.remainders
        ),
    )  # fmt: skip
    if record.power is not None:
        message.power.CopyFrom(to_tensor(record.power))
    return message


class _Nodes:
    """The numbers of functions and nodes by the names that findings use."""

    def __init__(self, program: Program | None) -> None:
        self._functions = () if program is None else program.functions
        self._index: dict[str, int] = {}
        for index in reversed(range(len(self._functions))):
            self._index[self._functions[index].name] = index
        if program is not None:
            self._index[program.main.name] = program.entry
        self._labels: dict[int, dict[str, int]] = {}

    def place(self, record: Finding, message: chk.Finding) -> None:
        """Writes function, node and op of a finding, as far as they are known."""
        index = self._index.get(record.function)
        if index is None:
            return
        message.function = index
        node = self._node(index, record.node) if record.node else None
        if node is not None:
            message.node = node
            message.op = self._functions[index].ops[node]

    def _node(self, index: int, label: str) -> int | None:
        function = self._functions[index]
        if index not in self._labels:
            self._labels[index] = {name: k for k, name in function.names.items()}
        node = self._labels[index].get(label)
        if node is not None:
            return node
        op, _, number = label.rpartition("#")
        if number.isdecimal() and int(number) < len(function.ops):
            return int(number) if function.ops[int(number)] == NAMESPACE + op else None
        return None


def encode_location(record: Location) -> chk.SourceLocation:
    """A place in the source, its callers beside it."""
    return chk.SourceLocation(
        file=record.file,
        line=record.line,
        column=record.column,
        end_line=record.end_line,
        end_column=record.end_column,
        scope=record.scope,
        source_node=record.source_node,
        callers=map(encode_location, record.callers),
    )


def encode_options(record: Options) -> chk.Options:
    """The options as they were applied."""
    message = chk.Options(
        wrt=record.wrt,
        outputs=record.outputs,
        rtol=record.rtol,
        atol=record.atol,
        tau=record.tau,
        witness_evaluations=record.witness_evaluations,
        rng_seed=record.rng_seed,
        order=record.order,
        derivatives_limit_bytes=record.derivatives_limit_bytes,
        suppress=record.suppress,
        select=record.select,
        prove=record.prove,
        evidence=record.evidence,
    )
    _set(message, "profile", record.profile.value)
    return message


def encode_block(record: Block) -> chk.Derivative:
    """One derivative as a dense array."""
    return derivative(record.kind, record.value, record.output, record.input, record.second_input)


def derivative(
    kind: Kind, value: Array, output: str = "", input: str = "", second_input: str = ""
) -> chk.Derivative:
    """One derivative as a dense array; the names that its kind does not need stay empty."""
    message = chk.Derivative(
        output=output, input=input, second_input=second_input, dense=_tensor(value)
    )
    _set(message, "kind", kind.value)
    return message


def sparse_derivative(
    kind: Kind, rows: Rows, output: str, input: str, second_input: str = ""
) -> chk.Derivative:
    """One derivative as a sparse matrix by rows."""
    message = chk.Derivative(
        output=output, input=input, second_input=second_input, sparse=to_sparse(rows)
    )
    _set(message, "kind", kind.value)
    return message


def named_tensors(arrays: Iterable[tuple[str, Array]]) -> list[pb.NamedTensor]:
    """Arrays with their names, in order."""
    return [pb.NamedTensor(name=name, tensor=_tensor(array)) for name, array in arrays]


def _tensor(array: Array) -> pb.Tensor:
    """A result as it travels, every NaN in it with the same bits.

    Which of two NaNs a sum passes on depends on where in memory the operands lie, and an answer must not.
    """
    undefined = np.isnan(array) if array.dtype.kind == "f" else None
    if undefined is not None and undefined.any():
        array = np.where(undefined, array.dtype.type(np.nan), array)
    return to_tensor(array)


def encode_ask(
    ask: Ask,
    id: int,
    inputs: Sequence[str],
    claims: Sequence[Claim],
    outputs: Sequence[str],
) -> der.ProbeAsk:
    """A question; `outputs` are the names that the function's own answers had, for cotangents."""
    message = der.ProbeAsk(
        id=id,
        subject=der.PROBE_SUBJECT_PRIMAL if ask.claim < 0 else der.PROBE_SUBJECT_CLAIM,
        claim=max(ask.claim, 0),
        batch=ask.batch,
        points=named_tensors(zip(inputs, ask.points, strict=True)),
    )
    if ask.seeds:
        names = _seed_names(claims[ask.claim], len(ask.seeds), inputs, outputs)
        message.seeds.extend(named_tensors(zip(names, ask.seeds, strict=True)))
    return message


def _seed_names(
    claim: Claim, count: int, inputs: Sequence[str], outputs: Sequence[str]
) -> Sequence[str]:
    if claim.kind is Kind.VJP:
        one = claim.output or (outputs[0] if outputs else "")
        return [one] if count == 1 else list(outputs)[:count]
    one = (claim.second_input if claim.kind is Kind.HVP else "") or claim.input
    return [one or inputs[0]] if count == 1 else list(inputs)[:count]


def _set(message: Any, field: str, value: int) -> None:
    """Sets an enum field from a number; the generated stubs ask for the enum's own type."""
    setattr(message, field, int(value))
