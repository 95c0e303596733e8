"""The graph builder: an array namespace whose results are nodes.

`xp = Builder("f")`, `x = xp.input("x", type)`, `y = xp.sin(x) * 2.0`, `xp.finish([y])`.
Equal applications of an op are one node (common subexpressions never arise); Python numbers take
the dtype of the value they meet. Derivative rules are written against this namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Frozen, Shape, Type, type_of_array
from gradproof_service.diagnostic import NOWHERE, Location
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.value import Value
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Attrs, Op, Site

_NUMBERS: Final = (bool, int, float)
Plain = tuple[Site, dict[tuple[int, ...], int], Type]
"""A site with operands and one output, its nodes so far, and the type it makes."""


class Builder:
    """Collects nodes; every op of the catalogue is a method (`xp.sum(x, axes=(-1,))`).

    `derive` is lent by the transform that runs the rules: control-flow rules use it to
    differentiate the functions they call. `location` is given to every node added until it is
    set again, so a derivative's nodes point at the line of the primal they come from.
    """

    def __init__(self, name: str, derive: Any = None) -> None:
        self.name = name
        self.derive = derive
        self.location: Location = NOWHERE
        self.types: list[Type] = []
        self._inputs: list[str] = []
        self._sites: list[Site] = []
        self._operands: list[tuple[int, ...]] = []
        self._first: list[int] = []
        self._locations: list[Location] = []
        self._names: dict[int, str] = {}
        self._columns = (self.types, self._sites, self._operands, self._first, self._locations)
        self._seen: dict[Site, dict[tuple[int, ...], int]] = {}
        """Nodes with operands by site, the first output of each by its operands."""
        self._leaves: dict[Any, int] = {}
        """Nodes without operands."""
        self.plain: dict[tuple[Any, ...], Plain] = {}
        """Sites of ops without attributes and with one output, by op and operand types."""

    def input(self, name: str, type: Type) -> Value:
        """Declare the next input; all inputs come before the first node."""
        if self._sites:
            raise ValueError("inputs are declared before the first node")
        self._inputs.append(name)
        self.types.append(type)
        return Value(self, len(self.types) - 1, type)

    def value(self, id: int) -> Value:
        """The handle of a value id."""
        return Value(self, id, self.types[id])

    def values(self, ids: Sequence[int]) -> tuple[Value, ...]:
        """The handles of several value ids."""
        return tuple([Value(self, v, self.types[v]) for v in ids])

    def constant(self, value: Any, dtype: Any = None) -> Value:
        """A constant array, one node per distinct bit pattern."""
        site = self.constant_site(np.asarray(value, dtype=dtype))
        return self.value(self.add_once(site, ()))

    @staticmethod
    def constant_site(value: Array) -> Site:
        """The site of a constant node that holds this array."""
        frozen = Frozen(value)
        return Site(OPS["constant"], {"value": frozen}, (), (type_of_array(frozen.array),))

    def number(self, value: float, dtype: np.dtype[Any]) -> int:
        """The id of `constant` of a Python number, made an array once; a zero each time, for 0.0 and -0.0 are one key."""
        if not value:
            return self.constant(value, dtype).id
        key = (value, dtype)
        found = self._leaves.get(key)
        if found is None:
            self._leaves[key] = found = self.constant(value, dtype).id
        return found

    def zeros(self, type: Type) -> Value:
        """A constant zero of this type that takes no memory until it is used."""
        return self.apply("full", value=0.0, shape=type.shape, dtype=type.dtype)

    def append(self, site: Site, operands: tuple[int, ...], name: str = "") -> int:
        """Append one node as it is and return the id of its first output."""
        first = len(self.types)
        if name:
            self._names[len(self._sites)] = name
        self._sites.append(site)
        self._operands.append(operands)
        self._first.append(first)
        self._locations.append(self.location)
        if len(site.outs) == 1:
            self.types.append(site.outs[0])
        else:
            self.types.extend(site.outs)
        return first

    def add_once(self, site: Site, operands: tuple[int, ...], name: str = "") -> int:
        """Append the node unless an equal one stands already; the id of its first output."""
        free = len(self.types)
        found = self._standing(site, operands, free)
        return self.append(site, operands, name) if found == free else found

    def _standing(self, site: Site, operands: tuple[int, ...], free: int) -> int:
        """The first output of the equal node that stands already; else `free`, by which it is known from now on."""
        if not operands:
            return self._leaves.setdefault(_leaf_key(site), free)
        seen = self._seen.get(site)
        if seen is None:
            seen = self._seen[site] = {}
        return seen.setdefault(operands, free)

    def known(self, site: Site) -> Plain:
        """What `added` needs of a site with operands and one output."""
        return site, self._seen.setdefault(site, {}), site.outs[0]

    def added(self, plain: Plain, operands: tuple[int, ...]) -> int:
        """`add_once` of a node with operands, one output and no name."""
        site, seen, out = plain
        types, sites, rows, firsts, locations = self._columns
        free = len(types)
        found = seen.setdefault(operands, free)
        if found == free:
            types.append(out)
            sites.append(site)
            rows.append(operands)
            firsts.append(free)
            locations.append(self.location)
        return found

    def apply(self, op_name: str, *operands: Any, **attrs: Any) -> Any:
        """Apply an op: a `Value`, or a tuple of them when the op has several outputs."""
        return self.apply_op(OPS[op_name], operands, attrs)

    def apply_op(self, op: Op, operands: Sequence[Any], attrs: Attrs) -> Any:
        """Apply an op record to values, arrays and Python numbers."""
        ids: list[int] = []
        types: list[Type] = []
        for value in self._lift(operands):
            ids.append(value.id)
            types.append(value.type)
        site = op.site(attrs, tuple(types))
        if not attrs and len(site.outs) == 1 and ids:
            self.plain[(op, *types)] = plain = self.known(site)
            return Value(self, self.added(plain, tuple(ids)), site.outs[0])
        first = self.add_once(site, tuple(ids))
        if len(site.outs) == 1:
            return Value(self, first, site.outs[0])
        return tuple(Value(self, first + i, t) for i, t in enumerate(site.outs))

    def _lift(self, operands: Sequence[Any]) -> Sequence[Value]:
        for operand in operands:
            if not isinstance(operand, Value):
                break
        else:
            return operands
        dtype: np.dtype[Any] | None = None
        for v in operands:
            if isinstance(v, Value) and (dtype is None or dtype.kind == "b" != v.type.dtype.kind):
                dtype = v.type.dtype
        lifted: list[Value] = []
        for v in operands:
            if isinstance(v, Value):
                lifted.append(v)
            elif isinstance(v, _NUMBERS) and dtype is not None:
                weak = np.result_type(dtype, v) if dtype.kind in "biu" else dtype
                lifted.append(self.value(self.number(v, weak)))
            else:
                lifted.append(self.constant(v))
        return lifted

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op = OPS.get(name)
        if op is None:
            raise AttributeError(f"no op is called {name!r}")

        def emit(*operands: Any, **attrs: Any) -> Any:
            if len(operands) == 1 and not attrs:
                x = operands[0]
                plain = self.plain.get((op, x.type)) if type(x) is Value else None
                if plain is not None:
                    return Value(self, self.added(plain, (x.id,)), plain[2])
            return self.apply_op(op, operands, attrs)

        self.__dict__[name] = emit
        return emit

    def new(self, name: str) -> Builder:
        """An empty builder with the same tools, for a function that this one will call."""
        return Builder(name, self.derive)

    def copy(self, graph: Graph, inputs: Sequence[Value]) -> list[int]:
        """Append every node of `graph`; the new value id of each of its values."""
        ids = [v.id for v in inputs]
        if not self._sites and ids == list(range(len(ids))):
            return self._copy_whole(graph)
        before = self.location
        for k, _, site, operands, outs in graph.nodes():
            self.location = graph.location(k)
            first = self.add_once(
                site, tuple([ids[v] for v in operands]), graph.node_names.get(k, "")
            )
            if len(outs) == 1:
                ids.append(first)
            else:
                ids.extend(range(first, first + len(outs)))
        self.location = before
        return ids

    def _copy_whole(self, graph: Graph) -> list[int]:
        """`copy` into a builder without nodes whose first inputs are the graph's: only the ids move."""
        own = len(graph.inputs)
        shift = len(self.types) - own
        ids = [*range(own), *range(own + shift, len(graph.types) + shift)]
        self.types.extend(graph.types[own:])
        self._sites.extend(graph.sites)
        self._operands.extend([tuple([ids[v] for v in args]) for args in graph.operands])
        self._first.extend([v + shift for v in graph.first])
        self._locations.extend(graph.locations)
        self._locations.extend([NOWHERE] * (len(self._sites) - len(self._locations)))
        self._names.update(graph.node_names)
        for site, args, first in zip(self._sites, self._operands, self._first, strict=True):
            self._standing(site, args, first)
        return ids

    def inline(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Append every node of `graph` and return its outputs."""
        ids = self.copy(graph, inputs)
        return [self.value(ids[v]) for v in graph.outputs]

    def fit(self, value: Value, type: Type) -> Value:
        """Broadcast and cast a tangent to its primal's type."""
        if value.type is type or (value.shape == type.shape and value.dtype == type.dtype):
            return value
        if value.dtype != type.dtype:
            value = self.apply("astype", value, dtype=type.dtype)
        if value.shape != type.shape:
            value = self.apply("broadcast_to", value, shape=type.shape)
        return value

    def unbroadcast(self, value: Value, type: Type) -> Value:
        """Sum a cotangent over the axes its primal was broadcast along, and cast it."""
        if value.type is type or (value.shape == type.shape and value.dtype == type.dtype):
            return value
        extra = value.rank - type.rank
        if extra < 0 or any(
            m not in (n, 1) for n, m in zip(value.shape[extra:], type.shape, strict=True)
        ):
            # fewer axes or sides of one where the primal has more: the cotangent is constant there
            value = self.apply("broadcast_to", value, shape=_joined(value.shape, type.shape))
            extra = value.rank - type.rank
        axes = [-1 - i for i, m in enumerate(reversed(type.shape)) if m == 1 != value.shape[-1 - i]]
        if axes:
            value = self.apply("sum", value, axes=tuple(axes), keepdims=True)
        if extra:
            lead = tuple(range(-value.rank, -type.rank))
            value = self.apply("sum", value, axes=lead, keepdims=False)
        if value.dtype != type.dtype:
            value = self.apply("astype", value, dtype=type.dtype)
        return value

    @property
    def node_count(self) -> int:
        """Number of nodes so far."""
        return len(self._sites)

    @property
    def nodes(self) -> tuple[tuple[Site, tuple[int, ...]], ...]:
        """Each node so far: its site and the ids of its operands."""
        return tuple(zip(self._sites, self._operands, strict=True))

    def finish(
        self,
        outputs: Sequence[Value],
        output_names: Sequence[str] | None = None,
        origins: Sequence[int] = (),
    ) -> Graph:
        """The graph that returns these values."""
        names = output_names or [
            f"out{i}" if len(outputs) > 1 else "out" for i in range(len(outputs))
        ]
        return Graph(
            self.name, self._inputs, self.types, self._sites, self._operands, self._first,
            [v.id for v in outputs], names, self._locations, self._names, origins,
        )  # fmt: skip


def _leaf_key(site: Site) -> Any:
    """What makes a node without operands the same as another: a constant is its bits."""
    return site.attrs.get("value") if site.op.name == "constant" else (site, ())


def _joined(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    wide_a = (1,) * (rank - len(a)) + a
    wide_b = (1,) * (rank - len(b)) + b
    return tuple(m if n == 1 else n for n, m in zip(wide_a, wide_b, strict=True))
