"""Figures of how good detections are: against labels, or against the detections of the float network.

- `labelled_figures` has average precision of boxes, masks and keypoints, computed by pycocotools.
- `classifier_figures` has the same for classifiers: top-1 and top-5.
- `agreement` and `classifier_agreement` need no labels: the float network's sure detections are the truth.

Labels are a COCO dict, and detections a list of COCO results. Everything here computes values: equal input
gives equal figures. A figure is None if there is nothing that it could be about. Programs in the container
import this as `metrics`.
"""

from .agreement import agreement, classifier_agreement
from .classifiers import classifier_figures
from .detectors import labelled_figures

__all__ = ["agreement", "classifier_agreement", "classifier_figures", "labelled_figures"]
