from __future__ import annotations

import pytest

from cvimake.cli import image as command
from cvimake.execution.engine import connection
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe

MADE = ToolchainImage(
    id="sha256:abc",
    base="the official one",
    identity={
        "python": "3.10.14",
        "packages": {"tpu-mlir": {"version": "1.7"}, "ultralytics": {"version": "8.4"}},
    },
)


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ({}, ["ensure toolchain"]),
        ({"rebuild": True}, ["build toolchain"]),
        ({"frameworks": True}, ["ensure toolchain", "ensure frameworks"]),
        ({"export": True}, ["ensure export"]),
        ({"export": True, "rebuild": True}, ["build export"]),
        ({"frameworks": True, "rebuild": True}, ["ensure toolchain", "build frameworks"]),
    ],
)
def test_the_image_is_made_and_described(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, bool],
    way: list[str],
) -> None:
    made: list[str] = []

    def ensure(_engine: object, recipe: Recipe, *_: object) -> ToolchainImage:
        made.append(f"ensure {recipe.what}")
        return MADE

    def build(_engine: object, recipe: Recipe, *_: object) -> ToolchainImage:
        made.append(f"build {recipe.what}")
        return MADE

    monkeypatch.setattr(making, "ensure", ensure)
    monkeypatch.setattr(making, "build", build)
    monkeypatch.setattr(connection, "ensure", lambda _environment: None)
    monkeypatch.setattr(command, "DockerEngine", lambda *_: None)
    assert (
        command.Image().perform({"rebuild": False, "frameworks": False, "export": False, **options}, []) == 0
    )
    assert made == way
    assert capsys.readouterr().out.splitlines() == [
        "image        sha256:abc",
        "base         the official one",
        f"{'ultralytics  8.4' if 'export' in options else 'tpu_mlir     1.7'}, Python 3.10.14",
        f"fingerprint  {MADE.fingerprint}",
    ]
