from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.release.fields import differences, first_difference
from cvimake.toolchain import cvimodel

LISTING = cvimodel.parse((Path(__file__).parents[1] / "data" / "yolo_info.txt").read_text(encoding="utf-8"))
BODY = 100
MODEL = struct.pack("<8sI2B16s16s2x", b"CviModel", BODY, 1, 4, b"m" * 16, b"cv181x") + bytes(
    BODY + 1111552 + 264384
)


def flipped(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


@pytest.mark.parametrize(
    ("offset", "place"),
    [
        (0, "header: magic (byte 0)"),
        (9, "header: body size (byte 9)"),
        (20, "header: md5 (byte 20)"),
        (32, "header: processor (byte 32)"),
        (48, "description of the network (from byte 48 to 148)"),
        (148, "section weight (weight), at its byte 0"),
        (
            148 + 405664 + 7,
            "section weight (weight), tensor onnx::Sigmoid_1177_Conv_bias_packed, at its byte 7",
        ),
        (148 + 573168 + 127, "section weight (weight), tensor conv0.bias, at its byte 127"),
        (148 + 1111552 + 5, "section subfunc_1 (cmdbuf), at its byte 5"),
    ],
)
def test_a_byte_of_a_cvimodel_is_told_by_section_and_tensor(offset: int, place: str) -> None:
    assert differences("x.cvimodel", MODEL, flipped(MODEL, offset), LISTING) == [place]


def test_a_cvimodel_that_is_none_is_told_by_bytes() -> None:
    assert differences("x.cvimodel", b"one", b"other") == [
        "from byte 1 on: 6e 65 and 74 68 65 72; 3 and 5 bytes"
    ]


def test_json_is_told_by_keys() -> None:
    old = json.dumps({"a": {"b": [1, 2]}, "c": 1}).encode()
    new = json.dumps({"a": {"b": [1, 3]}, "d": 1}).encode()
    assert differences("x.json", old, new) == ["a.b[1]: 2 and 3", "c: 1 and null", "d: null and 1"]


def test_text_is_told_by_lines() -> None:
    assert differences("table", b"a\nb\n", b"a\nc\n") == ['line 2: "b" and "c"']
    assert differences("table", b"a\n", b"a\nb\n") == ['line 2: "" and "b"', "2 and 3 lines"]


def test_npz_is_told_by_arrays() -> None:
    files = []
    for value in (1.0, 2.0):
        file = io.BytesIO()
        np.savez(file, same=np.zeros(3), other=np.full(2, value))
        files.append(file.getvalue())
    (place,) = differences("x.npz", files[0], files[1])
    assert place.startswith("array other: from byte ")


def test_long_lists_of_places_are_shortened() -> None:
    found = differences("table", b"a\n" * 20, b"b\n" * 20)
    assert len(found) == 9
    assert found[-1] == "and 12 more places"


@given(
    st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(["x", "x.json", "x.npz", "x.cvimodel"])
)
def test_files_differ_exactly_where_their_bytes_do(old: bytes, new: bytes, name: str) -> None:
    assert (differences(name, old, new) == []) == (old == new)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_the_first_difference_is_the_first(common: bytes, old: bytes, new: bytes) -> None:
    place = first_difference(common + old, common + new)
    assert (common + old)[:place] == (common + new)[:place]
    assert (common + old)[place : place + 1] != (common + new)[
        place : place + 1
    ] or common + old == common + new
