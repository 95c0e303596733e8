"""Program files: `.gpb` is the serialized Program and nothing else, so any protobuf tool reads it; `.gpt` is the text form."""

from __future__ import annotations

from typing import Literal

from google.protobuf.message import DecodeError

from gradproof_proto.canonical import canonical
from gradproof_proto.reader import ProgramError, read
from gradproof_proto.text import print_program
from gradproof_proto.text_parser import parse_program
from gradproof_proto.v1 import program_pb2 as pb

Form = Literal["binary", "text"]


def form_of(path: str) -> Form:
    """The form that a file name says: `.gpt` is text, everything else binary."""
    return "text" if path.lower().endswith(".gpt") else "binary"


def read_program(content: bytes, form: Form = "binary") -> pb.Program:
    """Reads the bytes of a program file and checks that they are a whole program.

    Raises ProgramError for bytes that are no program, TextError for text that is none; both are ValueErrors of one sentence.
    """
    if form == "text":
        try:
            return parse_program(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ProgramError(
                "file", f"expected UTF-8 text, byte {error.start} is not; save it as UTF-8."
            ) from None
    program = pb.Program()
    try:
        program.ParseFromString(content)
    except DecodeError:
        message = f"expected a serialized gradproof program, {len(content)} bytes that are none came; write it again."
        raise ProgramError("file", message) from None
    read(program)
    return program


def write_program(program: pb.Program, form: Form = "binary") -> bytes:
    """The bytes of a program file, canonical in both forms; raises ProgramError when the program is none."""
    if form == "text":
        return print_program(program).encode()
    return canonical(program).SerializeToString(deterministic=True)
