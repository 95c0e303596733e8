"""Claims that are rules (vjp, jvp, hvp): asked at fixed seeds, one output or input at a time."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._arguments import Array
from gradproof._claim_parts import (
    Around,
    alike,
    as_numbers,
    by_input,
    make_claim,
    tangents_by_output,
)
from gradproof._errors import RequestError, TargetError
from gradproof._outputs import Outputs, call, name_of, untouched_random_state
from gradproof._seeds import make_seeds

_HINTS: Final = (
    ("hvp", ("hvp", "hessian_vector", "hess_vec")),
    ("vjp", ("vjp", "cotangent", "backward", "grad_output", "grad_out", "y_bar", "ybar")),
    ("jvp", ("jvp", "tangent", "x_dot", "xdot", "pushforward")),
)


def kind_of_function(claim: Callable[..., Any], around: Around) -> str | None:
    """None when the function takes what the primal takes; else the kind its name or arguments tell."""
    try:
        parameters = list(inspect.signature(claim).parameters.values())
    except (TypeError, ValueError):
        return None
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    shape = around.arguments.shape
    own = len(shape.arguments) if shape is not None else len(around.arguments.leaves)
    if len(required) <= own:
        return None
    text = " ".join([name_of(claim), *(p.name for p in required[own:])]).lower()
    for kind, hints in _HINTS:
        if any(hint in text for hint in hints):
            return kind
    raise RequestError(
        f"claim_kind: {name_of(claim)} takes {len(required) - own} more argument than the function, so it is a vjp, jvp or"
        " hvp; say which"
    )


def _asked(claim: Callable[..., Any], around: Around, seeds: Sequence[Any]) -> Any:
    """The rule at the point with these seeds, its arguments and the random state left as they were."""
    copies = copy.deepcopy(list(seeds))
    with untouched_random_state(name_of(claim)):
        answer = call(claim, around.arguments, None, *copies)
    if not _untouched(copies, list(seeds)):
        raise TargetError(f"{name_of(claim)} changes the seed it is given in place; work on a copy")
    return answer


def _untouched(a: Any, b: Any) -> bool:
    """Nested arrays that hold the same bytes."""
    if isinstance(a, Mapping):
        return set(a) == set(b) and all(_untouched(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_untouched, a, b))
    return not isinstance(a, np.ndarray | np.generic) or a.tobytes() == np.asarray(b).tobytes()


class _Rows:
    """The rule's answers seed by seed, each with the memory it came in, under keys of inputs or outputs."""

    def __init__(self, claim: Callable[..., Any]) -> None:
        self.claim = claim
        self.kept: dict[Any, list[Array]] = {}
        self.raw: dict[Any, Any] = {}

    def add(self, key: Any, name: str, value: Any, shape: tuple[int, ...], kind: str) -> None:
        """Keep a copy of one answer; raises for another shape, and when the answer before was overwritten."""
        row = as_numbers(value, f"claim for {name}")
        if row.shape != shape:
            raise RequestError(
                f"claim for {name}: expected shape {shape} from the {kind}, {row.shape} came; reshape it"
            )
        if key in self.raw and not np.array_equal(
            as_numbers(self.raw[key], name), self.kept[key][-1], equal_nan=True
        ):
            raise TargetError(
                f"{name_of(self.claim)} overwrites what it returned for {name} when it is called again; return a new array"
            )
        self.raw[key] = value
        self.kept.setdefault(key, []).append(row)

    def steady(self, key: Any, name: str, value: Any) -> None:
        """Raise when the answer to the first seed is another one when it is asked again."""
        again = as_numbers(value, f"claim for {name}")
        if not alike(again, self.kept[key][0]):
            raise unsteady(self.claim, name)


def unsteady(claim: Callable[..., Any], name: str) -> TargetError:
    """Two calls with the same arguments gave different numbers."""
    return TargetError(
        f"{name_of(claim)} gives different numbers for {name} when it is called twice with the same arguments; it must keep"
        " no state and draw nothing at random"
    )


def _vjp(claim: Callable[..., Any], around: Around, everything: Outputs) -> list[pb.Claim]:
    """claim(*args, cotangent) -> the inputs' cotangents; a tuple of cotangents for several outputs."""
    found: list[pb.Claim] = []
    for output, y in around.outputs:
        seeds = make_seeds(y.shape, y.dtype, around.rng_seed)
        rows = _Rows(claim)

        def answers(seed: Array, output: str = output) -> list[tuple[int, Any]]:
            full = [seed if name == output else np.zeros_like(a) for name, a in everything]
            return by_input(
                _asked(claim, around, [full[0] if len(full) == 1 else tuple(full)]), around
            )

        for seed in seeds:
            for i, value in answers(seed):
                leaf = around.arguments.leaves[i]
                rows.add(i, leaf.name, value, leaf.value.shape, "vjp")
        for i, value in answers(seeds[0]):
            rows.steady(i, around.arguments.names[i], value)
        found += [
            make_claim("vjp", around.arguments.names[i], output, np.stack(kept), seeds)
            for i, kept in rows.kept.items()
        ]
    return found


def _tangents(around: Around, leaf: int, seed: Array) -> list[Any]:
    """One tangent for each wanted argument, zero but for one leaf."""
    values = [
        seed if i == leaf else np.zeros_like(v) for i, v in enumerate(around.arguments.values)
    ]
    return [around.arguments.argument(name, values) for name, _ in around.groups]


def _jvp(claim: Callable[..., Any], around: Around, everything: Outputs) -> list[pb.Claim]:
    """claim(*args, *tangents) -> the outputs' tangents."""
    found: list[pb.Claim] = []
    for leaf in [i for _, leaves in around.groups for i in leaves]:
        x = around.arguments.leaves[leaf]
        seeds = make_seeds(x.value.shape, x.value.dtype, around.rng_seed)
        rows = _Rows(claim)

        def answers(seed: Array, leaf: int = leaf) -> list[Any]:
            answer = _asked(claim, around, _tangents(around, leaf, seed))
            return tangents_by_output(answer, around, everything)

        for seed in seeds:
            for (name, y), value in zip(around.outputs, answers(seed), strict=True):
                rows.add(name, name, value, y.shape, "jvp")
        for (name, _), value in zip(around.outputs, answers(seeds[0]), strict=True):
            rows.steady(name, name, value)
        found += [
            make_claim("jvp", x.name, name, np.stack(kept), seeds)
            for name, kept in rows.kept.items()
        ]
    return found


def _hvp(claim: Callable[..., Any], around: Around, everything: Outputs) -> list[pb.Claim]:
    """claim(*args, *tangents) -> the derivative of the gradient along the tangents."""
    if len(around.outputs) != 1 or around.outputs[0][1].size != 1:
        raise RequestError("claim: an hvp is of one scalar output; choose it with outputs=")
    output = around.outputs[0][0]
    found: list[pb.Claim] = []
    for leaf in [i for _, leaves in around.groups for i in leaves]:
        x = around.arguments.leaves[leaf]
        seeds = make_seeds(x.value.shape, x.value.dtype, around.rng_seed)
        rows = _Rows(claim)
        for seed in seeds:
            for i, value in by_input(_asked(claim, around, _tangents(around, leaf, seed)), around):
                other = around.arguments.leaves[i]
                rows.add(i, other.name, value, other.value.shape, "hvp")
        again = _asked(claim, around, _tangents(around, leaf, seeds[0]))
        for i, value in by_input(again, around):
            rows.steady(i, around.arguments.names[i], value)
        found += [
            make_claim("hvp", around.arguments.names[i], output, np.stack(kept), seeds, x.name)
            for i, kept in rows.kept.items()
        ]
    return found


PRODUCTS: Final = {"vjp": _vjp, "jvp": _jvp, "hvp": _hvp}
"""For each kind `(claim, around, every output) -> wire claims`."""
