from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import small_checkpoints
import small_tflite
from PIL import Image
from rights import as_anybody
from small_networks import EXPORTED, SHARED, Operator, exported_bytes, model, yolov5

from cvimake.builder.checks import network as network_check
from cvimake.builder.checks import tables
from cvimake.cli.init import Init
from cvimake.core.action import Action
from cvimake.execution import runtime
from cvimake.project import DeclaredModel, read_declarations
from cvimake.project.networks import onnx_names

CONVOLUTION: list[Operator] = [
    ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]}),
    ("Relu", ["c"], ["y"], {}),
]
IMAGE = b"no real image"


class Place:
    """A project with a folder of networks beside it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "project"
        self.networks = root / "networks"
        self.root.mkdir()
        self.networks.mkdir()
        monkeypatch.chdir(self.root)
        monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
        # No network is run.
        monkeypatch.setenv("CVIMAKE_ENGINE", "local")

    def dataset(self, name: str) -> None:
        folder = self.root / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "dataset.toml").write_text("", encoding="utf-8")
        for number in range(3):
            (folder / f"{number}.jpg").write_bytes(IMAGE)

    def network(self, name: str, data: bytes) -> Path:
        path = self.networks / name
        path.write_bytes(data)
        return path

    def init(self, *arguments: str | Path) -> int:
        return int(Init().parse_execute([str(argument) for argument in arguments]) or 0)

    def declared(self, name: str) -> DeclaredModel:
        return read_declarations(self.root).models[name]

    def choices(self, name: str) -> tuple[str, ...]:
        """What is to be filled in; nothing else is wrong."""
        model = read_declarations(self.root).unusable[name]
        assert not model.mistakes
        return model.choices

    def text(self, name: str) -> str:
        return (self.root / "models" / name / "model.toml").read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_a_recognised_network_is_declared_ready_to_build(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    path = place.network("yolo11n.onnx", exported_bytes("yolo11n"))
    assert place.init(path) == 0
    declared = place.declared("yolo11n")
    assert declared.inputs.shapes == [[1, 3, 640, 640]]
    assert declared.inputs.scale == [0.0039216] * 3
    assert declared.model.output.names[1] == "/model.23/cv3.0/cv3.0.2/Conv_output_0"
    assert declared.calibration.dataset == "street"
    assert declared.calibration.input_num == 3
    assert declared.model.verify.input == "../../datasets/street/0.jpg"
    assert [variant.name for variant in declared.variants] == ["f16", "int8", "mix"]
    assert declared.variants[1].options.aligned_input is None
    # Attention: the layers of the scores stay float, and every name is one that the network has.
    table = tables.read("qtable", declared.folder / "float_layers")
    assert "/model.23/cv3.0/cv3.0.2/Conv_output_0_Conv" in table.rows
    assert not list(network_check.own_file_faults(declared, onnx_names.read(declared.source)))
    assert declared.source.read_bytes() == path.read_bytes()
    assert (declared.folder / "classes.txt").read_text(encoding="utf-8").split() == [
        str(n) for n in range(80)
    ]
    out = capsys.readouterr().out
    for words in (
        "wrote models/yolo11n/model.toml", "copied yolo11n.onnx", "recognised as YOLO11, detect: 80 classes",
        "its exporter calls it YOLO11n", "the camera takes it for YOLO11", "calibrates with street, the only",
        "next: ./doit yolo11n",
    ):  # fmt: skip
        assert words in out


def test_the_layers_of_a_yolov5_that_have_to_stay_float_are_written(place: Place) -> None:
    place.dataset("street")
    assert place.init(place.network("net.onnx", yolov5().SerializeToString())) == 0
    declared = place.declared("net")
    assert declared.model.output.relative_boxes
    mixed = {variant.name: variant for variant in declared.variants}["mix"]
    assert mixed.options.qtable == "float_layers"
    table = tables.read("qtable", declared.folder / "float_layers")
    assert {"chances8_Sigmoid", "xy8_Split", "scores32_Split", "size16_Mul", "output_Concat"} <= set(
        table.rows
    )
    assert not {"head8_Conv", "apart8_Reshape", "last8_Transpose"} & set(table.rows)
    # Every name is one that the network has, before and after its boxes were brought to fractions.
    assert not list(network_check.own_file_faults(declared, onnx_names.read(declared.source)))


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".onnx.gz") for path in EXPORTED.glob("*.gz")))
def test_every_exported_network_gets_a_declaration_that_is_right(place: Place, name: str) -> None:
    place.dataset("street")
    assert place.init(place.network(f"{name}.onnx", exported_bytes(name))) == 0
    if name == "yolo11n-oriented" or name.startswith("unknown"):
        (choice,) = place.choices(name)
        assert choice.endswith(': input.pixel_format: still says "CHOOSE: rgb, bgr or gray": fill it in')
    else:
        assert place.declared(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "yolo11n.onnx",
        "yolo11n_opset20.onnx",
        "yolov5s.onnx",
        "yolox_nano.onnx",
        "ultraface_rfb320.onnx",
        "pnet.prototxt",
    ],
)
def test_the_networks_of_others_get_a_declaration_that_is_right(place: Place, name: str) -> None:
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is no part of the project; put it into {SHARED} to test with it")
    place.dataset("street")
    assert place.init(SHARED / name) == 0
    assert place.declared(Path(name).stem).source.is_file()


# The choice of a dataset


def test_with_several_datasets_the_open_choice_is_reported_with_its_line(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    place.dataset("house")
    place.init(place.network("net.onnx", exported_bytes("yolo11n")))
    assert "[calibration] dataset: house, street" in capsys.readouterr().out
    text = place.text("net")
    line = text[: text.index("CHOOSE-A-DATASET")].count("\n") + 1
    (choice,) = place.choices("net")
    assert choice.endswith(
        f'models/net/model.toml:{line}: calibration.dataset: still says "CHOOSE-A-DATASET": fill it in. '
        "Datasets here: house, street"
    )
    path = place.root / "models/net/model.toml"
    path.write_text(text.replace("CHOOSE-A-DATASET", "house"), encoding="utf-8")
    assert place.declared("net").calibration.dataset == "house"


def test_without_a_dataset_an_image_is_to_be_chosen_too(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.init(place.network("net.onnx", exported_bytes("yolo11n")))
    out = capsys.readouterr().out
    assert "there is none yet" in out
    assert "[verify] input: an image" in out
    assert "next:" not in out


def test_a_dataset_can_be_named_and_options_stand_anywhere(place: Place) -> None:
    place.dataset("street")
    place.dataset("house")
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    assert place.init(path, "--name", "mine", "--dataset=house") == 0
    assert place.declared("mine").calibration.dataset == "house"


def test_a_dataset_that_is_still_to_be_fetched_is_not_counted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    file = f'{{ sha256 = "{"0" * 64}", url = "https://example.org/x.jpg" }}'
    declaration = place.root / "datasets" / "street" / "dataset.toml"
    declaration.write_text(f'[fetch.files]\n"x.jpg" = {file}\n', encoding="utf-8")
    assert place.init(place.network("yolo11n.onnx", exported_bytes("yolo11n"))) == 0
    assert "input_num = 100\n" in place.text("yolo11n")
    wait = "calibrates with street, the only dataset; its files are still to be fetched: ./doit fetch street"
    assert wait in capsys.readouterr().out


def test_a_dataset_that_is_not_there_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.dataset("street")
    assert place.init(place.network("net.onnx", exported_bytes("yolo11n")), "--dataset", "stret") == 2
    assert "did you mean street?" in capsys.readouterr().err


# What is not recognised


def test_an_unknown_network_gets_lists_of_inputs_and_outputs_and_no_guess(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    made = model(CONVOLUTION, ["y"], weights={"w": [8, 3, 1, 1]})
    assert place.init(place.network("filter.onnx", made.SerializeToString())) == 0
    out = capsys.readouterr().out
    assert "not recognised" in out
    assert "input   x [1, 3, 32, 32]" in out
    assert "output  y [1, 8, 32, 32]" in out
    assert "output  c [1, 8, 32, 32]" in out
    assert '#     "c",  # [1, 8, 32, 32]' in place.text("filter")
    assert "input.pixel_format" in place.choices("filter")[0]


def test_init_reports_problems_before_any_build(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    operators: list[Operator] = [CONVOLUTION[0], ("Mod", ["c", "k"], ["y"], {"fmod": 1})]
    made = model(operators, ["y"], weights={"w": [8, 3, 1, 1], "k": [1]}, shape=[2, 3, 32, 32], opset=20)
    assert place.init(place.network("net.onnx", made.SerializeToString())) == 0
    out = capsys.readouterr().out
    for words in ("Mod (n1) is not an operator that tpu_mlir 1.7 reads", "opset 20", "2 images at a time"):
        assert words in out


def test_a_large_network_is_told_to_be_large(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    made = model(CONVOLUTION, ["y"], weights={"w": [8, 3, 1, 1]})
    made.graph.initializer.append(onnx.TensorProto(name="large", data_type=1, dims=[20_000_000]))
    place.init(place.network("net.onnx", made.SerializeToString()))
    assert "20.0 million weights" in capsys.readouterr().out


def test_names_from_a_file_can_neither_steer_a_terminal_nor_leave_a_comment(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    made = model([CONVOLUTION[0]], ["c"], weights={"w": [8, 3, 1, 1]})
    made.graph.output[0].name = made.graph.node[0].output[0] = 'c\x1b[2J\n[variant.evil]\n"'
    place.init(place.network("net.onnx", made.SerializeToString()))
    assert "\x1b" not in capsys.readouterr().out
    assert "\n[variant.evil]" not in place.text("net")


def test_a_link_has_its_own_name_and_what_lies_beside_it(place: Place) -> None:
    place.dataset("street")
    path = with_weights_in(place, "w.bin")
    path.rename(place.networks.parent / "8d3c")
    path.symlink_to("../8d3c")
    assert place.init(path) == 0
    copied = place.declared("net").source
    assert copied.name == "net.onnx"
    assert not copied.is_symlink()
    assert (copied.parent / "w.bin").is_file()


# Weights in files of their own


def with_weights_in(place: Place, name: str) -> Path:
    """A recognised network whose weights lie in another file."""
    made = onnx.load_model_from_string(exported_bytes("yolo11n-classify"))
    for tensor in made.graph.initializer:
        tensor.raw_data = bytes(4 * math.prod(tensor.dims))
    (place.networks / name).parent.mkdir(exist_ok=True)
    path = place.networks / "net.onnx"
    onnx.save(made, path, save_as_external_data=True, location=name, size_threshold=1024)
    return path


def renamed(data: bytes, location: str) -> bytes:
    """The same network with its weights in a file of another name."""
    made = onnx.load_model_from_string(data)
    for tensor in made.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    content: bytes = made.SerializeToString()
    return content


@pytest.mark.parametrize("name", ["net.onnx.data", "w.bin", "sub/w.bin"])
def test_weights_in_other_files_are_taken_along_and_declared(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place.dataset("street")
    path = with_weights_in(place, name)
    assert place.init(path) == 0
    assert f"copied net.onnx, {name} into" in capsys.readouterr().out
    declared = place.declared("net")
    assert declared.external_data == (name,)
    assert (declared.folder / name).read_bytes() == (path.parent / name).read_bytes() != b""
    for image in (place.root / "datasets" / "street").glob("*.jpg"):
        image.write_bytes(b"\xff\xd8 begins and ends as one \xff\xd9")
    network_check.check(declared)


def test_weights_that_lie_in_their_place_stay_there(place: Place) -> None:
    place.dataset("street")
    place.networks = place.root / "models" / "net"
    place.networks.mkdir(parents=True)
    path = with_weights_in(place, "w.bin")
    inode = (place.networks / "w.bin").stat().st_ino
    assert place.init(path) == 0
    assert (place.networks / "w.bin").stat().st_ino == inode
    assert place.declared("net").external_data == ("w.bin",)


# What is refused


def refused(place: Place, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    before = sorted(place.root.rglob("*"))
    assert place.init(*arguments) == 2
    assert sorted(place.root.rglob("*")) == before
    return capsys.readouterr().err


def test_nothing_is_overwritten(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    place.init(path)
    before = place.text("net")
    assert "is there already, and is left as it is" in refused(place, capsys, path)
    assert place.text("net") == before


@pytest.mark.parametrize("name", ["net.onnx", "classes.txt"])
def test_a_file_of_another_content_is_not_overwritten(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    mine = place.root / "models" / "net" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    assert "is there already and holds something else" in refused(place, capsys, path)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_file_that_lies_in_its_place_stays_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.dataset("street")
    path = place.root / "models" / "net" / "net.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(exported_bytes("yolo11n"))
    inode = path.stat().st_ino
    assert place.init(path, "--name=net") == 0
    assert "copied" not in capsys.readouterr().out
    assert path.stat().st_ino == inode
    assert place.declared("net").source == path


def test_a_checkpoint_is_answered_with_the_command_that_exports_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place.networks / "best.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("best/data.pkl", b"")
    assert "yolo export model=best.pt format=onnx opset=17" in refused(place, capsys, path)


class FakeExporter:
    """An export that gives a network of our own; keeps the action that was to run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, network: bytes) -> None:
        self.network, self.actions = network, list[Action]()
        sandbox = SimpleNamespace(run=self.run)
        monkeypatch.setattr(runtime.Runtimes, "for_export", lambda _of: SimpleNamespace(sandbox=sandbox))

    def run(self, action: Action) -> None:
        self.actions.append(action)
        action.outputs[0].path.write_bytes(self.network)


def test_a_checkpoint_is_declared_by_its_export(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    exporter = FakeExporter(monkeypatch, exported_bytes("yolo11n"))
    path = small_checkpoints.write(place.networks / "best.pt", *small_checkpoints.ULTRALYTICS)
    assert place.init(path, "--shape=1x3x640x640") == 0
    (action,) = exporter.actions
    assert action.argv[-4:] == ("1", "3", "640", "640")
    assert action.inputs[0].path == path
    declared = place.declared("best")
    assert declared.model.source == "best.pt"
    assert declared.is_checkpoint
    assert declared.source.read_bytes() == path.read_bytes()
    assert declared.inputs.shapes == [[1, 3, 640, 640]]
    assert declared.model.output.names[1] == "/model.23/cv3.0/cv3.0.2/Conv_output_0"
    assert sorted(file.name for file in declared.folder.iterdir()) == [
        "best.pt", "classes.txt", "float_layers", "model.toml"
    ]  # fmt: skip
    out = capsys.readouterr().out
    assert "copied best.pt into models/best" in out
    assert "recognised as YOLO11, detect: 80 classes" in out


def test_a_checkpoint_whose_name_no_declaration_can_hold_is_not_exported(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exporter = FakeExporter(monkeypatch, exported_bytes("yolo11n"))
    path = small_checkpoints.write(place.networks / "b\x1b[31m\nest.pt", *small_checkpoints.ULTRALYTICS)
    told = refused(place, capsys, path)
    assert "'b\\x1b[31m\\nest.pt' holds control characters" in told
    assert "\x1b" not in told
    assert exporter.actions == []


def training_set(root: Path) -> Path:
    """A training set of 80 classes with three images, one of which has an object."""
    for folder in ("images/val", "labels/val"):
        (root / folder).mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 64)).save(root / f"images/val/{number}.jpg")
    (root / "labels/val/0.txt").write_text("0 0.5 0.5 0.25 0.25\n", encoding="utf-8")
    names = ", ".join(f'"{number}"' for number in range(80))
    path = root / "data.yaml"
    path.write_text(f"names: [{names}]\nval: images/val\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("given", [True, False])
def test_the_validation_images_of_the_training_become_datasets(
    place: Place, capsys: pytest.CaptureFixture[str], *, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the data.yaml that is given, or that lies beside a checkpoint."""
    data = training_set(place.root / "set" if given else place.networks)
    FakeExporter(monkeypatch, exported_bytes("yolo11n"))
    path = small_checkpoints.write(place.networks / "best.pt", *small_checkpoints.ULTRALYTICS)
    assert place.init(path, *([f"--data={data}"] if given else [])) == 0
    declared = place.declared("best")
    assert declared.calibration.dataset == "best_calibration"
    assert declared.calibration.input_num == 3
    assert declared.calibration_samples is not None
    assert list(declared.calibration_samples.files) == ["0.jpg", "1.jpg", "2.jpg"]
    assert declared.accuracy is not None
    assert declared.accuracy.options.dataset == "best_val"
    assert declared.accuracy.options.calibrated_too
    assert list(declared.accuracy.images) == ["0.jpg", "1.jpg", "2.jpg"]
    assert len(json.loads(declared.accuracy.labels)["annotations"]) == 1
    folder = "../../set/images/val" if given else str(place.networks / "images" / "val")
    for name in ("best_calibration", "best_val"):
        text = (place.root / "datasets" / name / "dataset.toml").read_text(encoding="utf-8")
        assert f'folder = "{folder}"' in text
    out = capsys.readouterr().out
    assert "wrote datasets/best_val/dataset.toml" in out
    assert "calibrates with best_calibration" in out


def test_a_training_set_and_a_dataset_exclude_each_other(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    data = training_set(place.root / "set")
    assert "exclude each other" in refused(place, capsys, path, f"--data={data}", "--dataset=street")
    assert not (place.root / "models").exists()


def test_a_dataset_of_that_name_with_other_contents_stays_as_it_is(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("net_val")
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    told = refused(place, capsys, path, f"--data={training_set(place.root / 'set')}")
    assert "datasets/net_val/dataset.toml is there already and holds something else" in told
    assert not (place.root / "models").exists()
    assert not (place.root / "datasets" / "net_calibration").exists()


def test_the_outputs_of_an_unknown_checkpoint_are_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = model(CONVOLUTION, ["y"], weights={"w": [8, 3, 1, 1]}).SerializeToString()
    exporter = FakeExporter(monkeypatch, network)
    path = small_checkpoints.write(place.networks / "best.pt", *small_checkpoints.ULTRALYTICS)
    assert place.init(path) == 0
    assert exporter.actions[0].argv[-1].endswith(".onnx")
    assert "    output  y [" in capsys.readouterr().out
    assert "shapes = [[1, 3, 32, 32]]" in place.text("best")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plan.onnx", "a model cannot be called 'plan'"),
        ("int 8.onnx", ""),
        ("-.onnx", "a model cannot be called"),
    ],
)
def test_a_name_that_cannot_be_is_answered_with_another(
    place: Place, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    path = place.network(name, exported_bytes("yolo11n"))
    if words:
        assert words in (error := refused(place, capsys, path))
        assert "--name ANOTHER" in error
    else:
        place.init(path)
        assert (place.root / "models" / "int-8" / "model.toml").is_file()


def test_no_file_or_several_are_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert "takes one file" in refused(place, capsys)
    assert "takes one file" in refused(place, capsys, "a.onnx", "b.onnx")
    assert "no file" in refused(place, capsys, "absent.onnx")
    assert "no file" in refused(place, capsys, place.networks)


def test_rubbish_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not an ONNX file" in refused(place, capsys, place.network("net.onnx", b"\xff" * 64))


def test_weights_that_are_not_there_are_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_weights_in(place, "w.bin")
    (place.networks / "w.bin").unlink()
    told = refused(place, capsys, path)
    assert f"{path} keeps weights in 'w.bin', and there is no such file beside it" in told


@pytest.mark.parametrize("name", ["../secret", "sub/../../secret"])
def test_weights_outside_of_the_networks_folder_are_not_taken(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = with_weights_in(place, "w.bin")
    (place.networks.parent / "secret").write_bytes(b"secret")
    (place.networks / "sub").mkdir()
    path.write_bytes(renamed(path.read_bytes(), name))
    assert "leads out of" in refused(place, capsys, path)


def test_a_link_out_of_the_networks_folder_is_not_taken(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = with_weights_in(place, "w.bin")
    (place.networks / "w.bin").rename(place.networks.parent / "secret")
    (place.networks / "w.bin").symlink_to("../secret")
    assert "leads out of" in refused(place, capsys, path)


def test_copies_are_removed_if_a_file_is_in_the_way(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_weights_in(place, "sub/w.bin")
    mine = place.root / "models" / "net" / "classes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    assert "classes.txt is there already" in refused(place, capsys, path)


def test_a_file_that_no_declaration_can_name_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = with_weights_in(place, "w.bin")
    (place.networks / "w.bin").rename(place.networks / "w\x07")
    path.write_bytes(renamed(path.read_bytes(), "w\x07"))
    assert "holds control characters" in refused(place, capsys, path)


def test_an_opset_that_cannot_be_proven_is_refused_with_its_reason(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    made = model(CONVOLUTION, ["y"], weights={"w": [8, 3, 1, 1]}, opset=24)
    path = place.network("net.onnx", made.SerializeToString())
    assert "has opset 24. An onnxruntime" in refused(place, capsys, path)


def test_a_caffe_network_without_its_weights_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "net.caffemodel, the file with its weights, is not beside it" in refused(
        place, capsys, place.network("net.prototxt", b"input_dim: 1")
    )


def test_a_folder_that_cannot_be_written_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.network("net.onnx", exported_bytes("yolo11n"))
    place.root.chmod(0o555)
    with as_anybody():
        assert "cannot be written" in refused(place, capsys, path)


# Sizes, layouts and test images of the user's choice


def test_another_size_is_declared_where_the_network_allows_it(place: Place) -> None:
    place.dataset("street")
    assert place.init(place.network("net.onnx", exported_bytes("yolov8n")), "--shape", "1x3x320x256") == 0
    declared = place.declared("net")
    assert declared.inputs.shapes == [[1, 3, 320, 256]]
    assert len(declared.model.output.names) == 6
    network_check.check_file(declared)


def test_another_size_is_refused_where_the_network_does_not_allow_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place.network("net.onnx", exported_bytes("other-flat-classifier"))
    assert place.init(path, "--shape", "1x3x320x256") == 2
    assert "cannot take inputs of [[1, 3, 320, 256]]" in capsys.readouterr().err
    assert not (place.root / "models" / "net").exists()


def test_the_test_image_can_be_named(place: Place) -> None:
    place.dataset("street")
    image = place.root / "datasets" / "street" / "2.jpg"
    network = place.network("net.onnx", exported_bytes("yolov8n"))
    assert place.init(network, "--test-image", image) == 0
    assert place.declared("net").model.verify.input == "../../datasets/street/2.jpg"


def test_channels_that_stand_last_are_declared_and_nothing_is_fused(place: Place) -> None:
    place.dataset("street")
    operators: list[Operator] = [
        ("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
        ("Relu", ["t"], ["y"], {}),
    ]
    made = model(operators, ["y"], shape=[1, 32, 48, 3])
    assert place.init(place.network("net.onnx", made.SerializeToString())) == 0
    text = place.text("net")
    assert 'channel_format = "nhwc"' in text
    assert "shapes = [[1, 32, 48, 3]]" in text
    assert "fuse_preprocess = true" not in text


def test_a_layout_can_be_named(place: Place) -> None:
    place.dataset("street")
    network = place.network(
        "net.onnx", model(CONVOLUTION, ["y"], weights={"w": [8, 3, 1, 1]}).SerializeToString()
    )
    assert place.init(network, "--layout", "none") == 0
    assert 'channel_format = "none"' in place.text("net")
    assert "pixel_format" not in place.text("net")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--shape", "1,3,[4]"], "--shape 1,3,[4] is no shape"),
        (["--layout", "hwc"], "--layout hwc: it can be nchw, nhwc or none"),
        (["--test-image", "gone.jpg"], "--test-image: no file"),
        (["--test-image", "net.onnx"], "the tool reads .jpeg, .jpg, .npy, .npz, .png"),
    ],
)
def test_options_that_cannot_be_are_told(
    place: Place, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    network = place.network("net.onnx", exported_bytes("yolov8n"))
    if options[1] == "net.onnx":
        options = [options[0], str(network)]
    assert place.init(network, *options) == 2
    assert told in capsys.readouterr().err


# TFLite


def test_a_tflite_network_is_declared_with_its_inputs_as_the_toolchain_has_them(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.dataset("street")
    assert place.init(place.network("net.tflite", small_tflite.convolution("FLOAT16"))) == 0
    told = capsys.readouterr().out
    assert "    input   image [1, 3, 8, 8]\n" in told
    assert "    output  pooled [1, 4, 4, 4]\n" in told
    assert "shapes = [[1, 3, 8, 8]]" in place.text("net")
    assert "to see to" not in told


def test_operators_of_a_tflite_network_that_are_not_read_are_named_with_what_to_do(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = [small_tflite.Tensor("image", [1, 8, 8, 3]), small_tflite.Tensor("result", [1, 8, 8, 3])]
    custom = small_tflite.Operator("CUSTOM", [0], [1], custom="Landmarks2Transform")
    data = small_tflite.file(tensors, [custom], [0], [1])
    assert place.init(place.network("net.tflite", data)) == 0
    told = capsys.readouterr().out
    assert "Landmarks2Transform (result) is a custom operator, which tpu_mlir 1.7 does not read" in told
    command = (
        "python -m tf2onnx.convert --opset 17 --inputs-as-nchw image --tflite net.tflite --output net.onnx"
    )
    assert command in told
    assert "Landmarks2Transform" in place.text("net")
