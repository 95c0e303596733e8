"""What a check can do beyond one verdict: many points, planted faults, counterexamples, recorded claims. Both transports."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import RequestError, TargetError
from gradproof._transport import connect, embedded
from gradproof_proto.reader import read
from gradproof_proto.v1 import derivative_pb2 as der

from tests.service.server.harness import ServerThread

X = np.array([1.3, 0.7, 0.8])
W = np.array([[0.3, -1.2, 0.5], [1.1, 0.4, -0.7]])


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    return gp.Client(embedded())


@pytest.fixture(scope="module")
def remote() -> Iterator[gp.Client]:
    """A service behind gRPC."""
    with ServerThread() as running, gp.connect(running.address) as connected:
        yield connected


@pytest.fixture(params=["embedded", "remote"])
def both(request: pytest.FixtureRequest, client: gp.Client) -> gp.Client:
    """Each of the two."""
    return client if request.param == "embedded" else request.getfixturevalue("remote")


def f(x: Any) -> Any:
    """A function with a branch."""
    return np.sum(np.where(x > 0, np.sin(x) * x**2, x**3))


def df(x: Any) -> Any:
    """Its gradient."""
    return np.where(x > 0, np.cos(x) * x**2 + 2 * x * np.sin(x), 3 * x**2)


def df_wrong_below(x: Any) -> Any:
    """Its gradient, wrong at negative values only."""
    return np.where(x > 0, np.cos(x) * x**2 + 2 * x * np.sin(x), 3 * x)


def clipped(x: Any) -> Any:
    """A black box that branches on a value."""
    return np.sum(x**2) if x[0] > 0 else np.sum(x)


def layer(w: Any, x: Any) -> Any:
    """A vector function of a matrix and a vector."""
    return np.exp(w @ x)


def layer_vjp(w: Any, x: Any, cotangent: Any) -> Any:
    """Its reverse rule, with the slope of exp left out for x."""
    c = cotangent * np.exp(w @ x)
    return np.outer(c, x), w.T @ cotangent


# Many points


def test_a_fault_in_the_other_branch_is_found_by_more_points(both: gp.Client) -> None:
    """At the given point the claim is right; the points reach the other side, and the report says where."""
    assert both.check(f, at=(X,), claim=df_wrong_below).verdict == "agrees"
    report = both.check(f, at=(X,), claim=df_wrong_below, points=4, rng_seed=1)
    assert report.verdict == "disagrees"
    assert report.points[0].report.verdict == "agrees"
    worst = report.points[report.worst]
    assert worst.report.verdict == "disagrees"
    assert (worst.at["x"] < 0).any()
    assert {c.point for c in report.comparisons} == set(range(4))
    assert {c.point for c in report.comparisons if c.verdict == "disagrees"} >= {report.worst}
    assert report.findings[0].code == "GP800"
    assert report.findings[0].point > 0
    np.testing.assert_array_equal(report.points[0].at["x"], X)


def test_what_the_points_cover_is_told(client: gp.Client) -> None:
    """Both sides of every branch when reachable, the unseen ones by name; equal seeds, equal bytes."""
    report = client.check(f, at=(X,), claim=df, points=4, rng_seed=3)
    assert report.verdict == "agrees"
    assert report.coverage is not None
    assert (report.coverage.points, report.coverage.sides) == (4, report.coverage.sides_seen)
    again = client.check(f, at=(X,), claim=df, points=4, rng_seed=3)
    assert report.to_json() == again.to_json()
    other = client.check(f, at=(X,), claim=df, points=4, rng_seed=4)
    assert not np.array_equal(report.points[1].at["x"], other.points[1].at["x"])
    one_sided = client.check("where(x**2 + 1 > 0, x, -x)", at={"x": 1.0}, points=2)
    assert one_sided.coverage is not None
    assert any("false" in side for side in one_sided.coverage.unseen)


def test_points_stay_inside_the_domain(client: gp.Client) -> None:
    """A logarithm is asked at positive points only, and what is not in wrt keeps its value."""
    report = client.check("log(x)*y", at={"x": 2.0, "y": 3.0}, wrt="x", points=6)
    assert report.verdict == "agrees", gp.testing.explain(report)
    assert all(p.at["x"] > 0 and p.at["y"] == 3 for p in report.points)


def test_a_black_box_is_sampled_around_its_point(both: gp.Client) -> None:
    """The other side of a branch on a value is reached; points with NaN or an exception are left out."""
    right = both.check(
        clipped, at=(X,), claim=lambda x: 2 * x if x[0] > 0 else np.ones(3), points=3
    )
    assert (right.verdict, right.carriage) == ("agrees", "black box")
    assert both.check(clipped, at=(X,), claim=lambda x: 2 * x).verdict == "agrees"
    wrong = both.check(clipped, at=(X,), claim=lambda x: 2 * x, points=3)
    assert wrong.verdict == "disagrees"

    def picky(x: Any) -> Any:
        if x[0] < -5 or x[0] > 5:
            raise ValueError("too far")
        return np.sqrt(x[0]) if x[0] > -1 else 0.0

    report = both.check(picky, at=(X,), points=4, claim=lambda x: np.zeros(3))
    assert report.coverage is not None
    assert all(p.at["x"][0] <= 5 for p in report.points)


def test_a_function_that_fails_elsewhere_leaves_those_points_out(client: gp.Client) -> None:
    """What it raises is told once; the other points are checked."""

    def fragile(x: Any) -> Any:
        if np.any(x.shape) and float(np.asarray(x).sum()) < 0:
            raise ValueError("negative sum")
        return np.sum(x**2)

    report = client.check(fragile, at=(X,), claim=lambda x: 2 * x, points=12)
    assert report.coverage is not None
    assert report.verdict == "agrees"
    assert any("negative sum" in reason for reason in report.coverage.left_out)


@pytest.mark.parametrize("points", [0, -1, 1.5, True, 10**6])
def test_how_many_points_must_be_a_number_of_points(points: Any, client: gp.Client) -> None:
    """One sentence, before anything is computed."""
    if points is True:
        assert client.check("x", at={"x": 1.0}, points=points)
        return
    with pytest.raises(RequestError, match="points: expected a whole number from 1 to 1000"):
        client.check("x", at={"x": 1.0}, points=points)


@pytest.mark.parametrize("claim", [df(X), (df(X),), {"x": df(X)}])
def test_numbers_are_no_claim_at_other_points(claim: Any, client: gp.Client) -> None:
    """A claim that was evaluated at one point cannot be meant at others."""
    with pytest.raises(RequestError, match="numbers are the derivative at one point"):
        client.check(f, at=(X,), claim=claim, points=2)


def test_expressions_and_rules_are_claims_at_many_points(client: gp.Client) -> None:
    """Every claim that can be called or evaluated is, at each point."""
    assert client.check("x**3", at={"x": 2.0}, claim="3*x**2", points=3)
    report = client.check(layer, at=(W, X), claim=layer_vjp, claim_kind="vjp", points=3)
    assert {c.point for c in report.comparisons if c.verdict == "disagrees"} == {0, 1, 2}


def test_time_is_for_all_points_together(client: gp.Client) -> None:
    """A check of many points ends when its time is over."""
    with pytest.raises(gp.DeadlineError):
        client.check(f, at=(X,), claim=df, points=50, timeout_s=0.01)


# Planted faults


def test_planted_faults_are_caught(both: gp.Client) -> None:
    """A claim that is right is proved by wrong versions of itself; one that is wrong needs no proof."""
    report = both.check(f, at=(X,), claim=df, prove=True)
    proof = report.proofs[0]
    assert (proof.output, proof.input, proof.kind) == ("out", "x", "gradient")
    assert proof.planted == proof.caught > 9
    assert proof.missed == ()
    assert report.to_dict()["proofs"][0]["caught"] == proof.caught
    assert both.check(f, at=(X,), claim=df).proofs == ()
    assert both.check(f, at=(X,), claim=lambda x: 2 * df(x), prove=True).proofs == ()


def test_a_fault_that_a_tolerance_hides_is_named(client: gp.Client) -> None:
    """A vacuous tolerance shows in what it misses."""
    report = client.check(f, at=(X,), claim=df, prove=True, rtol=0.5)
    assert report.proofs[0].caught < report.proofs[0].planted
    assert any("relative error" in name for name in report.proofs[0].missed)


# Counterexamples


def numbers(report: gp.Report) -> list[tuple[Any, ...]]:
    """What every wrong comparison says; its bar to three digits, because what is folded rounds no more."""
    return [
        (c.input, c.kind, c.claimed, c.reference, f"{c.error_bar:.2e}", c.worst_index)
        for c in report.comparisons
        if c.verdict == "disagrees"
    ]


def test_a_disagreement_is_saved_and_shown_again(both: gp.Client, tmp_path: Path) -> None:
    """The file is smaller than what was asked and shows the same numbers on either transport."""
    file = tmp_path / "wrong.gpc"
    report = both.check(f, at=(X,), claim=lambda x: df(x) * 1.01, save=file)
    assert (report.saved, report.not_saved) == (str(file), "")
    assert list(tmp_path.iterdir()) == [file]
    again = both.replay(file)
    assert numbers(again) == numbers(report) != []
    assert gp.Client(embedded()).replay(file).to_json() == again.to_json()
    assert again.name == report.name


def test_the_counterexample_holds_only_what_is_wrong(client: gp.Client, tmp_path: Path) -> None:
    """Of two inputs and two outputs the wrong pair is kept, the rest is folded into numbers."""

    def two(w: Any, x: Any) -> Any:
        return np.sum(np.tanh(w @ x)), np.sum(w) * x

    def claim(w: Any, x: Any) -> Any:
        r = 1 - np.tanh(w @ x) ** 2
        return (np.outer(r, x), w.T @ r * 1.5), (
            x[:, None, None] * np.ones((2, 3)),
            np.sum(w) * np.eye(3),
        )

    file = tmp_path / "two.gpc"
    report = client.check(two, at=(W, X), claim=claim, save=file)
    assert {(c.output, c.input) for c in report.comparisons if c.verdict == "disagrees"} == {
        ("out0", "x")
    }
    request = der.CheckRequest.FromString(file.read_bytes())
    kept = read(request.program)
    assert [p.name for p in request.point] == ["x"]
    assert len(kept.functions) == 1
    assert not request.claims[0].HasField("program_function")
    assert numbers(client.replay(file)) == numbers(report)


@pytest.mark.parametrize("kind", ["vjp", "hvp", "hessian"])
def test_rules_and_second_order_are_saved_too(kind: str, client: gp.Client, tmp_path: Path) -> None:
    """Seeds go into the file as well."""
    cases: dict[str, dict[str, Any]] = {
        "vjp": {"f": layer, "at": (W, X), "claim": layer_vjp},
        "hvp": {"f": "sum(x**3)*y", "at": {"x": X, "y": 2.0}, "wrt": "x", "claim": lambda x, y, v: 12 * x * v * 1.1},
        "hessian": {"f": "sum(x**3)", "at": {"x": X}, "claim": lambda x: np.diag(6.1 * x)},
    }  # fmt: skip
    case = cases[kind]
    file = tmp_path / "rule.gpc"
    report = client.check(case.pop("f"), **case, claim_kind=kind, save=file)
    assert report.verdict == "disagrees"
    assert set(numbers(client.replay(file))) == set(numbers(report))


def test_the_worst_of_many_points_is_saved(client: gp.Client, tmp_path: Path) -> None:
    """What is shown again is the point that decided."""
    file = tmp_path / "worst.gpc"
    report = client.check(f, at=(X,), claim=df_wrong_below, points=4, save=file)
    assert report.saved
    assert numbers(client.replay(file)) == numbers(report.points[report.worst].report)


def test_nothing_is_saved_when_nothing_is_wrong(client: gp.Client, tmp_path: Path) -> None:
    """A file that was there stays as it was; a black box has no program, and that is said."""
    file = tmp_path / "old.gpc"
    file.write_bytes(b"before")
    report = client.check(f, at=(X,), claim=df, save=file)
    assert (report.saved, report.not_saved, file.read_bytes()) == ("", "", b"before")
    boxed = client.check(clipped, at=(X,), claim=lambda x: 3 * x, save=file)
    assert (boxed.verdict, boxed.saved, file.read_bytes()) == ("disagrees", "", b"before")
    assert "black box, so there is no program to save" in boxed.not_saved


def test_a_file_that_cannot_be_is_refused_before_the_check(
    client: gp.Client, tmp_path: Path
) -> None:
    """Suffix and folder are looked at first; what is no counterexample is told when it is read."""
    with pytest.raises(RequestError, match=r"expected a name that ends in \.gpc"):
        client.check(f, at=(X,), claim=df, save=tmp_path / "x.json")
    with pytest.raises(RequestError, match="a folder that exists"):
        client.check(f, at=(X,), claim=df, save=tmp_path / "none" / "x.gpc")
    with pytest.raises(TargetError, match="cannot be read"):
        client.replay(tmp_path / "none.gpc")
    for content in (b"", b"no message", b"\x00" * 40):
        (tmp_path / "bad.gpc").write_bytes(content)
        with pytest.raises(TargetError, match="expected a counterexample"):
            client.replay(tmp_path / "bad.gpc")


# Claims that are functions


def line_of(function: Any, offset: int) -> int:
    """The line that many lines below the head of a function."""
    return int(function.__code__.co_firstlineno) + offset


def test_the_line_of_a_wrong_rule_is_named(both: gp.Client) -> None:
    """The recorded claim goes along, and the finding stands on the line that forgot the slope."""
    report = both.check(layer, at=(W, X), claim=layer_vjp, claim_kind="vjp")
    finding = next(x for x in report.findings if x.code == "GP800")
    places = [finding.location, *finding.related]
    assert line_of(layer_vjp, 3) in [place.line for place in places if "stories" in place.file]


class _Spy:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.inner: Any = embedded()
        self.sent: list[der.CheckRequest] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def check(self, request: der.CheckRequest, *, timeout_s: float | None = None) -> Any:
        """The check, remembered."""
        self.sent.append(request)
        return self.inner.check(request, timeout_s=timeout_s)


def untraceable(x: Any) -> Any:
    """A claim that cannot be recorded."""
    return 2 * x if x[0] > 0 else x


def stranger(x: Any) -> Any:
    """A claim whose recording would give other numbers: it looks at what it is given."""
    return 2 * x if type(x) is np.ndarray and x.dtype == np.float64 else 3 * x


@pytest.mark.parametrize(
    ("subject", "at", "claim", "kind", "outputs"),
    [
        (f, (X,), df, "gradient", 1),
        (layer, (W, X), layer_vjp, "vjp", 2),
        ("sum(x**3)", (X,), lambda x: np.diag(6 * x), "hessian", 1),
        (lambda p: np.sum(p["a"] * p["b"]), ({"a": X, "b": X},), lambda p: {"a": p["b"], "b": p["a"]}, "gradient", 2),
        ("sum(x**2)", (X,), untraceable, "gradient", 0),
        ("sum(x**2)", (X,), stranger, "gradient", 0),
        ("sum(x**2)", (X,), 2 * X, "gradient", 0),
    ],
)  # fmt: skip
def test_a_claim_is_recorded_when_it_can_be(
    subject: Any, at: Any, claim: Any, kind: str, outputs: int
) -> None:
    """Its place is always sent, its recording only when that gives the claimed numbers; the verdict is the same."""
    spy: Any = _Spy()
    report = gp.Client(spy).check(subject, at=at, claim=claim, claim_kind=kind)
    request = spy.sent[-1]
    assert all(bool(c.location.file) == callable(claim) for c in request.claims)
    program = read(request.program)
    assert len(program.functions) == (2 if outputs else 1)
    assert program.entry == 0
    for k, c in enumerate(request.claims):
        assert c.HasField("program_function") == bool(outputs)
        assert c.result_index == (k if outputs else 0)
    bare = der.CheckRequest()
    bare.CopyFrom(request)
    for c in bare.claims:
        c.ClearField("program_function")
    plain = gp.Report(embedded().check(bare).report)
    assert [(c.verdict, c.claimed) for c in plain.comparisons] == [
        (c.verdict, c.claimed) for c in report.comparisons
    ]


# Purity

CASES: dict[str, dict[str, Any]] = {
    "traced": {"f": f, "at": (X,), "claim": df},
    "no claim": {"f": f, "at": (X,)},
    "rule": {"f": layer, "at": (W, X), "claim": layer_vjp, "claim_kind": "vjp"},
    "black box": {"f": clipped, "at": (X,), "claim": lambda x: 2 * x},
    "points": {"f": f, "at": (X,), "claim": df_wrong_below, "points": 3, "prove": True},
    "black box points": {"f": clipped, "at": (X,), "claim": lambda x: 2 * x, "points": 3},
    "second order": {"f": f, "at": (X,), "order": 2},
}


@pytest.mark.parametrize("name", CASES)
def test_a_check_leaves_nothing_behind_and_repeats(name: str, both: gp.Client) -> None:
    """Arguments bitwise unchanged, global random states untouched, the same bytes the second time."""
    case = dict(CASES[name])
    subject = case.pop("f")
    given = [x.copy() for x in case["at"]]
    case["at"] = tuple(given)
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    standard = random.getstate()
    settings = np.geterr()
    first = both.check(subject, **case)
    second = both.check(subject, **case)
    assert first.message.SerializeToString(deterministic=True) == second.message.SerializeToString(
        deterministic=True
    )
    assert first.to_json() == second.to_json()
    after: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    assert np.array_equal(after["state"]["key"], legacy["state"]["key"])
    assert after["state"]["pos"] == legacy["state"]["pos"]
    assert random.getstate() == standard
    assert np.geterr() == settings
    for mine, original in zip(given, CASES[name]["at"], strict=True):
        assert mine.tobytes() == original.tobytes()
        assert mine.flags.writeable


def test_the_two_transports_give_the_same_bytes(client: gp.Client, remote: gp.Client) -> None:
    """A report does not depend on where it was made."""
    for case in (dict(CASES["points"]), dict(CASES["black box points"])):
        subject = case.pop("f")
        assert client.check(subject, **case).to_json() == remote.check(subject, **case).to_json()


def test_connect_is_one_of_the_transports() -> None:
    """The module's own functions take a client, for checks and for replays."""
    with ServerThread() as running:
        other = gp.Client(connect(running.address))
        assert gp.check("x**2", at={"x": 3.0}, client=other).verdict == "agrees"
        other.close()
