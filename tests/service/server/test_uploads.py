"""Blobs on their way in: every byte once and in order, whatever the threads do, and memory that is ready holds nothing old."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from gradproof_service.server.shared import Spare
from gradproof_service.server.uploads import AHEAD, Behind
from hypothesis import given
from hypothesis import strategies as st

MIB = 1 << 20


@given(st.lists(st.binary(max_size=3), max_size=60), st.booleans())
def test_work_behind_the_loop_keeps_the_order(chunks: list[bytes], slow: bool) -> None:
    """Every chunk is worked on once, in the order given, and `finish` waits for the last."""
    seen: list[bytes] = []

    def work(chunk: bytes | memoryview) -> None:
        if slow and len(seen) % 7 == 0:
            time.sleep(0.0002)
        seen.append(bytes(chunk))

    async def main() -> None:
        behind = Behind(work)
        for chunk in chunks:
            await behind.give(chunk)
        await behind.finish()
        assert seen == chunks
        await behind.stop()

    asyncio.run(main())


def test_no_more_than_agreed_waits() -> None:
    """A thread that is slow holds up who gives, so that memory is bounded."""
    done = 0
    given_to: list[int] = []

    def work(chunk: bytes | memoryview) -> None:
        nonlocal done
        time.sleep(0.001)
        done += 1

    async def main() -> None:
        behind = Behind(work)
        for k in range(4 * AHEAD):
            await behind.give(b"x")
            given_to.append(k + 1 - done)
        await behind.finish()

    asyncio.run(main())
    assert done == 4 * AHEAD
    assert max(given_to) <= AHEAD + 1


def test_an_error_of_the_thread_is_told() -> None:
    """What the work raises comes out of `give` or `finish`, and nothing is worked on after it."""
    seen: list[int] = []

    def work(chunk: bytes | memoryview) -> None:
        seen.append(chunk[0])
        if chunk[0] == 3:
            raise OSError("no memory")

    async def main() -> None:
        behind = Behind(work)
        try:
            for k in range(50):
                await behind.give(bytes([k]))
            await behind.finish()
        finally:
            await behind.stop()

    with pytest.raises(OSError, match="no memory"):
        asyncio.run(main())
    assert seen == [0, 1, 2, 3]


def test_what_was_not_begun_is_not_done_after_a_stop() -> None:
    """A client that leaves gives its memory back at once: the thread is out when `stop` returns."""
    seen: list[bytes] = []

    def work(chunk: bytes | memoryview) -> None:
        time.sleep(0.01)
        seen.append(bytes(chunk))

    async def main() -> None:
        behind = Behind(work)
        for _ in range(AHEAD):
            await behind.give(b"x")
        await behind.stop()
        count = len(seen)
        await asyncio.sleep(0.05)
        assert len(seen) == count < AHEAD

    asyncio.run(main())


@pytest.mark.parametrize("ready", [0, 2, 3, 4, 6, 64])
@pytest.mark.parametrize("size", [1, 4 * MIB - 3, 4 * MIB])
def test_memory_that_was_ready_holds_what_was_written(ready: int, size: int) -> None:
    """Smaller, larger or equal to what comes: the blob is its own bytes and no more, and a second one finds fresh memory."""
    spare = Spare(5 * MIB)
    content = os.urandom(1000) * 5000
    for shift in range(2):
        spare.prepare(ready * MIB)
        assert spare.held_bytes <= 5 * MIB
        arriving = spare.take(size)
        part = content[shift : shift + size]
        arriving.write(part[:7])
        arriving.write(memoryview(part)[7:])
        with arriving.whole(size) as shared:
            assert shared.view == part
            assert os.fstat(shared.descriptor).st_size == size


def test_memory_that_is_ready_is_given_once_and_back() -> None:
    """One descriptor at most, none when it was dropped, and a small blob does not take the memory of a large one."""
    before = _descriptors()
    spare = Spare(8 * MIB)
    for _ in range(3):
        spare.prepare(8 * MIB)
    assert _descriptors() == before + 1
    small = spare.take(MIB)
    assert spare.held_bytes == 8 * MIB
    large = spare.take(8 * MIB)
    assert spare.held_bytes == 0
    del small, large
    spare.prepare(4 * MIB)
    spare.drop()
    assert spare.held_bytes == 0
    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
