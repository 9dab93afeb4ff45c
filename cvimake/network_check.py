"""A network held against its declaration, before a container starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake import network_file, onnx_header
from cvimake.action import GIBIBYTE
from cvimake.errors import CvimakeError, DeclarationError
from cvimake.spec.mistakes import File, did_you_mean
from cvimake.spec.model import RAW
from cvimake.spec.project import DeclaredModel, as_files
from cvimake.spec.rules import FUSABLE_IMAGES, Fault

if TYPE_CHECKING:
    from cvimake import onnx_names

_IMAGE_AXES = 4
_CHANNELS = {"gray": 1, "rgba": 4}
_FOR_CHANNELS = {1: "gray", 3: "rgb or bgr", 4: "rgba"}


def check(model: DeclaredModel) -> None:
    """Sees that a network can be what is declared of it.

    Raises:
        CvimakeError: it is not; every mistake with its line in model.toml.
        OSError: it cannot be read.
    """
    network_file.check(model.source)
    path = model.folder / "model.toml"
    file = File(path, path.read_text(encoding="utf-8"))
    network = onnx_faults(model) if model.is_onnx else ()
    mistakes = [file.mistake(tuple(key.split(".")), what) for key, what in network]
    mistakes += [file.mistake(key, what) for key, what in own_file_faults(model)]
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    # Those of later stages too: who has to mend them need not wait for this one.
    sampled = [model.calibration_samples, *(variant.qtable_samples for variant in model.variants)]
    files = [model.folder / name for name in as_files(model.model.verify.input)]
    files += [path for one in sampled if one for path in one.files.values()]
    check_samples(f"{model.name}:mlir", model, files)


def onnx_faults(model: DeclaredModel) -> Iterator[Fault]:
    """What an ONNX network does not have of what is declared.

    Raises:
        CvimakeError: it is none that can be converted.
    """
    from cvimake import onnx_names  # noqa: PLC0415 - only a stage that runs needs it

    onnx_header.check(model.source, model.external_data)
    names = onnx_names.read(model.source)
    if undeclared := sorted(set(names.external) - set(model.external_data)):
        raise CvimakeError(
            f"{model.source} keeps weights in other files, not declared: {', '.join(undeclared[:3])}",
            f"Put them beside the network, and name them in {model.folder / 'model.toml'}: "
            "[onnx] external_data = [...].",
        )
    yield from output_faults(model, names.tensors)
    yield from shape_faults(model, names.inputs)


def check_samples(name: str, model: DeclaredModel, paths: Iterable[Path]) -> None:
    """Sees that a stage's images and arrays can be read.

    Raises:
        CvimakeError: some cannot.
    """
    from cvimake import sample_check  # noqa: PLC0415 - only a stage that runs needs it

    sample_check.check(name, paths, int(model.settings.limits.memory * GIBIBYTE))


def own_file_faults(model: DeclaredModel) -> Iterator[tuple[tuple[str, ...], str]]:
    """Tables and references of the user's that are not there: the variants need them later."""
    for variant in model.variants:
        qtable = variant.options.qtable
        files = {
            "calibration_table": variant.options.calibration_table,
            "qtable": qtable if isinstance(qtable, str) else None,
            "test_reference": variant.options.test_reference,
        }
        for key, name in files.items():
            if name and not (model.folder / name).is_file():
                yield ("variant", variant.name, key), f"no file {model.folder / name}"


def output_faults(model: DeclaredModel, tensors: frozenset[str]) -> Iterator[Fault]:
    """Declared outputs that the network does not have."""
    for name in model.model.output.names:
        if name not in tensors:
            yield "output.names", f"the network has no tensor {name!r}{did_you_mean(name, tensors)}"


def shape_faults(model: DeclaredModel, inputs: Mapping[str, onnx_names.Shape]) -> Iterator[Fault]:
    """Where declared shapes and channels cannot be those of the network."""
    declared = model.inputs.shapes
    # Cut off at earlier outputs, a network may need fewer of its inputs.
    if declared and len(declared) != len(inputs) and not model.model.output.names:
        yield (
            "input.shapes",
            f"has {len(declared)} shapes, and the network {len(inputs)} inputs: {', '.join(inputs)}",
        )
        return
    channel_axis = -1 if model.inputs.channel_format == "nhwc" else 1
    pixels = model.inputs.pixel_format or "bgr"
    # Of a raw format the tool makes other channels than the network's.
    with_images = (
        model.inputs.channel_format != "none"
        and pixels not in RAW
        and any(Path(name).suffix.lower() in FUSABLE_IMAGES for name in as_files(model.model.verify.input))
    )
    images = model.inputs.preprocess_list
    for number, (name, shape) in enumerate(inputs.items()):
        own = tuple(declared[number]) if declared and number < len(declared) else shape
        if len(own) != len(shape) and shape:
            yield (
                "input.shapes",
                f"{list(own)} is not of {len(shape)} axes, as the network's {name} {list(shape)}",
            )
            continue
        if len(shape) != _IMAGE_AXES:
            continue
        channels = shape[channel_axis]
        if channels and own[channel_axis] != channels:
            yield "input.shapes", f"{list(own)} is not of {channels} channels, as the network's {name}"
        elif (
            with_images
            and channels in _FOR_CHANNELS
            and number + 1 in (images or [number + 1])
            and _CHANNELS.get(pixels, 3) != channels
        ):
            what = (
                f"{pixels} does not fit a network of {channels} channels ({name}). "
                f"Say {_FOR_CHANNELS[channels]}"
            )
            yield "input.pixel_format", what
        if not all(own):
            yield "input.shapes", f"is missing: the network leaves axes of {name} open, {_open(shape)}"


def _open(shape: onnx_names.Shape) -> str:
    return f"[{', '.join(str(size or '?') for size in shape)}]"
