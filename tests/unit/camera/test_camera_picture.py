"""The camera's pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.camera.camera_picture import Rows


@pytest.mark.parametrize(
    ("width", "rows"),
    [
        (640, Rows(1920, 1920, 1920)),
        (416, Rows(1248, 1280, 1280)),
        (320, Rows(960, 960, 1024)),
        (256, Rows(768, 768, 768)),
        (224, Rows(672, 704, 768)),
    ],
)
def test_rows_have_these_bytes(width: int, rows: Rows) -> None:
    assert Rows.of(width) == rows


@given(st.integers(1, 4096))
def test_a_width_that_is_a_multiple_of_64_needs_no_alignment(pixels: int) -> None:
    rows = Rows.of(64 * pixels)
    assert rows.plain == rows.camera
    assert "leave aligned_input out" in rows.advice
