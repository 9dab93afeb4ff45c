from __future__ import annotations

from typing import Any

from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.report import accuracy


def measured(details: dict[str, Any], value: float = 0.8) -> Measured:
    figure = Figure(metric="mAP50-95", value=value, standard_error=0.01)
    return Measured(
        network="n", sha256="0", images=8, kind="YOLO11", figure=figure, camera=figure, agreement=None,
        field_details=details,
    )  # fmt: skip


def boxes(**classes: float) -> dict[str, Any]:
    rows = {name: {"map50_95": value, "objects": 3} for name, value in classes.items()}
    return {"boxes": {"classes": rows, "sizes": {"small": {"map50_95": 0.5}}}}


def test_each_class_has_the_value_of_every_network() -> None:
    of_float, ours = measured(boxes(cat=0.9, dog=0.8)), measured(boxes(cat=0.7, dog=0.8))
    of_classes, of_sizes = accuracy.breakdowns(of_float, {"int8": ours})
    assert of_classes.parts == ("cat", "dog")
    assert of_classes.counts == (3, 3)
    assert {one.name: one.values for one in of_classes.series} == {"float": (0.9, 0.8), "int8": (0.7, 0.8)}
    assert of_sizes.parts == ("small",)
    assert accuracy.worst(of_classes, "int8") == [("cat", 0.9 - 0.7)]
    assert accuracy.worst(of_classes, "another") == []


def test_a_segmenter_is_broken_down_by_its_masks() -> None:
    details = boxes(cat=0.9) | {"masks": boxes(cat=0.4)["boxes"]}
    (of_classes, _) = accuracy.breakdowns(measured(details), {})
    assert of_classes.series[0].values == (0.4,)


def test_a_classifier_is_broken_down_by_its_first_guess() -> None:
    details = {"top1": 0.5, "classes": {"cat": {"images": 2, "top1": 0.5}}}
    (of_classes,) = accuracy.breakdowns(measured(details), {})
    assert (of_classes.metric, of_classes.counts) == ("top1", (2,))


def test_without_labels_there_is_nothing_to_break_down() -> None:
    assert accuracy.breakdowns(measured({}), {"int8": measured({})}) == ()
    assert accuracy.breakdowns(None, {}) == ()


def test_the_drop_is_from_the_float_network() -> None:
    found = accuracy.beside_float(measured({}, 0.75), measured({}, 0.8))
    assert found.drop is not None
    assert round(found.drop, 6) == 0.05
    assert accuracy.beside_float(measured({}), None).drop is None
