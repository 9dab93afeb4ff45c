"""Networks of Caffe, PyTorch and TFLite, from their own files to cvimodels, in the image that reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibrations import transform
from lab import ROOT, Lab
from networks import save_images
from projects import Project
from searches import Searched, compare

from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.sandbox import Sandbox

SHARED = ROOT.parent / "shared" / "data" / "models"
FLOAT = '[variant.bf16]\nquantize = "BF16"\ntolerance = [0.99, 0.9]\n'
INT8 = '[calibration]\ndata_list = "samples.txt"\ninput_num = 2\n[variant.int8]\nquantize = "INT8"\n'
PNET = """
source = "pnet.prototxt"
weights = "pnet.caffemodel"
[input]
shapes = [[1, 3, 12, 12]]
mean = [127.5, 127.5, 127.5]
scale = [0.0078125, 0.0078125, 0.0078125]
[verify]
input = "images/0.png"
tolerance = [0.99, 0.99]
"""
IMAGE = """
source = "%s"
[input]
shapes = [[1, 3, 32, 32]]
mean = [127.5, 127.5, 127.5]
scale = [0.0078125, 0.0078125, 0.0078125]
[verify]
input = "images/0.png"
tolerance = [0.99, 0.99]
"""
TWO = """
source = "two.pt"
[input]
shapes = [[1, 3, 16, 16], [1, 1, 16, 16]]
types = ["float32", "float32"]
channel_format = "none"
[verify]
input = "both.npz"
tolerance = [0.99, 0.99]
"""


def make(folder: Path, declaration: str, *files: Path, name: str = "net") -> Project:
    project = Project.make(folder, name, declaration)
    save_images(project.model / "images")
    (project.model / "samples.txt").write_text("images/0.png\nimages/1.png\n", encoding="utf-8")
    for file in files:
        shutil.copy(file, project.model)
    return project


def pnet() -> list[Path]:
    """The files of a trained Caffe network."""
    files = [SHARED / f"pnet.{suffix}" for suffix in ("prototxt", "caffemodel")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no Caffe network in {SHARED}")
    return files


def least_cosine(project: Project, variant: str) -> float:
    """Of the compared layers of a variant."""
    compared = project.json(f"_cv181x_{variant}_validation.json")["comparisons"]
    return min(float(found["cosine"]) for found in compared)


def plan(project: Project) -> list[dict[str, Any]]:
    result = project.doit("plan", "--json")
    assert result.returncode == 0, result.stderr
    stages: list[dict[str, Any]] = json.loads(result.stdout)["stages"]
    return stages


def test_caffe_in_bf16_and_int8(tmp_path: Path, networks: Path, frameworks_image: ToolchainImage) -> None:
    declaration = IMAGE.replace("%s", 'net.prototxt"\nweights = "net.caffemodel') + INT8 + FLOAT
    project = make(tmp_path, declaration, networks / "net.prototxt", networks / "net.caffemodel")
    assert [stage["stage"] for stage in plan(project)][:3] == ["toolchain", "frameworks", "net:mlir"]
    project.built()
    assert least_cosine(project, "bf16") > 0.99
    assert least_cosine(project, "int8") > 0.9
    recorded = json.loads((tmp_path / "build" / "frameworks.json").read_text(encoding="utf-8"))
    assert recorded == frameworks_image.identity
    assert plan(project) == []
    # Only what reads the network is another image's.
    why = json.loads(project.doit("why", "--json", "net:mlir").stdout)
    read = json.loads(project.doit("why", "--json", "net:bf16").stdout)
    assert not why["stale"]
    assert not read["stale"]


def release(project: Project, frameworks_image: ToolchainImage) -> None:
    """Makes a release of a project, and builds it anew to the last bit."""
    folder = project.folder
    (folder / ".gitignore").write_text("/build/\n/release/\n__pycache__/\n", encoding="utf-8")
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", "x"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    project.built("release", "--name", "networks", "--version", "1.0")
    made = folder / "release" / "networks-1.0"
    provenance = json.loads((made / "provenance.intoto.json").read_text(encoding="utf-8"))
    definition = provenance["predicate"]["buildDefinition"]
    assert {"name": "frameworks", "digest": {"sha256": frameworks_image.fingerprint}} in definition[
        "resolvedDependencies"
    ]
    assert definition["internalParameters"]["images"]["frameworks"] == frameworks_image.identity
    bill = json.loads((Path(f"{made}.build") / "frameworks.cdx.json").read_text(encoding="utf-8"))
    assert {"torch", "tensorflow-cpu"} <= {component["name"] for component in bill["components"]}
    project.built("release:verify", str(made))
    project.built("release:verify", f"{made}.tar", "--rebuild")


def test_a_trained_caffe_network(tmp_path: Path, frameworks_image: ToolchainImage) -> None:
    project = make(tmp_path, PNET + INT8 + FLOAT, *pnet()).built()
    assert least_cosine(project, "bf16") > 0.99
    assert least_cosine(project, "int8") > 0.9
    release(project, frameworks_image)


def test_a_trained_caffe_network_is_calibrated_and_searched_as_by_the_tools(
    tmp_path: Path, engine: DockerEngine, frameworks_image: ToolchainImage
) -> None:
    files = pnet()
    lab = Lab(Sandbox(root=tmp_path, engine=engine, image=frameworks_image.id))
    names = tuple(file.name for file in files)
    save_images(tmp_path / "images")
    samples = sorted((tmp_path / "images").iterdir())
    scale = ("--mean=127.5,127.5,127.5", "--scale=0.0078125,0.0078125,0.0078125")
    (tmp_path / "in").mkdir()
    for file in files:
        shutil.copy(file, tmp_path)
        shutil.copy(file, tmp_path / "in")
    for sample in samples:
        shutil.copy(sample, tmp_path / "in")
    network = transform(lab, names, [[1, 3, 12, 12]], {sample.name: sample for sample in samples}, *scale)
    expected = network.calibrate("--dataset=/dataset", "--tune_num=2")
    for processes in (1, 2, 3):
        calibrated = network.calibrate("--dataset=/dataset", "--tune_num=2", processes=processes)
        assert calibrated.table == expected.table
    searched = Searched(
        transform=[
            *(f"--model_def={names[0]}", f"--model_data={names[1]}", "--input_shapes=[[1,3,12,12]]", *scale),
            *(f"--test_input={samples[0].name}", "--test_result=top.npz"),
        ],
        samples=[sample.name for sample in samples],
        searches={"strict": ("--expected_cos=0.99999",), "loose": ("--expected_cos=0.5",)},
    )
    assert compare(lab, searched)["loose"]["ending"] == "int8_suffices"


def test_networks_of_torchscript_and_tflite_are_released_together(
    tmp_path: Path, networks: Path, frameworks_image: ToolchainImage
) -> None:
    make(tmp_path, IMAGE % "net.pt" + FLOAT, networks / "net.pt", name="torch")
    release(
        make(tmp_path, IMAGE % "net.tflite" + FLOAT, networks / "net.tflite", name="tflite"), frameworks_image
    )


def test_torchscript_in_bf16_and_int8(tmp_path: Path, networks: Path) -> None:
    project = make(tmp_path, IMAGE % "net.pt" + INT8 + FLOAT, networks / "net.pt").built()
    assert least_cosine(project, "bf16") > 0.99
    assert least_cosine(project, "int8") > 0.9


def test_torchscript_with_two_inputs_and_an_npz(tmp_path: Path, networks: Path) -> None:
    project = make(tmp_path, TWO + FLOAT, networks / "two.pt")
    random = np.random.default_rng(1)
    # PyTorch numbers the names of the arguments.
    shapes = {"image.1": (1, 3, 16, 16), "mask.1": (1, 1, 16, 16)}
    samples = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(project.model / "both.npz", **samples)  # type: ignore[arg-type]
    project.built()
    assert [found["shape"] for found in project.json("_cv181x_bf16_info.json")["inputs"]] == [
        [1, 3, 16, 16],
        [1, 1, 16, 16],
    ]


def test_the_same_network_gives_the_same_bytes(tmp_path: Path, networks: Path) -> None:
    bytes_of = []
    for folder in ("one", "two"):
        project = make(tmp_path / folder, IMAGE % "net.pt" + FLOAT, networks / "net.pt").built()
        bytes_of.append({name: (project.path("").parent / name).read_bytes() for name in project.published()})
    assert bytes_of[0] == bytes_of[1]
    assert "net_cv181x_bf16.cvimodel" in bytes_of[0]


def test_a_training_checkpoint_is_answered_with_the_export_command(tmp_path: Path, networks: Path) -> None:
    project = make(tmp_path, IMAGE % "checkpoint.pt" + FLOAT, networks / "checkpoint.pt")
    result = project.doit()
    assert result.returncode == 2
    assert "models/net/model.toml:2: source: " in result.stdout
    assert "checkpoint.pt is a training checkpoint" in result.stdout
    assert "yolo export model=checkpoint.pt format=onnx opset=17" in result.stdout
    # Before any container, even that of an image.
    assert not (tmp_path / "build" / "toolchain.json").exists()
    assert project.published() == []


def test_tflite_in_bf16_and_int8(tmp_path: Path, networks: Path) -> None:
    project = make(tmp_path, IMAGE % "net.tflite" + INT8 + FLOAT, networks / "net.tflite").built()
    assert least_cosine(project, "bf16") > 0.99
    assert least_cosine(project, "int8") > 0.9


def test_a_quantised_tflite_is_refused_with_what_to_do(tmp_path: Path, networks: Path) -> None:
    project = make(tmp_path, IMAGE % "quantised.tflite" + FLOAT, networks / "quantised.tflite")
    result = project.doit()
    assert result.returncode == 2
    assert "Convert it to TFLite without quantisation" in result.stdout + result.stderr
    assert project.published() == []


@pytest.mark.parametrize("name", ["half", "block"])
def test_tflite_with_weights_in_float16(tmp_path: Path, networks: Path, name: str) -> None:
    project = make(tmp_path, IMAGE % f"{name}.tflite" + INT8 + FLOAT, networks / f"{name}.tflite").built()
    assert least_cosine(project, "bf16") > 0.99
    assert least_cosine(project, "int8") > 0.9


def test_a_tflite_with_an_operator_that_is_not_read_is_refused_with_what_to_do(
    tmp_path: Path, networks: Path
) -> None:
    project = make(tmp_path, IMAGE % "negative.tflite" + FLOAT, networks / "negative.tflite")
    result = project.doit()
    assert result.returncode == 2
    assert "is not an operator that tpu_mlir 1.7 reads from TFLite" in result.stdout + result.stderr
    assert "tf2onnx" in result.stdout + result.stderr
