"""The stage that makes a network into MLIR."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.core.action import Action, FileKind, Input
from cvimake.core.paths import FRAMEWORKS, TOOLCHAIN
from cvimake.pipeline import estimates, files
from cvimake.pipeline.checks import Check, DoubtsCheck, NetworkCheck, OperatorsCheck
from cvimake.pipeline.inputs import SOURCE, output, own_file, program, test_inputs
from cvimake.pipeline.outcomes import NetworkOutputs
from cvimake.pipeline.stage import Stage
from cvimake.project.declarations import DeclaredModel, as_files
from cvimake.toolchain import commands, tools

_REDUCE_REFERENCE, _TRANSFORM_TFLITE = program("reduce_reference"), program("transform_tflite")
# transform_tflite.py imports it.
_TFLITE_FILE = program("tflite_file")


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the stage of the MLIR, its weights, and the reference that the variants are compared with.

    The tool derives the name of the weights' file from the model's name, and the MLIR refers to that file by
    its name.
    """
    name, declared = model.name, model.model
    network = files.place(name, files.converted(name)) if model.is_onnx else model.network
    source = Input(name=f"{SOURCE}{network.suffix}", path=network)
    weights = own_file(model, declared.weights, f"{name}_source")
    tested_with = test_inputs(model, as_files(declared.verify.input))
    arguments = tools.arguments(
        tools.MODEL_TRANSFORM,
        [model.inputs, declared.output, declared, declared.verify],
        {
            "model_name": name,
            "model_def": source.name,
            "model_data": weights.name if weights else None,
            # The conversion has ended an ONNX network there; the tool would choose an order of its own.
            "output_names": None if model.is_onnx else declared.output.names or None,
            "test_input": [file.name for file in tested_with],
            "test_result": files.reference(name),
            "mlir": files.mlir(name),
        },
    )
    programs = list(_around_transform(model))
    yield Stage(
        action=Action(
            name=f"{name}:mlir",
            argv=commands.transform_command([file.name for file in programs], name, arguments),
            environment=commands.environment(),
            inputs=(
                source,
                *([weights] if weights else []),
                *tested_with,
                *programs,
                *([_TFLITE_FILE] if _TRANSFORM_TFLITE in programs else []),
            ),
            outputs=(
                output(model, files.mlir(name), FileKind.MLIR),
                output(model, files.weights(name), FileKind.NPZ),
                output(model, files.reference(name), FileKind.NPZ),
            ),
            limits=estimates.limits(model),
        ),
        load=estimates.transform(estimates.size(model)),
        toolchain=FRAMEWORKS if model.takes_frameworks else TOOLCHAIN,
        checks=tuple(_checks(model)),
        outcome=_outcome(model),
    )


def _outcome(model: DeclaredModel) -> NetworkOutputs:
    """Return the outputs that the network must have. Those of a post-processing have no declared names."""
    mlir = files.place(model.name, files.mlir(model.name))
    result = files.place(model.name, files.outputs(model.name))
    if model.model.output.add_postprocess:
        return NetworkOutputs(mlir=mlir, result=result)
    return NetworkOutputs(
        mlir=mlir,
        result=result,
        names=tuple(model.model.output.names),
        network=files.place(model.name, files.converted(model.name)) if model.is_onnx else None,
        order_is_kept=model.source.suffix != ".tflite",
        relative_boxes=model.model.output.relative_boxes if model.is_onnx else None,
    )


def _around_transform(model: DeclaredModel) -> Iterator[Input]:
    """Yield the programs that the tool runs in, the outermost first."""
    if not any(variant.options.compare_all for variant in model.variants):
        yield _REDUCE_REFERENCE
    if model.source.suffix == ".tflite":
        yield _TRANSFORM_TFLITE


def _checks(model: DeclaredModel) -> Iterator[Check]:
    """Yield the checks that the toolchain can read the network."""
    yield NetworkCheck(model=model)
    yield DoubtsCheck(model=model)
    if model.is_onnx:
        converted = files.place(model.name, files.converted(model.name))
        yield OperatorsCheck(network=converted, outputs=tuple(model.model.output.names))
