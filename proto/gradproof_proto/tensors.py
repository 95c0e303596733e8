"""Arrays to wire tensors and back, bit for bit.

Elements travel as little-endian bytes in C order, never as repeated numbers. Nothing here converts a value: what has no
wire type is refused. The one exception is bfloat16, which NumPy cannot hold and which arrives as float32, exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.v1 import program_pb2 as pb

Array = NDArray[Any]
Fetch = Callable[[pb.BlobRef], bytes | memoryview]
"""Gives the whole bytes of a blob, or says why not; a view keeps what it looks at alive."""


class DtypeRow(NamedTuple):
    """One element type: its wire number, its short name, and how NumPy stores it."""

    wire: pb.Dtype
    name: str
    stored: np.dtype[Any]


def _row(wire: pb.Dtype, name: str, stored: str) -> DtypeRow:
    return DtypeRow(wire, name, np.dtype(stored))


DTYPES: tuple[DtypeRow, ...] = (
    _row(pb.DTYPE_F64, "f64", "<f8"),
    _row(pb.DTYPE_F32, "f32", "<f4"),
    _row(pb.DTYPE_F16, "f16", "<f2"),
    _row(pb.DTYPE_BF16, "bf16", "<u2"),
    _row(pb.DTYPE_C128, "c128", "<c16"),
    _row(pb.DTYPE_C64, "c64", "<c8"),
    _row(pb.DTYPE_I64, "i64", "<i8"),
    _row(pb.DTYPE_I32, "i32", "<i4"),
    _row(pb.DTYPE_I16, "i16", "<i2"),
    _row(pb.DTYPE_I8, "i8", "|i1"),
    _row(pb.DTYPE_U64, "u64", "<u8"),
    _row(pb.DTYPE_U32, "u32", "<u4"),
    _row(pb.DTYPE_U16, "u16", "<u2"),
    _row(pb.DTYPE_U8, "u8", "|u1"),
    _row(pb.DTYPE_BOOL, "bool", "|b1"),
)
BY_WIRE: dict[int, DtypeRow] = {int(row.wire): row for row in DTYPES}
BY_NAME: dict[str, DtypeRow] = {row.name: row for row in DTYPES}
BY_STORED: dict[str, DtypeRow] = {
    row.stored.str: row for row in DTYPES if row.wire != pb.DTYPE_BF16
}
MAX_RANK = 32
MAX_BYTES = 2**63 - 1


def is_masked(array: object) -> bool:
    """Whether this is a masked array; asked without loading numpy.ma, which no such array exists without."""
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(array, masked.MaskedArray)


def to_tensor(array: object) -> pb.Tensor:
    """Writes an array, or anything NumPy reads as one, as a wire tensor of the same dtype and shape.

    Raises ValueError for a masked array and for dtypes that have no wire form (objects, text, dates, extended precision).
    """
    if is_masked(array):
        raise ValueError(
            "tensor: expected a plain array, a masked array came; fill the masked elements first."
        )
    plain: Array = np.asarray(array)
    row = dtype_row(plain.dtype)
    tensor = pb.Tensor(
        dtype=row.wire, data=plain.astype(plain.dtype.newbyteorder("<"), copy=False).tobytes()
    )
    tensor.shape.extend(plain.shape)
    return tensor


def from_tensor(tensor: pb.Tensor, *, where: str = "tensor", fetch: Fetch | None = None) -> Array:
    """Reads a wire tensor as an array of its shape, a read-only view of the received bytes.

    `where` names the tensor in messages. `fetch` returns the bytes of a blob as a whole; without it a tensor that lies in a
    blob is refused. Raises ValueError when the tensor is not exactly what its dtype and shape say.
    """
    row = BY_WIRE.get(int(tensor.dtype))
    if row is None:
        raise ValueError(
            f"{where}: expected a known dtype, {int(tensor.dtype)} came; send one of {', '.join(BY_NAME)}."
        )
    shape = tuple(tensor.shape)
    size = checked_size(shape, row.stored.itemsize, where)
    if tensor.WhichOneof("payload") == "blob":
        data: bytes | memoryview = blob_bytes(tensor.blob, size, where, fetch)
    else:
        data = tensor.data
    return array_of_bytes(data, row, shape, where)


def array_of_bytes(
    data: bytes | memoryview, row: DtypeRow, shape: Sequence[int], where: str
) -> Array:
    """Views little-endian bytes as an array of `shape`; raises ValueError when their number is not what the shape asks."""
    expected = checked_size(shape, row.stored.itemsize, where)
    if len(data) != expected:
        raise ValueError(
            f"{where}: expected {expected} bytes for {type_text(row, shape)}, {len(data)} came; "
            "send every element in C order, or mend the shape."
        )
    if row.wire == pb.DTYPE_BOOL and expected and int(np.frombuffer(data, np.uint8).max()) > 1:
        raise ValueError(
            f"{where}: expected bytes 0 and 1 in a bool tensor, another came; write booleans as one byte each."
        )
    array: Array = np.frombuffer(data, row.stored).reshape(tuple(shape))
    if row.wire == pb.DTYPE_BF16:
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    array.flags.writeable = False
    return array


def checked_size(shape: Sequence[int], itemsize: int, where: str) -> int:
    """The number of bytes that `shape` asks for; raises ValueError when it is no shape or too large for any machine.

    Computed with Python's whole numbers, so no product wraps around.
    """
    if len(shape) > MAX_RANK:
        raise ValueError(
            f"{where}: expected at most {MAX_RANK} axes, {len(shape)} came; merge axes."
        )
    if any(length < 0 for length in shape):
        raise ValueError(
            f"{where}: expected lengths of zero or more, {min(shape)} came; give the real shape."
        )
    if prod(max(length, 1) for length in shape) * itemsize > MAX_BYTES:
        raise ValueError(
            f"{where}: expected a shape that fits in memory, {list(shape)} came; split the tensor."
        )
    return prod(shape) * itemsize


def blob_bytes(blob: pb.BlobRef, size: int, where: str, fetch: Fetch | None) -> memoryview:
    """The `size` bytes that a blob reference names; raises ValueError when the blob cannot hold them."""
    if fetch is None:
        raise ValueError(
            f"{where}: expected inline bytes, a blob came; send the bytes, or put the blob with the service."
        )
    if len(blob.sha256) != 32:
        raise ValueError(
            f"{where}: expected a SHA-256 of 32 bytes, {len(blob.sha256)} came; name the blob by its digest."
        )
    if blob.offset_bytes + size > blob.size_bytes:
        raise ValueError(
            f"{where}: expected {size} bytes at offset {blob.offset_bytes}, the blob has {blob.size_bytes}; "
            "mend the offset or the shape."
        )
    whole = fetch(blob)
    if len(whole) != blob.size_bytes:
        raise ValueError(
            f"{where}: expected a blob of {blob.size_bytes} bytes, {len(whole)} came; put it again."
        )
    return memoryview(whole)[blob.offset_bytes : blob.offset_bytes + size]


def dtype_row(dtype: np.dtype[Any]) -> DtypeRow:
    """The row of a NumPy dtype in any byte order; raises ValueError when it has no wire form."""
    if dtype.name == "bfloat16":
        return BY_WIRE[int(pb.DTYPE_BF16)]
    row = BY_STORED.get(dtype.newbyteorder("<").str)
    if row is None:
        raise ValueError(
            f"tensor: expected a numeric or bool dtype, {dtype} came; convert it to one of {', '.join(BY_NAME)}."
        )
    return row


def numpy_dtype(wire: int) -> np.dtype[Any]:
    """The NumPy dtype in native byte order that a wire dtype arrives as; raises ValueError for an unknown one."""
    row = BY_WIRE.get(int(wire))
    if row is None:
        raise ValueError(
            f"dtype: expected a known dtype, {int(wire)} came; send one of {', '.join(BY_NAME)}."
        )
    return np.dtype(np.float32) if row.wire == pb.DTYPE_BF16 else row.stored.newbyteorder("=")


def type_text(row: DtypeRow, shape: Sequence[int]) -> str:
    """A complete type as text, such as `f64[2,3]`."""
    return f"{row.name}[{','.join(map(str, shape))}]" if shape else row.name
