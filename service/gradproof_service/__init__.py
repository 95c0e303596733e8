"""The derivative checking service: graphs, ops, transforms, checks, findings and the server."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
"""The release; written into every report."""
