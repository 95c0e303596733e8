"""Functions of a hundred thousand inputs are checked in every entry, and claims may be scipy.sparse matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[Any]
LARGE = 100_000
SMALL = 30


def burgers(u: Array) -> Array:
    """Three neighbours an entry."""
    return u[1:-1] * (u[2:] - u[:-2]) / 2 - 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])


def right(u: Array) -> Any:
    """Its Jacobian by hand."""
    diagonals = [-u[1:-1] / 2 - 0.1, (u[2:] - u[:-2]) / 2 + 0.2, u[1:-1] / 2 - 0.1]
    return sp.diags_array(diagonals, offsets=[0, 1, 2], shape=(len(u) - 2, len(u))).tocsr()


def one_wrong(u: Array) -> Any:
    """One entry off by a ten thousandth of itself."""
    found = right(u)
    found[5, 6] *= 1.0001
    return found


def one_too_many(u: Array) -> Any:
    """One entry where nothing is."""
    found = right(u).tolil()
    found[7, 1] = 1e-6
    return found.tocsr()


def one_missing(u: Array) -> Any:
    """One entry not stored."""
    found = right(u)
    found[10, 11] = 0.0
    found.eliminate_zeros()
    return found


def shifted(u: Array) -> Any:
    """Every row one too far to the right."""
    return (
        sp.csr_array(np.roll(right(u).toarray(), 1, axis=1))
        if len(u) < 100
        else right(u)[:, np.r_[-1, : len(u) - 1]]
    )


def point(n: int) -> Array:
    """A point without symmetry."""
    return np.sin(1.0 + np.arange(n) * 0.7) + 2


WRONG = [(one_wrong, (5, 6)), (one_too_many, (7, 1)), (one_missing, (10, 11)), (shifted, None)]


@pytest.mark.parametrize("n", [SMALL, LARGE])
def test_a_right_claim_agrees(n: int) -> None:
    """Compared in every entry, the zeros included."""
    report = gp.check(burgers, at=(point(n),), claim=right)
    assert report.verdict == "agrees"
    claim = report.comparisons[-1].proto
    assert claim.entries == claim.entries_total == (n * (n - 2) if n == SMALL else 3 * (n - 2))


@pytest.mark.parametrize("n", [SMALL, LARGE])
@pytest.mark.parametrize(("claim", "at"), WRONG, ids=[c.__name__ for c, _ in WRONG])
def test_a_wrong_claim_is_told_where(claim: Callable[[Array], Any], at: Any, n: int) -> None:
    """One entry of three hundred thousand, or of none, is found and named."""
    report = gp.check(burgers, at=(point(n),), claim=claim)
    assert report.verdict == "disagrees"
    assert at is None or report.comparisons[-1].worst_index == at


def test_every_entry_of_a_large_function_is_seen_by_differences() -> None:
    """Without a claim the witness looks at each of the entries, also of a function with kinks that are far away."""

    def f(u: Array) -> Array:
        return np.maximum(u[1:], 0.25) * np.sqrt(np.abs(u[:-1]))

    report = gp.check(f, at=(point(20_000),))
    assert report.verdict == "agrees"
    seen = [c.proto for c in report.comparisons if c.proto.entries_total == 2 * 19_999]
    assert len(seen) == 2, "both modes against each other, and against the witness"
    assert all(c.entries == c.entries_total for c in seen)
    assert "GP704" not in {finding.code for finding in report.findings}


def test_a_sparse_hessian_is_a_claim() -> None:
    """Second order, three diagonals."""
    n = 10_000

    def f(x: Array) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def hessian(x: Array) -> Any:
        main = np.zeros(n)
        main[:-1] += 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
        main[1:] += 200
        side = -400 * x[:-1]
        return sp.diags_array([side, main, side], offsets=[-1, 0, 1])

    x = point(n)
    assert gp.check(f, at=(x,), claim=hessian(x), claim_kind="hessian").verdict == "agrees"
    wrong = hessian(x).tocsr()
    wrong[4, 5] *= 1.001
    assert gp.check(f, at=(x,), claim=wrong, claim_kind="hessian").verdict == "disagrees"


def test_another_shape_is_refused_in_one_sentence() -> None:
    """Rows are outputs, columns inputs."""
    with pytest.raises(gp.RequestError, match="rows are the elements of the output"):
        gp.check(burgers, at=(point(SMALL),), claim=lambda u: right(u).T)
    with pytest.raises(gp.RequestError, match="is no matrix"):
        gp.check(
            lambda u: np.sum(u * u),
            at=(point(SMALL),),
            claim=sp.csr_array(2 * point(SMALL)[None]),
            claim_kind="gradient",
        )


def test_a_wrong_structure_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a record leaves out what an op reads, forward mode says so and no entry is claimed to be seen."""
    from gradproof_service.transforms.sparsity import propagate

    truth = propagate.reads_of

    def less(s: Any, i: int, x: Array, xs: Any) -> Any:
        return tuple(
            np.where(r % 5 == 1, -1, r) if isinstance(r, np.ndarray) else r
            for r in truth(s, i, x, xs)
        )

    monkeypatch.setattr(propagate, "reads_of", less)
    report = gp.check(burgers, at=(point(5000),))
    assert report.verdict == "agrees"
    assert "GP704" in {finding.code for finding in report.findings}
