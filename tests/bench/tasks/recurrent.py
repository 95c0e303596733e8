"""A two-layer LSTM with elementwise gates that predicts the next 14 bits of a sequence, after the suite ADBench.

Gates are sigmoid (forget, in, out) and tanh (change) of (x, h, x, h) * weights + bias; the loss is the mean log-likelihood
with log(2 + sum exp) as its quirk. JAX scans, torch loops; ours is a `scan` of the traced step.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.bench.tasks.model import Arrays, Contender, Task, jax_gradient, torch_gradient

LAYERS, STEPS, BITS = 2, 1023, 14
Loop = Any


def step(np: Any, main: Any, extra: Any, state: Any, x: Any, gold: Any) -> tuple[Any, Any]:
    """main (layers, 2, 4, bits), extra (3, bits), state (layers, 2, bits), x and gold (bits): the next state, the likelihood."""
    now = x * extra[0]
    after: list[Any] = []
    for layer in range(LAYERS):
        hidden, cell = state[layer, 0], state[layer, 1]
        z = np.stack((now, hidden, now, hidden)) * main[layer, 0] + main[layer, 1]
        gates = 1.0 / (1.0 + np.exp(-z[:3]))
        cell = cell * gates[0] + gates[1] * np.tanh(z[3])
        now = gates[2] * np.tanh(cell)
        after.append(np.stack((now, cell)))
    told = now * extra[1] + extra[2]
    return np.stack(after), np.sum(gold * (told - np.log(2.0 + np.sum(np.exp(told)))))


def loss(np: Any, loop: Loop, main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """Minus the mean log-likelihood; `loop(body, state, xs, golds)` gives what each step's body told."""

    def body(state: Any, x: Any, gold: Any) -> tuple[Any, Any]:
        return step(np, main, extra, state, x, gold)

    return -loop(body, state, sequence[:-1], sequence[1:]) / (STEPS * BITS)


def in_python(body: Any, state: Any, xs: Any, golds: Any) -> Any:
    """Step after step."""
    total = 0.0
    for x, gold in zip(xs, golds, strict=True):
        state, told = body(state, x, gold)
        total = total + told
    return total


def by_jax(body: Any, state: Any, xs: Any, golds: Any) -> Any:
    """`jax.lax.scan`."""
    import jax

    return jax.lax.scan(lambda s, row: body(s, *row), state, (xs, golds))[1].sum()


def scanned(points: Arrays) -> Contender:
    """The step traced, its scan built, and value and gradient prepared."""
    import gradproof as gp
    from gradproof_service.arrays import type_of_array
    from gradproof_service.graph.builder import Builder
    from gradproof_service.graph.typing import type_program
    from gradproof_service.transforms.prepare import prepare
    from gradproof_service.wire.decode import decode_program

    main, extra, state, sequence = map(np.asarray, points)
    ins = (main, extra, state, sequence[0], sequence[1])
    program = decode_program(gp.trace(partial(step, np), at=ins).message)
    body, findings = type_program(program, [type_of_array(x) for x in ins])
    assert body is not None, findings
    xp = Builder("lstm")
    m, e, s, q = (
        xp.input(n, type_of_array(x))
        for n, x in zip(
            ("main", "extra", "state", "sequence"), (main, extra, state, sequence), strict=True
        )
    )
    rows = xp.index_get(q, spec=":-1"), xp.index_get(q, spec="1:")
    told = xp.scan(m, e, s, *rows, body=body, length=STEPS, consts=2, carried=1)[1]
    graph = xp.finish([-xp.sum(told) / float(STEPS * BITS)])
    return partial(prepare(graph, wrt=range(3)), *points)


def _task() -> Task:
    rng = np.random.default_rng(0)
    points = (
        rng.random((LAYERS, 2, 4, BITS)), rng.random((3, BITS)), rng.random((LAYERS, 2, BITS)),
        rng.integers(0, 2, (STEPS + 1, BITS)).astype(float),
    )  # fmt: skip
    makers = {
        "ours": partial(scanned, points),
        "jax jit": jax_gradient(lambda np, *xs: loss(np, by_jax, *xs), points, range(3)),
        "torch eager": torch_gradient(lambda np, *xs: loss(np, in_python, *xs), points, range(3)),
    }
    return Task(f"LSTM l={LAYERS} b={BITS} steps={STEPS}", makers, 1e-8, {"torch eager": 0.6})


TASKS = [_task()]
