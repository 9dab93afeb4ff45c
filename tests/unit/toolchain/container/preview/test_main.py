from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvimake.pipeline import preview
from cvimake.toolchain.container.preview.__main__ import Preview

THRESHOLDS = {"others": {"score": 0.25, "overlap": 0.45}, "classifier": {"score": 0.5, "overlap": 0.45}}
CAT = {"image_id": 1, "category_id": 0, "bbox": [1, 2, 30, 20], "score": 0.9}


def options(
    tmp_path: Path,
    kind: str = "YOLO11",
    reasons: tuple[str, ...] = ("", ""),
    outputs: tuple[object, ...] = (),
    **more: Any,  # noqa: ANN401 - any option
) -> dict[str, Any]:
    """The options for a preview of the float network and a variant that finds nothing."""
    networks = []
    for number, reason in enumerate(reasons):
        names = {name: str(tmp_path / f"{number}_{name}.json") for name in ("accuracy", "field", "camera")}
        measured = {"kind": kind, "camera_reason": reason, "figure_reason": "", "outputs": outputs}
        Path(names["accuracy"]).write_text(json.dumps(measured), encoding="utf-8")
        for view in ("field", "camera"):
            unsure = {**CAT, "image_id": 0, "score": 0.04}
            found = [] if number else [CAT, unsure]
            Path(names[view]).write_text(json.dumps(found), encoding="utf-8")
        networks.append({"name": f"v{number}" if number else "float", **names})
    images = [{"id": number, "file": f"0000{number}.png", "name": f"{number}.png"} for number in range(3)]
    return {
        "model": "net", "view": "", "count": 2, "classes": ["cat"], "thresholds": THRESHOLDS,
        "images": images, "labels": None, "networks": networks, **more,
    }  # fmt: skip


def made(tmp_path: Path, *arguments: Any, **more: Any) -> Preview:  # noqa: ANN401 - those of `options`
    return Preview(options(tmp_path, *arguments, **more), tmp_path)


@pytest.mark.parametrize(
    ("asked", "reasons", "view"),
    [
        ("", ("", ""), "camera"),
        ("", ("the node crashes", "the node crashes"), "field"),
        ("", ("", "it cannot read int8"), "camera"),
        ("field", ("", ""), "field"),
        ("camera", ("", ""), "camera"),
    ],
)
def test_the_view_is_the_cameras_if_it_shows_the_float_network(
    tmp_path: Path, asked: str, reasons: tuple[str, ...], view: str
) -> None:
    assert made(tmp_path, "YOLO11", reasons, view=asked).view == view


@pytest.mark.parametrize(
    ("kind", "asked", "told"),
    [
        ("", "", "nothing can be drawn: no such kind. Declare a decoder in"),
        ("FOMO", "camera", "there is no view of the camera: no such kind. --field draws"),
    ],
)
def test_a_view_that_there_is_not_ends_the_program(tmp_path: Path, kind: str, asked: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        made(tmp_path, kind, ("no such kind", ""), view=asked)


def test_networks_whose_outputs_are_only_compared_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing can be drawn: six outputs are needed"):
        made(tmp_path, "YOLO11", ("six outputs are needed", "six outputs are needed"), ({"cosine": 1.0},))


def test_the_heading_says_as_whom_one_looks_and_why(tmp_path: Path) -> None:
    heading = made(tmp_path).heading(2)
    assert heading.title == "net, as the camera shows it"
    assert heading.lines == (
        "decoded as its firmware does, score from 0.25, overlap 0.45",
        "2 of 3 images, those that differ most from float first",
    )
    by_itself = made(tmp_path, "FOMO", ("the node crashes", "the node crashes")).heading(2)
    assert "the camera shows nothing of it: the node crashes" in by_itself.lines
    unreadable = made(tmp_path, "YOLO11", ("", "it cannot read int8")).heading(2)
    assert "v1: the camera shows nothing: it cannot read int8" in unreadable.lines
    assert made(tmp_path, count=None).heading(3).lines[-1] == "3 images"


def test_a_classifier_has_its_own_threshold(tmp_path: Path) -> None:
    heading = made(tmp_path, "classifier").heading(2)
    assert heading.is_classes
    assert heading.lines[0] == "classes with a score from 0.5"


def test_only_what_the_camera_is_sure_of_is_drawn_in_either_view(tmp_path: Path) -> None:
    for view in ("camera", "field"):
        shown = made(tmp_path, view=view).choose()
        assert [(one.image, one.disagreement) for one in shown] == [(1, 0.9), (0, 0.0)]


@pytest.mark.parametrize("labels", [False, True])
def test_the_listing_is_as_its_schema_says(tmp_path: Path, *, labels: bool) -> None:
    given = tmp_path / "labels.json"
    annotation = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 2, 30, 20], "iscrowd": 0}
    images = [{"id": number, "width": 64, "height": 48} for number in range(3)]
    given.write_text(json.dumps({"images": images, "annotations": [annotation]}), encoding="utf-8")
    drawn = made(tmp_path, labels=str(given) if labels else None)
    listing = drawn.listing(drawn.choose(), [(64, 48)] * 2)
    shown = preview.Preview.model_validate_json(json.dumps(listing))
    assert [column.kind for column in shown.columns] == ["labels"] * labels + ["float", "variant"]
    first = shown.images[0]
    assert (first.path, first.width, first.columns[-1].tile) == ("1.png", 64, f"000_00{1 + labels}.webp")
    assert [one.mark for one in first.columns[-1].objects] == ["missed"]
    assert shown.measured == 3
