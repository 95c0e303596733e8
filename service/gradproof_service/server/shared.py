"""Bytes in memory that processes share without a name: nothing is left behind, whoever dies."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile


class Arriving:
    """Shared memory that is filled from its start on, piece by piece; `whole` gives what it has become."""

    __slots__ = ("_descriptor",)

    def __init__(self) -> None:
        """Raises `OSError` when there is no descriptor."""
        self._descriptor = _anonymous()

    def write(self, piece: bytes) -> None:
        """The next bytes; other threads run meanwhile. Raises `OSError` when there is no memory."""
        left = memoryview(piece)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def whole(self, size: int) -> SharedBytes:
        """The memory, to be read from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return SharedBytes(descriptor, size)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)


class SharedBytes:
    """Bytes in memory that another process can be given; freed when the last of both lets go."""

    __slots__ = ("_map", "descriptor", "size", "view")

    def __init__(self, descriptor: int, size: int, *, write: bool = False) -> None:
        self.descriptor = descriptor
        self.size = size
        try:
            self._map = mmap.mmap(descriptor, size, prot=mmap.PROT_READ | (mmap.PROT_WRITE * write))
        except BaseException:
            os.close(descriptor)
            raise
        self.view = memoryview(self._map)

    @classmethod
    def make(cls, size: int) -> SharedBytes:
        """New memory of `size` bytes above zero, to be filled through `view`; raises `OSError` when there is none."""
        descriptor = _anonymous()
        try:
            os.ftruncate(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, size, write=True)

    @classmethod
    def of(cls, content: bytes) -> SharedBytes:
        """A copy of these bytes; raises `OSError` when there is no memory or no descriptor."""
        made = cls.make(len(content))
        made.view[:] = content
        return made

    def close(self) -> None:
        """Let go; twice is once."""
        if self.descriptor >= 0:
            self.view.release()
            self._map.close()
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> SharedBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0 and hasattr(self, "view"):
            with contextlib.suppress(BufferError, OSError, ValueError):
                self.close()


def _anonymous() -> int:
    """A descriptor of memory without a name: a file that is deleted already where the system has nothing better."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gradproof", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
