from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from cvimake.builder.checks import network as network_check
from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.project import DeclaredModel, read_declarations

TINY = Path(__file__).resolve().parents[3] / "models" / "tiny"
DECLARATION = """source = "tiny.onnx"
[input]
shapes = [[1, 3, 128, 128]]
pixel_format = "rgb"
[output]
names = ["scores"]
[verify]
input = "images/00.png"
[variant.f16]
quantize = "F16"
"""


@pytest.fixture
def declared(tmp_path: Path) -> Callable[..., DeclaredModel]:
    def declare(old: str = "", new: str = "") -> DeclaredModel:
        assert old in DECLARATION
        folder = tmp_path / "models" / "tiny"
        shutil.copytree(TINY, folder, dirs_exist_ok=True)
        text = DECLARATION.replace(old, new) if old else DECLARATION
        (folder / "model.toml").write_text(text, encoding="utf-8")
        (model,) = read_declarations(tmp_path).models.values()
        return model

    return declare


def mistakes(model: DeclaredModel) -> str:
    with pytest.raises(DeclarationError) as caught:
        network_check.check(model)
    return str(caught.value)


def test_a_network_as_declared_is_taken(declared: Callable[..., DeclaredModel]) -> None:
    network_check.check(declared())


def test_a_file_that_is_something_else_is_told_as_such(declared: Callable[..., DeclaredModel]) -> None:
    model = declared()
    model.source.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")
    with pytest.raises(CvimakeError, match="Git LFS's pointer, not the file itself\n  git lfs pull"):
        network_check.check(model)


def test_an_output_that_is_not_there_is_told_with_its_line_and_the_nearest_name(
    declared: Callable[..., DeclaredModel],
) -> None:
    said = mistakes(declared('"scores"', '"relu1", "scorse"'))
    assert "model.toml:6: output.names: the network has no tensor 'scorse'; did you mean scores?" in said
    assert "relu1" not in said


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("1, 3, 128", "1, 1, 128", "model.toml:3: input.shapes: [1, 1, 128, 128] has 1 channel, but"),
        ("128, 128]", "128]", "has 3 axes, but the network's input images has 4: [1, 3, 128, 128]"),
        ('"rgb"', '"gray"', "gray does not fit the network's input images, which has 3 channels. Use rgb"),
    ],
)  # fmt: skip
def test_shapes_and_channels_are_the_networks(
    old: str, new: str, what: str, declared: Callable[..., DeclaredModel]
) -> None:
    assert what in mistakes(declared(old, new))


def test_the_number_of_shapes_must_equal_that_of_the_inputs(declared: Callable[..., DeclaredModel]) -> None:
    model = declared('[output]\nnames = ["scores"]\n')
    two = model.inputs.model_copy(update={"shapes": [[1, 3, 128, 128], [1, 3, 128, 128]]})
    object.__setattr__(model, "inputs", two)
    assert "has 2 shapes, but the network has 1 input: images" in mistakes(model)


def test_an_open_axis_has_to_be_declared(declared: Callable[..., DeclaredModel]) -> None:
    model = declared("shapes = [[1, 3, 128, 128]]\n")
    network_check.check(model)
    proto = onnx.load(model.source)
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    model.source.write_bytes(proto.SerializeToString())
    assert "the network's input images has axes without a length, [1, 3, ?, 128]" in mistakes(model)


def test_weights_in_other_files_are_refused_with_what_to_do(declared: Callable[..., DeclaredModel]) -> None:
    model = declared()
    proto = onnx.load(model.source)
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="../../etc/passwd"))
    model.source.write_bytes(proto.SerializeToString())
    with pytest.raises(CvimakeError, match=r"not declared: \.\./\.\./etc/passwd(?s:.)*external_data"):
        network_check.check(model)


def test_a_test_input_that_is_no_image_is_found_before(declared: Callable[..., DeclaredModel]) -> None:
    model = declared()
    (model.folder / "images" / "00.png").write_bytes(b"text")
    with pytest.raises(CvimakeError, match=r"00\.png: is no image"):
        network_check.check(model)


def test_a_table_that_is_not_there_is_told_with_its_line(declared: Callable[..., DeclaredModel]) -> None:
    model = declared('"F16"', '"INT8"\ncalibration_table = "nowhere"')
    assert "model.toml:11: variant.f16.calibration_table: no file" in mistakes(model)


def test_a_missing_table_is_told_by_its_plain_path(declared: Callable[..., DeclaredModel]) -> None:
    model = declared('"F16"', '"INT8"\ncalibration_table = "../tables/mine"')
    assert f"calibration_table: no file {model.folder.parent / 'tables' / 'mine'}" in mistakes(model)


# Tables of the user's

CALIBRATED = "images 1.0 0.0 1.0\nrelu1_Relu 2.0 0.0 2.0\nscores_GlobalAveragePool 2.0 0.0 2.0\n"
MLIR = """%1 = "top.Input"(%arg0) : () -> f32 loc("images")
%2 = "top.Conv"(%1) : () -> f32 loc("relu1_Relu")
%3 = "top.AvgPool"(%2) : () -> f32 loc("scores_GlobalAveragePool")
"""


@pytest.fixture
def tabled(tmp_path: Path, declared: Callable[..., DeclaredModel]) -> Callable[[str, str], DeclaredModel]:
    def declare(key: str, text: str) -> DeclaredModel:
        own = 'calibration_table = "own"\n' if key == "calibration_table" else ""
        samples = '[calibration]\ndata_list = "list.txt"\n' if key == "qtable" else ""
        declared()
        (tmp_path / "models" / "tiny" / "list.txt").write_text("images/00.png\n", encoding="utf-8")
        own = own or 'qtable = "own"\n'
        model = declared(
            '[variant.f16]\nquantize = "F16"\n', f'{samples}[variant.v]\nquantize = "INT8"\n{own}'
        )
        (model.folder / "own").write_text(text, encoding="utf-8")
        (tmp_path / "tiny.mlir").write_text(MLIR, encoding="utf-8")
        return model

    return declare


def check_tables(model: DeclaredModel) -> None:
    mlir = model.folder.parents[1] / "tiny.mlir"
    network_check.check_tables("tiny:v", model, model.variants[0], mlir)


@pytest.mark.parametrize(
    ("key", "text"), [("calibration_table", CALIBRATED), ("qtable", "# one\nrelu1_Relu BF16\n")]
)
def test_tables_of_the_network_are_taken(
    key: str, text: str, tabled: Callable[[str, str], DeclaredModel]
) -> None:
    model = tabled(key, text)
    network_check.check(model)
    check_tables(model)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("calibration_table", CALIBRATED.replace("images", "data").replace("relu", "x").replace("sc", "x")),
        ("qtable", "# another\n/model.0/conv_Conv BF16\n/model.1/conv_Conv BF16\n/model.2/conv_Conv BF16\n"),
    ],
)
def test_the_table_of_another_network_is_told_with_its_line_and_that_in_the_declaration(
    key: str, text: str, tabled: Callable[[str, str], DeclaredModel]
) -> None:
    model = tabled(key, text)
    said = mistakes(model)
    assert (
        f"variant.v.{key}: {model.folder / 'own'}:{2 if key == 'qtable' else 1}: the network has none of "
        "the 3 layers of this table" in said
    )
    assert "it is the table of another network. " in said


def test_layers_that_a_postprocessing_adds_are_none_of_another_network(
    tabled: Callable[[str, str], DeclaredModel],
) -> None:
    model = tabled("qtable", "yolo_post BF16\n")
    assert "no layer 'yolo_post'" in mistakes(model)
    output = model.model.output.model_copy(update={"add_postprocess": "yolov5"})
    object.__setattr__(model, "model", model.model.model_copy(update={"output": output}))
    network_check.check(model)


def test_a_line_that_is_none_is_told_before_anything_runs(
    tabled: Callable[[str, str], DeclaredModel],
) -> None:
    assert "own:1: 'relu1_Relu' is not of the form LAYER MODE" in mistakes(tabled("qtable", "relu1_Relu\n"))


def test_a_layer_that_the_toolchain_calls_otherwise_is_told_before_the_variant(
    tabled: Callable[[str, str], DeclaredModel],
) -> None:
    model = tabled("qtable", "relu1_Conv BF16\n")
    network_check.check(model)
    with pytest.raises(CvimakeError) as caught:
        check_tables(model)
    assert str(caught.value).startswith(
        f"tiny:v: {model.folder / 'own'}:1: the network has no layer 'relu1_Conv'"
    )
    assert "did you mean relu1_Relu?\n  The toolchain would ignore such lines" in str(caught.value)


def test_a_layer_without_a_threshold_is_told_before_the_variant(
    tabled: Callable[[str, str], DeclaredModel],
) -> None:
    model = tabled("calibration_table", CALIBRATED.rpartition("scores")[0])
    network_check.check(model)
    with pytest.raises(CvimakeError) as caught:
        check_tables(model)
    assert "no threshold for 1 of the network's 3 layers: 'scores_GlobalAveragePool'" in str(caught.value)
    assert "with the same [output] names" in str(caught.value)


def test_without_tables_of_ones_own_the_network_is_not_looked_at(
    declared: Callable[..., DeclaredModel],
) -> None:
    model = declared()
    network_check.check_tables("tiny:f16", model, model.variants[0], model.folder / "absent.mlir")


# Values that are asked about


def test_an_unlikely_scale_is_asked_about_with_its_line(
    declared: Callable[..., DeclaredModel], capsys: pytest.CaptureFixture[str]
) -> None:
    model = declared('pixel_format = "rgb"\n', 'pixel_format = "rgb"\nscale = [4.367, 4.464, 4.444]\n')
    network_check.warn_of_doubts(model)
    asked = capsys.readouterr().err
    assert (
        "model.toml:5: input.scale: [4.367, 4.464, 4.444] looks like factors for pixels from 0 to 1" in asked
    )
    assert "Did you mean [0.017125, 0.017506, 0.017427]?" in asked


def test_a_deviation_in_the_place_of_a_factor_is_refused_with_its_line(
    tmp_path: Path, declared: Callable[..., DeclaredModel]
) -> None:
    with contextlib.suppress(ValueError):  # it is not among those that can be built
        declared('pixel_format = "rgb"\n', 'pixel_format = "rgb"\nscale = [127.5, 127.5, 127.5]\n')
    (mistake,) = read_declarations(tmp_path).unusable["tiny"].mistakes
    assert "model.toml:5: input.scale: [127.5, 127.5, 127.5] looks like a divisor" in mistake
    assert "write [0.0078431, 0.0078431, 0.0078431]" in mistake


# Inputs of another size than the network was exported with


def test_a_size_that_the_network_allows_is_taken(declared: Callable[..., DeclaredModel]) -> None:
    network_check.check(declared("128, 128", "64, 192"))


def test_a_size_that_the_network_does_not_allow_is_told_with_its_line_and_operator(
    declared: Callable[..., DeclaredModel],
) -> None:
    model = declared("128, 128", "64, 192")
    network = onnx.shape_inference.infer_shapes(onnx.load(model.source))
    (size,) = (value.type.tensor_type.shape for value in network.graph.value_info if value.name == "relu2")
    constant = onnx.numpy_helper.from_array(np.array([dim.dim_value for dim in size.dim]), "size")
    network.graph.initializer.append(constant)
    pool = network.graph.node.pop()
    pool.input[0] = "kept"
    network.graph.node.append(onnx.helper.make_node("Reshape", ["relu2", "size"], ["kept"], name="fixed"))
    network.graph.node.append(pool)
    onnx.save(network, model.source)
    assert "model.toml:3: input.shapes: " in mistakes(model)
    assert "cannot take inputs of [[1, 3, 64, 192]]: fixed (Reshape) makes" in mistakes(model)
