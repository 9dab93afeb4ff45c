from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cvimake.toolchain.container.copied_layers import CopiedLayers

Array = NDArray[np.float32]


class Network:
    """A network of one layer, as the toolchain's module and parser show one."""

    def __init__(self, kind: str, shape: tuple[int, ...], layer: Callable[[Array], Array]) -> None:
        self.kind, self.layer, self.value = kind, layer, np.zeros(shape, np.float32)
        self.operands, self.outputs = ["images"], ["layer"]
        self.computed = 0

    def get_op_type_by_op_name(self, _: str) -> str:
        return self.kind

    def get_pre_op_by_op_name(self, _: str) -> list[str]:
        return self.operands

    def get_outputs_by_op_name(self, _: str) -> list[str]:
        return self.outputs

    def get_tensor(self, _: str) -> Array:
        return np.array(self.value)

    def set_tensor(self, _: str, values: Array) -> None:
        self.value = values.copy()

    def invoke_at(self, _: str) -> Array:
        self.computed += 1
        result: Array = np.ascontiguousarray(self.layer(self.value))
        return result


COPIES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "half of the channels": ("top.Slice", lambda x: x[:, 4:]),
    "every second column": ("top.Slice", lambda x: x[..., ::2]),
    "upsampled": ("top.Upsample", lambda x: x.repeat(2, 2).repeat(2, 3)),
    "permuted": ("top.Permute", lambda x: x.transpose(0, 2, 3, 1)),
    "reshaped": ("top.Reshape", lambda x: x.reshape(1, 8, -1)),
}
ODD = np.array([np.nan, np.inf, -0.0, 1e-42, -3e38], np.float32)


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("name", COPIES)
def test_a_layer_that_copies_is_copied(name: str, size: int) -> None:
    kind, layer = COPIES[name]
    network = Network(kind, (1, 8, size, size), layer)
    copied = CopiedLayers(network, network)
    assert copied.operand("layer") == "images"
    computed = network.computed
    values = np.random.default_rng(1).normal(0, 1, network.value.shape).astype(np.float32)
    values.reshape(-1)[:5] = ODD
    found = copied.copy("layer", values)
    expected = layer(values)
    assert found is not None
    assert (found.shape, found.tobytes()) == (expected.shape, np.ascontiguousarray(expected).tobytes())
    assert not np.shares_memory(found, values)
    assert copied.operand("layer") == "images"
    assert network.computed == computed, "it is found out once"
    assert copied.copy("layer", values[:, 1:]) is None


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(lambda x: np.maximum(x, 0), id="relu"),
        pytest.param(lambda x: np.minimum(x, np.float32(1e30)), id="a limit"),
        pytest.param(lambda x: x * 2, id="scaled"),
        pytest.param(lambda x: x + np.float32(0), id="no negative zero"),
        pytest.param(lambda x: np.where(np.abs(x) < np.float32(1e-38), 0, x), id="no subnormal numbers"),
        pytest.param(np.nan_to_num, id="no NaN"),
        pytest.param(lambda x: (x[..., ::2] + x[..., 1::2]) / 2, id="averages"),
        pytest.param(lambda x: np.full_like(x, np.nan), id="nothing but NaN"),
    ],
)
@pytest.mark.parametrize("size", [2, 40])
def test_a_layer_that_computes_is_not(layer: Callable[[Array], Array], size: int) -> None:
    network = Network("top.Slice", (1, 8, size, size), layer)
    assert CopiedLayers(network, network).operand("layer") is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "top.Conv"}, id="another kind"),
        pytest.param({"operands": ["images", "shape"]}, id="two operands"),
        pytest.param({"operands": []}, id="no operand"),
        pytest.param({"outputs": ["layer", "rest"]}, id="two outputs"),
        pytest.param({"outputs": None}, id="fused"),
    ],
)
def test_others_are_not_even_tried(change: dict[str, Any]) -> None:
    network = Network("top.Slice", (1, 8, 4, 4), lambda x: x)
    vars(network).update(change)
    assert CopiedLayers(network, network).operand("layer") is None
    assert not network.computed
