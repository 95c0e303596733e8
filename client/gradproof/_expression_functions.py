"""What a name means in an expression: the functions with their arguments, constants and operators.

Nothing is typed here: the point of a request says what the inputs are. Functions without an op of
their own are spelled in ops, by formulas that are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import e as euler
from math import inf, log, nan, pi, sqrt, tau
from typing import Any, Final, NamedTuple, Protocol


class Value(NamedTuple):
    """A value of the function being written, by its number."""

    id: int


class Emit(Protocol):
    """Adds one node of op `op`; Python numbers among the operands become constants."""

    def __call__(self, op: str, *operands: Any, **attrs: Any) -> Value: ...


class Misuse(Exception):
    """A function got arguments it does not take; the message says what it takes."""


Function = Callable[..., Value]
"""`(emit, *operands, **options) -> value`. Operands are values or Python numbers, options plain values."""


def elementwise(op: str, count: int = 1) -> Function:
    """An op of `count` operands and nothing else."""

    def function(emit: Emit, *operands: Any) -> Value:
        if len(operands) != count:
            raise Misuse(f"takes {count} argument{'s' * (count != 1)}, {len(operands)} came")
        return emit(op, *operands)

    return function


def reduction(op: str, **fixed: Any) -> Function:
    """An op that reduces over axes."""

    def function(emit: Emit, x: Any, axis: Any = None, keepdims: bool = False) -> Value:
        axes = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        return emit(op, x, axes=axes, keepdims=keepdims or None, **fixed)

    return function


def spread(op: str) -> Function:
    """var and std, with NumPy's ddof."""

    def function(
        emit: Emit, x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False
    ) -> Value:
        axes = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        return emit(op, x, axes=axes, correction=float(ddof) or None, keepdims=keepdims or None)

    return function


def along(op: str, default: int | None = -1) -> Function:
    """An op along one axis."""

    def function(emit: Emit, x: Any, axis: Any = default) -> Value:
        return emit(op, x, axis=axis)

    return function


def norm(emit: Emit, x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Value:
    """The p-norm of vectors."""
    axes = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return emit("vector_norm", x, axes=axes, ord=float(ord), keepdims=keepdims or None)


def extreme(reducing: str, pairwise: str) -> Function:
    """max and min: of one array, or of two values as in Python."""

    def function(
        emit: Emit, x: Any, *others: Any, axis: Any = None, keepdims: bool = False
    ) -> Value:
        if not others:
            return reduction(reducing)(emit, x, axis, keepdims)
        for other in others:
            x = emit(pairwise, x, other)
        return x

    return function


def logarithm(emit: Emit, x: Any, base: Any = None) -> Value:
    """The natural logarithm, or to a base."""
    return emit("log", x) if base is None else emit("divide", emit("log", x), emit("log", base))


def rounded(emit: Emit, x: Any, decimals: int = 0) -> Value:
    """To the nearest whole number, or multiple of 10^-decimals."""
    if not decimals:
        return emit("round", x)
    scale = 10.0**decimals
    return emit("divide", emit("round", emit("multiply", x, scale)), scale)


def reshape(emit: Emit, x: Any, *shape: Any) -> Value:
    """Another shape."""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    return emit("reshape", x, shape=tuple(given))


def einsum(emit: Emit, equation: Any, *operands: Any) -> Value:
    """Einstein's summation with the output written out."""
    if not isinstance(equation, str):
        raise Misuse("takes its indices first, as in einsum('ij,jk->ik', a, b)")
    return emit("einsum", *operands, equation=equation)


def transpose(emit: Emit, x: Any, axes: Any = None) -> Value:
    """The last two axes swapped, or axes in a given order."""
    return (
        emit("matrix_transpose", x) if axes is None else emit("permute_dims", x, axes=tuple(axes))
    )


def floor_divide(emit: Emit, a: Any, b: Any) -> Value:
    """The floor of the quotient."""
    return emit("floor", emit("divide", a, b))


def remainder(emit: Emit, a: Any, b: Any) -> Value:
    """a - floor(a / b) b."""
    return emit("subtract", a, emit("multiply", floor_divide(emit, a, b), b))


def power(emit: Emit, a: Any, b: Any) -> Value:
    """a to the power b."""
    return emit("square", a) if type(b) in (int, float) and b == 2 else emit("pow", a, b)


def hyperbolic(sign: int) -> Function:
    """cosh as half a sum of exponentials; sinh through expm1, which does not cancel near 0."""

    def function(emit: Emit, x: Any) -> Value:
        if sign > 0:
            total = emit("add", emit("exp", x), emit("exp", emit("negative", x)))
        else:
            grown = emit("expm1", x)
            total = emit("add", grown, emit("divide", grown, emit("add", grown, 1.0)))
        return emit("multiply", total, 0.5)

    return function


def hypot(emit: Emit, a: Any, b: Any) -> Value:
    """sqrt(a^2 + b^2)."""
    return emit("sqrt", emit("add", emit("square", a), emit("square", b)))


def logaddexp(emit: Emit, a: Any, b: Any) -> Value:
    """max + log1p(exp(-|a - b|))."""
    gap = emit("abs", emit("subtract", a, b))
    return emit("add", emit("maximum", a, b), emit("log1p", emit("exp", emit("negative", gap))))


def artanh(emit: Emit, x: Any) -> Value:
    """(log1p(x) - log1p(-x)) / 2."""
    return emit(
        "multiply", emit("subtract", emit("log1p", x), emit("log1p", emit("negative", x))), 0.5
    )


def scaled(op: str, factor: float) -> Function:
    """An op times a constant."""
    return lambda emit, x: emit("multiply", emit(op, x), factor)


def of_scaled(op: str, factor: float) -> Function:
    """An op of a constant times its argument."""
    return lambda emit, x: emit(op, emit("multiply", x, factor))


def joined(op: str) -> Function:
    """concat and stack of a list."""

    def function(emit: Emit, arrays: Any, axis: int = 0) -> Value:
        if not isinstance(arrays, tuple):
            raise Misuse("takes a list of arrays, as in stack([a, b])")
        return emit(op, *arrays, axis=axis)

    return function


def conditional(emit: Emit, condition: Any, a: Any, b: Any) -> Value:
    """a where the condition holds, else b."""
    return emit("where", condition, a, b)


_PLAIN: Final = (
    "abs sign square sqrt reciprocal exp expm1 log1p sin cos tan asin acos atan tanh sigmoid relu erf negative"
    " positive floor ceil trunc isfinite isnan isinf logical_not stop_gradient softplus inv det"
    " cholesky matrix_transpose"
)
_PAIRS: Final = (
    "add subtract multiply divide atan2 maximum minimum matmul solve equal not_equal less less_equal"
    " greater greater_equal logical_and logical_or"
)

FUNCTIONS: Final[dict[str, Function]] = {
    **{name: elementwise(name) for name in _PLAIN.split()},
    **{name: elementwise(name, 2) for name in _PAIRS.split()},
    **{name: reduction(name) for name in ["sum", "mean", "prod", "any", "all", "logsumexp"]},
    "var": spread("var"), "std": spread("std"), "max": extreme("max", "maximum"), "min": extreme("min", "minimum"),
    "argmax": along("argmax", None), "argmin": along("argmin", None), "cumsum": along("cumulative_sum", None),
    "cumulative_sum": along("cumulative_sum", None), "softmax": along("softmax"), "log_softmax": along("log_softmax"),
    "log": logarithm, "ln": logarithm, "round": rounded, "rint": rounded, "pow": power, "power": power,
    "floor_divide": floor_divide, "remainder": remainder, "mod": remainder, "where": conditional,
    "clip": elementwise("clip", 3), "norm": norm, "vector_norm": norm, "dot": elementwise("matmul", 2),
    "vdot": elementwise("matmul", 2), "inner": elementwise("matmul", 2), "reshape": reshape, "einsum": einsum,
    "transpose": transpose, "concatenate": joined("concat"), "concat": joined("concat"), "stack": joined("stack"),
    "absolute": elementwise("abs"), "fabs": elementwise("abs"), "expit": elementwise("sigmoid"),
    "arcsin": elementwise("asin"), "arccos": elementwise("acos"), "arctan": elementwise("atan"),
    "arctan2": elementwise("atan2", 2),
    "sinh": hyperbolic(-1), "cosh": hyperbolic(1), "arctanh": artanh, "atanh": artanh, "hypot": hypot,
    "logaddexp": logaddexp, "log2": scaled("log", 1 / log(2)), "log10": scaled("log", 1 / log(10)),
    "exp2": of_scaled("exp", log(2)), "erfc": lambda emit, x: emit("subtract", 1.0, emit("erf", x)),
    "ndtr": lambda emit, x: emit("multiply", emit("add", emit("erf", emit("multiply", x, 1 / sqrt(2))), 1.0), 0.5),
    "radians": lambda emit, x: emit("multiply", x, pi / 180), "degrees": lambda emit, x: emit("multiply", x, 180 / pi),
    "trace": lambda emit, x: emit("sum", emit("diagonal", x), axes=(-1,)),
    "diagonal": elementwise("diagonal"), "tril": elementwise("tril"), "triu": elementwise("triu"),
    "ravel": lambda emit, x: emit("reshape", x, shape=(-1,)),
    "gelu": elementwise("gelu"), "elu": elementwise("elu"), "leaky_relu": elementwise("leaky_relu"),
}  # fmt: skip
MODULES: Final = frozenset(
    {"np", "numpy", "math", "jnp", "torch", "scipy", "special", "linalg", "gp"}
)
CONSTANTS: Final = {"pi": pi, "e": euler, "tau": tau, "inf": inf, "nan": nan}

BINARY: Final[dict[str, tuple[int, Function]]] = {
    "or": (1, elementwise("logical_or", 2)), "and": (2, elementwise("logical_and", 2)),
    **{
        sign: (4, elementwise(op, 2))
        for sign, op in {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal", "!=": "not_equal"}.items()
    },
    "|": (5, elementwise("logical_or", 2)), "^": (6, elementwise("not_equal", 2)), "&": (7, elementwise("logical_and", 2)),
    "+": (9, elementwise("add", 2)), "-": (9, elementwise("subtract", 2)),
    "*": (10, elementwise("multiply", 2)), "/": (10, elementwise("divide", 2)), "@": (10, elementwise("matmul", 2)),
    "//": (10, floor_divide), "%": (10, remainder), "**": (12, power),
}  # fmt: skip
"""Binary operators: how tightly they bind (as in Python) and what they do."""
UNARY: Final[dict[str, tuple[int, Function]]] = {
    "not": (3, elementwise("logical_not")),
    "-": (11, elementwise("negative")),
    "+": (11, elementwise("positive")),
    "~": (11, elementwise("logical_not")),
}
COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!="})


def nearest(name: str, names: Sequence[str]) -> str:
    """A known name that looks alike, or an empty string."""
    import difflib

    found = difflib.get_close_matches(name, names, 1, 0.6)
    return found[0] if found else ""
