"""Sparse Jacobians and Hessians as they are asked for: only what is not structurally zero is computed and sent."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from gradproof_proto.sparse import Rows
from gradproof_proto.v1 import check_pb2 as chk

from gradproof_service.arrays import Array, Shape
from gradproof_service.checking.promise import require_kept
from gradproof_service.checking.report import Kind
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.server.differentiate import Wanted
from gradproof_service.transforms.evaluate import Tick
from gradproof_service.transforms.sparsity.jacobians import (
    Sparse,
    sparse_hessian,
    sparse_jacobian,
)
from gradproof_service.wire.encode import derivative, sparse_derivative

QUARTER = 4
"""A block of which more than one part in so many is stored is no smaller sparse than dense."""


def sparse_derivatives(
    graph: Graph, point: Sequence[Array], asked: Wanted, dense_elements: int, tick: Tick
) -> list[chk.Derivative]:
    """The derivatives in the order of the contract; raises `Fault` when more would be stored than the limit allows.

    With `dense_elements` above zero, blocks that are not sparse come dense.
    """
    types = graph.input_types
    require_kept((n, t.structure, x) for n, t, x in zip(graph.inputs, types, point, strict=True))
    found: list[chk.Derivative] = []
    stored = 0
    for o in asked.outs if asked.kind is Kind.HESSIAN else (-1,):
        if asked.kind is Kind.HESSIAN:
            blocks, rows = sparse_hessian(graph, point, asked.wrt, o, tick=tick), asked.wrt
        else:
            blocks, rows = (
                sparse_jacobian(graph, point, asked.wrt, asked.outs, tick=tick),
                asked.outs,
            )
        for r, line in zip(rows, blocks, strict=True):
            for i, block in zip(asked.wrt, line, strict=True):
                stored += block.pattern.entries
                _judge(stored, asked)
                found.append(_told(graph, asked.kind, o, r, i, block, dense_elements))
    return found


def _told(
    graph: Graph, kind: Kind, o: int, row: int, i: int, block: Sparse, dense_elements: int
) -> chk.Derivative:
    column = graph.types[i].shape
    if kind is Kind.HESSIAN:
        first, names = (
            graph.types[row].shape,
            (graph.output_names[o], graph.inputs[row], graph.inputs[i]),
        )
    else:
        first, names = graph.output_types[row].shape, (graph.output_names[row], graph.inputs[i], "")
    told = _rows(block, first, column)
    if dense_elements and QUARTER * block.pattern.entries > prod(told.shape):
        return derivative(kind, told.dense(), *names)
    return sparse_derivative(kind, told, *names)


def _rows(block: Sparse, row: Shape, column: Shape) -> Rows:
    pattern = block.pattern
    index = np.int32 if max(pattern.entries, pattern.width) < 2**31 else np.int64
    return Rows(
        (*row, *column), len(row), pattern.starts.astype(index, copy=False),
        pattern.columns.astype(index, copy=False), np.ascontiguousarray(block.values),
    )  # fmt: skip


def _judge(stored: int, asked: Wanted) -> None:
    if stored > asked.limits.jacobian_elements:
        raise Fault(
            FaultKind.LIMIT,
            f"sparse: the {asked.kind.name.lower()} would have {stored:.3g} stored entries, the limit is "
            f"{asked.limits.jacobian_elements:.3g}; ask for products with seeds (vjp, jvp, hvp) instead",
            field_path="sparse",
            limit="jacobian_elements",
        )
