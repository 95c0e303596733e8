"""One version of a document: what is checked, at which point, how. A version is never changed; an edit makes another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gradproof_proto.blobs import resolved
from gradproof_proto.columns import ProgramError
from gradproof_proto.editable import Editable, editable
from gradproof_proto.edits import EditError, apply_edits
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Program
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.subject import program_message
from gradproof_service.wire.decode import decode_program, field_path

Inputs = Mapping[str, pb.NamedTensor]
CONSTANT_ELEMENTS: Final = 1 << 21
"""Elements of all constants of a document, as far as they need not be sent: one number may fill any shape."""


@dataclass(frozen=True, slots=True)
class Version:
    """A document as it stands.

    `program` is the entry function in its editable form, `untyped` the whole program as it was opened, from which the
    other functions are taken (a large constant of it is a view of one number); `birth` is another object whenever the
    numbers of values begin anew.
    """

    number: int
    program: Editable
    untyped: Program
    point: Inputs
    claims: tuple[chk.Claim, ...]
    options: chk.Options
    origin: chk.Origin | None
    depth: ses.Stage
    birth: object = field(default_factory=object)

    def request(self) -> der.CheckRequest:
        """What the same check is asked with from scratch."""
        return der.CheckRequest(
            program=self.program.program,
            point=self.point.values(),
            claims=self.claims,
            options=self.options,
            origin=self.origin,
        )


def opened(message: ses.OpenDocument, blobs: BlobStore, limits: Limits) -> Version:
    """The first version of a document; raises `Fault` when the program is none or is too large."""
    whole = program_message(message, blobs)
    program, untyped = _read(whole, blobs, limits, message.numbers, message.next_number)
    return Version(
        message.version,
        program,
        untyped,
        _inputs(message.point),
        tuple(message.claims),
        message.options,
        message.origin if message.HasField("origin") else None,
        message.depth or ses.STAGE_CHECK,
    )


def edited(
    version: Version, message: ses.EditDocument, blobs: BlobStore, limits: Limits
) -> tuple[Version, set[int]]:
    """The next version and the numbers of the values that changed; raises `Fault` for an edit that does not fit."""
    point, claims, options = version.point, version.claims, version.options
    origin = version.origin
    program, untyped, birth = version.program, version.untyped, version.birth
    start = 0
    for index, edit in enumerate(message.edits):
        match edit.WhichOneof("change"):
            case "set_input":
                point = {**point, edit.set_input.name: edit.set_input}
            case "set_options":
                options = edit.set_options
            case "set_claims":
                claims = tuple(edit.set_claims.claims)
            case "set_origin":
                origin = edit.set_origin
            case "set_program":
                program, untyped = _read(resolved(edit.set_program, blobs.get), blobs, limits)
                start, birth = index + 1, object()
            case None:
                where = f"edits[{index}]"
                raise Fault(
                    FaultKind.INVALID,
                    f"{where}: expected a change, none came; say what is changed",
                    field_path=where,
                )
            case _:
                pass
    try:
        program, changed = apply_edits(program, message.edits[start:], blobs.get, start)
    except EditError as error:
        raise Fault(FaultKind.INVALID, str(error), field_path=error.field_path) from None
    if len(program.order) > limits.nodes:
        raise Fault(
            FaultKind.LIMIT,
            f"document: it would have {len(program.order)} nodes, the limit is {limits.nodes}; "
            "check a part of it",
            field_path="edits",
        )
    return (
        replace(
            version, number=message.version, program=program, untyped=untyped, point=point,
            claims=claims, options=options, origin=origin, birth=birth,
        ),
        changed,
    )  # fmt: skip


def _read(
    message: pb.Program, blobs: BlobStore, limits: Limits,
    numbers: Sequence[int] = (), next_number: int = 0,
) -> tuple[Editable, Program]:  # fmt: skip
    """A program ready for edits, and the same one for the graph floor."""
    untyped = decode_program(message, fetch=blobs.get, limits=limits, spread_from=CONSTANT_ELEMENTS)
    try:
        return editable(message, numbers, next_number), untyped
    except ProgramError as error:
        raise Fault(FaultKind.UNREADABLE, str(error), field_path=field_path(error.where)) from None


def _inputs(tensors: Iterable[pb.NamedTensor]) -> Inputs:
    """The point by name, in order."""
    point: dict[str, pb.NamedTensor] = {}
    for named in tensors:
        if named.name in point:
            raise Fault(
                FaultKind.INVALID,
                f"point: {named.name!r} comes twice; give it once",
                field_path=f'point["{named.name}"]',
            )
        point[named.name] = named
    return point
