"""Claims in every form a user may have them, as wire claims: one output by one input, values at the point.

A claim is arrays, or a function called with copies at the point. Its kind is guessed from shapes and
from the number of its arguments; where that leaves two answers the user is asked, never guessed for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._arguments import Arguments, Array
from gradproof._errors import RequestError, TargetError
from gradproof._expression import expression
from gradproof._outputs import Outputs, call, name_of, to_array, untouched_random_state
from gradproof._program import Program
from gradproof._seeds import make_seeds
from gradproof._subject import Subject, named, run
from gradproof._tracing.places import label
from gradproof._transport import Transport

KINDS: Final = {
    "gradient": pb.DERIVATIVE_KIND_GRADIENT,
    "jacobian": pb.DERIVATIVE_KIND_JACOBIAN,
    "vjp": pb.DERIVATIVE_KIND_VJP,
    "jvp": pb.DERIVATIVE_KIND_JVP,
    "hessian": pb.DERIVATIVE_KIND_HESSIAN,
    "hvp": pb.DERIVATIVE_KIND_HVP,
}
_HINTS: Final = (
    ("hvp", ("hvp", "hessian_vector", "hess_vec")),
    ("vjp", ("vjp", "cotangent", "backward", "grad_output", "grad_out", "y_bar", "ybar")),
    ("jvp", ("jvp", "tangent", "x_dot", "xdot", "pushforward")),
)


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


def claims(
    subject: Subject,
    claim: Any,
    kind: str | None,
    wrt: Sequence[str],
    outputs: Sequence[str],
    rng_seed: int,
    transport: Transport,
    timeout_s: float | None = None,
) -> list[pb.Claim]:
    """The wire claims of one user's claim; none for None.

    Raises `RequestError` when shapes do not fit or the kind stays open, `TargetError` when a claim
    function fails at the point.
    """
    if claim is None:
        return []
    if kind is not None and kind not in KINDS:
        raise RequestError(
            f"claim_kind: expected one of {', '.join(KINDS)}, {kind!r} came",
            field_path="claim_kind",
        )
    arguments = subject.arguments
    floats = [leaf.name for leaf in arguments.leaves if leaf.value.dtype.kind == "f"]
    everything = subject.outputs(transport, timeout_s)
    given = tuple(
        (n, a) for n, a in everything if a.dtype.kind == "f" and (not outputs or n in outputs)
    )
    around = Around(arguments, given, tuple(wrt or floats), rng_seed)
    location = pb.SourceLocation()
    if isinstance(claim, str):
        claim = expression(claim, inputs=())
    if isinstance(claim, Program):
        claim = _program_values(claim, arguments, transport, timeout_s)
    elif callable(claim):
        location = _location(claim)
        kind = kind or _kind_of_function(claim, around)
        if kind in ("vjp", "jvp", "hvp"):
            return [_placed(c, location) for c in _PRODUCTS[kind](claim, around, everything)]
        with untouched_random_state(name_of(claim)):
            claim = call(claim, arguments)
    elif kind in ("vjp", "jvp", "hvp"):
        raise RequestError(
            f"claim: expected a function for claim_kind={kind!r}, values came; give the rule itself"
        )
    return [_placed(c, location) for c in _values(claim, kind, around)]


def _placed(claim: pb.Claim, location: pb.SourceLocation) -> pb.Claim:
    if location.file:
        claim.location.CopyFrom(location)
    return claim


def _location(function: Any) -> pb.SourceLocation:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return pb.SourceLocation()
    return pb.SourceLocation(
        file=label(code.co_filename), line=code.co_firstlineno, scope=code.co_qualname
    )


def _program_values(
    program: Program, arguments: Arguments, transport: Transport, timeout_s: float | None
) -> Any:
    """A claim given as a program or expression of (some of) the same inputs, evaluated at the point."""
    point = dict(zip(arguments.names, arguments.values, strict=True))
    missing = [name for name in program.inputs if name not in point]
    if missing:
        raise RequestError(
            f"claim: it reads {missing[0]!r}, the function has {', '.join(point)}; use the same names"
        )
    chosen = named(program.inputs, [point[n] for n in program.inputs])
    values = tuple(a for _, a in run(transport, program, chosen, timeout_s))
    return values[0] if len(values) == 1 else values


# Claims by value: gradient, jacobian, hessian


def _values(claim: Any, kind: str | None, around: Around) -> list[pb.Claim]:
    if kind == "hessian" or (kind is None and _looks_like_hessian(claim, around)):
        return _hessian_values(claim, around)
    found: list[pb.Claim] = []
    for (output, y), part in zip(around.outputs, _by_output(claim, around), strict=True):
        for i, value in _by_input(part, around):
            leaf = around.arguments.leaves[i]
            array = _number(value, f"claim for {leaf.name}")
            this = kind or _kind_of_shape(array.shape, y.shape, leaf.value.shape, leaf.name)
            if this == "gradient" and y.ndim and y.size > 1:
                raise RequestError(
                    f"claim for {leaf.name}: a gradient is of a scalar, output {output} has shape {y.shape};"
                    " claim a jacobian, or a vjp"
                )
            wanted = leaf.value.shape if this == "gradient" else y.shape + leaf.value.shape
            if array.shape != wanted:
                raise RequestError(
                    f"claim for {leaf.name}: expected shape {wanted} for a {this}, {array.shape} came; reshape or transpose it"
                )
            found.append(_claim(this, leaf.name, output, array))
    return found


def _claim(
    kind: str, input: str, output: str, value: Array, seeds: Array | None = None, second: str = ""
) -> pb.Claim:
    values = pb.ClaimValues(value=to_tensor(value))
    if seeds is not None:
        values.seeds.CopyFrom(to_tensor(seeds))
    return pb.Claim(
        kind=KINDS[kind], input=input, output=output, second_input=second, values=values
    )


def _number(value: Any, where: str) -> Array:
    """A claimed value as a float array of its own."""
    try:
        array = to_array(value, where)
    except TargetError as error:
        raise RequestError(error.message.removeprefix("output ")) from error
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _kind_of_shape(
    shape: tuple[int, ...], y: tuple[int, ...], x: tuple[int, ...], name: str
) -> str:
    if not y and shape == x:
        return "gradient"
    if shape == y + x:
        return "jacobian"
    wanted = (
        f"{x} (a gradient)" if not y else f"{y + x} (a jacobian, (*output.shape, *input.shape))"
    )
    raise RequestError(
        f"claim for {name}: expected shape {wanted}, {shape} came; reshape it, or say claim_kind"
    )


def _looks_like_hessian(claim: Any, around: Around) -> bool:
    """One array of shape (*x, *x) for a scalar function of one array."""
    inputs = [i for _, leaves in around.groups for i in leaves]
    if len(inputs) != 1 or len(around.outputs) != 1 or isinstance(claim, Mapping | tuple):
        return False
    x, y = around.arguments.leaves[inputs[0]].value, around.outputs[0][1]
    return not y.shape and x.ndim > 0 and np.shape(claim) == x.shape * 2


def _by_output(claim: Any, around: Around) -> list[Any]:
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


def _by_input(part: Any, around: Around) -> list[tuple[int, Any]]:
    """The claimed value for each wanted input leaf."""
    groups = around.groups
    names = [name for name, _ in groups]
    leaf_names = {around.arguments.names[i]: i for _, leaves in groups for i in leaves}
    if isinstance(part, Mapping) and part and set(part) <= set(leaf_names):
        return [(leaf_names[name], value) for name, value in part.items()]
    if isinstance(part, Mapping) and part and set(part) <= set(names):
        parts = [(group, part[group[0]]) for group in groups if group[0] in part]
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
    return [
        pair
        for (name, leaves), value in parts
        if value is not None
        for pair in _leaves(value, name, leaves, around)
    ]


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


def _hessian_values(claim: Any, around: Around) -> list[pb.Claim]:
    if len(around.outputs) != 1 or around.outputs[0][1].size != 1:
        raise RequestError("claim: a hessian is of one scalar output; choose it with outputs=")
    output = around.outputs[0][0]
    found: list[pb.Claim] = []
    for i, row in _by_input(claim, around):
        for j, value in _by_input(row, around):
            first, second = around.arguments.leaves[i], around.arguments.leaves[j]
            array = _number(value, f"claim for {first.name}, {second.name}")
            wanted = first.value.shape + second.value.shape
            if array.shape != wanted:
                raise RequestError(
                    f"claim for {first.name}, {second.name}: expected shape {wanted} for a hessian, {array.shape} came"
                )
            found.append(_claim("hessian", first.name, output, array, second=second.name))
    return found


# Claims that are rules: vjp, jvp, hvp


def _kind_of_function(claim: Callable[..., Any], around: Around) -> str | None:
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
            for i, value in _by_input(answer, around):
                results.setdefault(i, []).append(
                    _shaped(
                        value,
                        around.arguments.leaves[i].value.shape,
                        "vjp",
                        around.arguments.names[i],
                    )
                )
        found += [
            _claim("vjp", around.arguments.names[i], output, np.stack(rows), seeds)
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
                parts = _by_output(answer, around)
            for (name, y), value in zip(around.outputs, parts, strict=True):
                results[name].append(_shaped(value, y.shape, "jvp", name))
        found += [
            _claim("jvp", x.name, name, np.stack(rows), seeds) for name, rows in results.items()
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
            for i, value in _by_input(answer, around):
                results.setdefault(i, []).append(
                    _shaped(
                        value,
                        around.arguments.leaves[i].value.shape,
                        "hvp",
                        around.arguments.names[i],
                    )
                )
        found += [
            _claim("hvp", around.arguments.names[i], output, np.stack(rows), seeds, x.name)
            for i, rows in results.items()
        ]
    return found


def _shaped(value: Any, shape: tuple[int, ...], kind: str, name: str) -> Array:
    array = _number(value, f"claim for {name}")
    if array.shape != shape:
        raise RequestError(
            f"claim for {name}: expected shape {shape} from the {kind}, {array.shape} came; reshape it"
        )
    return array


_PRODUCTS: Final = {"vjp": _vjp, "jvp": _jvp, "hvp": _hvp}
