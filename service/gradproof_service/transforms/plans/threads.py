"""A few threads for blocks of one array; NumPy lets go of the interpreter while it computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import count


@lru_cache(maxsize=4)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="gradproof-blocks")


def shared_out(threads: int, blocks: int, work: Callable[[int, Callable[[], int]], None]) -> None:
    """Run `work(worker, take)` on so many threads, the caller's among them, until all blocks are taken.

    `take()` gives the next block's number, at the end `blocks` or more. The first failure is raised
    when all have stopped. Which thread runs a block must not matter to its result.
    """
    numbers = count()
    take = numbers.__next__
    others = [_pool(threads - 1).submit(work, w, take) for w in range(1, min(threads, blocks))]
    try:
        work(0, take)
    finally:
        for other in others:
            other.exception()
    for other in others:
        other.result()
