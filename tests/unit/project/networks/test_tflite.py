from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import small_tflite
from small_tflite import Operator, Tensor, floats, whole

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import tflite
from cvimake.project.networks.tflite import Network

IMAGE = Tensor("image", [1, 8, 8, 3])
RESULT = Tensor("result", [1, 8, 8, 3])


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Network]:
    def reading(data: bytes) -> Network:
        (tmp_path / "net.tflite").write_bytes(data)
        return tflite.read(tmp_path / "net.tflite")

    return reading


def single(one: Operator, *more: Tensor) -> bytes:
    """A network of one operator, from `image` (0) to `result` (1)."""
    return small_tflite.file([IMAGE, RESULT, *more], [one], [0], [1])


@pytest.mark.parametrize("weights", ["FLOAT32", "FLOAT16"])
def test_a_network_that_the_tool_reads_has_no_faults(read: Callable[[bytes], Network], weights: str) -> None:
    network = read(small_tflite.convolution(weights))
    assert (network.faults, network.doubts) == ((), ())
    assert network.inputs == (("image", (1, 8, 8, 3)),)
    assert network.planar == (("image", (1, 3, 8, 8)),)
    assert network.outputs == (("pooled", (1, 4, 4, 4)),)
    assert {"convolved", "pooled"} <= network.tensors


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (
            single(Operator("PRELU", [0, 2], [1]), Tensor("slope", [1, 1, 3], data=floats(3))),
            "PRELU (result) is not an operator that tpu_mlir 1.7 reads from TFLite",
        ),
        (
            single(Operator("CUSTOM", [0], [1], custom="Landmarks2Transform")),
            "Landmarks2Transform (result) is a custom operator, which tpu_mlir 1.7 does not read",
        ),
        (single(Operator("ADD", [0, 0], [1], {0: 3})), "ADD (result) is not read with RELU6 in it"),
        (
            single(Operator("MEAN", [0, 2], [1]), Tensor("axes", [1], "INT32", whole(3))),
            "MEAN (result) is only read over height and width",
        ),
        (
            single(
                Operator("RESIZE_NEAREST_NEIGHBOR", [0, 2], [1]), Tensor("size", [2], "INT32", whole(8, 8))
            ),
            "RESIZE_NEAREST_NEIGHBOR (result) is only read with half_pixel_centers",
        ),
        (
            single(Operator("ADD", [0, 2], [1]), Tensor("other", [3], "FLOAT16", floats(3, "<f2"))),
            "ADD's constants of the type FLOAT16 (result) are not read",
        ),
        (
            single(Operator("ADD", [0, 2], [1]), Tensor("other", [3], "INT8", b"\1\2\3", scales=[0.5])),
            tflite.QUANTISED,
        ),
        (
            small_tflite.file(
                [
                    IMAGE,
                    Tensor("result", [1, 10, 8, 3], quantisation=False),
                    Tensor("p", [4, 2], "INT32", whole(*[0] * 8)),
                ],
                [Operator("PAD", [0, 2], [1])],
                [0],
                [1],
            ),
            "PAD (result) is only read if its output has a record of quantisation, even an empty one",
        ),
    ],
)
def test_operators_that_the_tool_cannot_read_are_named(
    read: Callable[[bytes], Network], data: bytes, fault: str
) -> None:
    assert read(data).faults == (fault,)


def test_a_fault_of_many_operators_is_told_once(read: Callable[[bytes], Network]) -> None:
    tensors = [IMAGE, *(Tensor(f"t{number}", [1, 8, 8, 3]) for number in range(5))]
    chain: Sequence[Operator] = [Operator("TANH", [number], [number + 1]) for number in range(5)]
    network = read(small_tflite.file(tensors, chain, [0], [5]))
    assert network.faults == (
        "TANH (t0, t1, t2 and 2 more) is not an operator that tpu_mlir 1.7 reads from TFLite",
    )


def test_an_activation_that_is_read_as_another_is_told(read: Callable[[bytes], Network]) -> None:
    kernel, bias = Tensor("k", [3, 1, 1, 3], data=floats(9)), Tensor("b", [3], data=floats(3))
    network = read(single(Operator("CONV_2D", [0, 2, 3], [1], {1: 1, 2: 1, 3: 3}), kernel, bias))
    assert network.faults == ()
    assert "RELU6 in a convolution (result) is read as RELU" in network.doubts[0]


def test_an_operator_newer_than_the_list_is_told_by_its_number(read: Callable[[bytes], Network]) -> None:
    data = single(Operator("DYNAMIC_UPDATE_SLICE", [0], [1]))
    assert data.count((151).to_bytes(4, "little")) == 1
    network = read(data.replace((151).to_bytes(4, "little"), (205).to_bytes(4, "little")))
    assert network.faults == ("operator 205 (result) is not an operator that tpu_mlir 1.7 reads from TFLite",)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff\xff\xff\x7fTFL3" + b"\xff" * 40])
def test_bytes_that_are_not_tflite_are_refused(read: Callable[[bytes], Network], data: bytes) -> None:
    with pytest.raises(CvimakeError, match="is not a TFLite file, or is damaged or cut off"):
        read(data)
