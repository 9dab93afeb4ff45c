from __future__ import annotations

import pytest

from cvimake import image
from cvimake.commands import image as command
from cvimake.engine import connection
from cvimake.image import ToolchainImage

MADE = ToolchainImage(
    id="sha256:abc",
    base="the official one",
    identity={"python": "3.10.14", "packages": {"tpu-mlir": {"version": "1.7"}}},
)


@pytest.mark.parametrize(("rebuild", "way"), [(False, "ensure"), (True, "build")])
def test_the_image_is_made_and_described(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, rebuild: bool, way: str
) -> None:
    made: list[str] = []

    def ensure(*_arguments: object) -> ToolchainImage:
        made.append("ensure")
        return MADE

    def build(*_arguments: object) -> ToolchainImage:
        made.append("build")
        return MADE

    monkeypatch.setattr(image, "ensure", ensure)
    monkeypatch.setattr(image, "build", build)
    monkeypatch.setattr(connection, "ensure", lambda: None)
    monkeypatch.setattr(command, "DockerEngine", lambda _client: None)
    assert command.Image().perform({"rebuild": rebuild}, []) == 0
    assert made == [way]
    assert capsys.readouterr().out.splitlines() == [
        "image        sha256:abc",
        "base         the official one",
        "tpu_mlir     1.7, Python 3.10.14",
        f"fingerprint  {MADE.fingerprint}",
    ]
