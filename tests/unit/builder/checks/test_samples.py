from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvimake.builder.checks import samples as sample_check
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.checks.sample_fit import Purpose, Sample

MEMORY = 1024**3
ARRAY = np.zeros((1, 3, 8, 8), dtype=np.float32)


def as_npy(values: object, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values), allow_pickle=pickled)
    return file.getvalue()


def alone(paths: Iterable[Path]) -> list[Sample]:
    """Files of which each is a sample."""
    return [Sample(Purpose.TRANSFORM, (path,)) for path in paths]


def fault(path: Path, memory: int = MEMORY) -> str:
    with pytest.raises(CvimakeError) as caught:
        sample_check.check("net:mlir", alone([path]), memory)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "jpeg"])
def test_images_that_pillow_writes_are_accepted(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (8, 8)).save(path)
    sample_check.check("net:mlir", alone([path]), MEMORY)


def test_arrays_that_numpy_writes_are_accepted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    np.savez(tmp_path / "b.npz", images=ARRAY, more=ARRAY)
    np.savez_compressed(tmp_path / "c.npz", images=ARRAY)
    with (tmp_path / "d.npy").open("wb") as file:
        np.lib.format.write_array(file, ARRAY, version=(2, 0))
    sample_check.check("net:mlir", alone(tmp_path.iterdir()), MEMORY)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.png", b"", "is empty"),
        ("a.png", b"text", "is no image"),
        ("a.jpg", b"GIF89a", "is no image"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "is cut off"),
        ("a.npy", b"text", "is no array"),
        ("a.npy", b"\x93NUMPY\x01\x00\xff\xff", "is cut off"),
        ("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "is cut off"),
        ("a.npy", b"\x93NUMPY\x01\x00\x03\x00(((", "is no array"),
        ("a.npy", as_npy(["text", {}], pickled=True), "holds Python objects"),
        ("a.npy", as_npy(np.zeros((0, 3))), "holds nothing"),
        ("a.npy", as_npy(["text"]), "holds values of type <U4, not numbers"),
        ("a.npy", as_npy([1j]), "holds values of type <c16, not numbers"),
        ("a.npz", b"text", "is no npz, or cut off"),
        ("a.npz", b"PK\x05\x06" + bytes(18), "holds no arrays"),
    ],
)
def test_unreadable_samples_are_named(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert what in fault(path)
    assert str(path) in fault(path)


def test_an_npz_is_refused_by_its_directory_where_it_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros(1024**2, dtype=np.float32))
    sample_check.check("net:mlir", alone([path]), 5 * 1024**2)
    assert "unpacks to 0.0 GiB, more than the stage's memory limit" in fault(path, 3 * 1024**2)


def test_an_npz_of_more_arrays_than_its_directory_may_hold_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=ARRAY)
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.rfind(b"PK\x05\x06") + 8, 60000, 60000)
    path.write_bytes(data)
    assert "more than 10000 arrays" in fault(path)


def test_a_text_in_an_npz_is_named_with_its_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", "text")
    assert "images.npy: is no array" in fault(path)


def test_all_faults_of_samples_are_shown_and_long_lists_shortened(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for path in paths:
        path.write_bytes(b"text")
    with pytest.raises(CvimakeError) as caught:
        sample_check.check("net:calibration", alone(paths), MEMORY)
    assert str(caught.value).count("is no image") == 5
    assert "and 3 more" in str(caught.value)


def test_a_sample_that_does_not_fit_is_reported_once_per_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    np.savez(tmp_path / "b.npz", other=ARRAY, images=ARRAY)
    samples = [Sample(Purpose.SEARCH, (tmp_path / name,)) for name in ("a.npy", "b.npz", "b.npz", "c.npy")]
    sample_check.check("net:mix_qtable", samples, MEMORY, {"images": (1, 3, 8, 8)})
    with pytest.raises(CvimakeError) as caught:
        sample_check.check("net:mix_qtable", samples, MEMORY, {"image": (1, 3, 8, 9)})
    shape, name = str(caught.value).splitlines()[1:]
    assert shape.endswith("a.npy: has the shape [1, 3, 8, 8], but the network's input image has [1, 3, 8, 9]")
    assert name.endswith("which is an input of the network; it holds other, images; did you mean images?")


def test_missing_files_are_not_reported_by_this_check(tmp_path: Path) -> None:
    sample_check.check("net:mlir", alone([tmp_path / "a.png"]), MEMORY)


def test_an_array_that_says_it_is_larger_than_its_file_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(as_npy(ARRAY)[:-4])
    assert "is cut off: it says that its shape is (1, 3, 8, 8)" in fault(path)


def cut_off(image: bytes, behind: bytes = b"") -> bytes:
    """A JPEG without its end, as a broken download leaves it."""
    return image[: len(image) // 2] + behind


def as_jpeg(*, progressive: bool = False) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "jpeg", progressive=progressive)
    return file.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_is_told(tmp_path: Path, progressive: bool) -> None:  # noqa: FBT001 - a case
    path = tmp_path / "a.jpg"
    path.write_bytes(cut_off(as_jpeg(progressive=progressive)))
    assert f"{path}: is cut off" in fault(path)
    assert sample_check.unreadable(path, MEMORY) == "is cut off"
    # With a whole preview in its head.
    head, rest = as_jpeg()[:2], as_jpeg()[2:]
    preview = b"\xff\xe1" + struct.pack(">H", 2 + len(as_jpeg())) + as_jpeg()
    path.write_bytes(cut_off(head + preview + rest))
    assert f"{path}: is cut off" in fault(path)


def test_trailing_data_after_a_jpeg_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(as_jpeg() + bytes(5000))
    assert not sample_check.unreadable(path, MEMORY)


def test_a_fault_says_where_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(cut_off(as_jpeg()))
    with pytest.raises(CvimakeError, match=r"is cut off \(named in models/net/model.toml:7\)"):
        sample_check.check("net", [Sample(Purpose.TRANSFORM, (path,), "models/net/model.toml:7")], MEMORY)
