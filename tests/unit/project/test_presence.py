from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.project import read_declarations
from cvimake.project.presence import mistakes

TEXT = """\
source = "net.onnx"
classes = "classes.txt"
[verify]
input = "a.png"
[calibration]
dataset = "cats"
input_num = 2
[deploy]
test_reference = "reference.npz"
[variant.own]
quantize = "INT8"
calibration_table = "table"
qtable = "qtable"
test_input = ["b.png"]
[variant.searched]
quantize = "INT8"
qtable = { input_num = 2 }
"""
FILES = {"classes.txt": 2, "a.png": 4, "reference.npz": 9, "table": 12, "qtable": 13, "b.png": 14}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose files are all there, and two samples."""
    folder = tmp_path / "models" / "net"
    samples = tmp_path / "datasets" / "cats"
    for each in (folder, samples):
        each.mkdir(parents=True)
    for name in ("net.onnx", *FILES):
        (folder / name).touch()
    for name in ("dataset.toml", "0.png", "1.png"):
        (samples / name).touch()
    (folder / "model.toml").write_text(TEXT, encoding="utf-8")
    return folder


def found(folder: Path) -> list[str]:
    root = folder.parent.parent
    declared = read_declarations(root)
    assert not declared.unusable
    lines = mistakes(declared.models["net"], root / "build")
    return [line.removeprefix(f"{folder}/model.toml:") for line in lines]


def test_enough_samples_cause_no_message(folder: Path) -> None:
    assert found(folder) == []


@pytest.mark.parametrize(("name", "line"), FILES.items())
def test_a_file_that_is_not_there_is_told_with_the_line_that_names_it(
    folder: Path, name: str, line: int
) -> None:
    (folder / name).unlink()
    (told,) = found(folder)
    assert told.startswith(f"{line}: ")
    assert told.endswith(f": no file {folder / name}")


def test_its_path_is_told_as_one_would_write_it(folder: Path) -> None:
    text = TEXT.replace('"a.png"', '"../../datasets/cats/missing.png"')
    (folder / "model.toml").write_text(text, encoding="utf-8")
    missing = folder.parent.parent / "datasets" / "cats" / "missing.png"
    assert found(folder) == [f"4: verify.input: no file {missing}"]


def test_a_linked_model_is_not_told_that_a_file_is_missing_that_is_there(
    folder: Path, tmp_path: Path
) -> None:
    text = TEXT.replace('"a.png"', '"../../datasets/cats/0.png"')
    (folder / "model.toml").write_text(text, encoding="utf-8")
    assert found(folder) == []
    elsewhere = tmp_path / "else" / "where" / "net"
    elsewhere.parent.mkdir(parents=True)
    folder.symlink_to(folder.rename(elsewhere))
    assert found(folder) == [f"4: verify.input: no file {tmp_path}/else/datasets/cats/0.png"]


def test_a_file_that_a_task_makes_may_come_later(folder: Path) -> None:
    text = TEXT.replace('"a.png"', '"../../build/mine/a.npz"')
    (folder / "model.toml").write_text(text, encoding="utf-8")
    assert found(folder) == []


def test_missing_samples_are_reported(folder: Path) -> None:
    (folder / "model.toml").write_text(TEXT.replace("input_num = 2", "input_num = 3"), encoding="utf-8")
    what = "is 3, but the number of samples is 2; leave input_num out to take all of them"
    assert found(folder) == [
        f"7: calibration.input_num: {what}",
        f"17: variant.searched.qtable.input_num: {what}",
    ]


def test_no_samples_are_told(folder: Path) -> None:
    (folder / "model.toml").write_text(TEXT.replace("input_num = 2\n", "input_num = 0\n"), encoding="utf-8")
    assert found(folder) == ["7: calibration.input_num: is 0; leave input_num out to take all of them"]
