"""The models of the reCamera's model conversion guide: its options, and how they wait for their networks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvimake.builder import unbuildable
from cvimake.core import toml
from cvimake.dodo import STAGES
from cvimake.project import read_declarations

ROOT = Path(__file__).parents[3]
NAMES = ("yolo11n", "yolov5s")
HEADS = tuple(
    f"/model.23/cv{head}.{grid}/cv{head}.{grid}.2/Conv_output_0" for grid in range(3) for head in (2, 3)
)
TRANSFORM = {
    "--input_shapes=[[1,3,640,640]]",
    "--mean=0.0,0.0,0.0",
    "--scale=0.0039216,0.0039216,0.0039216",
    "--keep_aspect_ratio",
    "--pixel_format=rgb",
    # The guide leaves it out.
    "--pad_value=114",
}
DEPLOY = {"--processor=cv181x", "--fuse_preprocess", "--customization_format=RGB_PACKED"}
CHECKED = {"--test_input=test_input.jpg"}
# What the guide's commands say, but for the names of files. F16 is BF16 on this processor.
GUIDE = {
    "yolo11n:mlir": TRANSFORM | CHECKED,
    "yolo11n:calibration": {"--dataset=/dataset", "--input_num=100"},
    "yolo11n:f16": DEPLOY | CHECKED | {"--quantize=BF16", "--quant_input", "--tolerance=0.99,0.9"},
    "yolo11n:int8": DEPLOY | CHECKED | {"--quantize=INT8", "--quant_input", "--aligned_input"},
    "yolov5s:mlir": TRANSFORM | CHECKED,
    "yolov5s:calibration": {"--dataset=/dataset", "--input_num=100"},
    "yolov5s:mix_qtable": {
        "--dataset=/dataset",
        "--processor=cv181x",
        "--min_layer_cos=0.99",
        "--expected_cos=0.999",
    },
    # The guide does not check this file.
    "yolov5s:mix": DEPLOY | CHECKED | {"--quantize=INT8", "--aligned_input", "--tolerance=0.8,-1.0"},
}
FILES = (
    "--model_name", "--model_def", "--mlir", "--test_result", "--test_reference", "--calibration_table",
    "--quantize_table", "--loss_table", "--model",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone of the two models and their dataset."""
    for name in NAMES:
        ignored = shutil.ignore_patterns("*.onnx")
        shutil.copytree(ROOT / "models" / name, tmp_path / "models" / name, ignore=ignored)
    dataset = tmp_path / "datasets" / "coco2017"
    dataset.mkdir(parents=True)
    shutil.copy(ROOT / "datasets" / "coco2017" / "dataset.toml", dataset)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_in_place(project: Path) -> None:
    """Put empty files where the networks and images belong."""
    dataset = project / "datasets" / "coco2017"
    for name in toml.read(dataset / "dataset.toml")[1]["fetch"]["files"]:
        (dataset / name).touch()
    for name in NAMES:
        (project / "models" / name / f"{name}.onnx").touch()


def options() -> Iterator[tuple[str, set[str]]]:
    for model in read_declarations(Path()).models.values():
        for stages_of in STAGES:
            for stage in stages_of(model):
                given = {part for part in stage.action.argv if part.startswith("--")}
                yield stage.action.name, {part for part in given if part.partition("=")[0] not in FILES}


def test_the_options_are_those_of_the_guide(project: Path) -> None:
    put_in_place(project)
    found = dict(options())
    assert {name: found[name] for name in GUIDE} == GUIDE
    models = read_declarations(Path()).models
    assert models["yolo11n"].model.output.names == HEADS
    assert models["yolov5s"].model.output.names == ("output",)


def test_in_a_fresh_clone_both_wait_and_say_in_one_line_where_their_networks_belong(project: Path) -> None:
    waiting = unbuildable.of_declarations(read_declarations(Path()), project)
    assert set(waiting) == set(NAMES)
    for name, model in waiting.items():
        assert not model.is_wrong
        place = f"{name} waits for its source: put it at models/{name}/{name}.onnx"
        assert f"{place} (`./doit {name}` says how to get it)" in model.error.in_short
        assert "\n" not in model.error.in_short
        told = str(model.error)
        assert "https://seeedstudio88-my.sharepoint.com/" in told
        assert "AGPL-3.0" in told
    assert "yolo export model=yolo11n.pt format=onnx opset=17 simplify=False" in str(waiting["yolo11n"].error)


@pytest.mark.parametrize("name", NAMES)
def test_the_classes_are_the_80_of_coco(name: str) -> None:
    classes = (ROOT / "models" / name / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(classes)) == len(classes) == 80
    assert (classes[0], classes[16], classes[79]) == ("person", "dog", "toothbrush")


def test_git_ignores_their_networks_and_no_others(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    networks = [f"models/{name}/{name}.onnx" for name in (*NAMES, "mine", "shapes")]
    told = subprocess.run(
        ["git", "check-ignore", *networks], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == networks[:2]
