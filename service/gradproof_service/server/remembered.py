"""Programs met before, by what they contain: a program that is sent again is not decoded, typed or prepared again.

A typed graph keeps what was prepared for it (derivative graphs, plans), so all of that is kept with
the program and goes with it. The room is bounded; the program not used for longest goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Type
from gradproof_service.diagnostic import Finding
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Program

PROGRAMS: Final = 64
"""Programs remembered at most."""
ROOM_BYTES: Final = 64 << 20
"""Bytes of their messages together; a larger program alone is not remembered."""
TYPINGS: Final = 8
"""Combinations of input types remembered for one program; further ones start afresh."""

Typed = tuple[Graph | None, list[Finding]]


@dataclass(slots=True)
class _Known:
    program: Program
    size: int
    typed: dict[Any, Typed] = field(default_factory=dict[Any, Typed])


class Remembered:
    """What one process remembers; its methods may be called from several threads."""

    def __init__(self, programs: int = PROGRAMS, room_bytes: int = ROOM_BYTES) -> None:
        self._programs = programs
        self._room = room_bytes
        self._known: OrderedDict[Any, _Known] = OrderedDict()
        self._keys: dict[int, Any] = {}
        self._last = (b"", b"")
        """The content met last, and its digest."""
        self._lock = Lock()

    def program(
        self, message: pb.Program, entry: int | None, limits: Limits, digest: bool,
        decode: Callable[[], Program],
    ) -> Program:  # fmt: skip
        """The decoded program; `decode` is asked when this content has not been met."""
        content = message.SerializeToString(deterministic=True)
        before, found = self._last
        if content != before:  # a tenth of the time of a digest
            found = hashlib.sha256(content).digest()
        key = (found, entry, limits, digest)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        program = decode() if known is None else known.program
        if len(content) <= self._room:
            self._last = content, found
            if known is None:
                self._keep(key, _Known(program, len(content)))
        return program

    def typed(
        self, program: Program, types: tuple[Type, ...], limits: Limits, make: Callable[[], Typed]
    ) -> Typed:
        """The typed graph and findings of a program at these input types; `make` is asked when new."""
        with self._lock:
            known = self._known.get(self._keys.get(id(program)))
            known = known if known is not None and known.program is program else None
            found = known.typed.get((types, limits)) if known is not None else None
        if found is None:
            found = make()
            if known is not None:
                with self._lock:
                    if len(known.typed) >= TYPINGS:
                        known.typed.clear()
                    known.typed[types, limits] = found
        graph, findings = found
        return graph, list(findings)

    def _keep(self, key: Any, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._keys[id(known.program)] = key
            while len(self._known) > self._programs or self._held() > self._room:
                _, old = self._known.popitem(last=False)
                self._keys.pop(id(old.program), None)

    def _held(self) -> int:
        return sum(known.size for known in self._known.values())


REMEMBERED: Final = Remembered()
"""What this process remembers: content is the key, so whoever sends it gets the same."""
