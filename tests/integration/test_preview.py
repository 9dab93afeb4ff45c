"""Previews of the bundled detector, drawn in real containers."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import projects
import pytest
from lab import HANGS_AFTER, ROOT, environment
from PIL import Image
from projects import ACCURACY, copy_shapes

from cvimake.execution.image.making import ToolchainImage
from cvimake.pipeline.preview import Preview

# A class and an image with names that must not steer anything.
HOSTILE_CLASS = "\u202e<b>ci\u05d0rcle\x1b[31m"
HOSTILE_IMAGE = "\u202e$(x) '\"<b>.jpg"


def done(folder: Path, *arguments: str) -> str:
    result = projects.done(folder, *arguments)
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    """A project whose detector is measured on a few images, and has been drawn."""
    assert toolchain_image.id
    folder = tmp_path_factory.mktemp("preview")
    shutil.copy(ROOT / "dodo.py", folder)
    copy_shapes(folder, f"{ACCURACY}input_num = 16\n")
    declaration = folder / "models" / "shapes" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(text.partition("[variant.mix]")[0], encoding="utf-8")
    assert "shapes:preview: built" in done(folder, "run", "-n", "2", "shapes:preview")
    return folder


def files(folder: Path, name: str = "shapes") -> dict[str, bytes]:
    found = {kind: folder / "build" / "shapes" / f"{name}_preview.{kind}" for kind in ("png", "json", "zip")}
    return {kind: path.read_bytes() for kind, path in found.items()}


def listing(folder: Path, name: str = "shapes") -> Preview:
    return Preview.model_validate_json(files(folder, name)["json"])


def digests(folder: Path) -> dict[str, str]:
    return {kind: hashlib.sha256(content).hexdigest() for kind, content in files(folder).items()}


def test_picture_listing_and_tiles_show_the_same_images(shapes: Path) -> None:
    drawn, shown = files(shapes), listing(shapes)
    assert [column.name for column in shown.columns] == ["labels", "float", "f16", "int8"]
    assert (shown.view, shown.kind, shown.measured, len(shown.images)) == ("camera", "YOLO11", 16, 12)
    with Image.open(io.BytesIO(drawn["png"])) as picture:
        assert picture.format == "PNG"
        assert picture.width > 4 * 320
        assert picture.height > 12 * 320
    named = [column.tile for image in shown.images for column in image.columns]
    with zipfile.ZipFile(io.BytesIO(drawn["zip"])) as archive:
        assert archive.namelist() == named
        for name in named:
            with Image.open(io.BytesIO(archive.read(name))) as tile:
                assert tile.format == "WEBP"
                assert tile.size == (320, 320)
    assert sum(len(drawn[kind]) for kind in drawn) < 10_000_000


def test_the_listing_has_what_was_detected(shapes: Path) -> None:
    shown = listing(shapes)
    path = shapes / "build" / "shapes" / "shapes_cv181x_int8_camera_detections.json"
    detections: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    scores = sorted(one["score"] for one in detections)
    images = [image.columns[3].objects for image in shown.images]
    found = sorted(one.score or 0 for objects in images for one in objects if one.mark != "missed")
    assert found
    assert set(found) <= set(scores)
    differences = [image.disagreement for image in shown.images]
    assert differences == sorted(differences, reverse=True)
    for objects in images:
        for one in objects:
            assert (one.float_box is not None) == (one.mark == "moved")


def test_a_second_run_has_nothing_to_do_and_a_third_one_writes_the_same_bytes(shapes: Path) -> None:
    before = digests(shapes)
    assert "0 built" in done(shapes, "run", "shapes:preview")
    for path in (shapes / "build" / "shapes").glob("*_preview.*"):
        path.unlink()
    assert "1 built" in done(shapes, "run", "shapes:preview")
    assert digests(shapes) == before


def test_a_preview_that_was_killed_is_made_by_the_next_run(shapes: Path) -> None:
    before = digests(shapes)
    picture = shapes / "build" / "shapes" / "shapes_preview.png"
    picture.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "cvimake.cli", "run", "shapes:preview"],
        cwd=shapes, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # The log is written as soon as the stage begins.
    log = shapes / "build" / "logs" / "shapes" / "preview.log"
    started = log.stat().st_mtime_ns
    until = time.monotonic() + 300
    while log.stat().st_mtime_ns == started and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=HANGS_AFTER)
    done(shapes, "run", "shapes:preview")
    assert digests(shapes) == before


def test_images_of_the_user_are_drawn_in_their_order(shapes: Path) -> None:
    photos = shapes / "photos"
    photos.mkdir(exist_ok=True)
    first, second = (shapes / "datasets" / "shapes" / "test" / f"000{number}.jpg" for number in (3, 1))
    shutil.copy(first, photos / HOSTILE_IMAGE)
    with Image.open(second) as image:
        image.resize((900, 300)).save(photos / "wide.png")
    told = done(shapes, "preview", "shapes", f"photos/{HOSTILE_IMAGE}", "photos/wide.png", "--field")
    assert "build/shapes/shapes_asked_preview.png" in told
    shown = listing(shapes, "shapes_asked")
    assert [image.path for image in shown.images] == [f"photos/{HOSTILE_IMAGE}", "photos/wide.png"]
    assert [(image.width, image.height) for image in shown.images] == [(256, 256), (900, 300)]
    assert [column.name for column in shown.columns] == ["float", "f16", "int8"]
    assert shown.view == "field"
    assert shown.images[0].columns[0].objects
    assert "0 built" in done(
        shapes, "preview", "shapes", f"photos/{HOSTILE_IMAGE}", "photos/wide.png", "--field"
    )


def test_a_broken_image_is_one_clear_error(shapes: Path) -> None:
    whole = (shapes / "datasets" / "shapes" / "test" / "0000.jpg").read_bytes()
    (shapes / "cut.jpg").write_bytes(whole[:400])
    (shapes / "text.png").write_text("no image", encoding="utf-8")
    result = projects.doit(shapes, "preview", "shapes", "cut.jpg", "text.png")
    told = result.stdout + result.stderr
    assert result.returncode in {1, 2}
    assert "cut.jpg" in told
    assert "text.png" in told
    assert "Traceback" not in told


def test_a_class_with_a_hostile_name_is_drawn_and_listed(shapes: Path) -> None:
    declaration = shapes / "models" / "shapes"
    before = (declaration / "classes.txt").read_text(encoding="utf-8")
    text = (declaration / "model.toml").read_text(encoding="utf-8")
    # The labels have the usual names, so the images are named.
    (declaration / "classes.txt").write_text(before.replace("circle", HOSTILE_CLASS), encoding="utf-8")
    (declaration / "model.toml").write_text(
        text.replace('dataset = "shapes_test"\ninput_num = 16', ""), encoding="utf-8"
    )
    try:
        images = [f"datasets/shapes/test/000{number}.jpg" for number in range(4)]
        told = done(shapes, "preview", "shapes", *images)
    finally:
        (declaration / "classes.txt").write_text(before, encoding="utf-8")
        (declaration / "model.toml").write_text(text, encoding="utf-8")
    assert "\x1b[31m" not in told
    shown = listing(shapes, "shapes_asked")
    names = {one.name for image in shown.images for column in image.columns for one in column.objects}
    assert HOSTILE_CLASS in names
