"""Every option of the tools passed to them once, with what it does to the result where that can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from networks import Network, save_images
from projects import Project

from cvimake.execution.image.making import ToolchainImage

# In the header of a cvimodel, after the name of the format and the size.
VERSION = slice(12, 14)
HEADS = ("head0", "head1", "head2")

TRANSFORM = """
source = "net.onnx"
onnx_sim = "skip_fuse_bn"
[input]
shapes = [[1, 3, 32, 32]]
resize_dims = [40, 48]
keep_aspect_ratio = true
keep_ratio_mode = "letterbox"
mean = [1.0, 2.0, 3.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
channel_format = "nchw"
pad_value = 114
pad_type = "normal"
preprocess_list = [1]
[output]
names = ["scores"]
[verify]
input = "images/0.png"
tolerance = [0.99, 0.99]
excepts = ["conv0.relu_Relu"]
[calibration]
data_list = "samples.txt"
input_num = 2
tune_num = 1
tune_list = "tune.txt"
histogram_bin_num = 1024
debug_cmd = "use_percentile9999"
"""
# Each adds one thing, or more that do not touch each other, to the first.
VARIANTS = {
    "plain": "",
    "defaults": 'addr_mode = "auto"\nnum_core = 1\nopt = 2\nmodel_version = "latest"\nquant_input = false',
    "harmless": "opt = 1\nop_divide = true\ncompare_all = true\ntolerance = [0.5, 0.1]\nexcepts = ['conv1']",
    "ungrouped": "disable_layer_group = true",
    "old": 'model_version = "1.2"',
    "unvalidated": "skip_validation = true",
    "int8_in": "quant_input = true\nquant_input_list = [1]",
    "int8_out": "quant_output = true\nquant_output_list = [1]",
    "searched": (
        'qtable = { data_list = "samples.txt", input_num = 1, fp_type = "BF16", expected_cos = 1.0, '
        'min_layer_cos = 1.0, debug_cmd = "debug_log", '
        'global_compare_layers = ["conv2.relu_Relu:0.5", "scores_GlobalAveragePool:0.5"] }'
    ),
}
CAMERA_FORMATS = {
    "RGB_PLANAR": [1, 3, 32, 32],
    "BGR_PLANAR": [1, 3, 32, 32],
    "RGB_PACKED": [1, 32, 32, 3],
    "BGR_PACKED": [1, 32, 32, 3],
    "YUV420_PLANAR": None,
    "YUV_NV12": None,
    "YUV_NV21": None,
}
IMAGE = """
source = "net.onnx"
[input]
shapes = [%s]
%s
[verify]
input = "images/0.png"
"""


def save_network(path: Path, channels: int = 3, *, channels_last: bool = False) -> list[int]:
    """Three convolutions; returns the shape of the input."""
    network, tensor = Network(), "images"
    shape = [1, 32, 32, channels] if channels_last else [1, channels, 32, 32]
    if channels_last:
        tensor = network.node("Transpose", "first", tensor, perm=[0, 3, 1, 2])
    for index, entering in enumerate((channels, 8, 8)):
        tensor = network.conv(f"conv{index}", tensor, (entering, 8))
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(path, {"images": shape}, {"scores": [1, 8, 1, 1]})
    return shape


def variants(declared: dict[str, str], quantize: str) -> str:
    return "".join(
        f'[variant.{name}]\nquantize = "{quantize}"\n{options}\n' for name, options in declared.items()
    )


def make(folder: Path, declaration: str) -> Project:
    project = Project.make(folder, "net", declaration)
    save_images(project.model / "images")
    (project.model / "samples.txt").write_text("images/0.png\nimages/1.png\n", encoding="utf-8")
    (project.model / "tune.txt").write_text("images/2.png\n", encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    project = make(tmp_path_factory.mktemp("options"), TRANSFORM + variants(VARIANTS, "INT8"))
    save_network(project.model / "net.onnx")
    return project.built()


def info(project: Project, variant: str) -> Any:  # noqa: ANN401 - a JSON value
    return project.json(f"_cv181x_{variant}_info.json")


def cvimodel(project: Project, variant: str) -> bytes:
    return project.path(f"_cv181x_{variant}.cvimodel").read_bytes()


def test_a_network_builds_with_every_option_of_transform_calibration_and_search(built: Project) -> None:
    table = built.path("_calibration_table").read_text(encoding="utf-8")
    assert "# histogram number: 1024" in table
    assert "# tune number: 1" in table
    assert built.json("_cv181x_searched_search.json")["search"]["ending"] == "gave_up"
    assert all(built.path(f"_cv181x_{variant}.cvimodel").exists() for variant in VARIANTS)


@pytest.mark.parametrize("variant", ["defaults", "harmless"])
def test_defaults_and_options_of_the_checks_do_not_change_the_bytes(built: Project, variant: str) -> None:
    assert cvimodel(built, variant) == cvimodel(built, "plain")


def test_an_old_format_is_written_with_its_version(built: Project) -> None:
    assert cvimodel(built, "old")[VERSION] == bytes([1, 2])
    assert cvimodel(built, "plain")[VERSION] == bytes([1, 4])


def test_layer_groups_can_be_left_out(built: Project) -> None:
    assert cvimodel(built, "ungrouped") != cvimodel(built, "plain")


def test_the_check_of_the_finished_file_can_be_left_out(built: Project) -> None:
    assert len(info(built, "plain")["similarity"]) == 2
    assert len(info(built, "unvalidated")["similarity"]) == 1


def test_casts_are_stripped_where_it_is_declared(built: Project) -> None:
    def types(variant: str) -> tuple[str, str]:
        known = info(built, variant)
        return known["inputs"][0]["type"], known["outputs"][0]["type"]

    assert types("plain") == ("fp32", "fp32")
    assert types("int8_in") == ("int8", "fp32")
    assert types("int8_out") == ("fp32", "int8")


def test_the_reduced_reference_says_what_the_whole_one_says(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    int8 = {name: VARIANTS[name] for name in ("plain", "old", "int8_in", "int8_out")}
    half = {"half": "", "half_out": "quant_output = true"}
    declaration = TRANSFORM + variants(int8, "INT8") + variants(half, "F16")
    # A variant that compares all keeps the whole reference for all of them.
    whole = make(tmp_path / "whole", declaration + variants({"all": VARIANTS["harmless"]}, "INT8"))
    reduced = make(tmp_path / "reduced", declaration)
    for project in (whole, reduced):
        save_network(project.model / "net.onnx")
        project.built()
    for name in (*int8, *half):
        assert cvimodel(reduced, name) == cvimodel(whole, name)
        for suffix in ("validation", "info"):
            result = f"_cv181x_{name}_{suffix}.json"
            assert reduced.json(result) == whole.json(result)
    sizes = [project.path("_top_outputs.npz").stat().st_size for project in (reduced, whole)]
    assert sizes[0] < sizes[1] / 2


def test_every_format_of_the_cameras_image_is_taken(tmp_path: Path, toolchain_image: ToolchainImage) -> None:
    assert toolchain_image.id
    fused = {
        name: f'fuse_preprocess = true\ncustomization_format = "{name}"\naligned_input = {aligned}'
        for name in CAMERA_FORMATS
        # Rows of 96 bytes are padded differently by tool and hardware.
        for aligned in ["false" if "PACKED" in name else "true"]
    }
    declaration = IMAGE % ("[1, 3, 32, 32]", 'pixel_format = "rgb"') + variants(fused, "F16")
    project = make(tmp_path, declaration)
    save_network(project.model / "net.onnx")
    project.built()
    for name, shape in CAMERA_FORMATS.items():
        (taken,) = info(project, name)["inputs"]
        assert taken["type"] == "uint8"
        if shape:
            assert taken["shape"] == shape


@pytest.mark.parametrize(
    ("channels", "options", "variant", "taken"),
    [
        (
            1,
            'pixel_format = "gray"\nmean = [1.0]\nscale = [0.5]',
            'fuse_preprocess = true\ncustomization_format = "GRAYSCALE"',
            [1, 1, 32, 32],
        ),
        (
            4,
            'pixel_format = "rgba"\nmean = [1.0, 1.0, 1.0, 1.0]\nscale = [0.5, 0.5, 0.5, 0.5]',
            'fuse_preprocess = true\ncustomization_format = "RGBA_PLANAR"\ntest_input = []',
            [1, 4, 32, 32],
        ),
        (3, 'pixel_format = "gbrg"\nkeep_aspect_ratio = true\nkeep_ratio_mode = "short_side_scale"', "",
         [1, 3, 32, 32]),
    ],
    ids=["gray", "rgba", "raw"],
)  # fmt: skip
def test_other_images_than_of_three_colours_are_taken(  # noqa: PLR0913, PLR0917 - one case
    tmp_path: Path,
    toolchain_image: ToolchainImage,
    channels: int,
    options: str,
    variant: str,
    taken: list[int],
) -> None:
    assert toolchain_image.id
    declaration = IMAGE % (f"[1, {channels}, 32, 32]", options) + variants({"only": variant}, "F16")
    project = make(tmp_path, declaration)
    save_network(project.model / "net.onnx", channels)
    assert info(project.built(), "only")["inputs"][0]["shape"] == taken


def test_channels_can_come_last(tmp_path: Path, toolchain_image: ToolchainImage) -> None:
    assert toolchain_image.id
    options = 'channel_format = "nhwc"\npixel_format = "bgr"'
    project = make(tmp_path, IMAGE % ("[1, 32, 32, 3]", options) + variants({"only": ""}, "F16"))
    shape = save_network(project.model / "net.onnx", channels_last=True)
    assert info(project.built(), "only")["inputs"][0]["shape"] == shape


@pytest.mark.parametrize("kind", ["yolov3", "yolov5"])
def test_a_detectors_post_processing_is_added(
    tmp_path: Path, toolchain_image: ToolchainImage, kind: str
) -> None:
    assert toolchain_image.id
    # Detections of random weights move with every rounding: nothing to compare.
    declaration = (
        IMAGE % ("[1, 3, 64, 64]", 'pixel_format = "rgb"')
        + f'[output]\nadd_postprocess = "{kind}"\n'
        + variants({"only": "test_input = []"}, "F16")
    )
    project = make(tmp_path, declaration)
    network, tensor = Network(), "images"
    for index, entering in enumerate((3, 8, 8, 8, 8)):
        tensor = network.conv(f"conv{index}", tensor, (entering, 8), stride=2)
    for head, index in zip(HEADS, (2, 3, 4), strict=True):
        network.conv(head, f"conv{index}.relu", (8, 255), relu=False)
    sizes = dict(zip(HEADS, (8, 4, 2), strict=True))
    outputs = {head: [1, 255, size, size] for head, size in sizes.items()}
    network.save(project.model / "net.onnx", {"images": [1, 3, 64, 64]}, outputs)
    (output,) = info(project.built(), "only")["outputs"]
    assert output["name"] == "yolo_post"
