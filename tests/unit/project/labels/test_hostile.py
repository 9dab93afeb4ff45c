"""Labels of strangers: whatever they hold, they are read, or refused with one error that has no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labelled import box, coco, dataset, of_coco

from cvimake.core.errors import DeclarationError
from cvimake.project.dataset import DeclaredDataset
from cvimake.project.labels import Purpose, Task, read_labels

TASKS: tuple[Task, ...] = ("detect", "segment", "pose", "classify")
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PURPOSES = st.sampled_from(TASKS).flatmap(
    lambda task: st.sampled_from(
        [Purpose(task=task, classes=classes, keypoints=2) for classes in ((), ("cat",))]
    )
)
NUMBERS = st.sampled_from(
    [0, 1, -1, 7, 3, 2.5, 1e308, -1e308, 10**400, 2**63, True, False, None, "", "7", "\ud800"]
) | st.floats(allow_nan=True)
VALUES = st.recursive(
    NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["counts", "size", "id"]), inner)
    ),
)
MEMBERS = (
    "id",
    "image_id",
    "category_id",
    "bbox",
    "area",
    "iscrowd",
    "keypoints",
    "segmentation",
    "file_name",
    "name",
)


def refusal(declared: DeclaredDataset, purpose: Purpose) -> str:
    """Return the message of the refusal; an empty text if the labels are read."""
    try:
        labels = read_labels(declared, purpose)
    except DeclarationError as error:
        return str(error)
    assert json.loads(labels.coco())["images"]
    return ""


def read(declared: DeclaredDataset, purpose: Purpose) -> None:
    message = refusal(declared, purpose)
    assert len(message.splitlines()) <= 21
    assert len(message) < 20_000


@SETTINGS
@given(
    one=st.dictionaries(st.sampled_from(MEMBERS), VALUES),
    array=st.sampled_from(["images", "categories", "annotations"]),
    purpose=PURPOSES,
)
@example(
    one={"segmentation": {"size": [50, 100], "counts": [10**400]}},
    array="annotations",
    purpose=Purpose(task="segment"),
)
def test_any_value_in_an_element_is_read_or_refused(
    tmp_path: Path, one: dict[str, Any], array: str, purpose: Purpose
) -> None:
    declared = dataset(tmp_path, "labels.json")
    values = json.loads(coco(box(1, 2, 30, 40)))
    element = {**values[array][0], **one}
    text = json.dumps({**values, array: [element, *values[array][1:]]})
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    read(declared, purpose)


@SETTINGS
@given(
    data=st.binary(max_size=200),
    purpose=PURPOSES,
    name=st.sampled_from(["labels.json", "data.yaml", "labels"]),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, purpose: Purpose, name: str) -> None:
    folder = tmp_path / name.partition(".")[0]
    folder.mkdir(exist_ok=True)
    (folder / ("a.txt" if name == "labels" else name)).write_bytes(data)
    read(dataset(folder, "." if name == "labels" else name), purpose)


LINE = st.lists(
    st.sampled_from(
        ["0", "1", "0.5", "1.0", "-1", "nan", "inf", "1e308", "9" * 400, "x", "\N{SNOWMAN}", "1_0"]
    ),
    max_size=12,
).map(" ".join)


@SETTINGS
@given(lines=st.lists(LINE, max_size=5), yaml=st.sampled_from(["", "kpt_shape: [2, 3]"]), purpose=PURPOSES)
def test_any_lines_are_read_or_refused(tmp_path: Path, lines: list[str], yaml: str, purpose: Purpose) -> None:
    (tmp_path / "labels").mkdir(exist_ok=True)
    (tmp_path / "labels/a.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "data.yaml").write_text(f"names: [cat, dog]\n{yaml}", encoding="utf-8")
    read(dataset(tmp_path, "data.yaml", folder="images"), purpose)


def test_texts_of_labels_do_not_steer_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as error:
        of_coco(tmp_path, coco(box(1, 2, 3, 4), names=("\x1b[2J\x07",)))
    assert "\x1b" not in str(error.value)
