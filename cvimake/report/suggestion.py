"""Suggests the variant to ship."""

from __future__ import annotations

from collections.abc import Sequence

from cvimake.core import units
from cvimake.report.data import Suggestion
from cvimake.report.variant_data import Variant


def suggest(variants: Sequence[Variant]) -> Suggestion:
    """Return the smallest variant that works on the camera and is as accurate as the best one.

    Two variants count as equally accurate if they differ by no more than the better one's standard error.
    """
    built = [one for one in variants if one.contents]
    if not built:
        return _none("no variant is built yet")
    working = [one for one in built if _works(one)]
    if not working:
        return _none(_why_none_works(built))
    usable = [one for one in working if one.state == "up to date" and not one.troubles]
    if not usable:
        return _none("every variant that works on the camera is out of date; build them first")
    if all(_value(one) is None for one in usable):
        return _none("accuracy was not measured; declare [accuracy] in model.toml")
    return _chosen([one for one in usable if _value(one) is not None])


def _chosen(usable: Sequence[Variant]) -> Suggestion:
    """Choose among variants that can be shipped and were measured."""
    best = max(usable, key=lambda one: (_value(one), -_size(one)))
    allowed = (best.figure.standard_error if best.figure else None) or 0.0
    highest = _value(best) or 0.0
    good = [one for one in usable if (_value(one) or 0.0) >= highest - allowed]
    chosen = min(good, key=lambda one: (_size(one), -(_value(one) or 0.0)))
    value, size = _value(chosen) or 0.0, units.size(_size(chosen))
    has_labels = chosen.accuracy is not None and chosen.accuracy.figure is not None
    most = f"the most accurate ({value:.3f})" if has_labels else f"nearest to the float network ({value:.3f})"
    if len(usable) == 1:
        reason = f"It is the only variant that can be shipped: {value:.3f}, {size}."
    elif chosen is not best:
        gap = f"{highest - value:.3f} less than {best.name}, and the standard error is {allowed:.3f}"
        alike = "of those that work on the camera and are as accurate as the best"
        reason = f"It is the smallest ({size}) {alike}: {value:.3f}, {gap}."
    elif len(good) == 1:
        reason = f"It is {most}; the others lose more than the standard error."
    else:
        reason = f"It is {most}, and no smaller one is as good ({size})."
    return Suggestion(variant=chosen.name, reason=reason)


def _none(reason: str) -> Suggestion:
    return Suggestion(variant="", reason=f"None can be suggested: {reason}.")


def _why_none_works(built: Sequence[Variant]) -> str:
    troubles = {one.contents.recognition.trouble for one in built if one.contents}
    return troubles.pop().rstrip(".") if len(troubles) == 1 else "none works on the camera; see the warnings"


def _works(variant: Variant) -> bool:
    return variant.contents is not None and variant.contents.recognition.works == "yes"


def _value(variant: Variant) -> float | None:
    return variant.figure.value if variant.figure else None


def _size(variant: Variant) -> int:
    return variant.contents.size if variant.contents else 0
