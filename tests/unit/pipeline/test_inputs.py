from __future__ import annotations

from pathlib import Path

from small_stages import FULL, SMALL, action_of, declared


def test_the_users_files_are_read_under_names_of_ours(tmp_path: Path) -> None:
    model = declared(tmp_path, FULL)
    folder = tmp_path / "models/net"
    names = {file.name: file.path for name in ("mlir", "full") for file in action_of(model, name).inputs}
    assert names["_source.pt"] == folder / "export/best.pt"
    assert names["test_input.jpg"] == folder / "../images/dog.jpg"
    assert names["test_reference.npz"] == folder / "reference.npz"


def test_a_datasets_samples_lie_at_one_place_in_every_project(tmp_path: Path) -> None:
    (folder,) = action_of(declared(tmp_path), "calibration").folders
    assert folder.target == "/dataset"
    assert dict(folder.files) == {name: tmp_path / "datasets/cats" / name for name in ("0.png", "1.png")}


def test_a_list_names_its_samples_where_they_lie_in_the_container(tmp_path: Path) -> None:
    text = SMALL.replace('dataset = "cats"', 'data_list = "list.txt"')
    action = action_of(declared(tmp_path, text), "calibration")
    assert [(file.name, file.text) for file in action.texts] == [
        ("data_list.txt", "/dataset/b.npz\n/dataset/a.npz,/dataset/c.npz\n")
    ]
    assert "--data_list=data_list.txt" in action.argv
    assert set(action.folders[0].files) == {"a.npz", "b.npz", "c.npz"}
