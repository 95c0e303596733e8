"""Programs made by Hypothesis: every kind of attribute, type, constant, location and rule, well formed but meaningless."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_proto.tables import Location, TypeRow
from gradproof_proto.tensors import BY_NAME, DTYPES
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter
from hypothesis import strategies as st

ODD_DOUBLES = np.frombuffer(
    bytes.fromhex(
        "010000000000f87f 0000000000000080 000000000000f8ff 0100000000000000 efcdab8967452ef4"
    ),
    "<f8",
)
words = st.sampled_from(
    ["x", "y", "W", "nan", "inf", "true", "const", "f64", "doubles", "as", "_1", "func"]
)
names = words | st.text(min_size=1, max_size=6)
doubles = st.floats() | st.sampled_from(ODD_DOUBLES.tolist())
ints = st.integers(-(2**63), 2**63 - 1)
dims = st.integers(0, 4) | names | st.none()
types = st.builds(
    TypeRow,
    st.sampled_from([0, *(int(row.wire) for row in DTYPES)]),
    st.none() | st.lists(dims, max_size=3).map(tuple),
    st.integers(0, 10),
)
attr_values = st.one_of(
    st.booleans(),
    ints,
    doubles,
    st.text(max_size=6),
    st.lists(ints, max_size=3).map(tuple),
    st.lists(doubles, min_size=1, max_size=3).map(tuple),
    st.sampled_from([np.dtype(name) for name in ("f8", "f4", "i4", "?", "c16")]),
    st.none(),
)
small = st.integers(0, 4)
files = st.sampled_from(["model.py", "a/b-2.py", "<stdin>", "C:\\x.py", "two words.py", "é"])


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Arrays of every dtype but bfloat16, their bits free."""
    row = draw(st.sampled_from([row for row in DTYPES if row.wire != pb.DTYPE_BF16]))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    size = int(np.prod(shape)) * row.stored.itemsize
    content = draw(
        st.binary(min_size=size, max_size=size) | st.just(bytes(size)) | st.just(b"\x01" * size)
    )
    if row is BY_NAME["bool"]:
        content = bytes(byte & 1 for byte in content)
    return np.frombuffer(content, row.stored).reshape(shape)


@st.composite
def locations(draw: st.DrawFn, writer: ProgramWriter) -> int | None:
    """A place, perhaps with a chain of callers."""
    row = 0
    for _ in range(draw(st.integers(0, 2))):
        numbers = draw(st.tuples(small, small, small, small))
        scope, node = (
            draw(st.sampled_from(["", "f", "M.f", "<module>"])),
            draw(st.sampled_from(["", "Add 3"])),
        )
        row = writer.location(Location(draw(files), *numbers, scope, row, node))
    return row or None


def fill(
    draw: st.DrawFn, writer: ProgramWriter, function: FunctionWriter, callees: list[FunctionWriter]
) -> None:
    """Gives a function inputs, constants, nodes and outputs, in any order that is legal."""
    values: list[int] = []
    for name in draw(st.lists(names, max_size=3, unique=True)):
        row = draw(types)
        values.append(function.input(name, row.dtype, row.shape, row.structure))
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            values.append(function.constant(draw(arrays())))
            continue
        attrs = draw(st.dictionaries(names, attr_values, max_size=2))
        if callees and draw(st.booleans()):
            attrs["body"] = (
                draw(st.sampled_from(callees)) if draw(st.booleans()) else tuple(callees)
            )
        n_out = draw(st.integers(1, 3))
        stated = [draw(st.none() | types) for _ in range(n_out)] if draw(st.booleans()) else []
        operands = draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
        op = draw(st.sampled_from(["gp.add", "user.foo", "const", "no dots", "gp."]))
        name = draw(st.sampled_from(["", "n1", "a b"]))
        made = function.node(
            op, operands, attrs, draw(locations(writer)), n_out, name=name, types=stated
        )
        values.extend(made if isinstance(made, tuple) else (made,))
    for name in draw(st.lists(names, max_size=3, unique=True)) if values else []:
        function.output(draw(st.sampled_from(values)), name)


@st.composite
def programs(draw: st.DrawFn) -> pb.Program:
    """Programs of one to three functions, some of one name, with rules that may point anywhere."""
    writer = ProgramWriter(draw(st.sampled_from(["", "trace"])), "0.1", {"gp": 1, "user": 3})
    functions = [
        writer.function(draw(st.sampled_from(["f", "g", "", "a b", "f#1"])))
        for _ in range(draw(st.integers(1, 3)))
    ]
    for position, function in enumerate(functions):
        fill(draw, writer, function, functions[:position])
        for _ in range(draw(st.integers(0, 2))):
            target, forward = draw(st.sampled_from(functions)), draw(st.sampled_from(functions))
            flag = draw(st.booleans())
            function.rule(
                draw(st.integers(1, 3)),
                target,
                forward,
                claimed_only=flag,
                loc=draw(locations(writer)),
            )
    if draw(st.booleans()):
        writer.metadata["model"] = draw(st.text(max_size=4))
    return writer.finish(draw(st.sampled_from(functions)))
