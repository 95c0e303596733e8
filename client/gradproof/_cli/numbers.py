"""Numbers and arrays as short text: never a whole large array, never a lost digit that was asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHOWN: Final = 10
"""Significant digits of a number in a report."""
EDGE: Final = 3
"""Elements shown at each end of a long axis."""
WHOLE: Final = 200
"""Elements up to which an array that was asked for is shown whole."""


def number(value: float, digits: int = SHOWN) -> str:
    """A number to at most `digits` significant digits: `33`, `0.2114`, `1.5e-300`, `nan`."""
    return f"{value + 0.0:.{digits}g}"


def exact(value: Any) -> str:
    """The shortest text that reads back to the same NumPy scalar; a whole float has no `.0`."""
    text = str(value.item() if str(value.dtype) != "float32" else value)
    return text.removesuffix(".0") if value.dtype.kind == "f" else text


def ratio(value: float) -> str:
    """How many times too large: short, but never `1` for what is not 1."""
    return next((t for n in (4, 7, 10) if (t := number(value, n)) != "1"), number(value, 16))


def bar(value: float) -> str:
    """An error bar: two digits are plenty."""
    return f"{value:.2g}"


def digits(value: float) -> str:
    """Decimal digits matched, rounded down: agreement is never overstated."""
    return f"{math.floor(value * 10) / 10:.1f} digits"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 entry`, `3 entries`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def brief(array: Array, width: int) -> str:
    """An array on one line of at most `width` columns: its elements, its ends, or its shape and size."""
    import numpy as np

    if array.ndim == 0:
        return number(float(array)) if array.dtype.kind == "f" else exact(array[()])
    shape = "x".join(str(n) for n in array.shape)
    if array.size == 0:
        return f"empty, shape {shape}"
    for precision in (6, 3):
        text = _one_line(array, precision)
        if array.ndim > 1 or array.size > 2 * EDGE:
            text += f"  ({shape})"
        if len(text) <= width:
            return text
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            low, high = number(float(np.min(array)), 4), number(float(np.max(array)), 4)
        return f"{shape} values from {low} to {high}"
    return f"{shape} values"


def full(array: Array, width: int) -> str:
    """An array as lines: whole up to `WHOLE` elements, beyond that its corners; a scalar exactly."""
    import numpy as np

    if array.ndim == 0:
        return exact(array[()])
    floatmode = "unique" if array.size <= WHOLE else "fixed"
    text = np.array2string(
        array, max_line_width=width, threshold=WHOLE, edgeitems=EDGE, separator=", ",
        floatmode=floatmode, precision=6,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in text.splitlines())


def place(index: tuple[int, ...]) -> str:
    """An index as it is written in Python: `[3, 2]`."""
    return f"[{', '.join(str(n) for n in index)}]"


def _one_line(array: Array, precision: int) -> str:
    import numpy as np

    text = np.array2string(
        array, max_line_width=10**6, threshold=2 * EDGE, edgeitems=EDGE if array.ndim == 1 else 2,
        separator=", ", formatter={"float_kind": lambda x: number(float(x), precision)},
    )  # fmt: skip
    return " ".join(text.split()).replace("[ ", "[")
