from __future__ import annotations

import numpy as np
import pytest

from cvimake.toolchain.container.evaluation.networks import (
    Preparation,
    in_format,
    in_four_axes,
    no_single_image,
)

RED, GREEN, BLUE = (255, 1, 2), (3, 254, 4), (5, 6, 253)
PICTURE = np.array([[RED, GREEN], [BLUE, RED]], np.uint8)


def test_packed_rows_are_filled_up_where_the_input_is_longer() -> None:
    found = in_format(PICTURE, "RGB_PACKED", 16)
    assert found.tolist() == [[*RED, *GREEN, 0, 0], [*BLUE, *RED, 0, 0]]


def test_bgr_exchanges_the_first_and_the_last_channel() -> None:
    assert in_format(PICTURE, "BGR_PACKED", 12).tolist()[0] == [2, 1, 255, 4, 254, 3]


def test_planar_pictures_have_one_channel_after_the_other() -> None:
    found = in_format(PICTURE, "RGB_PLANAR", 12).reshape(3, 2, 2)
    assert found[0].tolist() == [[255, 3], [5, 255]]
    assert found[2].tolist() == [[2, 4], [253, 2]]


@pytest.mark.parametrize(("channels_last", "shape"), [(True, (1, 2, 2, 3)), (False, (1, 3, 2, 2))])
def test_the_float_network_gets_the_mean_subtracted_and_the_scale_multiplied(
    *, channels_last: bool, shape: tuple[int, ...]
) -> None:
    found = Preparation("rgb", (55.0, 0.0, 0.0), (0.5, 1.0, 2.0), channels_last).prepare(PICTURE)
    assert found.shape == shape
    assert found.dtype == np.float32
    pixel = found[0, 0, 0] if channels_last else found[0, :, 0, 0]
    assert pixel.tolist() == [100.0, 1.0, 4.0]


def test_the_channels_are_those_that_the_network_was_trained_with() -> None:
    found = Preparation("bgr", (0.0,) * 3, (1.0,) * 3).prepare(PICTURE)
    assert found[0, :, 0, 0].tolist() == [2.0, 1.0, 255.0]


@pytest.mark.parametrize(
    ("shape", "seen"),
    [((1, 3, 8, 8, 7), (1, 3, 8, 56)), ((1, 3, 2, 2, 2, 2), (1, 3, 2, 8)), ((1, 84, 21), (1, 84, 21))],
)
def test_an_output_has_no_more_axes_than_the_camera_reads(
    shape: tuple[int, ...], seen: tuple[int, ...]
) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = in_four_axes(values)
    assert found.shape == seen
    assert found.ravel().tolist() == values.ravel().tolist()


@pytest.mark.parametrize("shapes", [[[4, 3, 64, 64]], [[1, 3, 64, 64], [1, 2]], [[1, 9]], []])
def test_a_network_without_one_image_as_input_is_refused(shapes: list[list[int]]) -> None:
    assert "one image as input" in no_single_image(shapes)
    assert not no_single_image([[1, 3, 64, 64]])
