"""What the camera takes a cvimodel for; the rows are those of the firmware's sources."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake import device
from cvimake.cvimodel import Tensor
from cvimake.device import Recognition

Shape = tuple[int, int, int, int]
GRIDS = (80, 40, 20)
LOCATIONS = 8400


def tensor(shape: Shape, kind: str = "fp32") -> Tensor:
    return Tensor(name="t", shape=shape, type=kind, scale=1.0)


def image(width: int = 640, height: int | None = None, channels: int = 3) -> Shape:
    return (1, channels, height or width, width)


def seen(*outputs: Shape, given: Shape | None = None, kind: str = "fp32") -> Recognition:
    return device.recognise([tensor(given or image())], [tensor(shape, kind) for shape in outputs])


def boxes(channels: int = 64) -> list[Shape]:
    return [(1, channels, grid, grid) for grid in GRIDS]


def classes(count: int = 80) -> list[Shape]:
    return [(1, count, grid, grid) for grid in GRIDS]


def grouped(channels: int = 64, count: int = 80) -> list[Shape]:
    return [*boxes(channels), *classes(count)]


def interleaved(channels: int = 64, count: int = 80) -> list[Shape]:
    return [shape for pair in zip(boxes(channels), classes(count), strict=True) for shape in pair]


# Every kind


@pytest.mark.parametrize(
    ("name", "number", "outputs", "kind"),
    [
        ("FOMO", 1, [(1, 20, 20, 2)], "int8"),
        ("FOMO", 1, [(1, 2, 2, 2)], "int8"),
        ("YOLOv5", 3, [(1, 25200, 85, 1)], "fp32"),
        ("YOLOv5", 3, [(1, 25200, 6, 1)], "int8"),
        ("classifier", 4, [(1, 1000, 1, 1)], "fp32"),
        ("classifier", 4, [(1, 2, 1, 1)], "int8"),
        ("classifier", 4, [(1, 2, 1, 1)], "uint8"),
        ("classifier", 4, [(1, 2, 1, 1)], "uint16"),
        ("YOLOv8", 6, grouped(), "fp32"),
        ("YOLOv8", 6, grouped(count=1), "int8"),
        ("NvidiaDet", 7, [(1, 4, 40, 40), (1, 1, 40, 40)], "fp32"),
        ("YOLO11", 9, interleaved(), "fp32"),
        ("YOLO11", 9, interleaved(), "int8"),
        ("YOLO11", 9, [*interleaved(), (1, 1, 1, 1)], "fp32"),
        ("YOLO11-pose", 10, [(1, 56, LOCATIONS, 1)], "fp32"),
        ("YOLO11-seg", 11, [(1, 116, LOCATIONS, 1), (1, 32, 160, 160)], "fp32"),
        ("YOLO11-seg", 11, [(1, 37, LOCATIONS, 1), (1, 32, 160, 160)], "fp32"),
        ("YOLO26", 14, grouped(4), "fp32"),
        ("YOLO26", 14, interleaved(4), "fp32"),
    ],
)
def test_outputs_are_recognised(name: str, number: int, outputs: Sequence[Shape], kind: str) -> None:
    found = seen(*outputs, kind=kind)
    assert (found.as_, found.type, found.reason) == (name, number, "")


@pytest.mark.parametrize("width", [320, 416, 640])
def test_grids_follow_the_inputs_width(width: int) -> None:
    heads = [
        shape
        for grid in (width // 8, width // 16, width // 32)
        for shape in ((1, 64, grid, grid), (1, 3, grid, grid))
    ]
    assert seen(*heads, given=image(width)).as_ == "YOLO11"
    assert not seen(*heads, given=image(width + 32)).as_


@pytest.mark.parametrize(
    "given",
    [image(), image(channels=1), (1, 640, 640, 3), (1, 640, 640, 1)],
    ids=["rgb", "gray", "packed", "flat"],
)
def test_the_input_is_an_image_planar_or_packed(given: Shape) -> None:
    assert seen(*interleaved(), given=given).as_ == "YOLO11"


# What is refused


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ((2, 3, 640, 640), "batch"),
        ((1, 4, 640, 640), "channels"),
        ((1, 2, 640, 640), "channels"),
        (image(640, 360), "multiple of 32"),
    ],
)
def test_an_input_that_the_camera_cannot_give_is_refused(given: Shape, word: str) -> None:
    found = seen((1, 10, 1, 1), given=given)
    assert (found.as_, found.type) == ("", None)
    assert word in found.reason


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_input(count: int) -> None:
    found = device.recognise([tensor(image())] * count, [tensor((1, 10, 1, 1))])
    assert not found.as_
    assert f"this has {count}" in found.reason


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [(1, 1, 1, 1)],
        [(1, 25200, 5, 1)],
        [(1, 25200, 86, 1)],
        [(1, 25199, 85, 1)],
        [(1, 255, grid, grid) for grid in GRIDS],
        [(1, 300, 6, 1)],
        [(1, LOCATIONS, 85, 1)],
        [(1, 84, LOCATIONS, 1)],
        [(1, 57, LOCATIONS, 1)],
        [(1, 5, LOCATIONS, 1)],
        [(1, 56, 8399, 1)],
        interleaved()[:5],
        interleaved(63),
        interleaved()[::-1],
        [*boxes(), (1, 80, 80, 80), (1, 79, 40, 40), (1, 80, 20, 20)],
        [(1, 4, 40, 40), (1, 1, 20, 20)],
        [(1, 36, LOCATIONS, 1), (1, 32, 160, 160)],
        [(1, 116, LOCATIONS, 1), (1, 31, 160, 160)],
        [(1, 32, 160, 160), (1, 116, LOCATIONS, 1)],
        grouped(5),
    ],
)
def test_other_outputs_are_refused_with_their_shapes(outputs: Sequence[Shape]) -> None:
    found = seen(*outputs)
    assert (found.as_, found.type) == ("", None)
    for shape in outputs:
        assert str(list(shape)) in found.reason


def test_fomo_of_an_image_that_is_not_square_is_refused() -> None:
    found = seen((1, 20, 20, 2), given=image(640, 480), kind="int8")
    assert not found.as_
    assert "640x480" in found.reason


@pytest.mark.parametrize("order", [(64, 80), (80, 64)])
def test_a_detector_of_images_that_are_not_square_is_refused_and_told_why(order: tuple[int, int]) -> None:
    heads = [(1, count, 480 // stride, 640 // stride) for stride in (8, 16, 32) for count in order]
    found = seen(*heads, given=image(640, 480))
    assert not found.as_
    assert "must be square" in found.reason


def test_an_anchor_free_detector_with_one_output_is_told_of_the_six_heads() -> None:
    assert "six heads" in seen((1, 84, LOCATIONS, 1)).reason


def test_raw_yolov5_heads_are_told_of_the_decoded_output() -> None:
    assert "decoded output" in seen(*[(1, 255, grid, grid) for grid in GRIDS]).reason


# Types


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        (interleaved(), "bf16"),
        (grouped(), "bf16"),
        (interleaved(), "uint8"),
        ([(1, 25200, 85, 1)], "bf16"),
        ([(1, 10, 1, 1)], "bf16"),
        ([(1, 56, LOCATIONS, 1)], "int8"),
        ([(1, 116, LOCATIONS, 1), (1, 32, 160, 160)], "int8"),
        ([(1, 20, 20, 2)], "fp32"),
    ],
)
def test_types_that_it_cannot_read_are_refused(outputs: Sequence[Shape], kind: str) -> None:
    found = seen(*outputs, kind=kind)
    assert (found.as_, found.type) == ("", None)
    assert f"cannot read outputs of type {kind}" in found.reason


def test_one_output_of_a_wrong_type_is_enough() -> None:
    outputs = [tensor(shape) for shape in interleaved()[:5]] + [tensor(interleaved()[5], "bf16")]
    assert "bf16" in device.recognise([tensor(image())], outputs).reason


# The first rule wins


def test_the_rules_are_asked_in_the_runtimes_order() -> None:
    assert [kind.type for kind in device.KINDS] == [1, 3, 4, 6, 7, 9, 10, 11, 14]


def test_yolov8_comes_before_yolo11_where_both_fit() -> None:
    same = [(1, 64, grid, grid) for grid in (8, 4, 2)]
    outputs = [same[0], same[1], same[2], same[0], same[1], same[2]]
    assert seen(*outputs, given=image(64)).as_ == "YOLOv8"


def test_sixty_four_box_channels_are_no_yolo26() -> None:
    assert seen(*grouped(4, 64)).as_ == "YOLO26"
    assert seen(*grouped(64, 4)).as_ == "YOLOv8"


# Traps


@pytest.mark.parametrize("count", [4, 7, 10, 13, 52])
def test_a_detector_that_is_taken_for_pose_is_warned_of(count: int) -> None:
    found = seen((1, count + 4, LOCATIONS, 1))
    assert found.as_ == "YOLO11-pose"
    assert any(f"a detector of {count} classes" in warning for warning in found.warnings) == (
        count in {4, 7, 10}
    )


def test_a_segmentation_that_is_taken_for_fomo_is_warned_of() -> None:
    found = seen((1, 640, 640, 21), kind="int8")
    assert found.as_ == "FOMO"
    assert any("semantic segmentation" in warning for warning in found.warnings)


@pytest.mark.parametrize("outputs", [grouped(), interleaved()])
def test_int8_outputs_that_the_firmware_shows_wrong_are_warned_of(outputs: Sequence[Shape]) -> None:
    assert any("firmware fault" in warning for warning in seen(*outputs, kind="int8").warnings)
    assert seen(*outputs, kind="fp32").warnings == ()


@pytest.mark.parametrize("outputs", [[(1, 1000, 1, 1)], interleaved(), [(1, 56, LOCATIONS, 1)]])
def test_what_is_as_it_should_be_is_not_warned_of(outputs: Sequence[Shape]) -> None:
    assert seen(*outputs).warnings == ()


# Whatever comes

NUMBERS = st.one_of(
    st.integers(0, 5),
    st.sampled_from([6, 20, 32, 37, 40, 56, 64, 80, 85, 160, 640, LOCATIONS, 25200]),
    st.integers(0, 2**31),
)
TENSORS = st.lists(
    st.builds(
        tensor,
        st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
        st.sampled_from(["fp32", "bf16", "int8", "uint8", "uint16", "other"]),
    ),
    max_size=8,
)


@given(TENSORS, TENSORS)
def test_any_tensors_are_recognised_or_refused_with_a_reason(
    inputs: list[Tensor], outputs: list[Tensor]
) -> None:
    found = device.recognise(inputs, outputs)
    assert bool(found.as_) == (found.type is not None) == (not found.reason)


@given(TENSORS)
def test_any_outputs_of_an_image_are_recognised_or_refused_with_a_reason(outputs: list[Tensor]) -> None:
    found = device.recognise([tensor(image())], outputs)
    assert bool(found.as_) == (found.type is not None) == (not found.reason)
