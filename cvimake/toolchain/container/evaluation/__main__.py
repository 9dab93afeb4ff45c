"""The evaluation's program; see `__init__.py`."""

from __future__ import annotations

import argparse
import hashlib
import json
import operator
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import layouts
import numpy as np
from decoders import camera_view, field_view
from decoders.comparison import Comparison
from decoders.letterbox import Letterbox
from decoders.outputs import Detections, Labels, Output, Size, Thresholds, UndecodableError
from process_group import PROCESSES
from tqdm import tqdm

from . import coco_results, figures
from .figures import Figures, Results
from .networks import Cvimodel, FloatNetwork, Network, Picture, Preparation
from .own_decoder_call import OwnDecoder
from .process_each import each

# Stands for a kind where the project decodes.
OWN = "own decoder"


@dataclass(frozen=True)
class Seen:
    """The detections in one image.

    Attributes:
        field: as average precision is measured, in COCO's format of results.
        camera: as the camera shows it, in the same format.
        compared: the numbers of each output, of both networks; empty where a decoder fits.
    """

    field: list[dict[str, Any]]
    camera: list[dict[str, Any]]
    compared: tuple[tuple[Any, Any], ...]


class Evaluation:
    """The evaluation of one network on images."""

    def __init__(self, options: dict[str, Any], images: Path) -> None:
        """Load the network.

        Args:
            options: those of the evaluation.
            images: the folder with the images.
        """
        self._options, self._images = options, images
        preparation = Preparation(
            options["pixel_format"], tuple(options["mean"]), tuple(options["scale"]), options["channels_last"]
        )
        self._float = FloatNetwork(options["network"], preparation)
        self._network: Network = self._float
        if options["cvimodel"]:
            form = options["customization_format"]
            self._network = Cvimodel(options["cvimodel"], self._float.size, preparation, form)
        function = options["decoder"]
        self._decoder = OwnDecoder(function) if function else None

    def see(self, image: dict[str, Any]) -> Seen:
        """Return what the network finds in an image."""
        picture, place = picture_of(
            self._images / image["file"], self._network.size, self._options["pad_value"]
        )
        outputs = self._network.run(picture)
        kind = self._kind(outputs)
        field = self._field(kind, outputs)
        compared: tuple[tuple[Any, Any], ...] = ()
        if field is None and self._network is not self._float:
            pairs = zip(self._float.run(picture), outputs, strict=True)
            compared = tuple((ours.numbers(), theirs.numbers()) for ours, theirs in pairs)
        field, camera = (
            coco_results.of_image(in_image(place, found), image["id"])
            for found in (field, self._camera(kind, outputs))
        )
        return Seen(field, camera, compared)

    def examine(self, image: dict[str, Any]) -> tuple[str, str, int]:
        """Return the network's kind, why the camera shows nothing of it, and how many keypoints it finds.

        The reason is empty if the camera shows what it finds.
        """
        picture, _ = picture_of(self._images / image["file"], self._network.size, self._options["pad_value"])
        outputs = self._network.run(picture)
        kind = self._kind(outputs)
        if self._decoder:
            return OWN, "the project's own decoder makes its boxes", 0
        if not kind:
            return "", "the camera takes it for no kind of model", 0
        found = self._field(kind, outputs)
        keypoints = found.keypoints if isinstance(found, Detections) else None
        points = 0 if keypoints is None else keypoints.shape[1]
        try:
            camera_view.decode(kind, outputs, self._network.size, thresholds(self._options, kind))
        except UndecodableError as error:
            return kind, str(error), points
        return kind, "", points

    def _kind(self, outputs: Sequence[Output]) -> str:
        """Return the kind by the firmware's own rules, which look at shapes alone."""
        image = layouts.Image(self._network.input_shape)
        shapes = [output.shape for output in outputs]
        if layouts.unfit(image):
            return ""
        rules = self._options["kinds"].items()
        return next((kind for kind, rule in rules if getattr(layouts, rule)(image, shapes)), "")

    def _field(self, kind: str, outputs: Sequence[Output]) -> Detections | Labels | None:
        if self._decoder:
            return self._decoder(outputs, self._network.size)
        if not kind:
            return None
        rules = field_view.Rules(relative_boxes=self._options["relative_boxes"])
        try:
            return field_view.decode(kind, outputs, self._network.size, rules)
        except UndecodableError:
            return None

    def _camera(self, kind: str, outputs: Sequence[Output]) -> Detections | Labels | None:
        if not kind or self._decoder:
            return None
        try:
            return camera_view.decode(kind, outputs, self._network.size, thresholds(self._options, kind))
        except UndecodableError:
            return None


def picture_of(path: Path, size: Size, pad: int) -> tuple[Picture, Letterbox]:
    """Return an image as the picture that the camera would give, and its place in it.

    Raises:
        ValueError: it cannot be read.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("the image cannot be read; it may be cut off")
    place = Letterbox.of(Size(*pixels.shape[:2]), size)
    resized = cv2.resize(pixels, (place.inner.width, place.inner.height))
    picture: Picture = np.ascontiguousarray(place.framed(resized, pad)[..., ::-1])
    return picture, place


def in_image(place: Letterbox, found: Detections | Labels | None) -> Detections | Labels | None:
    """Return what was found in pixels of the image."""
    return place.in_image(found) if isinstance(found, Detections) else found


def main(folder: Path, options: dict[str, Any], files: Sequence[Path]) -> None:
    """Evaluate a network on the images of a folder, and write its figures and detections to three files."""
    result, detections, camera_detections = files
    evaluation, images = Evaluation(options, folder), options["images"]
    processes = max(1, int(os.environ.get(PROCESSES, "1")))
    name = operator.itemgetter("name")
    kind, reason, points = next(each(images[:1], evaluation.examine, 1, name))
    labels = json.loads(Path(options["labels"]).read_text(encoding="utf-8")) if options["labels"] else None
    of_kind = Figures(options, labels, kind, thresholds(options, kind).score)
    if misfit := of_kind.misfit(points):
        sys.exit(misfit)
    field: list[dict[str, Any]] = []
    camera: list[dict[str, Any]] = []
    comparisons: list[Comparison] = []
    everything = each(images, evaluation.see, processes, name)
    # A bar in the form that cvimake reads. The clock stands still, so it must not wait for a time to pass.
    for seen in tqdm(everything, total=len(images), desc="images", mininterval=0, miniters=1):
        field += seen.field
        camera += seen.camera
        comparisons = comparisons or [Comparison() for _ in seen.compared]
        for comparison, pair in zip(comparisons, seen.compared, strict=True):
            comparison.add(*pair)
    figures_of_all = measured(of_kind, options, (kind, reason), (field, camera), comparisons)
    text = json.dumps(figures_of_all, indent=1, sort_keys=True, allow_nan=False)
    result.write_text(text + "\n", encoding="utf-8")
    detections.write_text(coco_results.text(field), encoding="utf-8")
    camera_detections.write_text(coco_results.text(camera), encoding="utf-8")


def measured(
    of_kind: Figures,
    options: dict[str, Any],
    recognised: tuple[str, str],
    found: tuple[Results, Results],
    comparisons: Sequence[Comparison],
) -> dict[str, Any]:
    """Return everything that was measured, as JSON.

    Args:
        of_kind: makes the figures.
        options: those of the evaluation.
        recognised: the kind of the network, and why the camera shows nothing of it.
        found: as average precision is measured, and as the camera shows it.
        comparisons: of each output with the float network's, where nothing decodes them.
    """
    kind, reason = recognised
    decoded = bool(kind) and not comparisons
    figure, details = of_kind.accuracy(found[0]) if decoded else (None, {})
    camera, camera_details = of_kind.accuracy(found[1]) if decoded and not reason else (None, {})
    outputs = figures.of_outputs(comparisons, [image["name"] for image in options["images"]])
    agreement = figures.agreement_of_outputs(outputs)
    agreement_details: dict[str, Any] = {}
    if decoded and options["float"]:
        agreement, agreement_details = of_kind.agreement(
            figures.read_results(Path(options["float"])), found[0]
        )
    network = options["cvimodel"] or options["network"]
    return {
        "schema_version": 1,
        "network": network,
        "sha256": hashlib.sha256(Path(network).read_bytes()).hexdigest(),
        "images": len(options["images"]),
        "kind": kind,
        "figure": figure,
        "camera": camera,
        "camera_reason": reason,
        "agreement": agreement,
        "field_details": details,
        "camera_details": camera_details,
        "agreement_details": agreement_details,
        "outputs": outputs,
    }


def thresholds(options: dict[str, Any], kind: str) -> Thresholds:
    """Return the thresholds of the camera for a kind, or for networks of no kind."""
    return Thresholds(**options["thresholds"].get(kind, options["thresholds"]["others"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="evaluation")
    parser.add_argument("--images", type=Path)
    parser.add_argument("options", type=Path)
    parser.add_argument("files", type=Path, nargs=3)
    given = parser.parse_args()
    main(given.images, json.loads(given.options.read_text(encoding="utf-8")), given.files)
