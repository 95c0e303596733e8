"""Exit codes, files and JSON of the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradproof import _cli
from gradproof._cli.check import exit_code
from gradproof_proto.v1 import check_pb2 as pb

from tests.client.cli.harness import MODELS, gradproof, inside

SCHEMA = json.loads((Path(_cli.__path__[0]) / "report.schema.json").read_text(encoding="utf-8"))
TYPES = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool,
    "null": type(None),
}  # fmt: skip


def violations(value: Any, schema: dict[str, Any], where: str = "report") -> list[str]:
    """Where a value breaks a schema, for the part of JSON Schema that ours uses."""
    if "$ref" in schema:
        return violations(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        tried = [violations(value, one, where) for one in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    if "enum" in schema:
        return (
            [] if value in schema["enum"] else [f"{where}: {value!r} is none of {schema['enum']}"]
        )
    kind = TYPES[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return [f"{where}: {value!r} is no {schema['type']}"]
    found: list[str] = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [
            f"{where}: {key} is missing" for key in schema.get("required", ()) if key not in value
        ]
        for key, item in value.items():
            inner = known.get(key, schema.get("additionalProperties", {}))
            if inner is False:
                found.append(f"{where}: {key} is not in the schema")
            else:
                found += violations(item, inner, f"{where}.{key}")
    if isinstance(value, list):
        for k, item in enumerate(value):
            found += violations(item, schema["items"], f"{where}[{k}]")
    return found


CHECKS = {
    "agrees": ("x**3 + 2*x", "--at", "x=3"),
    "claims": ("model.py:loss", "--claim", "model.py:without_chain", "--at", "x=[1,2]", "--at", "W=[[1,2],[3,4]]"),
    "black box": ("model.py:largest", "--claim", "model.py:ones", "--at", "x=[1,2,3]"),
    "nan": ("log(x)", "--at", "x=-1"),
    "kink": ("abs(x)", "--at", "x=0"),
    "ill-typed": ("x @ y", "--at", "x=[1,2]", "--at", "y=[1,2,3]"),
    "second order": ("x**2*y", "--at", "x=3", "--at", "y=2", "--order", "2"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_json_is_as_the_schema_says(name: str) -> None:
    """Every report has the keys and types of the schema, and the same call gives the same bytes."""
    with inside(MODELS):
        _, text, _ = gradproof("check", *CHECKS[name], "--format", "json")
        _, again, _ = gradproof("check", *CHECKS[name], "--format", "json")
    assert violations(json.loads(text), SCHEMA) == []
    assert text == again


def test_the_schema_finds_what_is_wrong() -> None:
    """A report with a key too many, one too few, and a wrong word breaks the schema three times."""
    _, text, _ = gradproof("check", "x", "--at", "x=3", "--format", "json")
    report = json.loads(text)
    report["clock"] = 1
    del report["evaluations"]
    report["verdict"] = "passes"
    assert len(violations(report, SCHEMA)) == 3


def report(verdict: pb.Verdict, *severities: pb.Severity, code: str = "GP203") -> pb.Report:
    """A report with findings of these severities."""
    return pb.Report(
        verdict=verdict, findings=[pb.Finding(code=code, severity=s) for s in severities]
    )


@pytest.mark.parametrize(
    ("given", "level", "code"),
    [
        (report(pb.VERDICT_AGREES), "error", 0),
        (report(pb.VERDICT_AGREES, pb.SEVERITY_WARNING), "error", 0),
        (report(pb.VERDICT_AGREES, pb.SEVERITY_WARNING), "warning", 1),
        (report(pb.VERDICT_AGREES, pb.SEVERITY_INFO), "warning", 0),
        (report(pb.VERDICT_AGREES, pb.SEVERITY_INFO), "info", 1),
        (report(pb.VERDICT_DISAGREES), "error", 1),
        (report(pb.VERDICT_INCONCLUSIVE, pb.SEVERITY_WARNING), "error", 3),
        (report(pb.VERDICT_INCONCLUSIVE, pb.SEVERITY_ERROR), "error", 1),
        (report(pb.VERDICT_UNSPECIFIED), "error", 3),
        (report(pb.VERDICT_INCONCLUSIVE, pb.SEVERITY_ERROR, code="GP003"), "error", 2),
    ],
)
def test_exit_codes(given: pb.Report, level: Any, code: int) -> None:
    """The exit code follows from the verdict, the gravest finding and the fail level."""
    assert exit_code(given, level) == code
    assert exit_code(given, level, exit_zero=True) == (2 if code == 2 else 0)


def test_a_report_goes_into_a_file(tmp_path: Path) -> None:
    """`-o` writes the report, leaves nothing else in the folder, and prints the verdict."""
    file = tmp_path / "r.json"
    code, out, _ = gradproof("check", "x", "--at", "x=3", "--format", "json", "-o", str(file))
    assert (code, out) == (0, "✓ agrees: x at x = 3\n")
    assert json.loads(file.read_text(encoding="utf-8"))["verdict"] == "agrees"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", [".gpb", ".gpt"])
def test_a_converted_program_is_the_same_program(tmp_path: Path, suffix: str) -> None:
    """What `convert` writes is a target that gives the same numbers and the same text."""
    file = tmp_path / f"p{suffix}"
    assert gradproof("convert", "sin(x)*y", "-o", str(file))[0] == 0
    point = ("--at", "x=0.5", "--at", "y=[1,2]")
    assert gradproof("eval", str(file), *point) == gradproof("eval", "sin(x)*y", *point)
    assert gradproof("show", str(file)) == gradproof("show", "sin(x)*y")


def test_convert_never_leaves_half_a_file(tmp_path: Path) -> None:
    """A program that cannot be made leaves the file as it was; an unknown suffix writes none."""
    file = tmp_path / "p.gpb"
    file.write_bytes(b"before")
    assert gradproof("convert", "x +", "-o", str(file))[0] == 2
    assert file.read_bytes() == b"before"
    assert gradproof("convert", "x", "-o", str(tmp_path / "p.bin"))[0] == 2
    assert list(tmp_path.iterdir()) == [file]


def test_arrays_come_from_files(tmp_path: Path) -> None:
    """`@file.npy` is an array; a file that is none, and one that would run code, are refused."""
    np.save(tmp_path / "x.npy", np.array([1.5, -2.0]))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array", encoding="utf-8")
    assert gradproof("eval", "x*2", "--at", f"x=@{tmp_path}/x.npy") == (0, "[ 3., -4.]\n", "")
    for name in ("object", "text"):
        code, out, err = gradproof("eval", "x*2", "--at", f"x=@{tmp_path}/{name}.npy")
        assert (code, out) == (2, "")
        assert err.startswith("error: --at x:")


@pytest.mark.parametrize("verb", ["grad", "jacobian", "hessian"])
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_modes_give_the_same_numbers(verb: str, mode: str) -> None:
    """How a derivative is computed does not change it."""
    code, out, _ = gradproof(verb, "x**2", "--at", "x=3", "--mode", mode)
    assert (code, out) == (0, {"grad": "6\n", "jacobian": "6\n", "hessian": "2\n"}[verb])


def test_ops_as_json() -> None:
    """The catalogue can be read by programs."""
    code, out, _ = gradproof("ops", "--format", "json")
    ops = {op["name"]: op for op in json.loads(out)["ops"]}
    assert code == 0
    assert ops["gp.tanh"]["analytic"] is True


@pytest.mark.parametrize(
    "verb",
    [
        "check",
        "lint",
        "eval",
        "grad",
        "jacobian",
        "hessian",
        "show",
        "convert",
        "ops",
        "explain",
        "serve",
        "health",
    ],
)
def test_every_command_has_help(verb: str) -> None:
    """Help exits 0 and names the exit codes."""
    code, out, _ = gradproof(verb, "--help")
    assert code == 0
    assert f"Usage: gradproof {verb} " in out
    assert "Exit codes:" in out


def test_alone_it_shows_help() -> None:
    """`gradproof` without a command shows what there is."""
    code, out, _ = gradproof()
    assert code == 0
    assert "Check the derivatives of a function" in out


def test_an_expression_may_begin_with_a_minus() -> None:
    """`-x**2` is an expression, `--x` is a mistyped option."""
    assert gradproof("eval", "-x**2", "--at", "x=-3")[:2] == (0, "-9\n")
    assert gradproof("check", "x**2", "--claim", "-x", "--at", "x=1")[0] == 1
    assert gradproof("eval", "--x", "--at", "x=-3")[0] == 2
