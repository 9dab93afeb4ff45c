"""A model's stages: one function for each, from what is declared to what runs. Nothing runs here."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import capacity
from cvimake.core.action import GIBIBYTE, Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.core.resources import step
from cvimake.execution.engine.choice import FRAMEWORKS, TOOLCHAIN
from cvimake.pipeline import named_outputs, outcomes
from cvimake.pipeline.checks import network as network_check
from cvimake.pipeline.checks.sample_fit import Purpose
from cvimake.pipeline.stage import Row, Stage
from cvimake.project import feed
from cvimake.project.dataset import Samples
from cvimake.project.reader import DeclaredModel, DeclaredVariant, as_files
from cvimake.project.rules import needs_calibration
from cvimake.toolchain import tools
from cvimake.toolchain.container.run_tool import REQUIRE_EXPECTED_COS

BUILD = Path("build")
# Where samples lie in the container: the tool's choice depends on the order of their absolute paths.
DATASET, TUNE = "/dataset", "/tune"
# The name of a network's file in the container, without its suffix. No model's name begins so, and no file
# that a stage or a tool writes is called like it.
_SOURCE = "_source"
# Where the weights of an ONNX source lie that are in files of their own.
EXTERNAL = "/external"


@dataclass(frozen=True)
class _Target:
    """One cvimodel to make: a variant for one processor."""

    model: DeclaredModel
    variant: DeclaredVariant
    processor: str

    @property
    def label(self) -> str:
        """The stage's name: the variant's, with the processor where there are several."""
        return self.variant.label(self.processor)

    @functools.cached_property
    def stem(self) -> str:
        """What its files' names begin with."""
        return f"{self.model.name}_{self.processor}_{self.variant.name}"

    @functools.cached_property
    def row(self) -> Row:
        """Its line of the final table."""
        return Row(self.model.name, self.label, _place(self.model.name, f"{self.stem}_info.json"))


def onnx(model: DeclaredModel) -> Iterator[Stage]:
    """The ONNX source in an opset and IR that the toolchain reads, proven to compute the same."""
    if not model.is_onnx:
        return
    result, summary = _converted(model.name), f"{model.name}_onnx.json"
    options = {
        "opset": model.onnx.opset,
        "ir": model.onnx.ir,
        "input-shapes": model.inputs.shapes,
        "outputs": list(model.model.output.names) or None,
        "relative-boxes": model.model.output.relative_boxes,
        "fixed": True,
        "external": EXTERNAL if model.external_data else None,
    }
    external = [
        Folder(target=EXTERNAL, files={name: model.source.parent / name for name in model.external_data})
    ]
    yield Stage(
        action=Action(
            name=f"{model.name}:onnx",
            argv=tools.onnx_command(f"{_SOURCE}.onnx", result, summary, options),
            environment=tools.onnx_environment(),
            inputs=(Input(name=f"{_SOURCE}.onnx", path=model.source),),
            outputs=(
                _output(model, result, FileKind.ONNX),
                _output(model, summary, FileKind.JSON),
            ),
            folders=(tools.ONNX_PROGRAM, *(external if model.external_data else ())),
            limits=_limits(model),
        ),
        load=capacity.conversion(_size(model)),
        before=functools.partial(network_check.check, model),
    )


def mlir(model: DeclaredModel) -> Iterator[Stage]:
    """The network as MLIR with its weights, and the reference that the variants are checked against.

    The tool derives the name of the weights from the model's, and the MLIR refers to them by it.
    """
    name, declared, inputs = model.name, model.model, model.inputs
    network = _place(name, _converted(name)) if model.is_onnx else model.source
    source = Input(name=f"{_SOURCE}{network.suffix}", path=network)
    weights, wanted = _own_file(model, declared.weights, f"{name}_source"), _wanted(model)
    test_inputs = _test_inputs(model, as_files(declared.verify.input))
    options = {
        "model_name": name,
        "model_def": source.name,
        "model_data": weights.name if weights else None,
        "input_shapes": inputs.shapes,
        "input_types": inputs.types,
        **{key: getattr(inputs, key) for key in _PREPROCESSING},
        # The conversion has ended an ONNX network there; the tool would give the names an order of its own.
        "output_names": None if model.is_onnx else declared.output.names or None,
        "add_postprocess": declared.output.add_postprocess,
        "onnx_sim": declared.onnx_sim,
        "test_input": [file.name for file in test_inputs],
        "test_result": _reference(name),
        "tolerance": declared.verify.tolerance,
        "excepts": declared.verify.excepts,
        "mlir": _mlir(name),
    }
    arguments = tools.arguments(tools.MODEL_TRANSFORM, options)
    programs = list(_around_transform(model))
    yield Stage(
        action=Action(
            name=f"{name}:mlir",
            argv=tools.transform_command([program.name for program in programs], name, arguments),
            environment=tools.environment(),
            inputs=(
                source,
                *([weights] if weights else []),
                *test_inputs,
                *programs,
                *([_TFLITE_FILE] if _TRANSFORM_TFLITE in programs else []),
            ),
            outputs=(
                _output(model, _mlir(name), FileKind.MLIR),
                _output(model, _weights(name), FileKind.NPZ),
                _output(model, _reference(name), FileKind.NPZ),
            ),
            limits=_limits(model),
        ),
        load=capacity.transform(_size(model)),
        toolchain=FRAMEWORKS if model.takes_frameworks else TOOLCHAIN,
        before=functools.partial(_check, model),
        after=functools.partial(
            outcomes.network, f"{name}:mlir", _place(name, _mlir(name)), wanted, _outputs(model)
        ),
        concluded=(_outputs(model),),
        concluded_with=[outcomes.REVISION, *wanted.names, wanted.relative_boxes],
    )


def _wanted(model: DeclaredModel) -> named_outputs.Wanted:
    """The outputs that a network is declared to have; those of a post-processing have no declared names."""
    if model.model.output.add_postprocess:
        return named_outputs.Wanted()
    return named_outputs.Wanted(
        names=tuple(model.model.output.names),
        network=_place(model.name, _converted(model.name)) if model.is_onnx else None,
        kept=model.source.suffix != ".tflite",
        relative_boxes=model.model.output.relative_boxes if model.is_onnx else None,
    )


def _around_transform(model: DeclaredModel) -> Iterator[Input]:
    """The programs that stand around the tool, the outermost first."""
    if not any(variant.options.compare_all for variant in model.variants):
        yield _REDUCE_REFERENCE
    if model.source.suffix == ".tflite":
        yield _TRANSFORM_TFLITE


def _check(model: DeclaredModel) -> None:
    """Sees that the toolchain can read a network, before it is started."""
    network_check.check(model)
    network_check.ask(model)
    if model.is_onnx:
        from cvimake.project.networks import check  # noqa: PLC0415 - only a stage that runs looks into the graph

        # Of the converted one: newer operators have become others.
        check.check(BUILD / model.name / _converted(model.name), tuple(model.model.output.names))


def calibration(model: DeclaredModel) -> Iterator[Stage]:
    """The thresholds of INT8, once for all variants that want them."""
    samples = model.calibration_samples
    if samples is None or not any(needs_calibration(variant.options) for variant in model.variants):
        return
    sampled, folders, texts = _sampled(samples, "data_list", DATASET)
    if model.tune_samples:
        tuned, tune_folders, tune_texts = _sampled(model.tune_samples, "tune_list", TUNE)
        sampled, folders, texts = {**sampled, **tuned}, folders + tune_folders, texts + tune_texts
    options = {
        **sampled,
        "input_num": model.calibration.input_num,
        "tune_num": model.calibration.tune_num,
        "histogram_bin_num": model.calibration.histogram_bin_num,
        "debug_cmd": model.calibration.debug_cmd,
        "calibration_table": _table(model.name),
    }
    arguments = tools.arguments(tools.RUN_CALIBRATION, options)
    yield Stage(
        action=Action(
            name=f"{model.name}:calibration",
            argv=tools.calibration_command((_mlir(model.name), *arguments)),
            environment=tools.environment(),
            inputs=(*_network(model), *_CALIBRATION),
            outputs=(_output(model, _table(model.name), FileKind.TABLE),),
            texts=texts,
            folders=folders,
            # Each of its processes may have as many threads as there are cores, if it loads a network.
            limits=dataclasses.replace(_limits(model), processes=_MANY),
        ),
        load=capacity.calibration(
            _size(model), _count(samples, model.calibration.input_num), model.calibration.tune_num or _TUNED
        ),
        before=functools.partial(
            network_check.check_samples, f"{model.name}:calibration", model, Purpose.CALIBRATE, samples
        ),
    )


def qtable(model: DeclaredModel) -> Iterator[Stage]:
    """For each variant of mixed precision: which layers stay float."""
    for target in _targets(model):
        search, samples = target.variant.qtable, target.variant.qtable_samples
        if search is None or samples is None:
            continue
        sampled, folders, texts = _sampled(samples, "data_list", DATASET)
        table = _calibration_table(target)
        summary, loss_table = f"{target.stem}_search.json", f"{target.stem}_loss_table.txt"
        options = {
            **sampled,
            **{key: getattr(search, key) for key in _SEARCH},
            "calibration_table": table.name,
            "processor": target.processor,
            "loss_table": loss_table,
            "quantize_table": _qtable(target),
        }
        arguments = tools.arguments(tools.RUN_QTABLE, options)
        published = _place(model.name, summary)
        yield Stage(
            action=Action(
                name=f"{model.name}:{target.label}_qtable",
                argv=tools.summarised_program(
                    "search.py",
                    summary,
                    (_mlir(model.name), *arguments),
                    (REQUIRE_EXPECTED_COS,) if search.require_expected_cos else (),
                ),
                environment=tools.environment(),
                inputs=(*_network(model), table, _RUN_TOOL, *_SEARCH_STEP),
                outputs=(
                    _output(model, _qtable(target), FileKind.TABLE),
                    _output(model, loss_table, FileKind.TABLE),
                    _output(model, summary, FileKind.JSON),
                ),
                texts=texts,
                folders=folders,
                # Each of its processes may have as many threads as there are cores, for every network.
                limits=dataclasses.replace(_limits(model), processes=_MANY),
            ),
            load=capacity.search(_size(model), _count(samples, search.input_num or _SEARCHED)),
            before=functools.partial(_check_search, target, samples),
            row=target.row,
            after=functools.partial(outcomes.search, f"{model.name}:{target.label}", published),
        )


def _check_search(target: _Target, samples: Samples) -> None:
    """Sees that a search can read what it is given."""
    name = f"{target.model.name}:{target.label}_qtable"
    network_check.check_samples(name, target.model, Purpose.SEARCH, samples)
    network_check.check_tables(
        name, target.model, target.variant, _place(target.model.name, _mlir(target.model.name))
    )


def cvimodel(model: DeclaredModel) -> Iterator[Stage]:
    """Every variant's cvimodel.

    The tool checks it twice: its MLIR against the float network, then the finished file, run on the
    simulator, against its MLIR.
    """
    for target in _targets(model):
        options = target.variant.options
        test_inputs = _test_inputs(model, target.variant.test_input)
        table = _calibration_table(target) if options.quantize == "INT8" else None
        layers = _quantize_table(target)
        reference = _test_reference(target)
        summary, result = _validation(target), f"{target.stem}.cvimodel"
        values = {
            "mlir": _mlir(model.name),
            # One and the same on these processors; only BF16 has a form for every operator (average pooling).
            "quantize": "BF16" if options.quantize == "F16" else options.quantize,
            "processor": target.processor,
            "calibration_table": table.name if table else None,
            "quantize_table": layers.name if layers else None,
            **{key: getattr(options, key) for key in _DEPLOYMENT},
            "test_input": [file.name for file in test_inputs] or None,
            "test_reference": reference.name if reference else None,
            "model": result,
        }
        arguments = tools.arguments(tools.MODEL_DEPLOY, values)
        optional = [file for file in (table, layers, reference) if file]
        yield Stage(
            action=Action(
                name=f"{model.name}:{target.label}",
                argv=tools.summarised_command("model_deploy", summary, arguments),
                environment=tools.environment(),
                inputs=(*_network(model), *optional, *test_inputs, _RUN_TOOL),
                outputs=(
                    _output(model, result, FileKind.CVIMODEL),
                    _output(model, summary, FileKind.JSON),
                ),
                limits=_limits(model),
            ),
            load=capacity.deployment(_size(model)),
            row=target.row,
            before=functools.partial(
                network_check.check_tables,
                f"{model.name}:{target.label}",
                model,
                target.variant,
                _place(model.name, _mlir(model.name)),
            ),
            after=functools.partial(
                _tell_types, f"{model.name}:{target.label}", options.quantize, layers.path if layers else None
            ),
        )


def _tell_types(name: str, quantize: str | None, qtable: Path | None) -> None:
    """Tells what a cvimodel computes in, where that is not what was declared."""
    outcomes.float_type(name, quantize)
    outcomes.float_layers(name, qtable)


def info(model: DeclaredModel) -> Iterator[Stage]:
    """What is in each cvimodel, what the camera takes it for, and whether that is as declared."""
    for target in _targets(model):
        name, listing = f"{target.stem}.cvimodel", f"{target.stem}_info.txt"
        time = f"{target.stem}_time.json"
        validation, result = _place(model.name, _validation(target)), target.row.info
        declared = feed.declared(model.inputs, target.variant.options)
        yield Stage(
            action=Action(
                name=f"{model.name}:{target.label}_info",
                argv=tools.info_command(name, listing, time),
                environment=tools.environment(),
                inputs=(_built(model, name), ESTIMATE_TIME),
                outputs=(_output(model, listing, FileKind.TEXT), _output(model, time, FileKind.JSON)),
                limits=_limits(model),
            ),
            load=capacity.LISTING,
            row=target.row,
            after=functools.partial(
                outcomes.info,
                f"{model.name}:{target.label}",
                _place(model.name, name),
                _place(model.name, listing),
                _place(model.name, time),
                validation,
                _outputs(model),
                declared,
                model.model.budget,
                result,
            ),
            concluded=(result,),
            concluded_with={
                **model.model.budget.model_dump(),
                "camera": json.loads(json.dumps(dataclasses.asdict(declared))),
                "revision": outcomes.REVISION,
            },
            also_read=(validation, _outputs(model)),
        )


# Options that are declared under the tool's own name.
_PREPROCESSING = (
    "resize_dims", "keep_aspect_ratio", "keep_ratio_mode", "mean", "scale", "pixel_format", "channel_format",
    "pad_value", "pad_type", "preprocess_list",
)  # fmt: skip
_SEARCH = ("input_num", "fp_type", "expected_cos", "min_layer_cos", "global_compare_layers", "debug_cmd")
_DEPLOYMENT = (
    "quant_input", "quant_output", "quant_input_list", "quant_output_list", "fuse_preprocess",
    "customization_format", "aligned_input", "op_divide", "ignore_f16_overflow", "disable_layer_group", "opt",
    "addr_mode", "num_core", "model_version", "tolerance", "excepts", "compare_all", "skip_validation",
)  # fmt: skip
_REDUCE_REFERENCE = Input(name="reduce_reference.py", path=step("reduce_reference"))
_TRANSFORM_TFLITE = Input(name="transform_tflite.py", path=step("transform_tflite"))
# It imports the other one.
_TFLITE_FILE = Input(name="tflite_file.py", path=step("tflite_file"))
ESTIMATE_TIME = Input(name="estimate_time.py", path=step("estimate_time"))
_RUN_TOOL = Input(name="run_tool.py", path=step("run_tool"))
# run_calibration and run_qtable in several processes. The first program is run, and imports the others.
CALIBRATION_PROGRAMS = (
    "calibrate", "parallel_calibrator", "parallel_tuner", "calibrated_network", "calibration_shards",
    "process_group", "sample_order", "tried_operators",
)  # fmt: skip
SEARCH_PROGRAMS = ("search", "parallel_searcher", "process_group", "tried_operators")
_CALIBRATION = tuple(Input(name=f"{name}.py", path=step(name)) for name in CALIBRATION_PROGRAMS)
_SEARCH_STEP = tuple(Input(name=f"{name}.py", path=step(name)) for name in SEARCH_PROGRAMS)
# Samples that the tools take to tune and to search with, where nothing else is said.
_TUNED, _SEARCHED = 5, 10
_MANY = 4096


def _targets(model: DeclaredModel) -> Iterator[_Target]:
    for variant in model.variants:
        for processor in variant.processors:
            yield _Target(model, variant, processor)


def _sampled(
    samples: Samples, list_name: str, target: str
) -> tuple[dict[str, str], tuple[Folder, ...], tuple[Text, ...]]:
    """The option that names samples, and what has to be there for it."""
    folder = Folder(target=target, files=samples.files)
    if samples.lines is None:
        return {"dataset": target}, (folder,), ()
    lines = [",".join(f"{target}/{name}" for name in sample) for sample in samples.lines]
    text = Text(name=f"{list_name}.txt", text="".join(f"{line}\n" for line in lines))
    return {list_name: text.name}, (folder,), (text,)


def _size(model: DeclaredModel) -> capacity.Network:
    return capacity.Network.of_shapes(model.inputs.shapes)


def _count(samples: Samples, wanted: int | None) -> int:
    """How many samples the tool takes: no more than wanted, and no more than there are."""
    return min(wanted, samples.count) if wanted else samples.count


def _test_inputs(model: DeclaredModel, files: Sequence[str]) -> tuple[Input, ...]:
    """The test inputs under names that do not depend on the user's."""
    if len(files) == 1:
        return (Input(name=f"test_input{Path(files[0]).suffix.lower()}", path=model.folder / files[0]),)
    return tuple(
        Input(name=f"test_input{number}{Path(file).suffix.lower()}", path=model.folder / file)
        for number, file in enumerate(files)
    )


def _network(model: DeclaredModel) -> tuple[Input, Input]:
    return (_built(model, _mlir(model.name)), _built(model, _weights(model.name)))


def _calibration_table(target: _Target) -> Input:
    own = target.variant.options.calibration_table
    return _own_file(target.model, own, "calibration_table") or _built(
        target.model, _table(target.model.name)
    )


def _quantize_table(target: _Target) -> Input | None:
    """The table of the layers that stay float: searched for, the user's own, or none."""
    if target.variant.qtable:
        return _built(target.model, _qtable(target))
    own = target.variant.options.qtable
    return _own_file(target.model, own if isinstance(own, str) else None, "quantize_table")


def _test_reference(target: _Target) -> Input | None:
    """What the variant is compared with; none where the tool has to make it, for another test input."""
    options = target.variant.options
    if not target.variant.test_input:
        return None
    if options.test_reference:
        return _own_file(target.model, options.test_reference, "test_reference")
    return None if options.test_input is not None else _built(target.model, _reference(target.model.name))


def _own_file(model: DeclaredModel, path: str | None, name: str) -> Input | None:
    """A file of the user's, under a name that does not depend on the user's."""
    return Input(name=f"{name}{Path(path).suffix}", path=model.folder / path) if path else None


def _built(model: DeclaredModel, file_name: str) -> Input:
    return Input(name=file_name, path=_place(model.name, file_name))


def _output(model: DeclaredModel, file_name: str, kind: FileKind) -> Output:
    return Output(name=file_name, path=_place(model.name, file_name), kind=kind)


@functools.cache
def _place(model: str, file_name: str) -> Path:
    """Where a file of a model is built. One stage writes it and several read it: all get the same Path."""
    return BUILD.joinpath(model, file_name)


def _limits(model: DeclaredModel) -> Limits:
    limits = model.settings.limits
    return Limits(
        memory=int(limits.memory * GIBIBYTE),
        seconds=limits.hours * 3600,
        workspace=int(limits.workspace * GIBIBYTE),
        files=limits.file_count,
    )


def _converted(name: str) -> str:
    return f"{name}.onnx"


def _mlir(name: str) -> str:
    return f"{name}.mlir"


def _outputs(model: DeclaredModel) -> Path:
    """The file with the outputs' names."""
    return _place(model.name, f"{model.name}_outputs.json")


def _weights(name: str) -> str:
    """The file of a network's weights: the tool writes the name in lower case, and the MLIR refers to it."""
    return f"{name.lower()}_top_f32_all_weight.npz"


def _reference(name: str) -> str:
    return f"{name}_top_outputs.npz"


def _table(name: str) -> str:
    return f"{name}_calibration_table"


def _qtable(target: _Target) -> str:
    return f"{target.stem}_qtable"


def _validation(target: _Target) -> str:
    return f"{target.stem}_validation.json"
