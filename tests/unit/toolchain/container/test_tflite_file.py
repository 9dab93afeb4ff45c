from __future__ import annotations

import contextlib
import random
import struct

import pytest
import small_tflite
from hypothesis import given
from hypothesis import strategies as st
from small_tflite import Operator, Tensor

from cvimake.toolchain.container import tflite_file
from cvimake.toolchain.container.tflite_file import BrokenError, File, TooManyError, widening


def test_a_graph_is_read_with_its_tensors_and_operators() -> None:
    graph = File(small_tflite.convolution()).graph()
    assert [one.op for one in graph.operators] == ["CONV_2D", "MAX_POOL_2D"]
    assert [(one.inputs, one.outputs) for one in graph.operators] == [((0, 1, 2), (3,)), ((3,), (4,))]
    image, kernel = graph.tensors[:2]
    assert (image.name, image.shape, image.type, image.data) == ("image", (1, 8, 8, 3), "FLOAT32", None)
    assert kernel.data
    assert kernel.data[1] == 4 * 4 * 27
    assert (graph.inputs, graph.outputs, graph.graphs) == ((0,), (4,), 1)


@pytest.mark.parametrize("op", ["ADD", "PRELU", "GELU", "DYNAMIC_UPDATE_SLICE"])
def test_operators_are_told_by_their_codes(op: str) -> None:
    data = small_tflite.file([Tensor("x", [1]), Tensor("y", [1])], [Operator(op, [0], [1])], [0], [1])
    assert File(data).graph().operators[0].op == op


def test_a_custom_operator_has_its_own_name() -> None:
    one = Operator("CUSTOM", [0], [1], custom="Convolution2DTransposeBias")
    data = small_tflite.file([Tensor("x", [1]), Tensor("y", [1])], [one], [0], [1])
    assert File(data).graph().operators[0].custom == "Convolution2DTransposeBias"


def test_the_constants_that_are_widened_are_found() -> None:
    plan = widening(File(small_tflite.convolution("FLOAT16")).graph())
    assert plan.constants == {1, 2}
    assert plan.replaced == {5: 1, 6: 2}
    assert [one.op for one in plan.dropped] == ["DEQUANTIZE", "DEQUANTIZE"]
    assert not widening(File(small_tflite.convolution()).graph()).dropped


def test_a_graph_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_file, "_MOST_VALUES", 20)
    with pytest.raises(TooManyError):
        File(small_tflite.convolution()).graph()


def test_a_list_that_says_it_is_endless_is_refused_at_once() -> None:
    data = bytearray(small_tflite.convolution())
    place = File(bytes(data)).graph().operators_place
    struct.pack_into("<I", data, place, 0xFFFFFFFF)
    with pytest.raises(TooManyError):
        File(bytes(data)).graph()


def test_a_file_that_is_cut_off_anywhere_is_a_graph_or_broken() -> None:
    data = small_tflite.convolution("FLOAT16")
    for length in range(len(data)):
        with contextlib.suppress(BrokenError, TooManyError):
            File(data[:length]).graph()


@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_file_is_a_graph_or_broken(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(small_tflite.convolution("FLOAT16"))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    with contextlib.suppress(BrokenError, TooManyError):
        File(bytes(data)).graph()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_graph_or_broken(data: bytes) -> None:
    with contextlib.suppress(BrokenError, TooManyError):
        File(data[:4] + b"TFL3" + data[4:]).graph()
