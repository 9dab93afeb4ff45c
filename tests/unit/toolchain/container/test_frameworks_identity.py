from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cvimake.core.resources import container_program


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The program, as where it runs: the other one lies beside it, and finds one package of the system."""
    monkeypatch.syspath_prepend(str(container_program("frameworks_identity").parent))
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module("frameworks_identity")

    def main(output: str, listing: str) -> None:
        assert listing == "files.sha256"
        known = {
            "packages": {"torch": {"version": "2.0.1"}},
            "python": "3.10.14",
            "system": {"libc6": "2.36"},
        }
        Path(output).write_text(json.dumps(known), encoding="utf-8")

    def owners(files: set[str]) -> dict[str, str]:
        return {Path(file).name: "loaded" for file in files if "_json" in file or "_sqlite3" in file}

    other: Any = importlib.import_module("toolchain_identity")
    monkeypatch.setattr(other, "main", main)
    monkeypatch.setattr(other, "owners", owners)
    return module


def test_files_that_each_front_end_loads_count_too(
    identity: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "FRONT_ENDS", (("_json",), ("_sqlite3", "csv")))
    identity.main("out.json", "files.sha256")
    written = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert written["python"] == "3.10.14"
    assert written["packages"] == {"torch": {"version": "2.0.1"}}
    loaded = [name.partition(".")[0] for name in written["system"]]
    assert {"libc6", "_json", "_sqlite3"} <= set(loaded)


def test_a_front_end_that_cannot_be_imported_is_no_identity(
    identity: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "FRONT_ENDS", (("there_is_no_such_module",),))
    with pytest.raises(Exception, match="returned non-zero exit status"):
        identity.main("out.json", "files.sha256")
