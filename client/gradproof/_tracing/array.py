"""The traced array: it looks like the NumPy array it stands for, and every use of it adds a node.

Writing into it rebinds it (the node it stands for becomes an `index_set`), and views share what is
written as NumPy's do. It never turns into a plain array or number by itself: that would freeze a
part of the function at one point without a word.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradproof._tracing.kernels import DIRECT
from gradproof._tracing.operators import NumPyLike, call
from gradproof._tracing.places import called_from
from gradproof._tracing.unsupported import refuse, refuse_number, refuse_truth

if TYPE_CHECKING:
    from gradproof._tracing.tape import Tape

Move = Callable[..., "Traced"]
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class Traced(NumPyLike):
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
        views: list[Traced] = []
        at = self
        while at._parent is not None:
            views.append(at)
            at = at._parent
        for view in reversed(views):
            if at._version != view._seen:
                view._take(view._forward(at))
                view._seen = at._version
            at = view
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
        if method == "__call__" and not options:
            found = self.direct(ufunc, inputs)
            if found is not None:
                return found
        from gradproof._tracing.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, options)

    def direct(self, ufunc: Any, inputs: Sequence[Any]) -> Traced | None:
        """A ufunc of live floats of one dtype and Python numbers as its one node, for the caller's caller.

        None for anything else: `dispatch` knows what that means, and gives the same node for these.
        """
        if ufunc is np.power and type(inputs[1]) in (int, float) and inputs[1] == 2:
            ufunc, inputs = np.square, inputs[:1]
        op, tape, dtype = DIRECT.get(ufunc), self.tape, self._data.dtype
        if op is None or tape is None or dtype not in _FLOATS:
            return None
        ids: list[int] = []
        arrays: list[np.ndarray[Any, Any]] = []
        for x in inputs:
            kind = type(x)
            if kind is Traced:
                if x.tape is not tape or x._data.dtype != dtype:
                    return None
                value, data = x._id, x._data
            elif kind is float or kind is int:
                value, data = tape.number(x, dtype)
            else:
                return None
            ids.append(value)
            arrays.append(data)
        y = np.asarray(ufunc(*arrays))
        return Traced(y, tape.append(op, ids, called_from(2)), tape)

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

    def flatten(self, order: str = "C") -> Traced:
        """One axis, and no view."""
        return self.ravel().copy()

    def __reduce__(self) -> NoReturn:
        refuse("plain-number", "a traced array is pickled or copied to another process")
