"""Claims that misbehave: each is a sentence that names the argument, or a finding; none passes unread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import RequestError, TargetError
from gradproof._transport import embedded

W = np.array([[0.3, -1.2, 0.5], [1.1, 0.4, -0.7]])
X = np.array([0.9, -0.4, 1.3])


def f(w: Any, x: Any) -> Any:
    """A scalar function of a matrix and a vector."""
    return np.sum(np.tanh(w @ x))


def df(w: Any, x: Any) -> Any:
    """Its gradient."""
    r = 1 - np.tanh(w @ x) ** 2
    return np.outer(r, x), w.T @ r


def g(w: Any, x: Any) -> Any:
    """A vector function of both."""
    return np.exp(w @ x)


def g_vjp(w: Any, x: Any, cotangent: Any) -> Any:
    """Its reverse rule."""
    c = cotangent * np.exp(w @ x)
    return np.outer(c, x), w.T @ c


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    return gp.Client(embedded())


def returns(value: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A claim for f that is changed on its way out."""

    def claim(w: Any, x: Any) -> Any:
        return value(*df(w, x))

    return claim


def raising(w: Any, x: Any) -> Any:
    """A claim that fails."""
    raise ArithmeticError("no slope here")


def greedy(w: Any, x: Any) -> Any:
    """A claim that writes into the second argument."""
    x *= 0
    return df(w, x)


def greedy_rule(w: Any, x: Any, cotangent: Any) -> Any:
    """A rule that writes into its seed."""
    cotangent *= np.exp(w @ x)
    return np.outer(cotangent, x), w.T @ cotangent


def none_rule(w: Any, x: Any, cotangent: Any) -> Any:
    """A rule that forgets an argument."""
    return g_vjp(w, x, cotangent)[0], None


def flat_rule(w: Any, x: Any, cotangent: Any) -> Any:
    """A rule that flattens a matrix."""
    w_bar, x_bar = g_vjp(w, x, cotangent)
    return w_bar.ravel(), x_bar


def counting() -> Callable[..., Any]:
    """A claim with a state."""
    calls: list[int] = []

    def claim(w: Any, x: Any) -> Any:
        calls.append(1)
        return df(w, x)[0], df(w, x)[1] + 1e-9 * len(calls)

    return claim


def counting_rule() -> Callable[..., Any]:
    """A rule with a state."""
    calls: list[int] = []

    def rule(w: Any, x: Any, cotangent: Any) -> Any:
        calls.append(1)
        return g_vjp(w, x, cotangent)[0], len(calls) * g_vjp(w, x, cotangent)[1]

    return rule


def reusing_rule() -> Callable[..., Any]:
    """A rule that returns one buffer again and again."""
    buffer = np.zeros(3)

    def rule(w: Any, x: Any, cotangent: Any) -> Any:
        w_bar, buffer[:] = g_vjp(w, x, cotangent)
        return w_bar, buffer

    return rule


FAULTS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "none for one": (
        f,
        returns(lambda w, x: (w, None)),
        "claim for x: expected numbers, None came",
    ),
    "none for all": (f, lambda w, x: None, r"expected one value for each of w, x, NoneType came"),
    "one too few": (f, returns(lambda w, x: w), "expected one value for each of w, x"),
    "one too many": (f, returns(lambda w, x: (w, x, x)), "for each of w, x, 3 values came"),
    "shape": (f, returns(lambda w, x: (w.T, x)), r"claim for w: expected shape \(2, 3\)"),
    "complex": (f, returns(lambda w, x: (w, x + 0j)), "claim for x: expected real numbers"),
    "words": (f, returns(lambda w, x: (w, "x")), "claim for x: expected real numbers"),
    "raises": (f, raising, "raising raised ArithmeticError at the point: no slope here"),
    "mutates": (f, greedy, "greedy changes its argument 'x' in place"),
    "state": (f, counting(), "gives different numbers for x when it is called twice"),
    "rule mutates": (g, greedy_rule, "greedy_rule changes the seed"),
    "rule none": (g, none_rule, "claim for x: expected numbers, None came"),
    "rule shape": (g, flat_rule, r"claim for w: expected shape \(2, 3\) from the vjp"),
    "rule state": (g, counting_rule(), "rule gives different numbers for x"),
    "rule reuses": (g, reusing_rule(), "rule overwrites what it returned for x"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_claim_that_misbehaves_is_told_with_its_argument(name: str, client: gp.Client) -> None:
    """One sentence that names the claim or the argument, and leaves the caller's arrays alone."""
    subject, claim, message = FAULTS[name]
    w, x = W.copy(), X.copy()
    with pytest.raises((RequestError, TargetError), match=message):
        client.check(
            subject, at=(w, x), claim=claim, claim_kind="vjp" if subject is g else "gradient"
        )
    assert (w.tobytes(), x.tobytes()) == (W.tobytes(), X.tobytes())


def test_one_none_for_the_only_argument_is_no_missing_claim(client: gp.Client) -> None:
    """A claim that forgets to return is never a check without a claim."""
    with pytest.raises(RequestError, match="claim for x: expected numbers, None came"):
        client.check("sum(x**2)", at=(X,), claim=lambda x: None)


def test_a_claim_of_truth_values_is_a_finding(client: gp.Client) -> None:
    """A mask is no derivative, although it can be read as numbers."""
    report = client.check(lambda x: np.sum(np.maximum(x, 0)), at=(X,), claim=lambda x: x > 0)
    assert report.verdict == "disagrees"
    assert (report.findings[0].code, report.findings[0].input) == ("GP802", "x")


def test_a_claim_of_nan_disagrees(client: gp.Client) -> None:
    """NaN is never equal to a derivative."""
    report = client.check(
        f, at=(W, X), claim=returns(lambda w, x: (w, x * np.nan)), claim_kind="gradient"
    )
    wrong = {c.input for c in report.comparisons if c.verdict == "disagrees"}
    assert wrong == {"x"}


def test_a_float32_claim_agrees_to_fewer_digits(client: gp.Client) -> None:
    """Rounding of the claim's own precision is no mistake; the digits say what was lost."""
    claim = returns(lambda w, x: (w.astype(np.float32), x))
    report = client.check(f, at=(W, X), claim=claim, claim_kind="gradient", rtol=1e-6)
    assert report.verdict == "agrees", gp.testing.explain(report)
    digits = {c.input: c.digits for c in report.comparisons if c.subject == "claim"}
    assert digits["w"] < 9 < digits["x"]


def test_whole_numbers_are_numbers(client: gp.Client) -> None:
    """A claim of integers is read as float64."""
    assert client.check(lambda x: np.sum(3 * x), at=(X,), claim=lambda x: np.full(3, 3))


def test_the_order_of_a_sum_is_no_state(client: gp.Client) -> None:
    """A claim whose last digit changes from call to call, as sums in other places of memory do, is steady."""
    calls: list[int] = []

    def claim(x: Any) -> Any:
        calls.append(1)
        return 2 * x * (1 + 2.0**-52 * (len(calls) % 2))

    assert client.check("sum(x**2)", at=(X,), claim=claim).verdict == "agrees"


PARTS: dict[str, dict[str, Any]] = {
    "none for whole numbers": {
        "f": lambda a, i: np.sum(a[i] ** 2), "at": (X, np.array([0, 2])),
        "claim": lambda a, i: (2 * a * np.bincount(i, minlength=3), None),
    },
    "zeros for whole numbers": {
        "f": lambda i, a: np.sum(a[i] ** 2), "at": (np.array([0, 2]), X),
        "claim": lambda i, a: (0 * i, 2 * a * np.bincount(i, minlength=3)),
    },
    "all, of which one is wanted": {"f": f, "at": (W, X), "claim": df, "wrt": "x"},
    "one of a rule's": {"f": g, "at": (W, X), "claim": g_vjp, "claim_kind": "vjp", "wrt": "w"},
    "numbers in a tuple": {"f": lambda x, n: np.sum(x**2) * n, "at": (X[:2], np.array(1)), "claim": tuple(2 * X[:2])},
    "scalars": {"f": lambda x, n: x**2 * n, "at": (3.0, np.array(2)), "claim": lambda x, n: (2 * x * n, None)},
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_a_part_for_each_argument_is_read_by_its_place(name: str, client: gp.Client) -> None:
    """What is not differentiated may have a part too, None or numbers; the wanted one is found by its place."""
    case = dict(PARTS[name])
    report = client.check(case.pop("f"), **case)
    assert report.verdict == "agrees", gp.testing.explain(report)
