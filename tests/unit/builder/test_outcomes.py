from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from cvimodel_listings import CLASSIFIER, COMPARISONS, LISTING, TIME, outputs
from onnx_networks import network

from cvimake.builder.outcomes import conclude, read_outputs
from cvimake.camera import camera_picture
from cvimake.core import announce
from cvimake.core.action import Action
from cvimake.core.capacity import Load
from cvimake.core.errors import CvimakeError, StageFailedError
from cvimake.pipeline import named_outputs
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.pipeline.cvimodel_info import Info, examine
from cvimake.pipeline.outcomes import (
    ComputedTypes,
    CvimodelInfo,
    MeasuredAccuracy,
    NetworkOutputs,
    Outcome,
    SearchEnding,
)
from cvimake.pipeline.stage import Stage
from cvimake.project.model import Budget


def stage_with(outcome: Outcome | None) -> Stage:
    action = Action(name="net:stage", argv=("tool",), environment={}, inputs=(), outputs=())
    return Stage(action=action, load=Load(memory=1), outcome=outcome)


def test_a_stage_may_have_no_outcome() -> None:
    conclude(stage_with(None))


# A network's outputs

MLIR = """    %3 = "top.Conv"(%1, %2, %0) : (tensor<1x3x8x8xf32>) -> tensor<1x4x8x8xf32> loc(#loc3)
    %7 = "top.Sigmoid"(%3) : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32> loc(#loc7)
    return %7, %3 : tensor<1x8x8x4xf32>, tensor<1x4x8x8xf32> loc(#loc)
#loc3 = loc("box_Conv")
#loc7 = loc("320_Transpose_top.Sigmoid")
"""


@pytest.fixture
def transformed(tmp_path: Path) -> NetworkOutputs:
    (tmp_path / "net.mlir").write_text(MLIR, encoding="utf-8")
    return NetworkOutputs(mlir=tmp_path / "net.mlir", result=tmp_path / "outputs.json")


def names_concluded(outcome: NetworkOutputs) -> list[str]:
    conclude(stage_with(outcome))
    return [output.declared for output in read_outputs(outcome.result)]


def test_the_outputs_have_their_declared_names(transformed: NetworkOutputs) -> None:
    declared = dataclasses.replace(transformed, names=("cls_8", "box"), relative_boxes=True)
    assert names_concluded(declared) == ["cls_8", "box"]
    assert [output.relative_boxes for output in read_outputs(declared.result)] == [True, True]
    assert sorted(path.name for path in declared.result.parent.iterdir()) == ["net.mlir", "outputs.json"]


def test_without_declared_names_the_outputs_have_those_of_the_onnx_file(transformed: NetworkOutputs) -> None:
    text = "g (float[1] x) => (float[1] cls_8, float[1] box) { cls_8 = Exp(x) box = Relu(x) }"
    path = transformed.mlir.with_name("net.onnx")
    onnx.save(network(text, 17), path)
    assert names_concluded(dataclasses.replace(transformed, network=path)) == ["cls_8", "box"]


def test_without_any_names_the_outputs_have_those_of_the_mlir(transformed: NetworkOutputs) -> None:
    assert names_concluded(transformed) == ["320_Transpose_top.Sigmoid", "box_Conv"]


def test_outputs_in_another_order_fail_the_stage(transformed: NetworkOutputs) -> None:
    with pytest.raises(StageFailedError, match="net:stage: its outputs come as"):
        conclude(stage_with(dataclasses.replace(transformed, names=("box", "cls_8"))))
    assert not transformed.result.exists()


def test_a_damaged_list_of_outputs_is_told(transformed: NetworkOutputs) -> None:
    transformed.result.write_text("[{}]", encoding="utf-8")
    with pytest.raises(CvimakeError, match="is damaged"):
        read_outputs(transformed.result)


# The ending of a search


def conclude_search(folder: Path, **search: Any) -> None:  # noqa: ANN401 - JSON values
    path = folder / "search.json"
    path.write_text(json.dumps({"comparisons": [], "search": search}), encoding="utf-8")
    conclude(stage_with(SearchEnding(variant="net:mix", summary=path)))


def test_a_search_that_reached_what_it_should_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conclude_search(tmp_path, ending="reached", int8_cos=0.9, mix_cos=0.999, expected_cos=0.99)
    assert capsys.readouterr().err == ""


def test_a_search_that_needs_no_float_layers_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conclude_search(tmp_path, ending="int8_suffices", int8_cos=0.9999, expected_cos=0.99)
    said = capsys.readouterr().err
    assert "net:mix: INT8 alone reaches a cosine of 0.999900 (0.99 expected)" in said
    assert "warning" not in said


def test_a_search_that_gave_up_is_warned_of_with_all_cosines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cosines = {"int8_cos": 0.5, "mix_cos": 0.9369, "expected_cos": 0.999}
    why = {
        "cause": "no layer is below min_layer_cos 0.9, so none was tried",
        "remedy": "Raise min_layer_cos.",
    }
    conclude_search(tmp_path, ending="gave_up", **cosines, **why)
    said = capsys.readouterr().err
    assert said.startswith("cvimake: warning: net:mix: ")
    assert said.endswith(": no layer is below min_layer_cos 0.9, so none was tried. Raise min_layer_cos.\n")
    for number in ("0.936900", "0.999 was expected", "0.500000"):
        assert number in said


# The types that a cvimodel computes in


@pytest.mark.parametrize(
    ("table", "equals_int8"),
    [("# op_name   quantize_mode\n", True), ("a_Conv INT8\n", True), ("a_Conv INT8\nb_Conv BF16\n", False)],
)
def test_a_mixed_variant_that_comes_out_equal_to_int8_says_so(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    table: str,
    equals_int8: bool,  # noqa: FBT001 - a case
) -> None:
    (tmp_path / "qtable").write_text(table, encoding="utf-8")
    conclude(stage_with(ComputedTypes(quantize="INT8", qtable=tmp_path / "qtable")))
    said = "cvimake: net:stage: its qtable keeps no layer float, so the cvimodel equals INT8's\n"
    assert capsys.readouterr().err == (said if equals_int8 else "")


@pytest.mark.parametrize(("quantize", "is_told"), [("F16", True), ("BF16", False), ("INT8", False)])
def test_f16_is_told_to_compute_in_bf16(
    capsys: pytest.CaptureFixture[str], quantize: str, *, is_told: bool
) -> None:
    conclude(stage_with(ComputedTypes(quantize=quantize, qtable=None)))
    said = "cvimake: net:stage: F16 computes in BF16, the only float type of this processor\n"
    assert capsys.readouterr().err == (said if is_told else "")


# All that is known of a cvimodel


def outcome_in(
    folder: Path, budget: Budget, declared: camera_picture.Declared = camera_picture.NOTHING
) -> CvimodelInfo:
    return CvimodelInfo(
        variant="net:int8",
        cvimodel=folder / "net.cvimodel",
        listing=folder / "info.txt",
        time=folder / "time.json",
        validation=folder / "validation.json",
        outputs=folder / "outputs.json",
        declared=declared,
        budget=budget,
        result=folder / "info.json",
    )


def info(
    folder: Path,
    budget: Budget,
    listing: str = CLASSIFIER,
    declared: camera_picture.Declared = camera_picture.NOTHING,
    warn_once: Callable[[str], None] = announce.note,
) -> dict[str, Any]:
    files = {
        "info.txt": listing.encode(),
        "time.json": json.dumps(TIME).encode(),
        "validation.json": json.dumps({"comparisons": COMPARISONS}).encode(),
        "net.cvimodel": b"x" * 1000,
        "outputs.json": named_outputs.as_json(outputs(listing)),
    }
    for name, held in files.items():
        (folder / name).write_bytes(held)
    conclude(stage_with(outcome_in(folder, budget, declared)), warn_once)
    return written(folder)


def written(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    return values


def test_the_info_file_is_json_that_reads_back(tmp_path: Path) -> None:
    values = info(tmp_path, Budget())
    assert (values["schema_version"], values["recognised_as"]) == (1, "classifier")
    without_names = [{**output, "declared": ""} for output in values["outputs"]]
    assert Info.model_validate({**values, "outputs": without_names}) == examine(
        "net.cvimodel", 1000, CLASSIFIER, TIME, {"comparisons": COMPARISONS}
    )


def test_no_other_file_is_left(tmp_path: Path) -> None:
    info(tmp_path, Budget())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "info.txt", "time.json", "validation.json", "outputs.json", "net.cvimodel", "info.json",
    }  # fmt: skip


def test_the_same_cvimodel_is_the_same_bytes(tmp_path: Path) -> None:
    info(tmp_path, Budget())
    before = (tmp_path / "info.json").read_bytes()
    info(tmp_path, Budget(size=2000))
    assert (tmp_path / "info.json").read_bytes() == before


def test_every_excess_is_told_and_the_info_is_written_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as caught:
        info(tmp_path, Budget(size=1, ion_memory=1.0, milliseconds=1.0, recognised_as="YOLO11"))
    assert [line.partition(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "size",
        "ion_memory",
        "milliseconds",
        "recognised_as",
    ]
    assert written(tmp_path)["size"] == 1000


def test_a_listing_that_is_not_understood_fails_the_stage_and_names_the_line(tmp_path: Path) -> None:
    info(tmp_path, Budget())
    (tmp_path / "info.txt").write_text(CLASSIFIER.replace("0.127721", "0,127721"), encoding="utf-8")
    with pytest.raises(StageFailedError) as caught:
        conclude(stage_with(outcome_in(tmp_path, Budget())))
    assert "'0,127721'" in str(caught.value)
    assert f"The cvimodel itself is made: {tmp_path / 'net.cvimodel'}" in str(caught.value)
    assert (tmp_path / "net.cvimodel").exists()


def test_an_output_whose_scale_is_not_listed_is_recorded_without_one(tmp_path: Path) -> None:
    found = info(tmp_path, Budget(), CLASSIFIER.replace("0.127721", "-       "))
    assert [output["scale"] for output in found["outputs"]] == [None]


def test_warnings_of_the_recognition_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose = CLASSIFIER.replace("10   1    1  ", "11   3549 1  ").replace("int8  1    11", "fp32  1    11")
    info(tmp_path, Budget(), pose)
    assert "cvimake: warning: net:int8: a detector of 7 classes" in capsys.readouterr().err


def test_each_output_has_its_declared_name(tmp_path: Path) -> None:
    values = info(tmp_path, Budget(), LISTING)
    assert [(output["name"], output["declared"]) for output in values["outputs"]] == [
        ("boxes_f32", "tensor 0"),
        ("scores", "tensor 1"),
    ]


def test_a_declaration_that_differs_from_the_camera_is_warned_of_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = info(tmp_path, Budget(), declared=camera_picture.Declared(warnings=("another border",)))
    assert "cvimake: warning: net:int8: another border\n" in capsys.readouterr().err
    assert values["recognition"]["warnings"] == ["another border"]


def test_a_warning_about_the_input_is_told_once_for_all_variants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = announce.Once()
    for variant in ("int8", "bf16"):
        (tmp_path / variant).mkdir()
        declared = camera_picture.Declared(of_input=("another border",))
        values = info(tmp_path / variant, Budget(), declared=declared, warn_once=once.note)
        assert values["recognition"]["warnings"] == ["another border"]
    assert capsys.readouterr().err == "cvimake: warning: net: another border\n"


# The accuracy

FIGURE = Figure(metric="mAP50", value=0.5)
UNTOLD, TOLD = "", "warning: net:int8_accuracy: the labels are of no use: no decoder\n"


def accuracy_of(path: Path, figure: Figure | None) -> Path:
    measured = Measured(
        network="n", sha256="", images=1, kind="", figure=figure, figure_reason="no decoder", camera=None,
        agreement=None,
    )  # fmt: skip
    path.write_text(measured.model_dump_json(), encoding="utf-8")
    return path


@pytest.mark.parametrize(("figure", "told"), [(None, TOLD), (FIGURE, UNTOLD)])
def test_labels_that_are_of_no_use_are_told_of_the_float_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], figure: Figure | None, told: str
) -> None:
    outcome = MeasuredAccuracy(
        stage="net:int8_accuracy",
        result=accuracy_of(tmp_path / "ours", figure),
        of_float=None,
        budget=Budget(),
    )
    conclude(stage_with(outcome))
    assert capsys.readouterr().err.removeprefix("cvimake: ") == told
    conclude(stage_with(dataclasses.replace(outcome, wants_figure=False)))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("of_float", "told"), [(None, UNTOLD), (FIGURE, TOLD)])
def test_labels_that_are_of_no_use_are_told_of_a_variant_if_the_float_network_has_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of_float: Figure | None, told: str
) -> None:
    conclude(
        stage_with(
            MeasuredAccuracy(
                stage="net:int8_accuracy",
                result=accuracy_of(tmp_path / "ours", None),
                of_float=accuracy_of(tmp_path / "float", of_float),
                budget=Budget(),
            )
        )
    )
    assert capsys.readouterr().err.removeprefix("cvimake: ") == told
