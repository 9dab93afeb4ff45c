"""The accuracy of a release's networks, as `release:diff` reads and compares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from cvimake.core.errors import CvimakeError
from cvimake.pipeline.accuracy import Figure, Measured, drop
from cvimake.release import opened
from cvimake.release.opened import Opened

_ENDING, _OF_FLOAT = "_accuracy.json", "_float"
_NONE = "not measured"

# The accuracy of each network, by its name in a release without an ending.
Seen = Mapping[str, Measured]


def read(release: Opened) -> Seen:
    """Read what was measured of the networks of a release; empty if nothing was.

    Raises:
        CvimakeError: a file of it cannot be read.
    """
    found = {}
    for name in sorted(release.sizes):
        if name.endswith(_ENDING):
            try:
                measured = Measured.model_validate_json(opened.read(release, name))
            except ValidationError as error:
                problem = error.errors()[0]["msg"]
                raise CvimakeError(f"{name}: not the accuracy of a network: {problem}") from error
            found[name.removesuffix(_ENDING)] = measured
    return found


def of_cvimodel(name: str, seen: Seen) -> dict[str, str]:
    """Return what a cvimodel sees, as texts by the names of the properties."""
    model = name.partition("/")[0]
    ours, theirs = seen.get(name.removesuffix(".cvimodel")), seen.get(f"{model}/{model}{_OF_FLOAT}")
    lost = drop(ours.figure, theirs.figure) if ours and theirs else None
    return {
        "accuracy": _with_images(ours),
        "accuracy, from float": _NONE if lost is None else f"{0 - lost:+.4f}",
        "accuracy on camera": _number(ours.camera) if ours else _NONE,
        "agreement": _number(ours.agreement) if ours else _NONE,
    }


def of_float(old: Seen, new: Seen) -> Iterator[tuple[str, str, str]]:
    """Yield each model whose float network sees something else, with what it saw before and now."""
    for name in sorted({*old, *new}):
        model = name.partition("/")[0]
        before, after = _with_images(old.get(name)), _with_images(new.get(name))
        if name == f"{model}/{model}{_OF_FLOAT}" and before != after:
            yield model, before, after


def _with_images(measured: Measured | None) -> str:
    if measured is None:
        return _NONE
    figure, images = measured.figure, f"on {measured.images} images"
    if figure is None:
        return f"no figure, {images}"
    error = f" ±{figure.standard_error:.4f}" if figure.standard_error else ""
    return f"{figure.metric} {_number(figure)}{error} {images}"


def _number(figure: Figure | None) -> str:
    """Return a figure with one digit more than tables have, since a small change is still one."""
    return "-" if figure is None or figure.value is None else f"{figure.value:.4f}"
