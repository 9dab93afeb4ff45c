"""Finds the layers of a network that only copy values, so that they can be copied without the toolchain.

The toolchain copies value by value, and computes each place anew: slices and upsampled tensors take a third
of the time of a whole YOLO11n. For a layer of COPYING, shape and attributes alone decide which value goes
where. To find it out, the toolchain computes the layer from values that are the numbers of their own places.
Then it computes the layer from other values, and the layer counts as copied only if every bit agrees: an
activation that the toolchain has fused into it would change some of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COPYING = frozenset({
    "top.Depth2Space", "top.Permute", "top.Reshape", "top.Reverse", "top.Slice", "top.Squeeze", "top.Tile",
    "top.Unsqueeze", "top.Upsample",
})  # fmt: skip
# Whole numbers below this one are exact in float32.
_EXACT = 2**24
# So many values that every odd one is among them many times.
_MANY = 4096
# Values that a computation could change although it leaves others as they are.
_ODD = (0.0, -0.0, 1.0, -1.0, 1e-42, -1e-42, 3e38, -3e38, np.inf, -np.inf, np.nan)


class CopiedLayers:
    """The layers of a network that only copy values.

    Use it only if nothing else depends on the values that a computed layer leaves in the network.

    Args:
        module: the toolchain's network.
        parser: the toolchain's parser of this network.
    """

    def __init__(self, module: Any, parser: Any) -> None:  # noqa: ANN401 - the toolchain's own
        self._module, self._parser = module, parser
        self._places: dict[str, slice | NDArray[np.intp] | None] = {}
        self._shapes: dict[str, tuple[int, tuple[int, ...]]] = {}

    def operand(self, layer: str) -> str | None:
        """Return the tensor that a layer copies; None if it is not known only to copy."""
        operands = self._parser.get_pre_op_by_op_name(layer)
        outputs = self._parser.get_outputs_by_op_name(layer)
        if len(operands) != 1 or outputs is None or len(outputs) != 1:
            return None
        if layer not in self._places:
            is_copy = self._parser.get_op_type_by_op_name(layer) in COPYING
            self._places[layer] = self._find(layer, operands[0]) if is_copy else None
        return operands[0] if self._places[layer] is not None else None

    def copy(self, layer: str, values: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return a new array with the layer's result; None if the values do not have the operand's size."""
        size, shape = self._shapes[layer]
        places = self._places[layer]
        if values.size != size or places is None:
            return None
        flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
        copied = flat[places].copy() if isinstance(places, slice) else flat.take(places)
        return copied.reshape(shape)

    def _find(self, layer: str, operand: str) -> slice | NDArray[np.intp] | None:
        shape = self._module.get_tensor(operand).shape
        size = int(np.prod(shape))
        if not 0 < size < _EXACT:
            return None
        found = self._computed(layer, operand, np.arange(size, dtype=np.float32).reshape(shape))
        flat = found.reshape(-1)
        # This also refuses NaN.
        if not np.all((flat >= 0) & (flat < size)) or np.any(flat != np.floor(flat)):
            return None
        places = flat.astype(np.intp)
        for turn in range(1 if size >= _MANY else len(_ODD)):
            values = _mixed(size, turn)
            if self._computed(layer, operand, values.reshape(shape)).tobytes() != values[places].tobytes():
                return None
        self._shapes[layer] = (size, found.shape)
        start = int(places[0])
        if np.array_equal(places, np.arange(start, start + places.size)):
            return slice(start, start + places.size)
        return places

    def _computed(self, layer: str, operand: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        self._module.set_tensor(operand, values)
        result: NDArray[np.float32] = self._module.invoke_at(layer)
        return result


def _mixed(size: int, seed: int) -> NDArray[np.float32]:
    """Return random values, half of them odd ones; the same at every call."""
    random = np.random.default_rng(seed)
    odd = random.permutation(np.resize(np.array(_ODD, np.float32), size))
    return np.where(random.random(size) < 0.5, odd, random.normal(0, 100, size)).astype(np.float32)  # noqa: PLR2004 - half of them
