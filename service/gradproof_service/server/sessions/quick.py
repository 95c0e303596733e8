"""The quick stage of one document: types, values and gradient, computed again only where an edit reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from gradproof_proto.editable import NodeRow
from gradproof_proto.tables import ConstantRow, TypeRow
from gradproof_proto.tensors import BY_WIRE, array_of_bytes
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.cost import called, flops
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Program
from gradproof_service.graph.typing import bind, ill_typed, type_program
from gradproof_service.ops.record import Site
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.differentiate import chosen
from gradproof_service.server.sessions.document import Version
from gradproof_service.server.subject import order_point
from gradproof_service.transforms.evaluate import Tick
from gradproof_service.transforms.incremental.engine import Asked, Incremental
from gradproof_service.transforms.incremental.primal import Node
from gradproof_service.wire.decode import decode_attrs, decode_place, decode_program
from gradproof_service.wire.encode import encode_findings, named_tensors
from gradproof_service.wire.requests import decode_options, decode_point

ELEMENTS: Final = 1 << 24
"""Elements of the values of one document that takes part (128 MiB of float64); a small multiple of it is held."""
WORK: Final = 10**9
"""Floating operations of one evaluation of a document that takes part: what a thread does in about a second."""


NODE_BYTES: Final = 512
"""Memory of one node that is held, without its array."""
LOOPS: Final = frozenset({"while_loop", "while_loop_vjp"})
ENDLESS: Final = 1 << 62


class Quick:
    """What is known of one document. One thread uses it at a time; what was begun and stopped is taken up again."""

    def __init__(
        self, blobs: BlobStore, limits: Limits, *, elements: int = ELEMENTS, work: int = WORK
    ) -> None:
        self._blobs = blobs
        self._limits = limits
        self._elements = elements
        self._work = work
        self._engine: Incremental | None = None
        self._key: Any = None
        self._arrays: dict[str, tuple[pb.NamedTensor, Array]] = {}
        self._pending: set[int] = set()
        self._put_in: list[Array | None] = []
        self._looked_at: Program | None = None
        self._has_spread = False
        self.nodes = (0, 0, 0)
        """Of the last run: nodes typed, nodes whose cotangents were looked at, nodes computed."""

    @property
    def held_nodes(self) -> int:
        """Nodes of all versions that are held."""
        return 0 if self._engine is None else self._engine.held_nodes

    @property
    def kept_bytes(self) -> int:
        """About how much memory is kept: arrays, and what each node takes beside them."""
        engine = self._engine
        return 0 if engine is None else 8 * engine.held_elements + NODE_BYTES * engine.held_nodes

    def forget(self) -> None:
        """Keep nothing: the next run computes everything."""
        self._engine = self._key = None
        self._arrays.clear()

    def run(self, version: Version, changed: set[int], tick: Tick) -> ses.QuickResult:
        """The result for a version; `changed` are the numbers that changed since the version that was run before.

        Raises `Fault` where the same request from scratch would, and what `tick` raises.
        """
        self._pending |= changed
        options = decode_options(version.options)
        if version.options.compute_dtype != pb.DTYPE_UNSPECIFIED or self._spread(version):
            return ses.QuickResult(left_out=True)
        point = self._point(version)
        main = version.untyped.main
        types = bind(main.inputs, point)
        names = [entry.name for entry in main.inputs]
        wrt = _floats(options.wrt, names, types, "input", "wrt")
        engine = self._ready(version, types, wrt)
        for position, name in enumerate(names):
            self._put(engine, position, name, point[name])
        while self._pending:
            number = self._pending.pop()
            _change(engine, version, number)
        engine.type(version.program.rank, tick)
        if engine.faults:
            return ses.QuickResult(findings=self._findings(version, types, engine))
        if engine.elements > self._elements or engine.work > self._work:
            return ses.QuickResult(left_out=True)
        returned = tuple(version.program.outputs.items())
        known = [engine.type_of(number) for _, number in returned]
        outs = _floats(
            options.outputs, [name for name, _ in returned], [t for t in known if t is not None],
            "output", "outputs",
        )  # fmt: skip
        asked = Asked(returned, outs, wrt if outs else ())
        outcome = engine.settle(asked, version.program.rank, tick)
        self.nodes = outcome.nodes
        return ses.QuickResult(
            outputs=named_tensors(zip(version.program.outputs, outcome.outputs, strict=True)),
            gradient=named_tensors(
                zip([names[i] for i in asked.wrt], outcome.gradient, strict=True)
            ),
        )

    def _spread(self, version: Version) -> bool:
        """Whether a constant would take more memory than there is for it: it is a view of one number, and not computed with."""
        if self._looked_at is not version.untyped:
            self._looked_at = version.untyped
            constants = (c for f in version.untyped.functions for c in f.constants)
            self._has_spread = any(c.size > 1 and not any(c.strides) for c in constants)
        return self._has_spread

    def _point(self, version: Version) -> dict[str, Array]:
        """The arrays of the point; those that did not change are not read again."""
        fresh = [
            named for name, named in version.point.items()
            if name not in self._arrays or self._arrays[name][0] is not named
        ]  # fmt: skip
        for name, array in decode_point(fresh, fetch=self._blobs.get).items():
            self._arrays[name] = (version.point[name], array)
        given = {name: self._arrays[name][1] for name in version.point}
        return order_point(version.untyped.main.inputs, given, 0)

    def _ready(
        self, version: Version, types: tuple[Type, ...], wrt: tuple[int, ...]
    ) -> Incremental:
        """The engine with everything in it that it was made with; a new one when what it rests on is another."""
        key = (version.birth, types, wrt)
        if self._engine is not None and self._key == key:
            return self._engine
        main = version.untyped.main
        declared = all(i.dtype in (None, t.dtype) for i, t in zip(main.inputs, types, strict=True))
        engine = Incremental(
            version.untyped, types, wrt, cost=_cost, as_declared=declared, limits=self._limits
        )
        rows = version.program.rows
        self._pending = {v for v, row in enumerate(rows) if isinstance(row, NodeRow | ConstantRow)}
        self._engine, self._key, self._put_in = engine, key, [None] * len(types)
        return engine

    def _put(self, engine: Incremental, position: int, name: str, array: Array) -> None:
        if self._put_in[position] is not array:
            engine.set_input(position, array)
            self._put_in[position] = array

    def _findings(
        self, version: Version, types: tuple[Type, ...], engine: Incremental
    ) -> list[chk.Finding]:
        """What keeps the program from having types, as a request from scratch tells it."""
        document = version.program
        entry = document.base.entry
        if any(not e.code for e in engine.faults.values()) or any(r.name for r in document.nodes()):
            program = decode_program(document.program, fetch=self._blobs.get, limits=self._limits)
            return encode_findings(type_program(program, types, self._limits)[1], program)
        found: list[chk.Finding] = []
        for number in sorted(engine.faults, key=document.rank.__getitem__):
            row, error = document.rows[number], engine.faults[number]
            assert isinstance(row, NodeRow)
            at = document.order.index(number)
            place = decode_place(document.places.locations, row.location)
            told = ill_typed(error, row.op, at, "", document.entry.name, place)
            (message,) = encode_findings([told], None)
            message.function, message.node, message.op = entry, at, row.op
            found.append(message)
        return sorted(found, key=lambda m: (m.node, m.code))


def _change(engine: Incremental, version: Version, number: int) -> None:
    """Tell the engine what stands at a number now."""
    document = version.program
    row = document.rows[number]
    if isinstance(row, ConstantRow):
        engine.set_constant(number, _array(row, document.places.types[row.type]))
    elif isinstance(row, NodeRow):
        stated = version.untyped.main.stated if row.out_types else {}
        engine.change(
            number,
            Node(
                row.op, row.operands, decode_attrs(row.attrs), row.n_out,
                tuple(stated.get(number + j) for j in range(row.n_out)) if stated else (),
            ),
        )  # fmt: skip
    else:
        engine.change(number, None)


def _cost(site: Site) -> int:
    """Floating operations of one node; a loop of which nobody knows the end asks for more than there is."""
    waiting, seen = [site], set[int]()
    while waiting:
        one = waiting.pop()
        if one.op.name in LOOPS:
            return ENDLESS
        for graph in called(one):
            if id(graph) not in seen:
                seen.add(id(graph))
                waiting.extend(graph.sites)
    return int(flops(site))


def _array(row: ConstantRow, kind: TypeRow) -> Array:
    shape = tuple(n for n in kind.shape or () if isinstance(n, int))
    dtype = BY_WIRE[kind.dtype]
    if row.payload == "splat":
        return np.full(shape, array_of_bytes(row.content, dtype, (), "constant"))
    array = array_of_bytes(row.content, dtype, shape, "constant")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _floats(
    names: Sequence[str], known: Sequence[str], types: Sequence[Type], what: str, option: str
) -> tuple[int, ...]:
    """Positions of what is differentiated; none where there is no float."""
    if not names and not any(t.is_float for t in types):
        return ()
    return chosen(names, known, types, what, option)
