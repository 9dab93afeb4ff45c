from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from small_networks import exported_bytes

from cvimake.cli import choose_test_image
from cvimake.core.action import Action
from cvimake.core.errors import StageFailedError
from cvimake.project.networks.examine import Examined, examine


class Sandbox:
    """Answers as the program in the container does, and remembers what it was given."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.action: Action | None = None

    def run(self, action: Action) -> None:
        self.action = action
        wanted = json.loads(action.texts[0].text)
        if self.number >= len(wanted["samples"]):
            raise StageFailedError("init:test_image: its tool ended with exit code 1")
        action.outputs[0].path.write_text(
            json.dumps({"chosen": wanted["samples"][self.number]}), encoding="utf-8"
        )


@pytest.fixture
def detector(tmp_path: Path) -> Examined:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolov8n"))
    return examine(tmp_path / "net.onnx")


def images(folder: Path, count: int) -> Mapping[str, Path]:
    return {f"{number:03}.jpg": folder / f"{number:03}.jpg" for number in range(count)}


def use(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Sandbox:
    monkeypatch.setattr(choose_test_image, "_sandbox", lambda _root: sandbox)
    return sandbox


def test_the_image_that_the_container_names_is_taken(
    tmp_path: Path, detector: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = use(monkeypatch, Sandbox(2))
    name, how = choose_test_image.choose(detector, images(tmp_path, 5), tmp_path)
    assert (name, how) == ("002.jpg", "the one of 5 in which the float network finds most")
    assert sandbox.action
    wanted = json.loads(sandbox.action.texts[0].text)
    assert wanted["samples"] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert (wanted["size"], wanted["pixel_format"], wanted["pad_value"]) == ([640, 640], "rgb", 114)
    assert len(wanted["outputs"]) == 6


def test_evenly_distributed_images_are_tried(
    tmp_path: Path, detector: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Sandbox(1))
    name, how = choose_test_image.choose(detector, images(tmp_path, 100), tmp_path)
    assert name == "007.jpg"
    assert "of 15 in which" in how


def test_if_the_network_does_not_run_the_first_image_is_taken_with_a_note(
    tmp_path: Path, detector: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Sandbox(99))
    name, how = choose_test_image.choose(detector, images(tmp_path, 5), tmp_path)
    assert name == "000.jpg"
    assert how.startswith(
        "the dataset's first, and another one may show more: init:test_image: its tool ended"
    )


def test_without_containers_a_strangers_network_is_not_run(
    tmp_path: Path, detector: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    name, how = choose_test_image.choose(detector, images(tmp_path, 5), tmp_path)
    assert name == "000.jpg"
    assert "a network is only tried in a container" in how


def test_a_single_image_is_not_tried(tmp_path: Path, detector: Examined) -> None:
    assert choose_test_image.choose(detector, images(tmp_path, 1), tmp_path) == (
        "000.jpg",
        "the dataset's only one",
    )


def test_a_network_that_is_not_recognised_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("unknown-autoencoder"))
    name, how = choose_test_image.choose(examine(tmp_path / "net.onnx"), images(tmp_path, 5), tmp_path)
    assert name == "000.jpg"
    assert "not known yet" in how
