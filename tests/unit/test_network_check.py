from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from cvimake import network_check
from cvimake.errors import CvimakeError, DeclarationError
from cvimake.spec import DeclaredModel, read_declarations

TINY = Path(__file__).resolve().parents[1] / "models" / "tiny"
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
        ("1, 3, 128", "1, 1, 128", "model.toml:3: input.shapes: [1, 1, 128, 128] is not of 3 channels"),
        ("128, 128]", "128]", "is not of 4 axes, as the network's images [1, 3, 128, 128]"),
        ('"rgb"', '"gray"', "gray does not fit a network of 3 channels (images). Say rgb or bgr"),
    ],
)  # fmt: skip
def test_shapes_and_channels_are_the_networks(
    old: str, new: str, what: str, declared: Callable[..., DeclaredModel]
) -> None:
    assert what in mistakes(declared(old, new))


def test_as_many_shapes_as_inputs(declared: Callable[..., DeclaredModel]) -> None:
    model = declared('[output]\nnames = ["scores"]\n')
    two = model.inputs.model_copy(update={"shapes": [[1, 3, 128, 128], [1, 3, 128, 128]]})
    object.__setattr__(model, "inputs", two)
    assert "has 2 shapes, and the network 1 inputs: images" in mistakes(model)


def test_an_open_axis_has_to_be_declared(declared: Callable[..., DeclaredModel]) -> None:
    model = declared("shapes = [[1, 3, 128, 128]]\n")
    network_check.check(model)
    proto = onnx.load(model.source)
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    model.source.write_bytes(proto.SerializeToString())
    assert "the network leaves axes of images open, [1, 3, ?, 128]" in mistakes(model)


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
