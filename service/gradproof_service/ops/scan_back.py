"""The way back through a scan: from the last step to the first, with the carry that entered each of them.

With one level the carry of every step is kept: one scan forward, one back. With more, steps are put together
in chunks; only the carry that enters a chunk is kept, and a chunk's own are computed again, on one level
less, right before its steps are walked back. L steps on k levels keep about k L^(1/k) carries for k runs forward
(the uniform multistage schedule; Griewank and Walther, "Algorithm 799: revolve", 2000, compare it with
the binomial one, which needs the fewest runs for a number of checkpoints). Each step does the same sums
in the same order on every number of levels, so the results have the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final

from gradproof_service.ops.calling import as_tuple

SHORT: Final = 4
"""Steps from which chunks are worth making."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What one step does: `forward` returns (carry, the carry that entered), `back` the bars before it.

    `back` takes (constants, bars carried, carry, slices, bars of the slices' outputs) and returns
    (bars carried, bars of the slices); `bars` of them are carried.
    """

    forward: Any
    back: Any
    reverse: bool
    carried: int
    bars: int
    levels: int

    def back_through(
        self, xp: Any, length: int, consts: list[Any], carry: list[Any], slices: list[Any],
        start: list[Any], out_bars: list[Any],
    ) -> tuple[list[Any], list[Any]]:  # fmt: skip
        """(bars carried, bars of the slices) before `length` steps that begin at `carry`; `start` are those after."""
        outer = ceil(length ** (1 / self.levels) - 1e-9)
        if self.levels > 1 and length >= SHORT and outer < length:
            return self._in_chunks(xp, length, outer, consts, carry, slices, start, out_bars)
        out = as_tuple(
            xp.scan(*consts, *carry, *slices, body=self.forward, length=length,
                    reverse=self.reverse, consts=len(consts), carried=len(carry))
        )  # fmt: skip
        return self._split(
            xp.scan(*consts, *start, *out[len(carry) :], *slices, *out_bars, body=self.back,
                    length=length, reverse=not self.reverse, consts=len(consts), carried=self.bars)
        )  # fmt: skip

    def _in_chunks(
        self, xp: Any, length: int, count: int, consts: list[Any], carry: list[Any],
        slices: list[Any], start: list[Any], out_bars: list[Any],
    ) -> tuple[list[Any], list[Any]]:  # fmt: skip
        """`count` chunks of equal length; what is left over are the steps that run last."""
        each = length // count
        left = length - each * count
        inner = replace(self, levels=self.levels - 1)
        chunks = [self._chunked(xp, x, count, each) for x in slices]
        bar_chunks = [self._chunked(xp, x, count, each) for x in out_bars]
        out = as_tuple(
            xp.scan(*consts, *carry, *chunks, body=self._chunk_forward(xp, each, consts, carry, chunks),
                    length=count, reverse=self.reverse, consts=len(consts), carried=len(carry))
        )  # fmt: skip
        carry_left, entered = list(out[: len(carry)]), list(out[len(carry) :])
        tails: list[Any] = []
        if left:
            start, tails = inner.back_through(
                xp, left, consts, carry_left, [self._left(xp, x, left) for x in slices],
                start, [self._left(xp, x, left) for x in out_bars],
            )  # fmt: skip
        ends, heads = self._split(
            xp.scan(*consts, *start, *entered, *chunks, *bar_chunks,
                    body=inner.chunk_back(xp, each, consts, start, carry, chunks, bar_chunks),
                    length=count, reverse=not self.reverse, consts=len(consts), carried=self.bars)
        )  # fmt: skip
        flat = [xp.reshape(x, shape=(count * each, *x.shape[2:])) for x in heads]
        return ends, [
            self._joined(xp, a, b) for a, b in zip(flat, tails, strict=True)
        ] if left else flat

    def _chunk_forward(
        self, xp: Any, each: int, consts: list[Any], carry: list[Any], chunks: list[Any]
    ) -> Any:
        """A chunk as the body of a scan: its steps, and the carry that entered it."""
        s = xp.new(f"{self.forward.name}_step")
        inputs = [
            s.input(n, t)
            for n, t in zip(self.forward.inputs, self.forward.input_types, strict=True)
        ]
        step = s.finish(s.inline(self.forward, inputs)[: self.carried])
        b = xp.new(f"{self.forward.name}_chunk")
        own_consts = [b.input(f"k{i}", x.type) for i, x in enumerate(consts)]
        entering = [b.input(f"c{i}", x.type) for i, x in enumerate(carry)]
        own = [b.input(f"x{i}", _inside(x)) for i, x in enumerate(chunks)]
        out = as_tuple(
            b.scan(*own_consts, *entering, *own, body=step, length=each, reverse=self.reverse,
                   consts=len(consts), carried=len(carry))
        )  # fmt: skip
        return b.finish([*out, *entering])

    def chunk_back(
        self, xp: Any, each: int, consts: list[Any], start: list[Any], carry: list[Any],
        chunks: list[Any], bar_chunks: list[Any],
    ) -> Any:  # fmt: skip
        """A chunk walked back, as the body of a scan."""
        b = xp.new(f"{self.back.name}_chunk")
        own_consts = [b.input(f"k{i}", x.type) for i, x in enumerate(consts)]
        own_start = [b.input(f"b{i}", x.type) for i, x in enumerate(start)]
        entering = [b.input(f"c{i}", x.type) for i, x in enumerate(carry)]
        own = [b.input(f"x{i}", _inside(x)) for i, x in enumerate(chunks)]
        own_bars = [b.input(f"y{i}_bar", _inside(x)) for i, x in enumerate(bar_chunks)]
        ends, slice_bars = self.back_through(
            b, each, own_consts, entering, own, own_start, own_bars
        )
        return b.finish([*ends, *slice_bars])

    def _split(self, out: Any) -> tuple[list[Any], list[Any]]:
        every = list(as_tuple(out))
        return every[: self.bars], every[self.bars :]

    def _chunked(self, xp: Any, x: Any, count: int, each: int) -> Any:
        """The steps that fill chunks, (count, each, ...)."""
        left = x.shape[0] - count * each
        if left:
            x = xp.index_get(x, spec=f"{left}:" if self.reverse else f":{count * each}")
        return xp.reshape(x, shape=(count, each, *x.shape[1:]))

    def _left(self, xp: Any, x: Any, left: int) -> Any:
        """The steps that fill no chunk: those that run last."""
        return xp.index_get(x, spec=f":{left}" if self.reverse else f"{x.shape[0] - left}:")

    def _joined(self, xp: Any, main: Any, left: Any) -> Any:
        return xp.concat(*((left, main) if self.reverse else (main, left)), axis=0)


def _inside(x: Any) -> Any:
    """The type of one slice of x."""
    return x.type.with_shape(x.shape[1:])
