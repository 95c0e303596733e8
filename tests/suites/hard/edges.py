"""Close to kinks and to the edge of the domain, guarded branches, and stable forms with a false kink."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case


def _near_kinks() -> Iterator[Case]:
    for e in (1e-3, 1e-6, 1e-9, 1e-13):
        at = f"{e:g} from the kink"
        yield case(f"abs {at}", lambda x: np.sum(np.abs(x)), np.sign, x=np.array([e, -e, 1.0]))
        yield case(
            f"relu {at}",
            lambda x: np.sum(np.maximum(x, 0.0)),
            lambda x: np.where(x > 0, 1.0, 0.0),
            x=np.array([e, -e, 0.5]),
        )
        yield case(
            f"larger of two {at}", lambda a, b: np.maximum(a**2, b), lambda a, b: (2 * a, 0.0 * b), a=1.0 + e, b=1.0,
        )  # fmt: skip
        yield case(
            f"largest {at}",
            np.max,
            lambda x: np.array([0.0, 1.0, 0.0]),
            x=np.array([2.0, 2.0 + e, 1.0]),
        )
        yield case(
            f"hinge {at}", lambda w, x: np.maximum(0.0, 1 - w * x),
            lambda w, x: (-x, -w), w=1.0 - e, x=1.0,
        )  # fmt: skip
        yield case(
            f"clip {at}",
            lambda x: np.sum(np.clip(x, -1, 1) ** 2),
            lambda x: np.where(np.abs(x) < 1, 2 * x, 0.0),
            x=np.array([1 - e, 1 + e, -1 + e]),
        )
        yield case(
            f"branch {at}",
            lambda x: np.where(x > 1, x**3, 3 * x),
            lambda x: np.diag(np.where(x > 1, 3 * x**2, 3.0)),
            "jacobian",
            x=np.array([1 + e, 1 - e]),
        )
        yield case(
            f"sine of a fold {at}",
            lambda x: np.sin(3 * np.abs(x - 0.5)),
            lambda x: 3 * np.sign(x - 0.5) * np.cos(3 * np.abs(x - 0.5)),
            x=0.5 + e,
        )
    for e in (1e-4, 1e-8):
        yield case(
            f"floor {e:g} from the jump", lambda x: x**2 + np.floor(x), lambda x: 2 * x, x=3 + e
        )
        yield case(
            f"median of three by clip, {e:g} apart", lambda a, b, c: np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)),
            lambda a, b, c: (0.0 * a, 1.0 + 0 * b, 0.0 * c), a=1.0, b=1.0 + e, c=1.0 + 3 * e,
        )  # fmt: skip


def _near_edges() -> Iterator[Case]:
    for e in (1e-4, 1e-8, 1e-12):
        at = f"{e:g} from the edge"
        yield case(f"log {at}", np.log, lambda x: 1 / x, x=e)
        yield case(f"root {at}", np.sqrt, lambda x: 0.5 / np.sqrt(x), x=e)
        yield case(f"x log x {at}", lambda x: x * np.log(x), lambda x: np.log(x) + 1, x=e)
        yield case(f"tenth root {at}", lambda x: x**0.1, lambda x: 0.1 * x**-0.9, x=e)
        yield case(
            f"|x|^1.5 {at}",
            lambda x: np.sum(np.abs(x) ** 1.5),
            lambda x: 1.5 * np.sign(x) * np.sqrt(np.abs(x)),
            x=np.array([e, -e]),
        )
        yield case(
            f"|x|^1.1 {at}",
            lambda x: np.abs(x) ** 1.1,
            lambda x: 1.1 * np.sign(x) * np.abs(x) ** 0.1,
            x=-e,
        )
        yield case(
            f"length {at}",
            lambda x: np.sqrt(x @ x),
            lambda x: x / np.sqrt(x @ x),
            x=np.array([e, -2 * e]),
        )
        yield case(
            f"artanh {at}",
            np.arctanh,
            lambda x: 1 / ((1 - x) * (1 + x)),
            x=1 - 2.0 ** np.round(np.log2(e)),
        )
        yield case(
            f"arcosh {at}",
            np.arccosh,
            lambda x: 1 / np.sqrt((x - 1) * (x + 1)),
            x=1 + 2.0 ** np.round(np.log2(e)),
        )
        yield case(
            f"log1p {at}", np.log1p, lambda x: 1 / (1 + x), x=-1 + 2.0 ** np.round(np.log2(e))
        )
        yield case(
            f"logit {at}", lambda p: np.log(p) - np.log1p(-p), lambda p: 1 / (p * (1 - p)), p=e
        )
        yield case(
            f"entropy {at}",
            lambda p: -np.sum(p * np.log(p)),
            lambda p: -np.log(p) - 1,
            p=np.array([e, 0.5, 0.5 - e]),
        )
    yield case("log of the least", np.log, lambda x: 1 / x, x=1e-300)
    yield case(
        "unit sphere",
        lambda x: np.sqrt(1 - x @ x),
        lambda x: -x / np.sqrt(1 - x @ x),
        x=np.array([0.6, 0.8 - 1e-7]),
    )


def _guarded() -> Iterator[Case]:
    x = np.array([0.5, -0.5, 2.0, -3.0])
    yield case(
        "log guarded twice", lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)),
        lambda x: np.where(x > 0, 1 / x, 0.0), x=x,
    )  # fmt: skip
    yield case(
        "root guarded twice", lambda x: np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), x)),
        lambda x: np.where(x > 0, 0.5 / np.sqrt(np.abs(x)), 1.0), x=x,
    )  # fmt: skip
    yield case(
        "quotient guarded at zero", lambda x: np.sum(np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x))),
        lambda x: (np.cos(x) - np.sin(x) / x) / x, x=np.array([0.3, 1.0]),
    )  # fmt: skip
    yield case(
        "log guarded once", lambda x: np.sum(np.where(x > 0, np.log(np.abs(x)), 0.0)),
        lambda x: np.where(x > 0, 1 / x, 0.0), x=x,
    )  # fmt: skip
    yield case(
        "untaken branch overflows", lambda x: np.sum(np.where(x < 10, np.exp(x), 1.0 + x)),
        lambda x: np.where(x < 10, np.exp(np.minimum(x, 10.0)), 1.0), x=np.array([1.0, 800.0]),
    )  # fmt: skip
    yield case(
        "untaken branch has no value", lambda x: np.sum(np.where(x > 0, np.sqrt(x), x**2)),
        lambda x: np.where(x > 0, 0.5 / np.sqrt(np.abs(x)), 2 * x), x=np.array([1.0, -2.0]),
    )  # fmt: skip
    yield case(
        "untaken branch has no slope", lambda x: np.sum(np.where(x > 0, np.sqrt(np.abs(x)), x**2) * 1.0),
        lambda x: np.where(x > 0, 0.5 / np.sqrt(np.abs(x)), 2 * x), x=np.array([1.0, -1e-9]),
    )  # fmt: skip
    yield case(
        "safe length", lambda x: np.sqrt(np.sum(x * x) + 1e-12), lambda x: x / np.sqrt(np.sum(x * x) + 1e-12), x=np.array([0.0, 0.0]),
    )  # fmt: skip


def _false_kinks() -> Iterator[Case]:
    """Smooth functions written with max and abs, at the tie and beside it."""

    def sigmoid(x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def softplus(x):
        return np.sum(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))

    def log_add(a, b):
        return np.maximum(a, b) + np.log1p(np.exp(-np.abs(a - b)))

    def log_cosh(x):
        return np.sum(np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))))

    for e in (0.0, 1e-12, 1e-6):
        at = f"{e:g} from the tie"
        yield case(f"softplus {at}", softplus, sigmoid, x=np.array([e, -e, 1.0]))
        yield case(
            f"logaddexp {at}",
            log_add,
            lambda a, b: (sigmoid(a - b), sigmoid(b - a)),
            a=0.7 + e,
            b=0.7,
        )
        yield case(f"log cosh {at}", log_cosh, np.tanh, x=np.array([e, 0.5]))
        yield case(f"logits BCE {at}", lambda z, t: np.sum(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))),
                   lambda z, t: (sigmoid(z) - t, -z), z=np.array([e, -1.0]), t=np.array([1.0, 0.3]))  # fmt: skip
        yield case(f"shifted logsumexp {at}", lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))),
                   lambda x: np.exp(x) / np.sum(np.exp(x)), x=np.array([1.0 + e, 1.0, 0.2]))  # fmt: skip
        yield case(f"shifted softmax {at}", lambda x: np.sum(np.exp(x - np.max(x)) * np.array([1.0, 2, 3])) / np.sum(np.exp(x - np.max(x))),
                   _softmax_slope, x=np.array([1.0 + e, 1.0, 0.2]))  # fmt: skip
        yield case(
            f"x |x| {at}",
            lambda x: np.sum(x * np.abs(x)),
            lambda x: 2 * np.abs(x),
            x=np.array([e, -0.5]),
        )
        yield case(
            f"|x|^3 {at}",
            lambda x: np.sum(np.abs(x) ** 3),
            lambda x: 3 * x * np.abs(x),
            x=np.array([e, -0.5]),
        )
        yield case(
            f"squared relu {at}",
            lambda x: np.sum(np.maximum(x, 0) ** 2),
            lambda x: 2 * np.maximum(x, 0),
            x=np.array([e, -e, 0.5]),
        )
        yield case(
            f"squared length {at}",
            lambda x: np.linalg.norm(x) ** 2,
            lambda x: 2 * x,
            x=np.array([e, 0.0]),
        )
        yield case(f"Huber {at}", lambda r: np.sum(np.where(np.abs(r) <= 1, 0.5 * r**2, np.abs(r) - 0.5)),
                   lambda r: np.clip(r, -1, 1), r=np.array([1 + e, -1 - e, 0.3]))  # fmt: skip


def _softmax_slope(x):
    p = np.exp(x) / np.sum(np.exp(x))
    w = np.array([1.0, 2, 3])
    return p * (w - np.sum(w * p))


def _breaks_complex_step() -> Iterator[Case]:
    x = np.array([0.4, -1.3])
    yield case("abs cubed", lambda x: np.sum(np.abs(x) ** 3), lambda x: 3 * x * np.abs(x), x=x)
    yield case("x conj x", lambda x: np.sum(x * np.conj(x)), lambda x: 2 * x, x=x)
    yield case(
        "real part",
        lambda x: np.sum(np.real(x) * np.sin(x)),
        lambda x: np.sin(x) + x * np.cos(x),
        x=x,
    )
    yield case("root of a square", lambda x: np.sum(np.sqrt(x * x)), np.sign, x=x)
    yield case(
        "abs in an exponent",
        lambda x: np.sum(np.exp(-np.abs(x))),
        lambda x: -np.sign(x) * np.exp(-np.abs(x)),
        x=x,
    )
    yield case("sign and square", lambda x: np.sum(np.sign(x) * x**2), lambda x: 2 * np.abs(x), x=x)
    yield case(
        "length of rows",
        lambda x: np.sum(np.linalg.norm(x, axis=1)),
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        x=np.array([[0.3, -0.4], [1.0, 2.0]]),
    )


CASES = [*_near_kinks(), *_near_edges(), *_guarded(), *_false_kinks(), *_breaks_complex_step()]
