"""Real networks through every stage. They are not part of the project: without them these tests skip."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import HANGS_AFTER, ROOT, Lab
from long_tests import LONG
from projects import Project
from searches import Searched, compare

from cvimake.core import digest
from cvimake.execution.image.making import ToolchainImage
from cvimake.toolchain import commands as toolchain

SHARED = ROOT.parent / "shared" / "data"
YOLO_HEADS = [
    f"/model.23/cv{kind}.{scale}/cv{kind}.{scale}.2/Conv_output_0" for scale in "012" for kind in "23"
]

ULTRAFACE = """
source = "network.onnx"
[input]
shapes = [[1, 3, 240, 320]]
mean = [127.0, 127.0, 127.0]
scale = [0.0078125, 0.0078125, 0.0078125]
pixel_format = "rgb"
[verify]
input = "../../dog.jpg"
[calibration]
dataset = "coco"
input_num = 4
tune_num = 1
[variant.int8]
quantize = "INT8"
"""
YOLOX = """
source = "network.onnx"
[input]
shapes = [[1, 3, 416, 416]]
pixel_format = "bgr"
keep_aspect_ratio = true
pad_value = 114
[verify]
input = "../../dog.jpg"
[calibration]
dataset = "coco"
input_num = 4
tune_num = 1
[variant.int8]
quantize = "INT8"
[variant.mix]
quantize = "INT8"
qtable = { expected_cos = 0.999, min_layer_cos = 0.99, input_num = 1 }
"""
YOLO11N = f"""
source = "network.onnx"
[input]
shapes = [[1, 3, 640, 640]]
mean = [0.0, 0.0, 0.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
keep_aspect_ratio = true
[output]
names = {json.dumps(YOLO_HEADS)}
[verify]
input = "../../dog.jpg"
[calibration]
dataset = "coco"
input_num = 2
tune_num = 1
[deploy]
quant_input = true
fuse_preprocess = true
customization_format = "RGB_PACKED"
[variant.f16]
quantize = "F16"
tolerance = [0.99, 0.9]
[variant.int8]
quantize = "INT8"
aligned_input = true
"""
# Its weights are random: every tolerance is missed, as in the guide's mixed example nothing is checked.
YOLOV5S = """
source = "network.onnx"
[input]
shapes = [[1, 3, 640, 640]]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
keep_aspect_ratio = true
[output]
names = ["output"]
[verify]
input = "../../dog.jpg"
[calibration]
dataset = "coco"
input_num = 1
tune_num = 1
[variant.mix]
quantize = "INT8"
test_input = []
qtable = { expected_cos = 0.999, min_layer_cos = 0.95, input_num = 1 }
"""

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"these networks are no part of the project; put them into {SHARED} to test with them",
)


def make(folder: Path, name: str, source: str, declaration: str) -> Project:
    """A project with one of the shared networks."""
    project = Project.make(folder, name, declaration)
    shutil.copy(SHARED / "models" / source, project.model / "network.onnx")
    (folder / "datasets" / "coco").mkdir(parents=True)
    (folder / "datasets" / "coco" / "dataset.toml").write_text('files = ["*.jpg"]\n', encoding="utf-8")
    for image in sorted((SHARED / "datasets" / "coco2017").glob("*.jpg"))[:10]:
        shutil.copy(image, folder / "datasets" / "coco")
    shutil.copy(SHARED / "images" / "dog.jpg", folder)
    return project


@pytest.fixture(scope="module")
def ultraface(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    declaration = f'{ULTRAFACE}[output]\nnames = ["459", "460"]\n'
    folder = tmp_path_factory.mktemp("ultraface")
    return make(folder, "face", "ultraface_rfb320.onnx", declaration).built()


@pytest.fixture(scope="module")
def yolox(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    return make(tmp_path_factory.mktemp("yolox"), "yolox", "yolox_nano.onnx", YOLOX).built()


@pytest.fixture(scope="module")
def yolo11n(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Project:
    assert toolchain_image.id
    return make(tmp_path_factory.mktemp("yolo11n"), "yolo", "yolo11n.onnx", YOLO11N).built()


def test_a_network_cut_before_its_post_processing_is_right(ultraface: Project) -> None:
    against_float, against_mlir = ultraface.json("_cv181x_int8_info.json")["similarity"]
    assert against_float["target"].endswith("_tpu_outputs.npz")
    assert against_mlir["target"].endswith("_model_outputs.npz")
    assert against_float["cosine"] > 0.9
    assert against_mlir["cosine"] > 0.99


def test_a_miscompiled_network_is_told_and_not_published(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    project = make(tmp_path, "face", "ultraface_rfb320.onnx", ULTRAFACE)
    result = project.doit()
    assert result.returncode == 1
    assert "face:int8: the finished cvimodel does not compute what its MLIR says" in result.stdout
    assert "does not compute what its MLIR says: a fault of the compiler" in result.stdout
    assert not list(project.folder.glob("build/face/*.cvimodel"))


def test_mixed_precision_recovers_what_int8_loses(yolox: Project) -> None:
    search = yolox.json("_cv181x_mix_search.json")["search"]
    assert search["ending"] == "reached"
    assert search["mix_cos"] > search["int8_cos"]
    layers = [line for line in yolox.path("_cv181x_mix_qtable").read_text().splitlines() if line[0] != "#"]
    assert layers


def test_the_guides_mixed_example_builds_and_warns_of_what_it_misses(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    project = make(tmp_path, "yolo", "yolov5s.onnx", YOLOV5S)
    result = project.doit()
    assert result.returncode == 0, result.stdout
    search = project.json("_cv181x_mix_search.json")["search"]
    assert search["ending"] == "gave_up"
    assert search["int8_cos"] < search["mix_cos"] < search["expected_cos"] == 0.999
    assert "warning: yolo:mix: the qtable search gave up" in result.stderr
    assert project.json("_cv181x_mix_info.json")["similarity"] == []


def test_the_guides_detector_is_recognised_in_both_precisions(yolo11n: Project) -> None:
    for variant in ("f16", "int8"):
        info = yolo11n.json(f"_cv181x_{variant}_info.json")
        assert (info["recognised_as"], info["recognition"]["works"]) == ("YOLO11", "yes")
        assert [output["declared"] for output in info["outputs"]] == YOLO_HEADS
    assert yolo11n.json("_cv181x_f16_info.json")["size"] > yolo11n.json("_cv181x_int8_info.json")["size"]


def test_a_current_export_works_on_the_camera_as_it_is_drafted(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    """From version 8.4 on Ultralytics exports the heads in groups, which the camera takes for a YOLOv8."""
    assert toolchain_image.id
    project = make(tmp_path, "old", "yolo11n_shapes.onnx", YOLO11N)
    shutil.rmtree(project.model)
    project.doit("init", str(SHARED / "models/yolo11n_shapes.onnx"), "--name", "mine", "--dataset", "coco")
    mine = Project(tmp_path, "mine").built("mine:int8_info")
    info = mine.json("_cv181x_int8_info.json")
    assert (info["recognised_as"], info["recognition"]["works"]) == ("YOLO11", "yes")
    assert [output["shape"][1] for output in info["outputs"]] == [64, 4] * 3


def test_an_added_image_recalibrates(ultraface: Project, tmp_path: Path) -> None:
    shutil.copytree(ultraface.folder, tmp_path / "project")
    project = Project(tmp_path / "project", ultraface.name)
    shutil.copy(SHARED / "images" / "cat.jpg", project.folder / "datasets" / "coco")
    result = project.doit("list", "--all", "--status")
    status = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines() if ":" in line}
    assert status["face:calibration"] == "R"
    assert status["face:mlir"] == "U"


def test_weights_and_tables_are_those_of_the_same_commands_by_hand(
    ultraface: Project, toolchain_image: ToolchainImage, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    shutil.copy(SHARED / "models" / "ultraface_rfb320.onnx", tmp_path / "face.onnx")
    shutil.copy(SHARED / "images" / "dog.jpg", tmp_path)
    tools = f"{toolchain.ROOT}/python/tools"
    transform = (
        f"python3 {tools}/model_transform.py --model_name face --model_def face.onnx --output_names 459,460 "
        "--input_shapes [[1,3,240,320]] --mean 127.0,127.0,127.0 --scale 0.0078125,0.0078125,0.0078125 "
        "--pixel_format rgb --test_input dog.jpg --test_result top.npz --mlir face.mlir"
    )
    calibrate = (
        f"python3 {tools}/run_calibration.py face.mlir --dataset /dataset --input_num 4 --tune_num 1 -o table"
    )
    variables = [
        part for name, value in toolchain.environment().items() for part in ("-e", f"{name}={value}")
    ]
    subprocess.run(
        [
            *("docker", "run", "--rm", "--network", "none", "-v", f"{tmp_path}:/work", "-w", "/work"),
            *("-v", f"{ultraface.folder / 'datasets' / 'coco'}:/dataset:ro"),
            *(*variables, toolchain_image.id, "sh", "-c", f"{transform} && {calibrate}"),
        ],
        check=True, capture_output=True, timeout=HANGS_AFTER,
    )  # fmt: skip
    for mine, theirs in (("_top_f32_all_weight.npz", "face_top_f32_all_weight.npz"), (".mlir", "face.mlir")):
        assert digest.of_file(ultraface.path(mine)) == digest.of_file(tmp_path / theirs)
    assert digest.of_file(ultraface.path("_calibration_table")) == digest.of_file(tmp_path / "table")


SEARCHED = {
    "ultraface_rfb320.onnx": ("[[1,3,240,320]]", "127,127,127", "0.0078125,0.0078125,0.0078125", ""),
    "yolox_nano.onnx": ("[[1,3,416,416]]", "0,0,0", "1,1,1", ""),
    "yolo11n.onnx": ("[[1,3,640,640]]", "0,0,0", "0.0039216,0.0039216,0.0039216", ",".join(YOLO_HEADS)),
    "yolov5s.onnx": ("[[1,3,640,640]]", "0,0,0", "0.0039216,0.0039216,0.0039216", "output"),
}


# Each of the others takes minutes for every way in which it is searched.
@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=() if file == "ultraface_rfb320.onnx" else LONG) for file in SEARCHED],
)
def test_the_search_in_several_processes_is_the_tools_own(
    new_lab: Callable[[Path], Lab], tmp_path: Path, file: str
) -> None:
    shapes, mean, scale, outputs = SEARCHED[file]
    (tmp_path / "in").mkdir()
    shutil.copy(SHARED / "models" / file, tmp_path / "in" / "net.onnx")
    samples = sorted((SHARED / "datasets" / "coco2017").glob("*.jpg"))[:3]
    for sample in samples:
        shutil.copy(sample, tmp_path / "in")
    searched = Searched(
        transform=[
            *("--model_def=net.onnx", f"--input_shapes={shapes}", f"--mean={mean}", f"--scale={scale}"),
            *("--keep_aspect_ratio", "--pixel_format=rgb", f"--test_input={samples[0].name}"),
            *("--test_result=top.npz", *([f"--output_names={outputs}"] if outputs else ())),
        ],
        samples=[sample.name for sample in samples],
        searches={
            "guide": ("--expected_cos=0.999", "--min_layer_cos=0.99"),
            "loose": ("--expected_cos=0.5",),
        },
        processes=(1, 2, 3),
    )
    assert compare(new_lab(tmp_path), searched)["loose"]["ending"] == "int8_suffices"


@pytest.mark.parametrize(
    ("file", "seen", "ion_memory", "milliseconds"),
    [
        # Of the compute engine, the memory engine and both together, as another replay of the model had them.
        ("yolo11n_detection", ("YOLO11", "badly"), 7.69, (35.6, 5.6, 39.9)),
        ("yolo11n_classify", ("classifier", "yes"), 3.27, (2.4, 0.6, 2.8)),
        ("yolo11n_pose", ("YOLO11-pose", "yes"), 9.19, (43.8, 7.8, 50.1)),
    ],
)
def test_a_published_cvimodel_is_recognised_and_its_time_estimated(
    tmp_path: Path,
    file: str,
    seen: tuple[str, str],
    ion_memory: float,
    milliseconds: tuple[float, float, float],
) -> None:
    project = Project.make(tmp_path, "none", "")
    path = SHARED / "cvimodels" / f"{file}_cv181x_int8.cvimodel"
    result = project.doit("info", "--json", str(path))
    assert result.returncode == 0, result.stderr
    info = json.loads(result.stdout)
    assert (info["recognised_as"], info["recognition"]["works"]) == seen
    assert info["ion_memory"] == ion_memory
    slow, fast = info["time"]["clocks"]
    assert (slow["megahertz"], fast["megahertz"]) == (500, 750)
    found = [slow[engine] / 1e6 for engine in ("compute", "memory", "together")]
    assert found == pytest.approx(milliseconds, abs=0.05)
    assert max(fast["compute"], fast["memory"]) < fast["together"] < slow["together"]
    layers = info["time"]["layers"]
    assert sum(layer["cycles"] for layer in layers) * 2 == slow["compute"]
    named = sum(layer["cycles"] for layer in layers if layer["name"])
    assert named > 0.85 * sum(layer["cycles"] for layer in layers)
    assert {"name", "operation"} < set(layers[0])
    assert any(layer["name"] == "/model.0/conv/Conv_output_0_Conv" for layer in layers)


def test_a_network_of_a_newer_opset_becomes_that_of_the_older_one(yolo11n: Project, tmp_path: Path) -> None:
    project = make(tmp_path, "yolo", "yolo11n_opset20.onnx", YOLO11N).built("yolo:f16_info")
    summary = project.json("_onnx.json")
    assert (summary["source"], summary["result"]) == ({"ir": 9, "opset": 20}, {"ir": 8, "opset": 17})
    assert summary["differs_by_at_most"] == 1e-5
    assert "differences" not in summary
    for suffix in (".mlir", "_top_f32_all_weight.npz", "_cv181x_f16.cvimodel"):
        assert digest.of_file(project.path(suffix)) == digest.of_file(yolo11n.path(suffix))
    assert len(project.json("_cv181x_f16_info.json")["outputs"]) == 6
