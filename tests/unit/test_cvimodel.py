from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake import cvimodel
from cvimake.cvimodel import Section, Tensor, Weight
from cvimake.errors import CvimakeError

LISTING = (Path(__file__).parent / "data" / "yolo_info.txt").read_text(encoding="utf-8")


def test_the_head_says_what_it_is() -> None:
    found = cvimodel.parse(LISTING)
    assert (found.compiler, found.format) == ("v1.7-20240419", "1.4.0")
    assert (found.name, found.built) == ("yolo", "2024-01-01 00:00:00")
    assert found.processor == "cv181x"
    assert found.ion_memory == 5.55


def test_inputs_and_outputs_are_the_programs_in_its_order() -> None:
    found = cvimodel.parse(LISTING)
    assert found.inputs == (Tensor(name="images", shape=(1, 3, 416, 416), type="fp32", scale=1.0),)
    assert found.outputs == (
        Tensor(name="boxes_f32", shape=(1, 64, 52, 52), type="fp32", scale=1.0),
        Tensor(name="scores", shape=(1, 80, 52, 52), type="int8", scale=0.127721),
    )
    swapped = cvimodel.parse(
        LISTING.replace("    outputs     : boxes_f32,scores", "    outputs     : scores,boxes_f32")
    )
    assert swapped.outputs == found.outputs[::-1]


def test_the_sections_are_listed() -> None:
    md5 = "5783c60b447dabe4c5fa4ded46a09799"
    sections = cvimodel.parse(LISTING).sections
    assert [section.type for section in sections] == ["weight", "cmdbuf"]
    assert sections[1] == Section(type="cmdbuf", name="subfunc_1", size=264384, offset=1111552, md5=md5)


def test_the_weights_are_listed_whatever_they_are_called() -> None:
    weights = cvimodel.parse(LISTING).weights
    assert [weight.name for weight in weights] == [
        "onnx::Sigmoid_1177_Conv_bias_packed",
        "a name with spaces",
        "conv0.bias",
    ]
    assert weights[2] == Weight(
        name="conv0.bias", type="uint16", shape=(2, 32, 1, 1), size=128, offset=573168
    )


def test_other_line_ends_make_no_difference() -> None:
    assert cvimodel.parse(LISTING.replace("\n", "\r\n")) == cvimodel.parse(LISTING)


@pytest.mark.parametrize("line", ["        004  173056", "002  573168"])
def test_more_than_999_lines_are_read(line: str) -> None:
    number, _, rest = line.strip().partition("  ")
    assert line in LISTING
    assert cvimodel.parse(
        LISTING.replace(line, line.replace(f"{number}  {rest}", f"1{number} {rest}"))
    ) == cvimodel.parse(LISTING)


def test_a_file_without_weights_is_read() -> None:
    head, _, rest = LISTING.partition("WeightMap:")
    assert cvimodel.parse(head + "Program #0" + rest.partition("Program #0")[2]).weights == ()


# What is no listing


@pytest.mark.parametrize(
    "text", ["", "Segmentation fault", "Program #0", LISTING.partition("Program #0")[0], LISTING[:400]]
)
def test_what_is_no_listing_is_refused(text: str) -> None:
    with pytest.raises(CvimakeError, match="not a cvimodel that model_tool understands"):
        cvimodel.parse(text)


def test_an_output_that_is_not_in_the_tensor_map_is_refused() -> None:
    with pytest.raises(CvimakeError, match="nowhere"):
        cvimodel.parse(LISTING.replace("    outputs     : boxes_f32", "    outputs     : nowhere"))


@given(st.integers(0, len(LISTING) - 1))
def test_a_listing_that_is_cut_off_is_read_or_refused(length: int) -> None:
    with contextlib.suppress(CvimakeError):
        cvimodel.parse(LISTING[:length])
