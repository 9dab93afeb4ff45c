from __future__ import annotations

import json
import os
import shutil
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
    prefix = tmp_path / local.folder_name(Recipe())
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


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_the_library_for_the_simulator_has_the_same_bytes_wherever_it_is_compiled(tmp_path: Path) -> None:
    libraries = []
    for name in ("one", "a/longer/path"):
        prefix = tmp_path / name
        (prefix / "lib").mkdir(parents=True)
        with (tmp_path / "log").open("wb") as log:
            local._compile_simulator(prefix, log, os.environ)
        libraries.append((prefix / "lib" / "libfastsimulator.so").read_bytes())
    assert libraries[0] == libraries[1]
    # Neither a path nor a warning of the compiler.
    assert str(tmp_path).encode() not in libraries[0]
    assert (tmp_path / "log").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("compiler", "said"),
    [("", "gcc is not installed"), ("#!/bin/sh\necho no header >&2\nexit 1\n", "gcc cannot compile")],
)
def test_without_a_compiler_the_simulator_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], compiler: str, said: str
) -> None:
    programs, prefix = tmp_path / "bin", tmp_path / "prefix"
    programs.mkdir()
    for program in ("sh", "dirname"):
        (programs / program).symlink_to(shutil.which(program) or "")
    if compiler:
        (programs / "gcc").write_text(compiler, encoding="utf-8")
        (programs / "gcc").chmod(0o755)
    with (tmp_path / "log").open("wb") as log:
        local._compile_simulator(prefix, log, {"PATH": str(programs)})
    told = capsys.readouterr().err
    assert said in told
    assert "with the same results" in told
    assert ("no header" in told) == bool(compiler)
