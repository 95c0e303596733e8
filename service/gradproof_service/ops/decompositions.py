"""The Cholesky factor, and what all ops on square matrices share.

No kernel raises on a singular or indefinite matrix: its place in the result is filled with NaN,
and the other matrices of the stack keep their values (`guarded`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, floating, type_of
from gradproof_service.ops.axes import need_matrix
from gradproof_service.ops.linalg import refuse_bool
from gradproof_service.ops.reads import matrices
from gradproof_service.ops.record import SHAPE, Attr, Draw, IllTyped, Margin, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def need_square(t: Type, what: str = "operand") -> None:
    """Raise `IllTyped` unless the type is a stack of square matrices."""
    need_matrix(t, what)
    if t.shape[-1] != t.shape[-2]:
        raise IllTyped(SHAPE, f"{what} has shape {t.shape}, expected square matrices (*, n, n)")


def infer_square(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    """Square matrices in, as many of the same shape out."""
    refuse_bool(ins)
    need_square(ins[0])
    return attrs, (type_of(floating(ins[0].dtype), ins[0].shape),)


def guarded(run: Callable[..., Any], *stacks: Array) -> Array:
    """`run(*stacks)`, matrix by matrix when LAPACK gives up on one of them: that one is NaN.

    The stacks have equal leading axes; `run` keeps the shape of its last one.
    """
    try:
        return run(*stacks)
    except np.linalg.LinAlgError:
        pass
    last = stacks[-1]
    out = np.full(last.shape, np.nan, np.result_type(*stacks))
    for at in np.ndindex(last.shape[:-2]):
        try:
            out[at] = run(*(x[at] for x in stacks))
        except np.linalg.LinAlgError:
            continue
    return out


def as_float(s: Site, x: Array) -> Array:
    """Integers in the dtype of the result, as LAPACK needs floats."""
    return x if x.dtype.kind in "fc" else x.astype(s.outs[-1].dtype)


def smallest_singular(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """Distance (spectral norm) to the nearest singular matrix, shape (*, 1, 1); NaN counts as 0."""
    a = as_float(s, xs[0])
    if not a.shape[-1]:
        return np.full(a.shape, np.inf)
    safe = np.where(np.isfinite(a).all((-2, -1), keepdims=True), a, 0.0)
    return np.linalg.svd(safe, compute_uv=False)[..., -1:, None]


def _chol(s: Site, x: Array) -> Array:
    x = as_float(s, x)
    a = (x + np.swapaxes(x, -1, -2)) / 2
    low = _holomorphic(a) if a.dtype.kind == "c" else guarded(np.linalg.cholesky, a)
    return np.swapaxes(low, -1, -2) if s["upper"] else low


def _holomorphic(a: Array) -> Array:
    """L with A = L L^T (no conjugate), column by column: for the complex step."""
    low = np.zeros(a.shape, a.dtype)
    for j in range(a.shape[-1]):
        rest = a[..., j:, j] - np.matmul(low[..., j:, :j], low[..., j, :j, None])[..., 0]
        low[..., j:, j] = rest / np.sqrt(rest[..., :1])
    return low


def _half(xp: Any, m: Any) -> Any:
    """The lower triangle with its diagonal halved."""
    return xp.tril(m) - xp.diag_embed(0.5 * xp.diagonal(m))


def _chol_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    """L half(L^-1 dS L^-T), dS the symmetric part of dA."""
    low = xp.matrix_transpose(ys[0]) if s["upper"] else ys[0]
    sym = 0.5 * (t + xp.matrix_transpose(t))
    left = xp.solve_triangular(low, sym, lower=True)
    both = xp.solve_triangular(low, xp.matrix_transpose(left), lower=True)
    y_dot = low @ _half(xp, both)
    return xp.matrix_transpose(y_dot) if s["upper"] else y_dot


def _chol_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """The symmetric part of L^-T half(L^T L_bar) L^-1."""
    low, bar = (xp.matrix_transpose(ys[0]), xp.matrix_transpose(c)) if s["upper"] else (ys[0], c)
    inner = _half(xp, xp.matrix_transpose(low) @ bar)
    left = xp.solve_triangular(low, inner, lower=True, transpose=True)
    both = xp.solve_triangular(low, xp.matrix_transpose(left), lower=True, transpose=True)
    return 0.5 * (both + xp.matrix_transpose(both))


def _smallest_eigenvalue(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    a = as_float(s, xs[0])
    if not a.shape[-1]:
        return np.full(a.shape, np.inf)
    safe = np.where(np.isfinite(a).all((-2, -1), keepdims=True), a, 0.0)
    return np.linalg.eigvalsh((safe + np.swapaxes(safe, -1, -2)) / 2)[..., :1, None]


def well_conditioned(d: Draw, shape: tuple[int, ...]) -> Array:
    """Matrices that lean on their diagonal, of either sign."""
    n = shape[-1]
    signs = np.array([(-1.0) ** d.integer(0, 1) for _ in range(n)])
    return d.real(shape, -1.0, 1.0) + np.diag(signs * (n + 1.0))


def positive_definite(d: Draw, shape: tuple[int, ...]) -> Array:
    """Well conditioned symmetric positive definite matrices, eigenvalues at least 1."""
    m = d.real(shape, -1.0, 1.0)
    return m @ np.swapaxes(m, -1, -2) + np.eye(shape[-1])


def _sample_chol(d: Draw) -> Sample:
    n = d.integer(1, 4)
    a = positive_definite(d, d.choice(((n, n), (2, n, n), (1, 2, n, n))))
    return (a,), {"upper": d.choice((False, True))}


CHOLESKY = Op(
    "cholesky", "triangular L with L L^T = (A + A^T)/2, or U = L^T; NaN unless positive definite",
    "S = L L^T;  dL = L half(L^-1 dS L^-T), half: lower triangle, diagonal halved",
    infer_square, _chol, _sample_chol,
    jvp=(_chol_tangent,), vjp=(_chol_cotangent,),
    attrs=(Attr("upper", "bool", "give U with U^T U = A instead of L", False),),
    kink="reads the symmetric part, so its gradient is symmetric (torch and jax agree)",
    margins=(Margin("domain", "smallest eigenvalue > 0", _smallest_eigenvalue),),
    analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: s.out.size * s.out.shape[-1] / 3.0,
    source="Murray, Differentiation of the Cholesky decomposition, 2016",
    reads=matrices,
)  # fmt: skip

RECORDS = (CHOLESKY,)
