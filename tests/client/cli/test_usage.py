"""Mistakes in the usage: one sentence, exit code 2, and nothing on stdout."""

from __future__ import annotations

import pytest
import typer
from gradproof._cli.commands import FAMILIES
from gradproof._cli.commands.root import root
from typer.core import TyperGroup
from typer.main import get_command

from tests.client.cli.harness import gradproof

MISTAKES = {
    ("chek",): "there is no command 'chek'; did you mean 'check'? (see `gradproof -h`)",
    ("-x",): "there is no option -x (see `gradproof -h`)",
    ("check",): "missing argument 'TARGET' (see `gradproof check -h`)",
    ("check", "x", "y"): "got unexpected extra argument (y); quote an expression that holds spaces",
    ("check", "x", "--at"): "option '--at' requires an argument",
    ("check", "x", "--clam", "x"): "there is no option --clam; did you mean --claim?",
    ("check", "x", "--order", "3"): "invalid value for '--order': '3' is not one of '1', '2'",
    ("check", "x", "--rtol", "nan"): "'--rtol': expected a number of zero or more, 'nan' came",
    ("check", "x", "--timeout", "0"): "'--timeout': expected a number above zero, '0' came",
    ("check", "x", "--rng-seed", "1.5"): "expected a whole number of zero or more, '1.5' came",
    ("check", "x", "--exit-zero=1"): "option '--exit-zero' does not take a value",
    ("show", "x", "--dot", "--mermaid"): "give --dot or --mermaid, not both (see `gradproof show -h`)",
    ("convert", "x"): "missing option '--out' / '-o' (see `gradproof convert -h`)",
}  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_sentence(words: tuple[str, ...]) -> None:
    """What is wrong stands in one line on stderr, in the words of the command line."""
    code, out, err = gradproof(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert MISTAKES[words] in err
    assert err.count("\n") == 1


def test_version_and_debug_stand_where_they_are_put() -> None:
    """`--version` prints it and leaves; `--debug` is understood before a command and behind it."""
    code, out, _ = gradproof("--version")
    assert (code, out.split()[0]) == (0, "gradproof")
    before = gradproof("--debug", "eval", "x +", "--at", "x=3")
    assert before[0] == 2
    assert "Traceback" in before[2]
    assert gradproof("eval", "x +", "--at", "x=3", "--debug")[0] == 2
    assert "Traceback" not in gradproof("eval", "x +", "--at", "x=3")[2]


def test_options_may_repeat_and_stand_anywhere() -> None:
    """Options before and behind the target, `--name=value`, `-oFILE` and `--` are understood."""
    point = ("--at", "x=3", "--at=y=2")
    assert gradproof("eval", *point, "x*y")[:2] == (0, "6\n")
    assert gradproof("eval", "x*y", *point)[:2] == (0, "6\n")
    assert gradproof("eval", *point, "--", "-x*y")[:2] == (0, "-6\n")


def test_every_family_declares_the_commands_it_is_found_by() -> None:
    """A command is found by its name: the names of a family are those that its app declares."""
    for names, family in FAMILIES.items():
        declared = get_command(root_with(family()))
        assert isinstance(declared, TyperGroup)
        assert tuple(declared.commands) == names


def root_with(family: typer.Typer) -> typer.Typer:
    """A command line with one family."""
    line = root()
    line.add_typer(family)
    return line
