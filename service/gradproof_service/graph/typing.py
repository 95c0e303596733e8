"""From an untyped function to a typed graph: every node's op looked up, every shape inferred.

A bad graph never raises here: what does not fit becomes findings (GP001 to GP006), each naming
its node, and nodes that only follow from a bad one are passed over in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, cast

import numpy as np

from gradproof_service.arrays import COMPUTED, Array, Type, short_dtype, type_of
from gradproof_service.diagnostic import NOWHERE, Fault, FaultKind, Finding, Location, Severity
from gradproof_service.graph.builder import Builder, Plain, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.graph.program import FunctionRef, Input, Program, Stated
from gradproof_service.ops import OPS
from gradproof_service.ops.record import ATTRIBUTE, DTYPE, SHAPE, Attrs, IllTyped, Site

NAMESPACE = "gp."
_NAMES = {
    "GP001": ("unknown-op", "use an op that `gradproof ops` lists, or send a function with it"),
    "GP002": ("wrong-arity", "give the op the operands it takes"),
    "GP003": ("shape-clash", "make the shapes fit"),
    "GP004": ("dtype-clash", "cast with astype"),
    "GP005": ("bad-attribute", "correct the attribute; `gradproof explain` lists those of the op"),
    "GP006": ("too-large", "make the array smaller or raise the limit of the service"),
}


@dataclass(slots=True)
class Typing:
    """A program being typed: the functions already done, and what was found wrong."""

    program: Program
    limits: Limits = DEFAULT_LIMITS
    findings: list[Finding] = field(default_factory=list[Finding])
    done: dict[tuple[int, tuple[Type, ...]], Graph | None] = field(
        default_factory=dict[tuple[int, tuple[Type, ...]], "Graph | None"]
    )
    sites: dict[int, list[Site | None]] = field(default_factory=dict[int, "list[Site | None]"])
    """For each function typed, the sites of its nodes as they were sent, None where none fits."""

    def function(self, index: int, types: tuple[Type, ...], depth: int = 0) -> Graph | None:
        """The typed graph of a function at these input types, None when it has findings."""
        key = (index, types)
        if key not in self.done:
            if depth > self.limits.call_depth:
                raise Fault(
                    FaultKind.LIMIT,
                    f"functions call each other {depth} deep, the limit is "
                    f"{self.limits.call_depth}; flatten the program",
                    limit="call_depth",
                )
            self.done[key] = _type_function(self, index, types, depth)
        return self.done[key]


@dataclass(frozen=True, slots=True)
class Callee:
    """A function attribute not typed yet: the op's inference says at which types."""

    typing: Typing
    index: int
    depth: int

    def at(self, types: tuple[Type, ...]) -> Graph:
        """The typed graph; `IllTyped` when the function itself does not type."""
        name = self.typing.program.functions[self.index].name
        takes = len(self.typing.program.functions[self.index].inputs)
        if takes != len(types):
            raise IllTyped("GP002", f"calls @{name} with {len(types)} operands, it takes {takes}")
        graph = self.typing.function(self.index, types, self.depth + 1)
        if graph is None:
            raise IllTyped("", f"calls @{name}, which is not well typed")
        return graph


def type_program(
    program: Program, types: Sequence[Type], limits: Limits = DEFAULT_LIMITS
) -> tuple[Graph | None, list[Finding]]:
    """The entry function typed at these input types, or None and what is wrong with it."""
    typing = Typing(program, limits)
    graph = typing.function(program.entry, tuple(types))
    return graph, typing.findings


def bind(inputs: Sequence[Input], point: dict[str, Array]) -> tuple[Type, ...]:
    """Types of the inputs at a point, declared ones held against what came.

    Raises `Fault` when an input is missing, unknown, or does not fit its declaration.
    """
    known = {i.name for i in inputs}
    for name in point:
        if name not in known:
            listed = ", ".join(i.name for i in inputs) or "none"
            raise Fault(
                FaultKind.INVALID,
                f"point: there is no input {name!r}; the function has: {listed}",
                field_path=f'point["{name}"]',
            )
    symbols: dict[str, int] = {}
    return tuple(_bind_one(i, point.get(i.name), symbols) for i in inputs)


def _bind_one(declared: Input, given: Array | None, symbols: dict[str, int]) -> Type:
    path = f'point["{declared.name}"]'
    if given is None:
        raise Fault(
            FaultKind.INVALID,
            f"point: input {declared.name!r} has no value; give one, for instance "
            f"--at {declared.name}=1.0",
            field_path=path,
        )
    if declared.dtype is not None and given.dtype != declared.dtype:
        raise Fault(
            FaultKind.INVALID,
            f"point: input {declared.name!r} is declared {short_dtype(declared.dtype)}, "
            f"got {short_dtype(given.dtype)}; cast the value",
            field_path=path,
        )
    if given.dtype not in COMPUTED:
        raise Fault(
            FaultKind.INVALID,
            f"point: input {declared.name!r} has dtype {given.dtype}, which is not computed with; "
            "cast it to float64 or float32",
            field_path=path,
        )
    if declared.shape is not None:
        wanted = tuple(symbols.setdefault(d, n) if isinstance(d, str) else d
                       for d, n in zip(declared.shape, given.shape, strict=False))  # fmt: skip
        if len(declared.shape) != given.ndim or wanted != given.shape:
            shown = f"({', '.join(map(str, declared.shape))})"
            raise Fault(
                FaultKind.INVALID,
                f"point: input {declared.name!r} is declared with shape {shown}, got {given.shape}; "
                "reshape the value",
                field_path=path,
            )
    return type_of(given.dtype, given.shape, declared.structure)


def _type_function(typing: Typing, index: int, types: tuple[Type, ...], depth: int) -> Graph | None:
    function = typing.program.functions[index]
    xp = Builder(function.name or f"f{index}")
    ids: list[int | None] = [
        xp.input(i.name, t).id for i, t in zip(function.inputs, types, strict=True)
    ]
    before = len(typing.findings)
    as_declared = all(
        i.dtype in (None, t.dtype) for i, t in zip(function.inputs, types, strict=True)
    )
    ids.extend(xp.constant(np.asarray(c)).id for c in function.constants)
    alike = len(ids) == len(xp.types)
    """Values so far have the numbers that they were sent with: none was ill typed or equal to another."""
    origins = [-1] * xp.node_count
    sites: list[Site | None] = [None] * len(function.ops)
    typing.sites.setdefault(index, sites)
    known: dict[Any, Plain] = {}
    """Sites with operands and one output, by op, attributes and operand types."""
    known_types, names, stated = xp.types, function.names, function.stated
    type_at = known_types.__getitem__
    columns = zip(
        function.ops, function.operands, function.attrs, function.counts or repeat(1),
        chain(function.locations, repeat(NOWHERE)), strict=False,
    )  # fmt: skip
    for node, (name, operands, attrs, count, place) in enumerate(columns):
        placed = operands
        if not alike:
            args = tuple([ids[v] for v in operands])
            if None in args:
                ids.extend([None] * count)
                continue
            placed = cast("tuple[int, ...]", args)
        ins = tuple(map(type_at, placed))
        key = (name, id(attrs), count, ins)
        plain = known.get(key)
        try:
            if plain is not None:
                site = plain[0]
            else:
                site = node_site(typing, name, attrs, ins, count, depth)
                if count == 1 and placed and site.op.batching != "run":
                    known[key] = plain = xp.known(site)
            sites[node] = site
            if stated:
                for v, out in enumerate(site.outs, len(ids)):
                    hold(stated.get(v), out, as_declared)
        except IllTyped as e:
            if e.code:
                label = names.get(node, "")
                typing.findings.append(ill_typed(e, name, node, label, function.name, place))
            ids.extend([None] * count)
            alike = False
            continue
        xp.location = place
        free = len(known_types)
        if plain is not None and node not in names:
            first = xp.added(plain, placed)
            ids.append(first)
        else:
            first = xp.add_once(site, placed, names.get(node, ""))
            ids.extend(range(first, first + count))
        if first == free:
            origins.append(node)
        else:
            alike = False
    if len(typing.findings) > before or any(ids[v] is None for v in function.outputs):
        return None
    values = [
        Value(xp, v, xp.types[v]) for v in (ids[v] for v in function.outputs) if v is not None
    ]
    graph = xp.finish(values, function.output_names, origins)
    graph.function = index
    return graph


def node_site(
    typing: Typing, name: str, attrs: Attrs, ins: tuple[Type, ...], count: int, depth: int = 0
) -> Site:
    """The op `name` at these operand types; raises `IllTyped` when there is none or it does not fit."""
    op = OPS.get(name.removeprefix(NAMESPACE)) if name.startswith(NAMESPACE) else None
    if op is None:
        raise IllTyped("GP001", f"there is no op {name!r} in op set 1{_nearest(name)}")
    if op.batching == "run":
        attrs = {k: _callees(typing, v, depth) for k, v in attrs.items()}
    site = op.site(attrs, ins)
    if len(site.outs) != count:
        raise IllTyped("GP002", f"gives {len(site.outs)} outputs, the program says {count}")
    for out in site.outs:
        if out.size > typing.limits.elements:
            raise IllTyped(
                "GP006",
                f"makes an array of shape {out.shape}: {out.size:.3g} elements, "
                f"the limit is {typing.limits.elements:.3g}",
            )
    return site


def hold(stated: Stated | None, found: Type, as_declared: bool) -> None:
    """Raise `IllTyped` when the sender states another type than was found.

    Where the inputs have another dtype than declared (a float32 program replayed in float64), only
    shapes are held against each other.
    """
    if stated is None:
        return
    if stated.shape is not None and (
        len(stated.shape) != found.rank
        or any(n not in (None, m) for n, m in zip(stated.shape, found.shape, strict=True))
    ):
        shown = ", ".join("?" if n is None else str(n) for n in stated.shape)
        raise IllTyped(SHAPE, f"makes {found!r}, the program states shape ({shown})")
    if as_declared and stated.dtype not in (None, found.dtype):
        raise IllTyped(DTYPE, f"makes {found!r}, the program states {short_dtype(stated.dtype)}")


def _callees(typing: Typing, value: Any, depth: int) -> Any:
    if isinstance(value, FunctionRef):
        return Callee(typing, value.index, depth)
    if isinstance(value, tuple) and value and all(isinstance(v, FunctionRef) for v in value):  # pyright: ignore[reportUnknownVariableType]
        return tuple(Callee(typing, v.index, depth) for v in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name.removeprefix(NAMESPACE), OPS, n=1)
    return f"; did you mean {NAMESPACE + close[0]!r}?" if close else ""


def ill_typed(
    error: IllTyped, op: str, node: int, label: str, function: str, location: Location
) -> Finding:
    """The finding that a node does not fit; `node` counts the nodes of its function, `label` is its own name or empty."""
    name, mend = _NAMES.get(error.code, _NAMES[ATTRIBUTE])
    bare = op.removeprefix(NAMESPACE)
    return Finding(
        code=error.code, name=name, severity=Severity.ERROR,
        message=f"node {node} ({label or bare}): {error.message}",
        node=label or f"{bare}#{node}", function=function, location=location, mend=mend,
    )  # fmt: skip
