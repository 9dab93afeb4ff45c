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


def curve(part: str, *values: float) -> dict[str, Any]:
    return {part: {"precision_over_recall": list(values)}}


def test_the_curves_are_those_of_the_part_that_the_model_is_about() -> None:
    both = curve("boxes", 1.0, 0.9) | curve("keypoints", 0.5, 0.4)
    found = accuracy.curves(measured(both), {"int8": measured(curve("boxes", 0.3) | curve("keypoints", 0.2))})
    assert found
    assert (found.of, found.truth) == ("keypoints", "labels")
    assert [(one.name, one.precision) for one in found.networks] == [("float", (0.5, 0.4)), ("int8", (0.2,))]


def test_without_labels_the_curves_are_against_the_float_network() -> None:
    ours = measured({}).model_copy(update={"agreement_details": curve("masks", 0.9, 0.8)})
    found = accuracy.curves(measured({}), {"int8": ours})
    assert found
    assert (found.of, found.truth) == ("masks", "float")
    assert [one.name for one in found.networks] == ["int8"]


def test_a_classifier_and_images_without_objects_have_no_curve() -> None:
    assert accuracy.curves(measured({"top1": 0.5}), {"int8": measured({"top1": 0.5})}) is None
    assert accuracy.curves(None, {"int8": measured(curve("boxes"))}) is None


def confused(*pairs: tuple[str, str, int]) -> dict[str, Any]:
    return {"confusions": [{"of": of, "as": other, "images": images} for of, other, images in pairs]}


def test_the_confusions_that_a_variant_adds_come_first() -> None:
    of_float = measured(confused(("cat", "dog", 9), ("dog", "cat", 1)))
    ours = measured(confused(("cat", "dog", 9), ("rat", "cat", 4), ("dog", "cat", 2)))
    found = accuracy.confusions(of_float, {"int8": ours})
    assert [(one.of, one.taken_for, one.images) for one in found] == [
        ("rat", "cat", {"int8": 4}),
        ("dog", "cat", {"float": 1, "int8": 2}),
        ("cat", "dog", {"float": 9, "int8": 9}),
    ]


def test_without_labels_classes_are_confused_with_those_of_the_float_network() -> None:
    ours = measured({}).model_copy(update={"agreement_details": confused(("cat", "dog", 2))})
    (one,) = accuracy.confusions(measured({}), {"int8": ours})
    assert one.images == {"int8": 2}


def test_outputs_are_compared_on_their_own_number_of_images() -> None:
    output = {"cosine": 0.9, "signal_to_noise": 20.0, "worst_image": "a.jpg", "images": 2}
    ours = measured({}).model_copy(update={"similarity": (output,)})
    (shown,) = accuracy.beside_float(ours, None, ["boxes"]).outputs
    assert (shown.name, shown.cosine, shown.images) == ("boxes", 0.9, 2)
    (shown,) = accuracy.beside_float(ours, None).outputs
    assert shown.name == "0"
