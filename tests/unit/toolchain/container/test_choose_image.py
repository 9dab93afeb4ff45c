from __future__ import annotations

import pytest

from cvimake.toolchain.container.choose_image import most


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([[0.0], [2.0], [1.0]], 1),
        # Each output counts the same, however large its values are.
        ([[1e6, 0.1], [1e6, 0.9], [2e5, 1.0]], 1),
        ([[0.0, 0.0], [0.0, 0.0]], 0),
        ([[1.0], [float("inf")], [float("nan")]], 0),
        ([[1.0, 1.0], [1.0, 1.0]], 0),
    ],
)
def test_the_image_with_most_in_all_outputs_is_chosen(found: list[list[float]], chosen: int) -> None:
    assert most(found) == chosen
