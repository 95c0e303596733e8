"""A function's arguments at a point: which leaves are inputs, what they are called, how they go back in.

Arrays and numbers are inputs; dicts, lists and named tuples of them are taken apart ("params.w");
everything else (words, flags, callables) is handed over as it is. The user's own arrays are never
handed out: every call gets copies.
"""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_proto.tensors import is_masked

from gradproof._errors import TargetError

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One input: its name, its value at the point, and whether it is handed over as a scalar."""

    name: str
    value: Array
    scalar: bool


@dataclass(frozen=True, slots=True)
class Arguments:
    """The inputs of a call in order, and the call's shape around them."""

    leaves: tuple[Leaf, ...]
    shape: inspect.BoundArguments | None
    positional: tuple[Any, ...]
    has_python_ints: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs' names, in order."""
        return tuple(leaf.name for leaf in self.leaves)

    @property
    def values(self) -> tuple[Array, ...]:
        """The inputs' values at the point, in order."""
        return tuple(leaf.value for leaf in self.leaves)

    def copies(self) -> list[Any]:
        """A fresh copy of every input's value, as a call wants it."""
        return [leaf.value[()] if leaf.scalar else leaf.value.copy() for leaf in self.leaves]

    def fit(self, values: Sequence[Array]) -> list[Any]:
        """Other values of the inputs, as a call wants them."""
        return [
            np.asarray(v)[()] if leaf.scalar else np.array(v)
            for leaf, v in zip(self.leaves, values, strict=True)
        ]

    def call(self, function: Function, values: Sequence[Any], *after: Any) -> Any:
        """Call a function with these values in the inputs' places, and more arguments after them."""
        if self.shape is None:
            return function(*(_filled(a, values) for a in self.positional), *after)
        filled = inspect.BoundArguments(
            self.shape.signature,
            {name: _filled(value, values) for name, value in self.shape.arguments.items()},  # type: ignore[arg-type]
        )
        return function(*filled.args, *after, **filled.kwargs)

    def argument(self, name: str, values: Sequence[Any]) -> Any:
        """One argument of the call, as the function takes it, with these values in the inputs' places."""
        if self.shape is not None and name in self.shape.arguments:
            return _filled(self.shape.arguments[name], values)
        i = next(i for i, leaf in enumerate(self.leaves) if leaf.name == name)
        return values[i]

    def top_level(self) -> list[tuple[str, list[int]]]:
        """For each argument of the function that holds inputs: its name and which inputs those are."""
        found: dict[str, list[int]] = {}
        for i, leaf in enumerate(self.leaves):
            found.setdefault(leaf.name.split(".")[0], []).append(i)
        return list(found.items())


@dataclass(frozen=True, slots=True)
class _Slot:
    """The place of input `index` in an argument."""

    index: int


def bind(function: Function, at: Any, *, ints_as_floats: bool = True) -> Arguments:
    """The arguments that `at` gives: by name (a mapping), by position (a tuple), or the only one.

    Python floats, and ints unless told otherwise, are float64; arrays keep their dtype. Raises
    `TargetError` for unknown or missing names and for values that have no real dtype.
    """
    signature = _signature(function)
    leaves: list[Leaf] = []
    ints: list[str] = []

    def slots(value: Any, name: str) -> Any:
        return _slots(value, name, leaves, ints, ints_as_floats)

    if isinstance(at, Mapping):
        named: dict[str, Any] = dict(at)
    else:
        values = at if isinstance(at, tuple) and not hasattr(at, "_fields") else (at,)
        named = _named(signature, values)
    if signature is None:
        positional = tuple(slots(value, name) for name, value in named.items())
        return Arguments(tuple(leaves), None, positional, bool(ints))
    shape = _bound(signature, named, slots, getattr(function, "__name__", "the function"))
    return Arguments(tuple(leaves), shape, (), bool(ints))


def bind_inputs(names: Sequence[str], at: Any) -> Arguments:
    """The arguments of a program with these inputs, by name, by position, or the only one."""
    if isinstance(at, Mapping):
        given: dict[str, Any] = dict(at)
    else:
        values: tuple[Any, ...] = at if isinstance(at, tuple) else (at,)
        if len(values) != len(names):
            raise TargetError(
                f"at: expected {len(names)} values ({', '.join(names)}), {len(values)} came"
            )
        given = dict(zip(names, values, strict=True))
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
            raise TargetError(f"at: the program has no input {name!r}; {hint}")
    for name in names:
        if name not in given:
            raise TargetError(
                f"at: the program needs a value for {name!r}; give one, such as {name}=1.0"
            )
    leaves = tuple(
        Leaf(n, as_point(given[n], n), not isinstance(given[n], np.ndarray | list | tuple))
        for n in names
    )
    return Arguments(
        leaves, None, tuple(_Slot(i) for i in range(len(leaves))), has_python_ints=False
    )


def _signature(function: Function) -> inspect.Signature | None:
    if isinstance(function, np.ufunc):  # its signature says *args, **kwargs, or is missing
        return None
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _named(signature: inspect.Signature | None, values: Sequence[Any]) -> dict[str, Any]:
    """Values by position under the names of the parameters; extra ones as `name0`, `name1`."""
    names: list[str] = []
    rest = "x"
    for p in signature.parameters.values() if signature else ():
        if p.kind is p.VAR_POSITIONAL:
            rest = p.name
            break
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
    else:
        if signature and len(values) > len(names):
            raise TargetError(
                f"at: expected at most {len(names)} values by position, {len(values)} came; leave some out"
            )
    extra = range(len(values) - len(names))
    single = signature is None and len(values) == 1
    names += [rest if single else f"{rest}{i}" for i in extra]
    return dict(zip(names, values, strict=False))


def _bound(
    signature: inspect.Signature,
    named: dict[str, Any],
    slots: Callable[[Any, str], Any],
    called: str,
) -> inspect.BoundArguments:
    arguments: dict[str, Any] = {}
    named = dict(named)
    _refuse_unknown(signature, named, called)
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            spread = [n for n in named if n.startswith(p.name) and n[len(p.name) :].isdigit()]
            if p.name in named:
                arguments[p.name] = tuple(
                    slots(v, f"{p.name}{i}") for i, v in enumerate(named.pop(p.name))
                )
            else:
                arguments[p.name] = tuple(slots(named.pop(n), n) for n in spread)
        elif p.kind is p.VAR_KEYWORD:
            arguments[p.name] = {n: slots(v, n) for n, v in named.items()}
            named = {}
        elif p.name in named:
            arguments[p.name] = slots(named.pop(p.name), p.name)
        elif p.default is p.empty:
            raise TargetError(f"at: {called} needs a value for {p.name!r}; give one")
    return inspect.BoundArguments(signature, arguments)  # type: ignore[arg-type]


def _refuse_unknown(signature: inspect.Signature, named: Mapping[str, Any], called: str) -> None:
    parameters = signature.parameters
    kinds = {p.kind for p in parameters.values()}
    spread = tuple(p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL)
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    for name in named:
        if name not in parameters and not (spread and name.startswith(spread)):
            near = difflib.get_close_matches(name, list(parameters), 1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"it has {', '.join(parameters) or 'none'}"
            )
            raise TargetError(f"at: {called} has no argument {name!r}; {hint}")


def _slots(value: Any, name: str, leaves: list[Leaf], ints: list[str], as_floats: bool) -> Any:
    """The value with every array in it replaced by the slot of an input."""
    if isinstance(value, Mapping):
        return {k: _slots(v, f"{name}.{k}", leaves, ints, as_floats) for k, v in value.items()}
    if isinstance(value, list | tuple) and not _is_numbers(value):
        items = [_slots(v, f"{name}.{i}", leaves, ints, as_floats) for i, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if type(value) is int:
        ints.append(name)
        if not as_floats:
            return value
    if (
        isinstance(value, np.ndarray | np.generic | float | int | list | tuple)
        and type(value) is not bool
    ):
        array = as_point(value, name)
        leaves.append(Leaf(name, array, not isinstance(value, np.ndarray | list | tuple)))
        return _Slot(len(leaves) - 1)
    return value


def as_point(value: Any, name: str) -> Array:
    """A value of an input as an array of its own; Python numbers and lists of them as float64."""
    plain = not isinstance(value, np.ndarray | np.generic)
    if is_masked(value):
        raise TargetError(
            f"{name}: expected a plain array, a masked one came; fill the masked elements first"
        )
    array: Array = np.array(value)
    if plain and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or array.dtype == np.float16:
        raise TargetError(
            f"{name}: expected real numbers of 32 or 64 bits, {array.dtype} came; convert the array"
        )
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(array.shape)


def _is_numbers(value: Any) -> bool:
    """Whether nested lists hold nothing but Python numbers: then they are one array."""
    pending = [value]
    seen = False
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending.extend(item)
        elif type(item) not in (int, float):
            return False
        else:
            seen = True
    return seen


def _filled(value: Any, values: Sequence[Any]) -> Any:
    if isinstance(value, _Slot):
        return values[value.index]
    if type(value) is dict:
        return {k: _filled(v, values) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_filled(v, values) for v in value))
    if type(value) in (list, tuple):
        return type(value)(_filled(v, values) for v in value)
    if value is None or isinstance(value, str | bytes | int | float) or callable(value):
        return value
    return copy.deepcopy(value)  # a generator or another thing with a state: each call starts anew
