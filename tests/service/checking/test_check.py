"""What a whole check says: right derivatives are never accused, wrong ones are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.check import check
from gradproof_service.checking.report import Claim, Kind, Options, Profile, Report, Source, Verdict
from gradproof_service.diagnostic import Fault
from scipy.optimize import rosen_der, rosen_hess

from tests.service.functions import graph_of

X = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def checked(function: Any, point: dict[str, Any], *claims: Claim, **options: Any) -> Report:
    """The report on a builder function at a point."""
    graph, arrays = graph_of(function, **point)
    return check(None, graph, arrays, claims, Options(**options))


def rosen(xp: Any, x: Any) -> Any:
    """The Rosenbrock function of any number of variables."""
    n = x.shape[0]
    ahead, behind = xp.slice(x, starts=(1,), stops=(n,)), xp.slice(x, starts=(0,), stops=(n - 1,))
    return xp.sum(100.0 * xp.square(ahead - xp.square(behind)) + xp.square(1.0 - behind))


def test_forward_reverse_and_differences_agree() -> None:
    """x^3 + 2x at 3 is 33, its slope 29, and three sources say so."""
    report = checked(lambda xp, x: x**3 + 2.0 * x, {"x": 3.0})
    assert report.verdict is Verdict.AGREES
    assert report.outputs[0][1] == 33.0
    assert report.derivatives[0].value == 29.0
    against = {(c.subject, c.against) for c in report.comparisons}
    assert against == {(Source.REVERSE, Source.FORWARD), (Source.REVERSE, Source.DIFFERENCES)}
    assert all(0 < c.power < 1e-9 for c in report.comparisons)


def test_a_right_gradient_and_hessian_agree() -> None:
    """SciPy's own derivatives of the Rosenbrock function agree, first and second order."""
    gradient = Claim(Kind.GRADIENT, value=rosen_der(X))
    hessian = Claim(Kind.HESSIAN, value=rosen_hess(X))
    report = checked(rosen, {"x": X}, gradient, hessian)
    assert report.verdict is Verdict.AGREES
    assert [c.kind for c in report.comparisons if c.subject is Source.CLAIM] == [
        Kind.GRADIENT,
        Kind.HESSIAN,
    ]


@pytest.mark.parametrize("entry", range(5))
@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 1 + 1e-6])
def test_one_wrong_entry_is_named(entry: int, factor: float) -> None:
    """A sign, a zero, a factor or a millionth in one entry disagrees and names that entry."""
    value = rosen_der(X)
    right = value[entry]
    value[entry] *= factor
    report = checked(rosen, {"x": X}, Claim(Kind.GRADIENT, value=value))
    assert report.verdict is Verdict.DISAGREES
    (wrong,) = [c for c in report.comparisons if c.verdict is Verdict.DISAGREES]
    assert (wrong.entries_wrong, wrong.worst_index) == (1, (entry,))
    assert (wrong.claimed, wrong.reference) == (value[entry], pytest.approx(right))
    assert [f.code for f in report.findings] == ["GP800"]


def test_one_wrong_entry_of_100_000_is_caught() -> None:
    """A relative error of 1e-6 in one entry of 100,000 is caught without a Jacobian by columns."""
    x = np.random.default_rng(1).standard_normal(100_000)
    value = np.cos(x)
    value[41_234] *= 1 + 1e-6
    report = checked(lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, Claim(Kind.GRADIENT, value=value))
    assert report.verdict is Verdict.DISAGREES
    assert report.comparisons[-1].worst_index == (41_234,)
    report = checked(
        lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, Claim(Kind.GRADIENT, value=np.cos(x))
    )
    assert report.verdict is Verdict.AGREES


A = np.array([[1.5, -0.25, 0.5], [0.75, 2.0, -1.0]])


def linear(xp: Any, x: Any) -> Any:
    """One layer: tanh(A x)."""
    return xp.tanh(xp.constant(A) @ x)


def _jacobian(x: Any) -> Any:
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


def test_rules_are_claims_too() -> None:
    """A vjp and a jvp are exercised along seeds; a wrong one disagrees."""
    x = np.array([0.3, -0.2, 0.5])
    rng = np.random.default_rng(3)
    bars, dots = rng.standard_normal((5, 2)), rng.standard_normal((5, 3))
    pulled, pushed = bars @ _jacobian(x), dots @ _jacobian(x).T
    for kind, seeds, value in ((Kind.VJP, bars, pulled), (Kind.JVP, dots, pushed)):
        good = checked(linear, {"x": x}, Claim(kind, value=value, seeds=seeds))
        assert good.verdict is Verdict.AGREES
        bad = checked(
            linear, {"x": x}, Claim(kind, value=value * [[1], [1], [-1], [1], [1]], seeds=seeds)
        )
        assert bad.verdict is Verdict.DISAGREES
        assert bad.comparisons[-1].worst_seed == 3


HARD = {
    "tiny scale": (lambda xp, x: xp.sum(xp.sin(x / 1e-12)), X * 1e-12),
    "huge scale": (lambda xp, x: xp.sum(xp.sin(x / 1e12)), X * 1e12),
    "large offset": (lambda xp, x: xp.sum(xp.sin(x)) + 1e8, X),
    "saturated tanh": (lambda xp, x: xp.sum(xp.tanh(x)), np.array([20.0, 18.0, 5.0, -30.0])),
    "beside a kink": (lambda xp, x: xp.sum(xp.abs(x)), np.array([1e-9, -1e-12, 1.0])),
    "float32": (lambda xp, x: xp.sum(xp.sin(x) * x), X.astype(np.float32)),
    "near singular": (
        lambda xp, a: xp.sum(xp.solve(a, xp.constant(np.array([1.0, 2.0])))),
        np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9]]),
    ),
    "cancellation": (lambda xp, x: xp.sum((x + 1e6) - 1e6), X),
    "domain edge": (lambda xp, x: xp.sum(xp.log(x) + xp.sqrt(x)), np.array([1e-14, 1e-7, 1.0])),
    "oscillation": (lambda xp, x: xp.sum(xp.sin(1000.0 * x)), X),
    "high curvature": (lambda xp, x: xp.sum(xp.exp(-1e6 * xp.square(x - 1.3))), X),
}


@pytest.mark.parametrize("name", HARD)
def test_correct_but_hard_points_never_disagree(name: str) -> None:
    """Where differences are poor the answer is at worst inconclusive, with a reason."""
    function, x = HARD[name]
    report = checked(function, {"x": x})
    assert report.verdict is not Verdict.DISAGREES
    for c in report.comparisons:
        assert c.verdict is Verdict.AGREES or c.reason


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 1.0])
def test_on_a_kink_a_subgradient_is_neither_passed_nor_accused(slope: float) -> None:
    """At the kink of |x| any slope between -1 and 1 is left undecided, and the kink is named."""
    claim = Claim(Kind.GRADIENT, value=np.array([slope, 1.0]))
    report = checked(lambda xp, x: xp.sum(xp.abs(x)), {"x": np.array([0.0, 2.0])}, claim)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "GP203" in {f.code for f in report.findings}


def test_on_a_kink_no_subgradient_is_wrong() -> None:
    """A slope outside the one-sided ones is wrong at a kink as anywhere."""
    claim = Claim(Kind.GRADIENT, value=np.array([1.5, 1.0]))
    report = checked(lambda xp, x: xp.sum(xp.abs(x)), {"x": np.array([0.0, 2.0])}, claim)
    assert report.verdict is Verdict.DISAGREES


def test_the_first_node_that_is_not_finite_is_named() -> None:
    """Outside the domain there is no verdict but the node that left it."""
    report = checked(lambda xp, x: xp.exp(xp.log(x)), {"x": np.array(-1.0)})
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.findings[0].code == "GP108"
    assert "log" in report.findings[0].node


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (Claim(Kind.GRADIENT, value=np.zeros(4)), "GP801"),
        (Claim(Kind.GRADIENT, value=np.zeros(5, dtype=complex)), "GP802"),
    ],
)
def test_a_claim_of_the_wrong_form_disagrees(claim: Claim, code: str) -> None:
    """A wrong shape or dtype is a finding that says what was expected."""
    report = checked(rosen, {"x": X}, claim)
    assert report.verdict is Verdict.DISAGREES
    assert code in {f.code for f in report.findings}


def test_a_claim_that_is_not_a_number_disagrees() -> None:
    """NaN where the reference is finite is wrong, not unknown."""
    value = rosen_der(X)
    value[1] = np.nan
    report = checked(rosen, {"x": X}, Claim(Kind.GRADIENT, value=value))
    assert report.verdict is Verdict.DISAGREES
    assert report.comparisons[-1].worst_index == (1,)


def test_lost_digits_agree_with_a_warning() -> None:
    """A gradient computed through float32 is right, and is told what it lost."""
    value = rosen_der(X).astype(np.float32).astype(np.float64)
    report = checked(rosen, {"x": X}, Claim(Kind.GRADIENT, value=value))
    assert report.verdict is Verdict.AGREES
    (finding,) = [f for f in report.findings if f.code == "GP805"]
    assert 6 < dict(finding.numbers)["digits"] < 9


@pytest.mark.parametrize(
    ("point", "options", "message"),
    [
        ({"x": np.array([1.0, np.nan])}, {}, r"input 'x' is nan at index \[1\]"),
        ({"x": np.array([1, 2])}, {}, "no float input"),
        ({"x": X}, {"wrt": ("y",)}, "no input 'y'"),
        ({"x": X}, {"outputs": ("y",)}, "no output 'y'"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(
    point: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    """One sentence that says where, what was expected and what came."""
    with pytest.raises(Fault, match=message):
        checked(lambda xp, x: xp.sum(x * x), point, **options)


def test_equal_requests_give_equal_reports() -> None:
    """Nothing in a report depends on anything but the request."""
    claim = Claim(Kind.GRADIENT, value=rosen_der(X) + 1e-3)
    first, second = (checked(rosen, {"x": X}, claim) for _ in range(2))
    assert repr(first) == repr(second)


def test_a_network_with_a_forgotten_batch_size() -> None:
    """A two-layer network: right in both precisions; without 1/n in one layer only that one is wrong."""
    rng = np.random.default_rng(0)
    n = 32
    inputs, labels = rng.standard_normal((n, 20)), np.eye(5)[rng.integers(0, 5, n)]

    def gradients(w1: Any, b1: Any, w2: Any, b2: Any) -> dict[str, Any]:
        x, y = inputs.astype(w1.dtype), labels.astype(w1.dtype)
        h = np.tanh(x @ w1 + b1)
        z = h @ w2 + b2
        p = np.exp(z - z.max(1, keepdims=True))
        dz = (p / p.sum(1, keepdims=True) - y) / w1.dtype.type(n)
        da = (dz @ w2.T) * (1 - h * h)
        return {"w1": x.T @ da, "b1": da.sum(0), "w2": h.T @ dz, "b2": dz.sum(0)}

    for dtype in (np.float64, np.float32):
        shapes = {"w1": (20, 16), "b1": (16,), "w2": (16, 5), "b2": (5,)}
        point = {k: (rng.standard_normal(s) / 4).astype(dtype) for k, s in shapes.items()}

        def loss(xp: Any, w1: Any, b1: Any, w2: Any, b2: Any, dtype: Any = dtype) -> Any:
            h = xp.tanh(xp.constant(inputs.astype(dtype)) @ w1 + b1)
            picked = xp.constant(labels.astype(dtype)) * xp.log_softmax(h @ w2 + b2, axis=-1)
            return -xp.sum(picked) / float(n)

        right = gradients(**point)
        claims = [Claim(Kind.GRADIENT, input=k, value=v) for k, v in right.items()]
        assert checked(loss, point, *claims).verdict is Verdict.AGREES
        claims[2:] = [Claim(Kind.GRADIENT, input=k, value=right[k] * n) for k in ("w2", "b2")]
        report = checked(loss, point, *claims)
        wrong = {c.input for c in report.comparisons if c.verdict is Verdict.DISAGREES}
        assert wrong == {"w2", "b2"}


@pytest.mark.parametrize(
    ("profile", "said"), [(Profile.JAX, "jax returns: 1 at x = 0"), (Profile.TORCH, "")]
)
def test_a_profile_names_the_convention_of_others(profile: Profile, said: str) -> None:
    """At a kink the finding says what the chosen library returns where it differs from us."""
    report = checked(lambda xp, x: xp.abs(x), {"x": 0.0}, profile=profile)
    (finding,) = [f for f in report.findings if f.code == "GP203"]
    assert said in finding.message
    assert ("returns: 1" in finding.message) == bool(said)
