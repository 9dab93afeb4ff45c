"""Differences between a declaration and the camera's pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.camera.camera_picture import NOTHING, Fault, Rows
from cvimake.project import camera_picture
from cvimake.project.model import Variant
from cvimake.project.options import ModelInput

AS_THE_CAMERA = {"keep_aspect_ratio": True, "pad_value": 114}


def inputs(width: int = 640, **values: Any) -> ModelInput:  # noqa: ANN401 - any declared value
    return ModelInput(shapes=[[1, 3, 64, width]], **{**AS_THE_CAMERA, **values})


def variant(**values: Any) -> Variant:  # noqa: ANN401 - the same
    return Variant(**{"fuse_preprocess": True, "customization_format": "RGB_PACKED", **values})


def told(faults: Iterable[Fault]) -> dict[str, str]:
    """What is said of each option."""
    return {fault.key: f"{fault.reason}. {fault.remedy}" for fault in faults}


# Rows


@pytest.mark.parametrize(
    ("width", "aligned", "words"),
    [
        (640, False, None),
        (640, True, None),
        (256, False, None),
        (256, True, None),
        (320, False, None),
        (320, True, "leave aligned_input out"),
        (416, True, None),
        (416, False, "declare aligned_input = true"),
        (224, False, "a width that is a multiple of 64"),
        (224, True, "a width that is a multiple of 64"),
    ],
)
def test_a_row_that_the_network_reads_otherwise_is_a_fault(
    width: int,
    aligned: bool,  # noqa: FBT001
    words: str | None,
) -> None:
    found = told(camera_picture.faults(inputs(width), variant(aligned_input=aligned)))
    assert set(found) == ({"aligned_input"} if words else set())
    if words:
        assert words in found["aligned_input"]
        assert (
            f"at width {width} the camera writes rows of {Rows.of(width).camera} bytes"
            in found["aligned_input"]
        )


@given(st.integers(1, 4096))
def test_the_advice_is_right_wherever_there_is_a_setting(width: int) -> None:
    rows = Rows.of(width)
    right = [
        aligned
        for aligned in (False, True)
        if not list(camera_picture.faults(inputs(width), variant(aligned_input=aligned)))
    ]
    assert bool(right) == rows.readable
    if "declare aligned_input" in rows.advice:
        assert right == [True]
    elif "leave" in rows.advice:
        assert False in right
    else:
        assert right == []


def test_the_width_of_a_network_with_channels_last_is_another_axis() -> None:
    declared = ModelInput(shapes=[[1, 64, 416, 3]], channel_format="nhwc")
    assert "at width 416" in told(camera_picture.faults(declared, variant()))["aligned_input"]


def test_a_shape_that_is_not_declared_is_not_judged() -> None:
    assert list(camera_picture.faults(ModelInput(), variant())) == []
    assert list(camera_picture.by_hand(ModelInput(), variant(aligned_input=True))) == []


# The program that is run by hand


@pytest.mark.parametrize(("width", "told"), [(416, True), (640, False), (320, False), (224, False)])
def test_rows_that_only_the_camera_writes_are_told_of(width: int, told: bool) -> None:  # noqa: FBT001
    found = list(camera_picture.by_hand(inputs(width), variant(aligned_input=True)))
    assert bool(found) == told
    assert all("sscma-model" in text and f"{3 * width}" in text for text in found)
    assert list(camera_picture.by_hand(inputs(width), variant())) == []


# The form


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"fuse_preprocess": None}, "fuse_preprocess"),
        ({"fuse_preprocess": False}, "fuse_preprocess"),
        ({"customization_format": None}, "customization_format"),
        ({"customization_format": "BGR_PACKED"}, "customization_format"),
        ({"customization_format": "RGB_PLANAR"}, "customization_format"),
        ({"customization_format": "YUV_NV12"}, "customization_format"),
    ],
)
def test_anything_but_packed_rgb_bytes_is_a_fault(values: dict[str, Any], key: str) -> None:
    assert set(told(camera_picture.faults(inputs(), variant(**values)))) == {key}


# Calibration and checks


def test_images_that_are_prepared_as_on_the_camera_do_not_differ() -> None:
    assert list(camera_picture.differences(inputs())) == []
    assert list(camera_picture.differences(inputs(pad_type="center", keep_ratio_mode="letterbox"))) == []
    assert list(camera_picture.differences(inputs(resize_dims=[64, 640]))) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"keep_aspect_ratio": False}, "stretch images"),
        ({"pad_value": None}, "pad_value is 0"),
        ({"pad_value": 0}, "from 0.755 to 0.637"),
        ({"pad_value": 128}, "pads with 114"),
        ({"pad_type": "normal"}, "right and below"),
        ({"keep_ratio_mode": "short_side_scale"}, "crop"),
        ({"resize_dims": [100, 700]}, "crop"),
    ],
)
def test_images_prepared_in_another_way_than_the_camera_cause_a_warning(
    values: dict[str, Any], words: str
) -> None:
    (told,) = camera_picture.differences(inputs(**values))
    assert words in told


# Everything together


def test_a_declaration_as_the_camera_has_it_says_nothing() -> None:
    assert camera_picture.declared(inputs(), variant()) == NOTHING


def test_a_declaration_has_its_first_fault_and_all_its_warnings() -> None:
    declared = camera_picture.declared(inputs(224, pad_value=0, pad_type="normal"), variant())
    assert declared.fault is not None
    assert declared.fault.key == "aligned_input"
    assert len(declared.of_input) == 2
    assert declared.warnings == ()
