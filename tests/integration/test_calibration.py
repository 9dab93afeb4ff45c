"""The parallel calibration against the toolchain's own, byte for byte, for every kind of input."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrations import Subject, transform
from lab import Lab
from long_tests import LONG
from networks import Network, save_images
from onnx import helper
from projects import Project
from test_shared_models import SHARED

from cvimake.core.action import GIBIBYTE
from cvimake.core.capacity import Share
from cvimake.core.errors import StageFailedError

SIZE = 16
ONNX = ("net.onnx",)


def plain(folder: Path) -> list[list[int]]:
    """One input; a layer that is all zeros, and one that is read twice."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    network.constant("nothing", np.zeros((1, 8, 1, 1), np.float32))
    dead = network.node("Mul", "dead", tensor, "nothing")
    tensor = network.node("Add", "sum", network.conv("conv1", dead, (8, 8)), tensor)
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(folder / "net.onnx", {"images": [1, 3, SIZE, SIZE]}, {"scores": [1, 8, 1, 1]})
    return [[1, 3, SIZE, SIZE]]


def copying(folder: Path) -> list[list[int]]:
    """Layers that only copy; values that are infinite, no number, zero, negative zero, or always the same."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8), relu=False)
    network.constant("zeros", np.array([1, 0, -0.0, 1, -1, 1, 1, 1], np.float32).reshape(1, 8, 1, 1))
    tensor = network.node("Mul", "signed", tensor, "zeros")
    network.split(tensor, ["left", "right"], [2, 6], axis=1)
    network.constant("none", np.zeros((1, 2, 1, 1), np.float32))
    network.node("Div", "quotient", "left", network.node("Mul", "null", "left", "none"))
    network.constant("scales", np.array([1, 1, 2, 2], np.float32))
    large = network.node("Resize", "large", "right", "", "scales", mode="nearest")
    turned = network.node("Transpose", "turned", large, perm=[0, 2, 3, 1])
    flat = network.reshape("flat", turned, [1, 4 * SIZE * SIZE, 6])
    network.node("Relu", "positive", network.reshape("back", flat, [1, 2 * SIZE, 2 * SIZE, 6]))
    network.save(
        folder / "net.onnx",
        {"images": [1, 3, SIZE, SIZE]},
        {"positive": [1, 2 * SIZE, 2 * SIZE, 6], "quotient": [1, 2, SIZE, SIZE]},
    )
    return [[1, 3, SIZE, SIZE]]


def two_inputs(folder: Path) -> list[list[int]]:
    network = Network()
    left, right = network.conv("conv0", "left", (3, 8)), network.conv("conv1", "right", (3, 8))
    network.node("GlobalAveragePool", "scores", network.node("Add", "sum", left, right))
    shape = [1, 3, SIZE, SIZE]
    network.save(folder / "net.onnx", {"left": shape, "right": shape}, {"scores": [1, 8, 1, 1]})
    return [shape, shape]


def batched(folder: Path) -> list[list[int]]:
    network = Network()
    network.node("GlobalAveragePool", "scores", network.conv("conv0", "images", (3, 8)))
    network.save(folder / "net.onnx", {"images": [4, 3, SIZE, SIZE]}, {"scores": [4, 8, 1, 1]})
    return [[4, 3, SIZE, SIZE]]


def recurrent(folder: Path) -> list[list[int]]:
    """A layer with several outputs, one of them of no use to any other."""
    network = Network()
    random = np.random.default_rng(0)
    for name, shape in {"w": (1, 32, 6), "r": (1, 32, 8), "b": (1, 64)}.items():
        network.constant(name, random.normal(0, 0.4, shape).astype(np.float32))
    tensor = network.node("Relu", "relu", "steps")
    outputs = ["every", "last", "cell"]
    network.nodes.append(
        helper.make_node("LSTM", [tensor, "w", "r", "b"], outputs, name="lstm", hidden_size=8)
    )
    network.node("Relu", "first", "every")
    network.node("Sigmoid", "second", "last")
    network.node("Neg", "third", tensor)
    network.save(
        folder / "net.onnx",
        {"steps": [5, 1, 6]},
        {"first": [5, 1, 1, 8], "second": [1, 1, 8], "third": [5, 1, 6]},
    )
    return [[5, 1, 6]]


def save_samples(folder: Path) -> None:
    """Eleven of each kind; one holds a value that is no number."""
    random = np.random.default_rng(1)
    save_images(folder / "images", 11)
    for kind in ("npy", "steps", "npz", "pairs", "batches", "mixed"):
        (folder / kind).mkdir()
    for number in range(11):
        values, other = random.normal(0, 1 + number, (2, 1, 3, SIZE, SIZE)).astype(np.float32)
        if number == 3:
            values[0, 0, 0, 0] = np.nan
        np.save(folder / "npy" / f"left{number}.npy", values)
        np.save(folder / "npy" / f"right{number}.npy", other)
        np.save(
            folder / "steps" / f"{number}.npy", random.normal(0, 1 + number, (5, 1, 6)).astype(np.float32)
        )
        np.savez(folder / "npz" / f"{number}.npz", images=values.astype(np.float64) if number % 2 else values)
        np.savez(folder / "pairs" / f"{number}.npz", left=values, right=other)
        for kind, rows in (("batches", 4), ("mixed", 1 if number % 3 else 4)):
            stacked = random.normal(0, 1 + number, (rows, 3, SIZE, SIZE)).astype(np.float32)
            np.savez(folder / kind / f"{number}.npz", images=stacked)
    lines = {
        "pairs.txt": [f"/dataset/npy/left{n}.npy,/dataset/npy/right{n}.npy" for n in range(11)],
        "images.txt": [f"/dataset/images/{n}.png, /dataset/images/{(n + 1) % 11}.png" for n in range(11)],
        "tune.txt": [f"/dataset/images/{n}.png" for n in (4, 2, 7)],
    }
    for name, text in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in text), encoding="utf-8")


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    save_samples(folder)
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def of_network(
    new_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory, sample_files: dict[str, Path]
) -> Callable[[Callable[[Path], list[list[int]]]], Subject]:
    made: dict[str, Subject] = {}

    def make(network: Callable[[Path], list[list[int]]]) -> Subject:
        if network.__name__ not in made:
            lab = new_lab(tmp_path_factory.mktemp(network.__name__))
            made[network.__name__] = transform(lab, ONNX, network(lab.root), sample_files)
        return made[network.__name__]

    return make


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        pytest.param(plain, "--dataset=/dataset/images", id="images"),
        pytest.param(plain, "--dataset=/dataset/images --input_num=1", id="one sample"),
        pytest.param(
            plain,
            "--dataset=/dataset/npz --tune_list=/dataset/tune.txt --tune_num=2 --histogram_bin_num=512",
            id="npz, tuned with images",
        ),
        pytest.param(plain, "--dataset=/dataset/images --debug_cmd=use_percentile9999", id="percentile"),
        pytest.param(plain, "--dataset=/dataset/images --debug_cmd=use_max --tune_num=0", id="max"),
        pytest.param(
            plain, "--dataset=/dataset/images --debug_cmd=find_lower_th;tune_steps=7", id="lower thresholds"
        ),
        pytest.param(
            plain,
            "--dataset=/dataset/images --debug_cmd=not_use_fp32_tensor_as_ref",
            id="quantised reference",
        ),
        pytest.param(plain, "--dataset=/dataset/images --debug_cmd=int4 --tune_num=0", id="int4"),
        pytest.param(two_inputs, "--data_list=/dataset/pairs.txt", id="pairs of npy"),
        pytest.param(two_inputs, "--data_list=/dataset/images.txt", id="pairs of images"),
        pytest.param(two_inputs, "--dataset=/dataset/pairs", id="npz of pairs"),
        pytest.param(batched, "--dataset=/dataset/images", id="images in batches"),
        pytest.param(batched, "--dataset=/dataset/npz", id="npz in batches"),
        pytest.param(batched, "--dataset=/dataset/batches", id="npz of whole batches"),
        pytest.param(
            batched, "--dataset=/dataset/mixed --debug_cmd=use_percentile9999", id="npz of rows and batches"
        ),
        pytest.param(recurrent, "--dataset=/dataset/steps --tune_num=0", id="several outputs"),
    ],
)
def test_the_table_is_the_toolchains(
    network: Callable[[Path], list[list[int]]],
    arguments: str,
    of_network: Callable[[Callable[[Path], list[list[int]]]], Subject],
) -> None:
    one = of_network(network)
    expected = one.calibrate(*arguments.split(" "))
    assert one.calibrate(*arguments.split(" "), processes=3).table == expected.table


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("--dataset=/dataset/images", id="images"),
        pytest.param("--dataset=/dataset/npz --tune_num=7 --debug_cmd=find_lower_th", id="npz"),
    ],
)
def test_any_number_of_processes_gives_the_toolchains_table(
    arguments: str, of_network: Callable[[Callable[[Path], list[list[int]]]], Subject]
) -> None:
    one = of_network(copying)
    expected = one.calibrate(*arguments.split(" ")).table
    assert b"nan" in expected
    for processes in (1, 2, 3):
        assert one.calibrate(*arguments.split(" "), processes=processes).table == expected


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        pytest.param(plain, "--dataset=/dataset/images", id="images"),
        pytest.param(plain, "--dataset=/dataset/npz --debug_cmd=use_percentile9999", id="percentile"),
        pytest.param(recurrent, "--dataset=/dataset/steps --tune_num=0", id="several outputs"),
    ],
)
def test_samples_that_do_not_fit_go_in_rounds(
    network: Callable[[Path], list[list[int]]],
    arguments: str,
    of_network: Callable[[Callable[[Path], list[list[int]]]], Subject],
) -> None:
    one = of_network(network)
    expected = one.calibrate(*arguments.split(" "))
    alone = one.calibrate(*arguments.split(" "), processes=2, memory=1)
    assert re.search(r"calibrate: processes: 1; samples: 11, .*; rounds: 11", alone.log)
    assert alone.table == expected.table


def test_an_option_that_is_not_covered_is_the_tools_business(
    of_network: Callable[[Callable[[Path], list[list[int]]]], Subject],
) -> None:
    arguments = ("--dataset=/dataset/images", "--debug_cmd=of_another_version")
    one = of_network(plain)
    done = one.calibrate(*arguments, processes=2)
    assert done.table == one.calibrate(*arguments).table
    assert "debug_cmd of_another_version is not covered: run_calibration itself runs" in done.log


def test_a_process_that_dies_ends_the_program_with_its_message(
    of_network: Callable[[Callable[[Path], list[list[int]]]], Subject], tmp_path: Path
) -> None:
    one = of_network(plain)
    broken = tmp_path / "10.png"
    broken.write_bytes(b"no image")
    # Of the last process's share. The first process looks at the first and the last of all.
    files = {**one.files, "list.txt": tmp_path / "list.txt", "broken.png": broken}
    lines = [f"/dataset/images/{number}.png" for number in range(10)]
    lines.insert(-1, "/dataset/broken.png")
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(StageFailedError, match="an image cannot be read") as error:
        replace(one, files=files).calibrate("--data_list=/dataset/list.txt", "--tune_num=1", processes=3)
    log = Path(str(error.value).partition("The whole log: ")[2]).read_text(encoding="utf-8")
    assert "AttributeError" in log
    assert "process 2 of 3 failed" in log


REAL = {
    "yolo11n": ([[1, 3, 640, 640]], ["--scale=0.0039216,0.0039216,0.0039216", "--pixel_format=rgb"]),
    "yolov5s": ([[1, 3, 640, 640]], ["--scale=0.0039216,0.0039216,0.0039216", "--pixel_format=rgb"]),
    "yolox_nano": ([[1, 3, 416, 416]], ["--pixel_format=bgr", "--keep_aspect_ratio", "--pad_value=114"]),
    "ultraface_rfb320": ([[1, 3, 240, 320]], ["--mean=127.0,127.0,127.0", "--pixel_format=rgb"]),
}


@pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"these networks are not part of the project; put them into {SHARED}",
)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LONG if name == "yolov5s" else ()) for name in REAL]
)
def test_a_real_networks_table_is_the_toolchains(
    name: str, new_lab: Callable[[Path], Lab], tmp_path: Path
) -> None:
    shutil.copy(SHARED / "models" / f"{name}.onnx", tmp_path / "net.onnx")
    images = {path.name: path for path in sorted((SHARED / "datasets" / "coco2017").glob("*.jpg"))[:4]}
    shapes, options = REAL[name]
    one = transform(new_lab(tmp_path), ONNX, shapes, images, *options)
    arguments = ("--dataset=/dataset", "--tune_num=1")
    expected = one.calibrate(*arguments)
    assert one.calibrate(*arguments, processes=2).table == expected.table


@pytest.mark.parametrize(
    "memory", [8 * GIBIBYTE, 300 * 1024**2], ids=["all fits", "no memory for a second network"]
)
def test_a_calibration_takes_a_core_that_becomes_free(
    of_network: Callable[[Callable[[Path], list[list[int]]]], Subject], memory: int
) -> None:
    one = of_network(plain)
    arguments = ("--dataset=/dataset/images", "--tune_num=3")
    grown = one.calibrate(*arguments, processes=1, granted=Share(cores=2, free=memory))
    assert grown.table == one.calibrate(*arguments).table
    said = re.findall(r"calibrate: (\w+) goes on in 2 processes", grown.log)
    assert said == (["collecting", "tuning"] if memory > GIBIBYTE else [])


def test_a_build_shares_its_cores_with_a_calibration(tmp_path: Path) -> None:
    project = Project.make(
        tmp_path,
        "net",
        f"""
source = "net.onnx"
[input]
shapes = [[1, 3, {SIZE}, {SIZE}]]
[verify]
input = "images/0.png"
[calibration]
data_list = "samples.txt"
[variant.int8]
quantize = "INT8"
""",
    )
    plain(project.model)
    save_images(project.model / "images")
    (project.model / "samples.txt").write_text("images/0.png\nimages/1.png\n", encoding="utf-8")
    project.built("-n", "2", "net:calibration")
    log = next((tmp_path / "build" / "logs").rglob("*calibration*"))
    assert "calibrate: processes: 2; samples: 2" in log.read_text(encoding="utf-8", errors="replace")
