"""Every kind of derivative that can be asked for, as arrays and as a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gradproof_service.arrays import Array, Type, short_dtype
from gradproof_service.checking.promise import require_kept
from gradproof_service.checking.report import Block, Kind, Options
from gradproof_service.checking.structure import FREE, project
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.emit import emit
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Program
from gradproof_service.server.cost import judge_cost
from gradproof_service.transforms import derivative_graph as whole
from gradproof_service.transforms.evaluate import Tick, batch_of
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import (
    Linearization,
    Mode,
    hessian,
    hvp_within,
    jacobian,
    reverse_within,
)
from gradproof_service.transforms.planned import planned
from gradproof_service.transforms.reverse import vjp

SCALAR: Final = (Kind.GRADIENT, Kind.HESSIAN, Kind.HVP)
"""Kinds that are of one number."""

IDENTITY_ELEMENTS: Final = 1 << 22
"""Elements of the largest identity that is written into a program (32 MiB)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a graph at a point: `seeds` by name of output or input, `batch` seeds at once (0: one)."""

    kind: Kind
    wrt: tuple[int, ...]
    outs: tuple[int, ...]
    mode: Mode
    seeds: Mapping[str, Array]
    batch: int
    limits: Limits


def wanted(
    graph: Graph, kind: Kind, mode: Mode, options: Options,
    seeds: Mapping[str, Array], batch: int, limits: Limits,
) -> Wanted:  # fmt: skip
    """The request against the graph; raises `Fault` for what the graph does not have."""
    wrt = chosen(options.wrt, graph.inputs, graph.input_types, "input", "wrt")
    outs = chosen(options.outputs, graph.output_names, graph.output_types, "output", "outputs")
    for o in outs if kind in SCALAR else ():
        if graph.output_types[o].size != 1:
            name = graph.output_names[o]
            raise Fault(
                FaultKind.INVALID,
                f"kind: a {kind.name.lower()} is of one number, output {name!r} has shape "
                f"{graph.output_types[o].shape}; ask for a jacobian, or name another output",
                field_path="kind",
            )
    if seeds and kind not in (Kind.VJP, Kind.JVP, Kind.HVP):
        raise Fault(
            FaultKind.INVALID,
            f"seeds: a {kind.name.lower()} takes none; leave them out",
            field_path="seeds",
        )
    return Wanted(kind, wrt, outs, mode, seeds, batch, limits)


def derivatives(graph: Graph, point: Sequence[Array], asked: Wanted, tick: Tick) -> list[Block]:
    """The derivatives in the order of the contract, one dense block each.

    First derivatives by an input that is declared structured are those along its tangent space.
    Raises `Fault` for blocks that would be too large.
    """
    if asked.kind in (Kind.JACOBIAN, Kind.HESSIAN):
        _judge_size(graph, asked)
    types = graph.input_types
    require_kept((n, t.structure, x) for n, t, x in zip(graph.inputs, types, point, strict=True))
    return [_within(graph, point, b) for b in _KINDS[asked.kind](graph, list(point), asked, tick)]


def _within(graph: Graph, point: Sequence[Array], block: Block) -> Block:
    """The block as the structure of its input lets it be told."""
    if block.kind not in (Kind.GRADIENT, Kind.JACOBIAN, Kind.VJP):
        return block
    i = list(graph.inputs).index(block.input)
    structure = graph.input_types[i].structure
    if structure in FREE:
        return block
    rows = block.value.reshape(-1, max(1, graph.input_types[i].size))
    told = project(structure, np.asarray(point[i]), rows).reshape(block.value.shape)
    return replace(block, value=told.astype(block.value.dtype, copy=False))


def derivative_program(graph: Graph, asked: Wanted) -> Program:
    """The program (inputs, then seeds) -> derivatives, in the same order as `derivatives`."""
    wrt, outs = asked.wrt, asked.outs
    match asked.kind:
        case Kind.GRADIENT:
            return emit(whole.gradients_graph(graph, wrt, outs))
        case Kind.JACOBIAN:
            _judge_rows(asked, [graph.output_types[o].size for o in outs])
            return emit(whole.jacobian_graph(graph, wrt, outs))
        case Kind.HESSIAN:
            _judge_rows(asked, [graph.types[i].size for i in wrt])
            return emit(whole.hessian_graph(graph, wrt, outs))
        case Kind.HVP:
            return emit(whole.hvps_graph(graph, wrt, outs))
        case Kind.JVP:
            return emit(jvp(graph, wrt), _tangents(graph, outs))
        case Kind.VJP:
            first = len(graph.outputs)
            return emit(vjp(graph, wrt, outs), range(first, first + len(wrt)))


def chosen(
    names: Sequence[str], known: Sequence[str], types: Sequence[Type], what: str, option: str
) -> tuple[int, ...]:
    """Positions of the named floats, of all floats when none is named."""
    floats = [i for i, t in enumerate(types) if t.is_float]
    path = f"options.{option}"
    if not names:
        if not floats:
            listed = ", ".join(
                f"{n} is {short_dtype(t.dtype)}" for n, t in zip(known, types, strict=True)
            )
            raise Fault(
                FaultKind.INVALID,
                f"{path}: the function has no float {what} ({listed or 'none at all'}); "
                "give a float value, such as 3.0",
                field_path=path,
            )
        return tuple(floats)
    found: dict[int, None] = {}
    for name in names:
        if name not in known:
            raise Fault(
                FaultKind.INVALID,
                f"{path}: there is no {what} {name!r}; the function has: {', '.join(known) or 'none'}",
                field_path=path,
            )
        i = list(known).index(name)
        if i not in floats:
            raise Fault(
                FaultKind.INVALID,
                f"{path}: {what} {name!r} is {short_dtype(types[i].dtype)}, so it has no derivative; "
                "leave it out or cast it",
                field_path=path,
            )
        found[i] = None
    return tuple(found)


def may_be_sparse(graph: Graph, asked: Wanted, dense_elements: int) -> bool:
    """Whether the derivatives can come sparse: matrices by free inputs, of more elements together than these."""
    if asked.kind not in (Kind.JACOBIAN, Kind.HESSIAN):
        return False
    free = all(graph.types[i].structure in FREE for i in asked.wrt)
    return free and _elements(graph, asked) > dense_elements


def _elements(graph: Graph, asked: Wanted) -> int:
    """Elements of all blocks together."""
    rows = asked.outs if asked.kind is Kind.JACOBIAN else asked.wrt
    types = graph.output_types if asked.kind is Kind.JACOBIAN else graph.input_types
    return sum(types[r].size for r in rows) * sum(graph.input_types[i].size for i in asked.wrt)


def _judge_size(graph: Graph, asked: Wanted) -> None:
    total = _elements(graph, asked)
    if total > asked.limits.jacobian_elements:
        raise Fault(
            FaultKind.LIMIT,
            f"kind: the {asked.kind.name.lower()} would have {total:.3g} entries, the limit is "
            f"{asked.limits.jacobian_elements:.3g}; ask for products with seeds (vjp, jvp, hvp) instead",
            field_path="kind",
            limit="jacobian_elements",
        )


def _judge_rows(asked: Wanted, sizes: Sequence[int]) -> None:
    """Raises `Fault` when the identity that a Jacobian's program goes through would be too large to send."""
    if any(n * n > IDENTITY_ELEMENTS for n in sizes):
        raise Fault(
            FaultKind.LIMIT,
            f"emit_program: the program of this {asked.kind.name.lower()} would hold an identity of side "
            f"{max(sizes)}; ask for the program of a product (vjp, jvp, hvp) and give it the seeds",
            field_path="emit_program",
        )


def _linearized(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> Linearization:
    return jacobian(
        graph, point, asked.wrt, asked.outs, asked.mode, tick=tick,
        run=lambda g, xs: planned(g, xs, tick=tick), most=asked.limits.live_elements,
    )  # fmt: skip


def _jacobian(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    found = _linearized(graph, point, asked, tick)
    return [
        Block(asked.kind, graph.output_names[o], graph.inputs[i], block)
        for o, row in zip(asked.outs, found.blocks, strict=True)
        for i, block in zip(asked.wrt, row, strict=True)
    ]


def _gradient(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    found = _linearized(graph, point, asked, tick)
    return [
        Block(
            asked.kind, graph.output_names[o], graph.inputs[i], block.reshape(graph.types[i].shape)
        )
        for o, row in zip(asked.outs, found.blocks, strict=True)
        for i, block in zip(asked.wrt, row, strict=True)
    ]


def _hessian(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    return [
        Block(asked.kind, graph.output_names[o], graph.inputs[a], block, graph.inputs[b])
        for o in asked.outs
        for a, row in zip(
            asked.wrt,
            hessian(graph, point, asked.wrt, o, tick=tick, most=asked.limits.live_elements),
            strict=True,
        )
        for b, block in zip(asked.wrt, row, strict=True)
    ]


def _vjp(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    names = [graph.output_names[o] for o in asked.outs]
    seeds = _seeds(asked, names, [graph.output_types[o] for o in asked.outs], "output")
    flags = (False,) * len(point) + (bool(asked.batch),) * len(seeds)
    most = asked.limits.live_elements
    pull = reverse_within(graph, asked.wrt, asked.outs, flags, asked.batch, most, tick)
    bars = _run(pull, point, seeds, asked, tick)[len(graph.outputs) :]
    return [
        Block(asked.kind, "", graph.inputs[i], _batched(bar, graph.types[i], asked.batch))
        for i, bar in zip(asked.wrt, bars, strict=True)
    ]


def _jvp(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    seeds = _tangent_seeds(graph, asked)
    values = _run(jvp(graph, asked.wrt), point, seeds, asked, tick)
    return [
        Block(
            asked.kind,
            graph.output_names[o],
            "",
            _batched(values[at], graph.output_types[o], asked.batch),
        )
        for o, at in zip(asked.outs, _tangents(graph, asked.outs), strict=True)
    ]


def _hvp(graph: Graph, point: list[Array], asked: Wanted, tick: Tick) -> list[Block]:
    seeds = _tangent_seeds(graph, asked)
    blocks: list[Block] = []
    for o in asked.outs:
        derivative = hvp_within(graph, asked.wrt, o, asked.batch, asked.limits.live_elements, tick)
        values = _run(derivative, point, seeds, asked, tick)[len(asked.wrt) :]
        blocks += [
            Block(
                asked.kind,
                graph.output_names[o],
                graph.inputs[i],
                _batched(x, graph.types[i], asked.batch),
            )
            for i, x in zip(asked.wrt, values, strict=True)
        ]
    return blocks


_KINDS: Final[dict[Kind, Callable[[Graph, list[Array], Wanted, Tick], list[Block]]]] = {
    Kind.GRADIENT: _gradient,
    Kind.JACOBIAN: _jacobian,
    Kind.HESSIAN: _hessian,
    Kind.VJP: _vjp,
    Kind.JVP: _jvp,
    Kind.HVP: _hvp,
}


def _run(
    derivative: Graph, point: list[Array], seeds: list[Array], asked: Wanted, tick: Tick
) -> list[Array]:
    flags = (False,) * len(point) + (bool(asked.batch),) * len(seeds)
    judge_cost(derivative, flags, asked.batch, asked.limits)
    return planned(derivative, [*point, *seeds], tick=tick)


def _batched(x: Array, type: Type, batch: int) -> Array:
    return batch_of(x, type.rank, batch) if batch else x


def _tangents(graph: Graph, outs: Sequence[int]) -> list[int]:
    """Where the forward program returns the tangents of these outputs: behind the outputs, floats only."""
    floats = [o for o, t in enumerate(graph.output_types) if t.is_float]
    return [len(graph.outputs) + floats.index(o) for o in outs]


def _tangent_seeds(graph: Graph, asked: Wanted) -> list[Array]:
    names = [graph.inputs[i] for i in asked.wrt]
    return _seeds(asked, names, [graph.types[i] for i in asked.wrt], "input")


def _seeds(asked: Wanted, names: Sequence[str], types: Sequence[Type], what: str) -> list[Array]:
    """One seed for each name in its type, zeros for those left out."""
    for name in asked.seeds:
        if name not in names:
            raise Fault(
                FaultKind.INVALID,
                f"seeds: there is no {what} {name!r} among those asked for; they are: {', '.join(names)}",
                field_path=f'seeds["{name}"]',
            )
    return [_seed(asked, name, t) for name, t in zip(names, types, strict=True)]


def _seed(asked: Wanted, name: str, type: Type) -> Array:
    shape = (asked.batch, *type.shape) if asked.batch else type.shape
    given = asked.seeds.get(name)
    if given is None:
        return np.zeros(shape, type.dtype)
    if given.shape != shape or given.dtype.kind not in "fiub":
        raise Fault(
            FaultKind.INVALID,
            f"seeds: {name!r} is {short_dtype(given.dtype)} of shape {given.shape}, expected "
            f"{short_dtype(type.dtype)} of shape {shape}; reshape it",
            field_path=f'seeds["{name}"]',
        )
    return given.astype(type.dtype, copy=False)
