"""The stage that measures the thresholds of INT8."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs
from cvimake.pipeline.checks import SamplesCheck
from cvimake.pipeline.checks.sample_fit import Purpose
from cvimake.pipeline.stage import Stage
from cvimake.project.declarations import DeclaredModel
from cvimake.project.rules import needs_calibration
from cvimake.toolchain import commands, tools

# The folders in the container with the samples to calibrate and to tune with.
_DATASET, _TUNE = "/dataset", "/tune"
# The programs that run `run_calibration` in several processes. The first is run, and imports the others.
PROGRAMS = (
    "calibrate", "parallel_calibrator", "parallel_tuner", "calibrated_network", "calibration_shards",
    "copied_layers", "least_distance", "process_group", "sample_order", "tried_operators",
)  # fmt: skip
_PROGRAM_FILES = tuple(map(inputs.program, PROGRAMS))


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield one calibration for all variants that need it, if any does."""
    samples = model.calibration_samples
    if samples is None or not any(needs_calibration(variant.options) for variant in model.variants):
        return
    sampled, folders, texts = inputs.samples(samples, "data_list", _DATASET)
    if model.tune_samples:
        tuned, tune_folders, tune_texts = inputs.samples(model.tune_samples, "tune_list", _TUNE)
        sampled, folders, texts = {**tuned, **sampled}, folders + tune_folders, texts + tune_texts
    arguments = tools.arguments(
        tools.RUN_CALIBRATION,
        [model.calibration],
        {**sampled, "calibration_table": files.calibration_table(model.name)},
    )
    yield Stage(
        action=Action(
            name=f"{model.name}:calibration",
            argv=commands.calibration_command((files.mlir(model.name), *arguments)),
            environment=commands.environment(),
            inputs=(*inputs.network(model), *_PROGRAM_FILES),
            outputs=(inputs.output(model, files.calibration_table(model.name), FileKind.TABLE),),
            texts=texts,
            folders=folders,
            limits=dataclasses.replace(estimates.limits(model), processes=estimates.MANY_PROCESSES),
        ),
        load=estimates.calibration(
            estimates.size(model),
            estimates.count(samples, model.calibration.input_num),
            model.calibration.tune_num or estimates.TUNED,
        ),
        checks=(SamplesCheck(model=model, purpose=Purpose.CALIBRATE, samples=samples),),
    )
