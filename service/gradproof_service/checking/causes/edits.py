"""The dictionary of mistakes: what people write in place of one op's reverse rule.

An edit takes one use of one value (a node, an operand, the cotangent that arrives and the right
one that leaves) and gives the cotangent that the mistake would make. Edits that only scale are
not listed: whoever matches fits the scale.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.op_edits import OP_EDITS
from gradproof_service.checking.causes.slopes import BINARY, UNARY
from gradproof_service.checking.causes.use import Edit, Use, fitted, loose


def edits_of(use: Use) -> Iterator[Edit]:
    """Every edit of the dictionary that this use can suffer."""
    if not use.x_bar.size or not use.y_bar.size:
        return
    if use.site.op.batching == "elementwise":
        yield from _elementwise(use)
    elif use.op in OP_EDITS:
        yield from OP_EDITS[use.op](use)
    yield from _structural(use)


def _elementwise(use: Use) -> Iterator[Edit]:
    y = np.asarray(use.ys[0], dtype=np.float64)
    if len(use.xs) == 1:
        x = np.asarray(use.xs[0], dtype=np.float64)
        for text, factor in UNARY:
            says = f"its slope is written {text}" if text != "1" else "its own slope is left out"
            yield Edit(
                f"slope {text}",
                "F11",
                says,
                lambda f=factor: fitted(use.y_bar * f(x, y), use.shape),
            )
    elif len(use.xs) == 2:
        a = np.asarray(use.xs[use.operand], dtype=np.float64)
        b = np.asarray(use.xs[1 - use.operand], dtype=np.float64)
        for text, pair in BINARY:
            says = f"its slope is written {text}" if text != "1" else "its own slope is left out"
            yield Edit(
                f"slope {text}",
                "F11",
                says,
                lambda f=pair: fitted(use.y_bar * f(a, b, y), use.shape),
            )
    elif use.op == "where":
        taken = np.asarray(use.xs[0], dtype=np.float64)
        for text, mask in (
            ("for both branches", np.ones_like(taken)),
            ("for the other branch", 1 - taken),
        ):
            for opposite in (mask, 1 - mask) if text.endswith("other branch") else (mask,):
                yield Edit(
                    f"mask {text}", "F13", f"its cotangent is passed {text}",
                    lambda k=opposite: fitted(use.y_bar * k, use.shape),
                )  # fmt: skip
    if use.shape != use.out_shape:
        yield from _broadcast(use)


def _broadcast(use: Use) -> Iterator[Edit]:
    """The operand was broadcast: its cotangent is a sum over the axes it was repeated along."""
    y_bar = use.y_bar
    total = fitted(y_bar, use.shape)
    if total is None:
        return
    with np.errstate(all="ignore"):
        # the slope itself, where it does not vary along the repeated axes
        slope = np.where(total != 0, use.x_bar / total, 0.0)
    rank = len(use.out_shape)
    extra = rank - len(use.shape)
    axes = [
        a for a in range(rank)
        if (a < extra or use.shape[a - extra] == 1) and use.out_shape[a] > 1
    ]  # fmt: skip
    for which, at in (("first", 0), ("last", -1)):
        picked = y_bar
        for a in axes:
            picked = picked.take([at], axis=a + 1)
        yield Edit(
            f"broadcast {which}", "F09",
            f"only the {which} slice of the axes it was broadcast along is counted, not their sum",
            lambda p=picked: _times(fitted(p, use.shape), slope),
        )  # fmt: skip


def _times(a: Array | None, b: Array) -> Array | None:
    return None if a is None else a * b


def _structural(use: Use) -> Iterator[Edit]:
    """Mistakes in the layout of what the right rule gives."""
    x_bar, shape = use.x_bar, use.shape
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        t = np.swapaxes(x_bar, -1, -2)
        yield loose("transposed", "F03", "its cotangent is transposed", lambda: t)
        diagonal = np.eye(shape[-1])
        yield loose(
            "diagonal only",
            "F04",
            "only the diagonal of its cotangent is kept",
            lambda: x_bar * diagonal,
        )
        yield loose(
            "lower only",
            "F07",
            "only the lower triangle of its cotangent is kept",
            lambda: np.tril(x_bar),
        )
        yield loose(
            "upper only",
            "F07",
            "only the upper triangle of its cotangent is kept",
            lambda: np.triu(x_bar),
        )
        yield loose(
            "symmetrised", "F07", "its cotangent is made symmetric", lambda: (x_bar + t) / 2
        )
        yield loose(
            "doubled",
            "F07",
            "off-diagonal entries are counted twice",
            lambda: x_bar + t - x_bar * diagonal,
        )
    if shape and shape[0] > 1:
        for which, at in (("first", 0), ("last", -1)):
            mask = np.zeros((shape[0],) + (1,) * (len(shape) - 1))
            mask[at] = 1
            yield loose(
                f"{which} only",
                "F04",
                f"only the {which} row of its cotangent is kept",
                lambda k=mask: x_bar * k,
            )
            yield loose(
                f"{which} missing",
                "F04",
                f"the {which} row of its cotangent is zero",
                lambda k=mask: x_bar * (1 - k),
            )
        yield loose(
            "flipped", "F03", "its cotangent is in reverse order", lambda: np.flip(x_bar, 1)
        )
