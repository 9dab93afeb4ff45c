from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import caffe


@pytest.mark.parametrize(
    "text",
    [
        'name: "N"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 12\ninput_dim: 24\nlayer {}',
        'input: "data"\ninput_shape { dim: 1 dim: 3 dim: 12 dim: 24 } # dim: 7',
        'input: "data" layer { type: "Input" input_param { shape: { dim: 1 dim: 3 dim: 12 dim: 24 } } }',
    ],
)
def test_a_caffe_networks_inputs_are_read_in_each_of_their_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.prototxt").write_text(text, encoding="utf-8")
    assert caffe.inputs(tmp_path / "net.prototxt") == [("data", (1, 3, 12, 24))]


def test_a_prototxt_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(b"\xff\xfe")
    with pytest.raises(CvimakeError, match="not UTF-8"):
        caffe.inputs(tmp_path / "net.prototxt")


def test_a_prototxt_without_end_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "net.prototxt").open("wb") as file:
        file.truncate(1024**3)
    with pytest.raises(CvimakeError, match="too large for a prototxt"):
        caffe.inputs(tmp_path / "net.prototxt")
