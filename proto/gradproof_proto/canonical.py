"""The canonical form of a program and its digest.

Canonical: table rows in the order of their first use and none unused, columns that say nothing left out, equal elements of a
constant written once, op sets and metadata sorted. Functions keep their order, because requests name them by index. NaN
payloads are kept. Two programs that say the same have the same canonical bytes and the same digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from gradproof_proto.call_graph import components
from gradproof_proto.columns import Column, FunctionColumns, ProgramColumns, RuleRow
from gradproof_proto.reader import read
from gradproof_proto.tables import ConstantRow, Tables, constant_row, row_bytes
from gradproof_proto.tensors import BY_WIRE
from gradproof_proto.v1 import program_pb2 as pb


def canonical(program: pb.Program) -> pb.Program:
    """The canonical form of a program; raises ProgramError when it is none."""
    return canonical_of(read(program))


def canonical_of(columns: ProgramColumns) -> pb.Program:
    """The canonical form of a program that was read."""
    program = pb.Program(entry=columns.entry)
    version = columns.version
    program.version.format = version.format
    program.version.min_reader = version.min_reader or version.format
    program.version.producer = version.producer
    program.version.producer_version = version.producer_version
    for op_set in sorted(version.op_sets, key=lambda op_set: op_set.namespace):
        program.version.op_sets.add(namespace=op_set.namespace, version=op_set.version)
    for key, value in sorted(columns.metadata):
        program.metadata.add(key=key, value=value)
    tables = Tables()
    rows = _Rows(columns, tables)
    for function in columns.functions:
        rows.write(function, program.functions.add())
    tables.fill(program)
    return program


def program_digest(program: pb.Program) -> bytes:
    """SHA-256 over the canonical program without its metadata and producer: 32 bytes.

    Raises ProgramError when it is no program.
    """
    return digest_of(read(program))


def digest_of(columns: ProgramColumns) -> bytes:
    """The digest of a program that was read."""
    sets = sorted(f"{op_set.namespace}={op_set.version}" for op_set in columns.version.op_sets)
    head = f"program {columns.version.format} {columns.entry} {sets!r}".encode()
    return _hash(head, *function_digests(columns))


def function_digests(columns: ProgramColumns, *, locations: bool = True) -> tuple[bytes, ...]:
    """For each function a SHA-256 over it and everything it can reach through calls and rules: 32 bytes each.

    Merkle: a function's digest takes its callees' digests in, so an edit changes the digests of exactly those functions
    that reach it. With `locations` False places in the source and names of nodes do not count. Functions that reach each
    other (a rule that calls the function it is a rule of) are digested together: body first, then the group.
    """
    rows = _RowBytes(columns, locations)
    bodies = rows.bodies
    for group in components(columns.calls):
        for index in group:
            bodies[index] = rows.body(columns.functions[index])
    edges = [
        sorted({*calls, *(callee for rule in function.rules for callee in rule_functions(rule))})
        for function, calls in zip(columns.functions, columns.calls, strict=True)
    ]
    digests: list[bytes] = [b""] * len(columns.functions)
    for group in components(edges):
        inside = set(group)
        members = [
            _hash(
                bodies[index],
                *(rows.rule(rule) for rule in columns.functions[index].rules),
                *(
                    digests[callee] if callee not in inside else bodies[callee]
                    for callee in edges[index]
                ),
            )
            for index in group
        ]
        together = _hash(*sorted(members))
        for index, member in zip(group, members, strict=True):
            digests[index] = _hash(member, together)
    return tuple(digests)


def rule_functions(rule: RuleRow) -> tuple[int, ...]:
    """The functions that a rule is made of."""
    if rule.kind == pb.RULE_KIND_FORWARD_BACKWARD:
        return rule.function, rule.forward_function
    return (rule.function,)


def canonical_constant(columns: ProgramColumns, row: ConstantRow, type_index: int) -> ConstantRow:
    """A constant with its equal elements written once, under another row of types."""
    kind = columns.types[row.type]
    itemsize = BY_WIRE[kind.dtype].stored.itemsize
    if row.payload == "data":
        return constant_row(type_index, row.content, itemsize)
    if row.payload == "splat" and (0 in (kind.shape or ()) or set(kind.shape or ()) <= {1}):
        return ConstantRow(type_index, "data", b"" if 0 in (kind.shape or ()) else row.content)
    return row._replace(type=type_index)


def first_use(column: Column, intern: Callable[[int], int]) -> Column:
    """Maps the entries of a column, interning each distinct one where it first stands."""
    distinct, first, inverse = np.unique(column, return_index=True, return_inverse=True)
    mapped = np.zeros(len(distinct), np.int64)
    for position in np.argsort(first).tolist():
        mapped[position] = intern(int(distinct[position]))
    return mapped[inverse]


class _Rows:
    """Copies functions into fresh tables, each row where it is first used."""

    def __init__(self, columns: ProgramColumns, tables: Tables) -> None:
        self._columns = columns
        self._tables = tables
        self._locations: dict[int, int] = {0: 0}

    def write(self, function: FunctionColumns, message: pb.Function) -> None:
        """Writes one function into an empty message."""
        tables, columns = self._tables, self._columns
        message.name = tables.string(function.name)
        message.input_types.extend(map(self._type, function.input_types))
        message.input_names.extend(map(tables.string, function.input_names))
        message.constants.extend(map(self._constant, function.constants))
        message.op.extend(first_use(function.op, lambda row: tables.op(columns.ops[row])).tolist())
        arity = np.diff(function.operand_start)
        message.arity.extend(arity.tolist())
        message.operand.extend(
            (np.repeat(function.value_start[:-1], arity) - function.operands).tolist()
        )
        n_out = np.diff(function.value_start)
        if (n_out != 1).any():
            message.n_out.extend(n_out.tolist())
        for target, column, intern in (
            (message.attr, function.attr, lambda row: tables.attrs(columns.attrs[row])),
            (message.loc, function.loc, self._location),
            (
                message.node_name,
                function.node_name,
                lambda row: tables.string(columns.strings[row]),
            ),
            (message.out_type, function.out_types, self._type),
        ):
            mapped = first_use(column, intern)
            if mapped.any():
                target.extend(mapped.tolist())
        message.outputs.extend(function.outputs)
        message.output_names.extend(map(tables.string, function.output_names))
        for rule in function.rules:
            written = message.rules.add(
                function=rule.function,
                forward_function=rule.forward_function,
                nondiff_inputs=rule.nondiff_inputs,
                claimed_only=rule.claimed_only,
                surrogate=rule.surrogate,
                location=self._location(rule.location),
            )
            written.kind = pb.RuleKind.Name(rule.kind)  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]

    def _type(self, row: int) -> int:
        kind = self._columns.types[row]
        return self._tables.type(
            kind._replace(structure=0) if kind.structure == pb.STRUCTURE_NONE else kind
        )

    def _constant(self, row: int) -> int:
        constant = self._columns.constants[row]
        return self._tables.constant(
            canonical_constant(self._columns, constant, self._type(constant.type))
        )

    def _location(self, row: int) -> int:
        chain: list[int] = []
        while row not in self._locations:
            chain.append(row)
            row = self._columns.locations[row].caller
        known = self._locations[row]
        for row in reversed(chain):
            known = self._locations[row] = self._tables.location(
                self._columns.locations[row]._replace(caller=known)
            )
        return known


class _RowBytes:
    """What functions are made of as bytes that do not depend on the order of any table."""

    def __init__(self, columns: ProgramColumns, locations: bool) -> None:
        self.bodies: list[bytes] = [b""] * len(columns.functions)
        self._columns = columns
        self._with_locations = locations
        self._locations: list[bytes] = []
        for row in columns.locations if locations else ():
            caller = self._locations[row.caller] if self._locations else b""
            self._locations.append(_hash(caller, row_bytes(row._replace(caller=0))))

    def body(self, function: FunctionColumns) -> bytes:
        """The digest of a function without its rules. The bodies of its callees must be known."""
        columns = self._columns
        parts = [
            row_bytes((function.name, *function.input_names)),
            row_bytes((len(function.constants), *function.outputs)),
            row_bytes(function.output_names),
            *(self._type(row) for row in function.input_types),
            *map(self._constant, function.constants),
            function.operand_start.astype("<i8").tobytes(),
            function.value_start.astype("<i8").tobytes(),
            function.operands.astype("<i8").tobytes(),
            self._column(function.op, lambda row: columns.ops[row].encode()),
            self._column(function.attr, self._attrs),
            self._column(function.out_types, self._type) if function.out_types.any() else b"",
        ]
        if self._with_locations:
            parts.append(self._column(function.loc, self._locations.__getitem__))
            parts.append(
                self._column(function.node_name, lambda row: columns.strings[row].encode())
            )
        return _hash(*parts)

    def rule(self, rule: RuleRow) -> bytes:
        """A rule, its functions named by their bodies."""
        flags = row_bytes((rule.kind, rule.claimed_only, rule.surrogate, *rule.nondiff_inputs))
        place = self._locations[rule.location] if self._with_locations else b""
        return _hash(flags, place, *(self.bodies[index] for index in rule_functions(rule)))

    def _column(self, column: Column, encode: Callable[[int], bytes]) -> bytes:
        """A column as the distinct rows in first-use order and which of them each entry is."""
        rows: dict[bytes, int] = {}
        entries = first_use(column, lambda row: rows.setdefault(encode(row), len(rows)))
        return _hash(*rows, entries.astype("<i8").tobytes())

    def _type(self, row: int) -> bytes:
        kind = self._columns.types[row]
        structure = 0 if kind.structure == pb.STRUCTURE_NONE else kind.structure
        return row_bytes(
            (
                kind.dtype,
                structure,
                -1 if kind.shape is None else len(kind.shape),
                *(kind.shape or ()),
            )
        )

    def _constant(self, row: int) -> bytes:
        constant = canonical_constant(self._columns, self._columns.constants[row], 0)
        return _hash(self._type(self._columns.constants[row].type), row_bytes(constant))

    def _attrs(self, row: int) -> bytes:
        parts: list[bytes] = []
        for name, kind, value in self._columns.attrs[row]:
            parts.append(row_bytes((name, kind)))
            if kind in ("function", "functions"):
                callees = value if isinstance(value, tuple) else (value,)
                parts.append(_hash(*(self.bodies[int(callee)] for callee in callees)))
            else:
                parts.append(row_bytes(value if isinstance(value, tuple) else (value,)))
        return _hash(*parts)


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
