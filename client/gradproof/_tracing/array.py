"""The traced array: it looks like the NumPy array it stands for, and every use of it adds a node.

Writing into it rebinds it (the node it stands for becomes an `index_set`), and views share what is
written as NumPy's do. It never turns into a plain array or number by itself: that would freeze a
part of the function at one point without a word.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradproof._tracing.unsupported import refuse, refuse_number, refuse_truth

if TYPE_CHECKING:
    from gradproof._tracing.tape import Tape

Move = Callable[..., "Traced"]


def _binary(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    def forward(self: Traced, other: Any) -> Any:
        return call(ufunc, self, other) if _known(other) else NotImplemented

    def reverse(self: Traced, other: Any) -> Any:
        return call(ufunc, other, self) if _known(other) else NotImplemented

    def in_place(self: Traced, other: Any) -> Any:
        return call(ufunc, self, other, out=(self,)) if _known(other) else NotImplemented

    return forward, reverse, in_place


def _known(other: Any) -> bool:
    return isinstance(other, Traced | np.ndarray | np.generic | int | float | list | tuple)


def _method(function: Any) -> Any:
    def method(self: Traced, *args: Any, **options: Any) -> Any:
        return call(function, self, *args, **options)

    return method


def _shaping(function: Any) -> Any:
    """Methods that take a shape or axes either as one tuple or spread out."""

    def method(self: Traced, *args: Any, **options: Any) -> Any:
        if not args:
            return call(function, self, **options)
        first: Any = args[0] if len(args) == 1 else args
        return call(function, self, first, **options)

    return method


class Traced:
    """One array-valued node: its concrete value at the point, its id, and the tape it is on.

    `tape` is None for a value that depends on no input. A view remembers its parent, how it is
    taken from it (`forward`) and how a new value of it is put back (`backward`).
    """

    __slots__ = ("_backward", "_data", "_forward", "_id", "_parent", "_seen", "_tape", "_version")
    __array_priority__ = 1000

    def __init__(self, data: np.ndarray[Any, Any], id: int, tape: Tape | None) -> None:
        self._data = data
        self._id = id
        self._tape = tape
        self._version = 0
        self._parent: Traced | None = None
        self._seen = 0

    # What it stands for

    def fresh(self) -> Traced:
        """This value after every write through its parent and its parent's other views."""
        parent = self._parent
        if parent is not None and parent.fresh()._version != self._seen:
            self._take(self._forward(parent))
            self._seen = parent._version
        return self

    def view_of(self, parent: Traced, forward: Move, backward: Move) -> Traced:
        """Tie this new value to the array it is a view of."""
        self._parent = parent
        self._forward = forward
        self._backward = backward
        self._seen = parent._version
        return self

    def assign(self, new: Traced) -> None:
        """Replace the whole value by one of the same shape; parents and their views follow."""
        if self._parent is not None:
            self._parent.assign(self._backward(self._parent, new))
            self._seen = self._parent._version
        self._take(new)

    def _take(self, new: Traced) -> None:
        self._data, self._id, self._tape = new.data, new._id, new._tape
        self._version += 1

    @property
    def data(self) -> np.ndarray[Any, Any]:
        """The concrete value at the point; never written into."""
        return self._data if self._parent is None else self.fresh()._data

    @property
    def tape(self) -> Tape | None:
        """The tape on which this value is live; None when it depends on no input."""
        return self._tape if self._parent is None else self.fresh()._tape

    def id_on(self, tape: Tape) -> int:
        """The id of this value on the tape; what depends on no input becomes a constant there."""
        self.fresh()
        if self._tape is None:
            return tape.constant(self._data)
        if self._tape is not tape:
            refuse(
                "object-value",
                "a traced array of another trace came",
                "the function's own arguments",
            )
        return self._id

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @shape.setter
    def shape(self, shape: Any) -> NoReturn:
        refuse("in-place-function", "x.shape is assigned", "x = x.reshape(shape)")

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    @property
    def itemsize(self) -> int:
        return self.data.itemsize

    @property
    def T(self) -> Traced:  # noqa: N802  (NumPy's name)
        return call(np.transpose, self)

    @property
    def mT(self) -> Traced:  # noqa: N802  (NumPy's name)
        return call(np.matrix_transpose, self)

    @property
    def real(self) -> Traced:
        return self

    @property
    def imag(self) -> Traced:
        return call(np.zeros_like, self)

    @property
    def flat(self) -> Traced:
        return call(np.ravel, self)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        kind = "constant" if self.tape is None else "traced"
        return f"<{kind} {self.dtype}{list(self.shape)}>"

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from gradproof._tracing.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        from gradproof._tracing.dispatch import call_function

        return call_function(function, args, options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        if self.tape is not None:
            refuse_number("array")
        return np.array(self.data, dtype=dtype)

    # What only a plain value can answer

    def __bool__(self) -> bool:
        return bool(self.data) if self.tape is None else refuse_truth()

    def __float__(self) -> float:
        return float(self.data) if self.tape is None else refuse_number("float")

    def __int__(self) -> int:
        return int(self.data) if self.tape is None else refuse_number("int")

    def __complex__(self) -> complex:
        return complex(self.data) if self.tape is None else refuse_number("complex")

    def __index__(self) -> int:
        return operator.index(self.data[()]) if self.tape is None else refuse_number("index")

    def __contains__(self, item: Any) -> bool:
        return item in self.data if self.tape is None else refuse_truth()

    def __format__(self, form: str) -> str:
        return repr(self) if self.tape is not None else format(self.data, form)

    def tolist(self) -> Any:
        """The elements as plain numbers; refused for a live value."""
        return self.data.tolist() if self.tape is None else refuse_number("list")

    def item(self, *index: int) -> Any:
        """One element, still traced."""
        if self.tape is None:
            return self.data.item(*index)
        flat = call(np.ravel, self)
        return flat[index[0] if len(index) == 1 else 0] if len(index) < 2 else self[index]

    # Indexing

    def __getitem__(self, index: Any) -> Traced:
        from gradproof._tracing.indexing import get

        return get(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        from gradproof._tracing.indexing import put

        self.assign(put(self, index, value))

    def __iter__(self) -> Iterator[Traced]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # Methods that change or copy

    def copy(self, order: str = "C") -> Traced:
        """The same value, no longer a view."""
        self.fresh()
        return Traced(self._data, self._id, self._tape)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Traced:
        return self.copy()

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        self[...] = value

    def sort(self, *args: Any, **options: Any) -> None:
        """Refused: there is no op that sorts."""
        refuse("no-op", "x.sort() needs an op that the catalogue does not have", "another form")

    def astype(self, dtype: Any, **options: Any) -> Traced:
        """The value in another dtype."""
        from gradproof._tracing.tape import apply

        dtype = np.dtype(dtype)
        return self.copy() if dtype == self.dtype else apply("astype", self, dtype=dtype)

    def conj(self) -> Traced:
        """The value itself: it is real."""
        return self

    conjugate = conj

    # Operators and methods, each the NumPy function of that name

    __add__, __radd__, __iadd__ = _binary(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.true_divide)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary(np.floor_divide)
    __mod__, __rmod__, __imod__ = _binary(np.remainder)
    __pow__, __rpow__, __ipow__ = _binary(np.power)
    __matmul__, __rmatmul__, __imatmul__ = _binary(np.matmul)
    __and__, __rand__, __iand__ = _binary(np.bitwise_and)
    __or__, __ror__, __ior__ = _binary(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _binary(np.bitwise_xor)
    __lt__ = _binary(np.less)[0]
    __le__ = _binary(np.less_equal)[0]
    __gt__ = _binary(np.greater)[0]
    __ge__ = _binary(np.greater_equal)[0]
    __eq__ = _binary(np.equal)[0]
    __ne__ = _binary(np.not_equal)[0]
    __neg__ = _method(np.negative)
    __pos__ = _method(np.positive)
    __abs__ = _method(np.absolute)
    __invert__ = _method(np.invert)
    __round__ = _method(np.round)
    __divmod__ = _method(np.divmod)
    reshape = _shaping(np.reshape)
    transpose = _shaping(np.transpose)
    sum = _method(np.sum)
    mean = _method(np.mean)
    prod = _method(np.prod)
    max = _method(np.max)
    min = _method(np.min)
    var = _method(np.var)
    std = _method(np.std)
    any = _method(np.any)
    all = _method(np.all)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    dot = _method(np.dot)
    clip = _method(np.clip)
    round = _method(np.round)
    take = _method(np.take)
    repeat = _method(np.repeat)
    trace = _method(np.trace)
    diagonal = _method(np.diagonal)
    ravel = _method(np.ravel)
    squeeze = _method(np.squeeze)
    swapaxes = _method(np.swapaxes)
    argsort = _method(np.argsort)
    compress = _method(np.compress)
    searchsorted = _method(np.searchsorted)
    nonzero = _method(np.nonzero)
    choose = _method(np.choose)
    put = _method(np.put)
    partition = _method(np.partition)

    def flatten(self, order: str = "C") -> Traced:
        """One axis, and no view."""
        return self.ravel().copy()

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> NoReturn:
        refuse("plain-number", "a traced array is pickled or copied to another process")


def call(function: Any, *args: Any, **options: Any) -> Any:
    """Call a NumPy function on traced values."""
    from gradproof._tracing.dispatch import call_function, call_ufunc

    if isinstance(function, np.ufunc):
        return call_ufunc(function, "__call__", args, options)
    return call_function(function, args, options)
