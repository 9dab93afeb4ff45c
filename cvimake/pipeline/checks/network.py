"""Rules for a network: it must fit its declaration. They judge values, and read no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake.pipeline.checks.sample_fit import Shape, counted
from cvimake.project.declarations import DeclaredModel, DeclaredVariant, as_files
from cvimake.project.mistakes import did_you_mean
from cvimake.project.options import RAW
from cvimake.project.rules import FUSABLE_IMAGES, Fault

_IMAGE_AXES = 4
_CHANNELS = {"gray": 1, "rgba": 4}
_FOR_CHANNELS = {1: "gray", 3: "rgb or bgr", 4: "rgba"}


def own_tables(variant: DeclaredVariant) -> dict[str, str | None]:
    """Return the user's own tables of a variant, by their keys in model.toml."""
    qtable = variant.options.qtable
    return {
        "calibration_table": variant.options.calibration_table,
        "qtable": qtable if isinstance(qtable, str) else None,
    }


def output_faults(model: DeclaredModel, tensors: frozenset[str]) -> Iterator[Fault]:
    """Yield a fault for each declared output that the network does not have."""
    for name in model.model.output.names:
        if name not in tensors:
            yield "output.names", f"the network has no tensor {name!r}{did_you_mean(name, tensors)}"


def shape_faults(model: DeclaredModel, inputs: Mapping[str, Shape]) -> Iterator[Fault]:
    """Yield a fault for each declared shape or pixel format that cannot be the network's."""
    declared = model.inputs.shapes
    if declared and len(declared) != len(inputs):
        network = "the network, ended in the declared outputs," if model.model.output.names else "the network"
        counts = f"{counted(len(declared), 'shape')}, but {network} has {counted(len(inputs), 'input')}"
        yield "input.shapes", f"has {counts}: {', '.join(inputs)}"
        return
    channel_axis = -1 if model.inputs.channel_format == "nhwc" else 1
    pixels = model.inputs.pixel_format or "bgr"
    # A raw format has other channels than the network: the tool converts it.
    with_images = (
        model.inputs.channel_format != "none"
        and pixels not in RAW
        and any(Path(name).suffix.lower() in FUSABLE_IMAGES for name in as_files(model.model.verify.input))
    )
    images = model.inputs.preprocess_list
    for number, (name, shape) in enumerate(inputs.items()):
        own = tuple(declared[number]) if declared and number < len(declared) else shape
        if len(own) != len(shape) and shape:
            counts = f"{len(own)} axes, but the network's input {name} has {len(shape)}"
            yield "input.shapes", f"{list(own)} has {counts}: {list(shape)}"
            continue
        if len(shape) != _IMAGE_AXES:
            continue
        channels = shape[channel_axis]
        if channels and own[channel_axis] != channels:
            counts = f"{counted(own[channel_axis], 'channel')}, but the network's input {name} has {channels}"
            yield "input.shapes", f"{list(own)} has {counts}"
        elif (
            with_images
            and channels in _FOR_CHANNELS
            and number + 1 in (images or [number + 1])
            and _CHANNELS.get(pixels, 3) != channels
        ):
            what = (
                f"{pixels} does not fit the network's input {name}, which has "
                f"{counted(channels, 'channel')}. Use {_FOR_CHANNELS[channels]}"
            )
            yield "input.pixel_format", what
        if not all(own):
            yield (
                "input.shapes",
                f"is missing: the network's input {name} has axes without a length, {_open(shape)}",
            )


def _open(shape: Shape) -> str:
    return f"[{', '.join(str(size or '?') for size in shape)}]"
