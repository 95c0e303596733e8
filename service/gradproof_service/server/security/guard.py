"""What stands before every method: who is not admitted learns nothing, not even which methods there are.

It wraps each handler that any service registered, health and reflection included, and also those that nobody did.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import grpc

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.security.tokens import Tokens
from gradproof_service.server.status import of_fault

Context = Any
BEARER: Final = "bearer "


class Watcher(Protocol):
    """Sees every call, admitted or not."""

    def call(self, method: str, context: Context) -> contextlib.AbstractContextManager[None]:
        """A block that is entered when a call begins and left when it has ended."""
        ...


class Guard(grpc.aio.ServerInterceptor):
    """Admits callers by token, by the name in their certificate, or everyone when neither is asked for."""

    def __init__(self, tokens: Tokens | None, names: tuple[str, ...], watcher: Watcher) -> None:
        self._tokens = tokens
        self._names = frozenset(names)
        self._watcher = watcher

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, behind the guard."""
        found = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if found is None:
            return grpc.stream_stream_rpc_method_handler(self._streamed(_unknown, "unknown"))
        if found.response_streaming:
            inner = found.stream_stream if found.request_streaming else found.unary_stream
            guarded = self._streamed(inner, method)
        else:
            inner = found.stream_unary if found.request_streaming else found.unary_unary
            guarded = self._single(inner, method)
        slot = (
            ("stream_" if found.request_streaming else "unary_")
            + ("stream" if found.response_streaming else "unary")
        )  # fmt: skip
        return found._replace(**{slot: guarded})

    def _single(self, inner: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def answer(request: Any, context: Context) -> Any:
            with self._watcher.call(method, context):
                await self._admit(context)
                return await inner(request, context)

        return answer

    def _streamed(self, inner: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def answers(request: Any, context: Context) -> None:
            with self._watcher.call(method, context):
                await self._admit(context)
                result = inner(request, context)
                if not hasattr(result, "__aiter__"):
                    await result  # it writes to the context itself
                    return
                async with contextlib.aclosing(result):
                    async for item in result:
                        await context.write(item)

        return answers

    async def _admit(self, context: Context) -> None:
        refused = self._refusal(context)
        if refused:
            await context.abort(*of_fault(Fault(FaultKind.UNAUTHENTICATED, refused)))

    def _refusal(self, context: Context) -> str:
        """Why the caller is not admitted, empty when it is."""
        if self._names:
            peer = context.auth_context()
            shown = {
                name.decode("utf-8", "replace")
                for key in ("x509_common_name", "x509_subject_alternative_name")
                for name in peer.get(key, ())
            }
            if not shown & self._names:
                return "call: the name in the client's certificate is not among those that may call"
        if self._tokens is not None:
            said = [v for k, v in context.invocation_metadata() or () if k == "authorization"]
            token = str(said[0]) if len(said) == 1 else ""
            if not token.lower().startswith(BEARER):
                return "call: this service asks for a token; give the client its token file"
            if not self._tokens.admits(token[len(BEARER) :].strip()):
                return "call: the token is unknown or no longer holds; ask for a new one"
        return ""


async def _unknown(request: Any, context: Context) -> None:
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        "method: there is no such method; update the client or the service",
    )
