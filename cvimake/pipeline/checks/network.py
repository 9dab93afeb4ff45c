"""A network held against its declaration, before a container starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.core import announce
from cvimake.core.action import GIBIBYTE
from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.pipeline.checks import tables as table_check
from cvimake.pipeline.checks.sample_fit import Purpose, Sample
from cvimake.project import factors
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel, DeclaredVariant, as_files
from cvimake.project.mistakes import File, did_you_mean
from cvimake.project.model import RAW
from cvimake.project.networks import network_file, onnx_header
from cvimake.project.rules import FUSABLE_IMAGES, Fault
from cvimake.toolchain import mlir_names

if TYPE_CHECKING:
    from cvimake.project.networks import onnx_names, tflite

# A key of model.toml, and what is wrong there.
KeyedFault = tuple[tuple[str, ...], str]
_IMAGE_AXES = 4
_CHANNELS = {"gray": 1, "rgba": 4}
_FOR_CHANNELS = {1: "gray", 3: "rgb or bgr", 4: "rgba"}


def check(model: DeclaredModel) -> None:
    """Sees that a network can be what is declared of it.

    Raises:
        CvimakeError: it is not; every mistake with its line in model.toml.
        OSError: it cannot be read.
    """
    tflite = check_file(model)
    path = model.folder / "model.toml"
    file = File(path, path.read_text(encoding="utf-8"))
    names = _onnx_names(model) if model.is_onnx else None
    known = names or tflite
    network = list(output_faults(model, known.tensors)) if known else []
    if not network and names:
        inputs = needed_inputs(model, names)
        network += [*shape_faults(model, inputs)] or [*size_faults(model, inputs)]
    elif not network and tflite:
        network += shape_faults(model, _tflite_inputs(model, tflite))
    mistakes = [file.mistake(tuple(key.split(".")), what) for key, what in network]
    mistakes += [file.mistake(key, what) for key, what in own_file_faults(model, names)]
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    # Those of later stages too: who has to mend them need not wait for this one.
    tested_with = _files(model, as_files(model.model.verify.input))
    samples = [Sample(Purpose.TRANSFORM, tested_with, file.place(("verify", "input")))]
    samples += [
        Sample(Purpose.DEPLOY, _files(model, variant.test_input), file.place(("variant", variant.name)))
        for variant in model.variants
        if variant.test_input
    ]
    calibration = ("calibration",)
    for purpose, one, key in (
        (Purpose.CALIBRATE, model.calibration_samples, calibration),
        (Purpose.CALIBRATE, model.tune_samples, calibration),
        *((Purpose.SEARCH, each.qtable_samples, ("variant", each.name)) for each in model.variants),
    ):
        samples += _samples(purpose, one, file.place(key)) if one else ()
    _check_samples(f"{model.name}:mlir", model, samples, names)


def check_file(model: DeclaredModel) -> tflite.Network | None:
    """Sees that a network's file is of its kind, and of TFLite that the toolchain reads what is in it.

    Returns:
        The network, if it is TFLite.

    Raises:
        CvimakeError: it is not; every reason, and what to do.
        OSError: it cannot be read.
    """
    if network_file.check(model.source) is not network_file.Kind.TFLITE:
        return None
    from cvimake.project.networks import tflite  # noqa: PLC0415 - only a stage that runs needs it

    network = tflite.read(model.source)
    if network.faults:
        remedy = tflite.REMEDY.format(name=model.source.name, stem=model.source.stem)
        raise CvimakeError("\n".join(f"{model.source}: {fault}" for fault in network.faults), remedy)
    return network


def file_fault(model: DeclaredModel) -> str:
    """The reasons for which the toolchain cannot read a network's file; empty where none is known."""
    try:
        check_file(model)
    except CvimakeError as error:
        return str(error)
    return ""


def _tflite_inputs(model: DeclaredModel, network: tflite.Network) -> dict[str, onnx_names.Shape]:
    """The inputs as the toolchain has them: channels first, where they are images."""
    inputs = network.inputs if model.inputs.channel_format == "none" else network.planar
    return {name: tuple(length or 0 for length in shape) for name, shape in inputs}


def ask(model: DeclaredModel) -> None:
    """Ask about values of [input] that are most likely wrong, with their lines in model.toml."""
    path = model.folder / "model.toml"
    file = File(path, path.read_text(encoding="utf-8"))
    for key, what in factors.doubts(model.inputs):
        announce.note(f"warning: {file.mistake(('input', key), what)}")


def _files(model: DeclaredModel, names: Iterable[str]) -> tuple[Path, ...]:
    return tuple(model.folder / name for name in names)


def _samples(purpose: Purpose, samples: Samples, declared: str = "") -> Iterator[Sample]:
    lines = samples.lines if samples.lines is not None else ((name,) for name in samples.files)
    return (Sample(purpose, tuple(samples.files[name] for name in line), declared) for line in lines)


def _onnx_names(model: DeclaredModel) -> onnx_names.Names:
    """The names in an ONNX network.

    Raises:
        CvimakeError: it is none that can be converted.
    """
    from cvimake.project.networks import onnx_names  # noqa: PLC0415 - only a stage that runs needs it

    onnx_header.check(model.source, model.external_data)
    names = onnx_names.read(model.source)
    if undeclared := sorted(set(names.external) - set(model.external_data)):
        raise CvimakeError(
            f"{model.source} keeps weights in other files, not declared: {', '.join(undeclared[:3])}",
            f"Put them beside the network, and name them in {model.folder / 'model.toml'}: "
            "[onnx] external_data = [...].",
        )
    return names


def check_samples(name: str, model: DeclaredModel, purpose: Purpose, samples: Samples) -> None:
    """Sees that a stage's images and arrays can be read, and are what the network takes.

    Raises:
        CvimakeError: some cannot, or are not.
    """
    names = _onnx_names(model) if model.is_onnx else None
    _check_samples(name, model, _samples(purpose, samples), names)


def _check_samples(
    name: str, model: DeclaredModel, samples: Iterable[Sample], names: onnx_names.Names | None
) -> None:
    from cvimake.pipeline.checks import samples as sample_check  # noqa: PLC0415 - only a stage that runs needs it

    memory = int(model.settings.limits.memory * GIBIBYTE)
    sample_check.check(name, samples, memory, _inputs(model, names) if names else None)


def _inputs(model: DeclaredModel, names: onnx_names.Names) -> dict[str, onnx_names.Shape]:
    """The inputs that the network has as it is declared, and their shapes."""
    declared = model.inputs.shapes or []
    return {
        name: tuple(declared[number]) if number < len(declared) else shape
        for number, (name, shape) in enumerate(needed_inputs(model, names).items())
    }


def needed_inputs(model: DeclaredModel, names: onnx_names.Names) -> dict[str, onnx_names.Shape]:
    """The inputs that the declared outputs are computed from, and their shapes in the network."""
    if len(names.inputs) < 2 or not model.model.output.names:  # noqa: PLR2004 - one input is always needed
        return names.inputs
    from cvimake.project.networks import reading  # noqa: PLC0415 - takes a third of a second, and is rarely needed

    nodes = reading.read(model.source).behind(model.model.output.names)
    needed = {name for node in nodes for name in node.inputs}
    return {name: shape for name, shape in names.inputs.items() if name in needed}


def own_file_faults(model: DeclaredModel, names: onnx_names.Names | None) -> Iterator[KeyedFault]:
    """What is wrong with tables and references of the user's: the variants need them later.

    Args:
        model: what is declared.
        names: those of the network, if it is ONNX. The layers of others are known when they are MLIR.
    """
    for variant in model.variants:
        references = {"test_reference": variant.options.test_reference} | _own_tables(variant)
        for key, name in references.items():
            path, place = model.folder / (name or ""), ("variant", variant.name, key)
            if name and not path.is_file():
                yield place, f"no file {path}"
            elif name and key in _READERS:
                # A post-processing that is added has layers with names of its own.
                known = None if model.model.output.add_postprocess else names
                for what in _table_faults(key, path, known):
                    yield place, what


def _table_faults(key: str, path: Path, names: onnx_names.Names | None) -> Iterator[str]:
    try:
        table = _READERS[key](path)
    except CvimakeError as error:
        yield str(error)
        return
    if names and (what := table_check.foreign_names(table, names.tensors | names.inputs.keys())):
        yield f"{what}. {table_check.REMEDIES[key]}"


def check_tables(name: str, model: DeclaredModel, variant: DeclaredVariant, mlir: Path) -> None:
    """Sees that the user's own tables of a variant are of the network that was made.

    Args:
        name: of the stage that they are for.
        model: what is declared.
        variant: the one of it that may take such tables.
        mlir: the network as the toolchain has it.

    Raises:
        CvimakeError: one is not.
    """
    tables = {key: file for key, file in _own_tables(variant).items() if file}
    if not tables:
        return
    layers = mlir_names.layers(mlir)
    faults = {"calibration_table": table_check.missing_layers, "qtable": table_check.unknown_layers}
    for key, file in tables.items():
        if what := faults[key](_READERS[key](model.folder / file), layers):
            raise CvimakeError(f"{name}: {what}", table_check.REMEDIES[key])


def _own_tables(variant: DeclaredVariant) -> dict[str, str | None]:
    """The tables of the user's that a variant takes, by their keys."""
    qtable = variant.options.qtable
    return {
        "calibration_table": variant.options.calibration_table,
        "qtable": qtable if isinstance(qtable, str) else None,
    }


_READERS = {"calibration_table": table_check.read_calibration, "qtable": table_check.read_qtable}


def output_faults(model: DeclaredModel, tensors: frozenset[str]) -> Iterator[Fault]:
    """Declared outputs that the network does not have."""
    for name in model.model.output.names:
        if name not in tensors:
            yield "output.names", f"the network has no tensor {name!r}{did_you_mean(name, tensors)}"


def shape_faults(model: DeclaredModel, inputs: Mapping[str, onnx_names.Shape]) -> Iterator[Fault]:
    """Where declared shapes and channels cannot be those of the network."""
    declared = model.inputs.shapes
    if declared and len(declared) != len(inputs):
        network = "the network, ended in the declared outputs," if model.model.output.names else "the network"
        yield (
            "input.shapes",
            f"has {len(declared)} shapes, and {network} {len(inputs)} inputs: {', '.join(inputs)}",
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


def size_faults(model: DeclaredModel, inputs: Mapping[str, onnx_names.Shape]) -> Iterator[Fault]:
    """Where an ONNX network cannot take inputs of the declared size, which it was not exported with."""
    from cvimake.project.networks import reading, resizing  # noqa: PLC0415 - only a stage that runs needs them

    declared = model.inputs.shapes or []
    if not resizing.different(declared, inputs):
        return
    try:
        reading.read(model.source, declared, model.model.output.names)
    except CvimakeError as error:
        yield "input.shapes", f"{error.cause}. {error.remedy}"


def _open(shape: onnx_names.Shape) -> str:
    return f"[{', '.join(str(size or '?') for size in shape)}]"
