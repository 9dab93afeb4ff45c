from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.core.errors import CvimakeError
from cvimake.toolchain import cvimodel
from cvimake.toolchain.cvimodel import Section, Tensor, Weight

LISTING = (Path(__file__).parents[1] / "data" / "yolo_info.txt").read_text(encoding="utf-8")


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


# Everything that the tool can print


def with_tensor(line: str, *outputs: str) -> str:
    """The listing with other outputs, and a line of one more tensor."""
    text = LISTING.replace("    outputs     : boxes_f32,scores", f"    outputs     : {','.join(outputs)}")
    return f"{text.rstrip()}\n{line}\n"


def test_a_scale_that_is_too_small_or_too_large_to_be_listed_is_not_known() -> None:
    line = "        005  0           int8  1    4    8    8    -          io_mem  tiny_Mul"
    (tiny,) = cvimodel.parse(with_tensor(line, "tiny_Mul")).outputs
    assert tiny == Tensor(name="tiny_Mul", shape=(1, 4, 8, 8), type="int8", scale=None)


@pytest.mark.parametrize("name", ["hu,ge_Mul", "a name with spaces", "boxes_f32,scores", ",", "a,"])
def test_an_output_can_be_called_anything(name: str) -> None:
    line = f"        005  0           int8  1    4    8    8    0.500000   io_mem  {name}"
    found = cvimodel.parse(with_tensor(line, "scores", name, "boxes_f32")).outputs
    assert [tensor.name for tensor in found] == ["scores", name, "boxes_f32"]


@pytest.mark.parametrize("kind", ["fp32", "bf16", "int8", "uint8", "int16", "uint16", "int32", "uint32"])
@given(
    shape=st.tuples(*[st.integers(0, 99999)] * 4),
    scale=st.floats(min_value=1e-6, max_value=400),
    memory=st.sampled_from(["io_mem", "shared", "private"]),
)
def test_every_tensor_that_the_tool_can_print_is_read(
    kind: str, shape: tuple[int, int, int, int], scale: float, memory: str
) -> None:
    # The tool's own format: "%03d  %-12d%-6s%-4d %-4d %-4d %-4d %-10f %-7s %-s".
    line = "        %03d  %-12d%-6s%-4d %-4d %-4d %-4d %-10f %-7s %-s"
    text = with_tensor(line % (1005, 7, kind, *shape, scale, memory, "x"), "x")
    assert cvimodel.parse(text).outputs == (
        Tensor(name="x", shape=shape, type=kind, scale=float(f"{scale:f}")),
    )


@pytest.mark.parametrize(
    "line",
    [
        "        005  0           int4  1    4    8    8    1.000000   io_mem  x",
        "        005  0           int8  1    4    8    8    new        io_mem  x",
        "        005  0           int8  1    4    8    1.000000   io_mem  x",
        "        005  0           int8  1    4    8    8    1.000000   elsewhere  x",
    ],
)
def test_a_line_that_is_not_known_is_named(line: str) -> None:
    with pytest.raises(CvimakeError, match=r"new|005"):
        cvimodel.parse(with_tensor(line, "scores"))


def test_a_weight_or_section_that_is_not_known_is_named() -> None:
    with pytest.raises(CvimakeError, match="does not know this line of its listing: '002  573168    128"):
        cvimodel.parse(LISTING.replace("uint16", "complex"))
    with pytest.raises(CvimakeError, match="does not know this line of its listing: '001  cmdbuf"):
        cvimodel.parse(LISTING.replace("5783c60b", "none"))


# What is no listing


@pytest.mark.parametrize(
    "text", ["", "Segmentation fault", "Program #0", LISTING.partition("Program #0")[0], LISTING[:400]]
)
def test_text_that_is_not_a_listing_is_refused(text: str) -> None:
    with pytest.raises(CvimakeError, match="not a cvimodel that model_tool understands"):
        cvimodel.parse(text)


def test_an_output_that_is_not_in_the_tensor_map_is_refused() -> None:
    with pytest.raises(CvimakeError, match="nowhere"):
        cvimodel.parse(LISTING.replace("    outputs     : boxes_f32", "    outputs     : nowhere"))


@given(st.integers(0, len(LISTING) - 1))
def test_a_listing_that_is_cut_off_is_read_or_refused(length: int) -> None:
    with contextlib.suppress(CvimakeError):
        cvimodel.parse(LISTING[:length])
