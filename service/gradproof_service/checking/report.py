"""What a check is asked, and what it answers: plain records, no formatting, no transport.

Field by field they are the messages of `check.proto`, whose comments are the contract of each
number; `wire/` converts one into the other and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import prod

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.diagnostic import NOWHERE, Finding, Location


class Verdict(Enum):
    """The three answers; there is no fourth."""

    AGREES = 1
    DISAGREES = 2
    INCONCLUSIVE = 3


class Kind(Enum):
    """What a derivative is of what; shapes as in DESIGN: `(*output.shape, *input.shape)`."""

    GRADIENT = 1
    JACOBIAN = 2
    VJP = 3
    JVP = 4
    HESSIAN = 5
    HVP = 6


class Source(Enum):
    """Where a derivative came from."""

    FORWARD = 1
    REVERSE = 2
    DIFFERENCES = 3
    COMPLEX_STEP = 4
    CLAIM = 5
    RULE = 6
    EXTENDED = 7
    TAYLOR = 8


class Profile(Enum):
    """Whose conventions at ties and kinks a claim is read by."""

    NUMPY = 1
    TORCH = 2
    JAX = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How to check. Every default is the effective value and is echoed in the report.

    `rtol`, `atol`: a claim may differ by `atol + rtol * |reference|` beyond the error bar
    (None: 5e-7 relative for float64 claims, 1e-3 for float32, and the rounding level).
    `tau`: relative error that a pass must be able to see. `witness_evaluations`: most evaluations
    of the function that the independent witness may spend (0: as many as it needs). `prove`: plant
    faults into every claim and count how many this check catches. `evidence`: keep the numbers that
    the verdicts rest on.
    """

    wrt: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    rtol: float | None = None
    atol: float | None = None
    tau: float = 1e-3
    witness_evaluations: int = 0
    rng_seed: int = 0
    profile: Profile = Profile.NUMPY
    order: int = 1
    derivatives_limit_bytes: int = 1 << 20
    suppress: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    prove: bool = False
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class SparseValue:
    """A claimed matrix by rows: row r has `values[starts[r]:starts[r + 1]]` in `columns`, rising; what is not stored is zero.

    `shape` is that of the whole derivative, its first `row_axes` axes are the rows.
    """

    shape: tuple[int, ...]
    row_axes: int
    starts: Array
    columns: Array
    values: Array

    @property
    def row_of(self) -> Array:
        """The row of each stored entry, int64."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self) -> Array:
        """Every entry, in the shape of the derivative."""
        rows = prod(self.shape[: self.row_axes])
        found = np.zeros((rows, prod(self.shape[self.row_axes :])), self.values.dtype)
        found[self.row_of, self.columns] = self.values
        return found.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Claim:
    """The derivative a user believes, of one output by one input ("" where there is only one).

    Given as `value` (with `seeds`, a batch axis in front, for vjp, jvp and hvp), as `sparse`, as `function`
    (index in the program; `result_index` picks among its outputs), or `asked` over a probe.
    `traced` is the index of the same claim as a recording, -1 when there is none: it helps to name
    the line of a mistake and never judges.
    """

    kind: Kind
    input: str = ""
    output: str = ""
    second_input: str = ""
    value: Array | None = None
    seeds: Array | None = None
    sparse: SparseValue | None = None
    function: int = -1
    asked: bool = False
    result_index: int = 0
    location: Location = NOWHERE
    traced: int = -1


@dataclass(frozen=True, slots=True)
class Comparison:
    """One (output, input) pair held against another source, entry by entry.

    `power` is the smallest relative error that this comparison would have flagged in the entry
    where it is weakest; `digits` the decimal digits matched in the worst entry. For a rule
    `worst_seed` counts seeds from 1 and indices are those of one seed's result. `wrong` are the
    first eight wrong entries, the worst one in front.
    """

    output: str
    input: str
    kind: Kind
    subject: Source
    against: Source
    verdict: Verdict
    second_input: str = ""
    reason: str = ""
    detail: str = ""
    entries: int = 0
    entries_total: int = 0
    entries_wrong: int = 0
    entries_unclear: int = 0
    directions: int = 0
    digits: float = 0.0
    worst_index: tuple[int, ...] = ()
    claimed: float = 0.0
    reference: float = 0.0
    error_bar: float = 0.0
    max_abs_error: float = 0.0
    max_rel_error: float = 0.0
    power: float = 0.0
    worst_seed: int = 0
    wrong: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A reference derivative: of `output` by `input` (and by `second_input` for a Hessian)."""

    kind: Kind
    output: str
    input: str
    value: Array
    second_input: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """How many planted faults one claim's check caught, and the names of those it missed."""

    output: str
    input: str
    kind: Kind
    planted: int
    caught: int
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sweep:
    """Difference quotients of one entry: (S,) steps, the largest first, quotients and rounding bounds.

    `plateau` are the smallest and the largest step around `chosen_step` whose quotients agree with
    the estimate; all zero where there is none.
    """

    steps: Array
    quotients: Array
    bounds: Array
    estimate: float
    error_bar: float
    chosen_step: float = 0.0
    plateau: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Remainder:
    """The Taylor remainder of one slope: its rate, the smallest error it could show, (S,) points."""

    rate: float
    sight: float
    steps: Array
    remainders: Array


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict on one (output, input) pair rests on, see `Evidence` in `check.proto`."""

    output: str
    input: str
    index: tuple[int, ...]
    along_direction: bool
    slope: float
    sweep: Sweep
    taylor: Remainder
    power: Array | None = None
    second_input: str = ""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What was measured at one input or node, see `NodeEvidence` in `check.proto`."""

    node: int
    label: str
    op: str
    operands: tuple[int, ...]
    shape: tuple[int, ...]
    value_norm: float
    cotangent_norm: float
    lost_digits: float
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer to one check; equal requests give equal reports, byte for byte."""

    verdict: Verdict
    comparisons: tuple[Comparison, ...] = ()
    findings: tuple[Finding, ...] = ()
    outputs: tuple[tuple[str, Array], ...] = ()
    derivatives: tuple[Block, ...] = ()
    function: str = ""
    witnesses: tuple[Source, ...] = ()
    evaluations: int = 0
    entries_checked: int = 0
    entries_total: int = 0
    directions: int = 0
    proofs: tuple[Proof, ...] = ()
    suppressed: int = 0
    options: Options = field(default_factory=Options)
    evidence: tuple[Evidence, ...] = ()
    nodes: tuple[NodeSeen, ...] = ()
    claimed: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class BlackBox:
    """A function nobody can see into: only its inputs are known, values are asked for."""

    inputs: tuple[str, ...]
    structures: tuple[Structure, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to whoever holds the black box: values at `batch` points at once.

    `points` has one array per input, a batch axis in front of each; `seeds` likewise for a claim
    that is a rule. The answer is `Answer`.
    """

    claim: int
    """-1: the function itself; else the index of the claim asked."""
    batch: int
    points: tuple[Array, ...]
    seeds: tuple[Array, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Named outputs with the batch axis in front, or the sentence in which the function failed."""

    outputs: tuple[tuple[str, Array], ...] = ()
    error: str = ""
