"""Rules for arrays: their names in an npz, their number and their shapes must fit the network.

A calibration of the toolchain only compares the number of bytes: it accepts an array with its channels last,
and the thresholds are then those of noise. (Seen with tpu_mlir 1.7, like the other rules here.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cvimake.core import listing
from cvimake.project.mistakes import did_you_mean

Shape = tuple[int, ...]
_FEW = 5


class Purpose(Enum):
    """The tool that reads a sample. Each tool reads by rules of its own."""

    TRANSFORM = "model_transform"
    DEPLOY = "model_deploy"
    CALIBRATE = "run_calibration"
    SEARCH = "run_qtable"
    MEASURE = "accuracy"


@dataclass(frozen=True)
class Sample:
    """The files for one run of a network: an npz with all inputs, or an npy or image for each input in order.

    Attributes:
        declared: the file and line that name it; empty if messages need not say it.
    """

    purpose: Purpose
    files: tuple[Path, ...]
    declared: str = ""


def faults(
    sample: Sample, arrays: Mapping[Path, Mapping[str, Shape]], inputs: Mapping[str, Shape]
) -> Iterator[str]:
    """Yield every fault of a sample, with its file.

    Args:
        sample: the sample.
        arrays: for each file, the shapes of its arrays by name; an npy holds one array, and an image none.
        inputs: the shapes of the network's inputs, in its order; 0 stands for an open axis.
    """
    if sample.purpose is Purpose.MEASURE and len(inputs) > 1:
        yield (
            f"the network has {counted(len(inputs), 'input')} ({listing.line(inputs, _FEW)}), but accuracy "
            "is measured of networks with one image as input: remove [accuracy]"
        )
        return
    first = sample.files[0]
    if first.suffix.lower() == ".npz":
        yield from (f"{first}: {what}" for what in _npz_faults(sample.purpose, arrays[first], inputs))
        return
    is_images = not any(arrays[path] for path in sample.files)
    # If there are too few images, model_transform repeats the last one.
    if len(sample.files) != len(inputs) and not (is_images and sample.purpose is Purpose.TRANSFORM):
        yield (
            f"{first}: {counted(len(sample.files), 'file')}, but the network has "
            f"{counted(len(inputs), 'input')} ({listing.line(inputs, _FEW)}): give one file for each, or "
            "one npz with all"
        )
        return
    for path, (name, shape) in zip(sample.files, inputs.items(), strict=False):
        for own in arrays[path].values():
            if not _fits(own, shape, sample.purpose):
                yield f"{path}: {_misfit(own, name, shape)}"


def _npz_faults(purpose: Purpose, arrays: Mapping[str, Shape], inputs: Mapping[str, Shape]) -> Iterator[str]:
    held = listing.line(arrays, _FEW)
    if len(inputs) == 1 and purpose is Purpose.CALIBRATE and len(arrays) > 1:
        name = next(iter(inputs))
        yield f"holds {len(arrays)} arrays ({held}), but the network has one input: {name}"
        return
    keys = {name: name for name in inputs}
    if len(keys) == len(arrays) == 1 and purpose is not Purpose.SEARCH:
        # The only array is taken for the only input, under any name.
        keys = dict(zip(keys, arrays, strict=True))
    for name, key in keys.items():
        shape = inputs[name]
        if key not in arrays:
            yield (
                f"holds no array {name!r}, which is an input of the network; it holds {held}"
                f"{did_you_mean(name, arrays)}"
            )
        # The tool repeats an array of one sample for the whole batch.
        elif not (_fits(arrays[key], shape, purpose) or _fits(arrays[key], (1, *shape[1:]), purpose)):
            yield f"{key}: {_misfit(arrays[key], name, shape)}"


def _fits(own: Shape, shape: Shape, purpose: Purpose) -> bool:
    if purpose in {Purpose.CALIBRATE, Purpose.SEARCH}:
        # The array may hold one sample of a batch, also without an axis for the batch.
        return any(_is(own, wanted) for wanted in (shape, (1, *shape[1:]))) or _is((1, *own), shape)
    return _is(own, shape)


def _is(own: Shape, shape: Shape) -> bool:
    return len(own) == len(shape) and all(
        length in {0, given} for given, length in zip(own, shape, strict=True)
    )


def _misfit(own: Shape, name: str, shape: Shape) -> str:
    hint = ""
    if len(own) == len(shape) == 4 and own == (shape[0], shape[2], shape[3], shape[1]):  # noqa: PLR2004 - batch, channels, height, width
        hint = ": its channels are the last axis, numpy.transpose(array, (0, 3, 1, 2)) puts them first"
    elif (1, *own) == shape:
        hint = ": it has no axis for the batch, array[None] adds it"
    return f"has the shape {_shown(own)}, but the network's input {name} has {_shown(shape)}{hint}"


def counted(count: int, what: str) -> str:
    """Return a count of something in words, as in `2 inputs`."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def _shown(shape: Shape) -> str:
    return f"[{', '.join(str(length or '?') for length in shape)}]"
