from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from decoders.outputs import Output, Size

from cvimake.toolchain.container.evaluation.own_decoder_call import OwnDecoder

Load = Callable[[str], OwnDecoder]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"decoder_of_{tmp_path.name}"

    def loaded(body: str) -> OwnDecoder:
        (tmp_path / f"{name}.py").write_text(body, encoding="utf-8")
        sys.modules.pop(name, None)
        return OwnDecoder("boxes", name)

    return loaded


def decoded(decoder: OwnDecoder) -> list[list[float]]:
    found = decoder([Output(np.full((1, 2, 3, 3), 7, np.int8), 0.5)], Size(32, 64))
    columns = [found.boxes, found.scores[:, None], found.classes[:, None]]
    return [[float(value) for value in row] for row in np.concatenate(columns, 1)]


def test_the_function_gets_numbers_with_a_batch_and_the_size(load: Load) -> None:
    decoder = load(
        "def boxes(outputs, size):\n"
        "    (one,) = outputs\n"
        "    return [[0, 0, size[1], size[0], float(one[0, 0, 0, 0]) / 7, one.shape[1]]]\n"
    )
    assert decoded(decoder) == [[0, 0, 64, 32, 0.5, 2]]


def test_no_boxes_are_no_error(load: Load) -> None:
    assert decoded(load("def boxes(outputs, size):\n    return []\n")) == []


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("[[1, 2]]", "has to return an array"),
        ("[[0, 0, 1, 1, float('nan'), 0]]", "not finite"),
        ("[[0, 0, 1, 1, 1, -1]]", "below 0"),
    ],
)
def test_anything_else_than_boxes_is_told(load: Load, returned: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decoded(load(f"def boxes(outputs, size):\n    return {returned}\n"))


def test_a_missing_function_is_told(load: Load) -> None:
    with pytest.raises(SystemExit, match="has no function boxes"):
        load("other = 1\n")
