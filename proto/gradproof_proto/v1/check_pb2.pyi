from gradproof_proto.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_AGREES: _ClassVar[Verdict]
    VERDICT_DISAGREES: _ClassVar[Verdict]
    VERDICT_INCONCLUSIVE: _ClassVar[Verdict]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_INFO: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_ERROR: _ClassVar[Severity]

class Profile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFILE_UNSPECIFIED: _ClassVar[Profile]
    PROFILE_NUMPY: _ClassVar[Profile]
    PROFILE_TORCH: _ClassVar[Profile]
    PROFILE_JAX: _ClassVar[Profile]

class DerivativeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DERIVATIVE_KIND_UNSPECIFIED: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_GRADIENT: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_JACOBIAN: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_VJP: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_JVP: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_HESSIAN: _ClassVar[DerivativeKind]
    DERIVATIVE_KIND_HVP: _ClassVar[DerivativeKind]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_FORWARD: _ClassVar[Source]
    SOURCE_REVERSE: _ClassVar[Source]
    SOURCE_DIFFERENCES: _ClassVar[Source]
    SOURCE_COMPLEX_STEP: _ClassVar[Source]
    SOURCE_CLAIM: _ClassVar[Source]
    SOURCE_RULE: _ClassVar[Source]
    SOURCE_EXTENDED: _ClassVar[Source]
    SOURCE_TAYLOR: _ClassVar[Source]

class Carriage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CARRIAGE_UNSPECIFIED: _ClassVar[Carriage]
    CARRIAGE_ARRAY_TRACE: _ClassVar[Carriage]
    CARRIAGE_NAMESPACE: _ClassVar[Carriage]
    CARRIAGE_SCALAR_TRACE: _ClassVar[Carriage]
    CARRIAGE_EXPRESSION: _ClassVar[Carriage]
    CARRIAGE_PROGRAM: _ClassVar[Carriage]
    CARRIAGE_BLACK_BOX: _ClassVar[Carriage]
    CARRIAGE_IMPORT: _ClassVar[Carriage]
VERDICT_UNSPECIFIED: Verdict
VERDICT_AGREES: Verdict
VERDICT_DISAGREES: Verdict
VERDICT_INCONCLUSIVE: Verdict
SEVERITY_UNSPECIFIED: Severity
SEVERITY_INFO: Severity
SEVERITY_WARNING: Severity
SEVERITY_ERROR: Severity
PROFILE_UNSPECIFIED: Profile
PROFILE_NUMPY: Profile
PROFILE_TORCH: Profile
PROFILE_JAX: Profile
DERIVATIVE_KIND_UNSPECIFIED: DerivativeKind
DERIVATIVE_KIND_GRADIENT: DerivativeKind
DERIVATIVE_KIND_JACOBIAN: DerivativeKind
DERIVATIVE_KIND_VJP: DerivativeKind
DERIVATIVE_KIND_JVP: DerivativeKind
DERIVATIVE_KIND_HESSIAN: DerivativeKind
DERIVATIVE_KIND_HVP: DerivativeKind
SOURCE_UNSPECIFIED: Source
SOURCE_FORWARD: Source
SOURCE_REVERSE: Source
SOURCE_DIFFERENCES: Source
SOURCE_COMPLEX_STEP: Source
SOURCE_CLAIM: Source
SOURCE_RULE: Source
SOURCE_EXTENDED: Source
SOURCE_TAYLOR: Source
CARRIAGE_UNSPECIFIED: Carriage
CARRIAGE_ARRAY_TRACE: Carriage
CARRIAGE_NAMESPACE: Carriage
CARRIAGE_SCALAR_TRACE: Carriage
CARRIAGE_EXPRESSION: Carriage
CARRIAGE_PROGRAM: Carriage
CARRIAGE_BLACK_BOX: Carriage
CARRIAGE_IMPORT: Carriage

class Origin(_message.Message):
    __slots__ = ("carriage", "reason", "name")
    CARRIAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    carriage: Carriage
    reason: str
    name: str
    def __init__(self, carriage: _Optional[_Union[Carriage, str]] = ..., reason: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class SourceLocation(_message.Message):
    __slots__ = ("file", "line", "column", "end_line", "end_column", "scope", "source_node", "callers")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    END_LINE_FIELD_NUMBER: _ClassVar[int]
    END_COLUMN_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NODE_FIELD_NUMBER: _ClassVar[int]
    CALLERS_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    scope: str
    source_node: str
    callers: _containers.RepeatedCompositeFieldContainer[SourceLocation]
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., end_line: _Optional[int] = ..., end_column: _Optional[int] = ..., scope: _Optional[str] = ..., source_node: _Optional[str] = ..., callers: _Optional[_Iterable[_Union[SourceLocation, _Mapping]]] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("wrt", "outputs", "rtol", "atol", "tau", "witness_evaluations", "rng_seed", "profile", "compute_dtype", "order", "derivatives_limit_bytes", "suppress", "prove", "evidence", "select")
    WRT_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    RTOL_FIELD_NUMBER: _ClassVar[int]
    ATOL_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    WITNESS_EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    RNG_SEED_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_DTYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    DERIVATIVES_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_FIELD_NUMBER: _ClassVar[int]
    PROVE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    wrt: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    rtol: float
    atol: float
    tau: float
    witness_evaluations: int
    rng_seed: int
    profile: Profile
    compute_dtype: _program_pb2.Dtype
    order: int
    derivatives_limit_bytes: int
    suppress: _containers.RepeatedScalarFieldContainer[str]
    prove: bool
    evidence: bool
    select: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, wrt: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., rtol: _Optional[float] = ..., atol: _Optional[float] = ..., tau: _Optional[float] = ..., witness_evaluations: _Optional[int] = ..., rng_seed: _Optional[int] = ..., profile: _Optional[_Union[Profile, str]] = ..., compute_dtype: _Optional[_Union[_program_pb2.Dtype, str]] = ..., order: _Optional[int] = ..., derivatives_limit_bytes: _Optional[int] = ..., suppress: _Optional[_Iterable[str]] = ..., prove: _Optional[bool] = ..., evidence: _Optional[bool] = ..., select: _Optional[_Iterable[str]] = ...) -> None: ...

class ClaimValues(_message.Message):
    __slots__ = ("value", "sparse", "seeds")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    value: _program_pb2.Tensor
    sparse: SparseTensor
    seeds: _program_pb2.Tensor
    def __init__(self, value: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ..., sparse: _Optional[_Union[SparseTensor, _Mapping]] = ..., seeds: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ...) -> None: ...

class AskedClaim(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Claim(_message.Message):
    __slots__ = ("kind", "input", "output", "second_input", "values", "function", "asked", "result_index", "location", "program_function")
    KIND_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SECOND_INPUT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    RESULT_INDEX_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    kind: DerivativeKind
    input: str
    output: str
    second_input: str
    values: ClaimValues
    function: int
    asked: AskedClaim
    result_index: int
    location: SourceLocation
    program_function: int
    def __init__(self, kind: _Optional[_Union[DerivativeKind, str]] = ..., input: _Optional[str] = ..., output: _Optional[str] = ..., second_input: _Optional[str] = ..., values: _Optional[_Union[ClaimValues, _Mapping]] = ..., function: _Optional[int] = ..., asked: _Optional[_Union[AskedClaim, _Mapping]] = ..., result_index: _Optional[int] = ..., location: _Optional[_Union[SourceLocation, _Mapping]] = ..., program_function: _Optional[int] = ...) -> None: ...

class SparseTensor(_message.Message):
    __slots__ = ("shape", "values", "row_axes", "row_starts", "columns")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ROW_AXES_FIELD_NUMBER: _ClassVar[int]
    ROW_STARTS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    values: _program_pb2.Tensor
    row_axes: int
    row_starts: _program_pb2.Tensor
    columns: _program_pb2.Tensor
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., values: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ..., row_axes: _Optional[int] = ..., row_starts: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ..., columns: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ...) -> None: ...

class Derivative(_message.Message):
    __slots__ = ("kind", "output", "input", "second_input", "dense", "sparse")
    KIND_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    SECOND_INPUT_FIELD_NUMBER: _ClassVar[int]
    DENSE_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    kind: DerivativeKind
    output: str
    input: str
    second_input: str
    dense: _program_pb2.Tensor
    sparse: SparseTensor
    def __init__(self, kind: _Optional[_Union[DerivativeKind, str]] = ..., output: _Optional[str] = ..., input: _Optional[str] = ..., second_input: _Optional[str] = ..., dense: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ..., sparse: _Optional[_Union[SparseTensor, _Mapping]] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("output", "input", "second_input", "kind", "subject", "against", "verdict", "reason", "detail", "entries", "entries_total", "entries_wrong", "entries_unclear", "directions", "digits", "worst_index", "claimed", "reference", "error_bar", "max_abs_error", "max_rel_error", "power", "worst_seed", "wrong")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    SECOND_INPUT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_WRONG_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_UNCLEAR_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    DIGITS_FIELD_NUMBER: _ClassVar[int]
    WORST_INDEX_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_BAR_FIELD_NUMBER: _ClassVar[int]
    MAX_ABS_ERROR_FIELD_NUMBER: _ClassVar[int]
    MAX_REL_ERROR_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    WORST_SEED_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    output: str
    input: str
    second_input: str
    kind: DerivativeKind
    subject: Source
    against: Source
    verdict: Verdict
    reason: str
    detail: str
    entries: int
    entries_total: int
    entries_wrong: int
    entries_unclear: int
    directions: int
    digits: float
    worst_index: _containers.RepeatedScalarFieldContainer[int]
    claimed: float
    reference: float
    error_bar: float
    max_abs_error: float
    max_rel_error: float
    power: float
    worst_seed: int
    wrong: _containers.RepeatedCompositeFieldContainer[ElementIndex]
    def __init__(self, output: _Optional[str] = ..., input: _Optional[str] = ..., second_input: _Optional[str] = ..., kind: _Optional[_Union[DerivativeKind, str]] = ..., subject: _Optional[_Union[Source, str]] = ..., against: _Optional[_Union[Source, str]] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., entries: _Optional[int] = ..., entries_total: _Optional[int] = ..., entries_wrong: _Optional[int] = ..., entries_unclear: _Optional[int] = ..., directions: _Optional[int] = ..., digits: _Optional[float] = ..., worst_index: _Optional[_Iterable[int]] = ..., claimed: _Optional[float] = ..., reference: _Optional[float] = ..., error_bar: _Optional[float] = ..., max_abs_error: _Optional[float] = ..., max_rel_error: _Optional[float] = ..., power: _Optional[float] = ..., worst_seed: _Optional[int] = ..., wrong: _Optional[_Iterable[_Union[ElementIndex, _Mapping]]] = ...) -> None: ...

class NamedNumber(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class ElementIndex(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, index: _Optional[_Iterable[int]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "name", "severity", "message", "node", "op", "function", "location", "input", "output", "elements", "element_count", "numbers", "cause", "mend", "confirmed", "related")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    MEND_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    RELATED_FIELD_NUMBER: _ClassVar[int]
    code: str
    name: str
    severity: Severity
    message: str
    node: int
    op: str
    function: int
    location: SourceLocation
    input: str
    output: str
    elements: _containers.RepeatedCompositeFieldContainer[ElementIndex]
    element_count: int
    numbers: _containers.RepeatedCompositeFieldContainer[NamedNumber]
    cause: str
    mend: str
    confirmed: bool
    related: _containers.RepeatedCompositeFieldContainer[SourceLocation]
    def __init__(self, code: _Optional[str] = ..., name: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., message: _Optional[str] = ..., node: _Optional[int] = ..., op: _Optional[str] = ..., function: _Optional[int] = ..., location: _Optional[_Union[SourceLocation, _Mapping]] = ..., input: _Optional[str] = ..., output: _Optional[str] = ..., elements: _Optional[_Iterable[_Union[ElementIndex, _Mapping]]] = ..., element_count: _Optional[int] = ..., numbers: _Optional[_Iterable[_Union[NamedNumber, _Mapping]]] = ..., cause: _Optional[str] = ..., mend: _Optional[str] = ..., confirmed: _Optional[bool] = ..., related: _Optional[_Iterable[_Union[SourceLocation, _Mapping]]] = ...) -> None: ...

class Proof(_message.Message):
    __slots__ = ("output", "input", "kind", "planted", "caught", "missed")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PLANTED_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    output: str
    input: str
    kind: DerivativeKind
    planted: int
    caught: int
    missed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, output: _Optional[str] = ..., input: _Optional[str] = ..., kind: _Optional[_Union[DerivativeKind, str]] = ..., planted: _Optional[int] = ..., caught: _Optional[int] = ..., missed: _Optional[_Iterable[str]] = ...) -> None: ...

class Sweep(_message.Message):
    __slots__ = ("steps", "quotients", "bounds", "chosen_step", "plateau_low", "plateau_high", "estimate", "error_bar")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    QUOTIENTS_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_STEP_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_LOW_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_HIGH_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_BAR_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedScalarFieldContainer[float]
    quotients: _containers.RepeatedScalarFieldContainer[float]
    bounds: _containers.RepeatedScalarFieldContainer[float]
    chosen_step: float
    plateau_low: float
    plateau_high: float
    estimate: float
    error_bar: float
    def __init__(self, steps: _Optional[_Iterable[float]] = ..., quotients: _Optional[_Iterable[float]] = ..., bounds: _Optional[_Iterable[float]] = ..., chosen_step: _Optional[float] = ..., plateau_low: _Optional[float] = ..., plateau_high: _Optional[float] = ..., estimate: _Optional[float] = ..., error_bar: _Optional[float] = ...) -> None: ...

class TaylorRate(_message.Message):
    __slots__ = ("rate", "sight", "steps", "remainders")
    RATE_FIELD_NUMBER: _ClassVar[int]
    SIGHT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REMAINDERS_FIELD_NUMBER: _ClassVar[int]
    rate: float
    sight: float
    steps: _containers.RepeatedScalarFieldContainer[float]
    remainders: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rate: _Optional[float] = ..., sight: _Optional[float] = ..., steps: _Optional[_Iterable[float]] = ..., remainders: _Optional[_Iterable[float]] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("output", "input", "second_input", "index", "along_direction", "slope", "sweep", "taylor", "power")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    SECOND_INPUT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ALONG_DIRECTION_FIELD_NUMBER: _ClassVar[int]
    SLOPE_FIELD_NUMBER: _ClassVar[int]
    SWEEP_FIELD_NUMBER: _ClassVar[int]
    TAYLOR_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    output: str
    input: str
    second_input: str
    index: _containers.RepeatedScalarFieldContainer[int]
    along_direction: bool
    slope: float
    sweep: Sweep
    taylor: TaylorRate
    power: _program_pb2.Tensor
    def __init__(self, output: _Optional[str] = ..., input: _Optional[str] = ..., second_input: _Optional[str] = ..., index: _Optional[_Iterable[int]] = ..., along_direction: _Optional[bool] = ..., slope: _Optional[float] = ..., sweep: _Optional[_Union[Sweep, _Mapping]] = ..., taylor: _Optional[_Union[TaylorRate, _Mapping]] = ..., power: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ...) -> None: ...

class NodeEvidence(_message.Message):
    __slots__ = ("node", "label", "op", "operands", "shape", "value_norm", "cotangent_norm", "lost_digits", "location")
    NODE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    OPERANDS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_NORM_FIELD_NUMBER: _ClassVar[int]
    COTANGENT_NORM_FIELD_NUMBER: _ClassVar[int]
    LOST_DIGITS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    node: int
    label: str
    op: str
    operands: _containers.RepeatedScalarFieldContainer[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    value_norm: float
    cotangent_norm: float
    lost_digits: float
    location: SourceLocation
    def __init__(self, node: _Optional[int] = ..., label: _Optional[str] = ..., op: _Optional[str] = ..., operands: _Optional[_Iterable[int]] = ..., shape: _Optional[_Iterable[int]] = ..., value_norm: _Optional[float] = ..., cotangent_norm: _Optional[float] = ..., lost_digits: _Optional[float] = ..., location: _Optional[_Union[SourceLocation, _Mapping]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("verdict", "comparisons", "findings", "outputs", "derivatives", "function", "origin", "witnesses", "evaluations", "entries_checked", "entries_total", "directions", "program_digest", "options", "suppressed", "service_version", "proofs", "evidence", "nodes", "claimed")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DERIVATIVES_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_CHECKED_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    comparisons: _containers.RepeatedCompositeFieldContainer[Comparison]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    outputs: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    derivatives: _containers.RepeatedCompositeFieldContainer[Derivative]
    function: str
    origin: Origin
    witnesses: _containers.RepeatedScalarFieldContainer[Source]
    evaluations: int
    entries_checked: int
    entries_total: int
    directions: int
    program_digest: bytes
    options: Options
    suppressed: int
    service_version: str
    proofs: _containers.RepeatedCompositeFieldContainer[Proof]
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeEvidence]
    claimed: _containers.RepeatedCompositeFieldContainer[Derivative]
    def __init__(self, verdict: _Optional[_Union[Verdict, str]] = ..., comparisons: _Optional[_Iterable[_Union[Comparison, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., derivatives: _Optional[_Iterable[_Union[Derivative, _Mapping]]] = ..., function: _Optional[str] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., witnesses: _Optional[_Iterable[_Union[Source, str]]] = ..., evaluations: _Optional[int] = ..., entries_checked: _Optional[int] = ..., entries_total: _Optional[int] = ..., directions: _Optional[int] = ..., program_digest: _Optional[bytes] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., suppressed: _Optional[int] = ..., service_version: _Optional[str] = ..., proofs: _Optional[_Iterable[_Union[Proof, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[NodeEvidence, _Mapping]]] = ..., claimed: _Optional[_Iterable[_Union[Derivative, _Mapping]]] = ...) -> None: ...
