"""Inputs that are not free: what a user declares of them, and how a program carries the declaration.

A symmetric matrix, a point of a simplex and the like are varied only along their tangent space.
Whether the point keeps what is declared of it is judged by the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from gradproof_proto.v1 import program_pb2 as pb

from gradproof._errors import RequestError
from gradproof._expression_functions import nearest
from gradproof._program import Program

STRUCTURES: Final = {
    name.removeprefix("STRUCTURE_").lower(): cast("pb.Structure", number)
    for name, number in pb.Structure.items()
    if number != pb.STRUCTURE_UNSPECIFIED
}
"""The kinds by their names on the Python side."""
ALSO: Final = {
    "triangular": "lower", "lower_triangular": "lower", "upper_triangular": "upper", "sym": "symmetric",
    "positive_definite": "spd", "posdef": "spd", "psd": "spd", "probability": "simplex", "rotation": "orthogonal",
    "unitary": "orthogonal", "integer": "integer_valued",
}  # fmt: skip
"""Words that people try first, and the kind that is meant."""


def structures(
    names: tuple[str, ...], declared: Mapping[str, str] | None
) -> dict[str, pb.Structure]:
    """The kinds by input; raises `RequestError` for an input or a kind that does not exist."""
    found: dict[str, pb.Structure] = {}
    for name, kind in (declared or {}).items():
        here = [n for n in names if n == name or n.startswith(f"{name}.")]
        if not here:
            near = nearest(name, list(names))
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(names) or 'none'}"
            raise RequestError(f"structure: there is no {name!r}; {hint}", field_path="structure")
        found.update(dict.fromkeys(here, _number(name, kind)))
    return found


def declare(program: Program, kinds: Mapping[str, pb.Structure]) -> Program:
    """The program with these kinds on its inputs; itself when there are none."""
    if not kinds:
        return program
    message = pb.Program()
    message.CopyFrom(program.message)
    if not message.types:
        message.types.add(rank_unknown=True)
    entry = message.functions[message.entry]
    for k, row in enumerate(entry.input_names):
        kind = kinds.get(message.strings[row])
        if kind is not None:
            stated = message.types[entry.input_types[k]]
            entry.input_types[k] = len(message.types)
            message.types.add().CopyFrom(stated)
            message.types[-1].structure = kind
    return Program(message, program.origin)


def _number(name: str, kind: str) -> pb.Structure:
    number = STRUCTURES.get(kind)
    if number is None:
        word = kind.strip().lower().replace("-", "_").replace(" ", "_")
        near = word if word in STRUCTURES else ALSO.get(word) or nearest(word, list(STRUCTURES))
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(STRUCTURES)}"
        raise RequestError(
            f"structure: {name!r} cannot be {kind!r}; {hint}", field_path="structure"
        )
    return number
