"""Content-addressed bytes in memory, the least recently used forgotten first."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from gradproof_proto.blobs import blob_ref
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind

LIMIT_BYTES: Final = 1 << 30
"""Bytes kept in all, and therefore the largest blob."""


class BlobStore:
    """Blobs by their SHA-256; may be used from several threads."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._blobs: OrderedDict[bytes, bytes] = OrderedDict()
        self._held = 0
        self._arriving = 0
        self._lock = threading.Lock()

    def put(self, content: bytes) -> pb.BlobRef:
        """Keep these bytes; raises `Fault` when they are more than the store may hold."""
        self.check_size(len(content))
        blob = blob_ref(content)
        self._keep(blob.sha256, content)
        return blob

    def get(self, blob: pb.BlobRef) -> bytes:
        """The whole blob; raises `Fault` when it is not here or not as long as was said."""
        with self._lock:
            content = self._blobs.get(blob.sha256)
            if content is not None:
                self._blobs.move_to_end(blob.sha256)
        if content is None:
            raise Fault(
                FaultKind.NOT_FOUND,
                f"blob {blob.sha256.hex()[:12]}: it is not here, or was forgotten; put it again",
            )
        if blob.size_bytes and blob.size_bytes != len(content):
            raise Fault(
                FaultKind.INVALID,
                f"blob {blob.sha256.hex()[:12]}: it has {len(content)} bytes, "
                f"the request says {blob.size_bytes}; mend size_bytes",
            )
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
            )

    def reserve(self, size_bytes: int) -> None:
        """Count bytes that have begun to arrive; raises `Fault` when too many arrive at once."""
        with self._lock:
            if self._arriving + size_bytes > self.limit_bytes:
                raise Fault(
                    FaultKind.LIMIT,
                    "blob: too many blobs arrive at once; wait for some and put it again",
                )
            self._arriving += size_bytes

    def release(self, size_bytes: int) -> None:
        """Stop counting bytes that arrived or were given up."""
        with self._lock:
            self._arriving -= size_bytes

    def _keep(self, digest: bytes, content: bytes) -> None:
        with self._lock:
            if digest in self._blobs:
                self._blobs.move_to_end(digest)
                return
            self._blobs[digest] = content
            self._held += len(content)
            while self._held > self.limit_bytes:
                _, forgotten = self._blobs.popitem(last=False)
                self._held -= len(forgotten)


class Upload:
    """One blob on its way in: bytes in order, kept only when they are what the header said."""

    def __init__(self, store: BlobStore, sha256: bytes, size_bytes: int) -> None:
        check_digest(sha256)
        store.check_size(size_bytes)
        self.sha256 = sha256
        self._size = size_bytes
        self._store = store
        self._parts = bytearray()
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """The next bytes; raises `Fault` for more than were announced."""
        if len(self._parts) + len(chunk) > self._size:
            raise _unlike(self._size, len(self._parts) + len(chunk), "or more")
        self._store.reserve(len(chunk))
        self._parts += chunk
        self._digest.update(chunk)

    def finish(self) -> pb.BlobRef:
        """Keep the blob; raises `Fault` when the bytes do not match the header."""
        if len(self._parts) != self._size:
            raise _unlike(self._size, len(self._parts), "")
        if self._digest.digest() != self.sha256:
            raise Fault(
                FaultKind.UNREADABLE,
                "blob: its bytes do not have the SHA-256 of its header; put it again",
                field_path="header.sha256",
            )
        return self._store.put(bytes(self._parts))

    def close(self) -> None:
        """Let go of the bytes, kept or not."""
        self._store.release(len(self._parts))
        self._parts = bytearray()
        self._size = 0


def check_digest(sha256: bytes) -> None:
    """Raises `Fault` for what is no SHA-256."""
    if len(sha256) != 32:
        raise Fault(
            FaultKind.INVALID,
            f"blob: expected a SHA-256 of 32 bytes, {len(sha256)} came; name the blob by its digest",
            field_path="sha256",
        )


def _unlike(announced: int, came: int, more: str) -> Fault:
    shown = f"{came} {more}".strip()
    return Fault(
        FaultKind.UNREADABLE,
        f"blob: its header announces {announced} bytes, {shown} came; put it again",
        field_path="chunk",
    )
