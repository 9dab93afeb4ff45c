from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from cvimake.core.resources import container_program


def test_the_exporters_packages_files_and_loaded_libraries_are_its_identity(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(container_program("export_identity").parent))
    monkeypatch.chdir(tmp_path)
    identity: Any = importlib.import_module("export_identity")
    others: Any = importlib.import_module("toolchain_identity")
    files: Any = importlib.import_module("installed_files")
    packages = {"ultralytics": {"version": "8.4.190", "sha256": "aa"}}
    monkeypatch.setattr(identity, "MODULES", ("_json", "csv"))
    monkeypatch.setattr(others, "PACKAGE_LISTS", tmp_path)
    monkeypatch.setattr(others, "python_packages", lambda _records: packages)
    monkeypatch.setattr(others, "owners", lambda loaded: {"libc6": str(len(loaded) > 1)})
    monkeypatch.setattr(files, "lists", lambda: {"interpreter": ["00  interpreter/python"], "packages": []})
    identity.main("out.json", "files.sha256")
    assert Path("files.sha256").read_text(encoding="utf-8") == "00  interpreter/python\n"
    written = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert written["packages"] == packages
    assert written["system"] == {"libc6": "True"}
    assert set(written["files"]) == {"interpreter", "packages"}
    assert set(written) == {"python", "packages", "system", "files"}
