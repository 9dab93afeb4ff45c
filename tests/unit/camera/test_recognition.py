"""Layouts around the borders of the firmware's rules, and what it answers to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.camera.camera_picture import Declared, Fault
from cvimake.camera.kinds import KINDS
from cvimake.camera.recognition import Recognition, recognise
from cvimake.toolchain.cvimodel import Tensor

LAYOUTS = Path(__file__).parents[1] / "data" / "layouts.txt"


@dataclass(frozen=True)
class Layout:
    """A line of the table; its columns are described there."""

    input: str
    outputs: str
    told: str
    as_: str
    works: str
    says: str
    because: str


def layouts() -> list[Layout]:
    lines = LAYOUTS.read_text(encoding="utf-8").splitlines()
    return [Layout(*(cell.strip() for cell in line.split("|"))) for line in lines if "|" in line[1:]][1:]


def tensor(text: str) -> Tensor:
    shape, kind, scale = (*text.split(":"), "", "")[:3]
    if "@" in shape:
        channels, grid = map(int, shape.split("@"))
        axes = [1, channels, grid, grid]
    else:
        axes = [int(axis) for axis in shape.split("x")]
    batch, channels, height, width = axes
    return Tensor(
        name="t", shape=(batch, channels, height, width), type=kind or "fp32", scale=float(scale or 1)
    )


def seen(outputs: str, given: str = "640", told: int = 0) -> Recognition:
    picture = f"1x{given}x{given}x3:uint8" if given.isdigit() else given
    return recognise([tensor(picture)], [tensor(text) for text in outputs.split()], told)


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: f"{layout.as_} {layout.because}")
def test_a_layout_gets_the_firmwares_answer(layout: Layout) -> None:
    found = seen(layout.outputs, layout.input, int(layout.told))
    assert found.as_ == layout.as_.strip("-")
    assert found.works == layout.works
    assert (found.type is None) == (not found.as_)
    if layout.says == "-":
        assert not found.reason
    else:
        assert layout.says in found.reason


def test_the_table_is_large_and_every_answer_is_in_it() -> None:
    table = layouts()
    assert len(table) >= 100
    assert {layout.as_ for layout in table} == {"-", *(kind.name for kind in KINDS)}
    assert {layout.works for layout in table} == {"yes", "badly", "no", "unclear"}


def test_the_rules_are_asked_in_the_firmwares_order() -> None:
    assert [kind.type for kind in KINDS] == [1, 3, 4, 6, 7, 9, 10, 11, 14, 15, 16]


@pytest.mark.parametrize("count", [0, 2])
def test_there_must_be_one_input(count: int) -> None:
    found = recognise([tensor("1x640x640x3:uint8")] * count, [tensor("1x10x1x1")])
    assert not found.as_
    assert f"this has {count}" in found.reason


# What to do


@pytest.mark.parametrize(
    ("outputs", "given", "remedy"),
    [
        ("64@80 64@40 64@20 80@80 80@40 80@20", "640", "in turns"),
        ("64@80 80@80 64@40 80@40 64@20 80@20", "1x3x640x640:fp32", "fuse_preprocess"),
        ("64@80:int8 80@80:int8 64@40:int8 80@40:int8 64@20:int8 80@20:int8", "640", "quant_output"),
        ("1x56x8400x1:int8", "640", "quant_output"),
        ("1x25200x85x1", "640", "relative_boxes = true"),
        ("4@80 4@80 4@40 4@40 4@20 4@20", "640", "grouped: three boxes"),
    ],
)
def test_every_kind_that_does_not_work_has_a_remedy(outputs: str, given: str, remedy: str) -> None:
    assert remedy in seen(outputs, given).remedy


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.because)
def test_every_file_that_is_recognised_and_does_not_work_has_a_reason(layout: Layout) -> None:
    found = seen(layout.outputs, layout.input, int(layout.told))
    assert bool(found.reason) == (found.works != "yes")


def test_shapes_that_are_refused_are_listed() -> None:
    assert "[1, 255, 80, 80], [1, 255, 40, 40], [1, 255, 20, 20]" in seen("255@80 255@40 255@20").reason


def test_the_cost_of_int8_outputs_is_told() -> None:
    outputs = "64@80:int8 80@80:int8 64@40:int8 80@40:int8 64@20:int8 80@20:int8"
    assert "0.842 fell to 0.761" in seen(outputs).reason


@pytest.mark.parametrize(
    ("name", "works"), [("output0_Softmax_f32", "yes"), ("fc_Gemm_f32", "badly"), ("head_Conv", "badly")]
)
def test_a_classifier_without_softmax_works_badly(name: str, works: str) -> None:
    output = tensor("1x1000x1x1").model_copy(update={"name": name})
    found = recognise([tensor("1x224x224x3:uint8")], [output])
    assert (found.as_, found.works) == ("classifier", works)


# What only the declaration says


def test_a_picture_that_the_network_reads_otherwise_does_not_work() -> None:
    fault = Fault("aligned_input", "it sees a sheared picture", "use another width")
    found = recognise(
        [tensor("1x224x224x3:uint8")],
        [tensor("1x1000x1x1")],
        declared=Declared(fault=fault, warnings=("another border",)),
    )
    assert (found.as_, found.works) == ("classifier", "no")
    assert (found.reason, found.remedy, found.warnings) == (fault.reason, fault.remedy, ("another border",))


# Traps


@pytest.mark.parametrize("count", [4, 7, 10, 13, 52])
def test_a_detector_that_is_taken_for_pose_is_warned_of(count: int) -> None:
    found = seen(f"1x{count + 4}x8400x1")
    assert found.as_ == "YOLO11-pose"
    assert any(f"a detector of {count} classes" in warning for warning in found.warnings) == (
        count in {4, 7, 10}
    )


def test_a_segmentation_that_is_taken_for_fomo_is_warned_of() -> None:
    assert any("semantic segmentation" in warning for warning in seen("1x640x640x21:int8").warnings)


@pytest.mark.parametrize("outputs", ["1x1000x1x1", "64@80 80@80 64@40 80@40 64@20 80@20", "1x56x8400x1"])
def test_a_correct_file_causes_no_warning(outputs: str) -> None:
    assert seen(outputs).warnings == ()


# Whatever comes

NUMBERS = st.one_of(
    st.integers(0, 5),
    st.sampled_from([6, 20, 32, 37, 40, 56, 64, 80, 85, 160, 640, 8400, 25200]),
    st.integers(0, 2**31),
)
TENSORS = st.lists(
    st.builds(
        Tensor,
        name=st.just("t"),
        shape=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
        type=st.sampled_from(["fp32", "bf16", "int8", "uint8", "uint16", "other"]),
        scale=st.floats(0, 10),
    ),
    max_size=10,
)


def holds(found: Recognition) -> bool:
    """Every answer is whole: a kind has a number, and what does not work has a reason."""
    return (bool(found.as_) == (found.type is not None)) and (found.works == "yes") == (not found.reason)


@given(TENSORS, TENSORS, st.integers(0, 17))
def test_any_tensors_get_a_whole_answer(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], told: int
) -> None:
    assert holds(recognise(inputs, outputs, told))


@given(TENSORS)
def test_any_outputs_of_a_picture_get_a_whole_answer(outputs: Sequence[Tensor]) -> None:
    assert holds(recognise([tensor("1x640x640x3:uint8")], outputs))


@pytest.mark.parametrize(
    ("output", "relative", "works", "says"),
    [
        ("1x25200x85x1", True, "yes", ""),
        ("1x25200x85x1", False, "no", "divides every score by 100"),
        ("1x25200x85x1", None, "unclear", "is not known"),
        ("1x25200x85x1:int8:0.008", True, "yes", ""),
        ("1x25200x85x1:int8:0.008", False, "yes", ""),
        ("1x25200x85x1:int8:0.2", True, "no", "the scale of the INT8 output, 0.2, is not below 0.1"),
        ("1x25200x85x1:bf16", True, "no", "cannot read bf16"),
    ],
)
def test_a_yolov5_works_where_its_boxes_are_declared_to_be_fractions(
    output: str,
    relative: bool | None,  # noqa: FBT001 - a case of the table
    works: str,
    says: str,
) -> None:
    found = recognise([tensor("1x640x640x3:uint8")], [tensor(output)], relative_boxes=relative)
    assert (found.as_, found.works) == ("YOLOv5", works)
    assert says in found.reason
    if works in {"no", "unclear"} and "divides" in found.reason and relative is not True:
        assert "relative_boxes = true" in found.remedy
