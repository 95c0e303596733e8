"""A program on the client's side: the wire message, how it came to be, and the files it lives in.

A `Program` is never changed after it is made; it never runs anything by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from google.protobuf.message import DecodeError
from gradproof_proto.v1 import check_pb2, program_pb2

from gradproof._errors import TargetError
from gradproof._files import write_whole

BINARY_SUFFIX: Final = ".gpb"
TEXT_SUFFIX: Final = ".gpt"
COUNTEREXAMPLE_SUFFIX: Final = ".gpc"


class Program:
    """One or more functions as they are sent, hashed and checked; `message` is the wire form."""

    __slots__ = ("message", "origin")

    def __init__(
        self, message: program_pb2.Program, origin: check_pb2.Origin | None = None
    ) -> None:
        self.message = message
        self.origin = origin or check_pb2.Origin(
            carriage=check_pb2.CARRIAGE_PROGRAM, name=_entry_name(message)
        )

    @property
    def name(self) -> str:
        """The name of the entry function."""
        return _entry_name(self.message)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the entry's inputs, in order."""
        strings = self.message.strings
        return tuple(strings[row] for row in self._entry().input_names)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the entry's outputs, in order."""
        strings = self.message.strings
        return tuple(strings[row] for row in self._entry().output_names)

    @property
    def node_count(self) -> int:
        """How many nodes the entry has."""
        return len(self._entry().op)

    def _entry(self) -> program_pb2.Function:
        return self.message.functions[self.message.entry]

    def to_bytes(self) -> bytes:
        """The binary form: what a `.gpb` file holds."""
        return self.message.SerializeToString(deterministic=True)

    def to_text(self) -> str:
        """The text form: what a `.gpt` file holds; parses back to the same program."""
        from gradproof_proto.text import print_program

        return print_program(self.message)

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "program") -> Self:
        """Read the binary form; raises `TargetError` when it is no program."""
        message = program_pb2.Program()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise TargetError(
                f"{where}: expected a binary program, these bytes are none"
            ) from error
        return cls(_checked(message, where))

    @classmethod
    def from_text(cls, text: str, where: str = "program") -> Self:
        """Read the text form; raises `TargetError` naming line and column."""
        from gradproof_proto.text_parser import parse_program

        try:
            return cls(parse_program(text))
        except ValueError as error:
            raise TargetError(f"{where}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a program file, `.gpb` binary or `.gpt` text; raises `TargetError`."""
        path = Path(path)
        try:
            if path.suffix == TEXT_SUFFIX:
                return cls.from_text(path.read_text(encoding="utf-8"), str(path))
            return cls.from_bytes(path.read_bytes(), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise TargetError(f"{path}: the program file cannot be read, {error}") from error

    def save(self, path: str | Path) -> None:
        """Write a program file, all of it or nothing; `.gpt` gives text, anything else binary."""
        path = Path(path)
        data = self.to_text().encode() if path.suffix == TEXT_SUFFIX else self.to_bytes()
        write_whole(path, data)

    def __repr__(self) -> str:
        inputs = ", ".join(self.inputs)
        return (
            f"<Program {self.name}({inputs}) -> {', '.join(self.outputs)}: {self.node_count} nodes>"
        )


def _entry_name(message: program_pb2.Program) -> str:
    if not message.functions:
        return ""
    return message.strings[message.functions[message.entry].name]


def _checked(message: program_pb2.Program, where: str) -> program_pb2.Program:
    """The message itself when it is a sound program; raises `TargetError` with the first fault."""
    from gradproof_proto.reader import read

    try:
        read(message)
    except ValueError as error:
        raise TargetError(f"{where}: {error}") from error
    return message
