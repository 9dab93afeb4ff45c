from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import measured_projects
import pytest

from cvimake.pipeline.stages import accuracy
from cvimake.project import read_declarations


def options(root: Path) -> dict[str, Any]:
    (model,) = read_declarations(root).models.values()
    stage, *_ = accuracy.stages(model)
    texts = {text.name: text.text for text in stage.action.texts}
    found: dict[str, Any] = json.loads(texts["options.json"])
    return found


@pytest.mark.parametrize(
    ("declared", "thresholds"),
    [
        (
            "",
            {"others": {"score": 0.25, "overlap": 0.45}, "classifier": {"score": 0.5, "overlap": 0.45}},
        ),
        (
            "iou_threshold = 0.4",
            {"others": {"score": 0.25, "overlap": 0.4}, "classifier": {"score": 0.5, "overlap": 0.4}},
        ),
        ("score_threshold = 0.3", {"others": {"score": 0.3, "overlap": 0.45}}),
    ],
)
def test_only_kinds_with_thresholds_of_their_own_are_named(
    tmp_path: Path, declared: str, thresholds: object
) -> None:
    measured_projects.project(tmp_path, declared)
    assert options(tmp_path)["thresholds"] == thresholds
