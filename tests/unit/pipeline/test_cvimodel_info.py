from __future__ import annotations

from typing import Any

import pytest
from cvimodel_listings import CLASSIFIER, COMPARISONS, LISTING, TIME, outputs

from cvimake.core.errors import CvimakeError, StageFailedError
from cvimake.pipeline.cvimodel_info import Info, examine, over_budget
from cvimake.project.model import Budget


def known(listing: str = CLASSIFIER, time: dict[str, Any] | None = None) -> Info:
    return examine("net.cvimodel", 1000, listing, time or TIME, {"comparisons": COMPARISONS})


def test_listing_size_validation_and_recognition_come_together() -> None:
    info = known()
    assert (info.name, info.size, info.ion_memory, info.schema_version) == ("yolo", 1000, 5.55, 1)
    assert [found.cosine for found in info.similarity] == [0.99, 1.0]
    assert info.recognised_as == info.recognition.as_ == "classifier"


def test_without_a_validation_there_is_no_similarity() -> None:
    assert examine("net.cvimodel", 1000, CLASSIFIER, TIME, {}).similarity == ()


def test_text_that_is_not_a_listing_is_refused() -> None:
    with pytest.raises(CvimakeError):
        known("rubbish")


# The budget


@pytest.mark.parametrize(
    "budget",
    [
        {},
        {"size": 1000},
        {"ion_memory": 5.55},
        {"recognised_as": "classifier"},
        {"works_on_camera": False},
        {"size": 1001, "ion_memory": 6},
        {"milliseconds": 2.5},
    ],
)
def test_a_cvimodel_within_its_budget_passes(budget: dict[str, Any]) -> None:
    assert over_budget(known(), Budget(**budget)) == []


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        ({"size": 999}, "size: 1000 bytes, at most 999 are declared"),
        ({"ion_memory": 5.5}, "ion_memory: 5.55 MB, at most 5.5 are declared"),
        (
            {"milliseconds": 2.4},
            "milliseconds: 2.500 are estimated at 500 MHz, at most 2.4 are declared",
        ),
        (
            {"recognised_as": "YOLO11"},
            "recognised_as: YOLO11 is declared, but the camera takes it for classifier",
        ),
    ],
)
def test_every_exceeded_budget_is_reported(budget: dict[str, Any], what: str) -> None:
    assert over_budget(known(), Budget(**budget)) == [what]


def test_a_file_that_does_not_work_on_the_camera_is_over_that_budget() -> None:
    found = known()
    assert (found.recognised_as, found.recognition.works) == ("classifier", "no")
    assert over_budget(found, Budget(works_on_camera=False)) == []
    (excess,) = over_budget(found, Budget(works_on_camera=True))
    assert excess.startswith("works_on_camera: the camera takes it for classifier, and that does not work: ")
    assert "What to do: " in excess


def test_a_file_that_the_camera_refuses_does_not_work_on_it() -> None:
    (excess,) = over_budget(known(LISTING), Budget(works_on_camera=True))
    assert excess.startswith("works_on_camera: the camera refuses it: no kind of model has the outputs ")


def test_an_unrecognised_cvimodel_is_reported_with_the_reason() -> None:
    (excess,) = over_budget(known(LISTING), Budget(recognised_as="YOLO11"))
    assert "nothing: no kind of model has the outputs [1, 64, 52, 52], [1, 80, 52, 52]" in excess


def test_a_budget_of_time_that_nobody_can_check_is_an_excess() -> None:
    info = known(time={"unknown": "another processor"})
    (excess,) = over_budget(info, Budget(milliseconds=1000))
    assert excess == ("milliseconds: at most 1000 are declared, but there is no estimate: another processor")


# The outputs


def test_the_declaration_of_relative_boxes_decides_whether_a_yolov5_works() -> None:
    listing = LISTING.replace("boxes_f32,scores", "boxes_f32").replace("64   52   52 ", "10647 85   1  ")
    listing = listing.replace("fp32  1    3    416  416", "uint8  1    416    416  3")
    answers = {
        relative: examine(
            "net.cvimodel", 0, listing, TIME, {}, outputs=outputs(listing, relative_boxes=relative)
        ).recognition.works
        for relative in (None, True, False)
    }
    assert answers == {None: "unclear", True: "yes", False: "no"}


def test_outputs_in_another_order_are_refused() -> None:
    swapped = LISTING.replace("boxes_f32,scores", "scores,boxes_f32")
    with pytest.raises(StageFailedError, match=r"come as scores, boxes_f32; declared are boxes, scores"):
        examine("net.cvimodel", 0, swapped, TIME, {}, outputs=outputs(LISTING))
