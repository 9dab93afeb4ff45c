from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.core.errors import ImageError
from cvimake.core.resources import container_program, docker_folder
from cvimake.execution.image import recipe
from cvimake.execution.image.recipe import (
    EXPORT_FILES,
    FILES,
    FRAMEWORKS_FILES,
    ExportRecipe,
    FrameworksRecipe,
    Recipe,
)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CVIMAKE_BASE", "CVIMAKE_TPU_MLIR_WHEEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of recipes, which is read in its place."""
    for path in docker_folder().iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(recipe, "docker_folder", lambda: tmp_path)
    return tmp_path


def test_the_user_chooses_base_and_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Recipe.from_environment(os.environ) == Recipe()
    (tmp_path / "x.whl").touch()
    monkeypatch.setenv("CVIMAKE_BASE", "mine:1")
    monkeypatch.setenv("CVIMAKE_TPU_MLIR_WHEEL", str(tmp_path / "x.whl"))
    assert Recipe.from_environment(os.environ) == Recipe(base="mine:1", wheel=tmp_path / "x.whl")


def test_a_wheel_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_TPU_MLIR_WHEEL", "/nowhere.whl")
    with pytest.raises(ImageError, match=r"CVIMAKE_TPU_MLIR_WHEEL: no file /nowhere\.whl"):
        Recipe.from_environment(os.environ)


def test_a_wheels_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.whl").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CVIMAKE_TPU_MLIR_WHEEL", "x.whl")
    assert Recipe.from_environment(os.environ).wheel == tmp_path / "x.whl"


def test_recipes_differ_in_base_and_in_the_bytes_of_the_wheel(tmp_path: Path) -> None:
    one, copy, other = (tmp_path / name for name in ("one.whl", "copy.whl", "other.whl"))
    one.write_bytes(b"1")
    copy.write_bytes(b"1")
    other.write_bytes(b"2")
    digests = {Recipe(wheel=path).digest() for path in (one, copy)}
    assert len(digests) == 1
    assert len({*digests, Recipe(wheel=other).digest(), Recipe().digest(), Recipe(base="x").digest()}) == 4


@pytest.mark.parametrize("named", [FILES, FRAMEWORKS_FILES, EXPORT_FILES], ids=lambda named: named[0])
def test_the_named_files_are_all_that_the_dockerfile_copies(named: tuple[str, ...]) -> None:
    dockerfile, *names = named
    words = (docker_folder() / dockerfile).read_text(encoding="utf-8").split()
    assert set(names) <= set(words)


@pytest.mark.parametrize(
    "name", ["Dockerfile", "build-requirements.txt", "requirements.txt", "source-requirements.txt"]
)
def test_recipes_differ_in_every_file_that_the_image_is_made_from(files: Path, name: str) -> None:
    before = Recipe().digest()
    (files / name).write_text("changed", encoding="utf-8")
    assert Recipe().digest() != before


@pytest.mark.parametrize("program", ["toolchain_identity", "installed_files"])
def test_recipes_differ_in_the_programs_that_find_out_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    before = Recipe().digest()
    changed = tmp_path / "step.py"
    changed.write_bytes(container_program(program).read_bytes() + b"#")
    monkeypatch.setattr(
        recipe, "container_program", lambda name: changed if name == program else container_program(name)
    )
    assert Recipe().digest() != before


# The images with PyTorch and TensorFlow, and with Ultralytics' exporter


@pytest.mark.parametrize(
    ("other", "name"),
    [
        *((FrameworksRecipe(), name) for name in FRAMEWORKS_FILES),
        *((ExportRecipe(), name) for name in EXPORT_FILES),
    ],
    ids=lambda given: given if isinstance(given, str) else given.what,
)
def test_other_recipes_differ_in_every_file_and_leave_the_toolchains_alone(
    files: Path, other: Recipe, name: str
) -> None:
    before, plain = other.digest(), Recipe().digest()
    (files / name).write_text("changed", encoding="utf-8")
    assert other.digest() != before
    assert (Recipe().digest() == plain) == (name not in FILES)


def test_frameworks_recipes_differ_in_what_the_toolchain_is_and_how_it_is_made() -> None:
    recipes = (FrameworksRecipe(), FrameworksRecipe(base="x"), FrameworksRecipe(toolchain="y"))
    assert len({made.digest() for made in recipes}) == 3


def test_nothing_of_cuda_is_locked() -> None:
    locked = (docker_folder() / "frameworks-requirements.txt").read_text(encoding="utf-8")
    names = [line.partition("==")[0] for line in locked.splitlines() if "==" in line]
    assert {"torch", "torchvision", "tensorflow-cpu"} <= set(names)
    assert not [name for name in names if name.startswith(("nvidia", "triton"))]


def test_the_toolchain_is_no_part_of_an_export_recipe(files: Path) -> None:
    before = ExportRecipe().digest()
    for name in ("Dockerfile", "requirements.txt", "onnx-requirements.txt", "simulator.c"):
        (files / name).write_text("changed", encoding="utf-8")
    assert ExportRecipe().digest() == before
    assert ExportRecipe(base="x").digest() != before


def test_the_exporters_packages_are_named_with_their_versions_and_none_is_cudas() -> None:
    wheels = ExportRecipe.wheels()
    assert {"ultralytics==8.4.190", "torch==2.6.0", "torchvision==0.21.0"} <= set(wheels)
    # pip and its like, from another lock file.
    assert any(name.startswith("pip==") for name in wheels)
    assert not [name for name in wheels if name.startswith(("nvidia", "triton"))]


def test_the_licence_of_ultralytics_is_told() -> None:
    assert "AGPL-3.0" in ExportRecipe.notice
    assert not Recipe.notice + FrameworksRecipe.notice
