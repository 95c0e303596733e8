"""Servicers of generated code, registered so that unreadable bytes are the caller's fault and not ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gradproof_service.server.messages import unreadable

Message = Any


class Unreadable:
    """What stands for a message whose bytes are none: whoever looks into it raises the `Fault` that says so."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes

    def __getattr__(self, name: str) -> Any:
        raise unreadable(self._size_bytes)


class Forgiving:
    """What generated code takes for the server: adds its handlers with deserializers that never raise."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers come registered by name."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Adds the handlers of one service."""
        safe = {
            name: handler._replace(
                request_deserializer=_never_raising(handler.request_deserializer)
            )
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, safe),)
        )


def _never_raising(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    def read(content: bytes) -> Message:
        try:
            return deserialize(content)
        except DecodeError:
            return Unreadable(len(content))

    return read
