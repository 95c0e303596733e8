from gradproof_proto.v1 import check_pb2 as _check_pb2
from gradproof_proto.v1 import program_pb2 as _program_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttrDescription(_message.Message):
    __slots__ = ("name", "kind", "default_text", "meaning")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TEXT_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    default_text: str
    meaning: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., default_text: _Optional[str] = ..., meaning: _Optional[str] = ...) -> None: ...

class OpDescription(_message.Message):
    __slots__ = ("name", "since", "family", "tier", "meaning", "formula", "source", "attrs", "min_arity", "max_arity", "domain", "kinks", "at_kink", "linear_inputs", "analytic", "differentiable_inputs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ATTRS_FIELD_NUMBER: _ClassVar[int]
    MIN_ARITY_FIELD_NUMBER: _ClassVar[int]
    MAX_ARITY_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    KINKS_FIELD_NUMBER: _ClassVar[int]
    AT_KINK_FIELD_NUMBER: _ClassVar[int]
    LINEAR_INPUTS_FIELD_NUMBER: _ClassVar[int]
    ANALYTIC_FIELD_NUMBER: _ClassVar[int]
    DIFFERENTIABLE_INPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    since: int
    family: str
    tier: int
    meaning: str
    formula: str
    source: str
    attrs: _containers.RepeatedCompositeFieldContainer[AttrDescription]
    min_arity: int
    max_arity: int
    domain: _containers.RepeatedScalarFieldContainer[str]
    kinks: _containers.RepeatedScalarFieldContainer[str]
    at_kink: str
    linear_inputs: _containers.RepeatedScalarFieldContainer[int]
    analytic: bool
    differentiable_inputs: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., since: _Optional[int] = ..., family: _Optional[str] = ..., tier: _Optional[int] = ..., meaning: _Optional[str] = ..., formula: _Optional[str] = ..., source: _Optional[str] = ..., attrs: _Optional[_Iterable[_Union[AttrDescription, _Mapping]]] = ..., min_arity: _Optional[int] = ..., max_arity: _Optional[int] = ..., domain: _Optional[_Iterable[str]] = ..., kinks: _Optional[_Iterable[str]] = ..., at_kink: _Optional[str] = ..., linear_inputs: _Optional[_Iterable[int]] = ..., analytic: _Optional[bool] = ..., differentiable_inputs: _Optional[_Iterable[int]] = ...) -> None: ...

class ListOpsRequest(_message.Message):
    __slots__ = ("family",)
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    family: str
    def __init__(self, family: _Optional[str] = ...) -> None: ...

class ListOpsResponse(_message.Message):
    __slots__ = ("ops", "op_sets")
    OPS_FIELD_NUMBER: _ClassVar[int]
    OP_SETS_FIELD_NUMBER: _ClassVar[int]
    ops: _containers.RepeatedCompositeFieldContainer[OpDescription]
    op_sets: _containers.RepeatedCompositeFieldContainer[_program_pb2.OpSet]
    def __init__(self, ops: _Optional[_Iterable[_Union[OpDescription, _Mapping]]] = ..., op_sets: _Optional[_Iterable[_Union[_program_pb2.OpSet, _Mapping]]] = ...) -> None: ...

class FindingDescription(_message.Message):
    __slots__ = ("code", "name", "severity", "meaning", "mend", "from_graph", "at_point")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    MEND_FIELD_NUMBER: _ClassVar[int]
    FROM_GRAPH_FIELD_NUMBER: _ClassVar[int]
    AT_POINT_FIELD_NUMBER: _ClassVar[int]
    code: str
    name: str
    severity: _check_pb2.Severity
    meaning: str
    mend: str
    from_graph: bool
    at_point: bool
    def __init__(self, code: _Optional[str] = ..., name: _Optional[str] = ..., severity: _Optional[_Union[_check_pb2.Severity, str]] = ..., meaning: _Optional[str] = ..., mend: _Optional[str] = ..., from_graph: _Optional[bool] = ..., at_point: _Optional[bool] = ...) -> None: ...

class ListFindingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFindingsResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[FindingDescription]
    def __init__(self, findings: _Optional[_Iterable[_Union[FindingDescription, _Mapping]]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: str
    def __init__(self, subject: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("markdown", "op", "finding")
    MARKDOWN_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    markdown: str
    op: OpDescription
    finding: FindingDescription
    def __init__(self, markdown: _Optional[str] = ..., op: _Optional[_Union[OpDescription, _Mapping]] = ..., finding: _Optional[_Union[FindingDescription, _Mapping]] = ...) -> None: ...
