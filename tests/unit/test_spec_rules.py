from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.spec import rules
from cvimake.spec.model import CalibrationOptions, Model, ModelInput, Variant


def faults(
    inputs: dict[str, Any] | None = None,
    test_input: tuple[str, ...] = ("cat.png",),
    **variant: Any,  # noqa: ANN401 - any value that can be declared
) -> dict[str, str]:
    """What is wrong with a variant, by key."""
    values: dict[str, Any] = {"quantize": "INT8", **variant}
    return dict(rules.variant_faults(ModelInput(**inputs or {}), Variant(**values), test_input))


# How it is quantised


@pytest.mark.parametrize("quantize", ["F16", "BF16", "INT8"])
def test_a_variant_that_says_how_it_is_quantised_is_right(quantize: str) -> None:
    assert faults(quantize=quantize) == {}


def test_a_variant_that_does_not_say_how_it_is_quantised_is_refused() -> None:
    assert faults(quantize=None) == {"quantize": "is missing: F16, BF16 or INT8"}


@pytest.mark.parametrize("quantize", ["F16", "BF16"])
@pytest.mark.parametrize("key", ["qtable", "calibration_table"])
def test_tables_have_no_use_where_every_layer_is_float(quantize: str, key: str) -> None:
    table: dict[str, Any] = {key: "table"}
    assert set(faults(quantize=quantize, **table)) == {key}
    assert faults(quantize="INT8", **table) == {}


def test_a_qtable_search_has_no_use_where_every_layer_is_float() -> None:
    assert set(faults(quantize="BF16", qtable={})) == {"qtable"}


# Preprocessing


@pytest.mark.parametrize(("key", "value"), [("customization_format", "RGB_PACKED"), ("aligned_input", True)])
@pytest.mark.parametrize("fuse", [None, False])
def test_what_belongs_to_fused_preprocessing_needs_it(key: str, value: object, fuse: bool | None) -> None:  # noqa: FBT001
    values: dict[str, Any] = {key: value, "fuse_preprocess": fuse}
    assert faults(**values) == {key: "needs fuse_preprocess = true"}


@pytest.mark.parametrize("file", ["cat.png", "cat.jpg", "cat.jpeg"])
def test_fused_preprocessing_takes_one_image(file: str) -> None:
    assert faults(test_input=(file,), fuse_preprocess=True) == {}


@pytest.mark.parametrize("files", [("cat.npz",), ("cat.npy",), ("a.png", "b.png"), ("cat",)])
def test_fused_preprocessing_takes_nothing_but_one_image(files: tuple[str, ...]) -> None:
    assert set(faults(test_input=files, fuse_preprocess=True)) == {"fuse_preprocess"}
    assert faults(test_input=files) == {}


@pytest.mark.parametrize("pixel_format", ["rgba", "gbrg", "grbg", "bggr", "rggb"])
def test_a_format_that_the_tool_cannot_derive_has_to_be_said(pixel_format: str) -> None:
    inputs = {"pixel_format": pixel_format}
    found = faults(inputs, fuse_preprocess=True)
    assert set(found) == {"customization_format"}
    suggested = found["customization_format"].split()[-1]
    assert faults(inputs, fuse_preprocess=True, customization_format=suggested) == {}


@pytest.mark.parametrize("pixel_format", ["rgb", "bgr", "gray", None])
def test_a_format_that_the_tool_derives_need_not_be_said(pixel_format: str | None) -> None:
    assert faults({"pixel_format": pixel_format}, fuse_preprocess=True) == {}


# Alignment


def alignment(width: int, image_format: str = "RGB_PACKED", **inputs: object) -> dict[str, str]:
    inputs = {"shapes": [[1, 3, 64, width]], **inputs}
    return faults(inputs, fuse_preprocess=True, aligned_input=True, customization_format=image_format)


@pytest.mark.parametrize("width", [256, 384, 416, 640])
@pytest.mark.parametrize("image_format", ["RGB_PACKED", "BGR_PACKED"])
def test_aligned_packed_rows_of_these_widths_work(width: int, image_format: str) -> None:
    assert alignment(width, image_format) == {}


@pytest.mark.parametrize("width", [224, 320])
@pytest.mark.parametrize("image_format", ["RGB_PACKED", "BGR_PACKED"])
def test_aligned_packed_rows_of_these_widths_are_refused_with_other_widths(
    width: int, image_format: str
) -> None:
    found = alignment(width, image_format)
    assert set(found) == {"aligned_input"}
    for word in (f"width {width}", "Leave aligned_input out", "416"):
        assert word in found["aligned_input"]


def test_the_numbers_are_those_that_were_seen() -> None:
    assert "960 bytes to 960, the compiled network to 1024" in alignment(320)["aligned_input"]


@given(st.integers(1, 4096))
def test_a_width_is_refused_exactly_where_tool_and_hardware_pad_differently(width: int) -> None:
    row = 3 * width
    assert bool(alignment(width)) == (row + -row % 64 != row + -row % 128)


@pytest.mark.parametrize("image_format", ["RGB_PLANAR", "YUV_NV12", "GRAYSCALE"])
def test_planar_rows_are_not_concerned(image_format: str) -> None:
    assert alignment(320, image_format) == {}


def test_the_width_is_where_the_channels_format_puts_it() -> None:
    assert alignment(0, shapes=[[1, 64, 640, 3]], channel_format="nhwc") == {}
    assert set(alignment(0, shapes=[[1, 640, 320, 3]], channel_format="nhwc")) == {"aligned_input"}


def test_an_unknown_width_is_left_to_the_tool() -> None:
    assert alignment(320, shapes=None) == {}


def test_without_alignment_every_width_works() -> None:
    inputs = {"shapes": [[1, 3, 64, 320]]}
    assert faults(inputs, fuse_preprocess=True, customization_format="RGB_PACKED") == {}


def test_all_faults_of_a_variant_are_told() -> None:
    found = faults(quantize="BF16", qtable={}, customization_format="RGB_PACKED", aligned_input=True)
    assert set(found) == {"qtable", "customization_format", "aligned_input"}


# The input


@pytest.mark.parametrize(
    ("pixel_format", "channels"), [("rgb", 3), ("bgr", 3), (None, 3), ("gray", 1), ("rgba", 4)]
)
@pytest.mark.parametrize("key", ["mean", "scale"])
def test_there_is_one_mean_and_scale_for_each_channel(
    pixel_format: str | None, channels: int, key: str
) -> None:
    def found(count: int) -> list[str]:
        values: dict[str, Any] = {"pixel_format": pixel_format, key: [1.0] * count}
        return [name for name, _what in rules.input_faults(ModelInput(**values))]

    assert [count for count in range(6) if not found(count)] == [channels]
    assert found(5) == [key]


def test_there_is_one_type_for_each_shape() -> None:
    shapes = [[1, 3], [1, 2]]
    assert not list(rules.input_faults(ModelInput(shapes=shapes, types=["float32", "int32"])))
    assert [key for key, _what in rules.input_faults(ModelInput(shapes=shapes, types=["float32"]))] == [
        "types"
    ]


# The source


def source(name: str, weights: str | None = None) -> set[str]:
    model = Model(source=name, weights=weights, verify={"input": "a"}, variant={"a": {}})  # type: ignore[arg-type, dict-item]
    return {key for key, _what in rules.source_faults(model)}


@pytest.mark.parametrize("name", ["net.onnx", "export/net.tflite", "net.pt"])
def test_a_source_is_a_file_that_the_toolchain_reads(name: str) -> None:
    assert source(name) == set()


@pytest.mark.parametrize("name", ["net.pdmodel", "net", "net.mlir", "net.h5"])
def test_another_source_is_refused(name: str) -> None:
    assert source(name) == {"source"}


def test_a_caffe_network_is_two_files_and_no_other_is() -> None:
    assert source("net.prototxt", "net.caffemodel") == set()
    assert source("net.prototxt") == {"weights"}
    assert source("net.onnx", "net.caffemodel") == {"weights"}


# Calibration


def test_only_int8_without_a_table_of_its_own_reads_the_calibration() -> None:
    assert rules.needs_calibration(Variant(quantize="INT8"))
    assert not rules.needs_calibration(Variant(quantize="INT8", calibration_table="mine"))
    assert not rules.needs_calibration(Variant(quantize="BF16"))


def test_samples_are_a_dataset_or_a_list() -> None:
    assert rules.has_samples(CalibrationOptions(dataset="a"))
    assert rules.has_samples(CalibrationOptions(data_list="a"))
    assert not rules.has_samples(CalibrationOptions(input_num=5))
