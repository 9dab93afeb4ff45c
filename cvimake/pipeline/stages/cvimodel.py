"""The stage that compiles a cvimodel, for each variant and processor."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs
from cvimake.pipeline.outcomes import ComputedTypes
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands, tools


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield a compilation for each cvimodel.

    The tool checks the result twice: its MLIR against the float network, then the finished file, run on the
    simulator, against its MLIR.
    """
    for target in targets(model):
        declared = target.variant.options
        tested_with = inputs.test_inputs(model, target.variant.test_input)
        table = inputs.calibration_table(target) if declared.quantize == "INT8" else None
        layers, reference = inputs.quantize_table(target), inputs.test_reference(target)
        arguments = tools.arguments(
            tools.MODEL_DEPLOY,
            [declared],
            {
                "mlir": files.mlir(model.name),
                # F16 and BF16 are the same on these processors, but only BF16 has a form for every operator:
                # F16 has none for average pooling.
                "quantize": "BF16" if declared.quantize == "F16" else declared.quantize,
                "processor": target.processor,
                "calibration_table": table.name if table else None,
                "quantize_table": layers.name if layers else None,
                "test_input": [file.name for file in tested_with] or None,
                "test_reference": reference.name if reference else None,
                "model": target.cvimodel,
            },
        )
        optional = [file for file in (table, layers, reference) if file]
        yield Stage(
            action=Action(
                name=target.stage,
                argv=commands.summarised_command("model_deploy", target.validation, arguments),
                environment=commands.simulator_environment(),
                inputs=(*inputs.network(model), *optional, *tested_with, inputs.RUN_TOOL),
                outputs=(
                    inputs.output(model, target.cvimodel, FileKind.CVIMODEL),
                    inputs.output(model, target.validation, FileKind.JSON),
                ),
                limits=estimates.limits(model),
            ),
            load=estimates.deployment(estimates.size(model)),
            row=target.row,
            checks=target.table_checks(),
            outcome=ComputedTypes(quantize=declared.quantize, qtable=layers.path if layers else None),
        )
