from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cvimake.core.errors import ImageError
from cvimake.execution.image import local
from cvimake.execution.image.recipe import Recipe


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a toolchain that was installed before."""
    monkeypatch.setattr(local, "user_cache", lambda _environment: tmp_path)
    prefix = tmp_path / f"tpu_mlir-{Recipe().digest()[:12]}"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python3").symlink_to(sys.executable)
    (prefix / "identity.json").write_text(json.dumps({"python": "3.10.14"}), encoding="utf-8")
    return prefix


def test_an_existing_installation_is_used(installed: Path, tmp_path: Path) -> None:
    found = local.ensure(Recipe(), tmp_path, {})
    assert found.id == str(installed)
    assert found.identity["python"] == "3.10.14"
    assert found.identity["engine"] == "local"


def test_a_clock_that_comes_later_counts(installed: Path, tmp_path: Path) -> None:
    before = local.ensure(Recipe(), tmp_path, {}).fingerprint
    (installed / "lib").mkdir()
    (installed / "lib" / "libfaketime.so.1").write_bytes(b"clock")
    assert local.ensure(Recipe(), tmp_path, {}).fingerprint != before


def test_a_python_that_does_not_run_is_an_error_with_a_remedy(installed: Path, tmp_path: Path) -> None:
    (installed / "bin" / "python3").unlink()
    (installed / "bin" / "python3").symlink_to("/nowhere/python3")
    with pytest.raises(ImageError, match="does not run any more") as caught:
        local.ensure(Recipe(), tmp_path, {})
    assert f"rm -r {installed}" in caught.value.remedy


def test_without_a_python_3_10_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "user_cache", lambda _environment: tmp_path)
    monkeypatch.setattr(local, "find_python", lambda _environment, **_options: None)
    with pytest.raises(ImageError, match=r"needs a Python 3\.10") as caught:
        local.ensure(Recipe(), tmp_path, {})
    assert "uv python install" in caught.value.remedy
