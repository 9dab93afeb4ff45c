"""Results that come from the store instead of a container."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import EXAMPLE, HANGS_AFTER, ROOT, environment

from cvimake.execution.image.making import ToolchainImage


def project(folder: Path) -> Path:
    """A clone: one with the small model."""
    folder.mkdir()
    shutil.copy(ROOT / "dodo.py", folder)
    for name in ("models", "datasets"):
        shutil.copytree(EXAMPLE / name, folder / name)
    return folder


def doit(folder: Path, store: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cvimake.cli", *arguments],
        cwd=folder,
        env=environment(CVIMAKE_STORE=store, XDG_CACHE_HOME=str(folder.parent / "cache"), **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "build" / "tiny").iterdir()}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    """A clone that was built with the store beside it."""
    assert toolchain_image.id
    folder = project(tmp_path_factory.mktemp("store") / "first")
    result = doit(folder, str(folder.parent / "store"))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_a_fresh_clone_takes_every_file_from_the_store(first: Path) -> None:
    store, second = str(first.parent / "store"), project(first.parent / "second")
    result = doit(second, store)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].startswith("1 built, ")
    assert " from the store, 0 unchanged" in result.stdout
    assert contents(second) == contents(first)


def test_restoring_from_the_store_needs_no_engine(first: Path) -> None:
    store, third = str(first.parent / "store"), project(first.parent / "third")
    (third / "build").mkdir()
    assert doit(third, store, "toolchain").returncode == 0
    result = doit(third, store, DOCKER_HOST=f"unix://{third}/none.sock", CVIMAKE_ENGINE="docker")
    assert result.returncode == 0, result.stdout + result.stderr
    assert contents(third) == contents(first)


def test_a_damaged_store_gives_the_same_files_by_building(first: Path) -> None:
    store, fourth = first.parent / "damaged", project(first.parent / "fourth")
    shutil.copytree(first.parent / "store", store)
    damaged = 0
    for path in sorted(store.rglob("blobs/*/*"))[::2]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        damaged += 1
    assert damaged
    result = doit(fourth, str(store))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "is damaged; building instead" in result.stderr
    assert contents(fourth) == contents(first)
