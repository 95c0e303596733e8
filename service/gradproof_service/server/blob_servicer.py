"""`BlobService`: bytes in and out of the store, in chunks that are copied no more than they must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from gradproof_proto.blob_stream import GIVEN, PUT
from gradproof_proto.v1 import blob_pb2
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import SHARED, absent, pieces
from gradproof_service.server.messages import read_message
from gradproof_service.server.servicers import Calls, unexpected
from gradproof_service.server.uploads import Behind, Upload

BLOBS: Final[str] = blob_pb2.DESCRIPTOR.services_by_name["BlobService"].full_name
ASKED_AT_ONCE: Final = 100_000
"""Digests in one question for missing blobs."""
IDLE_S: Final = 60.0
"""How long memory is kept ready for another large blob."""
Context = Any


def blob_handlers(calls: Calls) -> grpc.GenericRpcHandler:
    """The rpcs of `BlobService`; requests come as bytes and answers go as bytes."""
    service = BlobServicer(calls)
    return grpc.method_handlers_generic_handler(
        BLOBS,
        {
            "PutBlob": grpc.stream_unary_rpc_method_handler(service.put),
            "FindMissingBlobs": grpc.unary_unary_rpc_method_handler(service.find_missing),
            "GetBlob": grpc.unary_stream_rpc_method_handler(service.get),
        },
    )


class BlobServicer:
    """`BlobService`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._blobs = calls.blobs
        self._spare = calls.blobs.spare
        self._idle: asyncio.TimerHandle | None = None

    async def put(self, requests: AsyncIterator[bytes], context: Context) -> bytes | None:
        """One blob in: the answer, serialized."""
        upload: Upload | None = None
        behind: Behind | None = None
        try:
            header = await _header(requests)
            upload = Upload(self._blobs, header.sha256, header.size_bytes)
            if self._blobs.has(header.sha256):
                blob = pb.BlobRef(sha256=header.sha256, size_bytes=header.size_bytes)
                self._blobs.check(blob)
                return blob_pb2.PutBlobResponse(blob=blob, already_present=True).SerializeToString()
            behind = Behind(upload.write)
            async for request in requests:
                chunk = _chunk(request)
                upload.expect(chunk)
                await behind.give(chunk)
            await behind.finish()
            # in a thread as well: the memory of blobs that are forgotten for this one takes time to free
            blob = await asyncio.to_thread(upload.finish)
            self._make_ready(blob.size_bytes)
            return blob_pb2.PutBlobResponse(blob=blob).SerializeToString()
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)
        finally:
            if behind is not None:
                await behind.stop()
            if upload is not None:
                upload.close()

    async def find_missing(self, request: bytes, context: Context) -> bytes | None:
        """Which of these blobs would have to be put: the answer, serialized."""
        try:
            asked = read_message(blob_pb2.FindMissingBlobsRequest, request)
            if len(asked.sha256) > ASKED_AT_ONCE:
                raise Fault(
                    FaultKind.LIMIT,
                    f"sha256: {len(asked.sha256)} digests came, the limit is {ASKED_AT_ONCE}; "
                    "ask in several calls",
                    field_path="sha256",
                )
            digests: Iterable[bytes] = asked.sha256
            missing = self._blobs.missing(iter(digests))
            return blob_pb2.FindMissingBlobsResponse(missing_sha256=missing).SerializeToString()
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)

    async def get(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """One blob out: its chunks as serialized answers."""
        try:
            asked = read_message(blob_pb2.GetBlobRequest, request)
            content = self._blobs.find(asked.sha256)
            if content is None:
                raise absent(pb.BlobRef(sha256=asked.sha256))
            for chunk in pieces(content):
                yield GIVEN.write(chunk)
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)

    def _make_ready(self, size: int) -> None:
        """Memory for another blob of this size, until none has come for a while."""
        if size < SHARED:
            return
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(IDLE_S, self._spare.drop)
        loop.run_in_executor(None, self._spare.prepare, size)


async def _header(requests: AsyncIterator[bytes]) -> blob_pb2.BlobHeader:
    async for content in requests:
        request = read_message(blob_pb2.PutBlobRequest, content)
        if request.WhichOneof("part") == "header":
            return request.header
        break
    raise unexpected("a header first", "part")


def _chunk(content: bytes) -> bytes | memoryview:
    """The chunk in a message; one that was not written in the common way is read like any other message."""
    chunk = PUT.read(content)
    if chunk is not None:
        return chunk
    request = read_message(blob_pb2.PutBlobRequest, content)
    if request.WhichOneof("part") != "chunk":
        raise unexpected("a chunk", "part")
    return request.chunk
