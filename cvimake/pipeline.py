"""A model's actions: one function for each stage, from what is declared to what runs. Nothing runs here."""

from __future__ import annotations

from pathlib import Path

from cvimake import toolchain
from cvimake.action import Action, FileKind, Input, Output
from cvimake.spec import DeclaredModel, Variant

BUILD = Path("build")


def transform(model: DeclaredModel) -> Action:
    """The source network as MLIR with its weights, and the reference that the variants are checked against.

    The tool derives the name of the weights from the model's name, and the MLIR refers to them by it.
    """
    name = model.name
    declared = model.model
    source = f"{name}{model.source.suffix}"
    test_input = f"test_input{model.test_input.suffix}"
    arguments = toolchain.arguments(
        toolchain.MODEL_TRANSFORM,
        {
            "model_name": name,
            "model_def": source,
            "input_shapes": declared.input.shapes,
            "mean": declared.input.mean,
            "scale": declared.input.scale,
            "pixel_format": declared.input.pixel_format,
            "keep_aspect_ratio": declared.input.keep_aspect_ratio,
            "output_names": declared.output.names or None,
            "test_input": test_input,
            "test_result": _reference(name),
            "tolerance": declared.verify.tolerance,
            "mlir": _mlir(name),
        },
    )
    return Action(
        name=f"{name}:transform",
        argv=toolchain.command("model_transform", arguments),
        environment=toolchain.environment(),
        inputs=(Input(name=source, path=model.source), Input(name=test_input, path=model.test_input)),
        outputs=(
            _output(name, _mlir(name), FileKind.MLIR),
            _output(name, _weights(name), FileKind.NPZ),
            _output(name, _reference(name), FileKind.NPZ),
        ),
    )


def deploy(model: DeclaredModel, variant_name: str, variant: Variant) -> Action:
    """One variant's cvimodel.

    The tool checks it twice: its MLIR against the float network, then the finished file, run on the
    simulator, against its MLIR.
    """
    name = model.name
    processor = model.model.processor
    test_input = f"test_input{model.test_input.suffix}"
    cvimodel = f"{name}_{processor}_{variant_name}.cvimodel"
    arguments = toolchain.arguments(
        toolchain.MODEL_DEPLOY,
        {
            "mlir": _mlir(name),
            "quantize": variant.quantize,
            "processor": processor,
            "quant_input": variant.quant_input,
            "quant_output": variant.quant_output,
            "fuse_preprocess": variant.fuse_preprocess,
            "customization_format": variant.customization_format,
            "test_input": test_input,
            "test_reference": _reference(name),
            "tolerance": variant.tolerance,
            "model": cvimodel,
        },
    )
    return Action(
        name=f"{name}:{variant_name}",
        argv=toolchain.command("model_deploy", arguments),
        environment=toolchain.environment(),
        inputs=(
            _input(name, _mlir(name)),
            _input(name, _weights(name)),
            _input(name, _reference(name)),
            Input(name=test_input, path=model.test_input),
        ),
        outputs=(_output(name, cvimodel, FileKind.CVIMODEL),),
    )


def _mlir(name: str) -> str:
    return f"{name}.mlir"


def _weights(name: str) -> str:
    return f"{name}_top_f32_all_weight.npz"


def _reference(name: str) -> str:
    return f"{name}_top_outputs.npz"


def _input(model_name: str, file_name: str) -> Input:
    return Input(name=file_name, path=BUILD / model_name / file_name)


def _output(model_name: str, file_name: str, kind: FileKind) -> Output:
    return Output(name=file_name, path=BUILD / model_name / file_name, kind=kind)
