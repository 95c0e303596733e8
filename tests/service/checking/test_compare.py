"""Comparing entries that all agree takes a shorter road to the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking import compare as module
from gradproof_service.checking.compare import Pair, compare, row_scale
from gradproof_service.checking.report import Kind, Source, Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

PAIR = Pair("y", "x", Kind.JACOBIAN, Source.REVERSE, Source.FORWARD)
SPECIAL = (0.0, -0.0, 1e-300, 1e300, np.inf, -np.inf, np.nan)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from((None, *SPECIAL)), st.booleans())
def test_both_roads_tell_the_same(seed: int, wrong: bool, odd: Any, zeros: bool) -> None:
    """Entries within their bars, beside them, exact zeros, and numbers that are none."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 6, 2)
    reference = rng.standard_normal((m, n)) * 10.0 ** rng.integers(-6, 6)
    bar = np.abs(reference) * 10.0 ** rng.uniform(-15, -2, (m, n))
    if zeros:
        gone = rng.random((m, n)) < 0.5
        reference[gone], bar[gone] = 0.0, 0.0
    subject = reference + rng.uniform(-1, 1, (m, n)) * bar * (5.0 if wrong else 1.5)
    if odd is not None:
        (subject, reference, bar)[rng.integers(3)][rng.integers(m), rng.integers(n)] = odd
    asked: dict[str, Any] = {"scale": row_scale(reference), "tau": 1e-3, "doubt": 0.5 * bar}
    told = compare(PAIR, subject, reference, bar, **asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_all_well", lambda *_: None)
        long = compare(PAIR, subject, reference, bar, **asked)
    assert repr(told.comparison) == repr(long.comparison)
    np.testing.assert_array_equal(told.wrong, long.wrong)
    np.testing.assert_array_equal(told.power, long.power)


def test_a_reason_is_asked_for_only_where_a_verdict_stays_open() -> None:
    """It may cost more than the comparison."""
    one, none = np.ones((2, 2)), np.zeros((2, 2))

    def never() -> str:
        raise AssertionError

    held = compare(PAIR, one, one, none, scale=one, tau=1e-3, reason=never)
    assert (held.comparison.verdict, held.comparison.reason) == (Verdict.AGREES, "")
    held = compare(PAIR, one, one, 0.1 * one, scale=one, tau=1e-3, reason=lambda: "noise")
    assert (held.comparison.verdict, held.comparison.reason) == (Verdict.INCONCLUSIVE, "noise")
