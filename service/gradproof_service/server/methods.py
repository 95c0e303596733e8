"""The table of what workers do: one row for each handler of the application that is called from outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from google.protobuf.message import Message
from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import derivative_pb2 as der


class Form(Enum):
    """How a handler is called."""

    UNARY = "unary"
    """`handler(request, tick)` gives the answer."""
    STREAM = "stream"
    """`handler(request, tick, first=k)` gives the answers from the k-th on, in an order that never changes."""
    PROBE = "probe"
    """`handler(request, ask, tick)` gives the answer; `ask` puts a question to the caller."""


@dataclass(frozen=True, slots=True)
class Method:
    """One handler: its name on the application, what it takes, how it is called."""

    name: str
    request: type[Message]
    form: Form = Form.UNARY
    documents: bool = False
    """Whether it takes `document`: what it is a version of, and what it may have kept something of."""


METHODS: Final = {
    method.name: method
    for method in (
        Method("evaluate", der.EvaluateRequest),
        Method("differentiate", der.DifferentiateRequest),
        Method("check", der.CheckRequest, documents=True),
        Method("check_suite", der.CheckSuiteRequest, Form.STREAM),
        Method("probe", der.ProbeStart, Form.PROBE),
        Method("sample_points", der.SamplePointsRequest),
        Method("inspect", der.InspectRequest),
        Method("list_ops", cat.ListOpsRequest),
        Method("list_findings", cat.ListFindingsRequest),
        Method("explain", cat.ExplainRequest),
    )
}
