"""Disagreements in files: the request that shows one again, on any machine.

A `.gpc` file holds one serialized `CheckRequest`: program, point, claimed numbers with their seeds, options. It is data and
runs nothing of the user's.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError
from gradproof_proto.reader import read as read_program
from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._errors import RequestError, TargetError
from gradproof._files import write_whole
from gradproof._program import COUNTEREXAMPLE_SUFFIX
from gradproof._report import Report
from gradproof._transport import Transport


def checked_path(path: str | Path) -> Path:
    """The path of a counterexample to be written; raises `RequestError` before anything was computed in vain."""
    path = Path(path)
    if path.suffix != COUNTEREXAMPLE_SUFFIX:
        raise RequestError(
            f"save: {path}: expected a name that ends in {COUNTEREXAMPLE_SUFFIX}; a counterexample is no text",
            field_path="save",
        )
    if not path.parent.is_dir() or path.is_dir():
        raise RequestError(
            f"save: {path}: expected a file in a folder that exists; make the folder first",
            field_path="save",
        )
    return path


def proved(
    transport: Transport,
    request: der.CheckRequest,
    response: der.CheckResponse,
    timeout_s: float | None = None,
) -> der.CheckRequest:
    """The small request when it shows the same numbers again, else the whole one."""
    whole = der.CheckRequest()
    whole.CopyFrom(request)
    whole.counterexample = False
    if not response.HasField("counterexample"):
        return whole
    small = response.counterexample
    again = transport.check(small, timeout_s=timeout_s).report
    shown = _numbers(again)
    return small if shown and shown <= _numbers(response.report) else whole


def _numbers(report: pb.Report) -> set[tuple[str, str, str, int, float, float]]:
    return {
        (c.output, c.input, c.second_input, c.kind, c.claimed, c.reference)
        for c in report.comparisons
        if c.verdict == pb.VERDICT_DISAGREES
    }


def store(request: der.CheckRequest, path: Path) -> None:
    """Write a counterexample; raises `TargetError` when the file cannot be written."""
    try:
        write_whole(path, request.SerializeToString(deterministic=True))
    except OSError as error:
        raise TargetError(f"save: {path} cannot be written, {error}") from error


def load(path: str | Path) -> der.CheckRequest:
    """Read a counterexample; raises `TargetError` when the file holds none."""
    path = Path(path)
    request = der.CheckRequest()
    try:
        request.ParseFromString(path.read_bytes())
        if not request.HasField("program"):
            raise TargetError(
                f"{path}: expected a counterexample that `--save` wrote, this is none; save it anew"
            )
        read_program(request.program)
    except OSError as error:
        raise TargetError(f"{path}: the counterexample cannot be read, {error}") from error
    except (DecodeError, ValueError) as error:
        raise TargetError(
            f"{path}: expected a counterexample that `--save` wrote, this is none; save it anew"
        ) from error
    return request


def replay(transport: Transport, path: str | Path, timeout_s: float | None = None) -> Report:
    """Check a saved counterexample again: the same numbers on any machine."""
    return Report(transport.check(load(path), timeout_s=timeout_s).report)
