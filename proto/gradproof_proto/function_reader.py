"""Reads the columns of one function, with vectorised checks: indices in range, operands backwards, columns parallel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.columns import (
    Column,
    FunctionColumns,
    ProgramError,
    RuleRow,
    in_table,
    starts,
    string_at,
    sum_exact,
)
from gradproof_proto.v1 import program_pb2 as pb


def read_function(
    index: int, program: pb.Program, strings: tuple[str, ...], max_values: int
) -> FunctionColumns:
    """The columns of a function; raises ProgramError, naming function and node, for the first thing that is wrong."""
    function = program.functions[index]
    name = string_at(f"function {index}", strings, function.name)
    where = f"function {index} (@{name})"
    n_nodes = len(function.op)
    op = in_table(f"{where}, op", function.op, len(program.op_table), "op_table")
    arity = _parallel(where, "arity", function.arity, n_nodes, required=True)
    n_out = _parallel(where, "n_out", function.n_out, n_nodes, fill=1)

    def at_node(mask: NDArray[np.bool_]) -> tuple[str, int]:
        node = int(np.argmax(mask))
        return f"{where}, node {node} ({strings[program.op_table[function.op[node]]]})", node

    if n_nodes and int(n_out.min()) < 1:
        raise ProgramError(
            at_node(n_out < 1)[0], "expected one or more outputs, none came; leave the node out."
        )
    n_leaves = len(function.input_types) + len(function.constants)
    n_values = n_leaves + sum_exact(n_out)
    if n_values > max_values:
        raise ProgramError(
            where, f"expected at most {max_values} values, {n_values} came; split the function."
        )
    if sum_exact(arity) != len(function.operand):
        message = f"expected as many operands as the arities add up to, {sum_exact(arity)}, {len(function.operand)} came"
        raise ProgramError(where, f"{message}; write one entry for each operand.")
    value_start = n_leaves + starts(n_out)
    operand_start = starts(arity)
    back = np.array(function.operand, np.int64)
    operands = np.repeat(value_start[:-1], arity) - back
    wrong = (back < 1) | (operands < 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        node = int(np.searchsorted(operand_start, first, side="right")) - 1
        slot = first - int(operand_start[node])
        place = at_node(np.arange(n_nodes) == node)[0]
        limit = int(value_start[node])
        raise ProgramError(
            place,
            f"operand {slot}: expected a distance from 1 to {limit}, {back[first]} came; point to a value.",
        )

    out_types = np.array(function.out_type, np.int64)
    if out_types.size not in (0, n_values - n_leaves):
        raise ProgramError(
            where,
            f"out_type: expected {n_values - n_leaves} entries or none, {out_types.size} came; mend it.",
        )
    for column, values, length, table in (
        ("input_types", function.input_types, len(program.types), "types"),
        ("constants", function.constants, len(program.constants), "constants"),
        ("out_type", out_types, len(program.types), "types"),
        ("outputs", function.outputs, n_values, "values"),
        ("rules", [rule.location for rule in function.rules], len(program.locations), "locations"),
    ):
        in_table(f"{where}, {column}", values, length, table)
    columns: dict[str, Column] = {}
    for column, values, length, table in (
        ("attr", function.attr, len(program.attrs), "attrs"),
        ("loc", function.loc, len(program.locations), "locations"),
        ("node_name", function.node_name, len(strings), "strings"),
    ):
        columns[column] = entries = _parallel(where, column, values, n_nodes)
        if n_nodes and int(entries.max()) >= length:
            place, node = at_node(entries >= length)
            raise ProgramError(
                place,
                f"{column}: expected a row of {table} below {length}, {entries[node]} came; add the row.",
            )
    return FunctionColumns(
        index=index,
        name=name,
        input_names=_names(
            where, "input", function.input_names, len(function.input_types), strings
        ),
        input_types=tuple(function.input_types),
        constants=tuple(function.constants),
        op=op,
        operands=operands,
        operand_start=operand_start,
        value_start=value_start,
        attr=columns["attr"],
        loc=columns["loc"],
        node_name=columns["node_name"],
        out_types=out_types,
        outputs=tuple(function.outputs),
        output_names=_names(where, "output", function.output_names, len(function.outputs), strings),
        rules=tuple(
            _read_rule(where, rule, len(function.input_types), len(program.functions))
            for rule in function.rules
        ),
    )


def _parallel(
    where: str,
    column: str,
    values: Sequence[int],
    length: int,
    *,
    fill: int = 0,
    required: bool = False,
) -> Column:
    if not values and not required:
        return np.full(length, fill, np.int64)
    if len(values) != length:
        raise ProgramError(
            where, f"{column}: expected {length} entries, {len(values)} came; columns are parallel."
        )
    return np.array(values, np.int64)


def _names(
    where: str, kind: str, rows: Sequence[int], length: int, strings: tuple[str, ...]
) -> tuple[str, ...]:
    if len(rows) != length:
        raise ProgramError(
            where, f"expected {length} {kind} names, {len(rows)} came; name each one."
        )
    names = tuple(string_at(f"{where}, {kind}_names", strings, row) for row in rows)
    if "" in names or len(set(names)) != length:
        raise ProgramError(
            where, f"expected distinct {kind} names that are not empty; rename them."
        )
    return names


def _read_rule(where: str, rule: pb.Rule, n_inputs: int, n_functions: int) -> RuleRow:
    if int(rule.kind) not in (1, 2, 3):
        raise ProgramError(
            f"{where}, rules", f"expected a known kind, {int(rule.kind)} came; update the reader."
        )
    in_table(f"{where}, rules", (rule.function, rule.forward_function), n_functions, "functions")
    nondiff = tuple(rule.nondiff_inputs)
    in_table(f"{where}, nondiff_inputs", nondiff, n_inputs, "inputs")
    if list(nondiff) != sorted(set(nondiff)):
        raise ProgramError(f"{where}, rules", "expected ascending nondiff_inputs; sort them.")
    both = rule.kind == pb.RULE_KIND_FORWARD_BACKWARD
    forward = rule.forward_function if both else 0
    return RuleRow(
        int(rule.kind),
        rule.function,
        forward,
        nondiff,
        rule.claimed_only,
        rule.surrogate,
        rule.location,
    )
