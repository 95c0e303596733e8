"""gradproof and its peers behind one call: does this hand-written derivative pass?

Each loader returns the judge and a version, or raises ImportError. A judge takes a subject and a
claim and answers "agrees", "disagrees" or "inconclusive"; `NotApplicable` when it cannot be asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.suites.model import Subject

Judge = Callable[[Subject, Any], str]
SCIPY_LIMIT = 1e-6


class NotApplicable(Exception):
    """This checker has no way to be asked this question."""


def ours() -> tuple[Judge, str]:
    """`gradproof.check`, as a user calls it."""
    import gradproof as gp

    def judge(subject: Subject, claim: Any) -> str:
        return gp.check(
            subject.function, at=tuple(points(subject)), claim=claim, claim_kind=subject.kind
        ).verdict

    return judge, str(gp.__version__)


def scipy_check_grad() -> tuple[Judge, str]:
    """`scipy.optimize.check_grad` on all float arguments laid end to end."""
    import scipy
    from scipy.optimize import check_grad

    def judge(subject: Subject, claim: Any) -> str:
        pull = puller(subject, claim)
        args = points(subject)
        floats = floating(args)
        shapes = [args[i].shape for i in floats]
        cuts = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
        out = np.shape(subject.function(*args))
        seed = np.random.default_rng(0).standard_normal(out)

        def spread(flat: Any) -> list[Any]:
            new = list(args)
            for i, part, shape in zip(floats, np.split(flat, cuts), shapes, strict=True):
                new[i] = part.reshape(shape)
            return new

        def value(flat: Any) -> float:
            return (
                float(np.sum(seed * subject.function(*spread(flat))))
                if out
                else float(subject.function(*spread(flat)))
            )

        def slope(flat: Any) -> Any:
            parts = pull(spread(flat), seed if out else np.asarray(1.0))
            wanted = [args[i].shape for i in floats]
            if [np.shape(p) for p in parts] != wanted:
                raise ValueError("wrong shape")
            return np.concatenate([np.ravel(p) for p in parts])

        start = np.concatenate([np.ravel(args[i]).astype(np.float64) for i in floats])
        distance = check_grad(value, slope, start)
        return "agrees" if distance < SCIPY_LIMIT else "disagrees"

    return judge, scipy.__version__


def torch_gradcheck() -> tuple[Judge, str]:
    """`torch.autograd.gradcheck` on a custom function whose backward is the claim."""
    import torch

    def judge(subject: Subject, claim: Any) -> str:
        args = points(subject)
        floats = floating(args)
        pull = None if subject.kind == "jvp" else puller(subject, claim)

        class Wrapped(torch.autograd.Function):
            @staticmethod
            def forward(*tensors: Any) -> Any:
                return torch.as_tensor(
                    np.asarray(subject.function(*_filled(args, floats, tensors)))
                )

            @staticmethod
            def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
                ctx.save_for_backward(*inputs)
                ctx.save_for_forward(*inputs)

            @staticmethod
            def backward(ctx: Any, y_bar: Any) -> Any:
                assert pull is not None
                parts = pull(_filled(args, floats, ctx.saved_tensors), y_bar.detach().numpy())
                grads = tuple(torch.as_tensor(np.array(p)) for p in parts)
                return grads if len(grads) > 1 else grads[0]

            @staticmethod
            def jvp(ctx: Any, *tangents: Any) -> Any:
                given = _filled(args, floats, ctx.saved_tensors)
                return torch.as_tensor(np.array(claim(*given, tangents[0].detach().numpy())))

        tensors = tuple(torch.tensor(args[i], requires_grad=True) for i in floats)
        forward = subject.kind == "jvp"
        good = torch.autograd.gradcheck(
            Wrapped.apply, tensors, raise_exception=False, check_undefined_grad=False,
            check_forward_ad=forward, check_backward_ad=not forward,
        )  # fmt: skip
        return "agrees" if good else "disagrees"

    return judge, torch.__version__.split("+")[0]


def jax_check_grads() -> tuple[Judge, str]:
    """`jax.test_util.check_grads` on a function whose rule is the claim, both called back in NumPy."""
    import jax

    logging.getLogger("jax").setLevel(
        logging.CRITICAL
    )  # a claim that raises is an answer, not news
    jax.config.update("jax_enable_x64", True)
    from jax.test_util import check_grads

    def judge(subject: Subject, claim: Any) -> str:
        args = points(subject)
        floats = floating(args)
        out = np.asarray(subject.function(*args))
        result = jax.ShapeDtypeStruct(out.shape, out.dtype)
        wanted = tuple(jax.ShapeDtypeStruct(args[i].shape, args[i].dtype) for i in floats)

        def value(*tensors: Any) -> Any:
            call = lambda *x: np.asarray(
                subject.function(*_filled(args, floats, x)), dtype=out.dtype
            )
            return jax.pure_callback(call, result, *tensors)

        if subject.kind == "jvp":
            wrapped = jax.custom_jvp(value)

            def rule(primals: Any, tangents: Any) -> Any:
                call = lambda x, t: np.asarray(claim(np.asarray(x), np.asarray(t)))
                return value(*primals), jax.pure_callback(call, result, primals[0], tangents[0])

            wrapped.defjvp(rule)
            modes = ("fwd",)
        else:
            pull = puller(subject, claim)
            wrapped = jax.custom_vjp(value)

            def back(saved: Any, y_bar: Any) -> Any:
                call = lambda y, *x: tuple(
                    _like(p, w)
                    for p, w in zip(
                        pull(_filled(args, floats, x), np.asarray(y)), wanted, strict=True
                    )
                )
                return jax.pure_callback(call, wanted, y_bar, *saved)

            wrapped.defvjp(lambda *tensors: (value(*tensors), tensors), back)
            modes = ("rev",)
        try:
            check_grads(wrapped, tuple(args[i] for i in floats), order=1, modes=modes)
        except AssertionError:
            return "disagrees"
        return "agrees"

    return judge, jax.__version__


CHECKERS: dict[str, tuple[str, Callable[[], tuple[Judge, str]]]] = {
    "ours": ("gradproof", ours),
    "torch": ("torch gradcheck", torch_gradcheck),
    "jax": ("jax check_grads", jax_check_grads),
    "scipy": ("scipy check_grad", scipy_check_grad),
}


def points(subject: Subject) -> list[Any]:
    """The arguments at the point."""
    return [np.array(v) for v in subject.at.values()]


def floating(args: list[Any]) -> list[int]:
    """Positions of the arguments a derivative is claimed by."""
    return [i for i, a in enumerate(args) if a.dtype.kind == "f"]


def puller(subject: Subject, claim: Any) -> Callable[[list[Any], Any], list[Any]]:
    """The claim as a vjp: (arguments, cotangent) to one array of its dtype for each float argument."""
    if subject.kind not in ("gradient", "jacobian", "vjp"):
        raise NotApplicable

    def pull(args: list[Any], y_bar: Any) -> list[Any]:
        given = claim(*args, y_bar) if subject.kind == "vjp" else claim(*args)
        parts = [np.asarray(p) for p in (given if isinstance(given, tuple) else (given,))]
        if subject.kind == "gradient":
            parts = [p * y_bar for p in parts]
        if subject.kind == "jacobian":
            parts = [np.tensordot(y_bar, p, axes=np.ndim(y_bar)) for p in parts]
        kinds = [args[i].dtype for i in floating(args)]
        return [np.asarray(p, dtype=k) for p, k in zip(parts, kinds, strict=True)]

    return pull


def _filled(args: list[Any], floats: list[int], tensors: Any) -> list[Any]:
    """The arguments with those of floats replaced by the tensors' values."""
    new = list(args)
    for i, t in zip(floats, tensors, strict=True):
        new[i] = np.asarray(t.detach().numpy() if hasattr(t, "detach") else t)
    return new


def _like(value: Any, wanted: Any) -> Any:
    array = np.asarray(value, dtype=wanted.dtype)
    if array.shape != wanted.shape:
        raise ValueError("wrong shape")
    return array
