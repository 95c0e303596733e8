"""One stream of a session: what is said, what is heard, until one side ends it."""

from __future__ import annotations

from typing import Protocol

from gradproof_proto.v1 import session_pb2 as ses


class Link(Protocol):
    """A stream. `send` may be called from any thread, `receive` from one. Both raise `GradproofError`."""

    def send(self, request: ses.OpenRequest) -> None:
        """Say something; large tensors are put as blobs first."""
        ...

    def receive(self) -> ses.OpenResponse | None:
        """The next message, waiting for it; None when the service has ended the stream."""
        ...

    def close(self) -> None:
        """End the stream at once."""
        ...
