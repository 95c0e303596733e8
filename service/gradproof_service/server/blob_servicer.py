"""`BlobService`: bytes in and out of the store, in pieces, hashed beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import Upload, absent, pieces
from gradproof_service.server.servicers import Calls, unexpected

ASKED_AT_ONCE: Final = 100_000
"""Digests in one question for missing blobs."""
ASIDE: Final = 64 << 10
"""Bytes of a chunk from which hashing it beside the loop costs less than the loop's standing still."""
Context = Any
Message = Any


class BlobServicer(blob_pb2_grpc.BlobServiceServicer):
    """`BlobService`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._blobs = calls.blobs

    async def PutBlob(  # noqa: D102, N802
        self, request_iterator: AsyncIterator[blob_pb2.PutBlobRequest], context: Context
    ) -> Message:
        upload: Upload | None = None
        writing: asyncio.Future[tuple[None, None]] | None = None
        try:
            header = await _header(request_iterator)
            upload = Upload(self._blobs, header.sha256, header.size_bytes)
            if self._blobs.has(header.sha256):
                blob = pb.BlobRef(sha256=header.sha256, size_bytes=header.size_bytes)
                self._blobs.check(blob)
                return blob_pb2.PutBlobResponse(blob=blob, already_present=True)
            async for request in request_iterator:
                if request.WhichOneof("part") != "chunk":
                    raise unexpected("a chunk", "part")
                if writing is not None:
                    await writing  # the chunk before: it was held and hashed while this one arrived
                    writing = None
                if len(request.chunk) < ASIDE:
                    upload.write(request.chunk)
                else:
                    upload.expect(request.chunk)
                    writing = asyncio.gather(
                        asyncio.to_thread(upload.hold, request.chunk),
                        asyncio.to_thread(upload.hash, request.chunk),
                    )
            if writing is not None:
                await writing
                writing = None
            return blob_pb2.PutBlobResponse(blob=upload.finish())
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)
        finally:
            if writing is not None:
                await asyncio.wait([writing])
            if upload is not None:
                upload.close()

    async def FindMissingBlobs(  # noqa: D102, N802
        self, request: blob_pb2.FindMissingBlobsRequest, context: Context
    ) -> Message:
        try:
            if len(request.sha256) > ASKED_AT_ONCE:
                raise Fault(
                    FaultKind.LIMIT,
                    f"sha256: {len(request.sha256)} digests came, the limit is {ASKED_AT_ONCE}; "
                    "ask in several calls",
                    field_path="sha256",
                )
            digests: Iterable[bytes] = request.sha256
            return blob_pb2.FindMissingBlobsResponse(
                missing_sha256=self._blobs.missing(iter(digests))
            )
        except Fault as error:
            await self._calls.abort(context, error)

    async def GetBlob(  # noqa: D102, N802
        self, request: blob_pb2.GetBlobRequest, context: Context
    ) -> AsyncIterator[blob_pb2.GetBlobResponse]:
        try:
            content = self._blobs.find(request.sha256)
            if content is None:
                raise absent(pb.BlobRef(sha256=request.sha256))
            for chunk in pieces(content):
                yield blob_pb2.GetBlobResponse(chunk=chunk)
        except Fault as error:
            await self._calls.abort(context, error)


async def _header(requests: AsyncIterator[blob_pb2.PutBlobRequest]) -> blob_pb2.BlobHeader:
    async for request in requests:
        if request.WhichOneof("part") == "header":
            return request.header
        break
    raise unexpected("a header first", "part")
