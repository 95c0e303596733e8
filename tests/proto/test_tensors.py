"""Arrays come back from the wire bit for bit, and what is no tensor is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_proto.tensors import DTYPES, from_tensor, numpy_dtype, to_tensor
from gradproof_proto.v1 import program_pb2 as pb
from hypothesis import given

from tests.proto.programs import arrays


@given(arrays())
def test_round_trip(array: np.ndarray) -> None:
    """from_tensor(to_tensor(a)) has the dtype, shape and bits of a, also through bytes."""
    tensor = pb.Tensor.FromString(to_tensor(array).SerializeToString())
    again = from_tensor(tensor)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()
    assert not again.flags.writeable


@given(arrays())
def test_layout_does_not_travel(array: np.ndarray) -> None:
    """Byte order and memory order of the sender change nothing."""
    swapped = array.astype(array.dtype.newbyteorder(">")).copy(order="F")
    assert to_tensor(swapped) == to_tensor(array)


def test_bfloat16_arrives_as_float32() -> None:
    """A bfloat16 is the upper half of a binary32."""
    expected = np.array([1.0, -2.5, np.inf], np.float32)
    halves = (expected.view(np.uint32) >> 16).astype("<u2").tobytes()
    again = from_tensor(pb.Tensor(dtype=pb.DTYPE_BF16, shape=[3], data=halves))
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (pb.Tensor(), "known dtype, 0 came"),
        (
            pb.Tensor(dtype=pb.DTYPE_F64, shape=[2], data=b"1234567"),
            "expected 16 bytes for f64[2], 7 came",
        ),
        (pb.Tensor(dtype=pb.DTYPE_F64, shape=[-1], data=b""), "zero or more, -1 came"),
        (pb.Tensor(dtype=pb.DTYPE_F64, shape=[2**62, 4, 2**62], data=b""), "fits in memory"),
        (pb.Tensor(dtype=pb.DTYPE_F64, shape=[2**62, 2**62, 0], data=b""), "fits in memory"),
        (pb.Tensor(dtype=pb.DTYPE_U8, shape=[1] * 65, data=b"1"), "at most 32 axes"),
        (pb.Tensor(dtype=pb.DTYPE_BOOL, shape=[2], data=b"\1\2"), "0 and 1"),
        (pb.Tensor(dtype=pb.DTYPE_F64, blob=pb.BlobRef()), "a blob came"),
    ],
)
def test_refusals(tensor: pb.Tensor, words: str) -> None:
    """A tensor that is not exactly what it says is refused, and the sentence begins with its name."""
    with pytest.raises(ValueError, match=r"^input x: ") as caught:
        from_tensor(tensor, where="input x")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [object(), [1, "a"], np.array(["a"]), np.ma.masked_array([1.0]), 2**70, np.datetime64(0, "s")],
)
def test_no_wire_form(value: object) -> None:
    """Objects, text, dates, masks and numbers beyond 64 bits do not travel."""
    with pytest.raises(ValueError, match=r"^tensor: expected"):
        to_tensor(value)


def test_blob_bytes_are_a_stretch() -> None:
    """A tensor in a blob is the stretch at its offset, and a blob that is too short is refused."""
    whole = np.arange(4.0).tobytes()
    blob = pb.BlobRef(sha256=bytes(32), size_bytes=32, offset_bytes=8)
    tensor = pb.Tensor(dtype=pb.DTYPE_F64, shape=[2], blob=blob)
    np.testing.assert_array_equal(from_tensor(tensor, fetch=lambda _: whole), [1.0, 2.0])
    tensor.shape[0] = 4
    with pytest.raises(ValueError, match="at offset 8, the blob has 32"):
        from_tensor(tensor, fetch=lambda _: whole)


def test_one_table() -> None:
    """Every wire dtype but the unspecified one has a row, and its name is the enum's."""
    assert {pb.Dtype.Name(row.wire) for row in DTYPES} == set(pb.Dtype.keys()) - {
        "DTYPE_UNSPECIFIED"
    }
    assert all(pb.Dtype.Name(row.wire) == f"DTYPE_{row.name.upper()}" for row in DTYPES)
    assert numpy_dtype(pb.DTYPE_I32) == np.int32
