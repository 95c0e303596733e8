"""What the general laws cannot see in layers: slopes at kinks, tails, and infinite entries."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped

from tests.service.ops.one_op import gradient, gradient_forward, value


@pytest.mark.parametrize(
    ("op", "attrs", "slope"),
    [
        ("relu", {}, 0.0),
        ("leaky_relu", {"negative_slope": 0.25}, 0.25),
        ("elu", {"alpha": 1.5}, 1.5),
        ("elu", {}, 1.0),
    ],
)
def test_slope_at_the_kink(op: str, attrs: dict[str, float], slope: float) -> None:
    """At 0 the slope is the one from the left, as each record says."""
    assert gradient(op, 0.0, **attrs) == slope
    assert gradient_forward(op, 0.0, **attrs) == slope


def test_softplus_at_large_arguments() -> None:
    """softplus is x far right and e^x far left; it neither overflows nor vanishes early."""
    x = np.array([-np.inf, -700.0, 0.0, 700.0, 1e6, np.inf])
    expected = [0.0, np.exp(-700.0), np.log(2.0), 700.0, 1e6, np.inf]
    np.testing.assert_allclose(value("softplus", x), expected, rtol=1e-15)
    np.testing.assert_allclose(
        gradient("softplus", x), [0.0, np.exp(-700.0), 0.5, 1.0, 1.0, 1.0], rtol=1e-15
    )


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_keeps_its_tail(approximate: str) -> None:
    """Left of 0, where the result is tiny, gelu agrees with 50 digits to 1e-14 of itself."""
    for x in (-6.0, -3.0, -0.5, 0.5, 3.0):
        with mpmath.workdps(50):
            z = mpmath.mpf(x)
            inner = mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf("0.044715") * z**3)
            exact = (
                z * mpmath.ncdf(z) if approximate == "none" else z / 2 * (1 + mpmath.tanh(inner))
            )
        np.testing.assert_allclose(
            value("gelu", x, approximate=approximate), float(exact), rtol=1e-14
        )


def test_softmax_and_its_logarithm_with_minus_infinity() -> None:
    """A masked entry gets probability 0, log-probability -inf, and disturbs no slope."""
    x = np.array([-np.inf, 1000.0, 1000.0])
    np.testing.assert_array_equal(value("softmax", x), [0.0, 0.5, 0.5])
    np.testing.assert_allclose(
        value("log_softmax", x), [-np.inf, -np.log(2), -np.log(2)], rtol=1e-15
    )
    np.testing.assert_allclose(gradient("softmax", x), [0.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(gradient("log_softmax", x), [1.0, -0.5, -0.5], rtol=1e-15)
    assert np.isnan(value("softmax", [-np.inf, -np.inf])).all()


def test_log_softmax_where_softmax_underflows() -> None:
    """Differences of a thousand are kept though their exponentials are 0."""
    np.testing.assert_array_equal(value("log_softmax", [0.0, -1000.0]), [0.0, -1000.0])


def test_layer_norm_has_the_moments_it_promises() -> None:
    """With scale 1, bias 0 and no epsilon the result has mean 0 and variance 1."""
    x = np.array([[1.0, 2.0, 4.0, 8.0], [3.0, -1.0, 0.5, 0.25]])
    y = value("layer_norm", x, np.ones(4), np.zeros(4), epsilon=0.0)
    np.testing.assert_allclose(y.mean(-1), 0.0, atol=1e-15)
    np.testing.assert_allclose(y.var(-1), 1.0, rtol=1e-14)


def test_batch_norm_is_one_line_per_channel() -> None:
    """With given statistics the result is a line in x with the slope scale / deviation."""
    x, one = np.arange(12.0).reshape(2, 3, 2), np.ones(3)
    y = value("batch_norm", x, 2 * one, one, 5 * one, 0.25 * one, epsilon=0.0)
    np.testing.assert_array_equal(y, (x - 5) * 4 + 1)
    np.testing.assert_array_equal(
        gradient("batch_norm", x, 2 * one, one, 5 * one, 0.25 * one, epsilon=0.0),
        np.full(x.shape, 4.0),
    )


@pytest.mark.parametrize(
    ("op", "attrs", "shapes"),
    [
        ("gelu", {"approximate": "erf"}, [(2,)]),
        ("softmax", {}, [()]),
        ("layer_norm", {"axes": (0,)}, [(2, 3), (2,), (2,)]),
        ("layer_norm", {}, [(2, 3), (2,), (3,)]),
        ("layer_norm", {"epsilon": -1.0}, [(2, 3), (3,), (3,)]),
        ("batch_norm", {}, [(4, 3), (3,), (3,), (3,), (4,)]),
    ],
)
def test_refusals(op: str, attrs: dict[str, object], shapes: list[tuple[int, ...]]) -> None:
    """What has no meaning is refused with a sentence, before anything runs."""
    with pytest.raises(IllTyped):
        OPS[op].site(attrs, tuple(type_of("float64", shape) for shape in shapes))
