from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cvimake.project import rules
from cvimake.project.model import Model, Variant
from cvimake.project.options import RAW, CalibrationOptions, CustomizationFormat, ModelInput, ModelOutput


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
def test_options_of_fused_preprocessing_require_it(key: str, value: object, fuse: bool | None) -> None:  # noqa: FBT001
    values: dict[str, Any] = {key: value, "fuse_preprocess": fuse}
    assert faults(**values) == {key: "needs fuse_preprocess = true"}


@pytest.mark.parametrize("file", ["cat.png", "cat.jpg", "cat.jpeg"])
def test_fused_preprocessing_takes_one_image(file: str) -> None:
    assert faults(test_input=(file,), fuse_preprocess=True) == {}


@pytest.mark.parametrize("files", [("cat.npz",), ("cat.npy",), ("a.png", "b.png"), ("cat",)])
def test_fused_preprocessing_takes_nothing_but_one_image(files: tuple[str, ...]) -> None:
    assert set(faults(test_input=files, fuse_preprocess=True)) == {"fuse_preprocess"}
    assert faults(test_input=files) == {}


def test_a_format_that_the_tool_cannot_derive_has_to_be_said() -> None:
    inputs = {"pixel_format": "rgba"}
    found = faults(inputs, (), fuse_preprocess=True)
    assert set(found) == {"customization_format"}
    suggested = found["customization_format"].split()[-1]
    assert faults(inputs, (), fuse_preprocess=True, customization_format=suggested) == {}


def test_rgba_is_fused_without_the_checks_alone() -> None:
    options: dict[str, Any] = {"fuse_preprocess": True, "customization_format": "RGBA_PLANAR"}
    found = faults({"pixel_format": "rgba"}, **options)
    assert set(found) == {"fuse_preprocess"}
    assert "test_input = []" in found["fuse_preprocess"]


@pytest.mark.parametrize("pixel_format", sorted(RAW))
def test_raw_images_are_not_fused_and_are_always_checked(pixel_format: str) -> None:
    assert faults({"pixel_format": pixel_format}) == {}
    assert set(faults({"pixel_format": pixel_format}, ())) == {"test_input"}
    assert set(faults({"pixel_format": pixel_format}, fuse_preprocess=True)) == {"fuse_preprocess"}
    image_format = f"{pixel_format.upper()}_RAW"
    found = faults({}, fuse_preprocess=True, customization_format=image_format)
    assert found == {
        "customization_format": f"{image_format} does not work: "
        "the compiler has no raw input for these processors"
    }


@pytest.mark.parametrize("channel_format", ["nhwc", "none"])
def test_preprocessing_is_fused_where_channels_come_first(channel_format: str) -> None:
    assert set(faults({"channel_format": channel_format}, fuse_preprocess=True)) == {"fuse_preprocess"}
    assert faults({"channel_format": "nchw"}, fuse_preprocess=True) == {}


@pytest.mark.parametrize(
    ("pixel_format", "fitting"),
    [
        ("gray", {"GRAYSCALE"}),
        ("rgba", {"RGBA_PLANAR"}),
        *[
            (pixel_format, {"RGB_PLANAR", "RGB_PACKED", "BGR_PLANAR", "BGR_PACKED", "YUV420_PLANAR",
                            "YUV_NV12", "YUV_NV21"})
            for pixel_format in ("rgb", "bgr", None)
        ],
    ],
)  # fmt: skip
def test_the_cameras_image_has_the_networks_channels(pixel_format: str | None, fitting: set[str]) -> None:
    def fits(image_format: str) -> bool:
        inputs = {"pixel_format": pixel_format}
        return not faults(inputs, (), fuse_preprocess=True, customization_format=image_format)

    assert set(filter(fits, get_args(CustomizationFormat))) == fitting


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
def test_aligned_packed_rows_of_these_widths_are_refused_with_a_remedy(width: int, image_format: str) -> None:
    found = alignment(width, image_format)
    assert set(found) == {"aligned_input"}
    remedy = "leave aligned_input out" if width == 320 else "a width that is a multiple of 64"
    for word in (f"width {width}", remedy):
        assert word in found["aligned_input"]


def test_the_numbers_are_those_that_were_seen() -> None:
    words = "960 bytes to 960, as the camera does, but the compiled network reads rows of 1024"
    assert words in alignment(320)["aligned_input"]


@given(st.integers(1, 4096))
def test_a_width_is_refused_exactly_where_tool_and_hardware_pad_differently(width: int) -> None:
    row = 3 * width
    assert bool(alignment(width)) == (row + -row % 64 != row + -row % 128)


@pytest.mark.parametrize("image_format", ["RGB_PLANAR", "YUV_NV12", "GRAYSCALE"])
def test_planar_rows_are_not_concerned(image_format: str) -> None:
    inputs = {"pixel_format": "gray"} if image_format == "GRAYSCALE" else {}
    assert alignment(320, image_format, **inputs) == {}


def test_an_unknown_width_is_left_to_the_tool() -> None:
    assert alignment(320, shapes=None) == {}


def test_without_alignment_every_width_works() -> None:
    inputs = {"shapes": [[1, 3, 64, 320]]}
    assert faults(inputs, fuse_preprocess=True, customization_format="RGB_PACKED") == {}


# What has no effect


@pytest.mark.parametrize("key", ["quant_input", "quant_output"])
def test_a_list_of_casts_to_strip_needs_its_switch(key: str) -> None:
    values: dict[str, Any] = {f"{key}_list": [1]}
    assert faults(**values) == {f"{key}_list": f"needs {key} = true"}
    assert faults(**{**values, key: True}) == {}


def test_a_cast_is_stripped_of_an_input_that_there_is() -> None:
    inputs = {"shapes": [[1, 3], [1, 3]]}
    assert faults(inputs, quant_input=True, quant_input_list=[1, 2]) == {}
    found = faults(inputs, quant_input=True, quant_input_list=[3])
    assert found == {"quant_input_list": "there is no input 3: [input] shapes has 2"}


def test_options_without_effect_are_refused_unless_they_are_the_default() -> None:
    assert faults(ignore_f16_overflow=False, addr_mode="auto") == {}
    with pytest.raises(ValidationError, match="true has no effect, since these processors compute in BF16"):
        Variant(ignore_f16_overflow=True)
    for mode in ("basic", "io_alone", "io_tag"):
        with pytest.raises(ValidationError, match=f'"{mode}" has no effect, since these processors have one'):
            Variant(addr_mode=mode)


def test_all_faults_of_a_variant_are_told() -> None:
    found = faults(quantize="BF16", qtable={}, customization_format="RGB_PACKED", aligned_input=True)
    assert set(found) == {"qtable", "customization_format", "aligned_input"}


# The input


def input_faults(*test_input: str, source: str = "net.onnx", **values: Any) -> dict[str, str]:  # noqa: ANN401
    return dict(rules.input_faults(ModelInput(**values), source, test_input))


@pytest.mark.parametrize(
    ("pixel_format", "channels"),
    [("rgb", 3), ("bgr", 3), (None, 3), ("gray", 1), ("rgba", 4), ("gbrg", 3)],
)
@pytest.mark.parametrize("key", ["mean", "scale"])
def test_there_is_one_mean_and_scale_for_each_channel(
    pixel_format: str | None, channels: int, key: str
) -> None:
    def found(count: int) -> set[str]:
        values: dict[str, Any] = {"pixel_format": pixel_format, key: [1.0] * count}
        return set(input_faults(**values))

    assert [count for count in range(6) if not found(count)] == [channels]
    assert found(5) == {key}


def test_types_are_for_torchscript_and_one_for_each_shape() -> None:
    shapes = [[1, 3], [1, 2]]
    assert input_faults(shapes=shapes, types=["float32", "int32"], source="net.pt") == {}
    found = input_faults(shapes=shapes, types=["float32"], source="net.pt")
    assert found == {"types": "has 1 entries, but shapes has 2"}
    found = input_faults(shapes=shapes, types=["float32", "int32"])
    assert found == {"types": "is only for TorchScript (.pt): the files of other networks hold the types"}


@pytest.mark.parametrize("file", ["a.png", "a.JPG"])
def test_an_image_is_no_input_of_a_network_without_images(file: str) -> None:
    assert set(input_faults(file, channel_format="none")) == {"channel_format"}
    assert input_faults("a.npz", channel_format="none") == {}
    assert input_faults(file, channel_format="nchw") == {}


@pytest.mark.parametrize(
    ("shape", "channel_format"), [([1, 3, 48, 64], None), ([1, 3, 48, 64], "nchw"), ([1, 48, 64, 3], "nhwc")]
)
def test_an_image_is_not_resized_to_less_than_the_input(shape: list[int], channel_format: str | None) -> None:
    def found(*size: int) -> dict[str, str]:
        return input_faults(shapes=[shape], channel_format=channel_format, resize_dims=list(size))

    assert found(48, 64) == found(60, 80) == {}
    for size in ((47, 64), (48, 63)):
        assert found(*size) == {"resize_dims": "is smaller than the input, 48 x 64, which is cropped from it"}


def test_a_preprocessed_input_is_one_that_there_is() -> None:
    shapes = [[1, 3, 8, 8]] * 2
    assert input_faults(shapes=shapes, preprocess_list=[1, 2]) == {}
    assert set(input_faults(shapes=shapes, preprocess_list=[3])) == {"preprocess_list"}


# The outputs


@pytest.mark.parametrize("kind", ["yolov3", "yolov5", "yolov8", "ssd"])
def test_a_post_processing_can_be_added(kind: str) -> None:
    assert ModelOutput(add_postprocess=kind).add_postprocess == kind  # type: ignore[arg-type]


def test_options_for_other_processors_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"bnr.*is for raw images"):
        ModelOutput(add_postprocess="bnr")


# The search


@pytest.mark.parametrize("layers", [[], ["a"], ["a", "b"], ["a:0.5", "b:0.5"], ["a:1"], ["a:b:0.3", "c:0.7"]])
def test_layers_are_compared_with_weights_that_add_up_to_1(layers: list[str]) -> None:
    assert not list(rules.comparison_faults(layers))


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        (["a:0.5", "b:0.4"], "add up to 0.9"),
        (["a:0.5", "b"], "some layers have a weight and others have none"),
        (["a:x"], "is not a number"),
    ],
)
def test_other_weights_are_refused(layers: list[str], fault: str) -> None:
    (found,) = rules.comparison_faults(layers)
    assert fault in found


# The source


def test_torchscript_needs_shapes() -> None:
    assert [key for key, _ in rules.input_faults(ModelInput(), "net.pt", ["a.png"])] == ["shapes"]
    assert list(rules.input_faults(ModelInput(shapes=[[1, 3, 8, 8]]), "net.pt", ["a.png"])) == []
    assert list(rules.input_faults(ModelInput(), "net.tflite", ["a.png"])) == []


def output_fault(source: str = "net.onnx", **output: object) -> list[tuple[str, str]]:
    declared = {"source": source, "output": output, "verify": {"input": "a"}, "variant": {"a": {}}}
    return list(rules.output_faults(Model(**declared)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "key", "what"),
    [
        ({"names": ["a", "b", "a"]}, "names", "'a' is listed twice"),
        (
            {"relative_boxes": True, "source": "net.tflite"},
            "relative_boxes",
            "only possible in ONNX, not in .tflite",
        ),
        ({"relative_boxes": True, "names": ["a", "b"]}, "relative_boxes", "one output, but names has 2"),
        (
            {"relative_boxes": True, "add_postprocess": "yolov5"},
            "relative_boxes",
            "does not work with add_postprocess",
        ),
    ],
)
def test_outputs_that_cannot_be_are_refused(declared: dict[str, object], key: str, what: str) -> None:
    ((found, said),) = output_fault(**declared)  # type: ignore[arg-type]
    assert (found, what in said) == (key, True)


def test_outputs_that_can_be_are_not_refused() -> None:
    assert output_fault(names=["a", "b"]) == output_fault() == output_fault(relative_boxes=True) == []


def source(name: str, weights: str | None = None) -> set[str]:
    model = Model(source=name, weights=weights, verify={"input": "a"}, variant={"a": {}})  # type: ignore[arg-type, dict-item]
    return {key for key, _what in rules.source_faults(model)}


@pytest.mark.parametrize("name", ["net.onnx", "export/net.tflite", "net.pt"])
def test_a_source_is_a_file_that_the_toolchain_reads(name: str) -> None:
    assert source(name) == set()


@pytest.mark.parametrize("name", ["net.pdmodel", "net", "net.mlir", "net.h5"])
def test_another_source_is_refused(name: str) -> None:
    assert source(name) == {"source"}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("inference.pdmodel", "cannot read it, and the PaddlePaddle that it would need is gone"),
        ("inference.pdmodel", "paddle2onnx --opset_version 17"),
        ("best.pth", "torch.onnx.export"),
        ("net.h5", "TFLiteConverter"),
        ("net.caffemodel", "Give its .prototxt"),
    ],
)
def test_a_known_file_that_is_not_read_is_answered_with_what_to_do(name: str, answer: str) -> None:
    model = Model(source=name, verify={"input": "a"}, variant={"a": {}})  # type: ignore[arg-type, dict-item]
    (what,) = [what for key, what in rules.source_faults(model) if key == "source"]
    assert answer in what


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
