from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.builder.leftovers import asked, find


@pytest.fixture
def build(tmp_path: Path) -> Path:
    build = tmp_path / "build"
    for name in (
        "toolchain.json", "doit.sqlite", "old/old.mlir", "old/old_cv181x_f16.cvimodel", "old/notes.txt",
        "new/new.mlir", "mine/anything.bin", "logs/old/f16.log", "logs/new/f16.log", ".work/x/x_1",
    ):  # fmt: skip
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        (build / name).write_text("four", encoding="utf-8")
    return build


def test_only_results_of_models_that_are_not_declared_are_found(build: Path) -> None:
    (left,) = find(build, {"new", ".work"})
    assert (left.name, left.size) == ("old", 12)
    names = [path.relative_to(build).as_posix() for path in left.files]
    assert names == ["old/old.mlir", "old/old_cv181x_f16.cvimodel", "logs/old/f16.log"]
    assert find(build / "nowhere", ()) == []


def test_exactly_the_leftovers_that_were_found_are_removed(build: Path) -> None:
    (left,) = find(build, {"new", ".work"})
    left.remove()
    assert [path.name for path in (build / "old").iterdir()] == ["notes.txt"]
    assert not (build / "logs" / "old").exists()
    assert (build / "logs" / "new" / "f16.log").exists()
    assert find(build, {"new", ".work"}) == []


def test_a_link_to_somewhere_else_is_not_followed(build: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "photos_1.jpg").touch()
    (build / "photos").symlink_to(tmp_path / "photos")
    assert [left.name for left in find(build, {"new", ".work"})] == ["old"]


def test_only_what_a_preview_was_asked_for_is_found(build: Path) -> None:
    for name in (
        "new_asked_preview.png",
        "new_cv181x_f16_asked_accuracy.json",
        "new_preview.png",
        "asked_.txt",
    ):
        (build / "new" / name).touch()
    assert [path.name for path in asked(build, "new").files] == [
        "new_asked_preview.png", "new_cv181x_f16_asked_accuracy.json",
    ]  # fmt: skip
    assert asked(build, "[n]ew").files == ()
