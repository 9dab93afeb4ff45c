from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from cvimake.project.dataset import Dataset, DeclaredDataset, mixed, read_list


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def samples_of(place: Path, /, **options: object) -> dict[str, Path]:
    return DeclaredDataset(name="cats", folder=place, dataset=Dataset(**options)).samples.files  # type: ignore[arg-type]


def test_without_patterns_all_images_and_arrays_below_the_folder_are_samples(tmp_path: Path) -> None:
    fill(tmp_path, "dataset.toml", "b.png", "a.JPG", "sub/c.npz", "sub/d.npy", "notes.txt", "e.jfif", "f.bmp")
    assert list(samples_of(tmp_path)) == ["a.JPG", "b.png", "e.jfif", "f.bmp", "sub/c.npz", "sub/d.npy"]


def test_patterns_choose_among_them(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png", "sub/c.png", "d.jpg", "e.txt")
    assert list(samples_of(tmp_path, files=["*.png", "d.*", "e.*"])) == ["a.png", "b.png", "d.jpg"]


def test_samples_that_two_patterns_match_are_one(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    assert list(samples_of(tmp_path, files=["*.png", "a*"])) == ["a.png"]


def test_a_folder_called_like_an_image_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    assert samples_of(tmp_path) == {}


def test_the_files_can_lie_elsewhere(tmp_path: Path) -> None:
    fill(tmp_path, "photos/a.png", "cats/dataset.toml")
    found = samples_of(tmp_path / "cats", folder="../photos")
    assert list(found) == ["a.png"]
    assert found["a.png"].is_file()


def test_a_list_has_its_samples_in_its_order(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png")
    (tmp_path / "list.txt").write_text("b.png\n\n  a.png  \n", encoding="utf-8")
    dataset = Dataset(data_list="list.txt")
    samples = DeclaredDataset(name="cats", folder=tmp_path, dataset=dataset).samples
    assert samples.lines == (("b.png",), ("a.png",))
    assert set(samples.files) == {"a.png", "b.png"}


def test_a_sample_of_several_inputs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.npy, b.npy\n", encoding="utf-8")
    assert read_list(tmp_path / "list.txt", tmp_path).lines == (("a.npy", "b.npy"),)


@pytest.mark.parametrize("line", [",,,", "a.png,", ",a.png"])
def test_an_empty_entry_of_a_list_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.txt").write_text(f"b.png\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt:2: a file's name is empty"):
        read_list(tmp_path / "list.txt", tmp_path)


@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "pipe"])
def test_a_sample_that_is_no_plain_file_is_told_and_not_left_out(tmp_path: Path, kind: str) -> None:
    fill(tmp_path, "a.png")
    if kind == "pipe":
        os.mkfifo(tmp_path / "b.png")
    else:
        (tmp_path / "b.png").symlink_to("b.png" if kind == "link to itself" else "nothing")
    dataset = DeclaredDataset(name="x", folder=tmp_path, dataset=Dataset())
    with pytest.raises(ValueError, match=r"b\.png is not a regular file, or is a link to a missing one"):
        dataset.samples  # noqa: B018 - looked for when it is asked for


def test_a_sample_whose_name_is_not_utf_8_is_told(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).touch()
    dataset = DeclaredDataset(name="x", folder=tmp_path, dataset=Dataset())
    with pytest.raises(ValueError, match=r"'caf\\udce9\.png' is not UTF-8; rename it"):
        dataset.samples  # noqa: B018 - looked for when it is asked for


@pytest.mark.parametrize("entry", ["/a.png", "../a.png", "a/../b.png", "a.npy,/b.npy"])
def test_a_list_does_not_lead_out_of_its_folder(tmp_path: Path, entry: str) -> None:
    (tmp_path / "list.txt").write_text(f"a.png\n{entry}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt:2: .* must be a relative path without '..'"):
        read_list(tmp_path / "list.txt", tmp_path)


@pytest.mark.parametrize("pattern", ["../*.png", "/*.png", "sub/../../*.png"])
def test_a_pattern_that_leads_out_of_the_folder_is_a_mistake_that_a_user_can_read(
    tmp_path: Path, pattern: str
) -> None:
    fill(tmp_path, "secret.png", "cats/sub/a.png")
    with pytest.raises(ValueError, match=r"must be a relative path without '\.\.'"):
        samples_of(tmp_path / "cats", files=[pattern])


def test_patterns_and_list_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        Dataset(files=("*.png",), data_list="list.txt")


def test_samples_know_their_kinds(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.JPEG", "c.npz", "d.npy")
    samples = DeclaredDataset(name="cats", folder=tmp_path, dataset=Dataset()).samples
    assert samples.kinds == {"image", "npz", "npy"}


def test_only_samples_of_one_kind_stand_together() -> None:
    assert not mixed({"image"})
    assert not mixed(set())
    assert mixed({"npz", "image"}) == "has samples of different kinds: image, npz"
