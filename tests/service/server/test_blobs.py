"""The store of blobs: what was used last stays, what does not fit is refused."""

from __future__ import annotations

import hashlib

import pytest
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.uploads import Upload


def test_the_least_recently_used_is_forgotten_first() -> None:
    """Reading and asking count as use; the bytes kept never exceed the limit."""
    store = BlobStore(limit_bytes=30)
    a, b, c = (store.put(bytes([k]) * 10) for k in range(3))
    assert store.get(a) == bytes([0]) * 10
    assert store.missing(iter([b.sha256])) == []
    d = store.put(b"d" * 10)
    assert store.missing(iter(x.sha256 for x in (a, b, c, d))) == [c.sha256]
    store.put(b"e" * 30)
    assert [store.has(x.sha256) for x in (a, b, c, d)] == [False] * 4
    with pytest.raises(Fault) as caught:
        store.get(a)
    assert caught.value.kind is FaultKind.NOT_FOUND


def test_equal_bytes_are_kept_once() -> None:
    """Putting the same again takes no room."""
    store = BlobStore(limit_bytes=30)
    other = store.put(b"x" * 10)
    for _ in range(9):
        blob = store.put(b"same" * 5)
    assert store.has(other.sha256)
    assert store.get(blob) == b"same" * 5


def test_what_cannot_fit_is_refused() -> None:
    """A blob above the limit is refused by its header, and arriving bytes are counted together."""
    store = BlobStore(limit_bytes=30)
    with pytest.raises(Fault, match="the limit is 30"):
        Upload(store, bytes(32), 31)
    first, second = (Upload(store, bytes(32), 20) for _ in range(2))
    first.expect(bytes(20))
    with pytest.raises(Fault, match="too many blobs arrive at once"):
        second.expect(bytes(20))
    first.close()
    second.expect(bytes(20))
    second.close()
    third = Upload(store, hashlib.sha256(b"z" * 30).digest(), 30)
    third.expect(b"z" * 30)
    third.write(b"z" * 30)
    assert third.finish().size_bytes == 30
    third.close()


def test_a_reference_with_another_length_is_refused() -> None:
    """The length is part of what a request says."""
    store = BlobStore()
    blob = store.put(b"abc")
    with pytest.raises(Fault, match="3 bytes"):
        store.get(pb.BlobRef(sha256=blob.sha256, size_bytes=4))
