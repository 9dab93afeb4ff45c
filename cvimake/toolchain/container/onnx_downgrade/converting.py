"""Converts one network to another opset and IR, and proves that both compute the same."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from onnx import ModelProto

from . import lowering, outputs, proof, reading, relative_boxes, sizes, tidy
from .network import copied, graphs, opset_of, tensor_names
from .refusal import RefusedError

_CONVERTER = Path(__file__).with_name("version_converter.py")
_CONVERTER_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The wanted form of a network.

    Attributes:
        opset: the highest opset; an older one stays.
        ir: the highest IR; an older one stays.
        shapes: shapes for its inputs; None to leave them.
        fixed: whether a network is refused if a size is still not fixed then.
        metadata: whether metadata that only describe the network stay.
        outputs: the tensors that become its outputs, in this order; empty for its own outputs.
        relative_boxes: whether the boxes in its output are brought from pixels to fractions of the input.
    """

    opset: int = 17
    ir: int = 8
    shapes: Sequence[Sequence[int]] | None = None
    fixed: bool = False
    metadata: bool = False
    outputs: Sequence[str] = ()
    relative_boxes: bool = False


def convert(source: ModelProto, wanted: Wanted) -> tuple[ModelProto, dict[str, Any]]:
    """Convert a network, and prove that the result computes the same.

    Returns:
        The converted network, and a summary of the conversion as a JSON value.

    Raises:
        RefusedError: it cannot be converted, or does not compute the same afterwards.
    """
    source, done = _prepared(source, wanted)
    model = copied(source)
    if not wanted.metadata:
        tidy.strip(model)
    model, done["inlined functions"] = tidy.inline_functions(model)
    ir = min(model.ir_version, wanted.ir)
    model.ir_version = max(model.ir_version, tidy.SEPARATE_INITIALISERS)
    tidy.separate_initialisers(model)
    if wanted.shapes is not None:
        done["inputs with fixed shapes"] = tidy.fix_shapes(model, wanted.shapes)
    if wanted.fixed:
        tidy.require_fixed(model)
    outputs.complete(model)
    done["widened from float16"] = widened = tidy.widen(model)
    done["convolutions given a kernel_shape"] = tidy.name_kernels(model)
    opset = opset_of(model)
    plain = copied(model)
    how: dict[str, Any] = {"by": None, "rewritten": {}}
    found: proof.Proof | None = None
    changed = opset > wanted.opset
    # Half precision has too few digits to compare, so the network's wide form is converted.
    reference = plain if widened else source
    if changed or widened or done["inlined functions"]:
        shapes = proof.input_shapes(plain)
        if changed:
            model, how, found = _converted(plain, reference, wanted.opset, shapes)
        elif not widened:
            found = proof.prove(reference, model, shapes)
        if widened:
            how["difference_from_float16"] = proof.prove(source, model, shapes, proof.HALF_TOLERANCE).largest
    if wanted.relative_boxes:
        model, how["boxes"], tried = _with_relative_boxes(model, reference, proof.input_shapes(plain))
        found = tried or found
    model.ir_version = ir
    if ir < tidy.SEPARATE_INITIALISERS:
        tidy.list_initialisers(model)
    listed = len(model.graph.input) - len(source.graph.input)
    done["initialisers put among the inputs" if listed > 0 else "initialisers taken from the inputs"] = abs(
        listed
    )
    reading.check(model)
    return model, {
        "source": {"ir": source.ir_version, "opset": opset},
        "result": {"ir": model.ir_version, "opset": opset_of(model)},
        **how,
        "tidied": {what: int(count) for what, count in done.items() if count},
        "differences": dict(found.differences) if found else {},
        "largest_difference": found.largest if found else 0.0,
    }


def _prepared(source: ModelProto, wanted: Wanted) -> tuple[ModelProto, dict[str, int]]:
    """Make a copy of the network with sorted nodes and the wanted outputs and sizes.

    Returns:
        The copy, and the number of each kind of change.
    """
    names = wanted.outputs
    model = copied(source)
    done = {"sorted graphs": sum(tidy.sort(graph) for graph in list(graphs(model.graph)))}
    reading.check(model)
    if names and outputs.end_in(model, names):
        done["outputs chosen"] = len(names)
    done["inputs of another size"] = _resize(model, wanted.shapes or ())
    return model, done


def _resize(model: ModelProto, shapes: Sequence[Sequence[int]]) -> int:
    """Give the inputs other sizes, if any are wanted, and prove that the network then runs."""
    before = copied(model)
    resized = sizes.resize(model, shapes)
    if resized:
        sizes.prove(before, model, proof.input_shapes(_fixed(model, shapes)))
    return resized


def _fixed(model: ModelProto, shapes: Sequence[Sequence[int]]) -> ModelProto:
    fixed = copied(model)
    tidy.separate_initialisers(fixed)
    tidy.fix_shapes(fixed, shapes)
    return fixed


def without_figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a summary that is the same on every machine.

    The differences between two runs are not: a processor with AVX-512 sums in another order than one without,
    and onnxruntime has no setting for that.
    """
    figures = {"differences", "largest_difference", "difference_from_float16"}
    kept = {name: value for name, value in summary.items() if name not in figures}
    kept["tried_with"] = list(summary["differences"])
    kept["differs_by_at_most"] = proof.TOLERANCE if summary["differences"] else 0.0
    if "difference_from_float16" in summary:
        kept["differs_from_float16_by_at_most"] = proof.HALF_TOLERANCE
    return kept


def _converted(
    plain: ModelProto, reference: ModelProto, opset: int, shapes: dict[str, list[int]]
) -> tuple[ModelProto, dict[str, Any], proof.Proof]:
    """Convert with `onnx.version_converter` if that works and its result is right, else with our rewrites."""
    reason = ""
    try:
        model = _by_version_converter(plain, opset)
        model.ir_version = plain.ir_version
        _check_names(plain, model)
        reading.check(model)
        found = proof.prove(reference, model, shapes)
    except proof.DifferentError:
        # By how much hangs on the processor.
        reason = "what it makes does not compute the same"
    except RefusedError as error:
        reason = str(error)
    else:
        return model, {"by": "onnx.version_converter", "rewritten": {}}, found
    model, counts = lowering.lower(plain, opset)
    tidy.forget_shapes(model)
    _check_names(plain, model)
    reading.check(model)
    found = proof.prove(reference, model, shapes)
    return model, {"by": "rewrites", "rewritten": counts, "version_converter": reason}, found


def _with_relative_boxes(
    model: ModelProto, reference: ModelProto, shapes: dict[str, list[int]]
) -> tuple[ModelProto, str, proof.Proof | None]:
    """Bring a network's boxes from pixels to fractions of its input.

    Returns:
        The network, a summary of the change, and the proof that nothing else has changed.
    """
    relative = relative_boxes.Relative(relative_boxes.factors(model))
    changed = copied(model)
    relative_boxes.apply(changed, relative.by)
    found = proof.prove(reference, changed, shapes, expected=relative)
    if relative.was_already:
        return model, "are fractions of the input in the source", None
    return changed, "brought from pixels to fractions of the input", found


def _by_version_converter(model: ModelProto, opset: int) -> ModelProto:
    """Return the result of `onnx.version_converter`.

    Raises:
        RefusedError: it has no adapter for an operator, or breaks.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "source.onnx", Path(folder) / "result.onnx"
        source.write_bytes(model.SerializeToString(deterministic=True))
        command = [sys.executable, str(_CONVERTER), str(source), str(result), str(opset)]
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=_CONVERTER_SECONDS,
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            raise RefusedError("onnx.version_converter does not come to an end") from error
        if ended.returncode != 0 or not result.is_file():
            lines = ended.stderr.strip().splitlines()
            raise RefusedError(lines[-1][:300] if lines else f"it ended with {ended.returncode}")
        try:
            converted = ModelProto()
            converted.ParseFromString(result.read_bytes())
        except DecodeError as error:
            raise RefusedError("onnx.version_converter wrote a file that is no network") from error
    if opset_of(converted) != opset:
        raise RefusedError(f"onnx.version_converter left opset {opset_of(converted)}")
    return converted


def _check_names(source: ModelProto, result: ModelProto) -> None:
    """Check that every tensor of the source still has its name: a declaration may name it as an output.

    Raises:
        RefusedError: a name is gone.
    """
    kept = {value.name for value in source.graph.output} | {
        name for node in source.graph.node if node.op_type != "Constant" for name in node.output if name
    }
    if lost := sorted(kept - tensor_names(result)):
        raise RefusedError(f"tensor {lost[0]!r} would lose its name")
    ends = [[value.name for value in end] for end in (source.graph.output, result.graph.output)]
    if ends[0] != ends[1]:
        raise RefusedError("its outputs would be others")
