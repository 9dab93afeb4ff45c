"""The qtable search's endings, each caused in the real tool, and what follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import Network, save_images
from projects import Project

from cvimake.execution.image.making import ToolchainImage

DECLARATION = """
source = "net.onnx"
[input]
shapes = [[1, 3, 32, 32]]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[verify]
input = "images/0.png"
[calibration]
data_list = "samples.txt"
tune_num = 1
[variant.mix]
quantize = "INT8"
qtable = { %s }
"""


def save_unbalanced(path: Path, batch: int = 1) -> None:
    """Every layer's channels lie far apart, and the next layer evens that out.

    In float it is like any other network; in INT8, with one scale for all channels, the small ones are lost.
    """
    network = Network()
    channels = np.exp(network.random.normal(0.0, 1.0, 16)).astype(np.float32)
    column, row = channels[:, None, None, None], channels[None, :, None, None]
    tensor = network.conv("conv0", "images", (3, 16), scale=column)
    for index in range(1, 7):
        tensor = network.conv(f"conv{index}", tensor, (16, 16), scale=column / row)
    tensor = network.conv("conv7", tensor, (16, 8), scale=1 / row)
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(path, {"images": [batch, 3, 32, 32]}, {"scores": [batch, 8, 1, 1]})


def save_reshaped(path: Path) -> None:
    """Shapes between convolutions: where those before stay float, the search loses their outputs."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    tensor = network.conv("conv1", tensor, (8, 12), relu=False)
    tensor = network.reshape("split", tensor, [1, 3, 4, 32, 32])
    tensor = network.node("Transpose", "transpose", tensor, perm=[0, 2, 1, 3, 4])
    tensor = network.reshape("join", tensor, [1, 12, 32, 32])
    for index, entering in enumerate((12, 8, 8, 8, 8, 8), 2):
        tensor = network.conv(f"conv{index}", tensor, (entering, 8))
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(path, {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 1, 1]})


def make(folder: Path, qtable: str) -> Project:
    project = Project.make(folder, "net", DECLARATION % qtable)
    save_images(project.model / "images")
    (project.model / "samples.txt").write_text("images/0.png\nimages/1.png\n", encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def gave_up(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    """A network of which more than a quarter of the layers would have to stay float."""
    assert toolchain_image.id
    project = make(tmp_path_factory.mktemp("gave up"), "expected_cos = 0.9999, min_layer_cos = 0.9999")
    save_unbalanced(project.model / "net.onnx")
    return project


def test_a_search_that_gives_up_warns_with_both_cosines_and_goes_on(gave_up: Project) -> None:
    result = gave_up.doit()
    assert result.returncode == 0, result.stdout
    search = gave_up.json("_cv181x_mix_search.json")["search"]
    assert search["ending"] == "gave_up"
    assert search["mix_cos"] < search["expected_cos"] == 0.9999
    assert (
        f"warning: net:mix: the qtable search gave up at a cosine of {search['mix_cos']:.6f}, "
        f"0.9999 was expected (INT8 alone: {search['int8_cos']:.6f}): more than a quarter of the layers "
        "would be float. Lower expected_cos, or min_layer_cos so that only the least similar layers are "
        "tried.\n"
    ) in result.stderr
    assert gave_up.path("_cv181x_mix.cvimodel").exists()


def test_a_search_that_must_not_give_up_fails_with_both_cosines_and_publishes_nothing(
    gave_up: Project, tmp_path: Path
) -> None:
    project = make(tmp_path, "expected_cos = 0.9999, min_layer_cos = 0.9999, require_expected_cos = true")
    (project.model / "net.onnx").write_bytes((gave_up.model / "net.onnx").read_bytes())
    result = project.doit()
    assert result.returncode == 1
    search = gave_up.json("_cv181x_mix_search.json")["search"]
    assert f"the search gave up at a cosine of {search['mix_cos']:.6f}, 0.9999 was expected" in result.stdout
    assert f"(INT8 alone: {search['int8_cos']:.6f})" in result.stdout
    assert not [name for name in project.published() if "mix" in name]


def test_a_search_that_finds_no_layer_to_keep_float_is_shown_as_good_as_int8(
    gave_up: Project, tmp_path: Path
) -> None:
    project = make(tmp_path, "expected_cos = 0.9999, min_layer_cos = 0.0")
    (project.model / "net.onnx").write_bytes((gave_up.model / "net.onnx").read_bytes())
    project.built("net:mix_qtable")
    search = project.json("_cv181x_mix_search.json")["search"]
    assert search["ending"] == "gave_up"
    assert 0.0 < search["mix_cos"] == search["int8_cos"] < 0.9999
    assert search["cause"].startswith("no layer is below min_layer_cos 0 (the least similar, ")


def test_a_search_that_dies_inside_fails_and_publishes_nothing(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    project = make(tmp_path, "expected_cos = 1.0, min_layer_cos = 1.0")
    save_reshaped(project.model / "net.onnx")
    result = project.doit()
    assert result.returncode == 1
    assert "net:mix_qtable: the qtable search failed with an exception: " in result.stdout
    assert "join_Reshape 's input:transpose_Transpose not exist" in result.stdout
    assert "layers were compared (the log has all of them); the least similar in INT8:\n" in result.stdout
    assert not [name for name in project.published() if "mix" in name]
