"""The record as JSON: everything but the reports and the texts of baselines; `gate.schema.json` describes it."""

from __future__ import annotations

from gradproof._cli.json_text import json_text
from gradproof._gate.result import GateResult


def write(result: GateResult) -> str:
    """The run as JSON with sorted keys."""
    return json_text(result.plain())
