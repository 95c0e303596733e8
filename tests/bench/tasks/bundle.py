"""Bundle adjustment: two residuals for each observation of a point by a camera, and their sparse Jacobian.

49 cameras of 11 numbers, 7,776 points, 31,843 weighted observations. Ours is traced from the function as it is written, with its
gathers; JAX gets it rewritten by hand as a function of one observation under `vmap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import Arrays, Contender, Task
from tests.bench.tasks.sparse import entries, typed

RNG = np.random.default_rng(0)
CAMERAS, POINTS, OBSERVATIONS = 49, 7776, 31843
CAMERA = RNG.integers(0, CAMERAS, OBSERVATIONS)
POINT = RNG.integers(0, POINTS, OBSERVATIONS)
FEATURES = RNG.normal(size=(OBSERVATIONS, 2))
AT = (
    RNG.normal(size=(CAMERAS, 11)) * 0.1 + 0.5,
    RNG.normal(size=(POINTS, 3)) + 3.0,
    RNG.normal(size=OBSERVATIONS),
)


def residual(xp: Any, c: Any, p: Any, w: Any, feature: Any) -> tuple[Any, Any]:
    """Rotation by a vector, projection, radial distortion; the last axis of `c` and `p` are their numbers."""
    r = c[..., :3]
    squared = r[..., 0] ** 2 + r[..., 1] ** 2 + r[..., 2] ** 2
    angle = xp.sqrt(squared)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    k0, k1, k2 = (r[..., j] / angle for j in range(3))
    x0, x1, x2 = (p[..., j] - c[..., 3 + j] for j in range(3))
    along = (k0 * x0 + k1 * x1 + k2 * x2) * (1.0 - cosine)
    y0 = x0 * cosine + (k1 * x2 - k2 * x1) * sine + k0 * along
    y1 = x1 * cosine + (k2 * x0 - k0 * x2) * sine + k1 * along
    y2 = x2 * cosine + (k0 * x1 - k1 * x0) * sine + k2 * along
    u, v = y0 / y2, y1 / y2
    r2 = u * u + v * v
    radial = c[..., 6] * (1.0 + c[..., 9] * r2 + c[..., 10] * r2 * r2)
    return (
        w * (radial * u + c[..., 7] - feature[..., 0]),
        w * (radial * v + c[..., 8] - feature[..., 1]),
    )


def _whole(cameras: Any, points: Any, weights: Any) -> Any:
    return np.stack(residual(np, cameras[CAMERA], points[POINT], weights, FEATURES), axis=-1)


def _ours() -> Contender:
    graph = typed(_whole, AT)
    return lambda: entries(graph, AT)


def _jax() -> Contender:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def one(x: Any, feature: Any) -> Any:
        return jnp.stack(residual(jnp, x[:11], x[11:14], x[14], feature))

    # the first residual does not depend on the second principal coordinate, nor the second on the first
    order = jnp.asarray([[j for j in range(15) if j != unread] for unread in (8, 7)])

    def jacobian(
        cameras: Any, points: Any, weights: Any, camera: Any, point: Any, feature: Any
    ) -> Any:
        x = jnp.concatenate([cameras[camera], points[point], weights[:, None]], axis=1)
        found = jax.vmap(jax.jacrev(one))(x, feature)
        return jnp.take_along_axis(found, order[None], axis=2).reshape(-1)

    call = jax.jit(jacobian)
    xs = [jnp.asarray(x) for x in (*AT, CAMERA, POINT, FEATURES)]

    def run() -> Arrays:
        return [jax.block_until_ready(call(*xs))]

    return run


TASKS = [
    Task(
        "bundle adjustment jacobian", {"ours": _ours, "jax jit, rewritten by hand": _jax}, 1e-8,
        {"jax jit, rewritten by hand": 0.6},
    )
]  # fmt: skip
