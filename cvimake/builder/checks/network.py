"""Check a network, its samples and the user's own files against the declaration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.builder.checks import tables
from cvimake.core import announce
from cvimake.core.action import GIBIBYTE
from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.core.plain_path import plain
from cvimake.pipeline.checks import tables as table_rules
from cvimake.pipeline.checks.network import output_faults, own_tables, shape_faults
from cvimake.pipeline.checks.sample_fit import Purpose, Sample
from cvimake.project import factors
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel, DeclaredVariant, as_files
from cvimake.project.mistakes import File
from cvimake.project.networks import network_file, onnx_header
from cvimake.project.rules import Fault
from cvimake.toolchain import mlir_names

if TYPE_CHECKING:
    from cvimake.project.networks import onnx_names, tflite

# A key of model.toml, and what is wrong there.
KeyedFault = tuple[tuple[str, ...], str]


def check(model: DeclaredModel) -> None:
    """Check that a network fits its declaration.

    Raises:
        CvimakeError: it does not; the error names every mistake with its line in model.toml.
        OSError: the network cannot be read.
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
    # The samples of later stages are checked too, so that the user learns of their mistakes at once.
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
    """Check that a network's file is what its suffix says, and that the toolchain can read a TFLite network.

    Returns:
        The network, if it is TFLite.

    Raises:
        CvimakeError: it is not, or the toolchain cannot read it; the error names every reason.
        OSError: the file cannot be read.
    """
    if network_file.check(model.network) is not network_file.Kind.TFLITE:
        return None
    from cvimake.project.networks import tflite  # noqa: PLC0415 - only a stage that runs needs it

    network = tflite.read(model.source)
    if network.faults:
        faults = "\n".join(f"{model.source}: {fault}" for fault in network.faults)
        raise CvimakeError(faults, network.conversion(model.source))
    return network


def check_checkpoint(model: DeclaredModel) -> None:
    """Check that the source of a model is a checkpoint that can be exported.

    Raises:
        CvimakeError: it is something else.
    """
    if network_file.check(model.source) is not network_file.Kind.CHECKPOINT:
        raise CvimakeError(f"{model.source} is no checkpoint of Ultralytics any more", "Start again.")


def file_fault(model: DeclaredModel) -> str:
    """Say why the toolchain cannot read a network's file; return an empty text if no reason is known."""
    try:
        check_file(model)
    except CvimakeError as error:
        return str(error)
    return ""


def _tflite_inputs(model: DeclaredModel, network: tflite.Network) -> dict[str, onnx_names.Shape]:
    """Return the inputs as the toolchain has them: images with their channels first."""
    inputs = network.inputs if model.inputs.channel_format == "none" else network.planar
    return {name: tuple(length or 0 for length in shape) for name, shape in inputs}


def warn_of_doubts(model: DeclaredModel) -> None:
    """Warn about values of [input] that are most likely wrong, with their lines in model.toml."""
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
    """Read the names in an ONNX network.

    Raises:
        CvimakeError: the network cannot be converted.
    """
    from cvimake.project.networks import onnx_names  # noqa: PLC0415 - only a stage that runs needs it

    onnx_header.check(model.network, model.external_data)
    names = onnx_names.read(model.network)
    if undeclared := sorted(set(names.external) - set(model.external_data)):
        raise CvimakeError(
            f"{model.source} keeps weights in other files, not declared: {', '.join(undeclared[:3])}",
            f"Put them beside the network, and name them in {model.folder / 'model.toml'}: "
            "[onnx] external_data = [...].",
        )
    return names


def check_samples(name: str, model: DeclaredModel, purpose: Purpose, samples: Samples) -> None:
    """Check that a stage's images and arrays can be read, and fit the network's inputs.

    Raises:
        CvimakeError: some cannot be read, or do not fit.
    """
    names = _onnx_names(model) if model.is_onnx else None
    _check_samples(name, model, _samples(purpose, samples), names)


def _check_samples(
    name: str, model: DeclaredModel, samples: Iterable[Sample], names: onnx_names.Names | None
) -> None:
    from cvimake.builder.checks import samples as sample_check  # noqa: PLC0415 - only a stage that runs needs it

    memory = int(model.settings.limits.memory * GIBIBYTE)
    sample_check.check(name, samples, memory, _inputs(model, names) if names else None)


def _inputs(model: DeclaredModel, names: onnx_names.Names) -> dict[str, onnx_names.Shape]:
    """Return the network's inputs with their declared shapes."""
    declared = model.inputs.shapes or []
    return {
        name: tuple(declared[number]) if number < len(declared) else shape
        for number, (name, shape) in enumerate(needed_inputs(model, names).items())
    }


def needed_inputs(model: DeclaredModel, names: onnx_names.Names) -> dict[str, onnx_names.Shape]:
    """Return the inputs that the declared outputs are computed from, with their shapes in the network."""
    if len(names.inputs) < 2 or not model.model.output.names:  # noqa: PLR2004 - one input is always needed
        return names.inputs
    from cvimake.project.networks import reading  # noqa: PLC0415 - takes a third of a second, and is rarely needed

    nodes = reading.read(model.network).behind(model.model.output.names)
    needed = {name for node in nodes for name in node.inputs}
    return {name: shape for name, shape in names.inputs.items() if name in needed}


def own_file_faults(model: DeclaredModel, names: onnx_names.Names | None) -> Iterator[KeyedFault]:
    """Yield each fault of the user's own tables and references, which later stages need.

    Args:
        model: the model that declares them.
        names: those of the network, if it is ONNX. The layers of other networks are known from their MLIR.
    """
    for variant in model.variants:
        references = {"test_reference": variant.options.test_reference} | own_tables(variant)
        for key, name in references.items():
            path, place = model.folder / (name or ""), ("variant", variant.name, key)
            if name and not path.is_file():
                yield place, f"no file {plain(path)}"
            elif name and key in tables.KEYS:
                # An added post-processing has layers of its own, whose names are not known yet.
                known = None if model.model.output.add_postprocess else names
                for what in _table_faults(key, path, known):
                    yield place, what


def _table_faults(key: str, path: Path, names: onnx_names.Names | None) -> Iterator[str]:
    try:
        table = tables.read(key, path)
    except CvimakeError as error:
        yield str(error)
        return
    if names and (what := table_rules.foreign_names(table, names.tensors | names.inputs.keys())):
        yield f"{what}. {table_rules.REMEDIES[key]}"


def check_tables(name: str, model: DeclaredModel, variant: DeclaredVariant, mlir: Path) -> None:
    """Check that the user's own tables of a variant fit the network's MLIR.

    Args:
        name: the stage that reads the tables.
        model: the model of the variant.
        variant: the variant; it may have no tables of the user's.
        mlir: the network as the toolchain has it.

    Raises:
        CvimakeError: a table does not fit.
    """
    own = {key: file for key, file in own_tables(variant).items() if file}
    if not own:
        return
    layers = mlir_names.layers(mlir, mlir.read_text(encoding="utf-8"))
    faults = {"calibration_table": table_rules.missing_layers, "qtable": table_rules.unknown_layers}
    for key, file in own.items():
        if what := faults[key](tables.read(key, model.folder / file), layers):
            raise CvimakeError(f"{name}: {what}", table_rules.REMEDIES[key])


def size_faults(model: DeclaredModel, inputs: Mapping[str, onnx_names.Shape]) -> Iterator[Fault]:
    """Yield a fault if an ONNX network cannot take the declared size, with which it was not exported."""
    from cvimake.project.networks import reading, resizing  # noqa: PLC0415 - only a stage that runs needs them

    declared = model.inputs.shapes or []
    if not resizing.different(declared, inputs):
        return
    try:
        reading.read(model.network, declared, model.model.output.names)
    except CvimakeError as error:
        yield "input.shapes", f"{error.cause}. {error.remedy}"
