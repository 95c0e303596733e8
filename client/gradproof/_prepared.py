"""Prepare once, run many: values and derivatives of one function at many points, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from gradproof._arguments import Array
from gradproof._embedded import warm
from gradproof._errors import RequestError
from gradproof._subject import Source, chosen
from gradproof._subject import prepare as subject_of

Kind = Literal["value", "value_and_gradient", "jacobian", "hessian", "hvp"]


class Prepared:
    """A function made ready at the shapes and dtypes of one point; call it with arrays of the same.

    `inputs` are the arrays that a call takes, by name in order, `wrt` those it differentiates by; an hvp
    takes a tangent of each of these behind them.
    Calls from several threads at once are fine. Every call returns arrays of its own.
    """

    def __init__(
        self, run: Callable[..., Sequence[Array]], inputs: tuple[str, ...], wrt: tuple[str, ...],
        outputs: tuple[str, ...], kind: Kind,
    ) -> None:  # fmt: skip
        self.inputs = inputs
        self.wrt = wrt
        self.outputs = outputs
        self.kind = kind
        self._run = run

    def __call__(self, *arrays: Any) -> Any:
        """The outputs; outputs and gradients; Jacobians or Hessians; or Hessian times tangents.

        One array, or a tuple where there are several.

        Raises `RequestError` when an array has another shape or a dtype that would lose digits.
        """
        try:
            found = list(self._run(*arrays))
        except (TypeError, ValueError) as error:
            raise RequestError(f"{error}; prepare the function again at that point") from None
        if self.kind == "value":
            return _one_or_all(found)
        if self.kind == "value_and_gradient":
            n = len(self.outputs)
            return _one_or_all(found[:n]), _one_or_all(found[n:])
        n = len(self.wrt)
        if self.kind == "hvp":
            return _one_or_all(found[n:])
        rows = [_one_or_all(found[i : i + n]) for i in range(0, len(found), n)]
        return _one_or_all(rows)

    def __repr__(self) -> str:
        return f"<prepared {self.kind} of {', '.join(self.inputs)}>"


def prepare(
    f: Source, *, at: Any, kind: Kind = "value_and_gradient",
    wrt: str | Sequence[str] | None = None, threads: int = 1,
) -> Prepared:  # fmt: skip
    """f made ready to be asked many times: its value, value and gradient, dense Jacobian or Hessian, or hvp.

    The function is recorded once at `at`, which fixes shapes and dtypes. Long elementwise stretches run on
    up to `threads` threads, with the same bits on any number. Raises `TargetError` when f cannot be
    recorded, `RequestError` when it has no such derivative.
    """
    subject = subject_of(f, at)
    program = subject.needs_program()
    names = subject.arguments.names
    point = dict(zip(names, subject.arguments.values, strict=True))
    wanted = chosen(names, wrt, "wrt")
    run, by = warm(program.message, point, kind, wanted, threads)
    by_names = tuple(names[i] for i in by)
    tangents = tuple(f"{name}_dot" for name in by_names) if kind == "hvp" else ()
    return Prepared(run, (*names, *tangents), by_names, tuple(program.outputs), kind)


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)
