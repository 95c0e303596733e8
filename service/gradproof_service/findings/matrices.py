"""GP5xx: linear algebra: inverses nobody needs, matrices near singular, symmetry taken for granted."""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

ILL = 1.0 / np.sqrt(np.finfo(np.float64).eps)
"""Condition number beyond which half of the digits of float64 are lost."""
SKEW = 1e-12
"""Relative asymmetry that rounding does not explain."""
SYMMETRIC = (Structure.SYMMETRIC, Structure.HERMITIAN, Structure.SPD)
LARGEST = 512
"""Side of the largest matrix whose singular values are looked at."""

_NEARLY_SINGULAR = [[1.0, 1.0], [1.0, 1.000000001]]
_SOUND = [[2.0, 1.0], [1.0, 3.0]]


def _asymmetric(view: View, k: int) -> Seen | None:
    a = view.values[view.graph.operands[k][0]]
    if a is None or not a.size or not view.matters(k) or not np.isfinite(a).all():
        return None
    skew = float(np.max(np.abs(a - np.swapaxes(a, -1, -2))))
    size = float(np.max(np.abs(a)))
    if skew <= SKEW * size:
        return None
    return Seen(
        f"is given a matrix that is not symmetric: |A - A^T| is {skew:.3g}, |A| is {size:.3g}; only its "
        "symmetric part is read", k, numbers=(("asymmetry", skew), ("size", size)),
    )  # fmt: skip


NOT_SYMMETRIC = Rule(
    "GP502", "nonsymmetric-to-cholesky", Severity.WARNING, "An op for symmetric matrices is given one that is not.",
    "Libraries read different triangles of it, so their values and gradients differ.",
    "Symmetrise first, (A + A^T) / 2, or declare the input symmetric.",
    Example("sum(cholesky(A))", {"A": [[2.0, 1.0], [0.5, 3.0]]}), Example("sum(cholesky(A))", {"A": _SOUND}),
    ops=("cholesky",), see=_asymmetric,
)  # fmt: skip


def _extremes(a: Array) -> tuple[float, float] | None:
    """Largest and smallest singular value of the worst matrix of a stack."""
    if not a.size or a.shape[-1] > LARGEST or not np.isfinite(a).all():
        return None
    s = np.linalg.svd(a.reshape(-1, *a.shape[-2:]), compute_uv=False)
    with np.errstate(all="ignore"):
        worst = int(
            np.argmax(np.nan_to_num(s[:, 0] / s[:, -1], nan=np.inf, posinf=np.finfo(float).max))
        )
    return float(s[worst, 0]), float(s[worst, -1])


def _read_triangle(view: View, k: int, a: Array) -> Array:
    """The matrix that the node really solves with."""
    site = view.graph.sites[k]
    if site.op.name != "solve_triangular":
        return a
    part = np.tril(a) if site["lower"] else np.triu(a)
    if site["unit_diagonal"]:
        n = a.shape[-1]
        part = part - part * np.eye(n) + np.eye(n)
    return part


def _condition(view: View, k: int) -> Seen | None:
    a = view.values[view.graph.operands[k][0]]
    found = None if a is None or not view.matters(k) else _extremes(_read_triangle(view, k, a))
    if found is None:
        return None
    high, low = found
    ratio = high / low if low > 0 else np.inf
    if ratio < ILL:
        return None
    digits = min(float(np.log10(ratio)), 16.0)
    return Seen(
        f"solves with a matrix of condition {ratio:.2g}: about {digits:.0f} of 16 digits are lost", k,
        numbers=(("condition", ratio), ("digits", digits)),
    )  # fmt: skip


def _by_inverse(look: Look, k: int) -> Seen | None:
    for v in look.graph.operands[k]:
        if look.of(v, "inv") is not None:
            return Seen("multiplies by an inverse: solve(A, b) is more accurate and cheaper", k)
    return None


def _matrix_op(look: Look, k: int) -> Seen | None:
    return _by_inverse(look, k) if look.graph.sites[k].op.name == "matmul" else None


def _solver(view: View, k: int) -> Seen | None:
    return None if view.graph.sites[k].op.name == "matmul" else _condition(view, k)


ILL_CONDITIONED = Rule(
    "GP503", "ill-conditioned-solve", Severity.WARNING, "A linear system whose matrix is nearly singular, or inv(A) @ b.",
    "Rounding in A is magnified by the condition number, in the solution and again in its derivative.",
    "Solve instead of inverting, scale or regularise the matrix.",
    Example("sum(solve(A, b))", {"A": _NEARLY_SINGULAR, "b": [1.0, 2.0]}),
    Example("sum(solve(A, b))", {"A": _SOUND, "b": [1.0, 2.0]}),
    also=Example("sum(inv(A) @ b)", {"A": _SOUND, "b": [1.0, 2.0]}),
    ops=("solve", "solve_triangular", "inv", "cholesky", "matmul"), look=_matrix_op, see=_solver,
    standing=("matmul",),
)  # fmt: skip


def _log_of_det(look: Look, k: int) -> Seen | None:
    if look.graph.sites[k].op.name != "log":
        return None
    v = look.graph.operands[k][0]
    inner = look.of(v, "abs")
    if look.of(inner[0] if inner else v, "det") is None:
        return None
    return Seen(
        "takes the logarithm of a determinant, which overflows or vanishes for large matrices", k
    )


def _near_singular(view: View, k: int) -> Seen | None:
    if view.graph.sites[k].op.name not in ("det", "slogdet"):
        return None
    a = view.values[view.graph.operands[k][0]]
    mattering = any(
        bar is not None and bool((bar != 0).any())
        for bar in view.bars[view.out(k) : view.out(k) + len(view.graph.sites[k].outs)]
    )
    found = None if a is None or not mattering else _extremes(a)
    if found is None or found[1] * ILL >= found[0]:
        return None
    return Seen(
        f"takes the determinant of a nearly singular matrix: its singular values go from {found[0]:.2g} down "
        f"to {found[1]:.2g}", k, numbers=(("largest", found[0]), ("smallest", found[1])),
    )  # fmt: skip


NEAR_SINGULAR_DET = Rule(
    "GP504", "near-singular-det", Severity.WARNING, "The determinant of a nearly singular matrix, or log(det(A)).",
    "The derivative of log |det A| is the inverse of A, and det itself leaves the range of floats early.",
    "Use slogdet, and regularise the matrix.",
    Example("det(A)", {"A": _NEARLY_SINGULAR}), Example("det(A)", {"A": _SOUND}),
    also=Example("log(det(A))", {"A": _SOUND}), ops=("det", "slogdet", "log"), look=_log_of_det, see=_near_singular,
    standing=("log",),
)  # fmt: skip

RULES = (NOT_SYMMETRIC, ILL_CONDITIONED, NEAR_SINGULAR_DET)
