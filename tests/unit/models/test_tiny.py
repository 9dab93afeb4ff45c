from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

TINY = Path(__file__).parents[2] / "models" / "tiny"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    runpy.run_path(str(TINY / "generate.py"))["generate"](folder)
    return folder


@pytest.fixture(scope="module")
def committed() -> onnx.ModelProto:
    return onnx.load(TINY / "tiny.onnx")


@pytest.fixture(scope="module")
def again(generated: Path) -> onnx.ModelProto:
    return onnx.load(generated / "tiny.onnx")


def test_the_committed_network_has_the_generated_nodes_and_tensors(
    committed: onnx.ModelProto, again: onnx.ModelProto
) -> None:
    assert list(committed.graph.node) == list(again.graph.node)
    assert list(committed.graph.input) == list(again.graph.input)
    assert list(committed.graph.output) == list(again.graph.output)


def test_the_committed_network_has_the_generated_weights_to_the_last_bit(
    committed: onnx.ModelProto, again: onnx.ModelProto
) -> None:
    ours, theirs = ({tensor.name: tensor for tensor in m.graph.initializer} for m in (committed, again))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        one, other = numpy_helper.to_array(tensor), numpy_helper.to_array(theirs[name])
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_the_network_is_one_that_the_toolchain_reads(committed: onnx.ModelProto) -> None:
    assert committed.ir_version == 8
    assert [(opset.domain, opset.version) for opset in committed.opset_import] == [("", 17)]


def test_the_committed_images_have_the_generated_pixels(generated: Path) -> None:
    names = sorted(path.name for path in (TINY / "images").iterdir())
    assert names == sorted(path.name for path in (generated / "images").iterdir())
    for name in names:
        one, other = (np.asarray(Image.open(folder / "images" / name)) for folder in (TINY, generated))
        assert one.shape == (128, 128, 3)
        assert np.array_equal(one, other)
