"""Bytes in memory that processes share without a name: nothing is left behind, whoever dies."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading


class Arriving:
    """Shared memory that is filled from its start on, piece by piece; `whole` gives what it has become."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int = -1) -> None:
        """In the memory of this descriptor, new memory by default; raises `OSError` when there is no descriptor."""
        self._descriptor = _anonymous() if descriptor < 0 else descriptor

    def write(self, piece: bytes | memoryview) -> None:
        """The next bytes; other threads run meanwhile. Raises `OSError` when there is no memory."""
        left = memoryview(piece)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def whole(self, size: int) -> SharedBytes:
        """The memory, to be read from now on."""
        os.ftruncate(self._descriptor, size)
        descriptor, self._descriptor = self._descriptor, -1
        return SharedBytes(descriptor, size)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)


class Spare:
    """Memory whose pages the system has given already: a page's first touch costs twice what it takes to fill it.

    There is none before the first large piece has come, and never more than `most_bytes`. May be used from several threads.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._descriptor = -1
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes that are ready."""
        return self._size

    def take(self, size: int) -> Arriving:
        """Memory for `size` bytes, ready when it is there and not far too large; raises `OSError` as `Arriving` does."""
        with self._lock:
            if not self._size or size < self._size // 2:
                return Arriving()
            descriptor, self._descriptor, self._size = self._descriptor, -1, 0
        return Arriving(descriptor)

    def prepare(self, size: int) -> None:
        """Make as much ready when nothing is; takes about 0.3 ms for each MiB, and does nothing when there is no memory."""
        size = min(size, self._most)
        if self._size or size <= 0:
            return
        with contextlib.suppress(
            OSError, AttributeError
        ):  # not every system can be asked for pages
            descriptor = _anonymous()
            try:
                os.posix_fallocate(descriptor, 0, size)
                with self._lock:
                    if not self._size:
                        descriptor, self._descriptor, self._size = -1, descriptor, size
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def drop(self) -> None:
        """Give it back to the system."""
        with self._lock:
            descriptor, self._descriptor, self._size = self._descriptor, -1, 0
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_lock"):
            self.drop()


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
        """Let go; twice is once. Who still holds a part of `view` keeps the memory, and nothing else."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            with contextlib.suppress(BufferError):
                self.view.release()
                self._map.close()

    def __enter__(self) -> SharedBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0 and hasattr(self, "view"):
            self.close()


def _anonymous() -> int:
    """A descriptor of memory without a name: a file that is deleted already where the system has nothing better."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gradproof", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
