"""Arranges figures of accuracy for a report: each variant beside the float network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cvimake.pipeline.accuracy import Measured, drop
from cvimake.report.data import Breakdown, Confusion, Curve, Curves, Detected, Part, Series
from cvimake.report.variant_data import Accuracy, OutputSimilarity

FLOAT = "float"
# The parts of detections. If there are several, the model is about the last one.
_PARTS: tuple[Detected, ...] = ("boxes", "masks", "keypoints")
_SIZES = ("small", "medium", "large")
# A smaller loss is shown as 0.000.
LEAST_LOSS = 0.0005
# Where the figures of parts are, by what the parts are.
_MEMBERS: Mapping[Part, str] = {"class": "classes", "size": "sizes"}


def beside_float(ours: Measured, theirs: Measured | None, names: Sequence[str] = ()) -> Accuracy:
    """Return the accuracy of a cvimodel, beside the float network's.

    Args:
        ours: the figures of the cvimodel.
        theirs: the figures of the float network; None if it was not measured.
        names: of the outputs; one without a name gets its number.
    """
    outputs = tuple(
        OutputSimilarity(
            name=names[number] if number < len(names) else str(number),
            cosine=output.get("cosine"),
            signal_to_noise=output.get("signal_to_noise"),
            worst_image=str(output.get("worst_image") or ""),
            images=int(output.get("images", ours.images)),
        )
        for number, output in enumerate(ours.outputs or ours.similarity)
    )
    return Accuracy(
        images=ours.images,
        figure=ours.figure,
        camera=ours.camera,
        camera_reason=ours.camera_reason,
        agreement=ours.agreement,
        drop=drop(ours.figure, theirs.figure if theirs else None),
        camera_drop=drop(ours.camera, theirs.camera if theirs else None),
        outputs=outputs,
    )


def breakdowns(of_float: Measured | None, variants: Mapping[str, Measured]) -> tuple[Breakdown, ...]:
    """Return the accuracy of each class and of each size of objects; none without labels."""
    measured = {FLOAT: of_float, **variants} if of_float else dict(variants)
    known = {name: _part(one.field_details) for name, one in measured.items()}
    if not any(details for details, _ in known.values()):
        return _of_agreement(variants)
    key, metric = next(((key, metric) for _, (key, metric) in known.values() if key), ("", ""))
    found = []
    for of, member in _MEMBERS.items():
        rows = {name: details.get(member) or {} for name, (details, _) in known.items()}
        parts = _names(rows.values(), of)
        if parts and key:
            found.append(_breakdown(metric, of, key, parts, rows))
    return tuple(found)


def _of_agreement(variants: Mapping[str, Measured]) -> tuple[Breakdown, ...]:
    """Return the agreement of each class; without labels, nothing else is known. The float network has 1."""
    boxes = {name: one.agreement_details.get("boxes") or {} for name, one in variants.items()}
    rows = {name: (found.get("at_threshold") or {}).get("classes") or {} for name, found in boxes.items()}
    # If there are many classes and few images, most classes are in no image.
    parts = [
        part
        for part in _names(rows.values(), "class")
        if any(_value(row, part, "f1") for row in rows.values())
    ]
    of_float = Series(name=FLOAT, values=(1.0,) * len(parts))
    series = (
        Series(name=name, values=tuple(_value(row, part, "f1") for part in parts))
        for name, row in rows.items()
    )
    if not parts:
        return ()
    return (
        Breakdown(metric="agreement", of="class", parts=tuple(parts), counts=(), series=(of_float, *series)),
    )


def _value(row: Mapping[str, Any], part: str, key: str) -> float | None:
    found: float | None = (row.get(part) or {}).get(key)
    return found


def _part(details: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, str]]:
    """Return the figures that classes have, with the key of one and its name."""
    for part in reversed(_PARTS):
        if part in details:
            return details[part], ("map50_95", "mAP50-95")
    return (details, ("top1", "top1")) if "top1" in details else ({}, ("", ""))


def _names(rows: Iterable[Mapping[str, Any]], of: Part) -> tuple[str, ...]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    is_known = of == "size" and set(names) <= {*_SIZES}
    return tuple(sorted(names, key=_SIZES.index)) if is_known else tuple(names)


def _breakdown(
    metric: str,
    of: Part,
    key: str,
    parts: Sequence[str],
    rows: Mapping[str, Mapping[str, Any]],
) -> Breakdown:
    first = next(iter(rows.values()))
    counts = [first.get(part, {}).get("objects", first.get(part, {}).get("images")) for part in parts]
    return Breakdown(
        metric=metric,
        of=of,
        parts=tuple(parts),
        counts=tuple(counts) if all(count is not None for count in counts) else (),
        series=tuple(
            Series(name=name, values=tuple(row.get(part, {}).get(key) for part in parts))
            for name, row in rows.items()
        ),
    )


def curves(of_float: Measured | None, variants: Mapping[str, Measured]) -> Curves | None:
    """Return precision over recall, against the labels, or without them against the float network."""
    labelled = {
        name: one.field_details
        for name, one in {FLOAT: of_float, **variants}.items()
        if one and one.field_details
    }
    details = labelled or {name: one.agreement_details for name, one in variants.items()}
    for part in reversed(_PARTS):
        found = {name: (one.get(part) or {}).get("precision_over_recall") for name, one in details.items()}
        if networks := tuple(
            Curve(name=name, precision=tuple(curve)) for name, curve in found.items() if curve
        ):
            return Curves(of=part, truth="labels" if labelled else "float", networks=networks)
    return None


def confusions(of_float: Measured | None, variants: Mapping[str, Measured]) -> tuple[Confusion, ...]:
    """Return how often one class was taken for another.

    Without labels, the classes that the float network sees stand for them.
    """
    details = {name: one.field_details for name, one in {FLOAT: of_float, **variants}.items() if one}
    if not any(details.values()):
        details = {name: one.agreement_details for name, one in variants.items()}
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for name, one in details.items():
        for confused in one.get("confusions") or ():
            pairs.setdefault((confused["of"], confused["as"]), {})[name] = confused["images"]

    def weight(images: Mapping[str, int]) -> tuple[int, int]:
        most = max(images.values())
        return most - images.get(FLOAT, 0), most

    # Equal ones stay in the order of the networks, where the most frequent ones come first.
    order = sorted(pairs.items(), key=lambda pair: weight(pair[1]), reverse=True)
    return tuple(Confusion(of=of, taken_for=other, images=images) for (of, other), images in order)


def largest_difference(breakdown: Breakdown) -> float | None:
    """Return the largest difference of a variant from the float network in a part; None if none is known."""
    first, *others = breakdown.series
    if first.name != FLOAT:
        return None
    return max(
        (
            abs(ours - theirs)
            for one in others
            for theirs, ours in zip(first.values, one.values, strict=True)
            if theirs is not None and ours is not None
        ),
        default=None,
    )


def worst(breakdown: Breakdown, name: str, most: int = 3) -> list[tuple[str, float]]:
    """Return the parts in which a variant loses most, each with its loss; only losses."""
    by_name = {series.name: series.values for series in breakdown.series}
    if FLOAT not in by_name or name not in by_name:
        return []
    lost = [
        (part, before - after)
        for part, before, after in zip(breakdown.parts, by_name[FLOAT], by_name[name], strict=True)
        if before is not None and after is not None and before - after >= LEAST_LOSS
    ]
    return sorted(lost, key=lambda pair: -pair[1])[:most]
