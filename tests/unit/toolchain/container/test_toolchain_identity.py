from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from cvimake.core.resources import container_program

identity: Any


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, as where it runs: what it imports lies beside it."""
    global identity  # noqa: PLW0603 - it cannot be imported before
    monkeypatch.syspath_prepend(str(container_program("toolchain_identity").parent))
    identity = importlib.import_module("toolchain_identity")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    (tmp_path / "source-requirements.txt").touch()
    return tmp_path


def report(name: str, version: str, sha256: str) -> str:
    item = {
        "metadata": {"name": name, "version": version},
        "download_info": {"archive_info": {"hashes": {"sha256": sha256}}},
    }
    return json.dumps({"install": [item]})


def test_packages_are_what_pip_reports(records: Path) -> None:
    (records / "locked.json").write_text(report("PyYAML", "6.0", "aa"), encoding="utf-8")
    (records / "wheel.json").write_text(report("tpu_mlir", "1.7", "bb"), encoding="utf-8")
    assert identity.python_packages(records) == {
        "pyyaml": {"version": "6.0", "sha256": "aa"},
        "tpu-mlir": {"version": "1.7", "sha256": "bb"},
    }


def test_a_package_that_was_compiled_counts_by_its_sources(records: Path) -> None:
    (records / "source-requirements.txt").write_text(
        "# comment\nonnxsim==0.4.17 \\\n    --hash=sha256:cc\nother==1 \\\n    --hash=sha256:dd\n",
        encoding="utf-8",
    )
    assert identity.python_packages(records) == {
        "onnxsim": {"version": "0.4.17", "sha256": "cc"},
        "other": {"version": "1", "sha256": "dd"},
    }


def test_the_sources_of_this_project_are_read(records: Path) -> None:
    sources = Path(__file__).parents[4] / "docker" / "source-requirements.txt"
    names = {
        line.partition("==")[0] for line in sources.read_text(encoding="utf-8").splitlines() if "==" in line
    }
    shutil.copy(sources, records)
    assert names
    assert identity.python_packages(records).keys() == names


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with package lists and a `dpkg-query` that gives every package the version 1."""
    (tmp_path / "info").mkdir()
    (tmp_path / "lib").mkdir()
    query = tmp_path / "dpkg-query"
    query.write_text('#!/bin/sh\nshift 2\nfor name; do echo "${name%:*} 1"; done\n', encoding="utf-8")
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(identity, "PACKAGE_LISTS", tmp_path / "info")
    return tmp_path


def install(packages: Path, name: str, *files: str) -> None:
    for file in files:
        if not (packages / "lib" / file).is_symlink():
            (packages / "lib" / file).touch()
    text = "".join(f"{packages}/lib/{file}\n" for file in files)
    (packages / "info" / f"{name}.list").write_text(text, encoding="utf-8")


def owners(packages: Path, *files: str) -> dict[str, str]:
    found: dict[str, str] = identity.owners(f"{packages}/lib/{file}" for file in files)
    return found


def test_only_packages_whose_files_are_loaded_count(packages: Path) -> None:
    install(packages, "libc6:amd64", "libc.so.6", "libm.so.6")
    install(packages, "libssl3:amd64", "libssl.so.3")
    assert owners(packages, "libm.so.6") == {"libc6": "1"}


def test_a_link_counts_for_the_package_of_the_file_that_it_leads_to(packages: Path) -> None:
    (packages / "lib" / "libz.so").symlink_to("libz.so.1")
    install(packages, "zlib1g", "libz.so.1")
    install(packages, "zlib1g-dev", "libz.so")
    assert owners(packages, "libz.so") == {"zlib1g": "1"}


def test_python_counts_by_its_own_version(packages: Path) -> None:
    install(packages, "libpython3.10:amd64", "libpython3.10.so.1.0")
    install(packages, "libc6:amd64", "libc.so.6")
    assert owners(packages, "libpython3.10.so.1.0", "libc.so.6") == {"libc6": "1"}


def test_files_of_the_conversion_are_asked_of_its_own_python(capsys: pytest.CaptureFixture[str]) -> None:
    files = identity.loaded_in(Path(sys.executable))
    assert [file for file in files if "onnxruntime" in file]
    assert [file for file in files if "libc.so" in file or "libc-" in file]
    identity.main(identity.LOADED)
    assert "onnxruntime" in capsys.readouterr().out


def test_the_libraries_of_a_program_are_found() -> None:
    files = identity.loaded_by_program("sh")
    assert [file for file in files if "libc.so" in file]


def test_the_result_is_the_same_text_for_the_same_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "loaded_by_modules", set)
    monkeypatch.setattr(identity, "loaded_in", lambda _python: set())
    monkeypatch.setattr(identity, "loaded_by_program", lambda _name: set())
    monkeypatch.setattr(identity, "python_packages", lambda _records: {"b": {}, "a": {}})
    lines = {"packages": ["00  packages/a.py", "11  packages/b.py"]}
    monkeypatch.setattr(identity.installed_files, "lists", lambda _compiled: lines)
    monkeypatch.setattr(identity, "owners", lambda _files: {"zlib1g": "1", "libc6": "1"})
    identity.main(str(tmp_path / "identity.json"), str(tmp_path / "files.sha256"))
    text = (tmp_path / "identity.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
    assert json.loads(text).keys() == {"python", "packages", "onnx_packages", "system", "files"}
    listing = (tmp_path / "files.sha256").read_bytes()
    assert listing == b"00  packages/a.py\n11  packages/b.py\n"
    assert json.loads(text)["files"] == {"packages": hashlib.sha256(listing).hexdigest()}


def test_it_runs_under_python_3_10_with_its_standard_library() -> None:
    tree = ast.parse(Path(identity.__file__).read_text(encoding="utf-8"), feature_version=(3, 10))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= {*sys.stdlib_module_names, "installed_files"}


def test_without_package_lists_a_systems_library_counts_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "libreal.so.1").write_bytes(b"library")
    (tmp_path / "libm.so").symlink_to("libreal.so.1")
    files = [str(tmp_path / "libm.so"), str(tmp_path / "text"), f"{sys.prefix}/lib/own.so"]
    assert identity.contents(files) == {"libreal.so.1": hashlib.sha256(b"library").hexdigest()}
