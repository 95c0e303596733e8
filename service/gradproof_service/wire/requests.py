"""Points, options, claims and answers: the parts of requests as records, each refused with its field path."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from gradproof_proto.sparse import from_sparse
from gradproof_proto.tensors import BY_WIRE, Fetch, checked_size, from_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array
from gradproof_service.checking.report import (
    Answer,
    BlackBox,
    Claim,
    Kind,
    Options,
    Profile,
    SparseValue,
)
from gradproof_service.diagnostic import NOWHERE, Fault, FaultKind, Location
from gradproof_service.wire.decode import STRUCTURES

SEEDED: Final = (Kind.VJP, Kind.JVP, Kind.HVP)
"""Kinds whose values are given for seeds."""


def decode_point(
    tensors: Iterable[pb.NamedTensor], *, field: str = "point", fetch: Fetch | None = None
) -> dict[str, Array]:
    """Arrays by name, read-only views of the message; raises `Fault` for a name that comes twice."""
    point: dict[str, Array] = {}
    for named in tensors:
        path = f'{field}["{named.name}"]'
        if named.name in point:
            raise Fault(
                FaultKind.INVALID,
                f"{field}: {named.name!r} comes twice; give it once",
                field_path=path,
            )
        point[named.name] = decode_tensor(named.tensor, path, fetch)
    return point


def decode_tensor(tensor: pb.Tensor, path: str, fetch: Fetch | None = None) -> Array:
    """One array in native byte order; raises `Fault` when the tensor is not what it says."""
    try:
        array = from_tensor(tensor, where=path, fetch=fetch)
    except ValueError as error:
        raise Fault(FaultKind.UNREADABLE, str(error), field_path=path) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def decode_types(tensors: Iterable[pb.NamedTensor]) -> dict[str, Array]:
    """Arrays of which only dtype and shape mean anything and which take no memory, whatever their shape."""
    point: dict[str, Array] = {}
    for named in tensors:
        path = f'point["{named.name}"]'
        row = BY_WIRE.get(int(named.tensor.dtype))
        shape = tuple(named.tensor.shape)
        try:
            if row is None:
                raise ValueError(f"{path}: expected a known dtype; send one of the contract")
            checked_size(shape, row.stored.itemsize, path)
        except ValueError as error:
            raise Fault(FaultKind.UNREADABLE, str(error), field_path=path) from None
        one = np.zeros((), row.stored.newbyteorder("="))
        point[named.name] = np.broadcast_to(one, shape)
    return point


def decode_options(message: chk.Options) -> Options:
    """How to check, defaults filled in; raises `Fault` for numbers that mean nothing."""
    default = Options()
    for name in ("rtol", "atol", "tau"):
        value = getattr(message, name)
        if message.HasField(name) and not (math.isfinite(value) and value >= 0):
            raise _bad_option(name, f"expected a finite number of 0 or more, {value} came")
    if message.HasField("tau") and not 0 < message.tau < 1:
        raise _bad_option("tau", f"expected a number between 0 and 1, {message.tau} came")
    if message.order > 2:
        raise _bad_option("order", f"expected 1 or 2, {message.order} came")
    if int(message.compute_dtype) not in (pb.DTYPE_UNSPECIFIED, pb.DTYPE_F64):
        raise _bad_option("compute_dtype", "expected f64, or nothing for the dtypes declared")
    if int(message.profile) not in chk.Profile.values():
        raise _bad_option("profile", f"expected a known profile, {int(message.profile)} came")
    return Options(
        wrt=tuple(message.wrt),
        outputs=tuple(message.outputs),
        rtol=message.rtol if message.HasField("rtol") else None,
        atol=message.atol if message.HasField("atol") else None,
        tau=message.tau if message.HasField("tau") else default.tau,
        witness_evaluations=(
            message.witness_evaluations
            if message.HasField("witness_evaluations")
            else default.witness_evaluations
        ),
        rng_seed=message.rng_seed,
        profile=Profile(int(message.profile) or default.profile.value),
        order=message.order or default.order,
        derivatives_limit_bytes=(
            message.derivatives_limit_bytes
            if message.HasField("derivatives_limit_bytes")
            else default.derivatives_limit_bytes
        ),
        suppress=tuple(message.suppress),
        select=tuple(message.select),
        prove=message.prove,
        evidence=message.evidence,
    )


def _bad_option(name: str, what: str) -> Fault:
    return Fault(
        FaultKind.INVALID, f"options.{name}: {what}; mend the option", field_path=f"options.{name}"
    )


def decode_kind(kind: int, path: str) -> Kind:
    """A derivative kind; raises `Fault` for none and for unknown ones."""
    try:
        return Kind(int(kind))
    except ValueError:
        listed = ", ".join(k.name.lower() for k in Kind)
        raise Fault(
            FaultKind.INVALID,
            f"{path}: expected one of {listed}, {'none' if not kind else int(kind)} came; name one",
            field_path=path,
        ) from None


def decode_claims(
    messages: Sequence[chk.Claim],
    *,
    functions: int = 0,
    probe: bool = False,
    fetch: Fetch | None = None,
) -> list[Claim]:
    """Claims as records; `functions` is how many the program has, `probe` whether anybody can be asked."""
    return [
        _claim(message, f"claims[{index}]", functions, probe, fetch)
        for index, message in enumerate(messages)
    ]


def _sparse(values: chk.ClaimValues, kind: Kind, path: str, fetch: Fetch | None) -> SparseValue:
    """A claimed sparse matrix; raises `Fault` for a kind that is none, or when it is not what it says."""
    if kind not in (Kind.JACOBIAN, Kind.HESSIAN) or values.HasField("value"):
        raise Fault(
            FaultKind.INVALID,
            f"{path}: only a jacobian or a hessian can be claimed as a sparse matrix, and then alone; send value instead",
            field_path=f"{path}.sparse",
        )
    try:
        rows = from_sparse(values.sparse, where=f"{path}.sparse", fetch=fetch)
    except ValueError as error:
        raise Fault(FaultKind.UNREADABLE, str(error), field_path=f"{path}.sparse") from None
    return SparseValue(rows.shape, rows.row_axes, rows.starts, rows.columns, rows.values)


def _claim(
    message: chk.Claim, path: str, functions: int, probe: bool, fetch: Fetch | None
) -> Claim:
    kind = decode_kind(message.kind, f"{path}.kind")
    value: Array | None = None
    seeds: Array | None = None
    sparse: SparseValue | None = None
    function = -1
    match message.WhichOneof("given"):
        case "values":
            if message.values.HasField("sparse"):
                sparse = _sparse(message.values, kind, f"{path}.values", fetch)
            else:
                value = decode_tensor(message.values.value, f"{path}.values.value", fetch)
            if message.values.HasField("seeds"):
                seeds = decode_tensor(message.values.seeds, f"{path}.values.seeds", fetch)
            if (seeds is None) == (kind in SEEDED):
                what = "needs the seeds that gave its values" if seeds is None else "takes no seeds"
                raise Fault(
                    FaultKind.INVALID,
                    f"{path}: a claim of kind {kind.name.lower()} {what}; mend values.seeds",
                    field_path=f"{path}.values.seeds",
                )
        case "function":
            function = message.function
            if function >= functions:
                raise Fault(
                    FaultKind.INVALID,
                    f"{path}: the program has {functions} functions, {function} came; count from 0",
                    field_path=f"{path}.function",
                )
        case "asked" if probe:
            pass
        case "asked":
            raise Fault(
                FaultKind.INVALID,
                f"{path}: a claim can only be asked for in a probe; give it as values or as a function",
                field_path=f"{path}.asked",
            )
        case _:
            raise Fault(
                FaultKind.INVALID,
                f"{path}: expected values, a function or `asked`, none came; say what is claimed",
                field_path=path,
            )
    traced = message.program_function if message.HasField("program_function") else -1
    if traced >= functions:
        raise Fault(
            FaultKind.INVALID,
            f"{path}: the program has {functions} functions, {traced} came; count from 0",
            field_path=f"{path}.program_function",
        )
    return Claim(
        kind=kind,
        input=message.input,
        output=message.output,
        second_input=message.second_input,
        value=value,
        seeds=seeds,
        sparse=sparse,
        function=function,
        asked=message.WhichOneof("given") == "asked",
        result_index=message.result_index,
        location=decode_location(message.location) if message.HasField("location") else NOWHERE,
        traced=traced,
    )


def decode_location(message: chk.SourceLocation) -> Location:
    """A place in the source."""
    return Location(
        message.file, message.line, message.column, message.end_line, message.end_column,
        message.scope, message.source_node,
        tuple(decode_location(caller) for caller in message.callers if not caller.callers),
    )  # fmt: skip


def decode_box(start: der.ProbeStart) -> BlackBox:
    """The function nobody can see into; raises `Fault` when its inputs make no sense."""
    names = [entry.name for entry in start.inputs]
    if not names or "" in names or len(set(names)) != len(names):
        raise Fault(
            FaultKind.INVALID,
            "start.inputs: expected one or more distinct names that are not empty; name the inputs",
            field_path="start.inputs",
        )
    for index, entry in enumerate(start.inputs):
        if int(entry.structure) not in STRUCTURES:
            raise Fault(
                FaultKind.INVALID,
                f"start.inputs[{index}]: expected a known structure, {int(entry.structure)} came; "
                "leave it out",
                field_path=f"start.inputs[{index}].structure",
            )
    structures = tuple(STRUCTURES[int(entry.structure)] for entry in start.inputs)
    return BlackBox(tuple(names), structures, start.origin.name)


def decode_answer(message: der.ProbeAnswer, batch: int, fetch: Fetch | None = None) -> Answer:
    """What the holder of a black box answered; every output carries the batch axis of the question."""
    if message.error:
        return Answer(error=message.error)
    outputs = decode_point(message.outputs, field="answer.outputs", fetch=fetch)
    for name, array in outputs.items():
        if array.shape[:1] != (batch,):
            raise Fault(
                FaultKind.INVALID,
                f"answer: output {name!r} has shape {array.shape}, expected {batch} points in front; "
                "evaluate every point of the question",
                field_path=f'answer.outputs["{name}"]',
            )
    return Answer(tuple(outputs.items()))
