from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from releases import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    root = tmp_path / "bench"
    root.mkdir()
    return Shop(root, monkeypatch)


def model(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - any JSON value
    (found,) = json.loads(shop.printed(capsys, "report", "--json"))["models"]
    return found


def changes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    found = model(shop, capsys)
    assert found["release"] == "bench-1.0"
    return {change["what"]: (change["old"], change["new"]) for change in found["changes"]}


def test_without_a_release_there_are_no_changes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.build()
    found = model(shop, capsys)
    assert (found["release"], found["changes"]) == ("", [])


@pytest.mark.parametrize("image", ["toolchain", "frameworks", "export"])
def test_a_new_package_in_an_image_that_a_model_needs_is_told(
    shop: Shop, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if image == "frameworks":
        shop.take_tflite()
    elif image == "export":
        shop.take_checkpoint()
    shop.commit()
    shop.released()
    assert set(changes(shop, capsys)) == {"version"}
    identity = {"toolchain": shop.identity, "frameworks": shop.frameworks, "export": shop.exporter}[image]
    identity["packages"]["onnx"] = {"sha256": "cc", "version": "1.15"}
    shop.doit("forget", image)
    shop.build()
    assert changes(shop, capsys)[f"{image}: packages.onnx.version"] == ("1.14", "1.15")
