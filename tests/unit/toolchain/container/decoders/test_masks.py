from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from cvimake.toolchain.container.decoders import masks
from cvimake.toolchain.container.decoders.outputs import Size


def prototypes(first: NDArray[np.float32]) -> NDArray[np.float32]:
    """32 prototypes, of which the others are 0."""
    return np.concatenate([first[None], np.zeros((31, *first.shape), np.float32)])


def weights(first: float) -> NDArray[np.float32]:
    return np.array([[first, *[0.0] * 31]], np.float32)


def test_the_camera_compares_the_raw_sum_with_a_half_and_rounds_edges_towards_zero() -> None:
    values = np.full((8, 8), 1.0, np.float32)
    # From 0.24 to 0.76 of 8 cells is 1.92 to 6.08: the cells 1 to 5.
    box = np.array([[0.5, 0.5, 0.52, 0.52]], np.float32)
    (found,) = masks.of_camera(weights(0.51), prototypes(values), box)
    assert found[1:6, 1:6].all()
    assert found.sum() == 25
    assert not masks.of_camera(weights(0.5), prototypes(values), box).any()
    # A box that reaches out of the input.
    (found,) = masks.of_camera(weights(1.0), prototypes(values), np.array([[0.0, 0.0, 1.0, 9.0]], np.float32))
    assert found[:, :4].all()
    assert found.sum() == 32


def test_the_field_takes_every_sum_above_zero_and_enlarges_between_the_middles_of_cells() -> None:
    values = np.tile(np.array([-1, -1, 3, 3], np.float32), (4, 1))
    size = Size(16, 16)
    (found,) = masks.in_the_field(
        weights(1.0), prototypes(values), np.array([[0, 0, 16, 16]], np.float32), size
    )
    # The middles of the cells 1 and 2 lie at 6 and 10; the line from -1 to 3 crosses 0 at 7.
    assert found[:, 7:].all()
    assert not found[:, :7].any()
    (found,) = masks.in_the_field(
        weights(1.0), prototypes(values), np.array([[8.5, 3, 12, 5]], np.float32), size
    )
    assert np.argwhere(found).min(0).tolist() == [3, 9]
    assert np.argwhere(found).max(0).tolist() == [4, 11]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_are_those_of_coco(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 5)) < seed / 7
    written = coco.frPyObjects(masks.run_lengths(mask), 7, 5)
    assert (coco.decode(written) == mask).all()
