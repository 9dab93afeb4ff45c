from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from small_stages import FULL, SMALL, action_of, declared, stages_of, tool_of

from cvimake.pipeline.checks import DoubtsCheck, NetworkCheck, OperatorsCheck
from cvimake.pipeline.outcomes import NetworkOutputs
from cvimake.pipeline.stages import mlir, onnx
from cvimake.toolchain import commands


def test_a_full_declaration_is_this_transform(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "mlir")
    assert action.argv[: len(commands.DETERMINISTIC)] == commands.DETERMINISTIC
    assert tool_of(action) == (
        "model_transform",
        [
            "--model_name=net",
            "--model_def=_source.pt",
            "--input_shapes=[[1,3,640,640],[1,2]]",
            "--input_types=float32,int32",
            "--resize_dims=700,720",
            "--keep_aspect_ratio",
            "--keep_ratio_mode=letterbox",
            "--mean=0.0,-0.5,1.0",
            "--scale=0.0039216,1.0,1e-07",
            "--pixel_format=rgb",
            "--channel_format=nchw",
            "--pad_value=114",
            "--pad_type=center",
            "--preprocess_list=1",
            "--output_names=460,459",
            "--add_postprocess=yolov5",
            "--onnx_sim=skip_fuse_bn",
            "--test_input=test_input.jpg",
            "--test_result=net_top_outputs.npz",
            "--tolerance=0.99,0.98",
            "--excepts=a,b",
            "--mlir=net.mlir",
        ],
    )


def test_the_transform_reads_the_converted_network(tmp_path: Path) -> None:
    sources = {file.name: file.path for file in action_of(declared(tmp_path), "mlir").inputs}
    assert sources["_source.onnx"] == Path("build/net/net.onnx")


def test_the_weights_are_called_as_the_tool_calls_them(tmp_path: Path) -> None:
    model = dataclasses.replace(declared(tmp_path), name="FastestDet")
    actions = {stage.action.name.partition(":")[2]: stage.action for stage in stages_of(model)}
    assert "fastestdet_top_f32_all_weight.npz" in [file.name for file in actions["mlir"].outputs]
    assert "fastestdet_top_f32_all_weight.npz" in [file.name for file in actions["int8"].inputs]


def test_an_images_suffix_is_in_the_letters_that_the_tool_knows(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, SMALL.replace("cat.png", "CAT.JPG")), "mlir")
    assert "--test_input=test_input.jpg" in action.argv


def test_a_caffe_network_is_two_files(tmp_path: Path) -> None:
    text = SMALL.replace('"net.onnx"', '"n.prototxt"\nweights = "n.caffemodel"')
    action = action_of(declared(tmp_path, text), "mlir")
    assert {"--model_def=_source.prototxt", "--model_data=net_source.caffemodel"} <= set(action.argv)
    assert {"_source.prototxt", "net_source.caffemodel"} <= {file.name for file in action.inputs}


def test_the_source_is_checked_before_it_is_converted_and_the_result_before_it_is_transformed(
    tmp_path: Path,
) -> None:
    model = declared(tmp_path)
    (conversion,), (transform,) = onnx.stages(model), mlir.stages(model)
    assert conversion.checks == (NetworkCheck(model=model),)
    assert transform.checks == (
        NetworkCheck(model=model),
        DoubtsCheck(model=model),
        OperatorsCheck(network=Path("build/net/net.onnx"), outputs=()),
    )


@pytest.mark.parametrize(
    ("more", "names", "relative_boxes"),
    [
        ("", (), False),
        ('[output]\nnames = ["a", "b"]\n', ("a", "b"), False),
        ("[output]\nrelative_boxes = true\n", (), True),
    ],
)
def test_the_outputs_of_the_mlir_are_concluded_from_the_declared_names(
    tmp_path: Path, more: str, names: tuple[str, ...], *, relative_boxes: bool
) -> None:
    (stage,) = mlir.stages(declared(tmp_path, SMALL + more))
    assert stage.outcome == NetworkOutputs(
        mlir=Path("build/net/net.mlir"),
        result=Path("build/net/net_outputs.json"),
        names=names,
        network=Path("build/net/net.onnx"),
        relative_boxes=relative_boxes,
    )


@pytest.mark.parametrize("name", ["net.tflite", "net.pt", "net.prototxt"])
def test_only_the_transform_of_such_a_network_runs_in_the_image_with_the_frameworks(
    tmp_path: Path, name: str
) -> None:
    text = SMALL.replace('source = "net.onnx"', f'source = "{name}"')
    if name == "net.prototxt":
        text = text.replace("[", 'weights = "net.caffemodel"\n[', 1)
    text = text.replace("[verify]", "[input]\nshapes = [[1, 3, 8, 8]]\n[verify]")
    stages = list(stages_of(declared(tmp_path, text)))
    assert {stage.action.name: stage.toolchain.name for stage in stages} == {
        stage.action.name: "frameworks.json" if stage.action.name == "net:mlir" else "toolchain.json"
        for stage in stages
    }
    # The tool's MLIR of a TFLite network is mended.
    assert ("transform_tflite.py" in stages[0].action.argv) == (name == "net.tflite")
    assert ("transform_tflite.py" in {file.name for file in stages[0].action.inputs}) == (
        name == "net.tflite"
    )


@pytest.mark.parametrize("extra", ["", "compare_all = true\n"])
def test_the_reference_is_reduced_unless_a_variant_compares_all(tmp_path: Path, extra: str) -> None:
    text = SMALL + extra
    action = action_of(declared(tmp_path, text), "mlir")
    program = action.argv[action.argv.index("python3") + 1 :]
    assert (program[:2] == ("reduce_reference.py", "net")) == (not extra)
    assert ("reduce_reference.py" in {file.name for file in action.inputs}) == (not extra)
    assert f"{commands.ROOT}/python/tools/model_transform.py" in program
