from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.decoders.letterbox import Letterbox
from cvimake.toolchain.container.decoders.outputs import Detections, Size

SIDES = st.integers(1, 3000)


def test_a_picture_of_the_sensor_fills_360_rows_of_a_square_input() -> None:
    box = Letterbox.of(Size(1080, 1920), Size(640, 640))
    assert (box.inner, box.top, box.left) == (Size(360, 640), 140, 0)
    whole = box.framed(np.zeros((360, 640, 3), np.uint8))
    assert whole.shape == (640, 640, 3)
    assert (whole[:140] == 114).all()
    assert (whole[500:] == 114).all()
    assert not whole[140:500].any()


def test_a_picture_that_fills_the_input_is_the_input() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    assert Letterbox.of(Size(32, 32), Size(64, 64)).framed(picture) is picture


@pytest.mark.parametrize(
    ("image", "inner", "top", "left"),
    [
        # 333 * 640 / 500 is 426.24: rounded down, 213 columns are left over, and 106 of them are on the left.
        (Size(500, 333), Size(640, 426), 0, 107),
        (Size(640, 640), Size(640, 640), 0, 0),
        (Size(1, 3000), Size(1, 640), 319, 0),
    ],
)
def test_sizes_are_rounded_down(image: Size, inner: Size, top: int, left: int) -> None:
    box = Letterbox.of(image, Size(640, 640))
    assert (box.inner, box.top, box.left) == (inner, top, left)


@given(SIDES, SIDES, st.integers(1, 20), st.integers(1, 20))
def test_points_find_their_way_back(height: int, width: int, rows: int, columns: int) -> None:
    box = Letterbox.of(Size(height, width), Size(32 * rows, 32 * columns))
    corners = np.array([[0, 0], [width, height], [width / 3, height / 7]], np.float32)
    given = box.points_in_input(corners)
    assert (given[0] >= 0).all()
    assert (given[1] <= [32 * columns, 32 * rows]).all()
    assert np.allclose(box.points_in_image(given), corners, atol=1e-3 * max(height, width))
    mask = np.zeros((32 * rows, 32 * columns), bool)
    mask[box.within] = True
    assert box.mask_in_image(mask).shape == (height, width)
    assert box.mask_in_image(mask).all()


def test_detections_are_in_pixels_of_the_image_and_may_reach_out_of_it() -> None:
    box = Letterbox.of(Size(100, 200), Size(64, 64))
    mask = np.zeros((16, 16), bool)
    mask[4:8] = True
    found = Detections(
        boxes=np.array([[-5, 16, 32, 48], [16, 0, 32, 64]], np.float32),
        scores=np.array([0.5, 0.6], np.float32),
        classes=np.array([1, 2]),
        keypoints=np.array([[[32, 32, 0.7]]] * 2, np.float32),
        masks=np.stack([mask, mask]),
    )
    seen = box.in_image(found)
    assert seen.boxes.tolist() == [[-15.625, 0, 100, 100], [50, -50, 100, 150]]
    assert seen.keypoints is not None
    assert np.allclose(seen.keypoints[0], [[100, 50, 0.7]])
    assert seen.masks is not None
    assert seen.masks[0][:50].all()
    assert not seen.masks[0][50:].any()
