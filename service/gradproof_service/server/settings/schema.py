"""The JSON schema of the configuration file, made from the table: `python -m gradproof_service.server.settings.schema`."""

from __future__ import annotations

import json
import sys
from typing import Any

from gradproof_service.server.settings.configuration import NO_MOST, ROWS, SECTIONS, Row


def schema() -> dict[str, Any]:
    """The schema of the file."""
    sections: dict[str, Any] = {
        name: {
            "type": "object",
            "additionalProperties": False,
            "description": (kind.__doc__ or "").splitlines()[0],
            "properties": {r.name: _property(r) for r in ROWS.values() if r.section == name},
        }
        for name, kind in SECTIONS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of `gradproof serve`",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2) + "\n"


def _property(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {"description": row.meaning}
    match row.default:
        case bool():
            told |= {"type": "boolean", "default": row.default}
        case int() | float():
            kind = "integer" if isinstance(row.default, int) else "number"
            told |= {"type": kind, "default": row.default, "minimum": int(row.least)}
            if row.most < NO_MOST:
                told["maximum"] = int(row.most)
        case str():
            told |= {"type": "string", "default": row.default}
            if row.path == "operation.log_format":
                told["enum"] = ["text", "json"]
        case _:
            told |= {"type": "array", "items": {"type": "string"}, "default": list(row.default)}
    return told


if __name__ == "__main__":
    sys.stdout.write(schema_text())
