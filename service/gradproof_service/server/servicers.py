"""The rpcs: each brings the bytes of its call to a worker, and the answer, or its fault, back to the caller."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
from gradproof_proto.v1 import catalogue_pb2, derivative_pb2
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.compute import Compute
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.failures import refusal
from gradproof_service.server.messages import read_message
from gradproof_service.server.status import of_fault, of_mistake

_log = logging.getLogger("gradproof")
Context = Any
Message = Any
DERIVATIVES: Final[str] = derivative_pb2.DESCRIPTOR.services_by_name["DerivativeService"].full_name
CATALOGUE: Final[str] = catalogue_pb2.DESCRIPTOR.services_by_name["CatalogueService"].full_name
UNARY: Final = {
    DERIVATIVES: {
        "Evaluate": "evaluate",
        "Differentiate": "differentiate",
        "Check": "check",
        "SamplePoints": "sample_points",
        "Inspect": "inspect",
    },
    CATALOGUE: {"ListOps": "list_ops", "ListFindings": "list_findings", "Explain": "explain"},
}
"""The rpcs with one request and one answer, and the rows of `methods.METHODS` that answer them."""


class Calls:
    """What every rpc needs: compute, blobs, limits, deadlines, and the way faults are told."""

    def __init__(self, compute: Compute, blobs: BlobStore, limits: Limits) -> None:
        self.compute = compute
        self.blobs = blobs
        self.limits = limits

    def deadline(self, context: Context) -> Deadline:
        """The caller's deadline, or the service's own when that is sooner."""
        left = context.time_remaining()
        longest = self.limits.seconds
        return Deadline(longest if left is None else min(left, longest))

    async def abort(self, context: Context, error: Exception) -> None:
        """End the call with the status of a fault; a mistake of ours is logged and told without its inside."""
        if isinstance(error, grpc.aio.AbortError):
            raise error
        fault = refusal(error)
        if fault is None:
            _log.error("a call failed inside", exc_info=error)
        await context.abort(*(of_mistake(error) if fault is None else of_fault(fault)))


def handlers(calls: Calls) -> tuple[grpc.GenericRpcHandler, ...]:
    """What workers answer. Messages pass as bytes: they are read where they are worked on, and nowhere twice."""
    services = {service: _unary_handlers(calls, rpcs) for service, rpcs in UNARY.items()}
    services[DERIVATIVES] |= {
        "CheckSuite": grpc.unary_stream_rpc_method_handler(_suite(calls)),
        "Probe": grpc.stream_stream_rpc_method_handler(_probe(calls)),
    }
    return tuple(
        grpc.method_handlers_generic_handler(service, rpcs) for service, rpcs in services.items()
    )


def _unary_handlers(calls: Calls, rpcs: dict[str, str]) -> dict[str, Any]:
    def handler(method: str) -> Callable[..., Any]:
        async def answer(request: bytes, context: Context) -> bytes | None:
            try:
                return await calls.compute.call(method, request, calls.deadline(context))
            except Exception as error:  # noqa: BLE001 every failure becomes a status
                await calls.abort(context, error)

        return answer

    return {
        rpc: grpc.unary_unary_rpc_method_handler(handler(method)) for rpc, method in rpcs.items()
    }


def _suite(calls: Calls) -> Callable[..., Any]:
    async def answers(request: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            stream = calls.compute.stream("check_suite", request, calls.deadline(context))
            async with contextlib.aclosing(stream):
                async for answer in stream:
                    yield answer
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await calls.abort(context, error)

    return answers


def _probe(calls: Calls) -> Callable[..., Any]:
    async def answers(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        spoken: asyncio.Queue[bytes] = asyncio.Queue()

        async def exchange(question: bytes) -> bytes:
            ask = read_message(der.ProbeAsk, question)
            spoken.put_nowait(der.ProbeResponse(ask=ask).SerializeToString())
            return await _answer(requests, ask.id)

        work: asyncio.Task[bytes] | None = None
        try:
            start = await _start(requests)
            work = asyncio.create_task(
                calls.compute.probe(start.SerializeToString(), exchange, calls.deadline(context))
            )
            while True:
                waiting = asyncio.create_task(spoken.get())
                done, _ = await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
                if waiting not in done:
                    waiting.cancel()
                    break
                yield waiting.result()
            report = der.ProbeResponse()
            report.report.ParseFromString(work.result())
            yield report.SerializeToString()
        except Exception as error:  # noqa: BLE001 every failure becomes a status
            await calls.abort(context, error)
        finally:
            if work is not None:
                work.cancel()

    return answers


async def _start(requests: AsyncIterator[bytes]) -> der.ProbeStart:
    async for content in requests:
        request = read_message(der.ProbeRequest, content)
        if request.WhichOneof("message") == "start":
            return request.start
        break
    raise unexpected("a start first", "message")


async def _answer(requests: AsyncIterator[bytes], id: int) -> bytes:
    async for content in requests:
        request = read_message(der.ProbeRequest, content)
        if request.WhichOneof("message") == "answer":
            return request.answer.SerializeToString()
        raise unexpected(f"the answer to question {id}", "message")
    raise Fault(
        FaultKind.INVALID,
        f"probe: the stream ended before question {id} was answered; answer each question",
        field_path="message",
    )


def unexpected(expected: str, field: str) -> Fault:
    """The fault of a stream whose messages come in another order than agreed."""
    return Fault(
        FaultKind.INVALID,
        f"{field}: expected {expected}, another message came; mend the order",
        field_path=field,
    )
