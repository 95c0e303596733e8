"""Sparse Jacobians of stencils and a Hessian: ours finds the structure itself, JAX is given its colours by hand.

Everybody returns the values of the entries row by row. `structure` rows compare finding the structure, once, with thirty runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.bench.tasks.model import Arrays, Contender, Maker, Task

NU = 0.1
RATE = 0.5
COLOURED = "jax jit, colours by hand"


def burgers(xp: Any, u: Any) -> Any:
    """Residual of a viscous flow at the inner points: three neighbours each."""
    return 0.5 * u[1:-1] * (u[2:] - u[:-2]) - NU * (u[2:] - 2.0 * u[1:-1] + u[:-2])


def bratu(xp: Any, u: Any) -> Any:
    """Residual of u'' + rate exp(u) on a square with zero borders: five neighbours each."""
    p = xp.pad(u, 1)
    return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4.0 * u + RATE * xp.exp(u)


def rosenbrock(xp: Any, x: Any) -> Any:
    """A sum over neighbours: three diagonals in its Hessian."""
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def typed(f: Callable[..., Any], points: Arrays) -> Any:
    """The typed graph of a NumPy function."""
    import gradproof as gp
    from gradproof_service.arrays import type_of_array
    from gradproof_service.graph.typing import type_program
    from gradproof_service.wire.decode import decode_program

    program = decode_program(gp.trace(f, at=tuple(points)).message)
    graph, findings = type_program(program, [type_of_array(x) for x in points])
    assert graph is not None, findings
    return graph


def entries(graph: Any, points: Arrays) -> Arrays:
    """The values of the sparse Jacobian of the first output by all inputs side by side, row by row."""
    from gradproof_service.transforms.sparsity.jacobians import prepared

    plan = prepared(graph, points, tuple(range(len(points))), (0,))
    return [plan.local[0].entries(points)]


def _ours(f: Callable[..., Any], u: Any, times: int = 1) -> Maker:
    def make() -> Contender:
        graph = typed(lambda x: f(np, x), [u])
        return lambda: [entries(graph, [u]) for _ in range(times)][-1]

    return make


def _structure(f: Callable[..., Any], u: Any) -> Maker:
    """The same graph as nobody has seen it: the structure is found, then one run."""

    def make() -> Contender:
        from gradproof_service.graph.graph import Graph

        g = typed(lambda x: f(np, x), [u])

        def run() -> Arrays:
            new = Graph(
                g.name, g.inputs, g.types, g.sites, g.operands, g.first, g.outputs, g.output_names,
                g.locations, g.node_names,
            )  # fmt: skip
            return entries(new, [u])

        return run

    return make


def _by_hand(n: int) -> tuple[Any, Any, int]:
    """Burgers: the colour of each column, and where each entry stands in the products; three colours."""
    rows = np.repeat(np.arange(n - 2), 3)
    columns = rows + np.tile(np.arange(3), n - 2)
    return np.arange(n) % 3, (columns % 3) * (n - 2) + rows, 3


def _by_hand_square(n: int) -> tuple[Any, Any, int]:
    """Bratu: colours i + 2 j modulo 5."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    colours = ((i + 2 * j) % 5).reshape(-1)
    places = []
    for di, dj in ((-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)):
        k, m = i + di, j + dj
        inside = (k >= 0) & (k < n) & (m >= 0) & (m < n)
        places.append(np.where(inside, ((k + 2 * m) % 5) * n * n + i * n + j, -1))
    table = np.stack([p.reshape(-1) for p in places], axis=1).reshape(-1)
    return colours, table[table >= 0], 5


def _jax(
    f: Callable[..., Any], u: Any, by_hand: tuple[Any, Any, int], *, folded: bool = False
) -> Maker:
    """`folded`: the seeds are constants of the compiled function, which is compiled for seconds and runs faster."""

    def make() -> Contender:
        import jax

        jax.config.update("jax_enable_x64", True)
        colours, places, count = by_hand
        seeds = jax.numpy.asarray(
            (colours == np.arange(count)[:, None]).reshape(count, *u.shape) * 1.0
        )
        at = jax.numpy.asarray(places.astype(np.int32))

        def jacobian(x: Any, seeds: Any, at: Any) -> Any:
            def product(t: Any) -> Any:
                return jax.jvp(lambda y: f(jax.numpy, y), (x,), (t,))[1]

            return jax.vmap(product)(seeds).reshape(-1)[at]

        x = jax.numpy.asarray(u)
        if folded:
            call = jax.jit(lambda x: jacobian(x, seeds, at))
            return lambda: [jax.block_until_ready(call(x))]
        free = jax.jit(jacobian)
        return lambda: [jax.block_until_ready(free(x, seeds, at))]

    return make


def _casadi(n: int, u: Any) -> Maker:
    def make() -> Contender:
        import casadi

        x = casadi.SX.sym("u", n)
        f = 0.5 * x[1:-1] * (x[2:] - x[:-2]) - NU * (x[2:] - 2.0 * x[1:-1] + x[:-2])
        return _casadi_entries(casadi.Function("jacobian", [x], [casadi.jacobian(f, x)]), u)

    return make


def _casadi_entries(call: Any, u: Any) -> Contender:
    """The stored entries of a function's one sparse result, row by row, through its buffers."""
    pattern = call.sparsity_out(0)
    rows, columns = np.array(pattern.get_triplet())
    order = np.lexsort((columns, rows))
    buffer, run = call.buffer()
    out = np.empty(pattern.nnz())
    buffer.set_arg(0, memoryview(u))
    buffer.set_res(0, memoryview(out))

    def values(_alive: Any = buffer) -> Arrays:
        run()
        return [out[order]]

    return values


def _scipy(f: Callable[..., Any], u: Any, n: int) -> Maker:
    """Sparse differences with its own grouping of columns, found beforehand."""

    def make() -> Contender:
        from scipy.optimize._numdiff import approx_derivative, group_columns
        from scipy.sparse import diags_array

        pattern = diags_array([np.ones(n)] * 3, offsets=[0, 1, 2], shape=(n - 2, n)).tocsr()
        sparsity = (pattern, group_columns(pattern))

        def values() -> Arrays:
            found = approx_derivative(lambda x: f(np, x), u, method="3-point", sparsity=sparsity)
            found.sort_indices()
            return [found.data]

        return values

    return make


def _hessian(x: Any) -> Contender:
    from gradproof_service.transforms.sparsity.jacobians import sparse_hessian

    graph = typed(lambda x: rosenbrock(np, x), [x])
    return lambda: [sparse_hessian(graph, [x], (0,))[0][0].values]


def _hessian_jax(x: Any) -> Contender:
    """Three products with colours by hand."""
    import jax

    jax.config.update("jax_enable_x64", True)
    n = len(x)
    rows, columns = _three_diagonals(n)
    seeds = jax.numpy.asarray((np.arange(n) % 3 == np.arange(3)[:, None]) * 1.0)
    at = jax.numpy.asarray(((columns % 3) * n + rows).astype(np.int32))
    slope = jax.grad(lambda y: rosenbrock(jax.numpy, y))

    def entries(x: Any, seeds: Any, at: Any) -> Any:
        return jax.vmap(lambda t: jax.jvp(slope, (x,), (t,))[1])(seeds).reshape(-1)[at]

    call, here = jax.jit(entries), jax.numpy.asarray(x)
    return lambda: [jax.block_until_ready(call(here, seeds, at))]


def _hessian_dense(x: Any) -> Contender:
    """The whole matrix; its entries are picked outside, which takes no time to speak of beside it."""
    import jax

    jax.config.update("jax_enable_x64", True)
    rows, columns = _three_diagonals(len(x))
    call = jax.jit(jax.hessian(lambda y: rosenbrock(jax.numpy, y)))
    here = jax.numpy.asarray(x)
    return lambda: [np.asarray(call(here))[rows, columns]]


def _hessian_casadi(x: Any) -> Contender:
    import casadi

    v = casadi.SX.sym("x", len(x))
    a, b = v[:-1], v[1:]
    f = casadi.sum1(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2)
    return _casadi_entries(casadi.Function("hessian", [v], [casadi.hessian(f, v)[0]]), x)


def _three_diagonals(n: int) -> tuple[Any, Any]:
    rows = np.repeat(np.arange(n), 3)
    columns = rows + np.tile(np.arange(-1, 2), n)
    inside = (columns >= 0) & (columns < n)
    return rows[inside], columns[inside]


def _tasks() -> list[Task]:
    found: list[Task] = []
    cases: list[tuple[str, Any, Any, Any, float]] = [
        (f"burgers jacobian n={n:.0e}", burgers, np.sin(np.arange(n) * 0.1) + 1.5, _by_hand(n), 0.2)
        for n in (10_000, 1_000_000)
    ]
    square = np.random.default_rng(0).uniform(0, 1, (1000, 1000))
    cases.append(("bratu jacobian 1000x1000", bratu, square, _by_hand_square(1000), 0.1))
    for name, f, u, by_hand, aim in cases:
        makers: dict[str, Maker] = {
            "ours": _ours(f, u),
            COLOURED: _jax(f, u, by_hand),
            "jax jit, colours compiled in": _jax(f, u, by_hand, folded=True),
        }
        if u.size <= 10_000:
            makers |= {
                "casadi": _casadi(u.size, u),
                "scipy sparse differences": _scipy(f, u, u.size),
            }
        found.append(Task(name, makers, 1e-7, {COLOURED: aim}))
        runs: dict[str, Maker] = {"ours": _structure(f, u), "thirty runs of ours": _ours(f, u, 30)}
        found.append(Task(f"{name}, structure", runs, 1e-12, {"thirty runs of ours": 1.0}))
    x = np.random.default_rng(0).standard_normal(1000)
    hessians: dict[str, Maker] = {
        name: partial(make, x)
        for name, make in (
            ("ours", _hessian), (COLOURED, _hessian_jax), ("jax jit, dense", _hessian_dense), ("casadi", _hessian_casadi),
        )
    }  # fmt: skip
    found.append(Task("Rosenbrock sparse Hessian n=1000", hessians, 1e-9))
    return found


TASKS = _tasks()
