"""The page that explains a finding, as Markdown."""

from __future__ import annotations

import json

from gradproof_service.findings.rule import Example, Rule


def page(rule: Rule) -> str:
    """What it is, why it matters, what to do, and an example before and after."""
    when = {
        (True, True): "by the look of the graph, and confirmed at a point",
        (True, False): "by the look of the graph",
        (False, True): "at a point",
    }[rule.static, rule.at_point]
    return "\n".join(
        (
            f"# {rule.code} {rule.name}", "", rule.meaning, "",
            f"Severity: {rule.severity.value}. Found {when}.", "",
            "## Why it matters", "", rule.why, "", "## What to do", "", rule.mend, "",
            "## Found here", "", *shown(rule.fails), "", "## Mended", "", *shown(rule.mended), "",
        )
    )  # fmt: skip


def shown(example: Example) -> list[str]:
    """An example as a block of code: the function, what is claimed, the point."""
    text = example.text if len(example.text) < 200 else f"{example.text[:120]} ..."
    lines = ["```python", *text.split("; ")]
    if example.claim:
        lines.append(f"# claimed: {example.claim}")
    if example.rule:
        lines.append(f"# its jvp rule, declared a surrogate: {example.rule}")
    if example.raises:
        lines.append(f"# claimed: raises {example.raises}")
    lines += [f"# {name} = {json.dumps(value)}" for name, value in example.at.items()]
    if example.dtype != "float64":
        lines.append(f"# in {example.dtype}")
    lines += [f"# {name} is declared {s.name.lower()}" for name, s in example.structures.items()]
    if example.options.rtol is not None:
        lines.append(f"# rtol = {example.options.rtol:g}")
    if example.planted is not None:
        lines.append(
            "# the report is one in which this is planted: no example provokes it for certain"
        )
    return [*lines, "```"]
