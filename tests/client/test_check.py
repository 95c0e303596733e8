"""The public face: check and its claims, derivatives as arrays, reports as values, black boxes by probe."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import RequestError, TargetError
from gradproof._seeds import make_seeds
from scipy.optimize import rosen, rosen_der, rosen_hess

X = np.array([1.3, 0.7, 0.8])
A = np.array([[1.0, 0.5, -0.25], [0.3, -0.7, 2.0]])


def f(x: Any) -> Any:
    """A scalar function of a vector."""
    return np.sum(np.sin(x) * x**2)


def df(x: Any) -> Any:
    """Its gradient."""
    return np.cos(x) * x**2 + 2 * x * np.sin(x)


def ddf(x: Any) -> Any:
    """Its Hessian."""
    return np.diag(-np.sin(x) * x**2 + 4 * x * np.cos(x) + 2 * np.sin(x))


def g(w: Any, x: Any) -> Any:
    """A vector function of a matrix and a vector."""
    return np.exp(w @ x)


def g_jacobian(w: Any, x: Any) -> Any:
    """Its Jacobian blocks."""
    y = np.exp(w @ x)
    return np.einsum("i,ij,k->ijk", y, np.eye(2), x), y[:, None] * w


def g_vjp(w: Any, x: Any, cotangent: Any) -> Any:
    """Its reverse rule."""
    c = cotangent * np.exp(w @ x)
    return np.outer(c, x), w.T @ c


def g_jvp(w: Any, x: Any, w_dot: Any, x_dot: Any) -> Any:
    """Its forward rule."""
    return np.exp(w @ x) * (w_dot @ x + w @ x_dot)


def f_hvp(x: Any, x_dot: Any) -> Any:
    """The Hessian of f along a tangent."""
    return ddf(x) @ x_dot


def two(x: Any) -> Any:
    """Two outputs."""
    return np.sum(x**2), np.sin(x)


def layers(params: Any, x: Any) -> Any:
    """A scalar function of a dict of arrays."""
    return np.sum((params["w"] @ x + params["b"]) ** 2)


def layers_gradient(params: Any, x: Any) -> Any:
    """Its gradient, a dict for the dict."""
    r = 2 * (params["w"] @ x + params["b"])
    return {"w": np.outer(r, x), "b": r}, params["w"].T @ r


PARAMS = {"params": {"w": A, "b": np.array([0.5, -1.0])}, "x": X}
RIGHT: dict[str, dict[str, Any]] = {
    "gradient function": {"f": f, "at": (X,), "claim": df},
    "gradient values": {"f": f, "at": {"x": X}, "claim": df(X)},
    "gradient by name": {"f": f, "at": {"x": X}, "claim": {"x": df(X)}},
    "gradient in a tuple": {"f": f, "at": {"x": X}, "claim": (df(X),)},
    "gradient of an expression": {"f": "x**3 + 2*x", "at": {"x": 3.0}, "claim": "3*x**2 + 2"},
    "gradient number": {"f": "x**3 + 2*x", "at": {"x": 3}, "claim": 29},
    "gradient of a dict": {"f": layers, "at": PARAMS, "claim": layers_gradient},
    "jacobian function": {"f": g, "at": (A, X), "claim": g_jacobian},
    "jacobian by name": {"f": g, "at": (A, X), "claim": {"x": g_jacobian(A, X)[1]}},
    "jacobian of one": {"f": g, "at": (A, X), "claim": g_jacobian(A, X)[1], "wrt": "x"},
    "jacobian of two outputs": {"f": two, "at": (X,), "claim": (2 * X, np.diag(np.cos(X)))},
    "one of two outputs": {"f": two, "at": (X,), "claim": 2 * X, "outputs": "out0"},
    "hessian": {"f": f, "at": (X,), "claim": ddf},
    "hessian said": {"f": f, "at": (X,), "claim": ddf(X), "claim_kind": "hessian"},
    "vjp": {"f": g, "at": (A, X), "claim": g_vjp},
    "jvp": {"f": g, "at": (A, X), "claim": g_jvp, "claim_kind": "jvp"},
    "hvp": {"f": f, "at": (X,), "claim": f_hvp},
    "rosen": {"f": rosen, "at": (X,), "claim": rosen_der},
    "rosen hessian": {"f": rosen, "at": (X,), "claim": rosen_hess},
    "rosen jacobian": {"f": rosen_der, "at": (X,), "claim": rosen_hess},
    "no claim": {"f": g, "at": (A, X)},
    "float32": {"f": f, "at": (X.astype(np.float32),), "claim": df, "tau": 0.05},
}


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    from gradproof._transport import embedded

    return gp.Client(embedded())


def asked(client: gp.Client, case: dict[str, Any]) -> gp.Report:
    """The report of one case."""
    case = dict(case)
    return client.check(case.pop("f"), **case)


@pytest.mark.parametrize("name", RIGHT)
def test_right_claims_agree_in_every_form(name: str, client: gp.Client) -> None:
    """Arrays, tuples, dicts, functions and expressions say the same."""
    report = asked(client, RIGHT[name])
    assert report.verdict == "agrees", gp.testing.explain(report)
    assert bool(report)
    if "claim" in RIGHT[name]:
        assert any(c.subject == "claim" for c in report.comparisons)


def twice(claim: Any) -> Any:
    """The claim with every number doubled, in the same form."""
    if isinstance(claim, str):
        return f"2*({claim})"
    if callable(claim):
        return _renamed(claim)
    if isinstance(claim, dict):
        return {k: twice(v) for k, v in claim.items()}
    return tuple(map(twice, claim)) if isinstance(claim, tuple) else 2 * np.asarray(claim)


def _renamed(claim: Callable[..., Any]) -> Callable[..., Any]:
    import functools

    @functools.wraps(claim)
    def doubled(*args: Any) -> Any:
        return twice(claim(*args))

    return doubled


@pytest.mark.parametrize("name", [n for n in RIGHT if "claim" in RIGHT[n]])
def test_doubled_claims_disagree_in_every_form(name: str, client: gp.Client) -> None:
    """The same claims times two are found wrong, so no form slips through unread."""
    case = {**RIGHT[name], "claim": twice(RIGHT[name]["claim"])}
    report = asked(client, case)
    assert report.verdict == "disagrees", gp.testing.explain(report)
    assert report.findings


def test_one_wrong_entry_of_a_rule_is_found(client: gp.Client) -> None:
    """A vjp that is wrong in one place only disagrees, for that input."""

    def wrong(w: Any, x: Any, cotangent: Any) -> Any:
        w_bar, x_bar = g_vjp(w, x, cotangent)
        w_bar[1, 2] *= 1.001
        return w_bar, x_bar

    report = client.check(g, at=(A, X), claim=wrong, claim_kind="vjp")
    wrong_inputs = {c.input for c in report.comparisons if c.verdict == "disagrees"}
    assert wrong_inputs == {"w"}


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"f": f, "at": (X,), "claim": np.ones(2)}, r"claim for x: expected shape \(3,\)"),
    ({"f": g, "at": (A, X), "claim": np.ones(3)}, "one value for each of w, x"),
    ({"f": g, "at": (A, X), "claim": np.ones((3, 2)), "wrt": "x"}, r"expected shape \(2, 3\)"),
    ({"f": g, "at": (A, X), "claim": X, "wrt": "x", "claim_kind": "gradient"}, "of a scalar"),
    ({"f": f, "at": (X,), "claim": X, "claim_kind": "grad"}, "claim_kind: expected one of"),
    ({"f": f, "at": (X,), "claim": X, "claim_kind": "vjp"}, "expected a function"),
    ({"f": f, "at": (X,), "claim": lambda x, v: x}, "say which"),
    ({"f": f, "at": (X,), "claim": "text"}, "reads 'text'"),
    ({"f": f, "at": (X,), "claim": [None]}, "expected"),
    ({"f": f, "at": (X,), "wrt": "y"}, "there is no 'y'"),
    ({"f": f, "at": (X,), "outputs": "loss"}, "there is no 'loss'"),
    ({"f": f, "at": (X,), "rtol": -1.0}, "rtol: expected a number of zero or more"),
    ({"f": f, "at": (X,), "order": 3}, "order: expected 1 or 2"),
    ({"f": f, "at": (X,), "profile": "tensorflow"}, "profile: expected numpy, torch or jax"),
    ({"f": f, "at": (X,), "rtoll": 1e-3}, "rtoll: a check has no such option; did you mean 'rtol'"),
    ({"f": f, "at": (X,), "timeout_s": 0.0}, "timeout_s: expected seconds above zero"),
    ({"f": two, "at": (X,), "claim": X}, "outputs out0, out1"),
]


@pytest.mark.parametrize(("case", "message"), MISFITS)
def test_claims_and_options_that_do_not_fit_are_told(
    case: dict[str, Any], message: str, client: gp.Client
) -> None:
    """One sentence with what was expected and what came."""
    with pytest.raises((RequestError, TargetError), match=message):
        asked(client, case)


def test_a_claim_that_changes_its_arguments_is_refused(client: gp.Client) -> None:
    """The claim works on copies, and writing into them is told."""

    def greedy(x: Any) -> Any:
        x *= 2
        return x

    mine = X.copy()
    with pytest.raises(TargetError, match="greedy changes its argument 'x'"):
        client.check(f, at=(mine,), claim=greedy)
    assert mine.tobytes() == X.tobytes()


def clipped(x: Any) -> Any:
    """A function that branches on a value."""
    return np.sum(x**2) if x[0] > 0 else np.sum(x)


def test_a_black_box_is_checked_by_values(client: gp.Client) -> None:
    """What cannot be recorded is asked for values over a probe; the report says why."""
    report = client.check(clipped, at=(X,), claim=lambda x: 2 * x)
    assert (report.verdict, report.carriage) == ("agrees", "black box")
    assert "branch-on-value" in report.carriage_reason
    assert client.check(clipped, at=(X,), claim=lambda x: 3 * x).verdict == "disagrees"
    with pytest.raises(TargetError, match="could not be recorded"):
        client.gradient(clipped, at=(X,))
    np.testing.assert_allclose(client.evaluate(clipped, at=(X,)), clipped(X))


def test_a_black_box_that_raises_nearby_is_left_open_by_name(client: gp.Client) -> None:
    """An exception away from the point is no crash of the check: nothing is proved, and the report says what it was."""

    def fragile(x: Any) -> Any:
        if x[0] != X[0]:
            raise ValueError("only here")
        return np.sum(x**2)

    report = client.check(fragile, at=(X,), claim=lambda x: 2 * x)
    assert report.verdict == "inconclusive"
    assert "ValueError" in report.comparisons[0].detail
    assert "only here" in report.comparisons[0].detail


def test_derivatives_come_in_the_arguments_places(client: gp.Client) -> None:
    """One argument gives its own shape, several a tuple, dicts come back as dicts."""
    np.testing.assert_allclose(client.gradient(f, at={"x": X}), df(X), rtol=1e-13)
    by_params, by_x = client.gradient(layers, at=PARAMS)
    want_params, want_x = layers_gradient(**PARAMS)
    np.testing.assert_allclose(by_x, want_x, rtol=1e-13)
    assert set(by_params) == {"w", "b"}
    np.testing.assert_allclose(by_params["w"], want_params["w"], rtol=1e-13)
    for got, want in zip(client.jacobian(g, at=(A, X)), g_jacobian(A, X), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
    np.testing.assert_allclose(
        client.jacobian(g, at=(A, X), wrt="x"), g_jacobian(A, X)[1], rtol=1e-13
    )
    np.testing.assert_allclose(client.hessian(f, at=(X,)), ddf(X), rtol=1e-12, atol=1e-13)
    value, gradient = client.value_and_gradient(f, at=(X,))
    np.testing.assert_allclose((value, gradient[0]), (f(X), df(X)[0]), rtol=1e-13)


def test_products_agree_with_the_matrices(client: gp.Client) -> None:
    """jvp, vjp and hvp are the Jacobian and Hessian applied to the seeds."""
    w_dot, x_dot, c = A[::-1], X[::-1], np.array([0.5, -2.0])
    y, y_dot = client.jvp(g, at=(A, X), tangents=(w_dot, x_dot))
    np.testing.assert_allclose(y, g(A, X))
    np.testing.assert_allclose(y_dot, g_jvp(A, X, w_dot, x_dot), rtol=1e-13)
    np.testing.assert_allclose(
        client.jvp(g, at=(A, X), tangents={"x": x_dot})[1], g_jvp(A, X, 0 * A, x_dot), rtol=1e-13
    )
    for got, want in zip(client.vjp(g, at=(A, X), cotangents=c)[1], g_vjp(A, X, c), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
    np.testing.assert_allclose(client.hvp(f, at=(X,), tangents=x_dot), ddf(X) @ x_dot, rtol=1e-12)


def test_a_report_is_plain_values_that_repeat(client: gp.Client) -> None:
    """Equal requests give equal JSON, and what it holds is what the attributes say."""
    reports = [client.check(f, at=(X,), claim=lambda x: 2 * df(x)) for _ in range(2)]
    texts = [r.to_json() for r in reports]
    assert texts[0] == texts[1]
    told, report = json.loads(texts[0]), reports[0]
    assert told["verdict"] == report.verdict == "disagrees"
    assert told["comparisons"][0]["output"] == report.comparisons[0].output == "out"
    assert told["findings"][0]["code"] == report.findings[0].code
    np.testing.assert_allclose(report.value, f(X))
    np.testing.assert_allclose(report.derivative("x"), df(X), rtol=1e-13)
    claim = next(c for c in report.comparisons if c.subject == "claim")
    assert claim.claimed == pytest.approx(2 * claim.reference)
    assert len(claim.worst_index) == 1


def test_assert_derivatives_tells_the_cause() -> None:
    """A wrong claim fails with the comparison in it; a right one returns the report."""
    assert gp.testing.assert_derivatives(f, at=(X,), claim=df).verdict == "agrees"
    with pytest.raises(
        AssertionError,
        match=r"d out / d x: claim against reverse disagrees, 3 of 3 entries\n    worst",
    ):
        gp.testing.assert_derivatives(f, at=(X,), claim=lambda x: 2 * df(x))


def test_programs_are_checked_like_functions(client: gp.Client) -> None:
    """A traced program, saved and read again, gives the same verdict at another point."""
    program = gp.Program.from_bytes(gp.trace(f, at=(X,)).to_bytes())
    assert client.check(program, at={"x": X + 0.1}, claim=df).verdict == "agrees"
    with pytest.raises(TargetError, match="no input 'z'"):
        client.check(program, at={"x": X, "z": 1.0})
    with pytest.raises(TargetError, match="needs a value for 'x'"):
        client.check(program, at={})


def test_seeds_are_fixed_and_cover_small_inputs() -> None:
    """Equal rng_seed, equal seeds; both signs, several sizes, and every unit seed when there are few."""
    seeds = make_seeds((2, 3), np.dtype(np.float64), 7)
    np.testing.assert_array_equal(seeds, make_seeds((2, 3), np.dtype(np.float64), 7))
    assert np.linalg.matrix_rank(seeds.reshape(len(seeds), -1)) == 6
    assert (seeds < 0).any()
    large = make_seeds((1000,), np.dtype(np.float32), 0)
    assert large.dtype == np.float32
    assert (np.count_nonzero(large, axis=1) < 100).any()


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import gradproof` and a check of an expression leave gRPC, Rich, Typer and SciPy alone."""
    code = (
        "import sys, gradproof as gp; gp.check; gp.expression('x'); gp.connect\n"
        "print([m for m in ('grpc', 'scipy', 'rich', 'typer', 'gradproof_service') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_public_names_exist() -> None:
    """Every name in `__all__` can be had, and dir() lists them."""
    for name in gp.__all__:
        assert getattr(gp, name) is not None
    assert set(gp.__all__) <= set(dir(gp))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gp.nothing  # noqa: B018
