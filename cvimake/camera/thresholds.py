"""The thresholds with which the camera decodes: the least score, and the overlap that makes a double.

The firmware has the first ones (`ma_model_detector.cpp`, `ma_model_classifier.cpp`). A flow of the camera's
Node-RED sets its own, and so does its web page. An NvidiaDet has a fixed least score of 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """The limits of a decoding.

    Attributes:
        score: the score that a detection must exceed.
        overlap: the intersection over union above which the less sure of two boxes is dropped.
    """

    score: float
    overlap: float


FIRMWARE = Thresholds(score=0.25, overlap=0.45)
CLASSIFIER = Thresholds(score=0.5, overlap=0.45)
BUNDLED_FLOW = Thresholds(score=0.5, overlap=0.4)
WEB_PAGE = Thresholds(score=0.45, overlap=0.25)


def of_firmware(kind: str) -> Thresholds:
    """Return the thresholds of a kind where nothing else sets them."""
    return CLASSIFIER if kind == "classifier" else FIRMWARE
