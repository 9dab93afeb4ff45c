"""The model that a stranger builds first: all its variants, as it is declared."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lab import ROOT
from projects import Project, done

from cvimake.execution.image.making import ToolchainImage


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    assert toolchain_image.id
    folder = tmp_path_factory.mktemp("bundled")
    for name in ("dodo.py", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("models", "datasets"):
        shutil.copytree(ROOT / name, folder / name)
    # test_accuracy.py measures on all images.
    declaration = folder / "models" / "shapes" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    dataset = 'dataset = "shapes_test"'
    assert dataset in text
    declaration.write_text(text.replace(dataset, f"{dataset}\ninput_num = 20"), encoding="utf-8")
    # As in a fresh clone: the other models wait.
    for network in folder.glob("models/yolo*/*.onnx"):
        network.unlink()
    result = done(folder)
    for name in ("yolo11n", "yolov5s"):
        assert f"{name} waits for its source: put it at models/{name}/{name}.onnx (`./doit" in result.stdout
    return folder / "build" / "shapes"


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("variant", ["f16", "int8", "mix"])
def test_a_camera_takes_every_variant_for_a_yolo11(built: Path, variant: str) -> None:
    info = read(built / f"shapes_cv181x_{variant}_info.json")
    assert (info["recognised_as"], info["recognition"]["works"]) == ("YOLO11", "yes")
    assert info["recognition"]["warnings"] == []
    assert [tensor["shape"][1] for tensor in info["outputs"]] == [64, 4] * 3
    assert {tensor["type"] for tensor in info["outputs"]} == {"fp32"}


def test_mixed_precision_is_better_than_int8(built: Path) -> None:
    search = read(built / "shapes_cv181x_mix_search.json")["search"]
    assert search["ending"] == "reached"
    assert search["mix_cos"] > search["int8_cos"]
    lines = (built / "shapes_cv181x_mix_qtable").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")]


def test_a_release_of_the_bundled_model_rebuilds_to_the_last_bit(built: Path) -> None:
    """Run the commands at the top of docs/releases.md."""
    folder = built.parents[1]
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", "x"),
        ("tag", "v1.0"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    release = "release/cvimake-v1.0"
    for command in (
        ("release", "shapes"),
        ("release:verify", release),
        ("release:verify", f"{release}.tar"),
        ("release:verify", release, "--rebuild"),
    ):
        done(folder, *command)
    assert read(folder / release / "shapes" / "shapes_cv181x_int8.json")["classes"] == [
        "circle", "rectangle", "triangle", "star",
    ]  # fmt: skip


BLIND = """
source = "shapes.onnx"
[input]
shapes = [[1, 3, 256, 256]]
scale = [0.0039216, 0.0039216, 0.0039216]
mean = [0.0, 0.0, 0.0]
pixel_format = "rgb"
[output]
names = ["box_8", "box_16", "box_32", "class_8", "class_16", "class_32"]
[verify]
input = "image.jpg"
[deploy]
quant_input = true
fuse_preprocess = true
customization_format = "RGB_PACKED"
[variant.f16]
quantize = "F16"
"""


def test_a_file_that_finds_nothing_on_the_camera_is_warned_of_and_fails_a_budget(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    """The detector with its heads grouped, as a YOLOv8 has them."""
    assert toolchain_image.id
    project = Project.make(tmp_path, "blind", BLIND)
    shutil.copy(ROOT / "models" / "shapes" / "shapes.onnx", project.model)
    shutil.copy(ROOT / "datasets" / "shapes" / "test" / "0000.jpg", project.model / "image.jpg")
    result = project.doit("blind:f16")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning: blind:f16: the camera takes it for YOLOv8, and that does not work: " in result.stdout
    assert "What to do: give the six outputs in turns" in result.stdout
    assert "warning: blind: [input] keep_aspect_ratio is not true" in result.stderr
    declaration = project.model / "model.toml"
    declaration.write_text(f"{BLIND}[budget]\nworks_on_camera = true\n", encoding="utf-8")
    result = project.doit("blind:f16")
    assert result.returncode == 1
    assert "works_on_camera: the camera takes it for YOLOv8, and that does not work: " in result.stdout
