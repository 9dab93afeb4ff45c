from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cvimake.camera import feed
from cvimake.core.errors import CvimakeError, StepFailedError
from cvimake.pipeline import named_outputs, outcomes
from cvimake.pipeline.outcomes import Info
from cvimake.project.model import Budget
from cvimake.toolchain import cvimodel

LISTING = (Path(__file__).parents[1] / "data" / "yolo_info.txt").read_text(encoding="utf-8")
CLASSIFIER = LISTING.replace("boxes_f32,scores", "scores").replace("80   52   52 ", "10   1    1  ")
COMPARISONS = [
    {"target": "a_tpu_outputs.npz", "cosine": 0.99, "euclidean": 0.9, "signal_to_noise": 20.5},
    {"target": "a_model_outputs.npz", "cosine": 1.0, "euclidean": 1.0, "signal_to_noise": None},
]
TIME: dict[str, Any] = {
    "clocks": [
        {"megahertz": 500, "compute": 2_000_000, "memory": 1_000_000, "together": 2_500_000},
        {"megahertz": 750, "compute": 1_500_000, "memory": 1_000_000, "together": 2_000_000},
    ],
}


# How a search ended


def concluded(folder: Path, **search: Any) -> None:  # noqa: ANN401 - JSON values
    path = folder / "search.json"
    path.write_text(json.dumps({"comparisons": [], "search": search}), encoding="utf-8")
    outcomes.search("net:mix", path)


def test_a_search_that_reached_what_it_should_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    concluded(tmp_path, ending="reached", int8_cos=0.9, mix_cos=0.999, expected_cos=0.99)
    assert capsys.readouterr().err == ""


def test_where_int8_suffices_it_is_said_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    concluded(tmp_path, ending="int8_suffices", int8_cos=0.9999, expected_cos=0.99)
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
    concluded(tmp_path, ending="gave_up", **cosines, **why)
    said = capsys.readouterr().err
    assert said.startswith("cvimake: warning: net:mix: ")
    assert said.endswith(": no layer is below min_layer_cos 0.9, so none was tried. Raise min_layer_cos.\n")
    for number in ("0.936900", "0.999 was expected", "0.500000"):
        assert number in said


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
    outcomes.float_layers("net:mix", tmp_path / "qtable")
    said = "cvimake: net:mix: its qtable keeps no layer float, so the cvimodel equals INT8's\n"
    assert capsys.readouterr().err == (said if equals_int8 else "")
    outcomes.float_layers("net:int8", None)


# What is known of a cvimodel


def known(
    folder: Path, listing: str = CLASSIFIER, size: int = 1000, time: dict[str, Any] | None = None
) -> Info:
    model = folder / "net.cvimodel"
    model.write_bytes(b"x" * size)
    return outcomes.examine(model, listing, time or TIME, {"comparisons": COMPARISONS})


def test_listing_size_validation_and_recognition_come_together(tmp_path: Path) -> None:
    info = known(tmp_path)
    assert (info.name, info.size, info.ion_memory, info.schema_version) == ("yolo", 1000, 5.55, 1)
    assert [found.cosine for found in info.similarity] == [0.99, 1.0]
    assert info.recognised_as == info.recognition.as_ == "classifier"


def test_without_a_validation_there_is_no_similarity(tmp_path: Path) -> None:
    (tmp_path / "net.cvimodel").touch()
    assert outcomes.examine(tmp_path / "net.cvimodel", CLASSIFIER, TIME, {}).similarity == ()


def test_text_that_is_not_a_listing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError):
        known(tmp_path, "rubbish")


# The budget


@pytest.mark.parametrize(
    "budget",
    [
        {},
        {"size": 1000},
        {"ion_memory": 5.55},
        {"recognised_as": "classifier"},
        {"works_on_camera": False},
        {"size": 1001, "ion_memory": 6},
        {"milliseconds": 2.5},
    ],
)
def test_a_cvimodel_within_its_budget_passes(tmp_path: Path, budget: dict[str, Any]) -> None:
    assert outcomes.over_budget(known(tmp_path), Budget(**budget)) == []


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        ({"size": 999}, "size: 1000 bytes, at most 999 are declared"),
        ({"ion_memory": 5.5}, "ion_memory: 5.55 MB, at most 5.5 are declared"),
        (
            {"milliseconds": 2.4},
            "milliseconds: 2.500 are estimated at 500 MHz, at most 2.4 are declared",
        ),
        (
            {"recognised_as": "YOLO11"},
            "recognised_as: YOLO11 is declared, and the camera takes it for classifier",
        ),
    ],
)
def test_every_exceeded_budget_is_reported(tmp_path: Path, budget: dict[str, Any], what: str) -> None:
    assert outcomes.over_budget(known(tmp_path), Budget(**budget)) == [what]


def test_a_file_that_does_not_work_on_the_camera_is_over_that_budget(tmp_path: Path) -> None:
    found = known(tmp_path)
    assert (found.recognised_as, found.recognition.works) == ("classifier", "no")
    assert outcomes.over_budget(found, Budget(works_on_camera=False)) == []
    (excess,) = outcomes.over_budget(found, Budget(works_on_camera=True))
    assert excess.startswith("works_on_camera: the camera takes it for classifier, and that does not work: ")
    assert "What to do: " in excess


def test_a_file_that_the_camera_refuses_does_not_work_on_it(tmp_path: Path) -> None:
    (excess,) = outcomes.over_budget(known(tmp_path, LISTING), Budget(works_on_camera=True))
    assert excess.startswith("works_on_camera: the camera refuses it: no kind of model has the outputs ")


def test_an_unrecognised_cvimodel_is_reported_with_the_reason(tmp_path: Path) -> None:
    (excess,) = outcomes.over_budget(known(tmp_path, LISTING), Budget(recognised_as="YOLO11"))
    assert "nothing: no kind of model has the outputs [1, 64, 52, 52], [1, 80, 52, 52]" in excess


def test_a_budget_of_time_that_nobody_can_check_is_an_excess(tmp_path: Path) -> None:
    info = known(tmp_path, time={"unknown": "another processor"})
    (excess,) = outcomes.over_budget(info, Budget(milliseconds=1000))
    assert excess == ("milliseconds: at most 1000 are declared, and there is no estimate: another processor")


# The stage


def info(
    folder: Path, budget: Budget, listing: str = CLASSIFIER, declared: feed.Declared = feed.NOTHING
) -> dict[str, Any]:
    files = {
        "info.txt": listing,
        "time.json": json.dumps(TIME),
        "validation.json": json.dumps({"comparisons": COMPARISONS}),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "net.cvimodel").write_bytes(b"x" * 1000)
    (folder / "outputs.json").write_text(outputs(listing), encoding="utf-8")
    listed, time, validation = (folder / name for name in files)
    named, result = folder / "outputs.json", folder / "info.json"
    places = (folder / "net.cvimodel", listed, time, validation, named)
    outcomes.info("net:int8", *places, declared, budget, result)
    return written(folder)


def outputs(listing: str) -> str:
    """The outputs of the MLIR that a listing's cvimodel would be made of, under names of their own."""
    found = cvimodel.parse(listing).outputs
    values = [
        {
            "declared": f"tensor {number}",
            "mlir": tensor.name.removesuffix("_f32"),
            "size": math.prod(tensor.shape),
        }
        for number, tensor in enumerate(found)
    ]
    return json.dumps(values)


def written(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    return values


def test_the_info_file_is_json_that_reads_back(tmp_path: Path) -> None:
    values = info(tmp_path, Budget())
    assert (values["schema_version"], values["recognised_as"]) == (1, "classifier")
    without_names = [{**output, "declared": ""} for output in values["outputs"]]
    assert Info.model_validate({**values, "outputs": without_names}) == known(tmp_path)


def test_nothing_else_is_left(tmp_path: Path) -> None:
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


def test_every_excess_is_told_and_what_is_known_is_written_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError) as caught:
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
    model, listing, time, validation, named, result = (
        tmp_path / name
        for name in ("net.cvimodel", "info.txt", "time.json", "validation.json", "outputs.json", "info.json")
    )
    listing.write_text(CLASSIFIER.replace("0.127721", "0,127721"), encoding="utf-8")
    with pytest.raises(StepFailedError) as caught:
        outcomes.info("net:int8", model, listing, time, validation, named, feed.NOTHING, Budget(), result)
    assert "'0,127721'" in str(caught.value)
    assert f"The cvimodel itself is made: {tmp_path / 'net.cvimodel'}" in str(caught.value)
    assert (tmp_path / "net.cvimodel").exists()


def test_an_output_whose_scale_is_not_listed_is_recorded_without_one(tmp_path: Path) -> None:
    found = info(tmp_path, Budget(), CLASSIFIER.replace("0.127721", "-       "))
    assert [output["scale"] for output in found["outputs"]] == [None]


def test_traps_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose = CLASSIFIER.replace("10   1    1  ", "11   3549 1  ").replace("int8  1    11", "fp32  1    11")
    info(tmp_path, Budget(), pose)
    assert "cvimake: warning: net:int8: a detector of 7 classes" in capsys.readouterr().err


def test_each_output_has_its_declared_name(tmp_path: Path) -> None:
    values = info(tmp_path, Budget(), LISTING)
    assert [(output["name"], output["declared"]) for output in values["outputs"]] == [
        ("boxes_f32", "tensor 0"),
        ("scores", "tensor 1"),
    ]


def test_relative_boxes_decide_whether_a_yolov5_works(tmp_path: Path) -> None:
    listing = LISTING.replace("boxes_f32,scores", "boxes_f32").replace("64   52   52 ", "10647 85   1  ")
    listing = listing.replace("fp32  1    3    416  416", "uint8  1    416    416  3")
    model = tmp_path / "net.cvimodel"
    model.touch()
    (output,) = json.loads(outputs(listing))
    answers = {
        relative: outcomes.examine(
            model, listing, TIME, {}, [named_outputs.NamedOutput(**output, relative_boxes=relative)]
        ).recognition.works
        for relative in (None, True, False)
    }
    assert answers == {None: "unclear", True: "yes", False: "no"}


def test_a_cvimodel_beside_its_info_has_the_declared_names(tmp_path: Path) -> None:
    info(tmp_path, Budget(), LISTING)
    (tmp_path / "info.json").rename(tmp_path / "net_info.json")
    model = tmp_path / "net.cvimodel"
    bare = outcomes.examine(model, LISTING, TIME, {})
    assert [output.declared for output in bare.outputs] == ["", ""]
    named = outcomes.named_as_beside(bare, model)
    assert [output.declared for output in named.outputs] == ["tensor 0", "tensor 1"]
    # The info of another cvimodel says nothing of this one.
    model.write_bytes(b"x" * 1001)
    bare = outcomes.examine(model, LISTING, TIME, {})
    assert outcomes.named_as_beside(bare, model) == bare
    (tmp_path / "net_info.json").write_text("damaged", encoding="utf-8")
    assert outcomes.named_as_beside(bare, model) == bare


def test_a_declaration_that_differs_from_the_camera_is_warned_of_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = info(tmp_path, Budget(), declared=feed.Declared(warnings=("another border",)))
    assert "cvimake: warning: net:int8: another border\n" in capsys.readouterr().err
    assert values["recognition"]["warnings"] == ["another border"]
    # `info FILE` has it from there.
    (tmp_path / "info.json").rename(tmp_path / "net_info.json")
    model = tmp_path / "net.cvimodel"
    bare = outcomes.examine(model, CLASSIFIER, TIME, {})
    assert bare.recognition.warnings == ()
    assert outcomes.named_as_beside(bare, model).recognition.warnings == ("another border",)


def test_outputs_in_another_order_fail_the_stage(tmp_path: Path) -> None:
    swapped = LISTING.replace("boxes_f32,scores", "scores,boxes_f32")
    (tmp_path / "x").mkdir()
    info(tmp_path / "x", Budget(), LISTING)
    names = named_outputs.read(tmp_path / "x/outputs.json")
    (tmp_path / "net.cvimodel").touch()
    with pytest.raises(StepFailedError, match=r"come as scores, boxes_f32; declared are boxes, scores"):
        outcomes.examine(tmp_path / "net.cvimodel", swapped, TIME, {}, names)
