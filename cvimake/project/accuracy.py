"""`[accuracy]` of a `model.toml`: the images that a network is measured on, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from cvimake.project.dataset import Samples
from cvimake.project.declared import Declared, Fraction, Positive, Text, example, unusable_file

Metric = Literal["mAP50-95", "mAP50", "top1", "top5", "agreement"]
AccuracyTask = Literal["detect", "segment", "pose", "classify"]
_DECODER = re.compile(r"([^:]+\.py):([A-Za-z_]\w*)")


def _decoder(text: str) -> str:
    found = _DECODER.fullmatch(text)
    reason = unusable_file(found[1]) if found else "must be FILE.py:FUNCTION, such as decode.py:boxes"
    if reason:
        raise ValueError(reason)
    return text


class Accuracy(Declared):
    """The measurement of accuracy, on images. Without a dataset, nothing is measured."""

    dataset: Annotated[Text | None, example("street")] = None
    """The name of a dataset of images. Without labels, only the agreement with float is measured."""
    input_num: Annotated[Positive | None, example(100)] = None
    """The number of images, evenly spread. Without it, as many as take ten minutes of two cores."""
    task: AccuracyTask = "detect"
    """The network's task. Labels and figures are about its boxes, masks, keypoints or classes."""
    metric: Annotated[Metric | None, example("mAP50")] = None
    """The figure in tables; without it, mAP50-95 or, for classes, top1; without labels, agreement."""
    keypoints: Annotated[Positive | None, example(17)] = None
    """The number of keypoints of an object; without it, 17."""
    score_threshold: Annotated[Fraction | None, example(0.4)] = None
    """The least score that the camera shows; without it, the firmware's own."""
    iou_threshold: Annotated[Fraction | None, example(0.45)] = None
    """The overlap at which the camera drops the weaker of two boxes; without it, the firmware's own."""
    decoder: Annotated[Annotated[str, AfterValidator(_decoder)] | None, example("decode.py:boxes")] = None
    """A function of your own that makes boxes of the outputs: FILE.py:FUNCTION, beside the model.toml."""
    calibrated_too: bool = False
    """Allow images that the calibration uses too. The figures are then better than for new images."""


@dataclass(frozen=True, kw_only=True)
class DeclaredAccuracy:
    """The images of a measurement, and everything that decides its figures.

    Attributes:
        options: the declared values.
        images: the images by their path in the dataset, in its order.
        labels: of these images, as COCO's JSON; empty if the dataset has none.
        notes: what to tell before the measurement: of the labels, and of doubts about the figures.
        classes: the names of the network's classes; empty if they are not known.
        seconds: expected of the simulator for one image.
        calibration: the samples that are also calibrated with, if images must not be used for both.
    """

    options: Accuracy
    images: Mapping[str, Path]
    labels: str
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    seconds: float
    calibration: Samples | None

    @property
    def decoder(self) -> tuple[str, str] | None:
        """The file and the function of the project's own decoder; None if it has none."""
        if self.options.decoder is None:
            return None
        file, _, function = self.options.decoder.rpartition(":")
        return file, function
