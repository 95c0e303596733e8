from gradproof_proto.v1 import check_pb2 as _check_pb2
from gradproof_proto.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_QUICK: _ClassVar[Stage]
    STAGE_CHECK: _ClassVar[Stage]
STAGE_UNSPECIFIED: Stage
STAGE_QUICK: Stage
STAGE_CHECK: Stage

class OpenRequest(_message.Message):
    __slots__ = ("hello", "open", "edit", "close", "pull", "cancel")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    PULL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    open: OpenDocument
    edit: EditDocument
    close: CloseDocument
    pull: Pull
    cancel: Cancel
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., open: _Optional[_Union[OpenDocument, _Mapping]] = ..., edit: _Optional[_Union[EditDocument, _Mapping]] = ..., close: _Optional[_Union[CloseDocument, _Mapping]] = ..., pull: _Optional[_Union[Pull, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ...) -> None: ...

class OpenResponse(_message.Message):
    __slots__ = ("welcome", "diagnostics", "pull", "progress", "resync", "draining")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    PULL_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    diagnostics: Diagnostics
    pull: PullAnswer
    progress: Progress
    resync: Resync
    draining: Draining
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., diagnostics: _Optional[_Union[Diagnostics, _Mapping]] = ..., pull: _Optional[_Union[PullAnswer, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., resync: _Optional[_Union[Resync, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("min_protocol", "max_protocol", "client_name", "client_version", "progress", "pull_only")
    MIN_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    MAX_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    CLIENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PULL_ONLY_FIELD_NUMBER: _ClassVar[int]
    min_protocol: int
    max_protocol: int
    client_name: str
    client_version: str
    progress: bool
    pull_only: bool
    def __init__(self, min_protocol: _Optional[int] = ..., max_protocol: _Optional[int] = ..., client_name: _Optional[str] = ..., client_version: _Optional[str] = ..., progress: _Optional[bool] = ..., pull_only: _Optional[bool] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "session_id", "service_version", "op_sets", "op_digest", "limits")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    OP_SETS_FIELD_NUMBER: _ClassVar[int]
    OP_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    session_id: str
    service_version: str
    op_sets: _containers.RepeatedCompositeFieldContainer[_program_pb2.OpSet]
    op_digest: bytes
    limits: SessionLimits
    def __init__(self, protocol: _Optional[int] = ..., session_id: _Optional[str] = ..., service_version: _Optional[str] = ..., op_sets: _Optional[_Iterable[_Union[_program_pb2.OpSet, _Mapping]]] = ..., op_digest: _Optional[bytes] = ..., limits: _Optional[_Union[SessionLimits, _Mapping]] = ...) -> None: ...

class SessionLimits(_message.Message):
    __slots__ = ("documents", "edits", "pulls", "message_bytes", "nodes", "quick_elements", "quick_work")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    PULLS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    QUICK_ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    QUICK_WORK_FIELD_NUMBER: _ClassVar[int]
    documents: int
    edits: int
    pulls: int
    message_bytes: int
    nodes: int
    quick_elements: int
    quick_work: int
    def __init__(self, documents: _Optional[int] = ..., edits: _Optional[int] = ..., pulls: _Optional[int] = ..., message_bytes: _Optional[int] = ..., nodes: _Optional[int] = ..., quick_elements: _Optional[int] = ..., quick_work: _Optional[int] = ...) -> None: ...

class OpenDocument(_message.Message):
    __slots__ = ("uri", "version", "program", "program_blob", "point", "claims", "options", "origin", "depth", "held_results", "numbers", "next_number")
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_BLOB_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    HELD_RESULTS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    uri: str
    version: int
    program: _program_pb2.Program
    program_blob: _program_pb2.BlobRef
    point: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    claims: _containers.RepeatedCompositeFieldContainer[_check_pb2.Claim]
    options: _check_pb2.Options
    origin: _check_pb2.Origin
    depth: Stage
    held_results: _containers.RepeatedScalarFieldContainer[bytes]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    next_number: int
    def __init__(self, uri: _Optional[str] = ..., version: _Optional[int] = ..., program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., program_blob: _Optional[_Union[_program_pb2.BlobRef, _Mapping]] = ..., point: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., claims: _Optional[_Iterable[_Union[_check_pb2.Claim, _Mapping]]] = ..., options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., origin: _Optional[_Union[_check_pb2.Origin, _Mapping]] = ..., depth: _Optional[_Union[Stage, str]] = ..., held_results: _Optional[_Iterable[bytes]] = ..., numbers: _Optional[_Iterable[int]] = ..., next_number: _Optional[int] = ...) -> None: ...

class EditDocument(_message.Message):
    __slots__ = ("uri", "base_version", "version", "edits")
    URI_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    uri: str
    base_version: int
    version: int
    edits: _containers.RepeatedCompositeFieldContainer[Edit]
    def __init__(self, uri: _Optional[str] = ..., base_version: _Optional[int] = ..., version: _Optional[int] = ..., edits: _Optional[_Iterable[_Union[Edit, _Mapping]]] = ...) -> None: ...

class Edit(_message.Message):
    __slots__ = ("add_constant", "add_node", "replace_node", "remove_value", "set_output", "set_input", "set_options", "set_claims", "set_program", "set_origin")
    ADD_CONSTANT_FIELD_NUMBER: _ClassVar[int]
    ADD_NODE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_NODE_FIELD_NUMBER: _ClassVar[int]
    REMOVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    SET_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SET_INPUT_FIELD_NUMBER: _ClassVar[int]
    SET_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SET_CLAIMS_FIELD_NUMBER: _ClassVar[int]
    SET_PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SET_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    add_constant: AddConstant
    add_node: AddNode
    replace_node: ReplaceNode
    remove_value: RemoveValue
    set_output: SetOutput
    set_input: _program_pb2.NamedTensor
    set_options: _check_pb2.Options
    set_claims: ClaimList
    set_program: _program_pb2.Program
    set_origin: _check_pb2.Origin
    def __init__(self, add_constant: _Optional[_Union[AddConstant, _Mapping]] = ..., add_node: _Optional[_Union[AddNode, _Mapping]] = ..., replace_node: _Optional[_Union[ReplaceNode, _Mapping]] = ..., remove_value: _Optional[_Union[RemoveValue, _Mapping]] = ..., set_output: _Optional[_Union[SetOutput, _Mapping]] = ..., set_input: _Optional[_Union[_program_pb2.NamedTensor, _Mapping]] = ..., set_options: _Optional[_Union[_check_pb2.Options, _Mapping]] = ..., set_claims: _Optional[_Union[ClaimList, _Mapping]] = ..., set_program: _Optional[_Union[_program_pb2.Program, _Mapping]] = ..., set_origin: _Optional[_Union[_check_pb2.Origin, _Mapping]] = ...) -> None: ...

class AddConstant(_message.Message):
    __slots__ = ("value", "tensor")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    value: int
    tensor: _program_pb2.Tensor
    def __init__(self, value: _Optional[int] = ..., tensor: _Optional[_Union[_program_pb2.Tensor, _Mapping]] = ...) -> None: ...

class AddNode(_message.Message):
    __slots__ = ("value", "before", "node")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    value: int
    before: int
    node: EditedNode
    def __init__(self, value: _Optional[int] = ..., before: _Optional[int] = ..., node: _Optional[_Union[EditedNode, _Mapping]] = ...) -> None: ...

class ReplaceNode(_message.Message):
    __slots__ = ("value", "node")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    value: int
    node: EditedNode
    def __init__(self, value: _Optional[int] = ..., node: _Optional[_Union[EditedNode, _Mapping]] = ...) -> None: ...

class RemoveValue(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: int
    def __init__(self, value: _Optional[int] = ...) -> None: ...

class SetOutput(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

class EditedNode(_message.Message):
    __slots__ = ("op", "operands", "attrs", "n_out", "location", "name")
    OP_FIELD_NUMBER: _ClassVar[int]
    OPERANDS_FIELD_NUMBER: _ClassVar[int]
    ATTRS_FIELD_NUMBER: _ClassVar[int]
    N_OUT_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    op: str
    operands: _containers.RepeatedScalarFieldContainer[int]
    attrs: _containers.RepeatedCompositeFieldContainer[NamedAttr]
    n_out: int
    location: _check_pb2.SourceLocation
    name: str
    def __init__(self, op: _Optional[str] = ..., operands: _Optional[_Iterable[int]] = ..., attrs: _Optional[_Iterable[_Union[NamedAttr, _Mapping]]] = ..., n_out: _Optional[int] = ..., location: _Optional[_Union[_check_pb2.SourceLocation, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class NamedAttr(_message.Message):
    __slots__ = ("name", "bool_value", "int_value", "double_value", "string_value", "ints", "doubles", "dtype", "function", "functions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INTS_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    bool_value: bool
    int_value: int
    double_value: float
    string_value: str
    ints: _program_pb2.IntList
    doubles: _program_pb2.DoubleList
    dtype: _program_pb2.Dtype
    function: int
    functions: _program_pb2.IndexList
    def __init__(self, name: _Optional[str] = ..., bool_value: _Optional[bool] = ..., int_value: _Optional[int] = ..., double_value: _Optional[float] = ..., string_value: _Optional[str] = ..., ints: _Optional[_Union[_program_pb2.IntList, _Mapping]] = ..., doubles: _Optional[_Union[_program_pb2.DoubleList, _Mapping]] = ..., dtype: _Optional[_Union[_program_pb2.Dtype, str]] = ..., function: _Optional[int] = ..., functions: _Optional[_Union[_program_pb2.IndexList, _Mapping]] = ...) -> None: ...

class ClaimList(_message.Message):
    __slots__ = ("claims",)
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    claims: _containers.RepeatedCompositeFieldContainer[_check_pb2.Claim]
    def __init__(self, claims: _Optional[_Iterable[_Union[_check_pb2.Claim, _Mapping]]] = ...) -> None: ...

class CloseDocument(_message.Message):
    __slots__ = ("uri",)
    URI_FIELD_NUMBER: _ClassVar[int]
    uri: str
    def __init__(self, uri: _Optional[str] = ...) -> None: ...

class Pull(_message.Message):
    __slots__ = ("id", "uri", "stage", "held_results")
    ID_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    HELD_RESULTS_FIELD_NUMBER: _ClassVar[int]
    id: int
    uri: str
    stage: Stage
    held_results: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, id: _Optional[int] = ..., uri: _Optional[str] = ..., stage: _Optional[_Union[Stage, str]] = ..., held_results: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("pull", "uri")
    PULL_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    pull: int
    uri: str
    def __init__(self, pull: _Optional[int] = ..., uri: _Optional[str] = ...) -> None: ...

class Unchanged(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "reason", "message", "field_path")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_PATH_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    field_path: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., field_path: _Optional[str] = ...) -> None: ...

class QuickResult(_message.Message):
    __slots__ = ("outputs", "gradient", "findings", "left_out")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    gradient: _containers.RepeatedCompositeFieldContainer[_program_pb2.NamedTensor]
    findings: _containers.RepeatedCompositeFieldContainer[_check_pb2.Finding]
    left_out: bool
    def __init__(self, outputs: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., gradient: _Optional[_Iterable[_Union[_program_pb2.NamedTensor, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[_check_pb2.Finding, _Mapping]]] = ..., left_out: _Optional[bool] = ...) -> None: ...

class Diagnostics(_message.Message):
    __slots__ = ("uri", "version", "generation", "stage", "result_id", "final", "quick", "report", "unchanged", "failure")
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    QUICK_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    uri: str
    version: int
    generation: int
    stage: Stage
    result_id: bytes
    final: bool
    quick: QuickResult
    report: _check_pb2.Report
    unchanged: Unchanged
    failure: Failure
    def __init__(self, uri: _Optional[str] = ..., version: _Optional[int] = ..., generation: _Optional[int] = ..., stage: _Optional[_Union[Stage, str]] = ..., result_id: _Optional[bytes] = ..., final: _Optional[bool] = ..., quick: _Optional[_Union[QuickResult, _Mapping]] = ..., report: _Optional[_Union[_check_pb2.Report, _Mapping]] = ..., unchanged: _Optional[_Union[Unchanged, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class PullAnswer(_message.Message):
    __slots__ = ("id", "diagnostics", "failure")
    ID_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    id: int
    diagnostics: Diagnostics
    failure: Failure
    def __init__(self, id: _Optional[int] = ..., diagnostics: _Optional[_Union[Diagnostics, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("uri", "version", "generation", "stage", "done", "total")
    URI_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    uri: str
    version: int
    generation: int
    stage: Stage
    done: int
    total: int
    def __init__(self, uri: _Optional[str] = ..., version: _Optional[int] = ..., generation: _Optional[int] = ..., stage: _Optional[_Union[Stage, str]] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Resync(_message.Message):
    __slots__ = ("uri", "have_version", "why")
    URI_FIELD_NUMBER: _ClassVar[int]
    HAVE_VERSION_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    uri: str
    have_version: int
    why: Failure
    def __init__(self, uri: _Optional[str] = ..., have_version: _Optional[int] = ..., why: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("deadline_s",)
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    deadline_s: float
    def __init__(self, deadline_s: _Optional[float] = ...) -> None: ...
