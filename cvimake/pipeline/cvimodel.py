"""The stage that compiles a cvimodel, for each variant and processor."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs, outcomes
from cvimake.pipeline.checks import network as network_check
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import tools

# Options that are declared under the tool's own name.
_DEPLOYMENT = (
    "quant_input", "quant_output", "quant_input_list", "quant_output_list", "fuse_preprocess",
    "customization_format", "aligned_input", "op_divide", "ignore_f16_overflow", "disable_layer_group", "opt",
    "addr_mode", "num_core", "model_version", "tolerance", "excepts", "compare_all", "skip_validation",
)  # fmt: skip


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield a compilation for each cvimodel.

    The tool checks the result twice: its MLIR against the float network, then the finished file, run on the
    simulator, against its MLIR.
    """
    for target in targets(model):
        options = target.variant.options
        tested_with = inputs.test_inputs(model, target.variant.test_input)
        table = inputs.calibration_table(target) if options.quantize == "INT8" else None
        layers, reference = inputs.quantize_table(target), inputs.test_reference(target)
        values = {
            "mlir": files.mlir(model.name),
            # F16 and BF16 are the same on these processors, but only BF16 has a form for every operator: F16
            # has none for average pooling.
            "quantize": "BF16" if options.quantize == "F16" else options.quantize,
            "processor": target.processor,
            "calibration_table": table.name if table else None,
            "quantize_table": layers.name if layers else None,
            **{key: getattr(options, key) for key in _DEPLOYMENT},
            "test_input": [file.name for file in tested_with] or None,
            "test_reference": reference.name if reference else None,
            "model": target.cvimodel,
        }
        arguments = tools.arguments(tools.MODEL_DEPLOY, values)
        optional = [file for file in (table, layers, reference) if file]
        yield Stage(
            action=Action(
                name=target.stage,
                argv=tools.summarised_command("model_deploy", target.validation, arguments),
                environment=tools.environment(),
                inputs=(*inputs.network(model), *optional, *tested_with, inputs.RUN_TOOL),
                outputs=(
                    inputs.output(model, target.cvimodel, FileKind.CVIMODEL),
                    inputs.output(model, target.validation, FileKind.JSON),
                ),
                limits=estimates.limits(model),
            ),
            load=estimates.deployment(estimates.size(model)),
            row=target.row,
            before=functools.partial(
                network_check.check_tables,
                target.stage,
                model,
                target.variant,
                files.place(model.name, files.mlir(model.name)),
            ),
            after=functools.partial(
                _tell_types, target.stage, options.quantize, layers.path if layers else None
            ),
        )


def _tell_types(name: str, quantize: str | None, qtable: Path | None) -> None:
    """Tell where a cvimodel computes in another type than was declared."""
    outcomes.float_type(name, quantize)
    outcomes.float_layers(name, qtable)
