from gradproof_proto.v1 import check_pb2 as _check_pb2
from gradproof_proto.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_AUTO: _ClassVar[Mode]
    MODE_FORWARD: _ClassVar[Mode]
    MODE_REVERSE: _ClassVar[Mode]

class ProbeSubject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROBE_SUBJECT_UNSPECIFIED: _ClassVar[ProbeSubject]
    PROBE_SUBJECT_PRIMAL: _ClassVar[ProbeSubject]
    PROBE_SUBJECT_CLAIM: _ClassVar[ProbeSubject]
MODE_UNSPECIFIED: Mode
MODE_AUTO: Mode
MODE_FORWARD: Mode
MODE_REVERSE: Mode
PROBE_SUBJECT_UNSPECIFIED: ProbeSubject
PROBE_SUBJECT_PRIMAL: ProbeSubject
PROBE_SUBJECT_CLAIM: ProbeSubject

class EvaluateRequest(_message.Message):
    __slots__ = ("program", "program_blob", "function", "point", "batch", "options")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    batch: int
    options: _check_pb2.Options
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., batch: _Optional[int] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("outputs", "findings")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    findings: _containers.RepeatedCompositeFieldContainer[_check_pb2.Finding]
    def __init__(self, outputs: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[_check_pb2.Finding, _Mapping]]] = ...) -> None: ...

class DifferentiateRequest(_message.Message):
    __slots__ = ("program", "program_blob", "function", "point", "kind", "mode", "seeds", "seed_batch", "options", "emit_program", "sparse", "dense_elements")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    SEED_BATCH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    EMIT_PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    DENSE_ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    kind: _check_pb2.DerivativeKind
    mode: Mode
    seeds: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    seed_batch: int
    options: _check_pb2.Options
    emit_program: bool
    sparse: bool
    dense_elements: int
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., kind: _Optional[_Union[_check_pb2.DerivativeKind, str]] = ..., mode: _Optional[_Union[Mode, str]] = ..., seeds: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., seed_batch: _Optional[int] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., emit_program: _Optional[bool] = ..., sparse: _Optional[bool] = ..., dense_elements: _Optional[int] = ...) -> None: ...

class DifferentiateResponse(_message.Message):
    __slots__ = ("outputs", "derivatives", "findings", "program")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DERIVATIVES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    derivatives: _containers.RepeatedCompositeFieldContainer[_check_pb2.Derivative]
    findings: _containers.RepeatedCompositeFieldContainer[_check_pb2.Finding]
    program: _program_pb2.Program
    def __init__(self, outputs: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., derivatives: _Optional[_Iterable[_Union[_check_pb2.Derivative, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[_check_pb2.Finding, _Mapping]]] = ..., program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("program", "program_blob", "function", "point", "claims", "options", "origin", "counterexample")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    COUNTEREXAMPLE_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    claims: _containers.RepeatedCompositeFieldContainer[_check_pb2.Claim]
    options: _check_pb2.Options
    origin: _check_pb2.Origin
    counterexample: bool
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[_check_pb2.Claim, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., origin: _Optional[_Union[_check_pb2.Origin, _Mapping]] = ..., counterexample: _Optional[bool] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("report", "counterexample")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    COUNTEREXAMPLE_FIELD_NUMBER: _ClassVar[int]
    report: _check_pb2.Report
    counterexample: CheckRequest
    def __init__(self, report: _Optional[_Union[_check_pb2.Report, _Mapping]] = ..., counterexample: _Optional[_Union[CheckRequest, _Mapping]] = ...) -> None: ...

class CheckCase(_message.Message):
    __slots__ = ("name", "function", "point", "claims", "options", "origin")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    claims: _containers.RepeatedCompositeFieldContainer[_check_pb2.Claim]
    options: _check_pb2.Options
    origin: _check_pb2.Origin
    def __init__(self, name: _Optional[str] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[_check_pb2.Claim, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., origin: _Optional[_Union[_check_pb2.Origin, _Mapping]] = ...) -> None: ...

class CheckSuiteRequest(_message.Message):
    __slots__ = ("program", "program_blob", "cases", "options")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    cases: _containers.RepeatedCompositeFieldContainer[CheckCase]
    options: _check_pb2.Options
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., cases: _Optional[_Iterable[_Union[CheckCase, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ...) -> None: ...

class CheckSuiteResponse(_message.Message):
    __slots__ = ("index", "name", "report", "fault")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    index: int
    name: str
    report: _check_pb2.Report
    fault: str
    def __init__(self, index: _Optional[int] = ..., name: _Optional[str] = ..., report: _Optional[_Union[_check_pb2.Report, _Mapping]] = ..., fault: _Optional[str] = ...) -> None: ...

class ProbeInput(_message.Message):
    __slots__ = ("name", "structure")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STRUCTURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    structure: _program_pb2.Structure
    def __init__(self, name: _Optional[str] = ..., structure: _Optional[_Union[_program_pb2.Structure, str]] = ...) -> None: ...

class ProbeStart(_message.Message):
    __slots__ = ("inputs", "point", "claims", "options", "origin")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[ProbeInput]
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    claims: _containers.RepeatedCompositeFieldContainer[_check_pb2.Claim]
    options: _check_pb2.Options
    origin: _check_pb2.Origin
    def __init__(self, inputs: _Optional[_Iterable[_Union[ProbeInput, _Mapping]]] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[_check_pb2.Claim, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., origin: _Optional[_Union[_check_pb2.Origin, _Mapping]] = ...) -> None: ...

class ProbeAnswer(_message.Message):
    __slots__ = ("id", "outputs", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: int
    outputs: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    error: str
    def __init__(self, id: _Optional[int] = ..., outputs: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., error: _Optional[str] = ...) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("start", "answer")
    START_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    start: ProbeStart
    answer: ProbeAnswer
    def __init__(self, start: _Optional[_Union[ProbeStart, _Mapping]] = ..., answer: _Optional[_Union[ProbeAnswer, _Mapping]] = ...) -> None: ...

class ProbeAsk(_message.Message):
    __slots__ = ("id", "subject", "claim", "batch", "points", "seeds")
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    id: int
    subject: ProbeSubject
    claim: int
    batch: int
    points: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    seeds: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    def __init__(self, id: _Optional[int] = ..., subject: _Optional[_Union[ProbeSubject, str]] = ..., claim: _Optional[int] = ..., batch: _Optional[int] = ..., points: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., seeds: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ...) -> None: ...

class ProbeResponse(_message.Message):
    __slots__ = ("ask", "report")
    ASK_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    ask: ProbeAsk
    report: _check_pb2.Report
    def __init__(self, ask: _Optional[_Union[ProbeAsk, _Mapping]] = ..., report: _Optional[_Union[_check_pb2.Report, _Mapping]] = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ("program", "program_blob", "function", "point", "options", "nodes")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    options: _check_pb2.Options
    nodes: bool
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., nodes: _Optional[bool] = ...) -> None: ...

class NodeDescription(_message.Message):
    __slots__ = ("node", "op", "types", "flops", "location")
    NODE_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    node: int
    op: str
    types: _containers.RepeatedScalarFieldContainer[str]
    flops: float
    location: _check_pb2.SourceLocation
    def __init__(self, node: _Optional[int] = ..., op: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., flops: _Optional[float] = ..., location: _Optional[_Union[_check_pb2.SourceLocation, _Mapping]] = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ("text", "nodes", "output_types", "flops", "peak_bytes", "findings", "program_digest", "suppressed")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TYPES_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    text: str
    nodes: _containers.RepeatedCompositeFieldContainer[NodeDescription]
    output_types: _containers.RepeatedScalarFieldContainer[str]
    flops: float
    peak_bytes: int
    findings: _containers.RepeatedCompositeFieldContainer[_check_pb2.Finding]
    program_digest: bytes
    suppressed: int
    def __init__(self, text: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[NodeDescription, _Mapping]]] = ..., output_types: _Optional[_Iterable[str]] = ..., flops: _Optional[float] = ..., peak_bytes: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[_check_pb2.Finding, _Mapping]]] = ..., program_digest: _Optional[bytes] = ..., suppressed: _Optional[int] = ...) -> None: ...

class SamplePointsRequest(_message.Message):
    __slots__ = ("program", "program_blob", "function", "point", "options", "count")
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    function: int
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    options: _check_pb2.Options
    count: int
    def __init__(self, program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., function: _Optional[int] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class SampledPoint(_message.Message):
    __slots__ = ("point",)
    POINT_FIELD_NUMBER: _ClassVar[int]
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    def __init__(self, point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ...) -> None: ...

class SamplePointsResponse(_message.Message):
    __slots__ = ("points", "sides", "sides_seen", "unseen", "findings")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SIDES_FIELD_NUMBER: _ClassVar[int]
    SIDES_SEEN_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[SampledPoint]
    sides: int
    sides_seen: int
    unseen: _containers.RepeatedScalarFieldContainer[str]
    findings: _containers.RepeatedCompositeFieldContainer[_check_pb2.Finding]
    def __init__(self, points: _Optional[_Iterable[_Union[SampledPoint, _Mapping]]] = ..., sides: _Optional[int] = ..., sides_seen: _Optional[int] = ..., unseen: _Optional[_Iterable[str]] = ..., findings: _Optional[_Iterable[_Union[_check_pb2.Finding, _Mapping]]] = ...) -> None: ...
