"""The blobs of a service behind gRPC: what it lacks is put, what it names is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import grpc
from gradproof_proto.blob_stream import GIVEN, PUT, chunks
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc
from gradproof_proto.v1 import program_pb2 as pb

_SERVICE: Final[str] = blob_pb2.DESCRIPTOR.services_by_name["BlobService"].full_name
Result = TypeVar("Result")


class Blobs:
    """Calls `BlobService`; `told` turns what gRPC raises into our exceptions."""

    def __init__(
        self, channel: grpc.Channel, told: Callable[[Callable[[], Result]], Result]
    ) -> None:
        self._told: Callable[[Callable[[], Any]], Any] = told
        self._find: Any = blob_pb2_grpc.BlobServiceStub(channel).FindMissingBlobs
        # as bytes: generated code would copy every chunk twice more
        self._put: Any = channel.stream_unary(f"/{_SERVICE}/PutBlob")
        self._get: Any = channel.unary_stream(
            f"/{_SERVICE}/GetBlob", blob_pb2.GetBlobRequest.SerializeToString, _chunk
        )

    def put_missing(self, contents: Mapping[bytes, bytes]) -> None:
        """Put those of these blobs, by their SHA-256, that the service does not have."""
        asked = blob_pb2.FindMissingBlobsRequest(sha256=list(contents))
        missing: list[bytes] = self._told(lambda: self._find(asked)).missing_sha256
        for digest in missing:
            self._told(lambda digest=digest: self._put(_parts(digest, contents[digest])))

    def get(self, blob: pb.BlobRef) -> bytes:
        """The bytes of a blob."""
        asked = blob_pb2.GetBlobRequest(sha256=blob.sha256)
        return self._told(lambda: b"".join(self._get(asked)))


def _parts(digest: bytes, content: bytes) -> Iterator[bytes]:
    header = blob_pb2.BlobHeader(sha256=digest, size_bytes=len(content))
    yield blob_pb2.PutBlobRequest(header=header).SerializeToString()
    yield from map(PUT.write, chunks(content))


def _chunk(content: bytes) -> bytes | memoryview:
    chunk = GIVEN.read(content)
    if chunk is not None:
        return chunk
    return blob_pb2.GetBlobResponse.FromString(content).chunk
