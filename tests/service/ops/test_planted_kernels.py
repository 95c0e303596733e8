"""Wrong kernels and false declarations planted into copies of records make a law fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Op

from tests.service.ops import laws
from tests.service.ops.laws import Case
from tests.service.ops.points import NAMES, cases, operands


def _conjugated(op: Op) -> Op:
    """A kernel that is not holomorphic: it conjugates what it is given."""
    return replace(op, kernel=lambda s, *xs: op.kernel(s, *map(np.conj, xs)))


def _shuffling(op: Op) -> Op:
    """A kernel that reads the batch axis backwards."""

    def kernel(s: Any, *xs: Any) -> Any:
        out = op.kernel(s, *xs)
        return out[::-1] if np.ndim(out) > s.out.rank else out

    return replace(op, kernel=kernel)


def _widening(op: Op) -> Op:
    """A kernel that computes in float64 whatever it is given."""
    return replace(op, kernel=lambda s, *xs: op.kernel(s, *xs).astype(np.float64))


def _scribbling(op: Op) -> Op:
    """A kernel that doubles its first operand in place before it starts."""

    def kernel(s: Any, *xs: Any) -> Any:
        np.multiply(xs[0], 2, out=xs[0])
        return op.kernel(s, *xs)

    return replace(op, kernel=kernel)


def _quadratic(op: Op) -> Op:
    """Rules that square what they should pass on linearly."""

    def find(i: int) -> Any:
        rule = op.jvp_rule(i)
        return rule and (
            lambda xp, s, xs, ys, d: rule(xp, s, xs, ys, d) * d if len(s.outs) == 1 else None
        )

    return replace(op, jvp=find)


def _declared_linear(op: Op) -> Op:
    """A record that calls its first operand linear."""
    return replace(op, linear=(0,))


def everywhere(law: Callable[[Case], None], name: str, spoil: Callable[[Op], Op]) -> None:
    """The law at every point of the op, its record spoiled."""
    for case in cases(name):
        law(replace(case, op=spoil(case.op)))


PLAIN = [n for n in NAMES if OPS[n].batching != "run" and len(cases(n)[0].site.outs) == 1]


@pytest.mark.parametrize("name", [n for n in PLAIN if OPS[n].analytic])
def test_a_kernel_that_is_not_holomorphic_is_found(name: str) -> None:
    """The complex step through a kernel that conjugates disagrees with the rules."""
    with pytest.raises(AssertionError):
        everywhere(laws.complex_step, name, _conjugated)


@pytest.mark.parametrize("name", PLAIN)
def test_a_kernel_that_mixes_the_batch_is_found(name: str) -> None:
    """A kernel that takes the batch axis for one of its own does not give what its elements give."""
    with pytest.raises(AssertionError):
        everywhere(laws.batched_is_stacked, name, _shuffling)


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "astype"])
def test_a_kernel_that_widens_is_found(name: str) -> None:
    """float64 that comes out of float32 breaks inference's promise."""
    with pytest.raises(AssertionError):
        laws.shapes_and_dtypes(replace(cases(name)[0], op=_widening(OPS[name])))


@pytest.mark.parametrize("name", [n for n in PLAIN if operands(n)[0] == 0])
def test_a_kernel_that_writes_into_an_operand_is_found(name: str) -> None:
    """Operands are handed over read-only, so a kernel that writes cannot pass unseen."""
    with pytest.raises(ValueError, match="read-only"):
        laws.operands_are_left_alone(replace(cases(name)[0], op=_scribbling(OPS[name])))


@pytest.mark.parametrize("name", ["add", "multiply", "exp", "abs"])
def test_a_rule_that_is_not_linear_is_found(name: str) -> None:
    """A rule that squares its seed fails the linearity law."""
    with pytest.raises(AssertionError):
        everywhere(laws.linear_in_the_seed, name, _quadratic)


@pytest.mark.parametrize("name", ["square", "exp", "cholesky", "softmax"])
def test_a_false_declaration_of_linearity_is_found(name: str) -> None:
    """An op that is declared linear and curves fails."""
    with pytest.raises(AssertionError):
        everywhere(laws.declared_linear_is_linear, name, _declared_linear)
