"""The schedule of a way back with few carries: the fewest steps, never more carries than were allowed."""

from __future__ import annotations

from functools import cache
from math import comb

import pytest
from gradproof_service.ops.revolve import (
    beta,
    kept_for,
    revolve,
    runs_needed,
    steps_again,
    walk_back,
)
from hypothesis import given
from hypothesis import strategies as st


@cache
def fewest(length: int, kept: int) -> int:
    """By trying every place for the next carry: the recurrence that defines the optimum."""
    if length <= 1:
        return 0
    if kept == 1:
        return length * (length - 1) // 2
    return min(m + fewest(length - m, kept - 1) + fewest(m, kept) for m in range(1, length))


def ran(length: int, kept: int) -> tuple[int, int, int]:
    """(steps run, the most that one step ran, the most carries kept at once) when a schedule is carried out."""
    times = [0] * length
    back: list[int] = []
    starts = [0]
    most = 1
    for move in revolve(length, kept):
        assert move.start == starts[-1]
        for k in range(move.start, move.stop):
            times[k] += 1
        if move.back:
            back.append(move.stop)
            if move.stop == move.start:
                starts.pop()
        else:
            starts.append(move.stop)
            most = max(most, len(starts))
    assert back == list(range(length - 1, -1, -1))
    assert not starts or not length
    return sum(times), max(times, default=0), most


@pytest.mark.parametrize("kept", range(1, 8))
def test_no_schedule_runs_fewer_steps(kept: int) -> None:
    """The optimum by brute force, the closed form and the steps that are run are one number."""
    for length in range(1, 41):
        steps, often, most = ran(length, kept)
        assert steps == steps_again(length, kept) == fewest(length, kept)
        assert most <= kept
        assert often <= runs_needed(length, kept)


@given(kept=st.integers(1, 30), runs=st.integers(0, 5))
def test_the_longest_loop_for_so_many_runs(kept: int, runs: int) -> None:
    """beta(c, r) = C(c + r, c) steps need r runs, one more step needs r + 1."""
    longest = comb(kept + runs, kept)
    assert beta(kept, runs) == longest
    assert runs_needed(longest, kept) == runs
    assert runs_needed(longest + 1, kept) == runs + 1


@given(length=st.integers(1, 3000), kept=st.integers(1, 60))
def test_the_closed_form_counts_what_is_run(length: int, kept: int) -> None:
    """r L - beta(c + 1, r - 1), also where nobody can try everything."""
    if kept < 3:
        length = min(length, 300)
    steps, often, most = ran(length, kept)
    runs = runs_needed(length, kept)
    assert steps == runs * length - beta(kept + 1, runs - 1)
    assert often <= runs
    assert most <= min(kept, length)


@given(length=st.integers(2, 10**6), runs=st.integers(1, 40))
def test_the_fewest_carries_for_so_many_runs(length: int, runs: int) -> None:
    """One carry less would need a run more."""
    kept = kept_for(length, runs)
    assert runs_needed(length, kept) <= runs
    assert kept == 1 or beta(kept - 1, runs) < length


@given(length=st.integers(0, 200), kept=st.integers(1, 12))
def test_every_step_is_walked_back_from_its_own_carry(length: int, kept: int) -> None:
    """The carry before step k of a counter that begins at 7 is 7 + k."""
    seen: list[tuple[int, int]] = []

    def ahead(k: int, carry: int) -> int:
        assert carry == 7 + k
        return carry + 1

    walk_back(7, length, kept, ahead, lambda k, carry: seen.append((k, carry)))
    assert seen == [(k, 7 + k) for k in range(length - 1, -1, -1)]
