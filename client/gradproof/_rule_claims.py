"""Claims that are rules (vjp, jvp, hvp): asked at fixed seeds, one output or input at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._arguments import Array
from gradproof._claim_parts import Around, as_numbers, by_input, by_output, make_claim
from gradproof._errors import RequestError
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
    copies = [np.array(s) if isinstance(s, np.ndarray) else s for s in seeds]
    with untouched_random_state(name_of(claim)):
        return call(claim, around.arguments, None, *copies)


def _vjp(claim: Callable[..., Any], around: Around, everything: Outputs) -> list[pb.Claim]:
    """claim(*args, cotangent) -> the inputs' cotangents; a tuple of cotangents for several outputs."""
    found: list[pb.Claim] = []
    for output, y in around.outputs:
        seeds = make_seeds(y.shape, y.dtype, around.rng_seed)
        results: dict[int, list[Array]] = {}
        for seed in seeds:
            full = [seed if name == output else np.zeros_like(a) for name, a in everything]
            answer = _asked(claim, around, [full[0] if len(full) == 1 else tuple(full)])
            for i, value in by_input(answer, around):
                results.setdefault(i, []).append(
                    _shaped(
                        value,
                        around.arguments.leaves[i].value.shape,
                        "vjp",
                        around.arguments.names[i],
                    )
                )
        found += [
            make_claim("vjp", around.arguments.names[i], output, np.stack(rows), seeds)
            for i, rows in results.items()
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
        results: dict[str, list[Array]] = {name: [] for name, _ in around.outputs}
        for seed in seeds:
            answer = _asked(claim, around, _tangents(around, leaf, seed))
            if isinstance(answer, tuple) and len(answer) == len(everything):
                parts = [
                    v for (name, _), v in zip(everything, answer, strict=True) if name in results
                ]
            else:
                parts = by_output(answer, around)
            for (name, y), value in zip(around.outputs, parts, strict=True):
                results[name].append(_shaped(value, y.shape, "jvp", name))
        found += [
            make_claim("jvp", x.name, name, np.stack(rows), seeds) for name, rows in results.items()
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
        results: dict[int, list[Array]] = {}
        for seed in seeds:
            answer = _asked(claim, around, _tangents(around, leaf, seed))
            for i, value in by_input(answer, around):
                results.setdefault(i, []).append(
                    _shaped(
                        value,
                        around.arguments.leaves[i].value.shape,
                        "hvp",
                        around.arguments.names[i],
                    )
                )
        found += [
            make_claim("hvp", around.arguments.names[i], output, np.stack(rows), seeds, x.name)
            for i, rows in results.items()
        ]
    return found


def _shaped(value: Any, shape: tuple[int, ...], kind: str, name: str) -> Array:
    array = as_numbers(value, f"claim for {name}")
    if array.shape != shape:
        raise RequestError(
            f"claim for {name}: expected shape {shape} from the {kind}, {array.shape} came; reshape it"
        )
    return array


PRODUCTS: Final = {"vjp": _vjp, "jvp": _jvp, "hvp": _hvp}
"""For each kind `(claim, around, every output) -> wire claims`."""
