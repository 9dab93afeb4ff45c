"""Reads the labels of a classifier: one folder for each class, which holds the images of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cvimake.project.labels.findings import Findings
from cvimake.project.labels.matching import matched
from cvimake.project.labels.values import Annotation, LabelledImage


def read(
    root: Path,
    images: Sequence[LabelledImage],
    folder: Path,
    *,
    classes: tuple[str, ...],
    findings: Findings,
) -> tuple[tuple[str, ...], list[Annotation]]:
    """Return the names of the classes, and the class of each image.

    Args:
        root: the folder that holds the folders of the classes.
        images: of the dataset.
        folder: the dataset's folder; the images' names are relative to it.
        classes: of the model; if it declares none, the folders in the order of their names are its classes.
        findings: takes mistakes and notes.
    """
    names: list[str | None] = []
    # Both can be declared with `..`.
    top = Path(os.path.normpath(root.absolute()))
    for image in images:
        path = Path(os.path.normpath(folder.absolute() / image.name))
        parts = path.relative_to(top).parts if top in path.parents else ()
        names.append(parts[0] if len(parts) > 1 else None)
        if len(parts) <= 1:
            findings.mistake(path, f"is in no folder of a class, below {root}")
    found = sorted({name for name in names if name is not None})
    index_of = matched(root, found, classes, findings, strict=True)
    annotations = [
        Annotation(number, index_of[name])
        for number, name in enumerate(names)
        if name is not None and name in index_of
    ]
    return classes or tuple(found), annotations
