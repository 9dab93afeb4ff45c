"""The columns of the table at the end of a build that tell what each cvimodel sees."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.pipeline.stage import Row

if TYPE_CHECKING:
    from cvimake.pipeline.accuracy import Measured

_HEADINGS = ("accuracy", "on camera", "agreement")


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a float network and of a cvimodel made from it."""

    of_float: Measured
    of_cvimodel: Measured

    @property
    def texts(self) -> tuple[str, str, str]:
        """The cells of the columns: each figure, with its difference from the float network's."""
        from cvimake.pipeline.accuracy import difference  # noqa: PLC0415 - slow to import, and rarely needed

        ours, theirs = self.of_cvimodel, self.of_float
        return (
            f"{ours.figure or ''}{difference(ours.figure, theirs.figure)}",
            f"{ours.camera.number if ours.camera else ''}{difference(ours.camera, theirs.camera)}",
            ours.agreement.number if ours.agreement else "",
        )


def read(row: Row) -> Accuracy | None:
    """Return what was measured of a cvimodel; None if nothing was, or a file cannot be read."""
    if not row.accuracy:
        return None
    from cvimake.pipeline.accuracy import Measured  # noqa: PLC0415 - slow to import, and rarely needed

    try:
        of_float, of_cvimodel = (Measured.model_validate_json(path.read_bytes()) for path in row.accuracy)
    except (OSError, ValueError):
        # The next build makes a damaged file again.
        return None
    return Accuracy(of_float, of_cvimodel)


class Columns:
    """The columns of the table: those in which any row has a figure.

    Args:
        measured: what was measured of each row; None if nothing was.
    """

    def __init__(self, measured: Mapping[Row, Accuracy | None]) -> None:
        nothing = ("",) * len(_HEADINGS)
        self._texts = {row: accuracy.texts if accuracy else nothing for row, accuracy in measured.items()}
        self._shown = [
            place for place in range(len(_HEADINGS)) if any(row[place] for row in self._texts.values())
        ]

    @property
    def headings(self) -> list[str]:
        """The headings of the columns; empty if nothing was measured."""
        return [_HEADINGS[place] for place in self._shown]

    def cells(self, row: Row) -> list[str]:
        """Return the cells of a row."""
        return [self._texts[row][place] for place in self._shown]


def explanations(measured: Mapping[Row, Accuracy | None]) -> Iterator[str]:
    """Yield a line for each model: what its figures are, and those of the float network."""
    told = set()
    for row, accuracy in measured.items():
        if accuracy and row.model not in told:
            told.add(row.model)
            yield _explanation(row.model, accuracy)


def not_worth_their_size(measured: Mapping[Row, Accuracy | None], sizes: Mapping[Row, int]) -> Iterator[str]:
    """Yield a line for each variant that has no better figure than a smaller one of the same model.

    Args:
        measured: what was measured of each row; None if nothing was.
        sizes: the sizes of the cvimodels in bytes, where they are known.
    """
    values = {
        row: accuracy.of_cvimodel.figure.value
        for row, accuracy in measured.items()
        if accuracy and accuracy.of_cvimodel.figure and row in sizes
    }
    for row, value in values.items():
        as_good = [
            other
            for other, theirs in values.items()
            if other.model == row.model
            and sizes[other] < sizes[row]
            and value is not None
            and theirs is not None
            and theirs >= value
        ]
        if as_good:
            best = min(as_good, key=sizes.__getitem__).variant
            yield f"{row.model}: {row.variant} is no more accurate than {best}, which is smaller"


def of_float_networks(measured: Mapping[str, Path], shown: Container[str]) -> Iterator[str]:
    """Yield a line with the accuracy of each float network that the table says nothing about.

    Args:
        measured: the files with their accuracy, by the models' names.
        shown: the models that have a row in the table.
    """
    from cvimake.pipeline.accuracy import Measured  # noqa: PLC0415 - slow to import, and rarely needed

    for model, path in measured.items():
        if model in shown:
            continue
        with contextlib.suppress(OSError, ValueError):
            # The next build makes a damaged file again.
            yield _of_float(model, Measured.model_validate_json(path.read_bytes()))


def _of_float(model: str, of_float: Measured) -> str:
    if of_float.figure is None:
        return f"{model}: the float network has no figure of its own: {of_float.figure_reason}"
    figure = of_float.figure
    on_camera = _on_camera(of_float)
    return f"{model}: the float network has {figure.metric} {figure} on {_images(of_float)}{on_camera}"


def _images(measured: Measured) -> str:
    return "1 image" if measured.images == 1 else f"{measured.images} images"


def _on_camera(of_float: Measured) -> str:
    """Return the figure that the camera shows, as the end of a sentence; empty if there is none."""
    return f", {of_float.camera.number} as the camera shows it" if of_float.camera else ""


def _explanation(model: str, accuracy: Accuracy) -> str:
    of_float = accuracy.of_float
    figure = of_float.figure
    images = _images(of_float)
    if figure is None:
        reason = accuracy.of_cvimodel.why_agreement_is_unknown
        return (
            f"{model}: agreement with the float network, on {images}{': unknown' if reason else ''}{reason}"
        )
    return (
        f"{model}: accuracy is {figure.metric} on {images}, ± its standard error; "
        f"the float network has {figure.number}{_on_camera(of_float)}"
    )
