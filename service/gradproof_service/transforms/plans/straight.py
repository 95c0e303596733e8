"""One node bound to its buffers: a call without arguments that does what the op's kernel does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.ops.record import Site
from gradproof_service.ops.summation import LEAF, add_columns, adds_columns
from gradproof_service.transforms.evaluate import Step

Call = Callable[[], Any]


def writes_in_place(step: Step) -> Callable[..., Any] | None:
    """`f(*operands, out)` for ops that can write where they are told, None for the others."""
    op, site = step.site.op, step.site
    ufunc = op.ufunc if op.ufunc is None or isinstance(op.ufunc, np.ufunc) else op.ufunc(site)
    if ufunc is not None and _natural(ufunc, tuple([t.dtype for t in site.ins])) == site.out.dtype:
        return ufunc
    if op.into is not None and (not step.any_batched or op.batching == "elementwise"):
        into = op.into
        if len(site.ins) == 1:
            return lambda x, out: into(site, out, x)
        return lambda *args: into(site, args[-1], *args[:-1])
    if op.name == "matmul":
        return _rows_product(step)
    if op.reduces and op.name in _REDUCERS and not step.any_batched:
        return _reducer(op.name, site)
    return None


def _rows_product(step: Step) -> Callable[..., Any] | None:
    """A matrix times a batch of vectors as one product of matrices, which the kernel makes of it too."""
    ins, batched = step.site.ins, step.batched
    if any(t.dtype != step.site.out.dtype for t in ins):
        return None
    ranks = (ins[0].rank, ins[1].rank)
    if batched == (True, False) and ranks == (1, 2):
        return np.matmul
    if batched == (False, True) and ranks == (2, 1):
        return lambda matrix, rows, out: np.matmul(rows, matrix.T, out)
    return None


_REDUCERS: Final[dict[str, Any]] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


def _reducer(name: str, site: Site) -> Callable[..., Any] | None:
    """A reduction that is one call of NumPy: no cast, and no sum that is added up in parts."""
    x = site.ins[0]
    if x.size > LEAF or x.dtype != site.out.dtype:
        return None
    if name == "sum" and adds_columns(site):
        keepdims = site["keepdims"]
        return lambda x, out: add_columns(x, out[..., 0] if keepdims else out)
    reduce, axes, keep = _REDUCERS[name].reduce, site["axes"], site["keepdims"]
    return lambda x, out: reduce(x, axes, None, out, keep)


@lru_cache(maxsize=4096)
def _natural(ufunc: Any, ins: tuple[Any, ...]) -> Any:
    """The dtype that a ufunc gives for these, None when it takes none of them."""
    try:
        return ufunc.resolve_dtypes((*ins, None))[-1]
    except TypeError:
        return None


def aligned_operands(step: Step, xs: Sequence[Array]) -> list[Array]:
    """Operands of an elementwise node with the axes of a batch where broadcasting wants them."""
    rank = len(step.site.outs[0].shape)
    found: list[Array] = []
    for x, batched, t in zip(xs, step.batched, step.site.ins, strict=True):
        short = rank - len(t.shape)
        wide = batched and short
        found.append(x.reshape(x.shape[:1] + (1,) * short + x.shape[1:]) if wide else x)
    return found


def layout(x: Array) -> tuple[int, ...] | None:
    """The strides that a buffer needs to stand for this result, None for C order.

    What comes later may add in the order in which an array lies in memory: a buffer must lie as
    NumPy's own result does.
    """
    return None if x.flags.c_contiguous else x.strides


def stored(kernel: Any, site: Any, *arrays: Array) -> None:
    """The call of a kernel that returns its result, copied to where it is wanted: the last array."""
    *xs, out = arrays
    out[...] = kernel(site, *xs)


_BY_NAME: Final = (np.maximum, np.minimum)
"""Ufuncs that want `out` by name; the others are faster with it by position."""


def by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    """`f(*xs, out)`, however the function wants its result."""
    if function not in _BY_NAME:
        return function
    return lambda *arrays: function(*arrays[:-1], out=arrays[-1])


def tied(function: Callable[..., Any], xs: Sequence[Array], out: Array) -> Call:
    """The call with its operands and its result tied to it."""
    return partial(function, *xs, out=out) if function in _BY_NAME else partial(function, *xs, out)
