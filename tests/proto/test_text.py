"""The text form says exactly the program, reads as we show it, and its errors name the place."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import pytest
from gradproof_proto.canonical import canonical
from gradproof_proto.program_io import form_of, read_program, write_program
from gradproof_proto.reader import ProgramError, read
from gradproof_proto.tables import Location
from gradproof_proto.text import print_program
from gradproof_proto.text_parser import TextError, parse_program
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from hypothesis import given
from hypothesis import strategies as st

from tests.proto.programs import programs

SHOWN = """\
gradproof 1
producer "trace" "0.1"
opset gp 1
location !1 = main.py:3
location !2 = model.py:12:4 in Model.forward from !1
entry @main

func @body(s) -> (t) {
  %1 = gp.tanh(%s)
  return %1
}

func @main(x: f64[3], W: f64[2,n] symmetric, "a b": ?[...] spd) -> (loss) {
  %3 = const f64[2] [0.5, -1.0]
  %4 = const f64[1000] splat 0.0
  %5 = const bool true
  %6: f64[2] = gp.matmul(%W, %x)                        @ !2
  %7, %8 = gp.split(%6, axis=-1) as "halves"            @ model.py:13:4-13:9
  %9 = gp.sum(%7, axes=[-1], keepdims=false, to=f32)
  %10 = gp.call(%9, %2, function=@body)
  return %10
  rule vjp @body nondiff=[1] claimed_only               @ model.py:20
}
"""


def test_shown_form() -> None:
    """The text above is what is printed, so the form cannot change unseen."""
    assert print_program(parse_program(SHOWN)) == SHOWN


@given(programs())
def test_round_trip(program: pb.Program) -> None:
    """parse(print(p)) is the canonical p, and printing it again gives the same text."""
    text = print_program(program)
    again = parse_program(text)
    assert again.SerializeToString(deterministic=True) == canonical(program).SerializeToString(
        deterministic=True
    )
    assert print_program(again) == text


@given(programs(), st.sampled_from(["binary", "text"]))
def test_files(program: pb.Program, form: str) -> None:
    """A program file, of either form, reads as the canonical program."""
    assert canonical(read_program(write_program(program, form), form)) == canonical(program)


def test_free_names() -> None:
    """A hand-written text may name values and functions as it likes, and comment on them."""
    text = (
        "gradproof 1\nentry @f\n\n# the whole\nfunc @f(x) -> (y) {\r\n"
        "  %h = gp.tanh(%x)\n  %out = gp.add(%h, %x)\n  return %out\n}\n"
    )
    columns = read(parse_program(text)).functions[0]
    assert columns.operands.tolist() == [0, 1, 0]
    assert columns.outputs == (2,)


HEAD = "gradproof 1\nentry @f\nfunc @f(x) -> (y) {\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "`gradproof 1`"),
        ("nonsense", 1, 1, "`gradproof`"),
        ("gradproof one", 1, 11, "a format number"),
        (
            "gradproof 1\nentry @g\nfunc @f() -> () {\n  return\n}\n",
            2,
            7,
            "a function of this text",
        ),
        ("gradproof 1\nfunc @f() -> () {\n  return\n}\n", 2, 1, "`entry @name`"),
        (HEAD + "  %1 = gp.sin(%z)\n", 4, 15, "a value that is defined above, `%z` came"),
        (HEAD + "  %1 = gp.sin(%x\n", 4, 17, "`,`, the end of the line came"),
        (HEAD + "  %x = gp.sin(%x)\n", 4, 3, "a new name"),
        (HEAD + "  %1: f65 = gp.sin(%x)\n", 4, 7, "a dtype"),
        (HEAD + "  %1 = const f64[2] [1.0]\n", 4, 21, "16 bytes"),
        (HEAD + "  %1 = const f64[2] [1.0, 2.0, 3.0]\n", 4, 32, "`]` after 2 elements"),
        (HEAD + "  %1 = const u8 256\n", 4, 17, "fits u8"),
        (HEAD + "  %1 = const f32 1e39\n", 4, 18, "fits f32"),
        (HEAD + "  %1 = const f64[n] splat 1.0\n", 4, 14, "a complete type"),
        (HEAD + "  %1 = gp.sum(%x, axes=[1, 2)\n", 4, 29, "`,`"),
        (HEAD + "  %1 = gp.sum(%x, axes=99999999999999999999)\n", 4, 24, "64 bits"),
        (HEAD + '  %1 = gp.sum(%x, mode="\\ud800")\n', 4, 24, "whole characters"),
        (HEAD + "  %1 = gp.sum(%x) @ !7\n", 4, 21, "stands above"),
        (HEAD + "  return %x\n", 5, 1, "`}`, the end of the text"),
        (HEAD + "  return\n", 4, 9, "a value that is defined above"),
        (HEAD + "  rule vpj @f\n", 4, 8, "vjp"),
    ],
)
def test_errors(text: str, line: int, column: int, words: str) -> None:
    """An error names line, column, what was expected and what came."""
    with pytest.raises(TextError) as caught:
        parse_program(text)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert words in str(caught.value)
    assert str(caught.value).endswith(" came.")


@given(
    st.data(), st.integers(0, 60), st.sampled_from(['"', "%", "@", "\n", "[", "}", "9", "é", ""])
)
def test_damaged_text(data: st.DataObject, cut: int, put: str) -> None:
    """Whatever is done to a text, it is read, or refused by an error of ours."""
    at = data.draw(st.integers(0, len(SHOWN)))
    text = SHOWN[:at] + put + SHOWN[at + cut :]
    with suppress(TextError, ProgramError):
        parse_program(text)


def test_equal_names_are_told_apart() -> None:
    """Functions of one name are printed by number, and a bare name among several is refused."""
    writer = ProgramWriter()
    first, second = writer.function("f"), writer.function("f")
    for function in (first, second):
        x = function.input("x")
        function.output(x, "y")
    second.node("gp.call", [x], {"function": first})
    text = print_program(writer.finish(second))
    assert "entry @f#1" in text
    assert "function=@f#0" in text
    with pytest.raises(TextError, match="one of @f#0, @f#1"):
        parse_program(text.replace("entry @f#1", "entry @f"))


def test_long_chain() -> None:
    """200,000 nodes and a chain of 50,000 callers are written, read, printed and parsed in linear time, without recursion."""
    started = time.process_time()
    writer = ProgramWriter()
    function = writer.function("main")
    x = value = function.input("x", pb.DTYPE_F64, (3,))
    place = 0
    for line in range(1, 50_001):
        place = writer.location(Location("deep.py", line, caller=place))
    for index in range(200_000):
        attrs = {"scale": float(index % 7)} if index % 3 == 0 else None
        value = function.node(
            "gp.axpy", [value, x], attrs, place if index % 2 else Location("m.py", index % 90 + 1)
        )
    function.output(value, "y")
    program = writer.finish(function)
    assert parse_program(print_program(program)) == canonical(program)
    assert time.process_time() - started < 30


def test_unreadable_files() -> None:
    """Bytes that are no program give one sentence, in either form."""
    with pytest.raises(ProgramError, match="expected a serialized gradproof program, 3 bytes"):
        read_program(b"\xff\xff\xff")
    with pytest.raises(ProgramError, match="no program"):
        read_program(b"")
    with pytest.raises(ProgramError, match="byte 1 is not"):
        read_program(b"g\xff", "text")
    assert (form_of("a.gpt"), form_of("a.gpb")) == ("text", "binary")


def test_nan_payload_survives() -> None:
    """A NaN with a payload is the same NaN after printing and parsing, as attribute and as element."""
    odd = np.frombuffer(bytes.fromhex("010000000000f87f"), "<f8")
    writer = ProgramWriter()
    function = writer.function("f")
    function.constant(odd)
    function.node("gp.full", [], {"value": float(odd[0])})
    program = writer.finish()
    again = parse_program(print_program(program))
    assert (
        again == canonical(program)
        or again.SerializeToString() == canonical(program).SerializeToString()
    )
    assert again.constants[0].data == odd.tobytes()
    assert "nan:7ff8000000000001" in print_program(program)
