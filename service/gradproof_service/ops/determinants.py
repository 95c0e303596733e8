"""Inverses and determinants.

det is a polynomial, so its derivative exists for every matrix: it is taken from cofactors, never
from det(A) inv(A), which has no value where A is singular.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.ops.decompositions import (
    as_float,
    guarded,
    infer_square,
    smallest_singular,
    well_conditioned,
)
from gradproof_service.ops.reads import matrices
from gradproof_service.ops.record import Draw, Margin, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _shape(d: Draw) -> tuple[int, ...]:
    n = d.integer(1, 4)
    return d.choice(((n, n), (2, n, n), (2, 1, n, n)))


def _inv_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    turned = xp.matrix_transpose(ys[0])
    return -(turned @ c @ turned)


INV = Op(
    "inv", "inverse matrix; NaN where A is singular", "Y = A^-1;  dY = -Y dA Y",
    infer_square, lambda s, a: guarded(np.linalg.inv, as_float(s, a)),
    lambda d: ((well_conditioned(d, _shape(d)),), {}),
    jvp=(lambda xp, s, xs, ys, t: -(ys[0] @ t @ ys[0]),),
    vjp=(_inv_cotangent,),
    margins=(Margin("domain", "smallest singular value > 0", smallest_singular),),
    analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: 2.0 * s.out.size * s.out.shape[-1],
    source="Giles, Collected matrix derivative results, 2008",
    reads=matrices,
)  # fmt: skip


def _infer_scalar(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, (t,) = infer_square(attrs, ins)
    return attrs, (t.with_shape(t.shape[:-2]),)


def _infer_slogdet(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, (t,) = _infer_scalar(attrs, ins)
    return attrs, (t, t)


def _slogdet(s: Site, a: Array) -> tuple[Array, Array]:
    """Real sign, and log(det / sign), which for the complex step is holomorphic."""
    sign, log = (np.asarray(v) for v in np.linalg.slogdet(as_float(s, a)))
    if sign.dtype.kind != "c":
        return sign, log
    side = np.sign(np.real(sign))
    return side, log + 1j * np.angle(sign * side)


def _times_matrix(xp: Any, c: Any, m: Any) -> Any:
    """A number per matrix times that matrix."""
    return xp.expand_dims(c, axes=(-2, -1)) * m


SLOGDET = Op(
    "slogdet", "sign of the determinant, and the logarithm of its absolute value",
    "(s, l) = (sign det A, log |det A|);  ds = 0,  dl = tr(A^-1 dA)",
    _infer_slogdet, _slogdet, lambda d: ((well_conditioned(d, _shape(d)),), {}),
    jvp=(
        lambda xp, s, xs, ys, t: (
            None, xp.einsum(xp.inv(xs[0]), t, equation="...ij,...ji->..."),
        ),
    ),
    vjp=(
        lambda xp, s, xs, ys, c: None if c[1] is None
        else _times_matrix(xp, c[1], xp.matrix_transpose(xp.inv(xs[0]))),
    ),
    margins=(
        Margin("domain", "smallest singular value > 0; the sign jumps there", smallest_singular),
    ),
    analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: s.ins[0].size * s.ins[0].shape[-1] / 1.5,
    source="Giles, Collected matrix derivative results, 2008",
    reads=matrices,
)  # fmt: skip


def _sample_any_rank(d: Draw) -> Sample:
    """Square matrices, often singular: a row twice, a row or two of zeros."""
    a = d.real(_shape(d))
    match d.choice(("full", "twice", "zero", "two zero")):
        case "twice":
            a[..., -1, :] = a[..., 0, :]
        case "zero":
            a[..., 0, :] = 0.0
        case "two zero":
            a[..., -2:, :] = 0.0
        case _:
            pass
    return (a,), {}


DET = Op(
    "det", "determinant", "y = det A;  dy = <cof A, dA>, for singular A too",
    _infer_scalar, lambda s, a: np.asarray(np.linalg.det(as_float(s, a))), _sample_any_rank,
    jvp=(
        lambda xp, s, xs, ys, t: xp.einsum(xp.cofactor(xs[0]), t, equation="...ij,...ij->..."),
    ),
    vjp=(lambda xp, s, xs, ys, c: _times_matrix(xp, c, xp.cofactor(xs[0])),),
    analytic=True, accumulates=True, ulps=2.0,
    cost=lambda s: s.ins[0].size * s.ins[0].shape[-1] / 1.5,
    source="Jacobi's formula",
    reads=matrices,
)  # fmt: skip


def _cofactor(s: Site, a: Array) -> Array:
    return guarded(_cofactor_svd, as_float(s, a))


def _cofactor_svd(a: Array) -> Array:
    """cof(U S V) = det(U V) U cof(S) V: products of all singular values but one, no division."""
    if a.shape[-1] < 2:
        return np.ones_like(a)
    u, sigma, v = np.linalg.svd(a)
    one = np.ones_like(sigma[..., :1])
    below = np.cumprod(np.concatenate((one, sigma[..., :-1]), -1), -1)
    above = np.cumprod(np.concatenate((one, sigma[..., :0:-1]), -1), -1)[..., ::-1]
    turn = np.sign(np.linalg.det(u @ v))[..., None, None]
    return turn * ((u * (below * above)[..., None, :]) @ v)


def _bordered(xp: Any, a: Any, columns: Any, rows: Any) -> Any:
    """The matrices [[A, u_k], [v_k, 0]] for k = 1..n: u_k, v_k the rows of `columns`, `rows`."""
    n = a.shape[-1]
    many = (*a.shape[:-2], n, n, n)
    right = xp.broadcast_to(xp.expand_dims(columns, axes=(-1,)), shape=(*many[:-1], 1))
    below = xp.broadcast_to(xp.expand_dims(rows, axes=(-2,)), shape=(*many[:-2], 1, n))
    top = xp.concat(xp.broadcast_to(xp.expand_dims(a, axes=(-3,)), shape=many), right, axis=-1)
    corner = xp.pad(below, pad_width=(0, 0) * (len(many) - 1) + (0, 1))
    return xp.concat(top, corner, axis=-2)


def _second_cofactors(xp: Any, s: Site, a: Any, columns: Any, rows: Any) -> Any:
    """sum over k of -cof(bordered_k), without the border: the derivative of cof along u_k v_k^T."""
    n = a.shape[-1]
    whole = xp.sum(xp.cofactor(_bordered(xp, a, columns, rows)), axes=(-3,))
    upper, _ = xp.split(whole, sizes=(n, 1), axis=-2)
    inner, _ = xp.split(upper, sizes=(n, 1), axis=-1)
    return -inner


def _units(xp: Any, s: Site) -> Any:
    return xp.diag_embed(xp.full(value=1.0, shape=s.out.shape[-1:], dtype=s.out.dtype))


COFACTOR = Op(
    "cofactor", "cofactor matrix, the gradient of the determinant; det(A) A^-T where A is regular",
    "C = cof A;  dC = -sum_k cof [[A, dA e_k], [e_k^T, 0]], without the border",
    infer_square, _cofactor, _sample_any_rank,
    jvp=(
        lambda xp, s, xs, ys, t: _second_cofactors(
            xp, s, xs[0], xp.matrix_transpose(t), _units(xp, s)  # by columns of dA
        ),
    ),
    vjp=(
        lambda xp, s, xs, ys, c: _second_cofactors(
            xp, s, xs[0], _units(xp, s), c  # by rows of the cotangent: D^2 det is symmetric
        ),
    ),
    accumulates=True, normwise=True, ulps=4.0,
    cost=lambda s: 20.0 * s.out.size * s.out.shape[-1],
    source="Jacobi's formula; Cauchy's expansion of a bordered determinant",
    reads=matrices,
)  # fmt: skip

RECORDS = (INV, SLOGDET, DET, COFACTOR)
