"""The parts of a claim: which number belongs to which output and input, and one part as a wire claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._arguments import Arguments, Array
from gradproof._errors import RequestError, TargetError
from gradproof._options import KINDS
from gradproof._outputs import Outputs, to_array

ROUNDING: Final = {8: 1e-12, 4: 1e-5}
"""How far two calls with the same arguments may differ, relative to the largest number of the result."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a claim is about: the arguments, the float outputs, the wanted input leaves, and the seed of seeds."""

    arguments: Arguments
    outputs: Outputs
    wrt: tuple[str, ...]
    rng_seed: int

    @property
    def groups(self) -> list[tuple[str, list[int]]]:
        """The function's arguments that hold wanted inputs, with those inputs."""
        groups = [
            (name, [i for i in leaves if self.arguments.names[i] in self.wrt])
            for name, leaves in self.arguments.top_level()
        ]
        return [(name, leaves) for name, leaves in groups if leaves]


def make_claim(
    kind: str, input: str, output: str, value: Array, seeds: Array | None = None, second: str = ""
) -> pb.Claim:
    values = pb.ClaimValues(value=to_tensor(value))
    if seeds is not None:
        values.seeds.CopyFrom(to_tensor(seeds))
    return pb.Claim(
        kind=KINDS[kind], input=input, output=output, second_input=second, values=values
    )


def as_numbers(value: Any, where: str) -> Array:
    """A claimed value as an array of its own: whole numbers as float64, truth values as they are, for the service to refuse."""
    try:
        array = to_array(value, where)
    except TargetError as error:
        raise RequestError(error.message.removeprefix("output ")) from error
    return array.astype(np.float64) if array.dtype.kind in "iu" else array.copy()


def alike(a: Array, b: Array) -> bool:
    """Equal up to what the placement of arrays in memory does to the order of a sum; NaN is like NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f" or not a.size:
        return a.tobytes() == b.tobytes()
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    size = np.max(np.abs(b[finite]), initial=0.0)
    return bool(np.all(np.abs(a[finite] - b[finite]) <= ROUNDING[a.dtype.itemsize] * size))


def by_output(claim: Any, around: Around) -> list[Any]:
    """The claim's part for each output: itself for one, by name or position for several."""
    names = [name for name, _ in around.outputs]
    if len(names) == 1:
        return [
            claim[names[0]] if isinstance(claim, Mapping) and set(claim) == set(names) else claim
        ]
    if isinstance(claim, Mapping) and set(claim) == set(names):
        return [claim[name] for name in names]
    if isinstance(claim, tuple | list) and len(claim) == len(names):
        return list(claim)
    raise RequestError(
        f"claim: the function has the outputs {', '.join(names)}; give one part for each (a tuple, or a dict by name),"
        " or choose one with outputs="
    )


def tangents_by_output(answer: Any, around: Around, everything: Outputs) -> list[Any]:
    """A jvp's answer taken apart: a tangent of each output, or of each output in question."""
    wanted = {name for name, _ in around.outputs}
    if isinstance(answer, tuple) and len(answer) == len(everything):
        return [v for (name, _), v in zip(everything, answer, strict=True) if name in wanted]
    return by_output(answer, around)


def by_input(part: Any, around: Around) -> list[tuple[int, Any]]:
    """The claimed value for each wanted input leaf; raises `RequestError` where None stands in its place."""
    groups = around.groups
    names = [name for name, _ in groups]
    leaf_names = {around.arguments.names[i]: i for _, leaves in groups for i in leaves}
    if isinstance(part, Mapping) and part and set(part) <= set(leaf_names):
        return [(leaf_names[name], value) for name, value in part.items()]
    if isinstance(part, Mapping) and part and set(part) <= set(names):
        parts = [(group, part[group[0]]) for group in groups if group[0] in part]
    elif len(groups) == 1 and (position := _position(part, groups[0], around)) >= 0:
        parts = [(groups[0], part[position])]
    elif len(groups) == 1 and not (isinstance(part, tuple) and len(part) == 1):
        parts = [(groups[0], part)]
    elif isinstance(part, tuple | list) and len(part) == len(groups):
        parts = list(zip(groups, part, strict=True))
    elif isinstance(part, tuple | list) and len(part) == len(around.arguments.top_level()):
        positions = [name for name, _ in around.arguments.top_level()]
        parts = [(group, part[positions.index(group[0])]) for group in groups]
    else:
        came = f"{len(part)} values" if isinstance(part, tuple | list) else f"{type(part).__name__}"
        raise RequestError(
            f"claim: expected one value for each of {', '.join(names)}, {came} came; give a tuple or a dict by name"
        )
    pairs = [
        pair
        for (name, leaves), value in parts
        for pair in ([(leaves[0], None)] if value is None else _leaves(value, name, leaves, around))
    ]
    for i, value in pairs:
        if value is None:
            raise RequestError(
                f"claim for {around.arguments.names[i]}: expected numbers, None came; return an array (zeros where nothing"
                " flows), or choose the inputs that are claimed with wrt="
            )
    return pairs


def _position(part: Any, group: tuple[str, list[int]], around: Around) -> int:
    """Where the wanted argument stands in a tuple of one part for each argument of the function; -1 when it is none.

    One wanted argument may also be claimed alone, as a tuple of numbers: then its own part does not have its shape.
    """
    names = [name for name, _ in around.arguments.top_level()]
    if not isinstance(part, tuple) or len(part) != len(names) or len(names) == 1:
        return -1
    position = names.index(group[0])
    own = part[position]
    if all(other is None for k, other in enumerate(part) if k != position):
        return position
    if own is None or isinstance(own, Mapping | list | tuple):
        return position if own is None or len(group[1]) > 1 else -1
    shape = around.arguments.leaves[group[1][0]].value.shape
    came = tuple(np.shape(own))
    return position if came[len(came) - len(shape) :] == shape else -1


def _leaves(value: Any, name: str, leaves: Sequence[int], around: Around) -> list[tuple[int, Any]]:
    """One argument's claimed value taken apart as the argument itself is."""
    found: list[tuple[int, Any]] = []
    for i in leaves:
        part: Any = value
        for key in around.arguments.names[i].split(".")[1:]:
            try:
                part = part[int(key)] if isinstance(part, list | tuple) else part[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise RequestError(
                    f"claim for {name}: expected a part for {around.arguments.names[i]}; add it"
                ) from None
        found.append((i, part))
    return found
