"""Pages on terminals, in pipes, and on terminals that know few signs."""

from __future__ import annotations

import io

import pytest
from gradproof._cli.page import Page, show, write


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Yes."""
        return True


class Old(io.StringIO):
    """A stream that only takes ASCII."""

    encoding = "ascii"


def page() -> Page:
    """One styled line."""
    made = Page()
    made.add(("✓ agrees", "bold green"), ": x [y] ", ("± 1", ""))
    return made


def test_a_pipe_gets_plain_text() -> None:
    """No escape code and no trailing space reaches a pipe."""
    stream = io.StringIO()
    show(page(), stream)
    assert stream.getvalue() == "✓ agrees: x [y] ± 1\n"


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets escape codes around the same text, square brackets included."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    show(page(), stream)
    assert "\x1b[1;32m✓ agrees\x1b[0m: x [y] ± 1" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colour(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """`NO_COLOR` and a dumb terminal are heeded."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    stream = Terminal()
    show(page(), stream)
    assert "\x1b" not in stream.getvalue()


def test_signs_that_cannot_be_shown_are_replaced() -> None:
    """An ASCII stream gets ASCII, not an error."""
    stream = Old()
    show(page(), stream)
    assert stream.getvalue() == "+ agrees: x [y] ~ 1\n"


def test_long_sentences_are_wrapped_between_words() -> None:
    """No line is wider than the page, unless one word is; the first indent may differ."""
    made = Page(40)
    made.wrap(
        "a sentence " * 20 + "/a/path/that/is/longer/than/the/whole/page/is/wide.py:12",
        "    ",
        first="  ",
    )
    lines = made.plain().splitlines()
    assert all(len(line) <= 40 for line in lines[:-1])
    assert lines[0].startswith("  a")
    assert lines[-1] == "    /a/path/that/is/longer/than/the/whole/page/is/wide.py:12"


@pytest.mark.parametrize(
    "told",
    ["\x1b[2Jgone", "\x1b]0;title\x07", "a\rb", "\x9b31m", "\u202egnp.exe", "\x00", "one\ntwo"],
)
def test_nothing_that_a_stranger_wrote_is_obeyed(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controls in names and messages reach no terminal and no pipe, in colour or plain; a line stays one line."""
    monkeypatch.setenv("TERM", "xterm")
    made = Page()
    made.add(("name ", "bold"), told)
    for stream in (Terminal(), io.StringIO()):
        show(made, stream)
        said = stream.getvalue()
        assert said.count("\n") == 1
        assert "\ufffd" in said
        assert not set(told) & set("\x07\r\x9b\u202e\x00") & set(said)
        assert "\x1b[2J" not in said
        assert "\x1b]" not in said
    out = io.StringIO()
    write(told, out)
    assert out.getvalue().isprintable() or told == "one\ntwo" == out.getvalue()
