from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DTYPE_UNSPECIFIED: _ClassVar[Dtype]
    DTYPE_F64: _ClassVar[Dtype]
    DTYPE_F32: _ClassVar[Dtype]
    DTYPE_F16: _ClassVar[Dtype]
    DTYPE_BF16: _ClassVar[Dtype]
    DTYPE_C128: _ClassVar[Dtype]
    DTYPE_C64: _ClassVar[Dtype]
    DTYPE_I64: _ClassVar[Dtype]
    DTYPE_I32: _ClassVar[Dtype]
    DTYPE_I16: _ClassVar[Dtype]
    DTYPE_I8: _ClassVar[Dtype]
    DTYPE_U64: _ClassVar[Dtype]
    DTYPE_U32: _ClassVar[Dtype]
    DTYPE_U16: _ClassVar[Dtype]
    DTYPE_U8: _ClassVar[Dtype]
    DTYPE_BOOL: _ClassVar[Dtype]

class Structure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STRUCTURE_UNSPECIFIED: _ClassVar[Structure]
    STRUCTURE_NONE: _ClassVar[Structure]
    STRUCTURE_SYMMETRIC: _ClassVar[Structure]
    STRUCTURE_HERMITIAN: _ClassVar[Structure]
    STRUCTURE_LOWER: _ClassVar[Structure]
    STRUCTURE_UPPER: _ClassVar[Structure]
    STRUCTURE_SPD: _ClassVar[Structure]
    STRUCTURE_POSITIVE: _ClassVar[Structure]
    STRUCTURE_SIMPLEX: _ClassVar[Structure]
    STRUCTURE_ORTHOGONAL: _ClassVar[Structure]
    STRUCTURE_INTEGER_VALUED: _ClassVar[Structure]

class RuleKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_KIND_UNSPECIFIED: _ClassVar[RuleKind]
    RULE_KIND_JVP: _ClassVar[RuleKind]
    RULE_KIND_VJP: _ClassVar[RuleKind]
    RULE_KIND_FORWARD_BACKWARD: _ClassVar[RuleKind]
DTYPE_UNSPECIFIED: Dtype
DTYPE_F64: Dtype
DTYPE_F32: Dtype
DTYPE_F16: Dtype
DTYPE_BF16: Dtype
DTYPE_C128: Dtype
DTYPE_C64: Dtype
DTYPE_I64: Dtype
DTYPE_I32: Dtype
DTYPE_I16: Dtype
DTYPE_I8: Dtype
DTYPE_U64: Dtype
DTYPE_U32: Dtype
DTYPE_U16: Dtype
DTYPE_U8: Dtype
DTYPE_BOOL: Dtype
STRUCTURE_UNSPECIFIED: Structure
STRUCTURE_NONE: Structure
STRUCTURE_SYMMETRIC: Structure
STRUCTURE_HERMITIAN: Structure
STRUCTURE_LOWER: Structure
STRUCTURE_UPPER: Structure
STRUCTURE_SPD: Structure
STRUCTURE_POSITIVE: Structure
STRUCTURE_SIMPLEX: Structure
STRUCTURE_ORTHOGONAL: Structure
STRUCTURE_INTEGER_VALUED: Structure
RULE_KIND_UNSPECIFIED: RuleKind
RULE_KIND_JVP: RuleKind
RULE_KIND_VJP: RuleKind
RULE_KIND_FORWARD_BACKWARD: RuleKind

class OpSet(_message.Message):
    __slots__ = ("namespace", "version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    version: int
    def __init__(self, namespace: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("format", "min_reader", "producer", "producer_version", "op_sets")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MIN_READER_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_VERSION_FIELD_NUMBER: _ClassVar[int]
    OP_SETS_FIELD_NUMBER: _ClassVar[int]
    format: int
    min_reader: int
    producer: str
    producer_version: str
    op_sets: _containers.RepeatedCompositeFieldContainer[OpSet]
    def __init__(self, format: _Optional[int] = ..., min_reader: _Optional[int] = ..., producer: _Optional[str] = ..., producer_version: _Optional[str] = ..., op_sets: _Optional[_Iterable[_Union[OpSet, _Mapping]]] = ...) -> None: ...

class Dim(_message.Message):
    __slots__ = ("size", "symbol")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    size: int
    symbol: int
    def __init__(self, size: _Optional[int] = ..., symbol: _Optional[int] = ...) -> None: ...

class Type(_message.Message):
    __slots__ = ("dtype", "shape", "rank_unknown", "structure")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    RANK_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    STRUCTURE_FIELD_NUMBER: _ClassVar[int]
    dtype: Dtype
    shape: _containers.RepeatedCompositeFieldContainer[Dim]
    rank_unknown: bool
    structure: Structure
    def __init__(self, dtype: _Optional[_Union[Dtype, str]] = ..., shape: _Optional[_Iterable[_Union[Dim, _Mapping]]] = ..., rank_unknown: _Optional[bool] = ..., structure: _Optional[_Union[Structure, str]] = ...) -> None: ...

class BlobRef(_message.Message):
    __slots__ = ("sha256", "size_bytes", "offset_bytes")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    size_bytes: int
    offset_bytes: int
    def __init__(self, sha256: _Optional[bytes] = ..., size_bytes: _Optional[int] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("dtype", "shape", "data", "blob")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    dtype: Dtype
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    blob: BlobRef
    def __init__(self, dtype: _Optional[_Union[Dtype, str]] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ..., blob: _Optional[_Union[BlobRef, _Mapping]] = ...) -> None: ...

class NamedTensor(_message.Message):
    __slots__ = ("name", "tensor")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    tensor: Tensor
    def __init__(self, name: _Optional[str] = ..., tensor: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...

class IntList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class DoubleList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class IndexList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class Attr(_message.Message):
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
    name: int
    bool_value: bool
    int_value: int
    double_value: float
    string_value: str
    ints: IntList
    doubles: DoubleList
    dtype: Dtype
    function: int
    functions: IndexList
    def __init__(self, name: _Optional[int] = ..., bool_value: _Optional[bool] = ..., int_value: _Optional[int] = ..., double_value: _Optional[float] = ..., string_value: _Optional[str] = ..., ints: _Optional[_Union[IntList, _Mapping]] = ..., doubles: _Optional[_Union[DoubleList, _Mapping]] = ..., dtype: _Optional[_Union[Dtype, str]] = ..., function: _Optional[int] = ..., functions: _Optional[_Union[IndexList, _Mapping]] = ...) -> None: ...

class AttrSet(_message.Message):
    __slots__ = ("attrs",)
    ATTRS_FIELD_NUMBER: _ClassVar[int]
    attrs: _containers.RepeatedCompositeFieldContainer[Attr]
    def __init__(self, attrs: _Optional[_Iterable[_Union[Attr, _Mapping]]] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("file", "line", "column", "end_line", "end_column", "scope", "caller", "source_node")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    END_LINE_FIELD_NUMBER: _ClassVar[int]
    END_COLUMN_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NODE_FIELD_NUMBER: _ClassVar[int]
    file: int
    line: int
    column: int
    end_line: int
    end_column: int
    scope: int
    caller: int
    source_node: int
    def __init__(self, file: _Optional[int] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., end_line: _Optional[int] = ..., end_column: _Optional[int] = ..., scope: _Optional[int] = ..., caller: _Optional[int] = ..., source_node: _Optional[int] = ...) -> None: ...

class Constant(_message.Message):
    __slots__ = ("type", "data", "blob", "splat")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    SPLAT_FIELD_NUMBER: _ClassVar[int]
    type: int
    data: bytes
    blob: BlobRef
    splat: bytes
    def __init__(self, type: _Optional[int] = ..., data: _Optional[bytes] = ..., blob: _Optional[_Union[BlobRef, _Mapping]] = ..., splat: _Optional[bytes] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("kind", "function", "forward_function", "nondiff_inputs", "claimed_only", "surrogate", "location")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    NONDIFF_INPUTS_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_ONLY_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    kind: RuleKind
    function: int
    forward_function: int
    nondiff_inputs: _containers.RepeatedScalarFieldContainer[int]
    claimed_only: bool
    surrogate: bool
    location: int
    def __init__(self, kind: _Optional[_Union[RuleKind, str]] = ..., function: _Optional[int] = ..., forward_function: _Optional[int] = ..., nondiff_inputs: _Optional[_Iterable[int]] = ..., claimed_only: _Optional[bool] = ..., surrogate: _Optional[bool] = ..., location: _Optional[int] = ...) -> None: ...

class Function(_message.Message):
    __slots__ = ("name", "input_types", "input_names", "constants", "op", "arity", "operand", "n_out", "attr", "loc", "node_name", "out_type", "outputs", "output_names", "rules")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPES_FIELD_NUMBER: _ClassVar[int]
    INPUT_NAMES_FIELD_NUMBER: _ClassVar[int]
    CONSTANTS_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    ARITY_FIELD_NUMBER: _ClassVar[int]
    OPERAND_FIELD_NUMBER: _ClassVar[int]
    N_OUT_FIELD_NUMBER: _ClassVar[int]
    ATTR_FIELD_NUMBER: _ClassVar[int]
    LOC_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    OUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_NAMES_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    name: int
    input_types: _containers.RepeatedScalarFieldContainer[int]
    input_names: _containers.RepeatedScalarFieldContainer[int]
    constants: _containers.RepeatedScalarFieldContainer[int]
    op: _containers.RepeatedScalarFieldContainer[int]
    arity: _containers.RepeatedScalarFieldContainer[int]
    operand: _containers.RepeatedScalarFieldContainer[int]
    n_out: _containers.RepeatedScalarFieldContainer[int]
    attr: _containers.RepeatedScalarFieldContainer[int]
    loc: _containers.RepeatedScalarFieldContainer[int]
    node_name: _containers.RepeatedScalarFieldContainer[int]
    out_type: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedScalarFieldContainer[int]
    output_names: _containers.RepeatedScalarFieldContainer[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    def __init__(self, name: _Optional[int] = ..., input_types: _Optional[_Iterable[int]] = ..., input_names: _Optional[_Iterable[int]] = ..., constants: _Optional[_Iterable[int]] = ..., op: _Optional[_Iterable[int]] = ..., arity: _Optional[_Iterable[int]] = ..., operand: _Optional[_Iterable[int]] = ..., n_out: _Optional[_Iterable[int]] = ..., attr: _Optional[_Iterable[int]] = ..., loc: _Optional[_Iterable[int]] = ..., node_name: _Optional[_Iterable[int]] = ..., out_type: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[int]] = ..., output_names: _Optional[_Iterable[int]] = ..., rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ...) -> None: ...

class MetadataEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("version", "strings", "op_table", "types", "attrs", "locations", "constants", "functions", "entry", "metadata")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    OP_TABLE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ATTRS_FIELD_NUMBER: _ClassVar[int]
    LOCATIONS_FIELD_NUMBER: _ClassVar[int]
    CONSTANTS_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    version: Version
    strings: _containers.RepeatedScalarFieldContainer[str]
    op_table: _containers.RepeatedScalarFieldContainer[int]
    types: _containers.RepeatedCompositeFieldContainer[Type]
    attrs: _containers.RepeatedCompositeFieldContainer[AttrSet]
    locations: _containers.RepeatedCompositeFieldContainer[Location]
    constants: _containers.RepeatedCompositeFieldContainer[Constant]
    functions: _containers.RepeatedCompositeFieldContainer[Function]
    entry: int
    metadata: _containers.RepeatedCompositeFieldContainer[MetadataEntry]
    def __init__(self, version: _Optional[_Union[Version, _Mapping]] = ..., strings: _Optional[_Iterable[str]] = ..., op_table: _Optional[_Iterable[int]] = ..., types: _Optional[_Iterable[_Union[Type, _Mapping]]] = ..., attrs: _Optional[_Iterable[_Union[AttrSet, _Mapping]]] = ..., locations: _Optional[_Iterable[_Union[Location, _Mapping]]] = ..., constants: _Optional[_Iterable[_Union[Constant, _Mapping]]] = ..., functions: _Optional[_Iterable[_Union[Function, _Mapping]]] = ..., entry: _Optional[int] = ..., metadata: _Optional[_Iterable[_Union[MetadataEntry, _Mapping]]] = ...) -> None: ...
