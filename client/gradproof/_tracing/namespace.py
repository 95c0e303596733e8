"""The second road: the same code object, run with recording stand-ins for NumPy, math and scipy.

Functions are built anew from their code with a copy of their globals and closure in which modules
and functions are replaced; helpers they call by name are built anew too. Nothing of the user's, and
nothing global, is changed.
"""

from __future__ import annotations

import builtins
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from gradproof._tracing import elementwise, linear, reduction
from gradproof._tracing.array import Traced
from gradproof._tracing.composite import trapezoid
from gradproof._tracing.dispatch import TABLE, call_function, call_ufunc, plain
from gradproof._tracing.operands import as_traced, holds_traced
from gradproof._tracing.shaping import stack
from gradproof._tracing.tape import constant
from gradproof._tracing.unsupported import refuse

MAKERS: Final = frozenset(
    {np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.array, np.zeros_like, np.ones_like,
     np.empty_like, np.full_like, np.copy}
)  # fmt: skip
"""Functions that make arrays which user code likes to write into: their results take traced values."""

STDLIB_STAND_INS: Final = frozenset({"math", "cmath", "operator"})
MAX_LOOP: Final = 10_000


class _Float:
    """`float` that leaves traced values traced; as a dtype it is float64, as `float` itself is."""

    dtype = np.dtype(np.float64)

    def __call__(self, x: Any = 0.0) -> Any:
        """A traced value as a 0-d float64 array, anything else as a Python float."""
        return as_traced(x).astype(np.float64).reshape(()) if isinstance(x, Traced) else float(x)


_FLOAT: Final = _Float()


def _extreme(pair: np.ufunc, whole: Any, plain_function: Any) -> Callable[..., Any]:
    def run(*args: Any, **options: Any) -> Any:
        if not holds_traced(args, live=True) or options:
            return plain_function(*args, **options)
        if len(args) == 1:
            items = list(args[0])
            return functools.reduce(pair, items)
        return functools.reduce(pair, args)

    return run


def _isinstance(value: Any, kinds: Any) -> bool:
    listed = tuple(
        float if k is _FLOAT else k for k in (kinds if isinstance(kinds, tuple) else (kinds,))
    )
    if isinstance(value, Traced):
        return np.ndarray in listed or Traced in listed or (value.ndim == 0 and float in listed)
    return isinstance(value, listed)


def _fsum(values: Any) -> Any:
    return np.sum(as_traced(list(values)))


BUILTINS: Final[dict[str, Any]] = {
    "float": _FLOAT,
    "max": _extreme(np.maximum, np.max, max),
    "min": _extreme(np.minimum, np.min, min),
    "isinstance": _isinstance,
}
_SAME_NAME: Final = (
    *(
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "exp",
        "expm1",
        "exp2",
        "log1p",
        "log2",
        "log10",
    ),
    *("sqrt", "cbrt", "floor", "ceil", "trunc", "isnan", "isinf", "isfinite", "degrees", "radians"),
    *("fabs", "hypot", "copysign", "fmod"),
)
MATH: Final[dict[str, Any]] = {
    **{name: getattr(np, name) for name in _SAME_NAME},
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "pow": np.power, "fsum": _fsum,
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "erf": elementwise.SPECIAL["erf"], "erfc": elementwise.SPECIAL["erfc"],
    "dist": lambda p, q: np.sqrt(np.sum((as_traced(p) - as_traced(q)) ** 2)),
    "prod": lambda values, *, start=1: functools.reduce(operator.mul, values, start),
}  # fmt: skip
SCIPY: Final[dict[tuple[str, str], Any]] = {
    ("scipy.special", "logsumexp"): reduction.logsumexp,
    ("scipy.special", "softmax"): reduction.softmax("softmax"),
    ("scipy.special", "log_softmax"): reduction.softmax("log_softmax"),
    ("scipy.integrate", "trapezoid"): trapezoid,
    ("scipy.linalg", "solve"): linear.solve,
    ("scipy.linalg", "inv"): linear.on_matrix("inv"),
    ("scipy.linalg", "det"): linear.on_matrix("det"),
    ("scipy.linalg", "norm"): linear.norm,
    ("scipy.linalg", "cholesky"): lambda a, lower=False: linear.cholesky(a, upper=not lower),
}


class StandIn:
    """A NumPy, math or scipy function that records when a traced array is among its arguments."""

    def __init__(self, function: Any, recording: Any = None) -> None:
        self._function = function
        self._recording = recording

    def __call__(self, *args: Any, **options: Any) -> Any:
        function = self._function
        if holds_traced((*args, *options.values())):
            if self._recording is not None:
                return self._recording(*args, **options)
            if isinstance(function, np.ufunc):
                return call_ufunc(function, "__call__", args, options)
            if function in TABLE:
                return call_function(function, args, options)
            if not holds_traced((*args, *options.values()), live=True):
                return function(
                    *plain(args), **dict(zip(options, plain(options.values()), strict=True))
                )
            return function(*args, **options)
        result = function(*args, **options)
        return constant(result) if _is_maker(function) else result

    def __getattr__(self, name: str) -> Any:
        if isinstance(self._function, np.ufunc) and name in ("reduce", "accumulate", "outer", "at"):
            return functools.partial(self._method, name)
        return getattr(self._function, name)

    def _method(self, name: str, *args: Any, **options: Any) -> Any:
        if holds_traced(args):
            return call_ufunc(self._function, name, args, options)
        return getattr(self._function, name)(*args, **options)


def _is_maker(function: Any) -> bool:
    try:
        return function in MAKERS
    except TypeError:
        return False


class ModuleStandIn:
    """A module whose functions record; made per trace, so the module itself stays as it is."""

    def __init__(self, module: types.ModuleType, stand_in: Callable[[Any], Any]) -> None:
        self.__dict__["_module"] = module
        self.__dict__["_stand_in"] = stand_in

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        new = self._stand_in(value)
        self.__dict__[name] = new
        return new


class Vectorized:
    """np.vectorize(f): the function at every element, one after the other."""

    def __init__(self, function: Any, *args: Any, **options: Any) -> None:
        self._function = function
        self._plain = np.vectorize(function, *args, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not holds_traced(args, live=True):
            return self._plain(*plain(args), **options)
        arrays = np.broadcast_arrays(*args)
        shape = arrays[0].shape
        if arrays[0].size > MAX_LOOP:
            refuse(
                "no-rule",
                f"np.vectorize over {arrays[0].size} elements is a loop too long to record",
                "NumPy on whole arrays",
            )
        flat = [a.reshape(-1) for a in arrays]
        results = [self._function(*(a[i] for a in flat), **options) for i in range(arrays[0].size)]
        return stack(results).reshape(shape)


class Rebuild:
    """Builds functions anew with recording stand-ins; one for each trace."""

    def __init__(self) -> None:
        self._functions: dict[int, types.FunctionType] = {}
        self._globals: dict[int, dict[str, Any]] = {}
        self._done: set[tuple[int, str]] = set()
        self._modules: dict[str, ModuleStandIn] = {}
        self._pending: list[tuple[types.FunctionType, types.FunctionType]] = []
        self._kept: list[Any] = []

    def function(self, function: Any) -> Any:
        """The function with everything it reaches by name replaced."""
        new = self.value(function)
        while self._pending:
            self._connect(*self._pending.pop())
        return new

    def value(self, value: Any) -> Any:
        """What stands for a value found in globals, a closure or a module."""
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if value is np.vectorize:
            return Vectorized
        if isinstance(value, types.FunctionType):
            return self._python_function(value)
        if isinstance(value, functools.partial):
            return functools.partial(self.value(value.func), *value.args, **value.keywords)
        if isinstance(value, types.MethodType):
            return types.MethodType(self.value(value.__func__), value.__self__)
        if isinstance(value, np.ufunc):
            return StandIn(value)
        if isinstance(value, type) or not callable(value):
            return value
        top = str(getattr(value, "__module__", None) or "").partition(".")[0]
        if top == "math":
            return StandIn(value, MATH.get(value.__name__))
        if top == "numpy":
            return StandIn(value)
        call = type(value).__call__
        if (
            isinstance(call, types.FunctionType)
            and top not in sys.stdlib_module_names
            and top != "gradproof"
        ):
            return types.MethodType(self._python_function(call), value)
        return value

    def _module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        top = name.partition(".")[0]
        if top == "gradproof" or (top in sys.stdlib_module_names and top not in STDLIB_STAND_INS):
            return module
        found = self._modules.get(name)
        if found is None:
            found = self._modules[name] = ModuleStandIn(module, self.function)
        return found

    def _python_function(self, function: types.FunctionType) -> Any:
        module = str(function.__module__ or "")
        top = module.partition(".")[0]
        if top == "scipy":
            for (package, name), recording in SCIPY.items():
                if function.__name__ == name and module.startswith(package):
                    return StandIn(function, recording)
        if top == "numpy":
            return StandIn(function)
        if top == "gradproof" or (top in sys.stdlib_module_names and top != "__main__"):
            return function
        found = self._functions.get(id(function))
        if found is None:
            cells = function.__closure__
            found = types.FunctionType(
                function.__code__,
                self._globals_of(function),
                function.__name__,
                function.__defaults__,
                None if cells is None else tuple(self._cell(c) for c in cells),
            )
            found.__kwdefaults__ = function.__kwdefaults__
            self._functions[id(function)] = found
            self._kept.append(function)
            self._pending.append((function, found))
        return found

    def _cell(self, cell: types.CellType) -> types.CellType:
        """The user's own cell, unless it holds something to be replaced."""
        try:
            held = cell.cell_contents
        except ValueError:
            return cell
        if isinstance(held, types.ModuleType) or (callable(held) and not isinstance(held, type)):
            new = types.CellType()
            self._kept.append((new, held))
            return new
        return cell

    def _globals_of(self, function: types.FunctionType) -> dict[str, Any]:
        source = function.__globals__
        found = self._globals.get(id(source))
        if found is None:
            found = self._globals[id(source)] = dict(source)
        return found

    def _connect(self, old: types.FunctionType, new: types.FunctionType) -> None:
        source, target = old.__globals__, new.__globals__
        for name in names_in(old.__code__):
            key = (id(source), name)
            if key in self._done:
                continue
            self._done.add(key)
            if name in source:
                target[name] = self.value(source[name])
            elif name in BUILTINS and hasattr(builtins, name):
                target[name] = BUILTINS[name]
        for cell, original in zip(new.__closure__ or (), old.__closure__ or (), strict=True):
            if cell is not original:
                cell.cell_contents = self.value(original.cell_contents)


def names_in(code: types.CodeType) -> Iterator[str]:
    """Every global name that a code object and those inside it may read."""
    pending = [code]
    while pending:
        at = pending.pop()
        yield from at.co_names
        pending.extend(c for c in at.co_consts if isinstance(c, types.CodeType))
