"""What a session still has to send: bounded, because what is newer takes the place of what is older and was not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from gradproof_proto.v1 import session_pb2 as ses

Item = Callable[[], ses.OpenResponse | None]
"""Makes the message at the moment at which it is sent; None: there is nothing to say any more."""


class Outbox:
    """Messages by slot, in the order in which they were last put."""

    def __init__(self) -> None:
        self._items: dict[Hashable, Item] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        """Messages waiting."""
        return len(self._items)

    def put(self, slot: Hashable, item: Item) -> None:
        """Say this next, and not what was waiting in the same slot."""
        self._items.pop(slot, None)
        self._items[slot] = item
        self._filled.set()
        self._emptied.clear()

    def drop(self, slot: Hashable) -> None:
        """Do not say what is waiting in a slot."""
        self._items.pop(slot, None)

    async def next(self) -> ses.OpenResponse:
        """The oldest message, as soon as there is one; asking for the next says that the one before was sent."""
        while True:
            while not self._items:
                self._emptied.set()
                self._filled.clear()
                await self._filled.wait()
            item = self._items.pop(next(iter(self._items)))
            message = item()
            if message is not None:
                return message

    async def emptied(self) -> None:
        """Wait until everything was sent."""
        await self._emptied.wait()
