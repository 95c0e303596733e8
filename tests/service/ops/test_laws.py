"""Every op of the catalogue obeys every law that its record says applies."""

from __future__ import annotations

from typing import Any

import pytest
from gradproof_service.ops import OPS
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.service.ops import laws
from tests.service.ops.draws import HypothesisDraw, SeededDraw, sample
from tests.service.ops.laws import Case

EXAMPLES = settings(max_examples=12)
ALL = list(OPS)
ANALYTIC = [n for n, op in OPS.items() if op.analytic]
LINEAR = [n for n, op in OPS.items() if op.linear]


def _differentiable(name: str) -> bool:
    return Case(OPS[name], *sample(OPS[name], SeededDraw(0))).differentiable


FLOATS = [n for n in ALL if _differentiable(n)]
TRUE_SLOPES = [n for n in FLOATS if OPS[n].source != "declared"]
"""An op whose derivative is declared rather than derived (`stop_gradient`) equals no difference."""


def drawn(name: str, data: Any) -> Case:
    """A case of this op with Hypothesis's choices."""
    d = HypothesisDraw(data)
    return Case(OPS[name], *sample(OPS[name], d), d.integer(0, 9999))


def smooth(name: str, data: Any) -> Case:
    """A case whose point lies on no kink, jump or edge."""
    case = drawn(name, data)
    assume(case.reach > laws.ON_THE_EDGE)
    return case


@pytest.mark.parametrize("name", ALL)
@EXAMPLES
@given(data=st.data())
def test_shapes_and_dtypes(name: str, data: Any) -> None:
    """Inference promises what the kernel returns, in float64 and float32."""
    laws.shapes_and_dtypes(drawn(name, data))


@pytest.mark.parametrize("name", ALL)
@EXAMPLES
@given(data=st.data())
def test_batched_is_stacked(name: str, data: Any) -> None:
    """A batch gives what its elements give alone, in value and in both modes."""
    laws.batched_is_stacked(drawn(name, data))


@pytest.mark.parametrize("name", ALL)
@EXAMPLES
@given(data=st.data())
def test_operands_are_left_alone(name: str, data: Any) -> None:
    """No kernel writes into an operand."""
    laws.operands_are_left_alone(drawn(name, data))


@pytest.mark.parametrize("name", FLOATS)
@EXAMPLES
@given(data=st.data())
def test_adjoint(name: str, data: Any) -> None:
    """<c, J t> = <J^T c, t> to roundoff."""
    laws.adjoint(drawn(name, data))


@pytest.mark.parametrize("name", FLOATS)
@EXAMPLES
@given(data=st.data())
def test_linear_in_the_seed(name: str, data: Any) -> None:
    """Both modes are linear in what they are given."""
    laws.linear_in_the_seed(drawn(name, data))


@pytest.mark.parametrize("name", FLOATS)
@EXAMPLES
@given(data=st.data())
def test_float32_stays_float32(name: str, data: Any) -> None:
    """Derivatives of float32 are float32, and near those of float64."""
    laws.float32_stays_float32(smooth(name, data))


@pytest.mark.parametrize("name", TRUE_SLOPES)
@EXAMPLES
@given(data=st.data())
def test_forward_is_a_difference(name: str, data: Any) -> None:
    """J t lies inside the error bar of a difference quotient of the kernel."""
    laws.forward_is_a_difference(smooth(name, data))


@pytest.mark.parametrize("name", TRUE_SLOPES)
@EXAMPLES
@given(data=st.data())
def test_second_order_is_a_difference(name: str, data: Any) -> None:
    """The tangent of J^T c lies inside the error bar of a difference quotient of J^T c."""
    laws.second_order_is_a_difference(smooth(name, data))


@pytest.mark.parametrize("name", ANALYTIC)
@EXAMPLES
@given(data=st.data())
def test_complex_step(name: str, data: Any) -> None:
    """A kernel declared analytic carries a complex step to the derivative."""
    laws.complex_step(smooth(name, data))


@pytest.mark.parametrize("name", LINEAR)
@EXAMPLES
@given(data=st.data())
def test_declared_linear_is_linear(name: str, data: Any) -> None:
    """Along an operand declared linear the second difference vanishes."""
    laws.declared_linear_is_linear(drawn(name, data))
