"""The configuration: what it says reaches the cases, and every mistake is told with file, line and the nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradproof._errors import GradproofError, RequestError
from gradproof._gate.cases import chosen, collect, read_shard
from gradproof._gate.config import Settings, find, load
from gradproof._gate.keys import CASE, SETTINGS, TOP
from gradproof._gate.points import points

from tests.gate.harness import repository

MODEL = """def f(x):
    return x**2


def df(x):
    return 2 * x


def f_two(x):
    return x


def _f_hidden(x):
    return x
"""


def config(tmp_path: Path, text: str) -> Path:
    """A repository with one model and this configuration."""
    return repository(tmp_path, text, model=MODEL) / "gradproof.toml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nbaseline = 'x'\n", "gradproof.toml:2: the file has no key 'baseline'; did you mean 'baselines'?"),
        ("[cases.a]\ntarget = 'model.py:f'\ntolerence = 1\n", "gradproof.toml:3: [cases.a] has no key 'tolerence'; it has target"),
        ("[cases.a]\ntarget = 'model.py:f'\nclaimkind = 'vjp'\n", "did you mean 'claim_kind'?"),
        ("[cases.a]\ntarget = 'model.py:f'\nRtol = 1\n", "did you mean 'rtol'?"),
        ("[cases.a]\nclaim = 'model.py:df'\n", 'gradproof.toml:1: [cases.a] has no target; write target = "model.py:a"'),
        ("[cases.a]\ntarget = 3\n", "gradproof.toml:2: target: expected a TARGET"),
        ("[cases.a]\ntarget = 'x'\nrtol = -1\n", "rtol: expected a number of zero or more, -1 came"),
        ("[cases.a]\ntarget = 'x'\nrtol = nan\n", "rtol: expected a number of zero or more, nan came"),
        ("[cases.a]\ntarget = 'x'\nrtol = true\n", "rtol: expected a number of zero or more, True came"),
        ("[cases.a]\ntarget = 'x'\nskip = true\n", "skip: expected a sentence that says why, True came"),
        ("[cases.a]\ntarget = 'x'\nskip = ''\n", "skip: expected a sentence that says why"),
        ("[cases.a]\ntarget = 'x'\npoints = 0\n", "points: expected a whole number from 1 to 1000, 0 came"),
        ("[cases.a]\ntarget = 'x'\norder = 3\n", "order: expected 1 or 2, 3 came"),
        ("ignore = ['G1']\n", "ignore: expected codes of findings"),
        ("errors = 'GP9999'\n", "errors: expected codes of findings"),
        ("profile = 'tensorflow'\n", "profile: expected numpy, torch or jax, 'tensorflow' came"),
        ("inconclusive = 'ok'\n", "inconclusive: expected tell, fail or pass, 'ok' came"),
        ("min_kill_rate = 1.5\n", "min_kill_rate: expected a number from 0 to 1, 1.5 came"),
        ("baselines = true\n", "baselines: expected a folder, or false, True came"),
        ("baselines = '../elsewhere'\n", "baselines: expected a folder below gradproof.toml's own"),
        ("baselines = '.'\n", "baselines: expected a folder below"),
        ("cases = 3\n", "cases: expected a table of cases by name, 3 came"),
        ("[cases]\na = 3\n", "gradproof.toml:2: [cases.a]: expected a table of keys"),
        ("[per-path]\n'm/*' = { rtl = 1 }\n", "has no key 'rtl'; did you mean 'rtol'?"),
        ("[cases.a]\ntarget = 'model.py:g_*'\n", "gradproof.toml:2: [cases.a]: 'model.py:g_*' names no function; a gate over nothing"),
        ("[cases.a]\ntarget = 'nowhere/*.py:f'\n", "names no function"),
        ("[cases.a]\ntarget = 'x'\n[cases.a]\ntarget = 'y'\n", "toml:3: this is no TOML, [cases.a] is written for the second time"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """One sentence: where, what was expected, what came, and the nearest key that exists."""
    path = config(tmp_path, text)
    with pytest.raises(RequestError) as error:
        collect(load(path))
    assert told in error.value.message.replace(str(tmp_path) + "/", "")
    assert "\n" not in error.value.message


def test_a_line_in_pyproject_is_that_of_pyproject(tmp_path: Path) -> None:
    """The table of pyproject.toml is read, other tables are not, and lines count from its top."""
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\nname = 'p'\n\n[tool.other]\nrtl = 1\n\n[tool.gradproof]\nrtl = 1\n")
    with pytest.raises(
        RequestError, match=r"pyproject\.toml:8: \[tool\.gradproof\] has no key 'rtl'"
    ):
        load(path)


def test_the_nearest_configuration_counts(tmp_path: Path) -> None:
    """It is looked for upwards; a pyproject without the table is passed over, and none at all is told."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'p'\n")
    (tmp_path / "pyproject.toml").write_text("[tool.gradproof]\n")
    assert find(inner) == tmp_path / "pyproject.toml"
    (tmp_path / "gradproof.toml").write_text("")
    assert find(inner) == tmp_path / "gradproof.toml"
    with pytest.raises(RequestError, match=r"expected a table \[tool\.gradproof\]"):
        load(tmp_path / "a" / "pyproject.toml")


def test_settings_are_laid_over_each_other(tmp_path: Path) -> None:
    """A case's own settings win over its path's, those over the general ones; what is ignored adds up."""
    text = (
        "rtol = 1e-3\nignore = ['GP1']\ntimeout_s = 5\n[per-path]\n'mod*' = { rtol = 1e-4, ignore = ['GP2'], points = 3 }\n"
        "[cases.a]\ntarget = 'model.py:f'\nrtol = 1e-5\nignore = ['GP3']\n[cases.b]\ntarget = 'x**2'\n"
    )
    a, b = collect(load(config(tmp_path, text)))
    assert (a.settings.rtol, a.settings.points, a.settings.timeout_s) == (1e-5, 3, 5.0)
    assert a.settings.ignore == ("GP1", "GP2", "GP3")
    assert (b.settings.rtol, b.settings.points, b.settings.ignore) == (1e-3, 1, ("GP1",))


def test_patterns_name_functions_without_running_them(tmp_path: Path) -> None:
    """A pattern gives a case for each function it names, hidden ones only on purpose; the claim follows."""
    text = "[cases.all]\ntarget = 'model.py:f*'\nclaim = '{file}:d{name}'\n[cases.mod]\ntarget = 'model:f_*'\n"
    path = config(tmp_path, text)
    (tmp_path / "model.py").write_text("raise SystemExit(3)\n" + MODEL)
    found = collect(load(path))
    assert [(c.name, c.target, c.claim, c.line) for c in found] == [
        ("all[model.py:f]", "model.py:f", "model.py:df", 2),
        ("all[model.py:f_two]", "model.py:f_two", "model.py:df_two", 10),
        ("mod[f_two]", "model:f_two", "", 10),
    ]


def test_an_expression_with_a_star_is_no_pattern(tmp_path: Path) -> None:
    """`x**2 * y` is an expression, and stands where the configuration says it."""
    (found,) = collect(load(config(tmp_path, "\n[cases.e]\ntarget = 'x**2 * y'\n")))
    assert (found.target, found.file, found.line) == ("x**2 * y", "gradproof.toml", 2)


def test_two_patterns_with_one_name_are_refused(tmp_path: Path) -> None:
    """A case name is one case."""
    text = "[cases.'a[f]']\ntarget = 'x'\n[cases.a]\ntarget = 'model:f'\n"
    assert len(collect(load(config(tmp_path, text)))) == 2
    text = "[cases.'a[f_two]']\ntarget = 'x'\n[cases.a]\ntarget = 'model:f_*'\n"
    with pytest.raises(RequestError, match=r"the case 'a\[f_two\]' exists already"):
        collect(load(config(tmp_path, text)))


def test_shards_deal_every_case_once(tmp_path: Path) -> None:
    """Every case is in exactly one of n shards, and they keep the order."""
    text = "".join(f"[cases.c{k}]\ntarget = 'x*{k}'\n" for k in range(7))
    cases = collect(load(config(tmp_path, text)))
    for n in (1, 2, 3, 9):
        dealt = [chosen(cases, (), read_shard(f"{i}/{n}")) for i in range(1, n + 1)]
        assert sorted(c.name for part in dealt for c in part) == [c.name for c in cases]
    for bad in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"):
        with pytest.raises(RequestError, match="expected PART/PARTS"):
            read_shard(bad)


def test_words_choose_cases(tmp_path: Path) -> None:
    """A word is part of a name, a pattern is all of it, `not` turns it round, several are any of them."""
    text = "".join(f"[cases.{n}]\ntarget = 'x'\n" for n in ("loss-a", "loss-b", "layer"))
    cases = collect(load(config(tmp_path, text)))
    for words, names in {
        ("LOSS",): ["loss-a", "loss-b"], ("l*r",): ["layer"], ("not loss",): ["layer"], ("-a", "lay"): ["loss-a", "layer"],
    }.items():  # fmt: skip
        assert [c.name for c in chosen(cases, words)] == names


def test_every_setting_has_a_key_and_a_meaning() -> None:
    """The table of keys and the record of settings name the same things, each with what is expected and meant."""
    assert {k.name for k in SETTINGS} == set(Settings.__dataclass_fields__)
    for key in (*TOP, *CASE, *SETTINGS):
        assert key.expected
        assert key.meaning
        assert key.read(object()) is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00"])
def test_an_unreadable_file_is_told(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no text are one sentence."""
    path = tmp_path / "gradproof.toml"
    path.write_bytes(content)
    with pytest.raises(GradproofError, match=r"gradproof\.toml"):
        load(path)


VALUES = (
    "1", "-1", "0", "2.5", "nan", "inf", "true", "''", "'x'", "'*'", "'../..'", "[]", "[1]", "['a']", "[[]]", "{}",
    "{ a = 1 }", "{ a = {} }", "1979-05-27", "[{ a = 1 }]", "99999999999999999999",
)  # fmt: skip


@pytest.mark.parametrize("key", [k.name for k in (*TOP, *CASE, *SETTINGS)])
def test_any_value_of_any_key_is_read_or_refused(tmp_path: Path, key: str) -> None:
    """Whatever stands behind a key, it is a configuration or one sentence; some value of each kind is refused."""
    where = "" if key in {k.name for k in TOP} else "[cases.a]\n"
    target = "target = 'x'\n" if where and key != "target" else ""
    refused: list[GradproofError] = []
    for value in VALUES:
        path = config(tmp_path, f"{where}{target}{key} = {value}\n")
        try:
            for case in collect(load(path)):
                points(case.at, tmp_path, 0)
        except GradproofError as error:
            refused.append(error)
    assert refused
    assert all(e.exit_code == 2 and e.message and "\n" not in e.message for e in refused)
