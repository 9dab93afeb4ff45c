"""A network of two inputs and two outputs: npz, npy, lists and pairs of images, for several processors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import Network, save_images
from projects import Project

from cvimake.execution.image.making import ToolchainImage

PROCESSORS = ("cv180x", "cv181x", "cv182x", "cv183x")
INPUTS = {"left": [1, 3, 32, 32], "right": [1, 3, 32, 32]}
OUTPUTS = {"first.relu": [1, 8, 8, 8], "second.relu": [1, 4, 8, 8]}
HEAD = """
source = "net.onnx"
[input]
shapes = [[1, 3, 32, 32], [1, 3, 32, 32]]
"""
ARRAYS = 'channel_format = "none"\n'
NPZ = """
[verify]
input = "samples/0.npz"
[calibration]
dataset = "pairs"
tune_num = 1
[variant.int8]
quantize = "INT8"
processor = ["cv180x", "cv181x", "cv182x", "cv183x"]
[variant.left]
quantize = "INT8"
quant_input = true
quant_input_list = [1]
[variant.second]
quantize = "INT8"
quant_output = true
quant_output_list = [2]
[variant.mix]
quantize = "INT8"
qtable = { expected_cos = 0.9, input_num = 1 }
[budget]
size = 1000000
"""
LISTED = """
[verify]
input = ["samples/left0.%(suffix)s", "samples/right0.%(suffix)s"]
[calibration]
data_list = "pairs.txt"
tune_list = "tune.txt"
[variant.int8]
quantize = "INT8"
"""


def make(folder: Path, declaration: str) -> Project:
    project = Project.make(folder, "net", declaration)
    network = Network()
    left = network.conv("from_left", "left", (3, 8), stride=2)
    right = network.conv("from_right", "right", (3, 8), stride=2)
    both = network.node("Add", "both", left, right)
    network.conv("first", both, (8, 8), stride=2)
    network.conv("second", both, (8, 4), stride=2)
    network.save(project.model / "net.onnx", INPUTS, OUTPUTS)
    samples = project.model / "samples"
    samples.mkdir()
    random = np.random.default_rng(1)
    for number in range(3):
        pair = {name: random.normal(0.0, 1.0, shape).astype(np.float32) for name, shape in INPUTS.items()}
        np.savez(samples / f"{number}.npz", **pair)  # type: ignore[arg-type]
        for name, value in pair.items():
            np.save(samples / f"{name}{number}.npy", value)
    return project


def listed(project: Project, suffix: str) -> Project:
    lines = [f"samples/left{number}.{suffix}, samples/right{number}.{suffix}\n" for number in range(3)]
    (project.model / "pairs.txt").write_text("".join(lines), encoding="utf-8")
    (project.model / "tune.txt").write_text(lines[2], encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    project = make(tmp_path_factory.mktemp("npz"), HEAD + ARRAYS + NPZ)
    dataset = project.folder / "datasets" / "pairs"
    dataset.mkdir(parents=True)
    declaration = 'folder = "../../models/net/samples"\nfiles = ["*.npz"]\n'
    (dataset / "dataset.toml").write_text(declaration, encoding="utf-8")
    return project.built()


def test_several_inputs_come_from_npz(built: Project) -> None:
    info = built.json("_cv181x_int8_info.json")
    assert [found["name"] for found in info["inputs"]] == list(INPUTS)
    against_float, against_mlir = info["similarity"]
    assert against_float["cosine"] > 0.99
    assert against_mlir["cosine"] > 0.99
    assert built.json("_cv181x_mix_search.json")["search"]["ending"] == "int8_suffices"


def test_every_processor_gets_a_cvimodel_of_its_own(built: Project) -> None:
    assert len({built.path(f"_{processor}_int8.cvimodel").read_bytes() for processor in PROCESSORS}) == 4
    for processor in PROCESSORS:
        listing = built.path(f"_{processor}_int8_info.txt").read_text(encoding="utf-8")
        assert f"For {processor} chip" in listing
        assert built.json(f"_{processor}_int8_info.json")["ion_memory"] > 0.0


def test_the_cast_of_one_input_or_output_is_stripped(built: Project) -> None:
    left = built.json("_cv181x_left_info.json")
    assert [found["type"] for found in left["inputs"]] == ["int8", "fp32"]
    second = built.json("_cv181x_second_info.json")
    assert [found["type"] for found in second["outputs"]] == ["fp32", "int8"]


def test_several_inputs_come_from_pairs_of_npy(tmp_path: Path, built: Project) -> None:
    project = listed(make(tmp_path, HEAD + ARRAYS + LISTED % {"suffix": "npy"}), "npy").built()
    assert project.json("_cv181x_int8_info.json")["similarity"][0]["cosine"] > 0.99
    # The same samples: npz or npy is all one, but for the order and the tuning.
    lines = [
        path.read_text(encoding="utf-8").splitlines()
        for path in (project.path("_calibration_table"), built.path("_calibration_table"))
    ]
    names = [[line.split()[0] for line in table if line and line[0] != "#"] for table in lines]
    assert names[0] == names[1] != []


def test_several_inputs_come_from_pairs_of_images(tmp_path: Path, toolchain_image: ToolchainImage) -> None:
    assert toolchain_image.id
    options = 'pixel_format = "rgb"\nscale = [0.0039216, 0.0039216, 0.0039216]\n'
    project = listed(make(tmp_path, HEAD + options + LISTED % {"suffix": "png"}), "png")
    save_images(project.model / "images", 6)
    for number in range(3):
        for name, index in (("left", 2 * number), ("right", 2 * number + 1)):
            image = project.model / "images" / f"{index}.png"
            shutil.move(image, project.model / "samples" / f"{name}{number}.png")
    project.built()
    assert project.json("_cv181x_int8_info.json")["similarity"][0]["cosine"] > 0.99


def test_a_cvimodel_over_its_budget_fails_its_check_and_says_by_how_much(
    built: Project, tmp_path: Path
) -> None:
    shutil.copytree(built.folder, tmp_path / "project")
    project = Project(tmp_path / "project", built.name)
    declaration = project.model / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(text.replace("size = 1000000", "size = 1"), encoding="utf-8")
    result = project.doit("net:left_info")
    assert result.returncode == 1
    assert "net:left: over its budget" in result.stdout
    size = project.path("_cv181x_left.cvimodel").stat().st_size
    assert f"size: {size} bytes, at most 1 are declared" in result.stdout
    assert project.doit("net:left_info").returncode == 1
