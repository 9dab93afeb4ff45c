"""Every stage twice, with everything different that must not matter; in the manner of reprotest.

By itself it varies all at once, for the tiny model. REPRODUCIBILITY_MODEL=shapes takes the bundled one,
REPRODUCIBILITY_EACH=1 one variation after another, which tells which one a difference comes from, and
REPRODUCIBILITY_ENGINE=tcp://... builds the second time on another engine, or on one that was started anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from variations import ROOT, VARIATIONS, Setting

from cvimake.core.errors import EngineError
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.release import fields
from cvimake.toolchain import commands, cvimodel

MODEL = os.environ.get("REPRODUCIBILITY_MODEL", "tiny")
SOURCE = ROOT / "tests" if MODEL == "tiny" else ROOT
TOGETHER = ", ".join(VARIATIONS)
# Its folders are read newest file first; those of other file systems in an order that the names alone decide.
IN_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def toolchain_image() -> Iterator[ToolchainImage]:
    """The image on this machine's engine. These tests are worth nothing without it: none is a failure."""
    try:
        client = connection.find(os.environ)
    except EngineError as error:
        pytest.fail(f"the reproducibility tests need a Docker engine: {error}")
    with contextlib.closing(client):
        found = making.find(DockerEngine(client, os.environ).client, Recipe.from_environment(os.environ))
        if found is None:
            pytest.fail("the toolchain image is not there: run ./doit image")
        yield found


@pytest.fixture(scope="module")
def libfaketime(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Path:
    """The image's own, for programs of this machine."""
    folder = tmp_path_factory.mktemp("clock")
    folder.chmod(0o755)
    path = Path(commands.environment()["LD_PRELOAD"])
    with contextlib.closing(connection.find(os.environ)) as client:
        container = client.containers.create(toolchain_image.id, "true")
        try:
            chunks, _ = container.get_archive(str(path))
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as opened:
                (member,) = opened.getmembers()
                content = opened.extractfile(member)
                assert content is not None
                (folder / path.name).write_bytes(content.read())
        finally:
            container.remove(force=True)
    return folder / path.name


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cvimake-test-", dir=IN_MEMORY) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> dict[str, bytes]:
    assert toolchain_image.id
    return Setting(tmp_path_factory.mktemp("first") / "p", arguments=("-n", "1")).build(MODEL, SOURCE)


def differences(old: dict[str, bytes], new: dict[str, bytes]) -> list[str]:
    """Where two builds differ, down to the field."""
    found = [f"{name}: only in one of them" for name in sorted(old.keys() ^ new.keys())]
    for name in sorted(old.keys() & new.keys()):
        listing = old.get(f"{name.removesuffix('.cvimodel')}_info.txt", b"").decode()
        known = cvimodel.parse(listing) if name.endswith(".cvimodel") else None
        found += (f"{name}: {place}" for place in fields.differences(name, old[name], new[name], known))
    return found


def test_a_folder_in_memory_is_read_in_another_order(tmp_path: Path, memory: Path) -> None:
    """Else the variation of that name varies nothing."""
    names = [f"{number:02}.png" for number in range(16)]
    for folder, ordered in ((tmp_path, names), (memory, names[::-1])):
        for name in ordered:
            (folder / name).touch()
    one, other = ([path.name for path in folder.iterdir()] for folder in (tmp_path, memory))
    assert one != other


@pytest.mark.parametrize("names", VARIATIONS if os.environ.get("REPRODUCIBILITY_EACH") else [TOGETHER])
def test_every_byte_is_equal(
    first: dict[str, bytes], tmp_path: Path, memory: Path, libfaketime: Path, names: str
) -> None:
    setting = Setting(tmp_path / "p", arguments=("-n", "1"), clock=libfaketime, memory=memory)
    for name in names.split(", "):
        setting = VARIATIONS[name](setting)
    second = setting.build(MODEL, SOURCE)
    assert any(name.endswith(".cvimodel") for name in first)
    assert differences(first, second) == []
