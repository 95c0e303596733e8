"""A large einsum with a stack index is a stack of products, and is what NumPy's einsum gives."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_service.ops import OPS
from gradproof_service.ops.contraction import as_products
from gradproof_service.transforms.evaluate import evaluate

from tests.service.functions import graph_of

STACKS = (
    "kij,nkj->nki", "nki,nkj->kij", "nki,kij->nkj", "bhqd,bhkd->bhqk", "aij,aj->ai", "xaij,xajk->axik",
    "abn,nac->bac", "ai,ai->a",
)  # fmt: skip
OTHERS = (
    "ij,jk->ik",
    "ain,ajn->a",
    "ii,ij->i",
    "i,j->ij",
    "ai,ai->ai",
    "aib,aj->aij",
    "ij,jk,kl->il",
)


@pytest.mark.parametrize("equation", STACKS)
def test_a_stack_of_products(equation: str) -> None:
    """Equal to NumPy's, in C order whatever the operands' layout, alone and in a batch."""
    left, result = equation.split("->")
    terms = tuple(left.split(","))
    assert as_products(terms, result) is not None
    sides = {c: 7 + 3 * k for k, c in enumerate(sorted(set(left) - {","}))}
    if len(sides) < 3:
        sides = dict.fromkeys(sides, 80)
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal([sides[c] for c in term]) for term in terms]
    graph, _ = graph_of(lambda xp, a, b: xp.einsum(a, b, equation=equation), a=xs[0], b=xs[1])
    expected = np.einsum(equation, *xs)
    for point in (xs, [np.asfortranarray(x) for x in xs]):
        (y,) = evaluate(graph, point)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
        ordered = OPS["einsum"].ordered
        assert ordered is not None
        assert y.flags.c_contiguous or not ordered(graph.sites[0])
    (batch,) = evaluate(graph, [np.stack([x, -x]) for x in xs])
    np.testing.assert_allclose(batch, np.stack([expected, expected]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("equation", OTHERS)
def test_what_is_no_stack_is_left_to_numpy(equation: str) -> None:
    """No index that stays in both, a letter twice, a letter to sum in one operand, three operands."""
    left, result = equation.split("->")
    assert as_products(tuple(left.split(",")), result) is None
