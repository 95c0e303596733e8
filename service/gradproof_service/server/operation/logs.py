"""The log: one line an event, as text or as JSON, with the call it belongs to. Never a request, a token or a key."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

FIELDS: Final = (
    "request_id", "method", "code", "seconds", "attempts", "worker", "document", "version", "tasks",
    "peer", "fault",
)  # fmt: skip
"""What a record may carry besides its message, in the order in which it is written."""


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _carried(record)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """One line for a person; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        carried = " ".join(f"{name}={value}" for name, value in _carried(record).items())
        line = f"{_moment(record.created)} {record.levelname} {record.name}: {record.getMessage()}"
        line = f"{line} [{carried}]" if carried else line
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(form: str) -> None:
    """Write this process's log to stderr in one of the forms `text` and `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gradproof").setLevel(logging.INFO)


def _carried(record: logging.LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


def _moment(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
