from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cvimake.toolchain.container.evaluation.parts import KEY, Parts
from cvimake.toolchain.container.evaluation.seen import of_json

FOUND = {"image_id": 4, "category_id": 1, "score": 0.123457, "bbox": [0.1, 2, 3.4567, 4]}
SEEN = {
    "kind": "YOLO11",
    "field_reason": "",
    "camera_reason": "",
    "points": 0,
    "field": [FOUND],
    "camera": [],
    "compared": [[[0.1 + 0.2, float("inf")], [1.0, 2.0]]],
}


def parts(folder: Path, key: str = "abc") -> Parts:
    folder.mkdir(exist_ok=True)
    (folder / KEY).write_text(key, encoding="utf-8")
    return Parts(folder, folder)


def read(folder: Path, key: str = "abc", images: tuple[int, ...] = (4,)) -> Any:  # noqa: ANN401 - any value
    return parts(folder, key).read(2, lambda values: of_json(values, images))


def write(folder: Path, value: object, key: str = "abc", number: int = 2) -> None:
    """Writes a part with a right digest, whatever it holds."""
    body = json.dumps(value)
    digest = hashlib.sha256(f"{key}\n{number}\n{body}".encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    (folder / f"{number}.json").write_text(f"{digest}\n{body}", encoding="utf-8")


def test_a_part_is_read_as_it_was_written_to_the_last_bit(tmp_path: Path) -> None:
    parts(tmp_path).write(2, [SEEN])
    (seen,) = read(tmp_path)
    assert seen.as_json() == SEEN
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.json", "key"]


def test_a_part_with_another_key_is_not_read(tmp_path: Path) -> None:
    parts(tmp_path).write(2, [SEEN])
    assert read(tmp_path, "other") is None


def test_a_part_under_another_number_is_not_read(tmp_path: Path) -> None:
    parts(tmp_path).write(1, [SEEN])
    (tmp_path / "1.json").rename(tmp_path / "2.json")
    assert read(tmp_path) is None


@pytest.mark.parametrize("cut", [0, 10, 64, 65, 80, -1])
def test_a_part_that_is_cut_off_is_not_read(tmp_path: Path, cut: int) -> None:
    parts(tmp_path).write(2, [SEEN])
    path = tmp_path / "2.json"
    path.write_bytes(path.read_bytes()[:cut])
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {},
        [],
        [SEEN, SEEN],
        ["text"],
        [{}],
        [{**SEEN, "more": 1}],
        [{**SEEN, "kind": 7}],
        [{**SEEN, "points": "7"}],
        [{**SEEN, "field": [{**FOUND, "image_id": 5}]}],
        [{**SEEN, "field": [{**FOUND, "score": "high"}]}],
        [{**SEEN, "camera": [{**FOUND, "bbox": [None] * 4}]}],
        [{**SEEN, "camera": [{"image_id": 4}]}],
        [{**SEEN, "compared": [[["x"]]]}],
        [{**SEEN, "compared": 3}],
    ],
)
def test_a_part_that_holds_something_else_is_not_read(tmp_path: Path, value: object) -> None:
    write(tmp_path, [SEEN])
    assert read(tmp_path) is not None
    write(tmp_path, value)
    assert read(tmp_path) is None


def test_a_value_that_is_nested_too_deeply_is_not_read(tmp_path: Path) -> None:
    body = "[" * 100_000 + "]" * 100_000
    digest = hashlib.sha256(f"abc\n2\n{body}".encode()).hexdigest()
    (tmp_path / "2.json").write_text(f"{digest}\n{body}", encoding="utf-8")
    assert read(tmp_path) is None


def test_bytes_that_are_no_text_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "2.json").write_bytes(b"\xff\n[]")
    assert read(tmp_path) is None


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    kept = Parts(tmp_path, tmp_path / "parts")
    kept.write(0, [])
    assert list(tmp_path.iterdir()) == []
    write(tmp_path, [], key="", number=0)
    assert kept.read(0, lambda value: value) is None
