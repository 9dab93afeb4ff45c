"""The stage that searches for the layers that stay float, for each variant of mixed precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs
from cvimake.pipeline.checks import SamplesCheck
from cvimake.pipeline.checks.sample_fit import Purpose
from cvimake.pipeline.outcomes import SearchEnding
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands, tools

# The folder in the container with the samples to search with.
_DATASET = "/dataset"
# The option of `toolchain/container/run_tool.py` that makes a failure of a search that gave up.
_REQUIRE_EXPECTED_COS = "--require-expected-cos"
# The programs that run `run_qtable` in several processes. The first is run, and imports the others.
PROGRAMS = ("search", "parallel_searcher", "process_group", "tried_operators")
_PROGRAM_FILES = tuple(map(inputs.program, PROGRAMS))


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield a search for each variant that declares one."""
    for target in targets(model):
        search, samples = target.variant.qtable, target.variant.qtable_samples
        if search is None or samples is None:
            continue
        sampled, folders, texts = inputs.samples(samples, "data_list", _DATASET)
        table = inputs.calibration_table(target)
        summary, loss_table = files.search(target.stem), files.loss_table(target.stem)
        arguments = tools.arguments(
            tools.RUN_QTABLE,
            [search],
            {
                **sampled,
                "calibration_table": table.name,
                "processor": target.processor,
                "loss_table": loss_table,
                "quantize_table": target.qtable,
            },
        )
        yield Stage(
            action=Action(
                name=f"{target.stage}_qtable",
                argv=commands.summarised_program(
                    "search.py",
                    summary,
                    (files.mlir(model.name), *arguments),
                    (_REQUIRE_EXPECTED_COS,) if search.require_expected_cos else (),
                ),
                environment=commands.simulator_environment(),
                inputs=(*inputs.network(model), table, inputs.RUN_TOOL, *_PROGRAM_FILES),
                outputs=(
                    inputs.output(model, target.qtable, FileKind.TABLE),
                    inputs.output(model, loss_table, FileKind.TABLE),
                    inputs.output(model, summary, FileKind.JSON),
                ),
                texts=texts,
                folders=folders,
                limits=dataclasses.replace(estimates.limits(model), processes=estimates.MANY_PROCESSES),
            ),
            load=estimates.search(
                estimates.size(model), estimates.count(samples, search.input_num or estimates.SEARCHED)
            ),
            row=target.row,
            checks=(
                SamplesCheck(model=model, purpose=Purpose.SEARCH, samples=samples),
                *target.table_checks(),
            ),
            outcome=SearchEnding(variant=target.stage, summary=files.place(model.name, summary)),
        )
