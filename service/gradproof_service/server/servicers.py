"""The rpcs: each brings its call to the application and its answer, or its fault, back to the caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from gradproof_proto.blobs import MESSAGE_LIMIT, chunks, move_out
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc, catalogue_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import BlobStore, Upload
from gradproof_service.server.compute import Compute
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.failures import refusal
from gradproof_service.server.status import of_fault, of_mistake

LONGEST_CALL_S: Final = 600.0
"""A call that names no deadline gets this one: nothing runs for ever."""
ASKED_AT_ONCE: Final = 100_000
"""Digests in one question for missing blobs."""

_log = logging.getLogger("gradproof")
Context = Any
Message = Any


class Unreadable:
    """What stands for a message whose bytes are none: whoever looks into it raises the `Fault` that says so."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes

    def __getattr__(self, name: str) -> Any:
        raise Fault(
            FaultKind.UNREADABLE,
            f"request: expected a message of the contract, {self._size_bytes} bytes that are none came; "
            "use the client of this release",
        )


def forgiving(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    """A deserializer that never raises, so that unreadable bytes are the caller's fault and not ours."""

    def read(content: bytes) -> Message:
        try:
            return deserialize(content)
        except DecodeError:
            return Unreadable(len(content))

    return read


class Calls:
    """What every rpc needs: compute, blobs, deadlines, and the way faults are told."""

    def __init__(self, compute: Compute, blobs: BlobStore, longest_call_s: float) -> None:
        self.compute = compute
        self.blobs = blobs
        self._longest_call_s = longest_call_s

    def deadline(self, context: Context) -> Deadline:
        """The caller's deadline, or the service's own when that is sooner."""
        left = context.time_remaining()
        return Deadline(self._longest_call_s if left is None else min(left, self._longest_call_s))

    async def unary(self, method: str, request: Message, context: Context) -> Message:
        """One answer from the application."""
        try:
            answer = await self.compute.call(method, request, self.deadline(context))
            return self.fitted(answer)
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self.abort(context, error)

    async def abort(self, context: Context, error: Exception) -> None:
        """End the call with the status of a fault; a mistake of ours is logged and told without its inside."""
        if isinstance(error, grpc.aio.AbortError):
            raise error
        fault = refusal(error)
        if fault is None:
            _log.error("a call failed inside", exc_info=error)
        await context.abort(*(of_mistake(error) if fault is None else of_fault(fault)))

    def fitted(self, message: Message) -> Message:
        """The message, its large tensors put as blobs when it is too large; raises `Fault` when it stays so."""
        if not move_out(message, self.blobs.put):
            raise Fault(
                FaultKind.LIMIT,
                f"answer: it has {message.ByteSize()} bytes without its tensors, the limit is "
                f"{MESSAGE_LIMIT}; ask for fewer outputs or for products with seeds",
            )
        return message


class DerivativeServicer(derivative_pb2_grpc.DerivativeServiceServicer):
    """`DerivativeService` on one event loop."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def Evaluate(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("evaluate", request, context)

    async def Differentiate(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("differentiate", request, context)

    async def Check(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("check", request, context)

    async def SamplePoints(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("sample_points", request, context)

    async def Inspect(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("inspect", request, context)

    async def CheckSuite(self, request: Message, context: Context) -> AsyncIterator[Message]:  # noqa: D102, N802
        calls = self._calls
        deadline = calls.deadline(context)
        try:
            async for answer in calls.compute.stream("check_suite", request, deadline):
                yield calls.fitted(answer)
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await calls.abort(context, error)
        finally:
            deadline.cancel()

    async def Probe(  # noqa: D102, N802
        self, request_iterator: AsyncIterator[der.ProbeRequest], context: Context
    ) -> AsyncIterator[der.ProbeResponse]:
        calls = self._calls
        deadline = calls.deadline(context)
        spoken: asyncio.Queue[der.ProbeResponse] = asyncio.Queue()

        async def exchange(ask: der.ProbeAsk) -> der.ProbeAnswer:
            spoken.put_nowait(calls.fitted(der.ProbeResponse(ask=ask)))
            return await _answer(request_iterator, ask.id)

        work: asyncio.Task[Any] | None = None
        try:
            start = await _start(request_iterator)
            work = asyncio.create_task(calls.compute.probe(start, exchange, deadline))
            while True:
                waiting = asyncio.create_task(spoken.get())
                done, _ = await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
                if waiting not in done:
                    waiting.cancel()
                    break
                yield waiting.result()
            yield calls.fitted(der.ProbeResponse(report=work.result()))
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await calls.abort(context, error)
        finally:
            deadline.cancel()
            if work is not None:
                work.cancel()


class CatalogueServicer(catalogue_pb2_grpc.CatalogueServiceServicer):
    """`CatalogueService`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def ListOps(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("list_ops", request, context)

    async def ListFindings(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("list_findings", request, context)

    async def Explain(self, request: Message, context: Context) -> Message:  # noqa: D102, N802
        return await self._calls.unary("explain", request, context)


class BlobServicer(blob_pb2_grpc.BlobServiceServicer):
    """`BlobService`: bytes in and out of the store."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._blobs = calls.blobs

    async def PutBlob(  # noqa: D102, N802
        self, request_iterator: AsyncIterator[blob_pb2.PutBlobRequest], context: Context
    ) -> Message:
        upload: Upload | None = None
        try:
            header = await _header(request_iterator)
            upload = Upload(self._blobs, header.sha256, header.size_bytes)
            if self._blobs.has(header.sha256):
                blob = pb.BlobRef(sha256=header.sha256, size_bytes=header.size_bytes)
                self._blobs.get(blob)
                return blob_pb2.PutBlobResponse(blob=blob, already_present=True)
            async for request in request_iterator:
                if request.WhichOneof("part") != "chunk":
                    raise _unexpected("a chunk", "part")
                upload.write(request.chunk)
            return blob_pb2.PutBlobResponse(blob=upload.finish())
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await self._calls.abort(context, error)
        finally:
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
            content = self._blobs.get(pb.BlobRef(sha256=request.sha256))
            for chunk in chunks(content):
                yield blob_pb2.GetBlobResponse(chunk=chunk)
        except Fault as error:
            await self._calls.abort(context, error)


async def _header(requests: AsyncIterator[blob_pb2.PutBlobRequest]) -> blob_pb2.BlobHeader:
    async for request in requests:
        if request.WhichOneof("part") == "header":
            return request.header
        break
    raise _unexpected("a header first", "part")


async def _start(requests: AsyncIterator[der.ProbeRequest]) -> der.ProbeStart:
    async for request in requests:
        if request.WhichOneof("message") == "start":
            return request.start
        break
    raise _unexpected("a start first", "message")


async def _answer(requests: AsyncIterator[der.ProbeRequest], id: int) -> der.ProbeAnswer:
    async for request in requests:
        if request.WhichOneof("message") == "answer":
            return request.answer
        raise _unexpected(f"the answer to question {id}", "message")
    raise Fault(
        FaultKind.INVALID,
        f"probe: the stream ended before question {id} was answered; answer each question",
        field_path="message",
    )


def _unexpected(expected: str, field: str) -> Fault:
    return Fault(
        FaultKind.INVALID,
        f"{field}: expected {expected}, another message came; mend the order",
        field_path=field,
    )
