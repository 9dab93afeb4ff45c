"""Small TFLite files, written by the FlatBuffers library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np

from cvimake.toolchain.container.tflite_file import OPERATORS, TYPES


@dataclass(frozen=True)
class Tensor:
    """A tensor; a constant where it has data."""

    name: str
    shape: Sequence[int]
    type: str = "FLOAT32"
    data: bytes = b""
    scales: Sequence[float] = ()
    quantisation: bool = True


@dataclass(frozen=True)
class Operator:
    """An operator; `options` are bytes by the number of their field."""

    op: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[int, int] = field(default_factory=dict)
    custom: str = ""


def file(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """A file with one graph."""
    builder = flatbuffers.Builder(1024)
    buffers = [_table(builder, {})]
    made = []
    for tensor in tensors:
        number = 0
        if tensor.data:
            number = len(buffers)
            data = builder.CreateByteVector(tensor.data)
            buffers.append(_table(builder, {0: _offset(builder, data)}))
        made.append(_tensor(builder, tensor, number))
    codes = [_code(builder, one) for one in operators]
    done = [_operator(builder, number, one) for number, one in enumerate(operators)]
    fields = {
        0: _offset(builder, _offsets(builder, made)),
        1: _offset(builder, _numbers(builder, inputs)),
        2: _offset(builder, _numbers(builder, outputs)),
        3: _offset(builder, _offsets(builder, done)),
    }
    graph = _table(builder, fields)
    model = {
        0: lambda slot: builder.PrependUint32Slot(slot, 3, 0),
        1: _offset(builder, _offsets(builder, codes)),
        2: _offset(builder, _offsets(builder, [graph])),
        4: _offset(builder, _offsets(builder, buffers)),
    }
    builder.Finish(_table(builder, model), file_identifier=b"TFL3")
    return bytes(builder.Output())


def floats(count: int, kind: str = "<f4", start: float = 0.0) -> bytes:
    """So many numbers, a quarter apart; all of them have a form in float16."""
    return (start + np.arange(count) / 4).astype(kind).tobytes()


def whole(*numbers: int) -> bytes:
    """Numbers of 32 bits."""
    return np.array(numbers, dtype="<i4").tobytes()


_Slot = Callable[[int], object]


def _table(builder: flatbuffers.Builder, fields: Mapping[int, _Slot]) -> int:
    builder.StartObject(max(fields, default=-1) + 1)
    for number, write in fields.items():
        write(number)
    return int(builder.EndObject())


def _offset(builder: flatbuffers.Builder, place: int) -> _Slot:
    return lambda slot: builder.PrependUOffsetTRelativeSlot(slot, place, 0)


def _byte(builder: flatbuffers.Builder, value: int) -> _Slot:
    return lambda slot: builder.PrependInt8Slot(slot, value, 0)


def _offsets(builder: flatbuffers.Builder, places: Sequence[int]) -> int:
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _numbers(builder: flatbuffers.Builder, numbers: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.array(numbers, dtype=np.int32)))


def _tensor(builder: flatbuffers.Builder, tensor: Tensor, buffer: int) -> int:
    shape, name = _numbers(builder, tensor.shape), builder.CreateString(tensor.name)
    fields: dict[int, _Slot] = {
        0: _offset(builder, shape),
        1: _byte(builder, TYPES.index(tensor.type)),
        2: lambda slot: builder.PrependUint32Slot(slot, buffer, 0),
        3: _offset(builder, name),
    }
    if tensor.quantisation:
        own: dict[int, _Slot] = {}
        if tensor.scales:
            scales = builder.CreateNumpyVector(np.array(tensor.scales, dtype=np.float32))
            points = builder.CreateNumpyVector(np.zeros(len(tensor.scales), dtype=np.int64))
            own = {2: _offset(builder, scales), 3: _offset(builder, points)}
        fields[4] = _offset(builder, _table(builder, own))
    return _table(builder, fields)


def _code(builder: flatbuffers.Builder, one: Operator) -> int:
    code = OPERATORS.index(one.op)
    fields: dict[int, _Slot] = {
        0: _byte(builder, min(code, 127)),
        3: lambda slot: builder.PrependInt32Slot(slot, code, 0),
    }
    if one.custom:
        fields[1] = _offset(builder, builder.CreateString(one.custom))
    return _table(builder, fields)


def _operator(builder: flatbuffers.Builder, code: int, one: Operator) -> int:
    inputs, outputs = _numbers(builder, one.inputs), _numbers(builder, one.outputs)
    fields: dict[int, _Slot] = {
        0: lambda slot: builder.PrependUint32Slot(slot, code, 0),
        1: _offset(builder, inputs),
        2: _offset(builder, outputs),
    }
    if one.options:
        own = {number: _byte(builder, value) for number, value in one.options.items()}
        table = _table(builder, own)
        fields[3] = _byte(builder, 1)
        fields[4] = _offset(builder, table)
    return _table(builder, fields)


def convolution(weights: str = "FLOAT32") -> bytes:
    """A convolution of an image and a MaxPool; weights in float32, or widened from float16."""
    kind = "<f4" if weights == "FLOAT32" else "<f2"
    kernel = Tensor("kernel", [4, 3, 3, 3], weights, floats(4 * 27, kind, -10.0))
    bias = Tensor("bias", [4], weights, floats(4, kind))
    tensors = [Tensor("image", [1, 8, 8, 3]), kernel, bias, Tensor("convolved", [1, 8, 8, 4])]
    tensors += [Tensor("pooled", [1, 4, 4, 4]), Tensor("wide kernel", [4, 3, 3, 3]), Tensor("wide bias", [4])]
    # Padding SAME (0), strides, no activation, dilations.
    options = {0: 0, 1: 1, 2: 1, 3: 0, 4: 1, 5: 1}
    used = (1, 2) if weights == "FLOAT32" else (5, 6)
    operators = [
        Operator("CONV_2D", [0, *used], [3], options),
        Operator("MAX_POOL_2D", [3], [4], {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 0}),
    ]
    if weights != "FLOAT32":
        operators = [Operator("DEQUANTIZE", [1], [5]), Operator("DEQUANTIZE", [2], [6]), *operators]
    return file(tensors, operators, [0], [4])
