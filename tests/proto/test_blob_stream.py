"""A chunk written and read by hand is the message that generated code writes and reads."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from gradproof_proto.blob_stream import CHUNK, GIVEN, PUT, ChunkForm, chunks
from gradproof_proto.v1 import blob_pb2
from hypothesis import example, given
from hypothesis import strategies as st

FORMS = [(PUT, blob_pb2.PutBlobRequest), (GIVEN, blob_pb2.GetBlobResponse)]


@pytest.mark.parametrize(("form", "kind"), FORMS)
@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, CHUNK - 1, CHUNK, 3 * CHUNK])
def test_written_and_read_as_by_generated_code(form: ChunkForm, kind: Any, size: int) -> None:
    """`write` gives the bytes of SerializeToString, `read` the chunk in them, for every length of the length."""
    chunk = bytes(k % 251 for k in range(min(size, 1000))) * (size // 1000 + 1)
    chunk = chunk[:size]
    assert kind.FromString(form.write(memoryview(chunk))).chunk == chunk
    expected = kind(chunk=chunk).SerializeToString()
    if expected:  # an empty field outside of a oneof is left out
        assert form.write(chunk) == expected
        read = form.read(expected)
        assert read is not None
        assert read.tobytes() == chunk


@given(st.binary(max_size=40))
@example(b"\x12\x81\x00x")
@example(b"\x12\x01xy")
@example(b"\x12\x80\x80\x80\x80\x80\x00")
@example(b"\x12")
def test_what_is_read_is_what_the_message_says(content: bytes) -> None:
    """Whatever bytes come: a chunk that `read` gives is the chunk of the message, and no other message is taken for one."""
    read = PUT.read(content)
    if read is None:
        return
    try:
        message = blob_pb2.PutBlobRequest.FromString(content)
    except DecodeError:
        pytest.fail("read gave a chunk of bytes that are no message")
    assert message.WhichOneof("part") == "chunk"
    assert message.chunk == read.tobytes()


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32), st.integers(0, 1 << 60))
def test_other_messages_are_left_to_generated_code(chunk: bytes, sha256: bytes, size: int) -> None:
    """A header is no chunk; a chunk is read as it was written, whatever it holds."""
    header = blob_pb2.PutBlobRequest(header=blob_pb2.BlobHeader(sha256=sha256, size_bytes=size))
    assert PUT.read(header.SerializeToString()) is None
    read = PUT.read(PUT.write(chunk))
    assert read is not None
    assert read.tobytes() == chunk


@given(st.binary(max_size=300))
def test_chunks_are_the_bytes_in_order(content: bytes) -> None:
    """Joined they are what was cut; none is longer than agreed."""
    parts = list(chunks(content * 9000))
    assert b"".join(parts) == content * 9000
    assert all(0 < len(part) <= CHUNK for part in parts)
