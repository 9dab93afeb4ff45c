"""What cvimodels see, measured on the simulator: the bundled detector, and networks that nobody decodes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import projects
import pytest
from lab import ROOT, environment, wait_until
from PIL import Image
from projects import ACCURACY, Project, copy_shapes

from cvimake.execution.image.making import ToolchainImage

# mAP50-95 on the 240 test images: as the field measures, and by the firmware's own C++ code on the simulator.
# That code was not run on the present mixed variant: its figures are those that cvimake measured.
KNOWN = {
    "float": (0.8699, 0.8457),
    "cv181x_f16": (0.8700, 0.8458),
    "cv181x_int8": (0.8654, 0.8412),
    "cv181x_mix": (0.8667, 0.8423),
}


def doit(folder: Path, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess[str]:
    return projects.doit(folder, "run", "-n", str(cores), *arguments)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    assert toolchain_image.id
    folder = tmp_path_factory.mktemp("accuracy")
    shutil.copy(ROOT / "dodo.py", folder)
    copy_shapes(folder, ACCURACY)
    result = doit(folder, "shapes")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def read(folder: Path, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    return json.loads((folder / "build" / "shapes" / f"shapes_{name}").read_text(encoding="utf-8"))


@pytest.mark.parametrize("network", KNOWN)
def test_the_bundled_detector_sees_what_the_firmwares_own_code_sees(shapes: Path, network: str) -> None:
    measured = read(shapes, f"{network}_accuracy.json")
    assert measured["images"] == 240
    field, camera = KNOWN[network]
    assert measured["figure"]["value"] == pytest.approx(field, abs=0.001)
    assert measured["camera"]["value"] == pytest.approx(camera, abs=0.001)
    assert 0 < measured["figure"]["standard_error"] < 0.02
    if network != "float":
        assert measured["agreement"]["value"] > 0.95


def test_the_bytes_do_not_depend_on_the_number_of_processes(shapes: Path) -> None:
    names = [f"cv181x_mix_{kind}.json" for kind in ("accuracy", "detections", "camera_detections")]
    before = [read(shapes, name) for name in names]
    for name in names:
        (shapes / "build" / "shapes" / f"shapes_{name}").unlink()
    result = doit(shapes, "shapes:mix_accuracy", cores=1)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "shapes:mix_accuracy: built" in result.stdout
    assert [read(shapes, name) for name in names] == before


def killed_parts(folder: Path, stage: str, results: list[Path]) -> list[Path]:
    """Kills a build in the middle of an evaluation; returns the parts that it leaves in its workspace."""
    command = [sys.executable, "-m", "cvimake.cli", "run", "-n", "2", stage]
    work = folder / "build" / ".work"

    def parts() -> list[Path]:
        return sorted(work.glob("*/files/parts/*.json"))

    # On a busy machine this process may wait for so long that the evaluation has ended when it goes on.
    for _ in range(5):
        for path in results:
            path.unlink(missing_ok=True)
        with subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as build:
            wait_until(lambda: len(parts()) > 1 or build.poll() is not None, "parts are written")
            build.kill()
        if found := parts():
            return found
    raise AssertionError("every evaluation ended before it was killed")


def test_an_evaluation_that_is_killed_goes_on_with_the_images_that_are_left(shapes: Path) -> None:
    names = [f"cv181x_mix_{kind}.json" for kind in ("accuracy", "detections", "camera_detections")]
    results = [shapes / "build" / "shapes" / f"shapes_{name}" for name in names]
    before = [path.read_bytes() for path in results]
    damaged, *_ = killed_parts(shapes, "shapes:mix_accuracy", results)
    # It is evaluated anew.
    damaged.write_bytes(damaged.read_bytes()[:-9])
    result = doit(shapes, "shapes:mix_accuracy")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "shapes:mix_accuracy goes on where it was ended" in result.stderr
    log = (shapes / "build" / "logs" / "shapes" / "mix_accuracy.log").read_text(encoding="utf-8")
    (left,) = re.findall(r"(\d+) of 240 images are to be evaluated", log)
    # Parts have 60 images, and one was damaged. The container goes on until the next build removes it.
    assert int(left) in {60, 120, 180}
    assert [path.read_bytes() for path in results] == before
    assert not (shapes / "build" / ".parts" / "shapes" / "mix_accuracy").exists()


def test_a_budget_that_is_not_reached_fails_the_variants_accuracy(shapes: Path) -> None:
    declaration = shapes / "models" / "shapes" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(text.replace("[budget]", "[budget]\naccuracy_drop = 0.001"), encoding="utf-8")
    result = doit(shapes, "--continue", "shapes:int8")
    declaration.write_text(text, encoding="utf-8")
    assert result.returncode == 1
    told = result.stdout + result.stderr
    assert "shapes:int8_accuracy: less than its budget" in told
    assert "accuracy_drop: 0.00" in told
    assert "at most 0.001 is declared" in told


def test_images_of_the_calibration_are_refused(shapes: Path) -> None:
    declaration = shapes / "datasets" / "shapes_test" / "dataset.toml"
    text = declaration.read_text(encoding="utf-8")
    taken = text.replace('shapes/test"', 'shapes/calibration"').replace("labels = ", "# labels = ")
    declaration.write_text(taken, encoding="utf-8")
    result = doit(shapes, "shapes:float_accuracy")
    declaration.write_text(text, encoding="utf-8")
    assert result.returncode == 2
    assert "100 of its 100 images are also used to calibrate" in result.stdout + result.stderr


TINY = """
source = "tiny.onnx"
[input]
shapes = [[1, 3, 64, 64]]
mean = [0.0, 0.0, 0.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[verify]
input = "0.png"
tolerance = [0.9, 0.5]
[calibration]
dataset = "noise"
[accuracy]
dataset = "noise"
calibrated_too = true
[deploy]
tolerance = [0.5, -1.0]
[variant.bf16]
quantize = "BF16"
[variant.int8]
quantize = "INT8"
quant_input = true
fuse_preprocess = true
customization_format = "BGR_PLANAR"
"""
SHAPES = {"one": [1, 5, 64, 64], "two": [1, 5, 64, 64], "three": [1, 5, 64, 8, 8], "four": [5 * 64 * 64]}


@pytest.fixture(scope="module")
def undecoded(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    """A network whose output the camera takes for nothing, and images of several sizes without labels."""
    assert toolchain_image.id
    from onnx import TensorProto, helper, numpy_helper, save  # noqa: PLC0415 - slow to import

    project = Project.make(tmp_path_factory.mktemp("undecoded"), "tiny", TINY)
    random = np.random.default_rng(0)
    weights = random.normal(size=(5, 3, 3, 3)).astype(np.float32)
    # A channel with small values suffers most if all have one scale.
    weights[3] /= 100
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w"], ["one"], pads=[1] * 4),
            helper.make_node("Relu", ["one"], ["two"]),
            # The cvimodel has four axes at most.
            helper.make_node("Reshape", ["two", "five_axes"], ["three"]),
            helper.make_node("Reshape", ["two", "one_axis"], ["four"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in SHAPES.items()],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array(SHAPES["three"]), "five_axes"),
            numpy_helper.from_array(np.array(SHAPES["four"]), "one_axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save(model, str(project.model / "tiny.onnx"))
    dataset = project.folder / "datasets" / "noise"
    dataset.mkdir(parents=True)
    (dataset / "dataset.toml").write_text('files = ["*.png"]\n', encoding="utf-8")
    for number, size in enumerate([(64, 64), (200, 50), (33, 99)]):
        noise = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(dataset / f"{number}.png")
    shutil.copy(dataset / "0.png", project.model)
    return project.built()


def test_outputs_that_nobody_decodes_are_compared_with_the_float_networks(undecoded: Project) -> None:
    for variant, least in (("bf16", 0.9999), ("int8", 0.99)):
        measured = undecoded.json(f"_cv181x_{variant}_accuracy.json")
        assert (measured["kind"], measured["figure"], measured["camera"]) == ("", None, None)
        assert measured["camera_reason"] == "the camera takes it for no kind of model"
        assert least <= measured["agreement"]["value"] < 1
        assert [output["images"] for output in measured["outputs"]] == [3] * 4
        if variant == "int8":
            assert [output["worst_channel"] for output in measured["outputs"]] == [3, 3, 3, 0]
        assert {output["worst_image"] for output in measured["outputs"]} <= {"0.png", "1.png", "2.png"}


def test_an_image_that_is_broken_is_told_before_a_container_starts(undecoded: Project) -> None:
    broken = undecoded.folder / "datasets" / "noise" / "1.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    result = undecoded.doit("tiny:float_accuracy")
    broken.write_bytes(whole)
    assert result.returncode == 2
    assert "1.png: is cut off" in result.stdout + result.stderr


DECODER = """
import numpy as np

def boxes(outputs, size):
    one = outputs[0]
    height, width = size
    score = 1 / (1 + np.exp(-one[0, 0].max()))
    return [[0, 0, width / 2, height / 2, score, 1]]
"""


def test_a_decoder_of_the_projects_own_makes_the_boxes(undecoded: Project) -> None:
    declaration = undecoded.model / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    own = 'decoder = "decode.py:boxes"\ncalibrated_too'
    declaration.write_text(text.replace("calibrated_too", own), encoding="utf-8")
    result = undecoded.doit("tiny:bf16_accuracy")
    assert result.returncode == 2
    assert "no file" in result.stdout + result.stderr
    (undecoded.model / "decode.py").write_text(DECODER, encoding="utf-8")
    undecoded.built("tiny:bf16_accuracy")
    measured = undecoded.json("_cv181x_bf16_accuracy.json")
    assert (measured["kind"], measured["outputs"]) == ("own decoder", [])
    assert measured["camera_reason"] == "the project's own decoder makes its boxes"
    assert (measured["agreement"]["metric"], measured["agreement"]["value"]) == ("same detections", 1.0)
    detections = undecoded.json("_cv181x_bf16_detections.json")
    # In pixels of the images, which have three sizes.
    assert next(found["bbox"] for found in detections) == [0.0, 0.0, 32.0, 32.0]
    (undecoded.model / "decode.py").write_text("def boxes(outputs, size):\n    return 7\n", encoding="utf-8")
    result = undecoded.doit("tiny:bf16_accuracy")
    declaration.write_text(text, encoding="utf-8")
    assert result.returncode == 1
    assert "boxes has to return an array [n,6]" in result.stdout + result.stderr
