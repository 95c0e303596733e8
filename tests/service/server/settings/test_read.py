"""Configurations: every setting by every road, and every mistake in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from gradproof_service.graph.limits import Limits
from gradproof_service.server.settings.configuration import (
    NO_MOST,
    ROWS,
    Configuration,
    Row,
    limits_page,
)
from gradproof_service.server.settings.read import PREFIX, ConfigurationError, read_configuration
from gradproof_service.server.settings.schema import schema, schema_text

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = ROOT / "deploy" / "configuration.schema.json"


def other(row: Row) -> object:
    """A value that is not the default."""
    match row.default:
        case bool():
            return not row.default
        case int():
            return row.default + 1 if row.most > row.default else row.default - 1
        case float():
            return row.most if row.most < NO_MOST else 3.5
        case str():
            return "json" if row.path == "operation.log_format" else "some/path"
        case _:
            return ["one", "two"]


def written(row: Row) -> str:
    """The same value as TOML."""
    return json.dumps(other(row))


def found(configuration: Configuration, row: Row) -> object:
    """The setting's value."""
    return getattr(getattr(configuration, row.section), row.name)


@pytest.mark.parametrize("path", ROWS)
def test_every_setting_by_every_road(path: str, tmp_path: Path) -> None:
    """A file, the environment and the command line set the same thing; the later goes before the earlier."""
    row, file = ROWS[path], tmp_path / "g.toml"
    file.write_text(f"[{row.section}]\n{row.name} = {written(row)}\n")
    value = other(row)
    expected = tuple(value) if isinstance(value, list) else value
    text = ",".join(value) if isinstance(value, list) else str(value)
    name = PREFIX + path.replace(".", "_").upper()
    assert found(read_configuration(file, {}), row) == expected
    assert found(read_configuration(None, {name: text}), row) == expected
    assert found(read_configuration(None, {}, [("--set", path, text)]), row) == expected
    default = ",".join(row.default) if isinstance(row.default, tuple) else str(row.default)
    assert found(read_configuration(file, {name: default}), row) == row.default
    assert (
        found(read_configuration(None, {name: default}, [("--set", path, text)]), row) == expected
    )
    jsonschema.validate(tomllib.loads(file.read_text()), schema())


def test_nothing_said_is_the_default() -> None:
    """Without a file the configuration is the table of defaults."""
    assert read_configuration(None, {"PATH": "/bin"}) == Configuration()
    assert read_configuration(None, {}).limits == Limits()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[limits]\nnoodes = 1\n",
            "there is no setting 'limits.noodes'; the nearest is 'limits.nodes'",
        ),
        ("[limit]\nnodes = 1\n", "there is no section 'limit'; the nearest is 'limits'"),
        ("limits = 3\n", r"limits is a section, write \[limits\]"),
        ("[limits]\nnodes = 0\n", "limits.nodes: expected 1 or more, 0 came"),
        ("[limits]\nnodes = true\n", "limits.nodes: expected a whole number, true came"),
        ("[limits]\nnodes = 1.5\n", "limits.nodes: expected a whole number, 1.5 came"),
        ("[limits]\nnodes = '7'\n", "limits.nodes: expected a whole number, other text came"),
        ("[workers]\ncount = 5000\n", "workers.count: expected 0 to 1,024, 5000 came"),
        (
            "[listen]\ninsecure = 'maybe'\n",
            "listen.insecure: expected true or false, other text came",
        ),
        (
            "[tls]\nclient_names = [1]\n",
            "tls.client_names: expected a list of texts, a list of something else came",
        ),
        (
            "[operation]\nlog_format = 'xml'\n",
            "operation.log_format: expected text or json, 'xml' came",
        ),
        ("[limits\n", "it is no TOML"),
        ("\udcff", "it is no TOML"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    """The file, the setting, what was expected and what came."""
    file = tmp_path / "g.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_configuration(file, {})
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_mistakes_elsewhere_name_their_place(tmp_path: Path) -> None:
    """The variable, the option or the file that is wrong."""
    nearest = "there is no setting 'limits.noddes'; the nearest is 'limits.nodes'"
    with pytest.raises(ConfigurationError, match=f"{PREFIX}LIMITS_NODDES: {nearest}"):
        read_configuration(None, {f"{PREFIX}LIMITS_NODDES": "3"})
    with pytest.raises(ConfigurationError, match=f"{PREFIX}PORT: there is no setting 'port'"):
        read_configuration(None, {f"{PREFIX}PORT": "3"})
    with pytest.raises(
        ConfigurationError, match=r"--workers: workers.count: expected a whole number"
    ):
        read_configuration(None, {}, [("--workers", "workers.count", "many")])
    with pytest.raises(ConfigurationError, match="none: it cannot be read"):
        read_configuration(tmp_path / "none", {})
    with pytest.raises(ConfigurationError, match="it cannot be read"):
        read_configuration(tmp_path, {})
    large = tmp_path / "large"
    large.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigurationError, match="larger than 1 MiB"):
        read_configuration(large, {})


def test_the_committed_schema_is_that_of_the_table() -> None:
    """`python -m gradproof_service.server.settings.schema > deploy/configuration.schema.json` writes it anew."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"limits": {"noodes": 1}}, schema())


def test_the_help_shows_every_limit() -> None:
    """`gradproof serve --help` ends with the table of limits."""
    shown = subprocess.run(
        [sys.executable, "-m", "gradproof", "serve", "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    for line in limits_page():
        assert line in shown


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "limits.noodes=3"], 2, "--set: there is no setting 'limits.noodes'"),
        (["--set", "limits.nodes"], 2, "expected NAME=VALUE"),
        (["--config", "none.toml"], 2, "none.toml: it cannot be read"),
        (["--tls-cert", "none.pem"], 2, "tls.key: it is not set"),
        (
            ["--tls-cert", "none.pem", "--tls-key", "none.key"],
            2,
            "none.pem: the certificate cannot be read",
        ),
        (["--token-file", "none"], 2, "none: the token file cannot be read"),
        (["0.0.0.0:0"], 2, "--insecure"),
        (["--health", "nowhere"], 2, "expected unix:PATH or HOST:PORT"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    """A mistake in the configuration ends `serve` with code 2 and one line."""
    ended = subprocess.run(
        [sys.executable, "-m", "gradproof", "serve", *arguments],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
