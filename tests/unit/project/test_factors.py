from __future__ import annotations

from typing import Any

import pytest

from cvimake.project import factors
from cvimake.project.options import ModelInput

IMAGENET_MEAN = [123.675, 116.28, 103.53]
IMAGENET_SCALE = [0.0171248, 0.0175070, 0.0174292]


def errors(**values: Any) -> dict[str, str]:  # noqa: ANN401 - any value that can be declared
    return dict(factors.errors(ModelInput(**values)))


def doubts(**values: Any) -> dict[str, str]:  # noqa: ANN401 - as above
    return dict(factors.doubts(ModelInput(**values)))


@pytest.mark.parametrize(
    ("mean", "scale"),
    [
        (None, None),
        ([0.0] * 3, [0.0039216] * 3),
        ([0.0] * 3, [1.0] * 3),
        ([127.5] * 3, [0.0078431] * 3),
        ([127.0] * 3, [0.0078125] * 3),
        ([127.5] * 3, [1.0] * 3),
        ([127.5] * 3, None),
        ([0.0] * 3, [0.0171248] * 3),
        ([127.5] * 3, [0.0039216] * 3),
        (IMAGENET_MEAN, IMAGENET_SCALE),
        ([103.53, 116.28, 123.675], [1.0] * 3),
        ([103.53, 116.28, 123.675], [-1.0] * 3),
    ],
)
def test_usual_values_are_neither_refused_nor_asked_about(
    mean: list[float] | None, scale: list[float] | None
) -> None:
    assert errors(mean=mean, scale=scale) == {}
    assert doubts(mean=mean, scale=scale) == {}


@pytest.mark.parametrize(
    ("scale", "proper"),
    [
        ([127.5] * 3, "[0.0078431, 0.0078431, 0.0078431]"),
        ([255.0] * 3, "[0.0039216, 0.0039216, 0.0039216]"),
        ([58.395, 57.12, 57.375], "[0.017125, 0.017507, 0.017429]"),
    ],
)
def test_a_deviation_in_the_place_of_a_factor_is_refused_with_the_factor(
    scale: list[float], proper: str
) -> None:
    assert f"write {proper}" in errors(mean=[127.5] * 3, scale=scale)["scale"]


def test_a_factor_of_zero_is_refused() -> None:
    assert "makes all images equal" in errors(scale=[0.0039216, 0.0, 0.0039216])["scale"]


def test_the_mean_of_imagenet_for_pixels_to_1_is_refused_with_the_one_for_pixels_to_255() -> None:
    found = errors(mean=[0.485, 0.456, 0.406], scale=[0.0171248] * 3)
    assert found["mean"].endswith("write [123.67, 116.28, 103.53]")


@pytest.mark.parametrize(
    ("values", "key", "question"),
    [
        ({"scale": [4.367, 4.464, 4.444]}, "scale", "Did you mean [0.017125, 0.017506, 0.017427]?"),
        ({"scale": [0.229, 0.224, 0.225]}, "scale", "Did you mean [0.017125, 0.017507, 0.017429]?"),
        ({"scale": [1.5379e-05] * 3}, "scale", "Did you mean [0.0039216, 0.0039216, 0.0039216]?"),
        ({"mean": [0.5] * 3, "scale": [0.0078431] * 3}, "mean", "Did you mean [127.5, 127.5, 127.5]?"),
        ({"mean": [0.5] * 3, "scale": [0.0039216] * 3}, "mean", "Did you mean [127.5, 127.5, 127.5]?"),
        ({"mean": [-127.5] * 3, "scale": [0.0078431] * 3}, "mean", "Is that meant?"),
        ({"mean": [0.485, 0.456, 0.406], "scale": [0.229, 0.224, 0.225]}, "scale", "0.017125"),
    ],
)
def test_unlikely_values_are_asked_about(values: dict[str, Any], key: str, question: str) -> None:
    assert errors(**values) == {}
    assert question in doubts(**values)[key]


@pytest.mark.parametrize("inputs", [{"channel_format": "none"}, {"pixel_format": "gbrg"}])
def test_inputs_that_are_no_images_and_raw_formats_have_other_values(inputs: dict[str, Any]) -> None:
    assert errors(scale=[127.5] * 3, **inputs) == {}
    assert doubts(scale=[4.0] * 3, **inputs) == {}
