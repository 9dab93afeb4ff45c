from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from PIL import Image

from cvimake.project.labels.image_size import image_size


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_the_size_is_that_in_the_header(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / name)
    assert image_size(tmp_path / name) == (30, 20)


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))]
)
def test_a_rotation_that_a_jpeg_asks_for_counts(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == size


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a\x01\x00\x01\x00", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\xff\xff", b"BM" + b"\xff" * 60],
)
def test_a_file_that_is_no_image_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"is no image|damaged|cannot be read|too many"):
        image_size(tmp_path / "a.png")


def test_every_beginning_of_an_image_is_read_or_told(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    for length in range(len(data)):
        (tmp_path / "b.jpg").write_bytes(data[:length])
        with contextlib.suppress(ValueError):
            assert image_size(tmp_path / "b.jpg") == (30, 20)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        image_size(tmp_path / "a.png")
