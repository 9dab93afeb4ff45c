"""Labels of a dataset: COCO, Ultralytics and class folders become one value, which is written in one form."""

from cvimake.project.labels.overlap import shared_samples
from cvimake.project.labels.reading import label_files, read_labels
from cvimake.project.labels.values import Annotation, LabelledImage, Labels, Outline, Purpose, Runs, Task

__all__ = [
    "Annotation",
    "LabelledImage",
    "Labels",
    "Outline",
    "Purpose",
    "Runs",
    "Task",
    "label_files",
    "read_labels",
    "shared_samples",
]
