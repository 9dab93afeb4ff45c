"""Finds means and scales that mean something else, such as a deviation in the place of a factor.

The toolchain computes (pixel - mean) * scale with pixels from 0 to 255. Papers and training code mostly
divide by a deviation, and often have pixels from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cvimake.project.options import RAW, ModelInput

Fault = tuple[str, str]
_BRIGHTEST = 255.0
# No network takes inputs of thousands, which a factor from here on makes of a pixel.
_NO_FACTOR = 10.0
# Between a deviation of pixels from 0 to 1 and no scaling at all there is no factor in use.
_SMALLEST_DEVIATION = 0.1
# With a factor below this one, black and white differ by less than 0.03.
_TINY = 1e-4
# With a factor below this one, pixels become small numbers, so a mean of pixels is large.
_FACTOR_OF_PIXELS = 0.05
_TOOL = "The toolchain multiplies pixels from 0 to 255 by it"
_IMAGENET = (0.485, 0.456, 0.406)


def errors(inputs: ModelInput) -> Iterator[Fault]:
    """Yield values of [input] mean and scale that are wrong for certain."""
    mean, scale = _given(inputs)
    if any(value == 0 for value in scale):
        yield (
            "scale",
            f"{_shown(scale)}: a factor of 0 makes all images equal. Write 1.0 to leave pixels unscaled",
        )
    elif any(abs(value) >= _NO_FACTOR for value in scale):
        proper = [1 / value if abs(value) > 1 else value for value in scale]
        yield (
            "scale",
            f"{_shown(scale)} looks like a divisor. {_TOOL}: write {_shown(proper)}",
        )
    if sorted(mean) == sorted(_IMAGENET) and _is_of_one(mean, scale):
        yield "mean", f"{_mean_of_one(mean)}: write {_shown(_times(_BRIGHTEST, mean))}"


def doubts(inputs: ModelInput) -> Iterator[Fault]:
    """Yield values that are most likely wrong, as questions: the user may mean them."""
    if any(errors(inputs)):
        return
    mean, scale = _given(inputs)
    if any(1 < abs(value) < _NO_FACTOR for value in scale):
        yield "scale", _question(scale, "factors for pixels from 0 to 1", _times(1 / _BRIGHTEST, scale))
    elif scale and all(_SMALLEST_DEVIATION <= abs(value) < 1 for value in scale):
        proper = [1 / (_BRIGHTEST * value) for value in scale]
        yield "scale", _question(scale, "deviations of pixels from 0 to 1, which are divided by", proper)
    elif scale and all(abs(value) < _TINY for value in scale):
        yield "scale", _question(scale, "factors that were divided by 255 twice", _times(_BRIGHTEST, scale))
    if _is_of_one(mean, scale):
        yield "mean", f"{_mean_of_one(mean)}. Did you mean {_shown(_times(_BRIGHTEST, mean))}?"
    elif any(not 0 <= value <= _BRIGHTEST for value in mean):
        yield "mean", f"{_shown(mean)} is subtracted from pixels from 0 to 255. Is that meant?"


def _given(inputs: ModelInput) -> tuple[Sequence[float], Sequence[float]]:
    # Raw formats have more bits, and inputs that are no images have other values.
    if inputs.channel_format == "none" or inputs.pixel_format in RAW:
        return (), ()
    return inputs.mean or (), inputs.scale or ()


def _is_of_one(mean: Sequence[float], scale: Sequence[float]) -> bool:
    """Tell whether a mean is of pixels from 0 to 1 and the scale is for pixels from 0 to 255."""
    small = any(mean) and all(0 <= value <= 1 for value in mean)
    return small and bool(scale) and all(0 < abs(value) < _FACTOR_OF_PIXELS for value in scale)


def _mean_of_one(mean: Sequence[float]) -> str:
    return (
        f"{_shown(mean)} looks like a mean of pixels from 0 to 1. It is subtracted from pixels from 0 to 255"
    )


def _question(scale: Sequence[float], kind: str, proper: Sequence[float]) -> str:
    return f"{_shown(scale)} looks like {kind}. {_TOOL}. Did you mean {_shown(proper)}?"


def _times(factor: float, values: Sequence[float]) -> list[float]:
    return [factor * value for value in values]


def _shown(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.5g}' for value in values)}]"
