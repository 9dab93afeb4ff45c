"""Proves that two networks compute the same: both run on the same inputs, and all outputs are compared."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from .network import Array, own_inputs
from .refusal import RefusedError

# The tolerated difference, relative to the greatest absolute value of an output.
TOLERANCE = 1e-5
# The same for a network that computed in half precision, which has three digits.
HALF_TOLERANCE = 2e-2
_LARGEST_INPUT = 2**28
_Draw = Callable[[np.random.Generator, Sequence[int]], Array]
# The kinds of inputs: pixels from 0 to 1, numbers of both signs, pixels from 0 to 255. Inputs are never
# constant: a normalisation would divide by their deviation, which is nothing but rounding.
KINDS: Mapping[str, _Draw] = {
    "uniform 0..1": lambda random, shape: random.random(shape),
    "normal": lambda random, shape: random.standard_normal(shape),
    "integers 0..255": lambda random, shape: random.integers(0, 256, shape),
    "uniform -1..1": lambda random, shape: random.uniform(-1.0, 1.0, shape),
}


class DifferentError(RefusedError):
    """Two networks do not compute the same; the text says how much they differ."""


@dataclass(frozen=True)
class Proof:
    """The differences between two networks.

    Attributes:
        differences: the largest difference of any output for each kind of input, relative to the greatest
            value of that output.
    """

    differences: Mapping[str, float]

    @property
    def largest(self) -> float:
        """Return the largest of all differences."""
        return max(self.differences.values())


def _same(output: Any) -> Any:  # noqa: ANN401 - an array, or what a sequence holds
    return output


def prove(
    source: ModelProto,
    result: ModelProto,
    shapes: Mapping[str, Sequence[int]],
    tolerance: float = TOLERANCE,
    expected: Callable[[Any], Any] = _same,
) -> Proof:
    """Run two networks on seeded inputs of several kinds, and compare their outputs.

    Args:
        source: the network before.
        result: the network after.
        shapes: the shapes of the inputs, by name.
        tolerance: the tolerated difference of an output, relative to its greatest value.
        expected: turns an output of the source into the output that the result has to have.

    Raises:
        RefusedError: one of them does not run.
        DifferentError: they differ by more than the tolerance.
    """
    one, other = (_session(model, which) for model, which in ((source, "source"), (result, "converted")))
    inputs = own_inputs(source)
    kinds = {value.name: _element(value) for value in result.graph.input}
    names = [value.name for value in source.graph.output]
    differences = {}
    for kind, draw in KINDS.items():
        given = {value.name: _drawn(value, shapes[value.name], kind, draw) for value in inputs}
        cast = {
            name: array.astype(helper.tensor_dtype_to_np_dtype(kinds[name])) for name, array in given.items()
        }
        wanted = [expected(output) for output in _run(one, names, given, "source")]
        found = _run(other, names, cast, "converted")
        apart = {
            name: difference(left, right) for name, left, right in zip(names, wanted, found, strict=True)
        }
        worst = max(apart, key=lambda name: apart[name])
        if not apart[worst] <= tolerance:
            raise DifferentError(
                f"the converted network does not compute the same: output {worst!r} differs by "
                f"{apart[worst]:.3g} of its greatest value (inputs: {kind}); {tolerance:g} is allowed"
            )
        differences[kind] = apart[worst]
    return Proof(differences)


def run_once(model: ModelProto, shapes: Mapping[str, Sequence[int]], which: str = "source") -> dict[str, Any]:
    """Return the outputs of a network for one seeded input, by name.

    Raises:
        RefusedError: it does not run.
    """
    kind, draw = next(iter(KINDS.items()))
    given = {value.name: _drawn(value, shapes[value.name], kind, draw) for value in own_inputs(model)}
    names = [value.name for value in model.graph.output]
    return dict(zip(names, _run(_session(model, which), names, given, which), strict=True))


def difference(expected: Any, found: Any) -> float:  # noqa: ANN401 - arrays, or what sequences hold
    """Return the largest difference of any element, relative to the greatest finite one; else infinity."""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return max((difference(*pair) for pair in zip(expected, found, strict=True)), default=0.0)
    if not (isinstance(expected, np.ndarray) and isinstance(found, np.ndarray)):
        return 0.0 if expected is None and found is None else float("inf")
    if expected.shape != found.shape or expected.dtype.kind not in "fc":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    return _difference(expected, found)


def _difference(left: Array, right: Array) -> float:
    left, right = left.astype(np.float64), right.astype(np.float64)
    finite = np.isfinite(left)
    if (
        not np.array_equal(left[~finite], right[~finite], equal_nan=True)
        or not np.isfinite(right[finite]).all()
    ):
        return float("inf")
    if not finite.any():
        return 0.0
    greatest = np.abs(left[finite]).max()
    apart = np.abs(left[finite] - right[finite]).max()
    return float(apart / greatest) if greatest else float(apart)


def input_shapes(model: ModelProto) -> dict[str, list[int]]:
    """Return the shapes of a network's inputs, with 1 for a batch that is not fixed.

    Raises:
        RefusedError: another size is not fixed, or the inputs are larger than those of any camera.
    """
    shapes: dict[str, list[int]] = {}
    for value in own_inputs(model):
        shape = [max(0, dim.dim_value) for dim in value.type.tensor_type.shape.dim]
        if shape and not shape[0]:
            shape[0] = 1
        if 0 in shape or not value.type.tensor_type.HasField("shape"):
            raise RefusedError(
                f"the size of its input {value.name!r} is not fixed: say [input] shapes in model.toml, or "
                "--input-shapes"
            )
        if np.prod([float(size) for size in shape]) > _LARGEST_INPUT:
            raise RefusedError(
                f"its input {value.name!r} is {' x '.join(map(str, shape))}: no camera holds that"
            )
        shapes[value.name] = shape
    return shapes


def _element(value: ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _session(model: ModelProto, which: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread, so that sums have one order. No optimisation, so that the network itself runs.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        data = model.SerializeToString(deterministic=True)
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RefusedError(f"onnxruntime does not take the {which} network: {_one_line(error)}") from error


def _run(
    session: onnxruntime.InferenceSession, names: Sequence[str], given: Mapping[str, Array], which: str
) -> list[Any]:
    try:
        return list(session.run(list(names), dict(given)))
    except Exception as error:
        raise RefusedError(f"onnxruntime cannot run the {which} network: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _drawn(value: ValueInfoProto, shape: Sequence[int], kind: str, draw: _Draw) -> Array:
    """Draw an input of one kind. The seed is made of its name and the kind."""
    random = np.random.default_rng(zlib.crc32(f"{value.name}/{kind}".encode()))
    element = _element(value)
    if element == TensorProto.STRING:
        raise RefusedError(f"its input {value.name!r} is text")
    array = draw(random, shape)
    if element == TensorProto.BOOL:
        return array > 0.5  # noqa: PLR2004 - half of them
    wanted = helper.tensor_dtype_to_np_dtype(element)
    if np.dtype(wanted).kind in "iu":
        # They may be indices of a table, and every table has the indices 0 and 1.
        return (np.abs(array) % 2).astype(wanted)
    return array.astype(wanted)
