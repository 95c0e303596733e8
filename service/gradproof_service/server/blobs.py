"""Content-addressed bytes in memory, the least recently used forgotten first.

Large ones lie in shared memory, so that a worker is given them and not a copy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, Protocol

from gradproof_proto.blob_stream import chunks
from gradproof_proto.blobs import blob_ref
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.shared import SharedBytes, Spare

SHARED: Final = 1 << 20
"""Bytes from which a blob lies in shared memory; below, its descriptor would cost more than a copy."""
SPARE: Final = 64 << 20
"""Bytes of memory that are made ready for the next large blob, at most."""

Held = bytes | SharedBytes


class Blobs(Protocol):
    """Where the application finds blobs."""

    def get(self, blob: pb.BlobRef) -> bytes | memoryview:
        """The whole blob; raises `Fault` when it is not here or not as long as was said."""
        ...


class BlobStore:
    """Blobs by their SHA-256; may be used from several threads."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMITS.blob_bytes) -> None:
        self.limit_bytes = limit_bytes
        self._blobs: OrderedDict[bytes, Held] = OrderedDict()
        self._held = 0
        self._arriving = 0
        self._lock = threading.Lock()
        self.spare = Spare(min(SPARE, limit_bytes // 8))
        """Where the next large blob may arrive."""

    @property
    def held_bytes(self) -> int:
        """Bytes kept now."""
        return self._held

    def put(self, content: bytes) -> pb.BlobRef:
        """Keep these bytes; raises `Fault` when they are more than the store may hold."""
        self.check_size(len(content))
        blob = blob_ref(content)
        self._keep(blob.sha256, content, len(content))
        return blob

    def keep(self, digest: bytes, content: Held) -> None:
        """Keep bytes whose SHA-256 is known to be `digest`; raises `Fault` when they are more than the store may hold."""
        size = size_of(content)
        self.check_size(size)
        self._keep(digest, content, size)

    def get(self, blob: pb.BlobRef) -> bytes:
        """The whole blob; raises `Fault` when it is not here or not as long as was said."""
        content = self.check(blob)
        return content if isinstance(content, bytes) else bytes(content.view)

    def check(self, blob: pb.BlobRef) -> Held:
        """The blob as it is held; raises `Fault` as `get` does."""
        content = self.find(blob.sha256)
        if content is None:
            raise absent(blob)
        check_length(blob, size_of(content))
        return content

    def find(self, digest: bytes) -> Held | None:
        """The bytes as they are held, None when they are not here."""
        with self._lock:
            content = self._blobs.get(digest)
            if content is not None:
                self._blobs.move_to_end(digest)
        return content

    def missing(self, digests: Iterator[bytes]) -> list[bytes]:
        """Those that are not here, in the order asked; those that are here count as used."""
        absent: list[bytes] = []
        with self._lock:
            for digest in digests:
                check_digest(digest)
                if digest in self._blobs:
                    self._blobs.move_to_end(digest)
                else:
                    absent.append(digest)
        return absent

    def has(self, digest: bytes) -> bool:
        """Whether the blob is here."""
        with self._lock:
            return digest in self._blobs

    def check_size(self, size_bytes: int) -> None:
        """Raises `Fault` for a blob larger than the whole store."""
        if size_bytes > self.limit_bytes:
            raise Fault(
                FaultKind.LIMIT,
                f"blob: it has {size_bytes} bytes, the limit is {self.limit_bytes}; "
                "send a smaller array or raise the limit of the service",
                limit="blob_bytes",
            )

    def reserve(self, size_bytes: int) -> None:
        """Count bytes that have begun to arrive; raises `Fault` when too many arrive at once."""
        with self._lock:
            if self._arriving + size_bytes > self.limit_bytes:
                raise Fault(
                    FaultKind.LIMIT,
                    "blob: too many blobs arrive at once; wait for some and put it again",
                    limit="blob_bytes",
                )
            self._arriving += size_bytes

    def release(self, size_bytes: int) -> None:
        """Stop counting bytes that arrived or were given up."""
        with self._lock:
            self._arriving -= size_bytes

    def _keep(self, digest: bytes, content: Held, size: int) -> None:
        with self._lock:
            if digest in self._blobs:
                self._blobs.move_to_end(digest)
                return
            self._blobs[digest] = content
            self._held += size
            while self._held > self.limit_bytes:
                _, forgotten = self._blobs.popitem(last=False)
                self._held -= size_of(forgotten)


def size_of(content: Held) -> int:
    """Bytes of a blob."""
    return len(content) if isinstance(content, bytes) else content.size


def pieces(content: Held) -> Iterator[memoryview]:
    """The bytes in chunks as they travel; none for empty bytes."""
    return chunks(content if isinstance(content, bytes) else content.view)


def absent(blob: pb.BlobRef) -> Fault:
    """The fault that a blob is not here."""
    return Fault(
        FaultKind.NOT_FOUND,
        f"blob {blob.sha256.hex()[:12]}: it is not here, or was forgotten; put it again",
    )


def check_length(blob: pb.BlobRef, size_bytes: int) -> None:
    """Raises `Fault` when a blob is not as long as the request says."""
    if blob.size_bytes and blob.size_bytes != size_bytes:
        raise Fault(
            FaultKind.INVALID,
            f"blob {blob.sha256.hex()[:12]}: it has {size_bytes} bytes, "
            f"the request says {blob.size_bytes}; mend size_bytes",
        )


def check_digest(sha256: bytes) -> None:
    """Raises `Fault` for what is no SHA-256."""
    if len(sha256) != 32:
        raise Fault(
            FaultKind.INVALID,
            f"blob: expected a SHA-256 of 32 bytes, {len(sha256)} came; name the blob by its digest",
            field_path="sha256",
        )
