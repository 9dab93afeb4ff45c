from __future__ import annotations

from pathlib import Path

from cvimake.project.choices import open_choices
from cvimake.project.mistakes import File

TEXT = """\
source = "net.onnx"
description = "CHOOSES nothing"
[input]
pixel_format = "CHOOSE: rgb, bgr or gray"
[output]
names = ["a", "CHOOSE"]
[calibration]
dataset = "CHOOSE-A-DATASET"
"""
VALUES = {
    "source": "net.onnx",
    "description": "CHOOSES nothing",
    "input": {"pixel_format": "CHOOSE: rgb, bgr or gray", "shapes": [[1, 3]]},
    "output": {"names": ["a", "CHOOSE"]},
    "calibration": {"dataset": "CHOOSE-A-DATASET"},
}


def test_each_open_choice_is_found_with_its_line_and_key() -> None:
    assert open_choices(File(Path("model.toml"), TEXT), VALUES, ["cats", "dogs"]) == {
        "model.toml:4: input.pixel_format: ": 'still says "CHOOSE: rgb, bgr or gray": fill it in',
        "model.toml:6: output.names[1]: ": 'still says "CHOOSE": fill it in',
        "model.toml:8: calibration.dataset: ": (
            'still says "CHOOSE-A-DATASET": fill it in. Datasets here: cats, dogs'
        ),
    }
