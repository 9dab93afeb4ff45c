from __future__ import annotations

import pytest
from small_networks import Operator, exported, small

from cvimake.project.networks.heads import Image, has_depthwise, heads_of, image_of, last_convolutions

CONVOLUTION: Operator = ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]})
WEIGHTS = {"w": [8, 3, 1, 1], "v": [4, 8, 1, 1], "d": [1, 16, 1, 1]}
IMAGE = Image("images", 1, 3, 640, 640)


@pytest.mark.parametrize(
    ("shape", "is_one"),
    [
        ([1, 3, 64, 32], True),
        ([1, 1, 64, 32], True),
        ([1, 4, 64, 32], False),
        ([1, 64, 32, 3], True),
        ([1, 64, 32, 4], False),
        ([1, 3], False),
    ],
)
def test_an_image_has_one_or_three_channels(shape: list[int], is_one: bool) -> None:  # noqa: FBT001 - a case
    image = image_of(small([("Relu", ["x"], ["y"], {})], ["y"], shape=shape))
    assert (image is not None) == is_one
    if image:
        assert (image.height, image.width) == (64, 32)


def test_the_search_for_last_convolutions_stops_at_each_convolution() -> None:
    operators: list[Operator] = [
        CONVOLUTION, ("Conv", ["c", "v"], ["e"], {"kernel_shape": [1, 1]}), ("Sigmoid", ["e"], ["y"], {})
    ]  # fmt: skip
    network = small(operators, ["y"], weights=WEIGHTS)
    assert last_convolutions(network, ["y"]) == ("e",)


def test_a_shape_is_no_content() -> None:
    operators: list[Operator] = [
        CONVOLUTION, ("Shape", ["c"], ["s"], {}), ("Reshape", ["x", "s"], ["y"], {})
    ]  # fmt: skip
    assert last_convolutions(small(operators, ["y"], weights=WEIGHTS), ["y"]) == ()


@pytest.mark.parametrize(("before", "found"), [("Softmax", "c"), ("Relu", "d")])
def test_the_mean_of_distances_belongs_to_the_decoding(before: str, found: str) -> None:
    operators: list[Operator] = [
        ("Conv", ["x", "w16"], ["c"], {"kernel_shape": [1, 1]}),
        (before, ["c"], ["s"], {}),
        ("Conv", ["s", "d16"], ["d"], {"kernel_shape": [1, 1]}),
    ]
    network = small(operators, ["d"], weights={"w16": [16, 3, 1, 1], "d16": [1, 16, 1, 1]})
    assert last_convolutions(network, ["d"]) == (found,)


def test_heads_are_grouped_and_interleaved() -> None:
    network = exported("yolov8n")
    heads = heads_of(network, IMAGE, last_convolutions(network, network.outputs))
    assert heads
    assert heads.channels == (64, 80)
    assert heads.grouped[:3] == heads.interleaved[::2]
    assert IMAGE.locations == 8400


def test_heads_that_differ_from_grid_to_grid_are_none() -> None:
    network = exported("unknown-uneven-pyramid")
    assert heads_of(network, Image("x", 1, 3, 64, 64), tuple(network.outputs)) is None


def test_a_missing_grid_is_noticed() -> None:
    network = exported("yolov8n")
    tensors = [name for name in last_convolutions(network, network.outputs) if ".2/cv" not in name]
    assert heads_of(network, IMAGE, [name for name in tensors if "cv2.2" not in name]) is None


def test_depthwise_heads_are_told_from_plain_ones() -> None:
    plain, depthwise = exported("yolov8n"), exported("yolo11n")
    assert not has_depthwise(plain, "/model.22/cv3.0/cv3.0.2/Conv_output_0")
    assert has_depthwise(depthwise, "/model.23/cv3.0/cv3.0.2/Conv_output_0")


def test_a_circle_ends() -> None:
    network = small([("Relu", ["b"], ["a"], {}), ("Relu", ["a"], ["b"], {})], ["b"])
    assert last_convolutions(network, ["b"]) == ()
    assert not has_depthwise(network, "b")
