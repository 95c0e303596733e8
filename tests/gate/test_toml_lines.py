"""Each key of a TOML file has the line on which it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from gradproof._errors import RequestError
from gradproof._gate.toml_lines import Path_, parse_toml
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "dd", "x y", "z.z"])
VALUES = st.sampled_from(
    ["1", "true", '"text"', '"a # [b] \\" {"', "'x = ]'", '""', '""""q"""""', "1979-05-27 07:32:00",
     "{}", "[]", "{ a = { b = 1 }, c = [{ a = 2 }] }",
     '"""\n[not.a.table]\nk = 1\n"""', "[1,\n 2,\n]", "{ p = 1, q = 2 }", "'''\nraw\n'''", "[[1], # c\n [2]]"]
)  # fmt: skip
COMMENTS = st.sampled_from(["", "  # a comment", "\n", "\n# a line\n\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document of tables, arrays of tables and values over several lines, with comments anywhere."""
    lines: list[str] = []
    tables = draw(st.lists(NAMES, unique=True, max_size=4))
    for header in ["", *tables]:
        if header:
            kind = draw(
                st.sampled_from(['["{}"]', '[["{}"]]', '["{}".inner]', '[ "{}" . "deep" . inner]'])
            )
            lines.append(
                draw(st.sampled_from(["", "\n", "  "])) + kind.format(header) + draw(COMMENTS)
            )
        keys = draw(st.lists(NAMES, unique=True, max_size=4))
        for key in keys if header else [f"top{k}" for k in range(len(keys))]:
            dotted = draw(st.sampled_from(['"{}"', '"{}".sub', ' "{}"  ']))
            lines.append(f"{dotted.format(key)} = {draw(VALUES)}{draw(COMMENTS)}")
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


def keys(value: object, path: Path_) -> Iterator[Path_]:
    """The path of every key in a document, by the values of the standard library's parser."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from keys(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from keys(inner, (*path, number))


@given(documents())
def test_a_key_is_on_the_line_that_holds_its_name(text: str) -> None:
    """The values are those of the standard library's parser, and the line of every key holds the key."""
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(RequestError, match="this is no TOML"):
            parse_toml(text, "f.toml")
        return
    document = parse_toml(text, "f.toml")
    assert document.values == expected
    assert set(document.lines) >= set(keys(expected, ()))
    written = text.split("\n")
    for path, line in document.lines.items():
        if isinstance(path[-1], str):
            assert path[-1] in written[line - 1], (path, line)


def test_the_nearest_table_stands_in_for_a_key_that_is_not_written() -> None:
    """What is missing is told where it should stand."""
    document = parse_toml("\n[a]\nb = 1\n", "f.toml")
    assert document.where(("a", "missing")) == "f.toml:2"
    assert document.where(("other",)) == "f.toml"


@pytest.mark.parametrize(
    ("text", "line"), [("a = \n", 1), ("a = 1\nb = [1,\n", 2), ("a = 1\na = 2\n", 2)]
)
def test_what_is_no_toml_is_told_with_its_line(text: str, line: int) -> None:
    """A mistake in the syntax names file and line."""
    with pytest.raises(RequestError, match=rf"^f\.toml:{line}.*: this is no TOML"):
        parse_toml(text, "f.toml")
