"""What all sessions share: room for what is kept, and threads for the small."""

from __future__ import annotations

from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.sessions.quick import Quick
from gradproof_service.server.sessions.room import SMALL_NODES, Room
from gradproof_service.transforms.evaluate import no_tick

from tests.service.server.sessions import documents
from tests.service.server.sessions.test_quick import BLOBS, chain, from_scratch, told, version_of


def test_what_was_edited_longest_ago_is_forgotten_first() -> None:
    """Beyond the room there is the oldest goes, one at work stays, and what was forgotten gives the same bits again."""
    version = version_of(chain(4), documents.tensors(x=0.3, y=1.1))
    quicks = [Quick(BLOBS, DEFAULT_LIMITS) for _ in range(3)]
    for quick in quicks:
        quick.run(version, set(), no_tick)
    each = quicks[0].kept_bytes
    assert each > 100_000
    room = Room(kept_bytes=2 * each + 1)
    for quick in quicks[:2]:
        room.begin(quick)
        room.end(quick)
    room.begin(quicks[0])  # at work: it is not the one to go
    room.begin(quicks[2])
    room.end(quicks[2])
    assert [quick.kept_bytes > 0 for quick in quicks] == [True, False, True]
    room.end(quicks[0])
    assert len(room) == 2
    expected = from_scratch(version).SerializeToString(deterministic=True)
    assert told(quicks[1], version, set()) == expected
    room.close()


def test_of_a_document_that_has_gone_nothing_is_kept() -> None:
    """Also when it went while a thread was at work for it."""
    version = version_of(chain(4), documents.tensors(x=0.3, y=1.1))
    room, quick = Room(), Quick(BLOBS, DEFAULT_LIMITS)
    room.begin(quick)
    room.leave(quick)
    quick.run(version, set(), no_tick)
    room.end(quick)
    assert len(room) == 0
    room.begin(quick)
    room.end(quick)
    assert len(room) == 1
    room.leave(quick)
    assert len(room) == 0
    room.close()


def test_small_documents_do_not_wait_behind_large_ones() -> None:
    """They have threads of their own."""
    room = Room()
    assert room.threads(SMALL_NODES) is not room.threads(SMALL_NODES + 1)
    assert room.threads(1) is room.threads(SMALL_NODES)
    room.close()
