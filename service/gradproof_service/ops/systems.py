"""Linear systems: a full or a triangular matrix, and one or many right-hand sides.

A singular matrix never raises: its solution is NaN, and the rest of the stack keeps its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, broadcast_shapes, floating, promote, type_of
from gradproof_service.ops.decompositions import (
    as_float,
    guarded,
    need_square,
    smallest_singular,
    well_conditioned,
)
from gradproof_service.ops.linalg import refuse_bool, the_one, widened
from gradproof_service.ops.reads import systems
from gradproof_service.ops.record import SHAPE, Attr, Draw, IllTyped, Margin, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _infer_solve(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_bool(ins)
    a, b = ins
    need_square(a, "A")
    if not b.rank:
        raise IllTyped(SHAPE, "b has no axes, expected a vector (n,) or matrices (*, n, k)")
    column = b.shape[-1:] if b.rank == 1 else b.shape[-2:]
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if column[0] != a.shape[-1] or batch is None:
        raise IllTyped(SHAPE, f"A {a.shape} and b {b.shape} do not fit; b is (n,) or (*, n, k)")
    return attrs, (type_of(floating(promote(*ins)), (*batch, *column)),)


def _systems(s: Site, a: Array, b: Array, run: Callable[[Array, Array], Array]) -> Array:
    """Brings stacks of systems to `run`; one matrix with many right-hand sides is factored once."""
    a, b = as_float(s, a), as_float(s, b)
    lead, vector = len(s.lead(a)), len(s.ins[1].shape) == 1
    b = b[..., None] if vector else b
    a, b = widened(a, lead, b.ndim), widened(b, lead, a.ndim)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    one = the_one(a)
    if one is not None and b.size:
        sides = np.moveaxis(b, -2, 0)
        x = guarded(run, one, sides.reshape(len(one), -1)).reshape(sides.shape)
        y = np.broadcast_to(np.moveaxis(x, 0, -2), (*batch, *b.shape[-2:]))
    else:
        y = guarded(
            run,
            np.broadcast_to(a, (*batch, *a.shape[-2:])),
            np.broadcast_to(b, (*batch, *b.shape[-2:])),
        )
    return y[..., 0] if vector else y


def _outer(xp: Any, s: Site, u: Any, v: Any) -> Any:
    """u v^T for vectors or for columns of matrices, summed over the columns."""
    if s.ins[1].rank == 1:
        return xp.expand_dims(u, axes=(-1,)) * xp.expand_dims(v, axes=(-2,))
    return u @ xp.matrix_transpose(v)


def _product(xp: Any, s: Site, a: Any, x: Any) -> Any:
    """A x where x is a solution: a vector for each matrix when b is a vector."""
    if s.ins[1].rank == 1:
        return xp.squeeze(a @ xp.expand_dims(x, axes=(-1,)), axes=(-1,))
    return a @ x


def _solutions(xp: Any, s: Site, op: Callable[..., Any], a: Any, c: Any, **attrs: Any) -> Any:
    """op(A, c) for a c of the result's shape, which may be a stack of vectors."""
    if s.ins[1].rank == 1 and s.out.rank > 1:
        return xp.squeeze(op(a, xp.expand_dims(c, axes=(-1,)), **attrs), axes=(-1,))
    return op(a, c, **attrs)


def _solve_along_matrix(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    return -_solutions(xp, s, xp.solve, xs[0], _product(xp, s, t, ys[0]))


def _solve_matrix_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    back = _solutions(xp, s, xp.solve, xp.matrix_transpose(xs[0]), c)
    return -_outer(xp, s, back, ys[0])


def _sides(d: Draw, n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of A and of b."""
    k = d.integer(1, 3)
    return d.choice((
        ((n, n), (n,)), ((n, n), (n, k)), ((2, n, n), (n,)), ((2, n, n), (n, k)),
        ((n, n), (2, n, k)), ((2, n, n), (2, n, k)), ((2, 1, n, n), (3, n, k)),
    ))  # fmt: skip


def _sample_solve(d: Draw) -> Sample:
    a, b = _sides(d, d.integer(1, 4))
    return (well_conditioned(d, a), d.real(b)), {}


SOLVE = Op(
    "solve", "x with A x = b, for a vector b (n,) or matrices b (*, n, k); NaN where A is singular",
    "A x = b;  dx = A^-1 (db - dA x)",
    _infer_solve, lambda s, a, b: _systems(s, a, b, np.linalg.solve), _sample_solve, (2, 2),
    jvp=(
        _solve_along_matrix,
        lambda xp, s, xs, ys, t: xp.solve(xs[0], t),
    ),
    vjp=(
        _solve_matrix_cotangent,
        lambda xp, s, xs, ys, c: _solutions(xp, s, xp.solve, xp.matrix_transpose(xs[0]), c),
    ),
    margins=(Margin("domain", "smallest singular value of A > 0", smallest_singular),),
    linear=(1,), analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: s.ins[0].size * s.ins[0].shape[-1] / 1.5 + 2.0 * s.out.size * s.ins[0].shape[-1],
    source="Giles, Collected matrix derivative results, 2008",
    reads=systems,
)  # fmt: skip


def _one_triangle(s: Site, a: Array) -> Array:
    """The triangle that is read, as a full matrix."""
    if not s["unit_diagonal"]:
        return np.tril(a) if s["lower"] else np.triu(a)
    return (np.tril(a, -1) if s["lower"] else np.triu(a, 1)) + np.eye(a.shape[-1], dtype=a.dtype)


def _substitute(s: Site, a: Array, b: Array) -> Array:
    """LAPACK's trtrs for one matrix; for a stack, LU of upper triangles, which is substitution.

    A lower triangle read backwards in both axes is an upper one; in an upper one the elimination
    finds nothing to eliminate and pivots nothing, so only the back substitution is left.
    """
    if a.ndim == 2 and b.size:
        from scipy.linalg import get_lapack_funcs  # scipy costs 0.1 s and more at import

        trtrs: Any = get_lapack_funcs("trtrs", (a, b))
        x, info = trtrs(
            a, b, lower=s["lower"], trans=int(s["transpose"]), unitdiag=s["unit_diagonal"]
        )
        if info:
            raise np.linalg.LinAlgError("singular")
        return x
    full = _one_triangle(s, a)
    full = np.swapaxes(full, -1, -2) if s["transpose"] else full
    if s["lower"] == s["transpose"]:
        return np.linalg.solve(full, b)
    return np.linalg.solve(full[..., ::-1, ::-1], b[..., ::-1, :])[..., ::-1, :]


def _triangle(xp: Any, s: Site, m: Any) -> Any:
    """The part of a matrix that the op reads."""
    k = int(s["unit_diagonal"])
    return xp.tril(m, k=-k) if s["lower"] else xp.triu(m, k=k)


def _how(s: Site, *, turned: bool) -> dict[str, bool]:
    """The op's attributes, for A or (turned) for its transpose."""
    return {
        "lower": s["lower"],
        "transpose": s["transpose"] != turned,
        "unit_diagonal": s["unit_diagonal"],
    }


def _triangular_along_matrix(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    t = _triangle(xp, s, t)
    moved = _product(xp, s, xp.matrix_transpose(t) if s["transpose"] else t, ys[0])
    return -_solutions(xp, s, xp.solve_triangular, xs[0], moved, **_how(s, turned=False))


def _triangular_matrix_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    back = _solutions(xp, s, xp.solve_triangular, xs[0], c, **_how(s, turned=True))
    grown = _outer(xp, s, ys[0], back) if s["transpose"] else _outer(xp, s, back, ys[0])
    return -_triangle(xp, s, grown)


def _triangular_sides_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    return _solutions(xp, s, xp.solve_triangular, xs[0], c, **_how(s, turned=True))


def _smallest_pivot(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    a = xs[0]
    if s["unit_diagonal"] or not a.shape[-1]:
        return np.full((*a.shape[:-2], 1, 1), np.inf)
    return np.min(np.abs(np.diagonal(a, 0, -2, -1)), -1)[..., None, None]


def _sample_triangular(d: Draw) -> Sample:
    a, b = _sides(d, d.integer(1, 4))
    flags = {k: d.choice((False, True)) for k in ("lower", "transpose", "unit_diagonal")}
    return (well_conditioned(d, a), d.real(b)), flags


SOLVE_TRIANGULAR = Op(
    "solve_triangular", "x with T x = b or T^T x = b, T the triangle of A that is read",
    "T x = b;  dx = T^-1 (db - dT x)",
    _infer_solve,
    lambda s, a, b: _systems(s, a, b, lambda a, b: _substitute(s, a, b)),
    _sample_triangular, (2, 2),
    jvp=(
        _triangular_along_matrix,
        lambda xp, s, xs, ys, t: xp.solve_triangular(xs[0], t, **s.attrs),
    ),
    vjp=(_triangular_matrix_cotangent, _triangular_sides_cotangent),
    attrs=(
        Attr("lower", "bool", "read the lower triangle of A, not the upper one", False),
        Attr("transpose", "bool", "solve with the triangle's transpose", False),
        Attr("unit_diagonal", "bool", "take the diagonal as ones, without reading it", False),
    ),
    margins=(Margin("domain", "smallest |A_ii| > 0", _smallest_pivot),),
    linear=(1,), analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: float(s.out.size) * s.ins[0].shape[-1],
    source="Giles, Collected matrix derivative results, 2008",
    reads=systems,
)  # fmt: skip

RECORDS = (SOLVE, SOLVE_TRIANGULAR)
