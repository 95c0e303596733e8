"""Text that came from elsewhere, made harmless to a terminal: what a name or message holds is shown, never obeyed."""

from __future__ import annotations

import re
from typing import Final

UNPRINTABLE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls but tab and line feed, what turns the direction of writing, and halves of characters."""


def printable_text(text: str) -> str:
    """The text with a sign in place of each such character."""
    return UNPRINTABLE.sub("\ufffd", text)
