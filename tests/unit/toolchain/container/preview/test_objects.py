from __future__ import annotations

from typing import Any

import pytest
from pycocotools import mask as coco_mask

from cvimake.toolchain.container.preview.objects import Marked, Seen, as_json, of_labels, of_results


def result(score: float, image: int = 0, **more: object) -> dict[str, Any]:
    return {"image_id": image, "category_id": 3, "score": score, **more}


def test_only_sure_objects_count_and_the_surest_come_first() -> None:
    results = [result(0.3), result(0.9, bbox=[1, 2, 3, 4]), result(0.2), result(0.5, 7)]
    assert of_results(results, least=0.25, most=9) == {
        0: [Seen(3, 0.9, (1, 2, 3, 4)), Seen(3, 0.3)],
        7: [Seen(3, 0.5)],
    }
    assert of_results(results, least=0.25, most=1)[0] == [Seen(3, 0.9, (1, 2, 3, 4))]


def labels(**annotation: object) -> dict[str, Any]:
    one = {"id": 1, "image_id": 4, "category_id": 2, "iscrowd": 0, **annotation}
    return {"images": [{"id": 4, "width": 20, "height": 10}], "annotations": [one]}


# pycocotools does not know the numpy of the tests yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_outline_of_labels_becomes_a_mask_over_the_image() -> None:
    square = [2, 2, 8, 2, 8, 8, 2, 8]
    (seen,) = of_labels(labels(bbox=[2, 2, 6, 6], segmentation=[square]))[4]
    assert seen.score is None
    assert seen.mask is not None
    assert coco_mask.decode(dict(seen.mask)).shape == (10, 20)
    assert coco_mask.area(dict(seen.mask)) == 36
    runs = {"size": [10, 20], "counts": [0, 5, 195]}
    (seen,) = of_labels(labels(bbox=[0, 0, 1, 5], segmentation=runs))[4]
    assert seen.mask is not None
    assert coco_mask.area(dict(seen.mask)) == 5


def test_a_crowd_is_left_out_and_a_class_of_the_whole_image_has_no_box() -> None:
    assert of_labels(labels(iscrowd=1, bbox=[0, 0, 1, 1])) == {}
    assert of_labels(labels()) == {4: [Seen(2, None)]}


def test_an_object_in_the_listing_says_where_float_had_it() -> None:
    moved = Marked(Seen(1, 0.5, (1.23456, 2, 3, 4)), "moved", Seen(1, 0.6, (0, 2, 3, 4)))
    assert as_json(moved, {1: "a\x1b"}) == {
        "class": 1, "name": "a\x1b", "score": 0.5, "box": [1.23, 2.0, 3.0, 4.0], "keypoints": [],
        "mask": None, "mark": "moved", "float_box": [0.0, 2.0, 3.0, 4.0],
    }  # fmt: skip
    assert as_json(Marked(Seen(1, 0.5)), {})["name"] == "1"
