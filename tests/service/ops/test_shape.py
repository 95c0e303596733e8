"""What the general laws cannot see in moving data: where each element went, and what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.ops import OPS
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, IllTyped

from tests.service.ops.one_op import gradient, value


@pytest.mark.parametrize(
    ("mode", "side", "width"),
    tuple(product(("reflect", "edge", "wrap"), (1, 2, 3), ((0, 0), (1, 2), (7, 0), (4, 9)))),
)
def test_pad_gathers_every_copy(mode: str, side: int, width: tuple[int, int]) -> None:
    """The slope of the sum is how often an element occurs, however often the border turns."""
    x = np.arange(1.0, side + 1)
    copies = np.pad(np.arange(side), width, mode)  # pyright: ignore[reportCallIssue, reportArgumentType]  # the mode is a str
    expected = np.bincount(copies, minlength=side)
    assert gradient("pad", x, pad_width=width, mode=mode).tolist() == expected.tolist()


def test_pad_accepts_short_widths() -> None:
    """One or two numbers stand for every axis, as in NumPy."""
    x = np.ones((2, 3))
    assert value("pad", x, pad_width=1).shape == (4, 5)
    assert value("pad", x, pad_width=(0, 2), value=7.0)[-1, -1] == 7.0


@pytest.mark.parametrize("offset", range(-5, 6))
@pytest.mark.parametrize("shape", [(2, 4), (4, 2), (3, 3), (1, 1)])
def test_diagonal_is_put_back(offset: int, shape: tuple[int, int]) -> None:
    """The slope of a diagonal's sum is one on that diagonal and zero elsewhere."""
    expected = np.eye(*shape, offset)
    assert gradient("diagonal", np.ones(shape), offset=offset).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("op", "shapes", "attrs", "code"),
    [
        ("reshape", ((3, 4),), {"shape": (5, -1)}, SHAPE),
        ("reshape", ((0, 4),), {"shape": (0, -1)}, ATTRIBUTE),
        ("permute_dims", ((3, 4),), {"axes": (0, 0)}, ATTRIBUTE),
        ("expand_dims", ((3,),), {"axes": (3,)}, ATTRIBUTE),
        ("squeeze", ((3, 1),), {"axes": (0,)}, SHAPE),
        ("broadcast_to", ((3, 3),), {"shape": (3,)}, SHAPE),
        ("tril", ((3,),), {}, SHAPE),
        ("concat", ((), ()), {}, ATTRIBUTE),
        ("concat", ((3, 2), (3, 4)), {"axis": 0}, SHAPE),
        ("stack", ((3,), (2,)), {}, SHAPE),
        ("split", ((5,),), {"sizes": (2, 2)}, ATTRIBUTE),
        ("pad", ((3,),), {"pad_width": (-1, 0)}, ATTRIBUTE),
        ("pad", ((0,),), {"pad_width": (1, 0), "mode": "edge"}, SHAPE),
        ("einsum", ((2, 3), (4, 5)), {"equation": "ij,jk->ik"}, SHAPE),
        ("einsum", ((2, 3),), {"equation": "ij->ii"}, ATTRIBUTE),
        ("matmul", ((3, 4), (5, 2)), {}, SHAPE),
        ("solve", ((3, 3), (4,)), {}, SHAPE),
    ],
)
def test_what_does_not_fit_is_refused(
    op: str, shapes: Any, attrs: dict[str, Any], code: str
) -> None:
    """Ill typed applications say so, with a code and no exception of NumPy's."""
    with pytest.raises(IllTyped) as refused:
        OPS[op].site(attrs, tuple(type_of("f8", shape) for shape in shapes))
    assert refused.value.code == code


@pytest.mark.parametrize("op", ["reshape", "pad", "tile", "broadcast_to", "diag_embed", "split"])
def test_inference_allocates_nothing(op: str) -> None:
    """Types of absurdly large results are found without making them."""
    side = 10**12
    attrs: dict[str, dict[str, Any]] = {
        "reshape": {"shape": (10, -1)},
        "pad": {"pad_width": (side, side), "mode": "wrap"},
        "tile": {"repeats": (side,)},
        "broadcast_to": {"shape": (side, side)},
        "split": {"sizes": (side - 1, 1)},
    }
    site = OPS[op].site(attrs.get(op, {}), (type_of("f4", (side,)),))
    assert sum(t.size for t in site.outs) >= side
