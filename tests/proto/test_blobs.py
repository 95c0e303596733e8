"""Large tensors leave a message and come back into it; nothing else about the message changes."""

from __future__ import annotations

from typing import Any

import pytest
from gradproof_proto.blobs import (
    MESSAGE_ROOM,
    TENSOR_LIMIT,
    blob_ref,
    fits,
    holders,
    lightened,
    move_in,
    move_out,
)
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.sampled_from([0, 1, 50_000, TENSOR_LIMIT - 1, TENSOR_LIMIT, TENSOR_LIMIT + 1, 3 << 20])


class Store:
    """What was put, by its digest."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def put(self, content: bytes) -> pb.BlobRef:
        """Keep it."""
        ref = blob_ref(content)
        self.held[ref.sha256] = content
        return ref

    def get(self, ref: pb.BlobRef) -> bytes:
        """Give it back."""
        return self.held[ref.sha256]


def tensor(size: int) -> pb.Tensor:
    """So many bytes."""
    return pb.Tensor(dtype=pb.DTYPE_U8, shape=[size], data=bytes([size % 251]) * size)


def check(point: list[int], constants: list[int], claims: list[int], flag: bool) -> Any:
    """A check with tensors of these sizes wherever a check may have them."""
    request = der.CheckRequest(counterexample=flag)
    request.options.wrt.extend(["a", "b"])
    for index, size in enumerate(point):
        request.point.add(name=f"x{index}", tensor=tensor(size))
    program = request.program
    program.strings.extend(["", "f"])
    program.functions.add(op=[1, 2, 3])
    for size in constants:
        program.constants.add(type=1, data=tensor(size).data)
    program.constants.add(type=2, splat=b"12345678")
    for size in claims:
        claim: chk.Claim = request.claims.add(input="a")
        claim.values.value.CopyFrom(tensor(size))
    if flag:
        request.origin.SetInParent()
    return request


@settings(max_examples=30)
@given(*(st.lists(SIZES, max_size=3),) * 3, st.booleans())
def test_a_light_copy_is_the_message_without_its_large_tensors(
    point: list[int], constants: list[int], claims: list[int], flag: bool
) -> None:
    """It equals a copy whose tensors were moved out, the message itself keeps everything, and moved in again it is the same."""
    request = check(point, constants, claims, flag)
    before = request.SerializeToString(deterministic=True)
    store, other = Store(), Store()
    light = lightened(request, store.put)
    assert request.SerializeToString(deterministic=True) == before
    assert all(len(h.data) <= TENSOR_LIMIT for h in holders(light))
    whole = type(request)()
    whole.CopyFrom(request)
    if move_out(whole, other.put) and other.held:
        assert move_out(light, store.put)
        assert light.ByteSize() == whole.ByteSize()
    move_in(light, store.get)
    assert light.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("size", [0, 1000, MESSAGE_ROOM - 100, MESSAGE_ROOM, MESSAGE_ROOM + 1])
def test_what_fits_is_told_by_its_size(size: int) -> None:
    """The same answer as from the bytes, also for a tensor that lies elsewhere and only says that it is large."""
    request = der.EvaluateRequest(point=[pb.NamedTensor(name="x", tensor=tensor(size))])
    assert fits(request) == (len(request.SerializeToString()) <= MESSAGE_ROOM)
    request.point[0].tensor.blob.CopyFrom(blob_ref(b"elsewhere"))
    assert fits(request)


@pytest.mark.parametrize("size", [0, 10, TENSOR_LIMIT])
def test_a_small_message_is_copied_whole(size: int) -> None:
    """Nothing is put when nothing is large."""
    request = der.EvaluateRequest(point=[pb.NamedTensor(name="x", tensor=tensor(size // 2))])
    store = Store()
    assert lightened(request, store.put) == request
    assert not store.held
