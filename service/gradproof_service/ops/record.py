"""What an op is: one record that holds its whole truth.

Dispatch, shape inference, evaluation, both derivative rules, test points, laws, documentation and
the client's typed functions all read the record; nothing about an op is written anywhere else.

Rules are formulas against an array namespace `xp` (the graph builder): they emit nodes, so a
derivative is a program like any other, can be differentiated again and runs as a plan.
Kernels act on trailing axes only; one batch axis may stand in front of every operand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeGuard, cast

import numpy as np

from gradproof_service.arrays import Array, Frozen, Shape, Type
from gradproof_service.ops.interned import Interned

Attrs = Mapping[str, Any]
"""Attribute values: bool, int, float, str, tuples of them, numpy dtypes, functions."""
Rule = Callable[..., Any]
"""`(xp, s, xs, ys, d) -> contribution`; see `Op.jvp` and `Op.vjp`."""
Rules = tuple[Rule | None, ...] | Callable[[int], Rule | None]
Kernel = Callable[..., Any]
Reads = Callable[..., Any]
"""`(s, i, x, xs) -> what the output reads of operand i`; see `ops.reads`."""
Infer = Callable[[dict[str, Any], tuple[Type, ...]], tuple[dict[str, Any], tuple[Type, ...]]]


class IllTyped(Exception):
    """These operands and attributes do not fit the op; `code` is the finding it becomes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


ARITY: Final = "GP002"
SHAPE: Final = "GP003"
DTYPE: Final = "GP004"
ATTRIBUTE: Final = "GP005"


@dataclass(frozen=True, slots=True)
class Lands:
    """What an op reads, told from the operand's side: element `x[k]` of it goes into output element `places[k]`.

    Both arrays have one shape; `places` are row-major addresses, -1 for an element that goes nowhere.
    """

    places: Array
    x: Array


class Keeps(NamedTuple):
    """What a kernel remembers while it runs, besides operands, results and what the functions it calls hold."""

    copies: int
    types: tuple[Type, ...]
    """So many arrays of each of these types at once, at most."""
    operands: range
    """They carry the batch axis when one of these operands does."""


class Site:
    """One application of an op: its normalised attributes and the types around it.

    Interned per (op, attributes, operand types): a chain of a million equal nodes has one site.
    `pieces` is the transforms' memory of what the op's rules emit here.
    """

    __slots__ = ("__weakref__", "attrs", "ins", "op", "outs", "pieces")

    def __init__(self, op: Op, attrs: Attrs, ins: tuple[Type, ...], outs: tuple[Type, ...]) -> None:
        self.op = op
        self.attrs = attrs
        self.ins = ins
        self.outs = outs
        self.pieces: dict[Any, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.attrs[name]

    @property
    def out(self) -> Type:
        """Type of the first output."""
        return self.outs[0]

    def lead(self, x: Array, operand: int = 0) -> Shape:
        """The batch axes in front of `x`, the array given for this operand: () or (B,)."""
        return x.shape[: x.ndim - len(self.ins[operand].shape)]


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute: its kind, and the default that stands for it when it is not stored."""

    name: str
    kind: Literal[
        "bool", "int", "float", "str", "ints", "floats", "dtype", "function", "functions", "array"
    ]
    meaning: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Margin:
    """A signed distance, in units of one operand, to where the op stops being smooth.

    `kind`: "domain" (negative outside, zero at the edge), "kink" (the slope jumps at zero) or
    "jump" (the value jumps at zero). `value(s, xs, ys)` returns an array that broadcasts against
    the operand it concerns, with the same leading batch axes.
    """

    kind: Literal["domain", "kink", "jump"]
    text: str
    value: Callable[[Site, tuple[Array, ...], tuple[Array, ...]], Array]
    operand: int = 0


class Draw(Protocol):
    """A source of test points: hypothesis in tests, a seeded generator in `--points`."""

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        ...

    def choice(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        ...

    def shape(self, min_rank: int = 0, max_rank: int = 3, max_side: int = 4) -> Shape:
        """A small shape without empty axes."""
        ...

    def real(self, shape: Shape, low: float = -2.0, high: float = 2.0) -> Array:
        """float64 values in [low, high], short numbers that read well, no two equal."""
        ...

    def integers(self, shape: Shape, low: int, high: int) -> Array:
        """int64 values in [low, high]."""
        ...

    def booleans(self, shape: Shape) -> Array:
        """Both truth values."""
        ...


Sample = tuple[tuple[Array, ...], dict[str, Any]]
"""Operands and attributes of one test application."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """Everything an op is.

    `jvp[i](xp, s, xs, ys, x_dot)` is the contribution of operand i's tangent to the outputs'
    tangents (a tuple when the op has several outputs); `vjp[i](xp, s, xs, ys, y_bar)` is operand
    i's cotangent (`y_bar` is a tuple when the op has several outputs, None where an output has
    no cotangent). None as a rule: no derivative flows through that operand. Rules may return the
    shape and dtype that broadcasting gives: the transforms fit the result to the primal's type.
    """

    name: str
    meaning: str
    formula: str
    """The op and its derivative as a handbook prints them."""
    infer: Infer
    kernel: Kernel
    """`(s, *xs) -> y` or a tuple of outputs; never writes into an operand."""
    sample: Callable[[Draw], Sample]
    arity: tuple[int, int | None] = (1, 1)
    jvp: Rules = (None,)
    vjp: Rules = (None,)
    jvp_all: Rule | None = None
    """`(xp, s, xs, ys, x_dots) -> y_dots` for ops whose operands cannot be told apart cheaply
    (control flow); used instead of `jvp` when given."""
    vjp_all: Rule | None = None
    """`(xp, s, xs, ys, y_bars, wanted) -> x_bars`, `wanted[i]` saying whose cotangent is asked."""
    attrs: tuple[Attr, ...] = ()
    margins: tuple[Margin, ...] = ()
    kink: str = ""
    """What the rules return at a tie or kink, in words; empty when the op is smooth."""
    conventions: Mapping[str, str] = field(default_factory=dict[str, str])
    """What other libraries return there where they differ from us: "torch" or "jax" -> in words."""
    linear: tuple[int, ...] = ()
    """Operands in which the op is linear when the others are held."""
    analytic: bool = False
    """The kernel accepts complex128 and is holomorphic inside the domain."""
    batching: Literal["elementwise", "all", "loop", "run", "first"] = "all"
    """How a batch axis reaches the kernel: NumPy broadcasting, every operand batched, one call
    per element, (control flow) through `run`, or only the first operand's counts."""
    accumulates: bool = False
    """The kernel sums products inside, so rounding scales with the operands' magnitudes."""
    ulps: float = 1.0
    """Bound of the kernel's own rounding, in units of u times the result; 0 when exact."""
    long_ulps: float = 0.0
    """The same where another kernel serves long arrays (`ufunc` is None at such sites), if one does."""
    normwise: bool = False
    """With `accumulates`: the kernel is accurate relative to each matrix's largest entry only (an
    SVD), not relative to each entry."""
    exact: Callable[[Site], bool] | None = None
    """Whether this application only selects or moves numbers, so that nothing is rounded after all
    (a scatter that takes the larger, a norm that is the largest); None: `ulps` says it."""
    reads: Reads | None = None
    """Which elements of each operand an output element depends on (see `ops.reads`), so that sparse
    Jacobians are known before they are computed; None: its own where elementwise, else all of them."""
    ufunc: Any = None
    """The NumPy ufunc that is the kernel wherever it gives the declared dtype: called with `out=`. Or
    a function of the site that says which one, None where it is none."""
    into: Callable[..., Any] | None = None
    """`(s, out, *xs)`: the kernel writing into `out`, bit for bit the same, no operand being `out`."""
    moves: Literal["", "order", "repeat", "view"] = ""
    """The result is the operand seen anew: its elements in the same order, repeated by broadcasting,
    or some other view of them; nothing is computed."""
    reduces: bool = False
    """Reduces the attribute `axes`: what is left of the other axes stands alone."""
    ordered: Callable[[Site], bool] | None = None
    """Whether, without a batch, the result lies in C order, however the operands lie; None: unknown."""
    scalar: str = ""
    """The op on Python floats as an expression in {0}, {1}: the same number as the kernel within
    `ulps`, or an ArithmeticError or ValueError where only NumPy knows the answer (inf, NaN)."""
    keeps: Callable[[Site], Keeps] | None = None
    """What the kernel remembers while it runs; None: nothing."""
    times: Callable[[Site, str], float] | None = None
    """How often the function runs that the attribute of this name holds; None: once."""
    cost: Callable[[Site], float] | None = None
    """Floating operations of one evaluation; None: the number of output elements."""
    source: str = "calculus"
    family: str = ""
    since: int = 1
    sites: Interned = field(default_factory=Interned, init=False, repr=False)

    def ulps_at(self, site: Site) -> float:
        """`ulps` of the kernel that serves this application."""
        long = self.long_ulps and callable(self.ufunc) and self.ufunc(site) is None
        return self.long_ulps if long else self.ulps

    def jvp_rule(self, operand: int) -> Rule | None:
        """The forward rule of one operand."""
        return self.jvp(operand) if callable(self.jvp) else self.jvp[operand]

    def vjp_rule(self, operand: int) -> Rule | None:
        """The reverse rule of one operand."""
        return self.vjp(operand) if callable(self.vjp) else self.vjp[operand]

    def site(self, attrs: Attrs, ins: tuple[Type, ...]) -> Site:
        """This op applied to operands of these types; raises `IllTyped` when they do not fit."""
        if self.batching == "run":  # its attributes hold whole functions: never remembered here
            return self._new_site(dict(attrs), ins)
        key = (attrs_key(attrs), ins)
        found = self.sites.recent.get(key)
        return found or self.sites.get(key, lambda: self._new_site(dict(attrs), ins))

    def _new_site(self, given: dict[str, Any], ins: tuple[Type, ...]) -> Site:
        low, high = self.arity
        if len(ins) < low or (high is not None and len(ins) > high):
            wanted = (
                str(low)
                if high == low
                else f"{low} or more"
                if high is None
                else f"{low} to {high}"
            )
            raise IllTyped(ARITY, f"expected {wanted} operands, got {len(ins)}")
        known = {a.name: a for a in self.attrs}
        for name in given:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise IllTyped(ATTRIBUTE, f"has no attribute {name!r}; it has: {listed}")
        attrs: dict[str, Any] = {}
        for a in self.attrs:
            value = given.get(a.name)
            if value is None:
                if a.required:
                    raise IllTyped(ATTRIBUTE, f"needs the attribute {a.name!r} ({a.meaning})")
                value = a.default
            attrs[a.name] = _checked(a, value)
        attrs, outs = self.infer(attrs, ins)
        return Site(self, attrs, ins, outs)


def attrs_key(attrs: Attrs) -> tuple[Any, ...]:
    """What tells two sets of attributes apart, also 0.0 from -0.0 and 1 from True."""
    return tuple(sorted([(k, v, repr(v)) for k, v in attrs.items()])) if attrs else ()


_DATA: Final = (str, bytes, bool, int, float, tuple, list, np.dtype, Frozen)
"""What an attribute can be that names no function."""


def _all(value: Any, kind: Any) -> TypeGuard[Sequence[Any]]:
    """Whether it is a sequence of such."""
    return isinstance(value, tuple | list) and all(isinstance(v, kind) for v in value)


def _checked(a: Attr, value: Any) -> Any:
    """The attribute's value in its one spelling, or `IllTyped`."""
    if value is None:
        return None
    match a.kind:
        case "bool" if isinstance(value, bool | np.bool_):
            return bool(value)
        case "int" if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return int(value)
        case "float" if isinstance(value, int | float | np.floating) and not isinstance(
            value, bool
        ):
            return float(value)
        case "str" if isinstance(value, str):
            return value
        case "ints" if isinstance(value, int | np.integer):
            return (int(value),)
        case "ints" if _all(value, int | np.integer):
            return tuple(int(v) for v in value)
        case "floats" if _all(value, int | float | np.integer | np.floating):
            return tuple(float(v) for v in value)
        case "dtype":
            try:
                return np.dtype(cast("Any", value))
            except (TypeError, ValueError):
                pass
        case "array" if isinstance(value, Frozen):
            return value
        case "function" if not isinstance(value, _DATA):
            return value
        case "functions" if _all(value, object) and not any(isinstance(v, _DATA) for v in value):
            return tuple(value)
        case _:
            pass
    raise IllTyped(ATTRIBUTE, f"attribute {a.name!r} is {value!r}, expected {a.kind}")
