from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from cvimake.errors import CvimakeError
from cvimake.intake import sources


class Harmful:
    """What would make a file if it were unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.target), "w")


def archive(path: Path, *names: str, data: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"model/{name}", data)
    return path


def test_a_checkpoint_is_told_by_its_members_and_never_unpickled(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    path = archive(tmp_path / "best.pt", "data.pkl", "version", data=pickle.dumps(Harmful(harm)))
    with pytest.raises(CvimakeError, match="is a training checkpoint") as caught:
        sources.kind_of(path)
    assert "yolo export model=best.pt format=onnx opset=17" in caught.value.remedy
    assert not harm.exists()


def test_an_old_checkpoint_is_one_too_and_never_unpickled(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps(Harmful(harm)))
    with pytest.raises(CvimakeError, match="is a training checkpoint"):
        sources.kind_of(path)
    assert not harm.exists()


@pytest.mark.parametrize("more", ["constants.pkl", "code/__torch__.py"])
def test_torchscript_is_told_from_a_checkpoint(tmp_path: Path, more: str) -> None:
    assert sources.kind_of(archive(tmp_path / "net.pt", "data.pkl", more)) == "torchscript"


def test_another_zip_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(CvimakeError, match="no network of PyTorch's"):
        sources.kind_of(archive(tmp_path / "net.pt", "readme"))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("net.h5", b"\x89HDF\r\n", "HDF5"),
        ("net.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("net.caffemodel", b"\x0a\x04PNet", "./doit init net.prototxt"),
    ],
)
def test_other_files_are_answered_with_what_to_do(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CvimakeError) as caught:
        sources.kind_of(tmp_path / name)
    assert words in str(caught.value)


def test_tflite_is_told_by_its_mark(tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 40)
    assert sources.kind_of(tmp_path / "net.bin") == "tflite"


@pytest.mark.parametrize(
    "text",
    [
        'name: "N"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 12\ninput_dim: 24\nlayer {}',
        'input: "data"\ninput_shape { dim: 1 dim: 3 dim: 12 dim: 24 } # dim: 7',
        'input: "data" layer { type: "Input" input_param { shape: { dim: 1 dim: 3 dim: 12 dim: 24 } } }',
    ],
)
def test_a_caffe_networks_inputs_are_read_in_each_of_their_forms(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.prototxt").write_text(text, encoding="utf-8")
    assert sources.kind_of(tmp_path / "net.prototxt") == "caffe"
    assert sources.caffe_inputs(tmp_path / "net.prototxt") == [("data", (1, 3, 12, 24))]


def test_a_prototxt_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(b"\xff\xfe")
    with pytest.raises(CvimakeError, match="not UTF-8"):
        sources.caffe_inputs(tmp_path / "net.prototxt")
