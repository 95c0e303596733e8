"""Results as they are told: their ids, and failures as statuses."""

from __future__ import annotations

import hashlib
from typing import Final

import grpc
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.diagnostic import Fault
from gradproof_service.server.status import CODES, one_line

ID_BYTES: Final = 16
STALE: Final = "STALE_VERSION"
CANCELLED: Final = ses.Failure(
    code=grpc.StatusCode.CANCELLED.value[0],
    reason="CANCELLED",
    message="the work was taken back; edit the document or pull to begin again",
)


def result_id(stage: int, result: ses.QuickResult | chk.Report) -> bytes:
    """The id of a result: its stage and a digest of its bytes. Linear in the size of the result."""
    content = result.SerializeToString(deterministic=True)
    return bytes([stage]) + hashlib.sha256(content).digest()[:ID_BYTES]


def failure(fault: Fault) -> ses.Failure:
    """A fault as it is told inside a session."""
    return ses.Failure(
        code=CODES[fault.kind].value[0],
        reason=fault.kind.value.upper().replace(" ", "_"),
        message=one_line(fault.message),
        field_path=fault.field_path,
    )


def refused(code: grpc.StatusCode, reason: str, message: str) -> ses.Failure:
    """A failure that is no fault of the document."""
    return ses.Failure(code=code.value[0], reason=reason, message=message)
