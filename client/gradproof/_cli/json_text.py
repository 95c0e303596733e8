"""JSON that is the same for the same answer: sorted keys, numbers that read back, nothing that is no JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def json_text(value: object) -> str:
    """A value as indented JSON with sorted keys and a line end."""
    return (
        json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        + "\n"
    )


def plain(value: Any) -> Any:
    """The value in what JSON has; NaN and infinities are the words `nan`, `inf` and `-inf`."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def array_record(array: NDArray[Any]) -> dict[str, object]:
    """An array with its type: every element, nested by axis."""
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "value": array.tolist(),
    }
