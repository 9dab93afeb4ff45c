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


@pytest.mark.parametrize(
    ("images", "seconds", "of_a_group"),
    [(240, 0.1, 60), (100, 0.1, 25), (3, 0.1, 1), (1, 0.1, 1), (0, 0.1, 1), (10_000, 0.001, 63), (50, 9, 1)],
)
def test_four_processes_get_equal_groups_of_images(images: int, seconds: float, of_a_group: int) -> None:
    assert accuracy.together(images, seconds) == of_a_group


def test_a_group_of_a_large_network_takes_a_few_seconds() -> None:
    assert [accuracy.together(1000, seconds) for seconds in (7, 3, 1)] == [1, 2, 7]


def test_images_that_take_long_can_be_shared_out_in_their_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured_projects.project(tmp_path, "")
    (model,) = read_declarations(tmp_path).models.values()
    stage, *_ = accuracy.stages(model)
    assert stage.action.shared is None
    monkeypatch.setattr(accuracy, "_WORTH_SHARING", 0.0)
    shared = next(accuracy.stages(model)).action.shared
    assert shared
    found = options(tmp_path)
    images = [image["file"] for image in found["images"]]
    assert [name for group in shared.files for name in group] == images
    assert {len(group) for group in shared.files[:-1]} <= {found["together"]}
    (folder,) = (each for each in stage.action.folders if each.target == shared.folder)
    assert list(folder.files) == images
