"""Each NumPy idiom records to a program whose value, asked of the service, is NumPy's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest
import scipy.special
from gradproof._subject import prepare
from gradproof._tracing import carry
from gradproof_proto.v1 import check_pb2

V = np.array([0.5, 1.25, -0.75, 2.0])
P = np.array([0.5, 1.25, 0.75, 2.0])
M = np.array([[2.0, 0.5, 0.25], [0.5, 3.0, -0.5], [0.25, -0.5, 1.5]])
W = np.arange(12.0).reshape(3, 4) / 7.0 - 0.6
T = np.linspace(-1.0, 1.5, 24).reshape(2, 3, 4)
I3 = np.array([2, 0, 1])
MASK = np.array([True, False, True, True])

UNARY = [
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "exp2",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "tanh",
    "sinh",
    "cosh",
    "arcsinh",
    "arctanh",
    "square",
    "reciprocal",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "cbrt",
    "radians",
    "degrees",
    "sinc",
    "fabs",
    "absolute",
]


def _in_place(x: Any) -> Any:
    y = x.copy()
    y += 1
    y *= x
    y[1:] -= x[:-1]
    return y


def _out(x: Any) -> Any:
    y = np.zeros_like(x)
    np.multiply(x, 2.0, out=y)
    return y


def _unpack(x: Any) -> Any:
    a, b, *_ = x
    return np.stack([a * b, a - b])


def _write(x: Any) -> Any:
    y = x * 2
    y[0] = x[1] * x[2]
    y[2:] = 0.5
    y[[1, 3]] = x[:2] ** 2
    return y


def _write_view(a: Any) -> Any:
    b = a * 1.0
    row = b[1]
    other = b[:, 0]
    row[:] = a[0] * 2
    other += 1
    b.T[2] = 7.0
    flat = b.reshape(-1)
    flat[0] = a[2, 2]
    return b + row


def _zeros_like(x: Any) -> Any:
    z = np.zeros_like(x)
    for i in range(len(x)):
        z[i] = x[i] * x[-i]
    return z


IDIOMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    # operators
    "reversed": (lambda x: 1 - 2 / (3 * x) + 2**x, (P,)),
    "array on the left": (lambda x: W[0] * x + V @ x, (V,)),
    "power": (lambda x: x**2 + x**3 + x**0.5 + x ** (-1), (P,)),
    "whole power": (lambda x, n: x * n**2, (V, np.array([1, 2, 3, 4]))),
    "floor and remainder": (lambda x: x // 0.3 + x % 0.3 + np.fmod(x, 0.3), (V,)),
    "divmod": (lambda x: sum(divmod(x, 0.3)), (V,)),
    "in place on a copy": (_in_place, (V,)),
    "negative, positive, abs": (lambda x: -x + +x + abs(x), (V,)),
    "comparison to float": (lambda x: (x > 0) * x + (x <= 0.5).astype(float), (V,)),
    "mask arithmetic": (lambda x: x * ((x > 0) & ~(x > 1) | (x < -0.5)), (V,)),
    "float32 stays": (lambda x: 2.0 * np.exp(x) + 1, (V.astype(np.float32),)),
    "scalar argument": (lambda x: x**3 + 2 * x, (3.0,)),
    # ufuncs
    **{name: (getattr(np, name), (P / 3.0,)) for name in UNARY},
    "arccosh": (lambda x: np.arccosh(x + 1.5), (P,)),
    "arctan2": (lambda x: np.arctan2(x, 2.0) + np.arctan2(1.5, -x), (V,)),
    "hypot and logaddexp": (
        lambda x: np.hypot(x, 2.0) + np.logaddexp(x, 0.5) + np.logaddexp2(x, 1.0),
        (V,),
    ),
    "maximum and minimum": (lambda x: np.maximum(x, 0.1) + np.minimum(x, W[0]), (V,)),
    "clip": (lambda x: np.clip(x, -0.5, 1.0) + x.clip(0.1) + np.clip(x, None, 0.3), (V,)),
    "where": (lambda x: np.where(x > 0, x, 0.1 * x), (V,)),
    "heaviside, copysign": (lambda x: np.heaviside(x, 0.5) * np.copysign(x, -1.0), (V,)),
    "nan_to_num": (np.nan_to_num, (V,)),
    "round": (lambda x: np.round(x, 1) + x.round(), (V,)),
    "out of a copy": (_out, (V,)),
    "ufunc reduce": (
        lambda x: np.add.reduce(x) + np.multiply.reduce(x) + np.maximum.reduce(x),
        (T,),
    ),
    "ufunc accumulate": (lambda x: np.add.accumulate(x) + np.multiply.accumulate(x), (V,)),
    "ufunc outer": (lambda x: np.multiply.outer(x, P) + np.subtract.outer(x, P), (V,)),
    "select": (lambda x: np.select([x > 1, x > 0], [x, 2 * x], 3.0), (V,)),
    # scipy.special
    "expit and erf": (
        lambda x: scipy.special.expit(x) + scipy.special.erf(x) + scipy.special.erfc(x),
        (V,),
    ),
    "xlogy and entr": (lambda x: scipy.special.xlogy(x, x) + scipy.special.entr(x), (P,)),
    "logit and ndtr": (lambda x: scipy.special.logit(x / 3) + scipy.special.ndtr(x), (P,)),
    # reductions
    "sum": (lambda x: x.sum() + np.sum(x, axis=1).sum() + x.sum(axis=(0, 2), keepdims=True), (T,)),
    "mean": (lambda x: x.mean() + np.mean(x, axis=-1), (T,)),
    "prod": (lambda x: np.prod(x) + x.prod(axis=0), (W,)),
    "max and min": (lambda x: x.max(axis=1) + np.min(x, axis=1) + np.amax(x), (W,)),
    "var and std": (
        lambda x: x.var() + np.std(x, axis=0, ddof=1) + np.var(x, axis=0, keepdims=True),
        (W,),
    ),
    "ptp": (lambda x: np.ptp(x, axis=0), (W,)),
    "average": (lambda x: np.average(x, axis=1, weights=P), (W,)),
    "cumsum": (lambda x: np.cumsum(x) + x.cumsum(axis=1).ravel(), (W,)),
    "cumprod": (lambda x: np.cumprod(x, axis=1), (W,)),
    "any and all": (lambda x: np.any(x > 0, axis=0) * 1.0 + np.all(x > 0), (W,)),
    "bool sum": (lambda x: (x > 0).sum() * x, (V,)),
    "argmax": (lambda x: np.argmax(x, axis=1) * 1.0 + np.argmin(x), (W,)),
    "nan reductions": (lambda x: np.nansum(x) + np.nanmean(x, axis=0) + np.nanmax(x), (W,)),
    "where reductions": (lambda x: np.sum(x, where=MASK) + np.mean(x, where=MASK), (V,)),
    # linear algebra
    "matmul": (lambda a: W.T @ a @ W, (M,)),
    "batched matmul": (lambda t: t @ W.T @ t, (T,)),
    "dot": (lambda a: np.dot(a, a) + np.dot(a, P[:3])[:, None] + np.dot(2.0, a), (M,)),
    "dot of many axes": (lambda t: np.dot(t, W.T), (T,)),
    "vdot, inner, outer": (lambda x: np.vdot(x, P) + np.inner(x, P) + np.outer(x, P), (V,)),
    "tensordot": (lambda t: np.tensordot(t, t, axes=([2], [2])) + np.tensordot(t, t, 3), (T,)),
    "einsum": (
        lambda a: np.einsum("ij,jk", a, a) + np.einsum("ij->i", a) + np.einsum("ii", a),
        (M,),
    ),
    "trace and diagonal": (lambda a: np.trace(a) + np.diagonal(a) + np.diag(np.diag(a)), (M,)),
    "norms": (
        lambda a: np.linalg.norm(a) + np.linalg.norm(a, axis=1) + np.linalg.norm(a, 1, axis=0),
        (M,),
    ),
    "matrix norms": (
        lambda a: np.linalg.norm(a, "fro") + np.linalg.norm(a, 1) + np.linalg.norm(a, np.inf),
        (M,),
    ),
    "solve and inv": (lambda a: np.linalg.solve(a, P[:3]) + np.linalg.inv(a), (M,)),
    "det and slogdet": (
        lambda a: np.linalg.det(a) + np.linalg.slogdet(a)[1] + np.linalg.slogdet(a).sign,
        (M,),
    ),
    "cholesky": (np.linalg.cholesky, (M,)),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 3) + np.linalg.matrix_power(a, -2), (M,)),
    "multi_dot": (lambda a: np.linalg.multi_dot([a, a, a]), (M,)),
    "kron": (lambda a: np.kron(a, W), (M,)),
    "cross": (lambda a: np.cross(a[0], a[1]) + np.cross(a, a[::-1]), (M,)),
    "cov": (np.cov, (W,)),
    # shapes
    "reshape": (lambda t: t.reshape(4, 6) + t.reshape((4, -1)) + np.reshape(t, (-1, 6)), (T,)),
    "transpose": (lambda t: t.T + t.transpose(2, 1, 0) + np.transpose(t), (T,)),
    "swap and move": (lambda t: t.swapaxes(0, 1) + np.moveaxis(t, 0, 1), (T,)),
    "ravel and flatten": (lambda t: t.ravel() + t.flatten() + t.flat, (T,)),
    "squeeze and expand": (
        lambda x: np.squeeze(x[None, :, None])[:, None] + np.expand_dims(x, 1),
        (V,),
    ),
    "join": (lambda x: np.concatenate([x, P]) + np.hstack([x, x]) + np.append(x, V), (V,)),
    "stack": (lambda x: np.stack([x, P]) + np.vstack([x, x]) + np.column_stack([x, x]).T, (V,)),
    "split": (lambda x: sum(np.split(x, 2)) + np.array_split(x, 3)[0], (V,)),
    "flip, roll, rot90": (
        lambda a: np.flip(a) + np.roll(a, 1, axis=0) + np.fliplr(a) + np.rot90(np.rot90(a)),
        (M,),
    ),
    "tile and repeat": (lambda x: np.tile(x, 2) + np.repeat(x, 2) + np.tile(x, (3, 2)), (V,)),
    "pad": (
        lambda x: np.pad(x, 2) + np.pad(x, (1, 3), mode="edge") + np.pad(x, 2, "reflect"),
        (V,),
    ),
    "tril and triu": (lambda a: np.tril(a) + np.triu(a, 1), (M,)),
    "diff and ediff1d": (lambda x: np.diff(x) + np.ediff1d(x), (V,)),
    "diff twice along": (
        lambda a: np.diff(a, 2, axis=0) + np.diff(a, axis=0, prepend=1.0)[0],
        (M,),
    ),
    "broadcast": (lambda x: np.broadcast_to(x, (3, 4)) * W + np.broadcast_arrays(x, W)[0], (V,)),
    "meshgrid": (lambda x: np.prod(np.stack(np.meshgrid(x, P)), axis=0), (V,)),
    "delete": (lambda x: np.delete(x, [1]), (V,)),
    "atleast": (lambda x: np.atleast_2d(x) + np.atleast_1d(x), (V,)),
    # indexing
    "basic index": (lambda t: t[0, 1:, ::-2] + t[1, :2, -1:] + t[..., 0][0, 0], (T,)),
    "new axis": (lambda x: x[:, None] * x[None, :], (V,)),
    "array index": (lambda a: a[I3] + a[:, I3] + a[I3, I3], (M,)),
    "arrays apart": (lambda t: t[np.array([0, 1]), :, np.array([1, 3])], (T,)),
    "mask index": (lambda x: x[MASK] * 2, (V,)),
    "input as index": (lambda a, i: a[np.arange(3), i] + a[i].sum(0), (M, I3)),
    "take": (lambda a: np.take(a, I3, axis=1) + a.take(I3), (M,)),
    "take_along_axis": (lambda a: np.take_along_axis(a, I3[:, None], axis=1), (M,)),
    "iteration": (lambda a: sum(row * k for k, row in enumerate(a)), (M,)),
    "unpacking": (_unpack, (V,)),
    "write": (_write, (V,)),
    "write through a view": (_write_view, (M,)),
    "zeros_like and write": (_zeros_like, (V,)),
    # composites
    "trapezoid": (
        lambda y: np.trapezoid(y, P) + np.trapezoid(y, dx=0.1) + np.trapezoid(W * y, axis=0).sum(),
        (V,),
    ),
    "interp": (lambda x: np.interp(x, [0.0, 0.4, 1.0, 3.0], [1.0, 3.0, 2.0, 5.0]), (V,)),
    "interp of values": (lambda y: np.interp([0.1, 0.6, -4.0], [-1.0, 0.0, 0.5, 1.0], y), (V,)),
    "polyval": (lambda x: np.polyval([1.0, -2.0, 0.5], x), (V,)),
    "gradient": (lambda x: np.gradient(x, 0.5), (V,)),
    "convolve": (
        lambda x: np.convolve(x, [1.0, 2.0, 0.5]).sum() + np.convolve(x, [1.0, 2.0, 0.5], "same"),
        (V,),
    ),
    "vander": (lambda x: np.vander(x, 3), (V,)),
    "apply_along_axis": (lambda a: np.apply_along_axis(lambda r: r * r.sum(), 1, a), (W,)),
}


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    from gradproof._transport import embedded

    return gp.Client(embedded())


@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_records_and_evaluates_as_numpy_does(name: str, client: gp.Client) -> None:
    """The array road carries it, and the service's value is NumPy's up to rounding."""
    f, args = IDIOMS[name]
    carried = carry(f, args)
    assert carried.origin.carriage == check_pb2.CARRIAGE_ARRAY_TRACE, carried.origin.reason
    assert carried.program is not None
    subject = prepare(carried.program, dict(zip(carried.arguments.names, args, strict=True)))
    from gradproof._subject import run

    for (_, got), (_, plain) in zip(
        run(client.transport, carried.program, subject.point, None), carried.outputs, strict=True
    ):
        assert got.dtype == plain.dtype
        assert got.shape == plain.shape
        rtol = 1e-5 if plain.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(got, plain, rtol=rtol, atol=rtol)
