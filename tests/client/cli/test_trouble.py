"""Errors as sentences."""

from __future__ import annotations

import pytest
from gradproof._cli import numbers
from gradproof._cli.trouble import Mistake, guarded
from gradproof._errors import (
    DeadlineError,
    RequestError,
    ServiceFault,
    ServiceUnavailable,
    TargetError,
)

from tests.client.cli.harness import gradproof


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Mistake("no"), 2),
        (TargetError("no"), 2),
        (RequestError("no"), 2),
        (DeadlineError("no"), 4),
        (ServiceUnavailable("no"), 4),
        (ServiceFault("no"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error ends in one sentence on stderr and its exit code, never in a traceback."""

    def work() -> int:
        raise error

    assert guarded(work) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")


def test_a_surprise_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is our mistake: exit 4, one sentence, and the traceback only on request."""
    monkeypatch.setattr(numbers, "brief", None)
    code, _, err = gradproof("check", "x", "--at", "x=3")
    assert code == 4
    assert err.startswith(
        "error: TypeError: 'NoneType' object is not callable; this is a mistake in gradproof"
    )
    assert "--debug" in err
    assert "Traceback" in gradproof("--debug", "check", "x", "--at", "x=3")[2]


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """`--debug` adds the traceback to the sentence."""

    def work() -> int:
        raise Mistake("no")

    assert guarded(work, debug=True) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("error: no\n")
