from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import CATS, HEIGHT, IMAGE, WIDTH, box, boxes, coco, dataset, mistakes, of_coco, of_txt

from cvimake.core.errors import DeclarationError
from cvimake.project.labels import Purpose, read_labels, ultralytics
from cvimake.project.labels.findings import Findings

POSE = Purpose(task="pose", classes=("cat", "dog"), keypoints=2)
MASKS = Purpose(task="segment", classes=("cat", "dog"))


def told(folder: Path, text: str, purpose: Purpose = CATS, **more: str) -> list[str]:
    with pytest.raises(DeclarationError) as error:
        of_txt(folder, text, purpose, **more)
    return mistakes(error.value, folder)


def test_a_line_is_a_class_and_a_box_in_fractions_of_the_image(tmp_path: Path) -> None:
    labels = of_txt(tmp_path, "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.1 0.1\n")
    assert boxes(labels) == [(0, 1, (40, 15, 20, 20)), (0, 0, (5, 2.5, 10, 5))]
    assert labels.annotations[0].area == 400
    assert (
        f"{tmp_path}/data.yaml: 1 images have no file of labels, and count as images without objects"
        in labels.notes
    )


def test_the_same_boxes_give_the_same_bytes_in_both_formats(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    txt = of_txt(tmp_path / "x", "1 0.5 0.5 0.2 0.4\n")
    assert txt.coco() == of_coco(tmp_path / "y", coco(box(40, 15, 20, 20, category_id=4))).coco()


PIXELS = st.integers(0, 10_000).map(lambda value: value / 10_000)


@given(st.lists(st.tuples(PIXELS, PIXELS, PIXELS, PIXELS), min_size=1, max_size=5))
def test_boxes_survive_the_way_through_a_line(fractions: list[tuple[float, float, float, float]]) -> None:
    wanted, lines = [], []
    for left, top, right, bottom in fractions:
        x, y = min(left, right) * WIDTH, min(top, bottom) * HEIGHT
        width, height = abs(left - right) * WIDTH, abs(top - bottom) * HEIGHT
        line = (
            f"0 {(x + width / 2) / WIDTH:.6f} {(y + height / 2) / HEIGHT:.6f} "
            f"{width / WIDTH:.6f} {height / HEIGHT:.6f}"
        )
        if width * height and line not in lines:
            wanted.append((x, y, width, height))
            lines.append(line)
    findings = Findings()
    reader = ultralytics._LineReader(0, IMAGE, ultralytics.Lines(classes={0: 0}), CATS)
    read = ultralytics._of_image(Path("a.txt"), "\n".join(lines), reader, Path("labels"), findings)
    found = [one.box for one in read]
    findings.stop_at_mistakes()
    assert found == [pytest.approx(one, abs=1e-3) for one in wanted]


def test_all_mistakes_are_told_with_file_and_line(tmp_path: Path) -> None:
    lines = ("0 0.5 0.5 0.2", "", "2 0.5 0.5 0.2 0.4", "0 0.9 0.5 0.4 0.4", "0 nan 0.5 0.4 0.4")
    assert told(tmp_path, "\n".join((*lines, "0 a 0.5 0.4 0.4", "0 50 20 9 9"))) == [
        (
            "labels/a.txt:1: has 4 values; a line is a class and x, y, width, height, or the corners of an "
            "outline, or the box and the keypoints"
        ),
        "labels/a.txt:3: the class '2' is none of the indices 0 to 1",
        "labels/a.txt:4: the box [70, 15, 40, 20] lies outside of a.png, which has 100 x 50 pixels",
        "labels/a.txt:5: 'nan' is not a fraction of the image's size, from 0 to 1",
        "labels/a.txt:6: 'a' is not a number",
        "labels/a.txt:7: '50' is not a fraction of the image's size, from 0 to 1",
    ]


def test_an_outline_gives_box_area_and_mask(tmp_path: Path) -> None:
    text = "0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6"
    (one,) = of_txt(tmp_path, text, MASKS).annotations
    assert one.box == pytest.approx((10, 10, 20, 20))
    assert one.area == pytest.approx(400)
    assert isinstance(one.outline, tuple)
    assert one.outline[0] == pytest.approx((10, 10, 30, 10, 30, 30, 10, 30))
    (one,) = of_txt(tmp_path, text).annotations
    assert one.outline == ()
    assert told(tmp_path, "0 0.5 0.5 0.2 0.4", MASKS) == [
        "labels/a.txt:1: has a box, but not the outline that this model is measured with"
    ]


@pytest.mark.parametrize(
    ("text", "yaml", "expected"),
    [
        ("0 0.5 0.5 0.2 0.4 0.5 0.5 2 0.4 0.4 1", "kpt_shape: [2, 3]", (50, 25, 2, 40, 20, 1)),
        ("0 0.5 0.5 0.2 0.4 0.5 0.5 2 0 0 0", "", (50, 25, 2, 0, 0, 0)),
        ("0 0.5 0.5 0.2 0.4 0.5 0.5 0 0", "kpt_shape: [2, 2]", (50, 25, 2, 0, 0, 0)),
    ],
)
def test_keypoints_are_read_with_and_without_visibility(
    tmp_path: Path, text: str, yaml: str, expected: tuple[float, ...]
) -> None:
    (one,) = of_txt(tmp_path, text, POSE, yaml=f"names: [cat, dog]\n{yaml}\n").annotations
    assert one.keypoints == expected
    assert one.area == pytest.approx(400 * 0.53)


def test_keypoints_do_not_disturb_a_detector(tmp_path: Path) -> None:
    yaml = "names: [cat, dog]\nkpt_shape: [2, 2]"
    (one,) = of_txt(tmp_path, "0 0.5 0.5 0.2 0.4 0.5 0.5 0 0", yaml=yaml).annotations
    assert one.box == (40, 15, 20, 20)


def test_another_number_of_keypoints_than_the_models_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "", POSE, yaml="names: [cat, dog]\nkpt_shape: [17, 3]") == [
        "data.yaml:2: kpt_shape has 17 keypoints, the model 2"
    ]


def test_lines_that_are_left_out_are_counted(tmp_path: Path) -> None:
    text = "0 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4\n0 0.5 0.5 0 0.4\n"
    labels = of_txt(tmp_path, text, yaml="names: [cat, rat]")
    assert len(labels.annotations) == 1
    told = [note.replace(f"{tmp_path}/", "") for note in labels.notes]
    assert "data.yaml: 1 objects are there twice, and are left out once" in told
    assert "data.yaml: 1 objects of classes that the model does not have are left out" in told
    assert "data.yaml: 1 boxes without an area are left out" in told


def test_labels_lie_beside_images_or_in_labels_instead_of_images() -> None:
    root = Path("/data")
    assert ultralytics.beside_images(root / "images/val/a.jpg", root) == root / "labels/val/a.txt"
    assert ultralytics.beside_images(root / "images/images/a.jpg", root) == root / "images/labels/a.txt"
    assert ultralytics.beside_images(root / "val/a.jpg", root) == root / "val/a.txt"
    assert ultralytics.beside_images(Path("/elsewhere/a.jpg"), root) is None


def test_images_outside_of_the_folder_of_the_data_yaml_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/data.yaml").write_text("names: [cat]\npath: /etc\n", encoding="utf-8")
    with pytest.raises(DeclarationError) as error:
        read_labels(dataset(tmp_path, "labels/data.yaml", images=("a.png",)), CATS)
    assert mistakes(error.value, tmp_path) == [
        "labels/data.yaml: the image a.png is not below the folder of this file"
    ]


def test_a_folder_of_txt_files_has_the_indices_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("1 0.5 0.5 0.2 0.4", encoding="utf-8")
    declared = dataset(tmp_path, "labels")
    assert boxes(read_labels(declared, CATS)) == [(0, 1, (40, 15, 20, 20))]
    assert read_labels(declared, Purpose(task="detect")).classes == ("0", "1")
    (tmp_path / "labels/classes.txt").write_text("dog\ncat\n", encoding="utf-8")
    assert boxes(read_labels(declared, CATS)) == [(0, 0, (40, 15, 20, 20))]


def test_no_label_at_all_is_a_mistake_that_says_where_one_would_be(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    with pytest.raises(DeclarationError) as error:
        read_labels(dataset(tmp_path, "labels"), CATS)
    assert mistakes(error.value, tmp_path)[0] == (
        "labels: no image has labels; those of a.png would be labels/a.txt"
    )


def test_files_that_are_no_texts_are_told(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "labels/b.txt").mkdir()
    with pytest.raises(DeclarationError) as error:
        read_labels(dataset(tmp_path, "labels"), CATS)
    assert mistakes(error.value, tmp_path) == [
        "labels/a.txt: not UTF-8 text", "labels/b.txt: cannot be read: Is a directory",
    ]  # fmt: skip


def test_a_txt_of_any_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    with (tmp_path / "labels/a.txt").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DeclarationError, match="is too large"):
        read_labels(dataset(tmp_path, "labels"), CATS)
