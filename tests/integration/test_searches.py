"""The search in several processes comes to the same bytes and the same ending as the toolchain's own."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lab import ROOT, Lab
from networks import Network, save_images
from searches import Searched, compare
from test_search_endings import save_reshaped, save_unbalanced

SCALE = "--scale=0.0039216,0.0039216,0.0039216"
EXACT = ("--expected_cos=0.9999", "--min_layer_cos=0.9999")
STRICTEST = ("--expected_cos=1.0", "--min_layer_cos=1.0")


def transformed(shapes: str = "[[1,3,32,32]]", *options: str) -> list[str]:
    """The arguments of model_transform."""
    options = options or ("--test_input=0.png",)
    return ["--model_def=net.onnx", f"--input_shapes={shapes}", SCALE, "--test_result=top.npz", *options]


def numbered(count: int, suffix: str = "png") -> list[str]:
    return [f"{number}.{suffix}" for number in range(count)]


@pytest.fixture
def new_network(
    new_lab: Callable[[Path], Lab], tmp_path: Path
) -> Callable[[Callable[[Path], None], int], Lab]:
    def make(save: Callable[[Path], None], samples: int) -> Lab:
        save_images(tmp_path / "in", samples)
        save(tmp_path / "in" / "net.onnx")
        return new_lab(tmp_path)

    return make


NewNetwork = Callable[[Callable[[Path], None], int], Lab]


def save_with_dead_layers(path: Path) -> None:
    """Two outputs, and layers whose every value is zero."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    dead = network.node("Relu", "zeros", network.conv("dead", tensor, (8, 8), scale=0.0, relu=False))
    tensor = network.node(
        "Add", "sum", network.conv("conv1", tensor, (8, 8)), network.conv("conv2", dead, (8, 8))
    )
    channels = np.exp(network.random.normal(0.0, 1.0, 8)).astype(np.float32)[:, None, None, None]
    for index in range(3, 7):
        tensor = network.conv(f"conv{index}", tensor, (8, 8), scale=channels)
    network.node("GlobalAveragePool", "scores", tensor)
    network.node("GlobalAveragePool", "others", network.conv("conv7", tensor, (8, 4), relu=False))
    outputs = {"scores": [1, 8, 1, 1], "others": [1, 4, 1, 1]}
    network.save(path, {"images": [1, 3, 32, 32]}, outputs)


def test_networks_with_two_ends_and_few_samples_give_the_tools_table(new_network: NewNetwork) -> None:
    lab = new_network(save_unbalanced, 5)
    searches = {
        "gives up": EXACT,
        "suffices": ("--expected_cos=0.01",),
        "finds no layer": ("--expected_cos=0.9999", "--min_layer_cos=0.0"),
        "one sample": ("--input_num=1", *EXACT),
    }
    searched = Searched(transform=transformed(), samples=numbered(5), searches=searches, processes=(1, 2, 7))
    assert {name: search["ending"] for name, search in compare(lab, searched).items()} == {
        "gives up": "gave_up",
        "suffices": "int8_suffices",
        "finds no layer": "gave_up",
        "one sample": "gave_up",
    }


def test_an_exception_is_told_in_the_same_words(new_network: NewNetwork) -> None:
    lab = new_network(save_reshaped, 2)
    searched = Searched(
        transform=transformed(), samples=numbered(2), searches={"dies": STRICTEST}, processes=(2,)
    )
    assert compare(lab, searched)["dies"] == {
        "ending": "exception",
        "exception": "join_Reshape 's input:transpose_Transpose not exist",
    }


def test_layers_of_zeros_and_several_outputs(new_network: NewNetwork) -> None:
    lab = new_network(save_with_dead_layers, 3)
    searches = {
        "all": STRICTEST,
        "weighted": (
            *STRICTEST,
            "--global_compare_layers=scores_GlobalAveragePool:0.25,others_GlobalAveragePool:0.75",
        ),
    }
    searched = Searched(transform=transformed(), samples=numbered(3), searches=searches, processes=(2, 3))
    assert set(compare(lab, searched)) == set(searches)


def test_a_batch_that_the_samples_do_not_fill(new_network: NewNetwork) -> None:
    lab = new_network(functools.partial(save_unbalanced, batch=2), 5)
    searched = Searched(
        transform=transformed("[[2,3,32,32]]", "--test_input=0.png,1.png"),
        samples=numbered(5), searches={"all": EXACT}, processes=(2,),
    )  # fmt: skip
    assert compare(lab, searched)["all"]["ending"] == "gave_up"


def test_a_search_reaches_the_expected_cosine(new_lab: Callable[[Path], Lab], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(ROOT / "models" / "shapes" / "shapes.onnx", tmp_path / "in" / "net.onnx")
    samples = sorted((ROOT / "datasets" / "shapes" / "test").glob("*.jpg"))[:4]
    for number, sample in enumerate(samples):
        shutil.copy(sample, tmp_path / "in" / f"{number}.jpg")
    searched = Searched(
        transform=transformed("[[1,3,256,256]]", "--pixel_format=rgb", "--test_input=0.jpg"),
        samples=numbered(len(samples), "jpg"),
        searches={"shapes": ("--expected_cos=0.9994", "--min_layer_cos=0.9992")},
        processes=(2,),
    )
    assert compare(new_lab(tmp_path), searched)["shapes"]["ending"] == "reached"
