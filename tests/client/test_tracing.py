"""Recording: what each road carries, what is refused and by which name, and that nothing is left changed."""

from __future__ import annotations

import functools
import math
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from gradproof import Program, TargetError, trace
from gradproof._tracing import Carried, carry
from gradproof._tracing.array import Traced
from gradproof._tracing.roads import _arrays, _record
from gradproof_proto.reader import read
from gradproof_proto.v1 import check_pb2
from scipy.optimize import rosen, rosen_der, rosen_hess
from scipy.special import logsumexp, softmax

X = np.array([1.3, 0.7, 0.8, 1.9])
TABLE = np.array([3.0, 1.0, 2.0, 5.0])
ARRAY = check_pb2.CARRIAGE_ARRAY_TRACE
NAMESPACE = check_pb2.CARRIAGE_NAMESPACE
SCALAR = check_pb2.CARRIAGE_SCALAR_TRACE
BLACK_BOX = check_pb2.CARRIAGE_BLACK_BOX


def array_road(f: Callable[..., Any], *args: Any) -> Program:
    """What the first road alone makes of a function; raises why it is closed."""
    carried = carry(f, args)
    return Program(_record(f, carried.arguments, carried.outputs, _arrays))


def branch(x: Any) -> Any:
    """Branches on a value."""
    return x.sum() if x[0] > 0 else x.mean()


def assign(x: Any) -> Any:
    """Assigns a traced value into a plain array."""
    z = np.zeros(2)
    z[0] = x[1]
    return z


def add_into(x: Any) -> Any:
    """Adds a traced array into a plain one."""
    z = np.zeros(4)
    z += x
    return z


def write_out(x: Any) -> Any:
    """Writes a traced result into a plain array."""
    z = np.zeros(4)
    np.exp(x, out=z)
    return z


def put_along(x: Any) -> Any:
    """Calls a function that changes its argument."""
    y = x * 1.0
    np.put(y, [0], 5.0)
    return y


def scatter_at(x: Any) -> Any:
    """Calls a ufunc method that changes its argument."""
    y = x * 1.0
    np.add.at(y, [0, 0], 1.0)
    return y


UNSUPPORTED: dict[str, tuple[Callable[..., Any], str, str]] = {
    "np.array of a list": (lambda x: np.array([x[0], x[1]]), "array-of-traced", "np.stack"),
    "np.asarray": (lambda x: np.asarray(x) * 2, "array-of-traced", "np.stack"),
    "np.vectorize": (lambda x: np.vectorize(lambda t: t * 2)(x) + 0, "array-of-traced", "np.stack"),
    "float": (lambda x: x * float(x[0]), "plain-number", "the array itself"),
    "if": (branch, "branch-on-value", "np.where"),
    "math.sin": (lambda x: x * math.sin(x[0]), "math-function", "np.sin"),
    "builtin max": (lambda x: x * max(x[0], 0.5), "builtin-max", "np.maximum"),
    "item assignment": (assign, "assign-into-array", "np.where"),
    "in-place operator": (add_into, "out-into-array", "z = z + t"),
    "out=": (write_out, "out-into-array", "z = z + t"),
    "index by a value": (lambda x: TABLE[x.astype(int)], "traced-index", "np.take"),
    "range of a value": (lambda x: sum(x[i] for i in range(int(x[0]))), "plain-number", "itself"),
    "mask selection": (lambda x: x[x > 1].sum(), "branch-on-value", "np.where(mask, x, 0)"),
    "np.where of one": (lambda x: x[np.where(x > 1)[0]], "branch-on-value", "np.where"),
    "np.put": (put_along, "in-place-function", "np.where"),
    "ufunc.at": (scatter_at, "in-place-function", "np.where"),
    "np.sort": (lambda x: np.sort(x) + 0, "no-op", "another form"),
    "x.argsort": (lambda x: x[x.argsort()], "no-op", "another form"),
    "np.linalg.eigvalsh": (lambda x: np.linalg.eigvalsh(np.outer(x, x)), "no-op", "another form"),
    "np.linalg.svd": (lambda x: np.linalg.svd(np.outer(x, x))[1], "no-op", "another form"),
    "np.fft": (lambda x: np.abs(np.fft.fft(x)), "no-op", "another form"),
    "unknown function": (lambda x: np.unwrap(x) + 0, "no-rule", "gradproof ops"),
    "unknown option": (lambda x: np.pad(x, 1, mode="linear_ramp"), "unknown-option", "without it"),
    "tolist": (lambda x: np.sum(x.tolist()), "plain-number", "the array itself"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_recorded_is_named_with_its_line_and_the_way_around(name: str) -> None:
    """Each idiom is refused under its own name, at the user's line, with what to write instead."""
    f, idiom, instead = UNSUPPORTED[name]
    with pytest.raises(Exception, match=rf"\[{idiom}\]") as refused:
        array_road(f, X)
    assert instead in str(refused.value)
    assert f"{__file__.rpartition('/')[2]}:" in str(refused.value)


def uses_math(x: Any) -> Any:
    """Calls the math module."""
    return math.exp(x[0]) + math.sqrt(x[1]) * math.pi


def helper(t: Any) -> Any:
    """Makes an array of values."""
    return np.array([t, 2 * t, math.sin(t)])


def uses_helper(x: Any) -> Any:
    """Calls a helper for each element."""
    return sum(helper(t) for t in x)


def fills(x: Any) -> Any:
    """Fills an array row by row."""
    out = np.zeros((len(x), 2))
    for i, t in enumerate(x):
        out[i] = [t, t**2]
    return out


def recursive(x: Any, n: int = 3) -> Any:
    """Calls itself."""
    return np.asarray(x) if n == 0 else np.sin(recursive(x, n - 1))


def uses_builtins(x: Any) -> Any:
    """Calls float, max, min and isinstance."""
    return float(x[0]) * max(x[1], x[2]) + min(x) + (x[3] if isinstance(x, np.ndarray) else 0.0)


def closed_over(make: Any) -> Callable[[Any], Any]:
    """A function that holds a NumPy function in its closure."""
    return lambda x: make([x[0], x[1]])


NAMESPACE_ONLY: dict[str, Callable[..., Any]] = {
    "math": uses_math,
    "helper and np.array": uses_helper,
    "np.zeros filled": fills,
    "recursion": recursive,
    "builtins": uses_builtins,
    "vectorize": lambda x: np.vectorize(lambda t: t * t)(x) + 0,
    "asarray with dtype": lambda x: np.asarray(x, dtype=float) ** 2,
    "scipy logsumexp": lambda x: logsumexp(x) + softmax(x),
    "closure": closed_over(np.array),
    "partial": functools.partial(lambda k, x: np.array([x[0] * k, x[1]]), 3.0),
    "rosen": rosen,
    "rosen_der": rosen_der,
}


@pytest.mark.parametrize("name", NAMESPACE_ONLY)
def test_the_second_road_carries_what_the_first_cannot(name: str) -> None:
    """Recording stand-ins reach np.array, math, builtins, helpers, closures and scipy's own code."""
    carried = carry(NAMESPACE_ONLY[name], (X,))
    assert carried.origin.carriage == NAMESPACE, carried.origin.reason
    assert carried.origin.reason.startswith("array tracing: ")


def test_the_second_road_changes_nothing_of_the_users() -> None:
    """Globals, closures and NumPy itself are the same objects afterwards."""
    before = (dict(globals()), np.array, np.zeros, math.sin, helper.__globals__)
    carry(uses_helper, (X,))
    after = (dict(globals()), np.array, np.zeros, math.sin, helper.__globals__)
    assert all(before[0][k] is after[0][k] for k in before[0])
    assert all(a is b for a, b in zip(before[1:], after[1:], strict=True))


class Model:
    """A method whose code cannot be entered by name: scalars carry it."""

    def __init__(self) -> None:
        self.gather = np.array

    def __call__(self, x: Any) -> Any:
        """The gathered values."""
        return self.gather([x[0] * x[1], np.exp(x[2])])


def test_the_third_road_carries_small_points() -> None:
    """Scalars in object arrays pass through code that holds the real NumPy functions."""
    carried = carry(Model(), (X,))
    assert carried.origin.carriage == SCALAR, carried.origin.reason
    assert carry(rosen_hess, (X,)).origin.carriage in (NAMESPACE, SCALAR)
    assert carry(Model(), (np.ones(300),)).origin.carriage == BLACK_BOX


def test_a_branch_on_values_makes_a_black_box_that_says_why() -> None:
    """No road follows one branch silently; the reason names the line and is told once."""
    carried = carry(branch, (X,))
    assert carried.program is None
    assert carried.origin.carriage == BLACK_BOX
    assert carried.origin.reason.count("[branch-on-value]") == 1
    with pytest.raises(TargetError, match="branch looks at the value"):
        trace(branch, at=(X,))


def test_a_recording_that_differs_from_the_plain_call_is_not_used() -> None:
    """State between calls shows up as another value, and the function stays a black box."""
    calls: list[int] = []

    def counting(x: Any) -> Any:
        calls.append(1)
        return x * float(len(calls))

    carried = carry(counting, (X,))
    assert carried.program is None
    assert "differs between the recording and the plain call" in carried.origin.reason


def test_in_place_on_an_argument_is_refused() -> None:
    """A function that changes its argument is told so, and the caller's array stays as it was."""

    def greedy(x: Any) -> Any:
        x *= 2
        return x.sum()

    mine = X.copy()
    with pytest.raises(TargetError, match="changes its argument 'x' in place"):
        carry(greedy, (mine,))
    assert mine.tobytes() == X.tobytes()


@pytest.mark.parametrize("draw", [np.random.rand, random.random])
def test_the_global_random_state_is_put_back_and_its_use_refused(draw: Callable[[], float]) -> None:
    """No two calls of such a function agree; the state afterwards is the state before."""
    before = np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    with pytest.raises(TargetError, match="global random state"):
        carry(lambda x: x * draw(), (X,))
    assert (np.random.get_state()[1].tobytes(), random.getstate()) == before  # noqa: NPY002


def test_a_generator_argument_starts_anew_in_each_call() -> None:
    """A generator is copied for each call, so the same draws come and the caller's is untouched."""
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    carried = carry(lambda x, rng: x * rng.random(4), {"x": X, "rng": rng})
    assert carried.origin.carriage == ARRAY
    assert rng.bit_generator.state == state


def test_what_the_function_raises_is_told_in_one_sentence() -> None:
    """The exception's type, message and the function's name; the cause is kept."""

    def broken(x: Any) -> Any:
        raise KeyError("gamma")

    with pytest.raises(TargetError, match="broken raised KeyError at the point: 'gamma'") as told:
        carry(broken, (X,))
    assert isinstance(told.value.__cause__, KeyError)


@pytest.mark.parametrize("result", ["text", None, [object()], 1j, [[1.0], [1.0, 2.0]]])
def test_results_that_are_no_real_arrays_are_refused(result: Any) -> None:
    """Text, None, objects, complex numbers and ragged lists are no outputs."""
    with pytest.raises(TargetError, match="output out: expected"):
        carry(lambda x: result, (X,))


class Pair(NamedTuple):
    """Two named outputs."""

    total: Any
    scaled: Any


OUTPUTS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "one": (lambda x: x * 2, ["out"]),
    "scalar": (lambda x: x.sum(), ["out"]),
    "tuple": (lambda x: (x.sum(), x * 2), ["out0", "out1"]),
    "one in a tuple": (lambda x: (x.sum(),), ["out"]),
    "named tuple": (lambda x: Pair(x.sum(), x * 2), ["total", "scaled"]),
    "dict": (lambda x: {"loss": x.sum(), "y": x}, ["loss", "y"]),
    "list": (lambda x: [x[0], x[1] * 2], ["out"]),
    "constant": (lambda x: 3.0, ["out"]),
    "the argument itself": (lambda x: x, ["out"]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_results_become_named_outputs(name: str) -> None:
    """A tuple is several outputs, names come from dicts and named tuples, a list is one array."""
    f, names = OUTPUTS[name]
    program = trace(f, at=(X,))
    assert list(program.outputs) == names
    read(program.message)


def nested(params: Any, x: Any, *, power: int = 2) -> Any:
    """Reads a list of dicts of arrays."""
    return sum(np.sum((x @ layer["w"] + layer["b"]) ** power) for layer in params["layers"])


def test_nested_arguments_are_flattened_by_name() -> None:
    """Dicts and lists of arrays become inputs such as `params.layers.0.w`; flags are handed over."""
    layer = {"w": np.ones((4, 2)), "b": np.zeros(2)}
    program = trace(nested, at={"params": {"layers": [layer, layer]}, "x": X})
    assert program.inputs == (
        "params.layers.0.w",
        "params.layers.0.b",
        "params.layers.1.w",
        "params.layers.1.b",
        "x",
    )


BINDINGS: dict[str, tuple[Callable[..., Any], Any, tuple[str, ...]]] = {
    "by name": (lambda a, b: a * b, {"b": 1.0, "a": 2.0}, ("a", "b")),
    "by position": (lambda a, b: a * b, (1.0, 2.0), ("a", "b")),
    "the only one": (lambda a: a * 2, X, ("a",)),
    "default left out": (lambda a, k=3: a * k, {"a": X}, ("a",)),
    "keyword only": (lambda a, *, k: a * k, {"a": X, "k": 2.0}, ("a", "k")),
    "positional only": (lambda a, /, b: a * b, {"a": X, "b": 2.0}, ("a", "b")),
    "variadic": (lambda *xs: sum(xs), (1.0, 2.0, 3.0), ("xs0", "xs1", "xs2")),
    "variadic names": (lambda **p: p["u"] * p["v"], {"u": X, "v": 2.0}, ("u", "v")),
    "flags": (lambda x, mode: x * 2 if mode == "twice" else x, (X, "twice"), ("x",)),
    "a ufunc": (np.sin, (X,), ("x",)),
    "a whole number that counts": (lambda x, n: sum(x for _ in range(n)), (X, 3), ("x",)),
    "a list of numbers": (lambda x: np.sum(x**2), ([1, 2, 3],), ("x",)),
}


@pytest.mark.parametrize("name", BINDINGS)
def test_arguments_are_bound_as_a_call_would(name: str) -> None:
    """By name, by position or alone; defaults, flags and counting numbers are no inputs."""
    f, at, names = BINDINGS[name]
    assert carry(f, at).arguments.names == names


def test_python_ints_are_points_of_the_real_line() -> None:
    """x = 3 is float64, as a derivative needs it."""
    carried = carry(lambda x: x**3, {"x": 3})
    assert carried.arguments.values[0].dtype == np.float64
    assert carried.outputs[0][1] == 27.0


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"y": X}, "no argument 'y'"),
        ({"xx": X, "w": 1.0}, "no argument 'xx'; did you mean 'x'"),
        ({}, "needs a value for 'x'"),
        ((X, 1.0, 2.0), "at most 2 values by position, 3 came"),
        ({"x": np.array([1j])}, "x: expected real numbers of 32 or 64 bits, complex128 came"),
        ({"x": np.ones(2, np.float16)}, "float16 came"),
        ({"x": np.ma.masked_array([1.0])}, "a masked one came"),
    ],
)
def test_points_that_do_not_fit_are_told(at: Any, message: str) -> None:
    """The argument is named, and what was expected."""

    def f(x: Any, w: Any = 1.0) -> Any:
        return x * w

    at = {"x": X, **at} if at == {"y": X} else at
    with pytest.raises(TargetError, match=message):
        carry(f, at)


def two_layers(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
    """The cross entropy of a network with one hidden layer."""
    hidden = np.maximum(x @ w1 + b1, 0.0)
    logits = hidden @ w2 + b2
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def test_a_network_records_in_well_under_a_second() -> None:
    """784-512-10, a batch of 256: the array road, a handful of nodes, each on its line."""
    rng = np.random.default_rng(0)
    point = (
        rng.normal(size=(784, 512)) * 0.05,
        np.zeros(512),
        rng.normal(size=(512, 10)),
        np.zeros(10),
        rng.normal(size=(256, 784)),
        rng.integers(0, 10, 256),
    )
    begin = time.perf_counter()
    carried = carry(two_layers, point)
    assert time.perf_counter() - begin < 1.0
    assert carried.origin.carriage == ARRAY
    assert carried.program is not None
    assert carried.program.node_count < 20


def test_nodes_know_their_line_columns_and_callers() -> None:
    """A node's place is the expression in the user's source; a helper's node names who called it."""

    def inner(t: Any) -> Any:
        return np.sin(t) * t

    def outer(x: Any) -> Any:
        return inner(x) + inner(x * 2)

    columns = read(trace(outer, at=(X,)).message)
    function = columns.functions[0]
    places = {
        columns.ops[op]: columns.locations[loc]
        for op, loc in zip(function.op.tolist(), function.loc.tolist(), strict=True)
    }
    first = inner.__code__.co_firstlineno
    assert places["gp.sin"].line == first + 1
    assert places["gp.sin"].column == 16
    assert places["gp.sin"].end_column == 25
    assert places["gp.sin"].scope.endswith("inner")
    assert columns.locations[places["gp.sin"].caller].line == outer.__code__.co_firstlineno + 1
    assert places["gp.add"].scope.endswith("outer")


def test_constants_are_what_they_were_when_they_were_met() -> None:
    """A plain array that changes later does not change the recording."""

    def f(x: Any) -> Any:
        c = np.zeros(4)
        out = x * 0.0
        for _ in range(3):
            c += 1.0
            out = out + x * c
        return out

    assert carry(f, (X,)).origin.carriage == ARRAY


def test_work_that_meets_no_input_is_not_recorded() -> None:
    """Plain NumPy around the inputs leaves one constant."""
    program = trace(lambda x: x * np.linalg.inv(np.eye(4) * 2.0).sum(axis=0), at=(X,))
    assert program.node_count == 1


def test_a_traced_array_reads_like_an_array() -> None:
    """Shape, dtype, size, length and the like are plain Python values."""
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.extend(
            (
                isinstance(x, Traced),
                x.shape,
                x.ndim,
                x.size,
                x.dtype,
                len(x),
                x.nbytes,
                np.shape(x),
                np.ndim(x),
            )
        )
        return x.real + x.imag

    carry(f, (X,))
    plain = [(4,), 1, 4, np.float64, 4, 32, (4,), 1]
    assert seen == [False, *plain, True, *plain]


def test_empty_and_zero_d_arrays_record() -> None:
    """No element and no axis are shapes like any other."""
    assert carry(lambda x: np.sum(x) + 1.0, (np.zeros((0, 3)),)).origin.carriage == ARRAY
    assert carry(lambda x: np.sin(x) * x, (np.array(0.5),)).origin.carriage == ARRAY


def test_nan_at_the_point_is_carried() -> None:
    """A recording with NaN in the same places as the plain call is the same."""
    carried: Carried = carry(np.sqrt, (np.array([1.0, -1.0]),))
    assert carried.origin.carriage == ARRAY
