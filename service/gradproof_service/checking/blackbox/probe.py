"""Asking a black box: points in batches that fit, answers that keep their form, failures by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.checking.judge import Asker
from gradproof_service.checking.report import Answer, Ask, BlackBox
from gradproof_service.checking.scene import typical_size
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.transforms.evaluate import Tick

BATCH = 256
"""Points asked for at once."""
ELEMENTS = 1 << 21
"""Most elements of all inputs together in one question."""


@dataclass(slots=True)
class Probe:
    """The black box at its point: how to ask it, and what has been asked so far."""

    box: BlackBox
    point: tuple[Array, ...]
    ask: Asker
    tick: Tick
    outputs: tuple[tuple[str, Array], ...] = ()
    evaluations: int = 0
    failures: int = 0
    """Points beside the given one at which the function failed."""
    failure: str = ""
    """What it said at the first of them."""

    @property
    def size(self) -> int:
        """Elements of all float outputs together."""
        return sum(y.size for _, y in self.floats)

    @property
    def floats(self) -> list[tuple[str, Array]]:
        """The outputs that have derivatives."""
        return [(n, y) for n, y in self.outputs if y.dtype in FLOATS]

    @property
    def batch(self) -> int:
        """Points in one question."""
        return max(2, min(BATCH, ELEMENTS // max(1, sum(x.size for x in self.point))))

    def flat(self, i: int) -> Array:
        """Input i as a float64 vector."""
        return self.point[i].reshape(-1).astype(np.float64)

    def resolution(self, i: int) -> float:
        """The spacing of input i's dtype at one."""
        return float(np.finfo(self.point[i].dtype).eps)

    def scale(self, i: int) -> Array:
        """Typical size of each element of input i."""
        return typical_size(self.flat(i))

    def evaluator(self, i: int, noise: Array | None = None) -> Evaluator:
        """All float outputs at values of input i, (P, n) -> (P, m), with bounds `noise` (m,) or unknown ones."""
        return Evaluator(self, i, noise)

    def values(self, i: int, points: Array) -> Array:
        """All float outputs side by side (P, m) at values (P, n) of input i; NaN where the function fails."""
        out = np.empty((len(points), self.size))
        waiting = list(self._parts(len(points)))
        while waiting:
            self.tick()
            part = waiting.pop()
            answer = self._answer(i, points[part])
            size = part.stop - part.start
            if not answer.error:
                rows = [y.reshape(size, -1) for _, y in answer.outputs if y.dtype in FLOATS]
                out[part] = np.concatenate(rows, axis=1)
            elif size == 1:
                out[part] = np.nan
                self.failures += 1
                self.failure = self.failure or answer.error
            else:  # one point outside the domain fails its whole batch
                middle = part.start + size // 2
                waiting += [slice(part.start, middle), slice(middle, part.stop)]
        return out

    def first(self) -> None:
        """Ask at the point itself, for the outputs; raises `Fault` when the function fails there."""
        answer = self._answer(-1, np.zeros((1, 0)))
        if answer.error:
            raise Fault(
                FaultKind.INVALID, f"the function failed: {answer.error}", field_path="point"
            )
        self.outputs = tuple((n, y[0]) for n, y in answer.outputs)

    def again(self) -> list[Finding]:
        """Ask at the point once more, after everything else: whether the answer is still the first one."""
        answer = self._answer(-1, np.zeros((2, 0)))
        spread, name = 0.0, ""
        for (n, y), (_, now) in zip(self.outputs, answer.outputs, strict=False):
            off = np.abs(now.astype(np.float64) - y.astype(np.float64))
            if off.max(initial=0.0) > spread:
                spread, name = float(off.max()), n
        if answer.error:
            message = f"the function failed where it had answered before: {answer.error}"
        elif spread > 0:
            message = (
                f"the function answers differently to the same point (output {name!r} moved by {spread:.2g}); "
                "its derivative is judged only above that noise"
            )
        else:
            return []
        return [
            Finding(
                "GP707", "nondeterministic", Severity.WARNING, message, output=name,
                numbers=(("spread", spread),), mend="fix the random seed, or the state it keeps",
            )
        ]  # fmt: skip

    @property
    def failed(self) -> str:
        """How often the function failed beside the point, and what it said first; empty when it never did."""
        if not self.failures:
            return ""
        where = "a point" if self.failures == 1 else f"{self.failures} points"
        return f"the function failed at {where} beside this one: {self.failure}"

    def _parts(self, count: int) -> Iterator[slice]:
        for start in reversed(range(0, count, self.batch)):
            yield slice(start, min(count, start + self.batch))

    def _answer(self, i: int, part: Array) -> Answer:
        size = len(part)
        points = [np.broadcast_to(x, (size, *x.shape)) for x in self.point]
        if i >= 0:
            points[i] = part.reshape(size, *self.point[i].shape).astype(self.point[i].dtype)
        self.evaluations += size
        answer = self.ask(Ask(-1, size, tuple(points)))
        if not answer.error:
            self._require_form(answer, size)
        return answer

    def _require_form(self, answer: Answer, size: int) -> None:
        for n, y in answer.outputs:
            if y.shape[:1] != (size,):
                raise Fault(
                    FaultKind.INVALID,
                    f"answer: output {n!r} has shape {y.shape}, expected {size} points along its "
                    "first axis; answer every point that was asked",
                    field_path="answer.outputs",
                )
        if not self.outputs:
            return
        known = [(n, y.shape) for n, y in self.outputs]
        came = [(n, y.shape[1:]) for n, y in answer.outputs]
        if came != known:
            raise Fault(
                FaultKind.INVALID,
                f"answer: outputs are now {_told(came)}, they were {_told(known)}; a function keeps its shapes",
                field_path="answer.outputs",
            )


@dataclass(frozen=True, slots=True)
class Evaluator:
    """The function of one input, the others held: (P, n) -> values and bounds (P, m)."""

    probe: Probe
    i: int
    noise: Array | None

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """Values and bounds; NaN where a bound is not known."""
        values = self.probe.values(self.i, points)
        bound = np.nan if self.noise is None else self.noise
        return values, np.broadcast_to(bound, values.shape)


def _told(outputs: list[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{n!r} of shape {shape}" for n, shape in outputs) or "none"
