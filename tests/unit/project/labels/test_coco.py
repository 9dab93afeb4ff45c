from __future__ import annotations

from pathlib import Path

import pytest
from labelled import CATS, box, boxes, coco, dataset, mistakes, of_coco

from cvimake.core.errors import DeclarationError
from cvimake.project.labels import Purpose, read_labels

POSE = Purpose(task="pose", classes=("cat", "dog"), keypoints=2)
MASKS = Purpose(task="segment", classes=("cat", "dog"))


def told(folder: Path, text: str, purpose: Purpose = CATS) -> list[str]:
    with pytest.raises(DeclarationError) as error:
        of_coco(folder, text, purpose)
    return mistakes(error.value, folder)


def test_images_and_classes_get_the_ids_of_the_dataset_and_of_the_model(tmp_path: Path) -> None:
    purpose = Purpose(task="detect", classes=("dog", "cat"))
    labels = of_coco(tmp_path, coco(box(1, 2, 3, 4), box(5, 6, 7, 8, image_id=8, category_id=4)), purpose)
    assert boxes(labels) == [(0, 1, (1, 2, 3, 4)), (1, 0, (5, 6, 7, 8))]
    assert [image.name for image in labels.images] == ["a.png", "b.png"]


def test_the_area_of_an_object_is_the_files_own_or_that_of_its_box(tmp_path: Path) -> None:
    labels = of_coco(tmp_path, coco(box(1, 2, 3, 4), box(1, 2, 3, 4, area=5.5)))
    assert [one.area for one in labels.annotations] == [12, 5.5]


def test_objects_of_other_classes_and_images_are_left_out_and_told(tmp_path: Path) -> None:
    images = [{"id": 7 + index, "file_name": name} for index, name in enumerate(("a.png", "b.png", "c.png"))]
    text = coco(
        box(1, 2, 3, 4), box(1, 2, 3, 4, category_id=4), box(1, 2, 3, 4, image_id=9),
        names=("cat", "rat"), images=images,
    )  # fmt: skip
    labels = of_coco(tmp_path, text)
    assert boxes(labels) == [(0, 0, (1, 2, 3, 4))]
    assert [note.replace(f"{tmp_path}/", "") for note in labels.notes] == [
        "labels.json: 1 images in it are not in the dataset, and are left out",
        (
            "labels.json: these classes are not the model's, and objects of them are left out: 'rat'; "
            "did you mean cat?"
        ),
        "labels.json: no label is of 1 of the model's classes; figures leave them out",
    ]


def test_images_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "test/a.png"}, {"id": 8, "file_name": "train/a.png"}]
    (tmp_path / "labels.json").write_text(coco(box(1, 2, 3, 4), images=images), encoding="utf-8")
    labels = read_labels(dataset(tmp_path, "labels.json", images=("a.png",), folder="test"), CATS)
    assert boxes(labels) == [(0, 0, (1, 2, 3, 4))]


def test_a_name_that_fits_two_images_is_a_mistake(tmp_path: Path) -> None:
    text = coco(box(1, 2, 3, 4), images=[{"id": 7, "file_name": "a.png"}])
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as error:
        read_labels(dataset(tmp_path, "labels.json", images=("x/a.png", "y/a.png")), CATS)
    assert mistakes(error.value, tmp_path) == [
        (
            "labels.json:1: images[0]: 'a.png' can be each of x/a.png and y/a.png; "
            "write the path that tells them apart"
        ),
        "labels.json: images: the dataset's image y/a.png is missing",
    ]


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = coco(
        box(1, 2, -3, 4), box(90, 2, 30, 4), box(1, 2, 3, 4, image_id=99), box(1, 2, 3, 4, category_id=99),
        box(float("1e308"), 0, 1, 1), {"image_id": 7, "category_id": 3}, box(1, 2, 3, 4, iscrowd=2),
        box(1, 2, 3, 4, area=-1),
    )  # fmt: skip
    outside = "the box [90, 2, 30, 4] lies outside of a.png, which has 100 x 50 pixels"
    assert told(tmp_path, text.replace('{"image_id"', '\n{"image_id"')) == [
        "labels.json:2: annotations[0]: the box has a negative size: -3 x 4",
        f"labels.json:3: annotations[1]: {outside}",
        "labels.json:4: annotations[2]: image_id is 99, and there is no image with this id",
        "labels.json:5: annotations[3]: category_id is 99, and there is no category with this id",
        "labels.json:6: annotations[4]: 1e+308 is not between -104 and 104",
        "labels.json:7: annotations[5]: a box is [x, y, width, height]",
        "labels.json:8: annotations[6]: iscrowd is 0 or 1, not 2",
        "labels.json:9: annotations[7]: -1 is not between 0 and 5616",
    ]


def test_only_the_first_mistakes_are_shown(tmp_path: Path) -> None:
    lines = told(tmp_path, coco(*[box(1, 2, -3, 4)] * 50))
    assert len(lines) == 21
    assert lines[-1] == "and 30 more mistakes in these labels"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "labels.json:1: a COCO file is a JSON object: { ... }"),
        ("[]", "labels.json:1: a COCO file is a JSON object: { ... }"),
        ('{"images":\n{}}', "labels.json:2: 'images' is no list"),
        ('{"images": [], "images": []}', "labels.json:1: 'images' is there twice"),
        ('{"images": [\n\nNaN]}', "labels.json:3: not JSON: NaN is no number"),
        ('{"images": [' + "[" * 200_000, "labels.json:1: nested too deeply"),
        ('{"images": [\n1e', "labels.json:2: a comma or the closing ] is missing"),
        ('{"images": [] ', "labels.json:1: a comma or the closing } is missing"),
        ("{} {}", "labels.json:1: there is text after the end of the object"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert told(tmp_path, text)[-1] == expected


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("3", "images[0]: has no file_name"),
        ('{"id": 7, "file_name": 3}', "images[0]: has no file_name"),
        ('{"id": [7], "file_name": "a.png"}', "images[0]: has no id"),
        ('{"id": 7, "file_name": "a.png", "width": 99}', "images[0]: width is 99, but a.png has 100 pixels"),
    ],
)
def test_wrong_images_are_told(tmp_path: Path, element: str, expected: str) -> None:
    assert f"labels.json:1: {expected}" in told(tmp_path, f'{{"images": [{element}]}}')


def test_images_of_the_dataset_must_be_in_the_file(tmp_path: Path) -> None:
    text = coco(box(1, 2, 3, 4), images=[{"id": 7, "file_name": "a.png"}])
    assert told(tmp_path, text) == ["labels.json: images: the dataset's image b.png is missing"]


def test_without_any_object_the_labels_are_empty(tmp_path: Path) -> None:
    assert told(tmp_path, coco()) == [
        "labels.json: the labels are empty: no image of the dataset has an object"
    ]


def test_boxes_without_an_area_are_left_out_and_told(tmp_path: Path) -> None:
    labels = of_coco(tmp_path, coco(box(1, 2, 0, 4), box(1, 2, 3, 4)))
    assert len(labels.annotations) == 1
    assert f"{tmp_path}/labels.json: 1 boxes without an area are left out" in labels.notes


def test_keypoints_are_read_for_a_model_that_finds_them(tmp_path: Path) -> None:
    text = coco(box(1, 2, 30, 40, keypoints=[5, 6, 2, 9, 9, 0]), box(1, 2, 30, 40))
    assert [one.keypoints for one in of_coco(tmp_path, text, POSE).annotations] == [
        (5, 6, 2, 0, 0, 0),
        (0,) * 6,
    ]
    assert [one.keypoints for one in of_coco(tmp_path, text).annotations] == [(), ()]


def test_wrong_keypoints_are_told(tmp_path: Path) -> None:
    text = coco(box(1, 2, 3, 4, keypoints=[5, 6, 2]), box(1, 2, 3, 4, keypoints=[5, 6, 3, 0, 0, 0]))
    assert told(tmp_path, text, POSE) == [
        (
            "labels.json:1: annotations[0]: keypoints has 3 numbers; the model's 2 keypoints need 6: "
            "x, y, visibility of each"
        ),
        "labels.json:1: annotations[1]: 3 is not between 0 and 2",
    ]


def test_outlines_are_read_for_a_model_that_finds_masks(tmp_path: Path) -> None:
    polygon = [[1, 2, 3, 4, 5, 6]]
    labels = of_coco(tmp_path, coco(box(1, 2, 30, 40, segmentation=polygon)), MASKS)
    assert labels.annotations[0].outline == ((1, 2, 3, 4, 5, 6),)
    assert told(tmp_path, coco(box(1, 2, 30, 40)), MASKS) == [
        (
            "labels.json:1: annotations[0]: has no outline (segmentation), which a model that finds masks is "
            "measured with"
        )
    ]


def test_the_classes_of_a_model_that_declares_none_are_the_categories_in_the_order_of_their_ids(
    tmp_path: Path,
) -> None:
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "cat"}]
    labels = of_coco(tmp_path, coco(box(1, 2, 3, 4), categories=categories), Purpose(task="detect"))
    assert labels.classes == ("cat", "toothbrush")
    assert boxes(labels) == [(0, 0, (1, 2, 3, 4))]


def test_no_matching_class_at_all_is_a_mistake(tmp_path: Path) -> None:
    assert told(tmp_path, coco(box(1, 2, 3, 4), names=("dogs",))) == [
        "labels.json: the model has no class 'dogs'; did you mean dog?"
    ]


def test_a_classifier_needs_one_class_for_each_image(tmp_path: Path) -> None:
    classifier = Purpose(task="classify", classes=("cat", "dog"))
    first, second = {"image_id": 7, "category_id": 4}, {"image_id": 8, "category_id": 3}
    assert boxes(of_coco(tmp_path, coco(first, second), classifier)) == [(0, 1, None), (1, 0, None)]
    assert told(tmp_path, coco(first, first), classifier) == [
        "labels.json: a.png has 2 classes; an image of a classifier has one",
        "labels.json: b.png has no class; an image of a classifier has one",
    ]
