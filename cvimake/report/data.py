"""The contents of a report as values, the same for pages, Markdown and JSON."""

from __future__ import annotations

from typing import Literal

from cvimake.core.paths import BUILD
from cvimake.pipeline.accuracy import Figure
from cvimake.report.variant_data import File, Trouble, Value, Variant

# Where the pages are, in a project.
FOLDER = BUILD / "report"
# The kinds of parts that a figure is broken down into.
Part = Literal["class", "size"]
# The things of detections that are compared.
Detected = Literal["boxes", "masks", "keypoints"]


class Threshold(Value):
    """The threshold of a layer's values in INT8, and the extremes that the calibration has seen."""

    layer: str
    threshold: float
    lowest: float
    highest: float

    @property
    def clipped(self) -> float:
        """The part of the seen range, from 0 to 1, that lies beyond the threshold."""
        extreme = max(abs(self.lowest), abs(self.highest))
        return max(0.0, 1 - self.threshold / extreme) if extreme else 0.0


class Series(Value):
    """The values of one network: the float network, or a variant."""

    name: str
    values: tuple[float | None, ...]


class Breakdown(Value):
    """A figure of accuracy in parts: for each class, or for each size of objects.

    Attributes:
        metric: the figure.
        of: the kind of the parts: `class` or `size`.
        counts: objects or images of each part; empty if they are not known.
        series: the float network first.
    """

    metric: str
    of: Part
    parts: tuple[str, ...]
    counts: tuple[int, ...]
    series: tuple[Series, ...]


class Curve(Value):
    """The precision of a network at recalls from 0 to 1 in equal steps, the mean of all classes."""

    name: str
    precision: tuple[float, ...]


class Curves(Value):
    """Precision over recall at an overlap of 0.5.

    Attributes:
        of: `boxes`, `masks` or `keypoints`.
        truth: `labels`, or `float`: then the sure detections of the float network stand for them.
        networks: the float network first, if there are labels.
    """

    of: Detected
    truth: Literal["labels", "float"]
    networks: tuple[Curve, ...]

    @property
    def spread(self) -> float:
        """The largest difference of two networks' precision at the same recall; 1 for a single network."""
        if len(self.networks) == 1:
            return 1.0
        rows = zip(*(one.precision for one in self.networks), strict=False)
        return max((max(row) - min(row) for row in rows), default=1.0)


class Confusion(Value):
    """Images of one class that were taken for another.

    Attributes:
        of: the class of the label, or without labels that of the float network.
        images: how many, by the name of the network; a network is missing if others are more frequent there.
    """

    of: str
    taken_for: str
    images: dict[str, int]


class Change(Value):
    """A difference from the last release."""

    subject: str
    what: str
    old: str
    new: str


class Preview(Value):
    """A picture of the objects that the variants find.

    Attributes:
        path: the whole picture, relative to the project.
        state: what a build would do with it, in the words of `plan`.
    """

    path: str
    sha256: str
    state: str


class Suggestion(Value):
    """The variant to ship, and the reason; without a variant, the reason why none is suggested."""

    variant: str
    reason: str


class Model(Value):
    """One model.

    Attributes:
        state: `up to date`, or what a build would do.
        troubles: why it cannot be built.
        notes: doubts about the figures of accuracy.
        thresholds: of the calibration, in the order of the network.
        release: the last release; empty if there is none with this model.
        changes: from this release to now.
        changes_in_words: which variants have changed since, why, and what it did to them, in sentences.
        curves: None for a classifier, and if nothing was measured.
        confusions: of a classifier, those first that a variant has more often than the float network.
    """

    name: str
    description: str
    declaration: str
    state: str
    suggestion: Suggestion
    troubles: tuple[Trouble, ...] = ()
    metric: str = ""
    images: int = 0
    of_float: Figure | None = None
    of_float_camera: Figure | None = None
    variants: tuple[Variant, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    curves: Curves | None = None
    confusions: tuple[Confusion, ...] = ()
    notes: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    previews: tuple[Preview, ...] = ()
    release: str = ""
    changes: tuple[Change, ...] = ()
    changes_in_words: tuple[str, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def trouble(self) -> str:
        """Return the first trouble in a line, for a place where the name and the state stand before it."""
        cause = self.troubles[0].cause.partition("\n")[0] if self.troubles else ""
        return cause.removeprefix(f"{self.name} ").removeprefix(f"{self.state} ")


class Report(Value):
    """A project's report.

    Attributes:
        project: the name of the project.
        commit: of the sources; empty without git. With changes to them, it ends in `, with changes`.
        pool: MiB of the camera's memory that models, pictures and video share.
    """

    schema_version: Literal[1] = 1
    project: str
    cvimake: str
    commit: str
    toolchain: str
    pool: int
    models: tuple[Model, ...]
