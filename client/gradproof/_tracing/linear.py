"""Linear algebra of NumPy in ops: products, contractions, solves, determinants and norms."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters
from typing import Any, Final, NamedTuple

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced, floating, normal, one_axis
from gradproof._tracing.picking import diagonal
from gradproof._tracing.reduction import reduced
from gradproof._tracing.shaping import ravel, reshape, transpose
from gradproof._tracing.tape import apply
from gradproof._tracing.unsupported import refuse

Lowering = Callable[..., Any]


class Slogdet(NamedTuple):
    """What np.linalg.slogdet returns."""

    sign: Traced
    logabsdet: Traced


def matmul(a: Any, b: Any) -> Traced:
    """The matrix product of the last two axes; a vector is a row on the left, a column on the right."""
    return apply("matmul", as_traced(a), as_traced(b))


def dot(a: Any, b: Any) -> Traced:
    """np.dot: the sum over a's last axis and b's last but one."""
    a, b = as_traced(a), as_traced(b)
    if not a.ndim or not b.ndim:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))


def inner(a: Any, b: Any) -> Traced:
    """np.inner: the sum over both last axes."""
    a, b = as_traced(a), as_traced(b)
    return a * b if not a.ndim or not b.ndim else tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def outer(a: Any, b: Any) -> Traced:
    """Every product of an element of a with one of b."""
    return reshape(ravel(a), (-1, 1)) * ravel(b)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Traced:
    """The sum over pairs of axes."""
    a, b = as_traced(a), as_traced(b)
    if isinstance(axes, int | np.integer):
        ours, theirs = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        ours, theirs = ([i] if isinstance(i, int | np.integer) else list(i) for i in axes)
    ours = [one_axis(i, a.ndim) + a.ndim for i in ours]
    theirs = [one_axis(i, b.ndim) + b.ndim for i in theirs]
    left = list(ascii_letters[: a.ndim])
    right = list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(ours, theirs, strict=True):
        right[j] = left[i]
    kept = [n for i, n in enumerate(left) if i not in ours] + [
        n for j, n in enumerate(right) if j not in theirs
    ]
    return apply("einsum", a, b, equation=f"{''.join(left)},{''.join(right)}->{''.join(kept)}")


def einsum(subscripts: Any, *operands: Any, optimize: Any = False, dtype: Any = None) -> Traced:
    """Einstein's summation; the output's indices are written out when they were left implicit."""
    if not isinstance(subscripts, str):
        refuse(
            "unknown-option",
            "np.einsum with lists of axis numbers is not recorded",
            "np.einsum('ij,jk->ik', a, b)",
        )
    equation = subscripts.replace(" ", "")
    if "->" not in equation:
        names = equation.replace(",", "").replace("...", "")
        once = sorted(n for n in set(names) if names.count(n) == 1)
        equation += "->" + ("..." if "..." in equation else "") + "".join(once)
    return apply("einsum", *map(as_traced, operands), equation=equation)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Traced:
    """The sum of a diagonal."""
    return reduced("sum", diagonal(a, offset, axis1, axis2), -1)


def vdot(a: Any, b: Any) -> Traced:
    """The inner product of everything."""
    return matmul(ravel(a), ravel(b))


def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Traced:
    """The inner product along an axis."""
    return reduced("sum", as_traced(a) * b, axis)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Traced:
    """Norms of vectors and matrices; those that need singular values have no op."""
    x = floating(as_traced(x))
    if axis is None and ord is None:
        out = apply("vector_norm", x, axes=normal(None, x.ndim), keepdims=False)
        return reshape(out, (1,) * x.ndim) if keepdims else out
    axes = normal(axis, x.ndim)
    if len(axes) == 1:
        if ord == 0:
            return reduced("sum", apply("not_equal", x, 0).astype(x.dtype), axes, keepdims)
        return apply(
            "vector_norm", x, axes=axes, keepdims=keepdims, ord=2.0 if ord is None else float(ord)
        )
    if ord in (None, "fro"):
        return apply("vector_norm", x, axes=axes, keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        given = [one_axis(a, x.ndim) for a in (axis or (-2, -1))]
        first, second = given if abs(ord) == 1 else given[::-1]
        sums = reduced("sum", apply("abs", x), first, True)
        out = reduced("max" if ord > 0 else "min", sums, second, True)
        return out if keepdims else apply("squeeze", out, axes=axes)
    return refuse(
        "no-op",
        f"np.linalg.norm with ord={ord!r} needs singular values, which the op catalogue does not have",
    )


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Traced:
    """A norm of the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Traced:
    """The p-norm along axes."""
    x = floating(as_traced(x))
    return apply("vector_norm", x, axes=normal(axis, x.ndim), keepdims=keepdims, ord=float(ord))


def solve(a: Any, b: Any) -> Traced:
    """x with a x = b; in NumPy 2 b is a vector only when it has one axis."""
    return apply("solve", floating(as_traced(a)), floating(as_traced(b)))


def on_matrix(op: str) -> Lowering:
    """An op of one matrix of floats."""
    return lambda a: apply(op, floating(as_traced(a)))


def cholesky(a: Any, /, *, upper: bool = False) -> Traced:
    """The lower Cholesky factor, or its transpose."""
    x = floating(as_traced(a))
    lower = apply("cholesky", apply("matrix_transpose", x) if upper else x)
    return apply("matrix_transpose", lower) if upper else lower


def matrix_power(a: Any, n: int) -> Traced:
    """A whole power of a matrix by repeated squaring."""
    x = as_traced(a)
    if n < 0:
        x, n = apply("inv", x), -n
    if n == 0:
        return as_traced(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape))
    out: Traced | None = None
    while n:
        if n & 1:
            out = x if out is None else matmul(out, x)
        n >>= 1
        x = matmul(x, x) if n else x
    assert out is not None
    return out


def multi_dot(arrays: Any) -> Traced:
    """A chain of products, from the left."""
    out, *rest = map(as_traced, arrays)
    for x in rest:
        out = dot(out, x)
    return out


def kron(a: Any, b: Any) -> Traced:
    """The Kronecker product."""
    a, b = as_traced(a), as_traced(b)
    rank = max(a.ndim, b.ndim)
    wide_a = (1,) * (rank - a.ndim) + a.shape
    wide_b = (1,) * (rank - b.ndim) + b.shape
    left = reshape(a, tuple(n for m in wide_a for n in (m, 1)))
    right = reshape(b, tuple(n for m in wide_b for n in (1, m)))
    return reshape(left * right, tuple(m * n for m, n in zip(wide_a, wide_b, strict=True)))


def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Traced:
    """The vector product of vectors of three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    u, v = _components(as_traced(a), axisa), _components(as_traced(b), axisb)
    parts = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    return apply("stack", *parts, axis=one_axis(axisc, parts[0].ndim + 1))


def _components(x: Traced, axis: int) -> list[Traced]:
    place = one_axis(axis, x.ndim) + x.ndim
    if x.shape[place] != 3:
        refuse(
            "unknown-option", f"np.cross of vectors of {x.shape[place]} components is not recorded"
        )
    last = transpose(x, (*(i for i in range(x.ndim) if i != place), place))
    return [last[..., i] for i in range(3)]


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None) -> Traced:
    """The covariance matrix of variables in rows."""
    x = floating(as_traced(m))
    if y is not None:
        refuse(
            "unknown-option",
            "np.cov of two arrays is not recorded",
            "np.cov(np.concatenate([m, y]))",
        )
    x = reshape(x, (1, -1)) if x.ndim == 1 else x if rowvar else transpose(x)
    x = x - reduced("mean", x, -1, True)
    count = x.shape[-1] - (int(not bias) if ddof is None else ddof)
    out = matmul(x, transpose(x)) / float(count)
    return reshape(out, np.cov(np.zeros(x.shape)).shape)


TABLE: Final[dict[Any, Lowering]] = {
    np.matmul: matmul, np.dot: dot, np.inner: inner, np.outer: outer, np.tensordot: tensordot,
    np.einsum: einsum, np.trace: trace, np.vdot: vdot, np.vecdot: vecdot, np.kron: kron, np.cross: cross,
    np.cov: cov, np.linalg.norm: norm, np.linalg.vector_norm: vector_norm,
    np.linalg.matrix_norm: matrix_norm,
    np.linalg.solve: solve, np.linalg.inv: on_matrix("inv"), np.linalg.det: on_matrix("det"),
    np.linalg.slogdet: lambda a: Slogdet(*on_matrix("slogdet")(a)),
    np.linalg.cholesky: cholesky, np.linalg.matrix_power: matrix_power, np.linalg.multi_dot: multi_dot,
    np.linalg.matmul: matmul, np.linalg.outer: outer, np.linalg.vecdot: vecdot,
    np.linalg.tensordot: lambda a, b, *, axes=2: tensordot(a, b, axes),
    np.linalg.trace: lambda x, *, offset=0: trace(x, offset, -2, -1),
    np.linalg.diagonal: lambda x, *, offset=0: diagonal(x, offset, -2, -1),
    np.linalg.matrix_transpose: lambda x: apply("matrix_transpose", x),
    np.linalg.cross: lambda a, b, *, axis=-1: cross(a, b, axis=axis),
}  # fmt: skip
