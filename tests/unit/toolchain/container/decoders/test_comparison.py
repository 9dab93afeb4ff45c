from __future__ import annotations

import numpy as np
import pytest

from cvimake.toolchain.container.decoders.comparison import Comparison, sums_of


def test_figures_of_the_whole_of_images_and_of_channels() -> None:
    compared = Comparison()
    # Two channels of two values. The second image's second channel is off by 1 in one value.
    compared.add(sums_of(np.array([[[3.0, 4.0], [0.0, 5.0]]]), np.array([[[3.0, 4.0], [0.0, 5.0]]])))
    compared.add(sums_of(np.array([[[3.0, 4.0], [1.0, 0.0]]]), np.array([[[3.0, 4.0], [1.0, 1.0]]])))
    assert (compared.count, compared.worst_image(), compared.worst_channel()) == (2, 1, 1)
    # The references' energies are 50 and 26, the products 50 and 26, the others' energies 50 and 27.
    assert compared.whole().cosine == pytest.approx(76 / (76 * 77) ** 0.5)
    assert compared.whole().noise_ratio == pytest.approx(10 * np.log10(76))
    first, second = compared.of_images()
    assert (first.cosine, first.noise_ratio) == (1, float("inf"))
    assert second.noise_ratio == pytest.approx(10 * np.log10(26))
    assert [figures.cosine for figures in compared.of_channels()] == [1, pytest.approx(26 / (26 * 27) ** 0.5)]


def test_an_image_with_a_value_that_is_not_finite_is_told_and_left_out() -> None:
    compared = Comparison()
    compared.add(sums_of(np.ones((1, 3)), np.array([[1, np.nan, 1]])))
    compared.add(sums_of(np.ones((1, 3)), np.array([[1, 1, 2]])))
    assert (compared.skipped, compared.count, compared.worst_image()) == ([0], 1, 1)
    assert compared.whole().noise_ratio == pytest.approx(10 * np.log10(3))
    assert compared.worst_channel() == 2


def test_nothing_compared_has_no_worst() -> None:
    compared = Comparison()
    assert (compared.worst_image(), compared.worst_channel(), compared.of_channels()) == (None, None, [])


@pytest.mark.parametrize(("reference", "other"), [((1, 3), (1, 4)), ((1, 4), (1, 4))])
def test_outputs_of_other_shapes_are_refused(reference: tuple[int, ...], other: tuple[int, ...]) -> None:
    compared = Comparison()
    compared.add(sums_of(np.ones((1, 3)), np.ones((1, 3))))
    with pytest.raises(ValueError, match=r"channels|shapes"):
        compared.add(sums_of(np.ones(reference), np.ones(other)))


def test_a_tensor_of_zeros_has_no_angle() -> None:
    compared = Comparison()
    compared.add(sums_of(np.zeros((1, 2)), np.ones((1, 2))))
    assert (compared.whole().cosine, compared.whole().noise_ratio) == (0, float("-inf"))
