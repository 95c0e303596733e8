"""Constants by name: 256 is the first axis of x, 0.0174533 is pi/180, -1 is a turned sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isclose, log, pi, sqrt

from gradproof_service.arrays import Type
from gradproof_service.graph.graph import Graph

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_PLAIN = {
    0.0: ("0", "the term is left out"),
    -1.0: ("-1", "the sign is turned"),
    2.0: ("2", "it is counted twice"),
    0.5: ("1/2", "a factor 2 is missing, the exponent of a square for instance"),
    -2.0: ("-2", "it is counted twice with the sign turned"),
    -0.5: ("-1/2", "a factor 2 is missing and the sign is turned"),
}
_FAMOUS = (
    ("3", 3.0), ("4", 4.0), ("8", 8.0), ("10", 10.0), ("pi", pi), ("2 pi", 2 * pi), ("sqrt(pi)", sqrt(pi)),
    ("ln 10", log(10)), ("ln 2", log(2)),
    ("sqrt(2)", sqrt(2)), ("sqrt(2 pi)", sqrt(2 * pi)), ("1000", 1e3), ("100", 1e2), ("1e6", 1e6),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A constant recognised: its short spelling, what it is, and the mistake it speaks of."""

    value: float
    text: str
    story: str = ""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Every length of the graph that a wrong factor could be, each with where it stands."""

    lengths: dict[int, str]
    counts: dict[int, str]
    """Elements that a mean or a sum of the graph runs over, with the op's name."""

    def name(self, c: float, rel: float = 1e-7) -> Named | None:
        """The name of the constant, None when it is none that a derivative is usually off by."""

        def near(value: float) -> bool:
            return isclose(c, value, rel_tol=rel, abs_tol=rel if value == 0 else 0.0)

        for value, (text, story) in _PLAIN.items():
            if near(value):
                also = self._also(value)
                return Named(value, text, f"{story}{also}")
        for n, value, inverse in self._lengths():
            if near(value):
                return Named(value, _shown(n, inverse), self._story(n, inverse))
        for text, value in (("pi/180", pi / 180), ("180/pi", 180 / pi)):
            if near(value):
                return Named(value, text, "degrees taken for radians or the other way round")
        for text, value in _FAMOUS:
            for sign, minus in ((1, ""), (-1, "-")):
                if near(sign * value):
                    return Named(sign * value, f"{minus}{text}")
                if near(sign / value):
                    return Named(
                        sign / value, f"{minus}1/({text})" if " " in text else f"{minus}1/{text}"
                    )
        return self._shifted(near)

    def _lengths(self) -> Iterator[tuple[int, float, bool]]:
        for n in (*self.counts, *(k for k in self.lengths if k not in self.counts)):
            if n > 1:
                yield n, float(n), False
                yield n, 1.0 / n, True

    def _story(self, n: int, inverse: bool) -> str:
        where = (
            f"{n} is {self.lengths[n]}"
            if n in self.lengths
            else f"{n} is what {self.counts[n]} runs over"
        )
        if inverse:
            return f"{where}: a sum written as a mean"
        return f"{where}: a mean written as a sum"

    def _also(self, value: float) -> str:
        n = round(value) if value > 1 else round(1 / value) if 0 < value < 1 else 0
        return f"; {self._story(n, value < 1)}" if n in self.counts else ""

    def _shifted(self, near: Callable[[float], bool]) -> Named | None:
        for n in {**self.counts, **self.lengths}:
            if n < 2:
                continue
            for text, value, story in (
                (f"{n}/{n - 1}", n / (n - 1), f"divided by {n - 1} where {n} is right"),
                (f"{n - 1}/{n}", (n - 1) / n, f"divided by {n} where {n - 1} is right"),
                (f"-{n}", -n, f"{n} times too large with the sign turned"),
                (f"-1/{n}", -1 / n, f"{n} times too small with the sign turned"),
                (f"2*{n}", 2 * n, f"a mean over {n} written as a sum, and a factor 2 too many"),
                (f"{n}/2", n / 2, f"a mean over {n} written as a sum, and a factor 2 missing"),
                (
                    f"1/(2*{n})",
                    0.5 / n,
                    f"a sum written as a mean over {n}, and a factor 2 missing",
                ),
                (f"2/{n}", 2 / n, f"a sum written as a mean over {n}, and a factor 2 too many"),
                (f"sqrt({n})", sqrt(n), f"a factor 1/sqrt({n}) is missing"),
                (f"1/sqrt({n})", 1 / sqrt(n), f"a factor sqrt({n}) is missing"),
            ):
                if near(value):
                    return Named(float(value), text, story)
        return None


def sizes_of(graph: Graph) -> Sizes:
    """Axis lengths and sizes of inputs, then of every value; what each reduction runs over."""
    lengths: dict[int, str] = {}
    for name, t in zip(graph.inputs, graph.input_types, strict=True):
        for axis, n in enumerate(t.shape):
            which = _ORDINALS[axis] if axis < len(_ORDINALS) else f"{axis + 1}th"
            lengths.setdefault(
                n, f"the {which} axis of {name}" if t.rank > 1 else f"the length of {name}"
            )
    for name, t in zip(graph.inputs, graph.input_types, strict=True):
        lengths.setdefault(t.size, f"the number of elements of {name}")
    counts: dict[int, str] = {}
    for k, op, site, _, outs in graph.nodes():
        for axis, n in enumerate(site.outs[0].shape):
            lengths.setdefault(n, f"axis {axis} of {graph.node_label(k)}")
        if op.family in ("reduction", "statistics") and site.attrs.get("axes"):
            t: Type = site.ins[0]
            count = t.size // max(1, graph.types[outs.start].size)
            counts.setdefault(count, graph.node_label(k))
    counts.pop(1, None)
    return Sizes(lengths, counts)


def _shown(n: int, inverse: bool) -> str:
    return f"1/{n}" if inverse else str(n)
