"""Writes programs value by value: what front ends use when they record a function, and the service when it emits one.

Functions are written by `FunctionWriter`; they share the program's tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from gradproof_proto.function_writer import FunctionWriter, freeze_attrs
from gradproof_proto.tables import Location, Tables
from gradproof_proto.v1 import program_pb2 as pb

__all__ = ["FORMAT", "FunctionWriter", "ProgramWriter", "freeze_attrs"]

FORMAT = 1


class ProgramWriter:
    """One program under construction.

    `op_sets` maps namespaces to op-set numbers; namespaces in use that it leaves out get number 1.
    """

    def __init__(
        self,
        producer: str = "",
        producer_version: str = "",
        op_sets: Mapping[str, int] | None = None,
    ) -> None:
        self.tables = Tables()
        self.functions: list[FunctionWriter] = []
        self.metadata: dict[str, str] = {}
        self._version = pb.Version(
            format=FORMAT, min_reader=FORMAT, producer=producer, producer_version=producer_version
        )
        self._op_sets = dict(op_sets or {})

    def function(self, name: str) -> FunctionWriter:
        """Adds an empty function. Names need not be distinct: functions are told apart by their handle and `index`."""
        function = FunctionWriter(self.tables, name, len(self.functions))
        self.functions.append(function)
        return function

    def location(self, row: Location) -> int:
        """Adds a place and returns its row, to be given as `loc` or as another place's `caller`."""
        return self.tables.location(row)

    def finish(self, entry: FunctionWriter | int = 0) -> pb.Program:
        """The program. `entry` is what is meant when a request names no function.

        The program needs format 1 of its readers. The writer stays usable: more may be added and finished again.
        """
        index = entry if isinstance(entry, int) else entry.index
        if not 0 <= index < len(self.functions):
            raise ValueError(
                f"entry: expected a function below {len(self.functions)}, {index} came; add it first."
            )
        program = pb.Program(entry=index)
        program.version.CopyFrom(self._version)
        used = {name.partition(".")[0]: 1 for name in self.tables.op_names()}
        for namespace, number in sorted({**used, **self._op_sets}.items()):
            program.version.op_sets.add(namespace=namespace, version=number)
        for function in self.functions:
            function.write(program.functions.add())
        for key, value in sorted(self.metadata.items()):
            program.metadata.add(key=key, value=value)
        self.tables.fill(program)
        return program
