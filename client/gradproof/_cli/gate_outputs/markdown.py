"""A summary in Markdown for a job or a pull request: the counts, then only the cases that are not right."""

from __future__ import annotations

import re
from typing import Final

from gradproof._cli.gate_outputs.told import details, headline, next_command, work_told
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import MEANINGS

LIMIT_BYTES: Final = 900_000
"""GitHub takes a summary of 1 MiB."""
SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def write(result: GateResult) -> str:
    """The summary; a case whose details no longer fit is only in the table."""
    sign = "✅" if result.passed else "❌" if result.exit_code != 3 else "❔"
    lines = [f"### {sign} gradproof: {_plain(headline(result))}", ""]
    if result.trouble:
        lines += [f"**{_plain(result.trouble)}**", ""]
    changed = [c for c in result.cases if MEANINGS[c.verdict].level or not c.passed]
    if changed:
        lines += ["| verdict | case | where | what |", "|---|---|---|---|"]
        lines += [_row(case) for case in changed]
        lines.append("")
    size = sum(len(line.encode()) + 1 for line in lines)
    for case in changed:
        block = _block(case)
        size += len(block.encode())
        if size > LIMIT_BYTES:
            break
        lines.append(block)
    lines.append(f"<sub>{_plain(work_told(result))}</sub>")
    return _within("\n".join(lines) + "\n")


def _row(case: CaseResult) -> str:
    where = _code(str(case.place)) if case.place else ""
    return f"| {case.verdict} | {_code(case.name)} | {where} | {_plain(case.sentence)[:500]} |"


def _block(case: CaseResult) -> str:
    lines = [case.sentence, *(f"  {line}" for line in details(case))]
    if command := next_command(case):
        lines.append(f"next: {command}")
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"<details><summary>{case.verdict} {_html(case.name)}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n"


def _within(text: str) -> str:
    data = text.encode()
    if len(data) <= LIMIT_BYTES:
        return text
    kept = data[:LIMIT_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe summary is cut here; the JSON form holds everything.\n"


def _plain(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return "`" + " ".join(text.split()).replace("`", "'").replace("|", "\\|") + "`"


def _html(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
