"""Reads the graph of a TFLite file in bounded memory and time: a stranger may have written the file.

Only offsets within the file are followed, and only a bounded number of them. Weights are not read. This
module runs on the host and in the container, and needs only the standard library.

Source: `schema.fbs` of TensorFlow Lite (the numbers of fields, types and operators below) and the description
of FlatBuffers' binary format.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FLOAT32, FLOAT16 = 0, 1
TYPES = (
    "FLOAT32", "FLOAT16", "INT32", "UINT8", "INT64", "STRING", "BOOL", "INT16", "COMPLEX64", "INT8",
    "FLOAT64", "COMPLEX128", "UINT64", "RESOURCE", "VARIANT", "UINT32", "UINT16", "INT4", "BFLOAT16",
)  # fmt: skip
CUSTOM = "CUSTOM"
# The operators by their codes.
OPERATORS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", CUSTOM, "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN",
    "SUB", "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN",
    "EXP", "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU",
    "MAXIMUM", "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL",
    "SELECT", "SLICE", "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL",
    "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD",
    "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN",
    "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE",
    "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE",
    "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU", "REVERSE_SEQUENCE",
    "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D", "IMAG", "REAL",
    "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "REDUCE_ALL",
    "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE",
)  # fmt: skip
# No network that a camera can run has more of these.
_MOST_VALUES = 500_000
_LONGEST_NAME = 4096
# The numbers of fields, by table.
_CODES, _SUBGRAPHS, _BUFFERS = 1, 2, 4
_OLD_CODE, _CUSTOM_CODE, _CODE = 0, 1, 3
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = range(4)
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTISATION = range(5)
_SCALE, _ZERO_POINT = 2, 3
_DATA, _DATA_OFFSET = 0, 1
_OPCODE, _OPTIONS = 0, 4


class BrokenError(Exception):
    """The bytes are not a TFLite file."""


class TooManyError(Exception):
    """The graph has more values than any network needs."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor.

    Attributes:
        shape: None if the file does not have it.
        type_place: the offset of the type in the file; 0 if it is left out.
        data: the offset and the length of its data; None if it is computed.
        data_field: the offset of the field that refers to the data.
        is_quantised: whether it has a scale and a zero point.
        has_quantisation: whether there is a table of the quantisation, even an empty one.
    """

    name: str
    shape: tuple[int, ...] | None
    type: str
    type_place: int
    data: tuple[int, int] | None
    data_field: int
    is_quantised: bool
    has_quantisation: bool


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator.

    Attributes:
        op: its name; CUSTOM for one that is not TFLite's own.
        custom: the name of such an operator.
        inputs: the numbers of tensors; -1 for none.
        inputs_place: the offset of these numbers in the file.
        options: the offset of the table of its options; 0 if there is none.
    """

    op: str
    custom: str
    inputs: tuple[int, ...]
    inputs_place: int
    outputs: tuple[int, ...]
    options: int


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The first graph of a file, the one that the toolchain reads.

    Attributes:
        operators_place: the offset of the list of operators in the file.
        graphs: the number of graphs in the file.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    operators_place: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    graphs: int


@dataclass(frozen=True)
class Widening:
    """The change that makes the float16 constants of a graph float32.

    Attributes:
        constants: the numbers of the tensors that are widened.
        replaced: for each tensor that an operator DEQUANTIZE makes of such a constant, the constant's number.
        dropped: these operators.
    """

    constants: frozenset[int]
    replaced: Mapping[int, int]
    dropped: tuple[Operator, ...]


def widening(graph: Graph) -> Widening:
    """Return the constants of a graph that an operator widens from float16, and these operators."""
    dropped = tuple(one for one in graph.operators if _widens(graph, one))
    replaced = {one.outputs[0]: one.inputs[0] for one in dropped}
    return Widening(frozenset(replaced.values()), replaced, dropped)


def _widens(graph: Graph, one: Operator) -> bool:
    if one.op != "DEQUANTIZE" or len(one.inputs) != 1 or len(one.outputs) != 1:
        return False
    source = graph.tensors[one.inputs[0]]
    is_wide = graph.tensors[one.outputs[0]].type == "FLOAT32" and one.outputs[0] not in graph.outputs
    return source.type == "FLOAT16" and bool(source.data_field and source.type_place) and is_wide


class File:
    """The bytes of a TFLite file, and the values at offsets in them."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self.data = data
        self._left = _MOST_VALUES

    def graph(self) -> Graph:
        """Return the first graph.

        Raises:
            BrokenError: the bytes are not a TFLite file.
            TooManyError: the graph is larger than that of any network for a camera.
        """
        try:
            return self._graph()
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise BrokenError from error

    def _graph(self) -> Graph:
        if self.data[4:8] != b"TFL3":
            raise BrokenError
        model = self.number("I", 0)
        graphs = list(self.tables(model, _SUBGRAPHS))
        if not graphs:
            raise BrokenError
        codes = [self._code(table) for table in self.tables(model, _CODES)]
        buffers = list(self.tables(model, _BUFFERS))
        tensors = tuple(self._tensor(table, buffers) for table in self.tables(graphs[0], _TENSORS))
        operators = tuple(self._operator(table, codes) for table in self.tables(graphs[0], _OPERATORS))
        inputs, outputs = (self.numbers(graphs[0], field)[1] for field in (_INPUTS, _OUTPUTS))
        used = [*inputs, *outputs, *(each for one in operators for each in (*one.inputs, *one.outputs))]
        if any(not -1 <= each < len(tensors) for each in used):
            raise BrokenError
        return Graph(
            tensors=tensors,
            operators=operators,
            operators_place=self.place(graphs[0], _OPERATORS),
            inputs=inputs,
            outputs=outputs,
            graphs=len(graphs),
        )

    def _code(self, table: int) -> tuple[str, str]:
        code = max(self.value("b", table, _OLD_CODE), self.value("i", table, _CODE))
        if code < 0:
            raise BrokenError
        return OPERATORS[code] if code < len(OPERATORS) else f"operator {code}", self._text(
            table, _CUSTOM_CODE
        )

    def _tensor(self, table: int, buffers: list[int]) -> Tensor:
        kind = self.value("b", table, _TYPE)
        quantisation = self.place(table, _QUANTISATION)
        data, data_field = self._data(buffers[self.value("I", table, _BUFFER)] if buffers else 0)
        return Tensor(
            name=self._text(table, _NAME),
            shape=self.numbers(table, _SHAPE)[1] if self.place(table, _SHAPE) else None,
            type=TYPES[kind] if 0 <= kind < len(TYPES) else f"type {kind}",
            type_place=self._field(table, _TYPE),
            data=data,
            data_field=data_field,
            is_quantised=bool(quantisation)
            and any(self._length(quantisation, field) for field in (_SCALE, _ZERO_POINT)),
            has_quantisation=bool(quantisation),
        )

    def _data(self, buffer: int) -> tuple[tuple[int, int] | None, int]:
        if not buffer:
            return None, 0
        place = self.place(buffer, _DATA)
        if not place:
            # In a file of more than 2 GB, the weights lie behind the tables.
            far = self.value("Q", buffer, _DATA_OFFSET)
            return ((far, 0) if far > 1 else None), 0
        length = self.number("I", place)
        if place + 4 + length > len(self.data):
            raise BrokenError
        return ((place + 4, length) if length else None), self._field(buffer, _DATA)

    def _operator(self, table: int, codes: list[tuple[str, str]]) -> Operator:
        op, custom = codes[self.value("I", table, _OPCODE)]
        place, inputs = self.numbers(table, _INPUTS)
        return Operator(
            op=op,
            custom=custom,
            inputs=inputs,
            inputs_place=place,
            outputs=self.numbers(table, _OUTPUTS)[1],
            options=self.place(table, _OPTIONS),
        )

    def number(self, kind: str, place: int) -> int:
        """Return the number at an offset; `kind` is a format of the struct module."""
        if place < 0:
            raise BrokenError
        found: int = struct.unpack_from(f"<{kind}", self.data, place)[0]
        return found

    def value(self, kind: str, table: int, field: int) -> int:
        """Return a number in a table; 0 if it is left out."""
        place = self._field(table, field)
        return self.number(kind, place) if place else 0

    def place(self, table: int, field: int) -> int:
        """Return the offset of a table, text or vector that a table refers to; 0 if it is left out."""
        field_place = self._field(table, field)
        return field_place + self.number("I", field_place) if field_place else 0

    def tables(self, table: int, field: int) -> Iterator[int]:
        """Return the offset of each table of a vector."""
        vector = self.place(table, field)
        for number in range(self._counted(vector)):
            place = vector + 4 + 4 * number
            yield place + self.number("I", place)

    def numbers(self, table: int, field: int) -> tuple[int, tuple[int, ...]]:
        """Return the offset of the numbers of a vector, and the numbers."""
        vector = self.place(table, field)
        count = self._counted(vector)
        return vector + 4, struct.unpack_from(f"<{count}i", self.data, vector + 4) if count else ()

    def values_at(self, data: tuple[int, int] | None) -> tuple[int, ...]:
        """Return the numbers of 32 bits that a small constant holds."""
        if data is None:
            return ()
        self._count(data[1] // 4)
        return struct.unpack_from(f"<{data[1] // 4}i", self.data, data[0])

    def _counted(self, vector: int) -> int:
        count = self.number("I", vector) if vector else 0
        self._count(count)
        return count

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooManyError

    def _length(self, table: int, field: int) -> int:
        vector = self.place(table, field)
        return self.number("I", vector) if vector else 0

    def _text(self, table: int, field: int) -> str:
        place = self.place(table, field)
        length = self.number("I", place) if place else 0
        if length > _LONGEST_NAME:
            raise BrokenError
        self._count(length // 32)
        return self.data[place + 4 : place + 4 + length].decode() if length else ""

    def _field(self, table: int, field: int) -> int:
        """Return the offset of a field of a table; 0 if it is left out."""
        fields = table - self.number("i", table)
        slot = 4 + 2 * field
        offset = self.number("H", fields + slot) if slot < self.number("H", fields) else 0
        return table + offset if offset else 0
