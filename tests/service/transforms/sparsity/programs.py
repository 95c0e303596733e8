"""Programs for tests of sparsity: stencils by hand, and graphs drawn op by op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph

from tests.service.functions import function, graph_of

Program = Callable[..., Any]


def burgers(xp: Any, u: Any, nu: Any) -> Any:
    """Residual of a viscous flow at the inner points: three neighbours each."""
    n = u.shape[0]
    left, here, right = (xp.slice(u, starts=(k,), stops=(n - 2 + k,)) for k in range(3))
    return 0.5 * here * (right - left) - nu * (right - 2.0 * here + left)


def bratu(xp: Any, u: Any, rate: Any) -> Any:
    """Residual of u'' + rate exp(u) on a square with zero borders: five neighbours each."""
    n, m = u.shape
    p = xp.pad(u, pad_width=(1, 1, 1, 1))

    def at(i: int, j: int) -> Any:
        return xp.slice(p, starts=(i, j), stops=(i + n, j + m))

    return at(0, 1) + at(2, 1) + at(1, 0) + at(1, 2) - 4.0 * u + rate * xp.exp(u)


def ring(xp: Any, u: Any) -> Any:
    """A stencil on a ring: the neighbours of the ends are the other ends."""
    n = u.shape[0]
    left = xp.concat(
        xp.slice(u, starts=(n - 1,), stops=(n,)), xp.slice(u, starts=(0,), stops=(n - 1,))
    )
    right = xp.concat(xp.slice(u, starts=(1,), stops=(n,)), xp.slice(u, starts=(0,), stops=(1,)))
    return xp.sin(left) * right - u * u


def fluxes(xp: Any, u: Any) -> Any:
    """Differences of fluxes that are computed once at the faces."""
    n = u.shape[0]
    left, right = xp.slice(u, starts=(0,), stops=(n - 1,)), xp.slice(u, starts=(1,), stops=(n,))
    flux = xp.square(left + right) - xp.exp(left)
    return xp.slice(flux, starts=(1,), stops=(n - 1,)) - xp.slice(flux, starts=(0,), stops=(n - 2,))


def borders(xp: Any, u: Any) -> Any:
    """Conditions at both ends, joined to the inner residual."""
    n = u.shape[0]
    ends = (xp.slice(u, starts=(0,), stops=(1,)), xp.slice(u, starts=(n - 1,), stops=(n,)))
    return xp.concat(xp.exp(ends[0]), burgers(xp, u, 0.25), ends[1] * ends[0])


def observations(xp: Any, cameras: Any, points: Any, camera: Any, point: Any) -> Any:
    """Two residuals for each observation, of a camera's four numbers and a point's three."""
    c = xp.take(cameras, camera, axis=0)
    p = xp.take(points, point, axis=0)

    def number(x: Any, k: int) -> Any:
        return xp.squeeze(xp.slice(x, starts=(0, k), stops=(x.shape[0], k + 1)), axes=(1,))

    x, y, z = (number(p, k) for k in range(3))
    depth = z + number(c, 3)
    far = xp.sum(p * p, axes=(-1,), keepdims=False)
    return xp.stack(
        number(c, 0) * x / depth + far, number(c, 1) * y / depth - number(c, 2), axis=-1
    )


def rosenbrock(xp: Any, x: Any) -> Any:
    """A sum of neighbours: its Hessian has three diagonals."""
    n = x.shape[0]
    a, b = xp.slice(x, starts=(0,), stops=(n - 1,)), xp.slice(x, starts=(1,), stops=(n,))
    return xp.sum(100.0 * xp.square(b - a * a) + xp.square(1.0 - a), axes=(-1,), keepdims=False)


def arrow(xp: Any, x: Any, t: Any) -> Any:
    """One number that meets all the others: a dense row and a dense column beside a diagonal."""
    return xp.sum(xp.sin(x) * t + x * x * x, axes=(-1,), keepdims=False) + t * t


def poisson(xp: Any, u: Any) -> Any:
    """Seven neighbours in space inside zero borders, all of them with constant coefficients."""
    n, m, k = u.shape
    p = xp.pad(u, pad_width=(1,) * 6)
    total = -6.0 * u
    for axis in range(3):
        for side in (0, 2):
            starts = tuple(side if a == axis else 1 for a in range(3))
            total = total + xp.slice(
                p, starts=starts, stops=(starts[0] + n, starts[1] + m, starts[2] + k)
            )
    return total


def advection(xp: Any, u: Any, v: Any) -> Any:
    """Upwind differences of a field on a square, carried by a speed for each row: products of both, with kinks."""
    n, m = u.shape
    speed = xp.maximum(xp.sin(xp.reshape(v, shape=(n, 1))), 0.25)
    left, right = (xp.slice(u, starts=(0, k), stops=(n, m - 1 + k)) for k in (0, 1))
    return speed * (xp.square(right) - xp.square(left))


def backwards(xp: Any, u: Any) -> Any:
    """Each row against the one at the other end, two outputs of a place side by side."""
    turned = xp.flip(u, axes=(0,))
    return xp.stack(u * turned, xp.exp(u) - turned, axis=-1)


def edges(xp: Any, x: Any, i: Any, j: Any) -> Any:
    """A sum over pairs of points: its Hessian has an entry for each pair."""
    a, b = xp.take(x, i, axis=0), xp.take(x, j, axis=0)
    return xp.sum(xp.sin(a * b) + a * a, axes=(-1,), keepdims=False)


def numbers(*shape: int, rng_seed: int = 0) -> Array:
    """Values in [0.5, 1.5]."""
    return np.random.default_rng(rng_seed).uniform(0.5, 1.5, shape)


def stencils() -> dict[str, tuple[Graph, list[Array], tuple[int, ...]]]:
    """Small cases whose Jacobians the local road gives: graph, point, inputs."""
    index = np.random.default_rng(1)
    return {
        "burgers": (*graph_of(burgers, u=numbers(12), nu=0.1), (0,)),
        "burgers by both": (*graph_of(burgers, u=numbers(9), nu=np.float64(0.1)), (0, 1)),
        "bratu": (*graph_of(bratu, u=numbers(4, 5), rate=0.3), (0,)),
        "ring": (*graph_of(ring, u=numbers(8)), (0,)),
        "ring of three": (*graph_of(ring, u=numbers(3)), (0,)),
        "ring of two": (*graph_of(ring, u=numbers(2)), (0,)),
        "fluxes": (*graph_of(fluxes, u=numbers(9)), (0,)),
        "poisson": (*graph_of(poisson, u=numbers(3, 4, 5)), (0,)),
        "poisson in long rows": (*graph_of(poisson, u=numbers(5, 4, 40)), (0,)),
        "bratu in long rows": (*graph_of(bratu, u=numbers(24, 30), rate=0.3), (0,)),
        "advection": (*graph_of(advection, u=numbers(20, 18), v=numbers(20)), (0, 1)),
        "advection by speed": (*graph_of(advection, u=numbers(3, 18), v=numbers(3)), (1,)),
        "backwards": (*graph_of(backwards, u=numbers(40)), (0,)),
        "borders": (*graph_of(borders, u=numbers(7)), (0,)),
        "observations": (
            *graph_of(
                observations,
                cameras=numbers(3, 4), points=numbers(5, 3),
                camera=index.integers(0, 3, 11), point=index.integers(0, 5, 11),
            ),
            (0, 1),
        ),
    }  # fmt: skip


def drawn(draw: Any, depth: int) -> tuple[Graph, list[Array]]:
    """A graph of elementwise ops, moves, reductions, products and loops over one vector and an index."""
    side = draw.integer(3, 6)
    x, index = draw.real((side,), 0.5, 1.5), draw.integers((side,), -side, side - 1)

    def body(xp: Any, x: Any, i: Any) -> Any:
        pool = [x]
        for _ in range(depth):
            pool.append(STEPS[draw.integer(0, len(STEPS) - 1)](xp, draw, pool, i, side))
        return tuple(pool[-2:])

    return graph_of(body, x=x, i=index)


def _unary(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return getattr(xp, draw.choice(("sin", "exp", "square", "negative")))(draw.choice(pool))


def _binary(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return getattr(xp, draw.choice(("add", "multiply", "maximum")))(
        draw.choice(pool), draw.choice(pool)
    )


def _shift(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    k = draw.integer(1, side - 1)
    x = xp.slice(draw.choice(pool), starts=(k,), stops=(side,))
    return xp.pad(
        x, pad_width=draw.choice(((k, 0), (0, k))), mode=draw.choice(("constant", "edge"))
    )


def _gather(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return xp.take(draw.choice(pool), i, axis=0)


def _mask(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return xp.where(xp.greater(i, draw.integer(-2, 2)), draw.choice(pool), draw.choice(pool))


def _branch(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return xp.where(xp.greater(pool[0], 1.0), draw.choice(pool), draw.choice(pool))


def _pairs(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    table = xp.stack(draw.choice(pool), draw.choice(pool), axis=-1)
    return xp.sum(table, axes=(-1,), keepdims=False)


def _banded(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    band = np.eye(side) + np.eye(side, k=draw.integer(1, 2))
    return xp.matmul(xp.constant(band), draw.choice(pool))


def _total(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    return draw.choice(pool) + xp.mean(draw.choice(pool), axes=(-1,), keepdims=True)


def _write(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    part = xp.slice(draw.choice(pool), starts=(0,), stops=(2,))
    return xp.index_set(draw.choice(pool), part, spec="1:3", reduction=draw.choice(("set", "add")))


def _scan(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    x = draw.choice(pool)
    one = x.type.with_shape(())
    step = function(xp, "step", lambda b, c, v: (b.sin(v), c * v), one, one)
    start = xp.constant(np.float64(0.5))
    return xp.scan(start, x, body=step, length=side, carried=1, reverse=draw.choice((False, True)))[
        1
    ]


def _while(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    x = draw.choice(pool)
    count = xp.constant(np.int64(0))
    cond = function(xp, "go_on", lambda b, v, k: b.less(k, 2), x.type, count.type)
    step = function(
        xp, "turn", lambda b, v, k: (b.flip(v, axes=(0,)) * v, k + 1), x.type, count.type
    )
    return xp.while_loop(x, count, cond=cond, body=step)[0]


def _call(xp: Any, draw: Any, pool: list[Any], i: Any, side: int) -> Any:
    x, y = draw.choice(pool), draw.choice(pool)
    inner = function(xp, "inner", lambda b, v, w: b.flip(v, axes=(0,)) * w, x.type, y.type)
    return xp.call(x, y, function=inner)


STEPS = (
    _unary, _binary, _binary, _shift, _gather, _mask, _branch, _pairs, _banded, _total, _write, _scan, _while, _call,
)  # fmt: skip
