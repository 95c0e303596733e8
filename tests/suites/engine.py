"""Running checks for the suites: a NumPy function is traced, typed and checked in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gradproof._tracing.operands import as_traced
from gradproof._tracing.tape import Tape
from gradproof_service.arrays import type_of_array
from gradproof_service.checking.check import check
from gradproof_service.checking.report import Claim, Options, Report
from gradproof_service.diagnostic import Finding
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.typing import type_program
from gradproof_service.wire.decode import decode_program

Point = Mapping[str, Any]


def graph_of(function: Callable[..., Any], point: Point) -> Graph:
    """The typed graph of a NumPy function at a point; raises when it cannot be made."""
    tape = Tape(function.__name__)
    inputs = [tape.input(name, np.asarray(value)) for name, value in point.items()]
    with np.errstate(all="ignore"):
        results = function(*inputs)
    several = results if isinstance(results, tuple) else (results,)
    for k, result in enumerate(several):
        name = f"out{k}" if len(several) > 1 else "out"
        tape.function.output(as_traced(result).id_on(tape), name)
    program = decode_program(tape.finish())
    graph, findings = type_program(program, [type_of_array(np.asarray(v)) for v in point.values()])
    if graph is None:
        raise ValueError("; ".join(f.message for f in findings))
    return graph


def run(
    function: Callable[..., Any], point: Point, claims: Sequence[Claim] = (), **options: Any
) -> Report:
    """Check a NumPy function at a point, with any number of claims about it."""
    arrays = [np.array(value) for value in point.values()]
    return check(None, graph_of(function, point), arrays, claims, Options(**options))


__all__ = ["Claim", "Finding", "Point", "graph_of", "run"]
