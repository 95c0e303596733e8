"""Which carries of a loop to keep, and which steps to run again, so that it is walked back with few carries at once.

With c carries kept at once, the first among them, no schedule runs fewer steps than `revolve`: r L - beta(c + 1, r - 1) of
them for L steps, where beta(c, r) = C(c + r, c) is the longest loop that can be walked back when no step runs more than
r times.

Source: Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26, 2000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb
from typing import Any, NamedTuple


class Move(NamedTuple):
    """One move of a schedule: take up the carry that was kept last, the one before step `start`, and run up to step `stop`.

    Then walk that step `back`, or keep the carry before it. The carry before a step that was walked back is kept no longer.
    """

    start: int
    stop: int
    back: bool


def revolve(length: int, kept: int) -> Iterator[Move]:
    """The moves that walk `length` steps back with at most `kept` carries at once, the first one always among them."""
    starts = [0]
    end = length
    while end:
        start = starts[-1]
        free = kept - len(starts) + 1
        if end - start == 1 or free == 1:
            end -= 1
            yield Move(start, end, True)
            if end == start:
                starts.pop()
        else:
            stop = start + _split(end - start, free)
            yield Move(start, stop, False)
            starts.append(stop)


def beta(kept: int, runs: int) -> int:
    """The longest scan that `kept` carries walk back when no step runs more than `runs` times."""
    return comb(kept + runs, kept) if runs >= 0 else 0


def runs_needed(length: int, kept: int) -> int:
    """How often a step runs at most, besides the way back itself."""
    runs, longest = 0, 1
    while longest < length:
        runs += 1
        longest = longest * (kept + runs) // runs
    return runs


def steps_again(length: int, kept: int) -> int:
    """How many steps run in all, besides the way back itself: the fewest that there can be."""
    runs = runs_needed(length, kept)
    return runs * length - beta(kept + 1, runs - 1)


def kept_for(length: int, runs: int) -> int:
    """The fewest carries with which no step runs more than `runs` times."""
    low, high = 1, max(1, length)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if beta(middle, runs) >= length else (middle + 1, high)
    return low


def _split(length: int, kept: int) -> int:
    """How many steps to run before the next carry is kept."""
    runs = runs_needed(length, kept)
    return max(1, beta(kept, runs - 2), length - beta(kept - 1, runs))


def walk_back(
    first: Any, length: int, kept: int, ahead: Callable[[int, Any], Any],
    back: Callable[[int, Any], None],
) -> None:  # fmt: skip
    """Call `back(k, carry before step k)` for every step, the last one first, with at most `kept` carries at once.

    `first` is the carry before step 0, `ahead(k, carry)` runs step k.
    """
    entering = [first]
    for move in revolve(length, kept):
        carry = entering[-1]
        for k in range(move.start, move.stop):
            carry = ahead(k, carry)
        if not move.back:
            entering.append(carry)
            continue
        if move.stop == move.start:
            entering.pop()
        back(move.stop, carry)
