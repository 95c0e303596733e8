"""Values and derivatives as arrays: what `gp.gradient` and its kin return, in the shape of the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from gradproof_proto.sparse import from_sparse
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._arguments import Array
from gradproof._errors import RequestError
from gradproof._options import KINDS, options
from gradproof._report import dense
from gradproof._subject import Source, Subject, chosen, named, prepare, refuse_errors, run
from gradproof._transport import Transport

DENSE_LIMIT = 1_000_000
"""With `sparse="auto"` derivatives of so many elements and fewer come dense."""
Sparse = bool | Literal["auto"]


class Answer:
    """A response with the subject it is about, and ways to put its derivatives in the arguments' places."""

    def __init__(
        self, subject: Subject, response: der.DifferentiateResponse, wrt: Sequence[str]
    ) -> None:
        self.subject = subject
        self.response = response
        self.sizes = {leaf.name: leaf.value.size for leaf in subject.arguments.leaves}
        self.names = [
            leaf.name for leaf in subject.arguments.leaves
            if leaf.value.dtype.kind == "f" and (not wrt or leaf.name in wrt)
        ]  # fmt: skip

    def value(self) -> Any:
        """The output, or a tuple of them."""
        return one_or_all([np.array(from_tensor(o.tensor)) for o in self.response.outputs])

    def by_output(self, pick: Any) -> Any:
        """`pick(output name)` for each differentiated output; a tuple when there are several."""
        names = list(dict.fromkeys(d.output for d in self.response.derivatives))
        return one_or_all([pick(name) for name in names])

    def by_argument(self, pick: Any) -> Any:
        """`pick(input name)` in the places of the arguments; a tuple when there are several."""
        arguments = self.subject.arguments
        values = [pick(name) if name in self.names else None for name in arguments.names]
        groups = [
            name
            for name, leaves in arguments.top_level()
            if any(arguments.names[i] in self.names for i in leaves)
        ]
        return one_or_all([arguments.argument(name, values) for name in groups])

    def find(self, sparse: Sparse, **fields: str) -> Any:
        """The derivative with these names; zeros are never made up."""
        for d in self.response.derivatives:
            if all(getattr(d, field) == name for field, name in fields.items()):
                width = self.sizes[d.second_input or d.input] if sparse is True else 0
                return value_of(d, sparse, width)
        raise RequestError(f"the service gave no derivative for {fields}")


def one_or_all(values: list[Any]) -> Any:
    """The only value, or a tuple of several."""
    return values[0] if len(values) == 1 else tuple(values)


def value_of(message: check_pb2.Derivative, sparse: Sparse, width: int) -> Any:
    """A derivative as an array, or as a `scipy.sparse.csr_array` when it came sparse.

    When `sparse` is True a dense one is brought to that form too, with `width` columns.
    """
    if sparse is not True and message.WhichOneof("value") != "sparse":
        return dense(message)
    from scipy.sparse import csr_array  # only who asks for sparse matrices waits for it

    if message.WhichOneof("value") != "sparse":
        whole = dense(message)
        return csr_array(whole.reshape(whole.size // max(width, 1), width))
    rows = from_sparse(message.sparse)
    parts = tuple(np.array(x) for x in (rows.values, rows.columns, rows.starts))
    return csr_array(parts, shape=rows.matrix_shape)


def differentiate(
    transport: Transport,
    source: Source,
    at: Any,
    kind: str,
    *,
    wrt: str | Sequence[str] | None = None,
    outputs: str | Sequence[str] | None = None,
    seeds: Mapping[str, Array] | None = None,
    subject: Subject | None = None,
    profile: str = "",
    structure: Mapping[str, str] | None = None,
    sparse: Sparse = False,
    timeout_s: float | None = None,
) -> Answer:
    """Ask for derivatives of one kind; raises `RequestError` when nothing could be computed."""
    subject = subject or prepare(source, at, structure)
    program = subject.needs_program()
    inputs = chosen(subject.arguments.names, wrt, "wrt")
    request = der.DifferentiateRequest(
        program=program.message,
        point=subject.point,
        kind=KINDS[kind],
        seeds=named(list(seeds), list(seeds.values())) if seeds else [],
        options=options(
            wrt=inputs, outputs=chosen(program.outputs, outputs, "outputs"), profile=profile
        ),
        sparse=bool(sparse),
        dense_elements=DENSE_LIMIT if sparse == "auto" else 0,
    )
    response = transport.differentiate(request, timeout_s=timeout_s)
    refuse_errors(response.findings, bool(response.derivatives))
    return Answer(subject, response, inputs)


def evaluate(transport: Transport, source: Source, at: Any, timeout_s: float | None = None) -> Any:
    """The outputs at the point as the service computes them; a black box's come from a plain call."""
    subject = prepare(source, at)
    if subject.program is None:
        return one_or_all([a for _, a in subject.plain or ()])
    return one_or_all([a for _, a in run(transport, subject.program, subject.point, timeout_s)])


def value_and_gradient(
    transport: Transport, source: Source, at: Any, **request: Any
) -> tuple[Any, Any]:
    """The outputs and the gradient of the scalar output in the arguments' places."""
    answer = differentiate(transport, source, at, "gradient", **request)
    return answer.value(), answer.by_output(
        lambda o: answer.by_argument(lambda i: answer.find(False, output=o, input=i))
    )


def jacobian(
    transport: Transport, source: Source, at: Any, sparse: Sparse = "auto", **request: Any
) -> Any:
    """The Jacobian blocks, each of shape `(*output.shape, *input.shape)`, in the arguments' places."""
    answer = differentiate(transport, source, at, "jacobian", sparse=sparse, **request)
    return answer.by_output(
        lambda o: answer.by_argument(lambda i: answer.find(sparse, output=o, input=i))
    )


def hessian(
    transport: Transport, source: Source, at: Any, sparse: Sparse = "auto", **request: Any
) -> Any:
    """The Hessian blocks, each of shape `(*input.shape, *second_input.shape)`."""
    answer = differentiate(transport, source, at, "hessian", sparse=sparse, **request)

    def row(o: str, i: str) -> Any:
        return answer.by_argument(lambda j: answer.find(sparse, output=o, input=i, second_input=j))

    return answer.by_output(lambda o: answer.by_argument(lambda i: row(o, i)))


def jvp(
    transport: Transport, source: Source, at: Any, tangents: Any, *,
    structure: Mapping[str, str] | None = None, **request: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """The outputs and their tangents."""
    subject = prepare(source, at, structure)
    seeds = input_seeds(subject, tangents)
    answer = differentiate(transport, source, at, "jvp", seeds=seeds, subject=subject, **request)
    return answer.value(), answer.by_output(lambda o: answer.find(False, output=o))


def vjp(
    transport: Transport, source: Source, at: Any, cotangents: Any, *,
    structure: Mapping[str, str] | None = None, **request: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """The outputs and the inputs' cotangents in the arguments' places."""
    subject = prepare(source, at, structure)
    names = subject.needs_program().outputs
    if isinstance(cotangents, Mapping):
        seeds = {name: seed(value) for name, value in cotangents.items()}
    else:
        parts = cotangents if isinstance(cotangents, tuple) else (cotangents,)
        if len(parts) != len(names):
            raise RequestError(
                f"cotangents: expected {len(names)} ({', '.join(names)}), {len(parts)} came"
            )
        seeds = {
            name: seed(value) for name, value in zip(names, parts, strict=True) if value is not None
        }
    answer = differentiate(transport, source, at, "vjp", seeds=seeds, subject=subject, **request)
    return answer.value(), answer.by_argument(lambda i: answer.find(False, input=i))


def hvp(
    transport: Transport, source: Source, at: Any, tangents: Any, *,
    structure: Mapping[str, str] | None = None, **request: Any,
) -> Any:  # fmt: skip
    """The derivative of the gradient along the tangents, in the arguments' places."""
    subject = prepare(source, at, structure)
    seeds = input_seeds(subject, tangents)
    answer = differentiate(transport, source, at, "hvp", seeds=seeds, subject=subject, **request)
    return answer.by_output(
        lambda o: answer.by_argument(lambda i: answer.find(False, output=o, input=i))
    )


def input_seeds(subject: Subject, tangents: Any) -> dict[str, Array]:
    """Tangents by input name, given like `at`: by name, by position, or the only one; those left out are zero."""
    names = subject.arguments.names
    floats = [leaf.name for leaf in subject.arguments.leaves if leaf.value.dtype.kind == "f"]
    found: dict[str, Array] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, part in value.items():
                add(f"{name}.{key}", part)
        elif name in names:
            found[name] = seed(value)
        elif isinstance(value, list | tuple):
            for i, part in enumerate(value):
                add(f"{name}.{i}", part)
        else:
            raise RequestError(
                f"tangents: there is no input {name!r}; there are {', '.join(names)}"
            )

    if isinstance(tangents, Mapping):
        for name, value in tangents.items():
            add(str(name), value)
        return found
    groups = [
        name
        for name, leaves in subject.arguments.top_level()
        if any(names[i] in floats for i in leaves)
    ]
    parts = tangents if isinstance(tangents, tuple) else (tangents,)
    if len(parts) != len(groups):
        raise RequestError(
            f"tangents: expected {len(groups)} ({', '.join(groups)}), {len(parts)} came"
        )
    for name, value in zip(groups, parts, strict=True):
        if value is not None:
            add(name, value)
    return found


def seed(value: Any) -> Array:
    """A seed as an array; whole numbers become float64."""
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind in "iub" else array
