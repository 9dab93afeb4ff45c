"""The evaluation's program; see `__init__.py`."""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import layouts
import numpy as np
from decoders import camera_view, field_view
from decoders.comparison import Comparison, sums_of
from decoders.letterbox import Letterbox
from decoders.outputs import Detections, Labels, Output, Size, Thresholds, UndecodableError
from process_group import bounds, take_more
from tqdm import tqdm

from . import coco_results, figures
from .figures import Figures, no_kind
from .networks import Cvimodel, FloatNetwork, Network, Picture, Preparation
from .own_decoder_call import OwnDecoder
from .parts import Parts, name_of
from .process_each import Begin, each, each_group
from .seen import Results, Seen, of_json

# Where detections are compared, outputs are too, on so many images: running the float network takes time.
_MOST_COMPARED = 8
# Stands for a kind where the project decodes.
OWN = "own decoder"
_OF_FIGURES = "the figures ({})"
# So many images are read, computed and decoded together.
_AT_ONCE = 8
# The progress is written at most so often.
_STEPS = 100


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
        self._kind = functools.cache(self._kind_of_shapes)

    def see(self, images: Sequence[dict[str, Any]], begin: Begin) -> Iterator[list[dict[str, Any]]]:
        """Yield what the network finds in some images at a time: for each the JSON value of a `Seen`.

        Some are read, then computed, then decoded: the simulator leaves nothing in the processor's caches, so
        after each run the rest would take twice as long.

        Args:
            images: `id`, `file` and `name` of each.
            begin: is told the place of the image that is worked on.
        """
        size, pad = self._network.size, self._options["pad_value"]
        for start in range(0, len(images), _AT_ONCE):
            some = dict(enumerate(images[start : start + _AT_ONCE], start))
            pictures, outputs, seen = {}, {}, []
            for place, image in some.items():
                begin(place)
                pictures[place] = picture_of(self._images / image["file"], size, pad)
            for place, (picture, _) in pictures.items():
                begin(place)
                outputs[place] = self._network.run(picture)
            for place, image in some.items():
                begin(place)
                seen.append(self._seen(image["id"], *pictures[place], outputs[place]))
            yield seen

    def _seen(
        self, image: int, picture: Picture, place: Letterbox, outputs: Sequence[Output]
    ) -> dict[str, Any]:
        kind = self._kind(tuple(output.shape for output in outputs))
        field, field_reason = self._decoded(lambda: self._field(kind, outputs))
        camera, camera_reason = self._decoded(lambda: self._camera(kind, outputs))
        compared: list[list[list[float]]] = []
        is_compared = field is None or image in compared_images(len(self._options["images"]))
        if is_compared and self._network is not self._float:
            pairs = zip(self._float.run(picture), outputs, strict=True)
            compared = [sums_of(ours.numbers(), theirs.numbers()).tolist() for ours, theirs in pairs]
        keypoints = field.keypoints if isinstance(field, Detections) else None
        seen = Seen(
            kind=OWN if self._decoder else kind,
            field_reason=field_reason,
            camera_reason=camera_reason,
            points=0 if keypoints is None else keypoints.shape[1],
            field=coco_results.of_image(in_image(place, field), image),
            camera=coco_results.of_image(in_image(place, camera), image),
            compared=compared,
        )
        return seen.as_json()

    def _kind_of_shapes(self, shapes: Sequence[tuple[int, ...]]) -> str:
        """Return the kind by the firmware's own rules, which look at shapes of outputs alone."""
        image = layouts.Image(self._network.input_shape)
        if layouts.unfit(image):
            return ""
        rules = self._options["kinds"].items()
        return next((kind for kind, rule in rules if getattr(layouts, rule)(image, shapes)), "")

    def _field(self, kind: str, outputs: Sequence[Output]) -> Detections | Labels:
        if self._decoder:
            return self._decoder(outputs, self._network.size)
        if not kind:
            raise UndecodableError(no_kind(len(outputs)))
        rules = field_view.Rules(relative_boxes=self._options["relative_boxes"])
        return field_view.decode(kind, outputs, self._network.size, rules)

    def _camera(self, kind: str, outputs: Sequence[Output]) -> Detections | Labels:
        if self._decoder:
            raise UndecodableError("the project's own decoder makes its boxes")
        if not kind:
            raise UndecodableError(no_kind(len(outputs)))
        return camera_view.decode(kind, outputs, self._network.size, thresholds(self._options, kind))

    @staticmethod
    def _decoded(
        decode: Callable[[], Detections | Labels],
    ) -> tuple[Detections | Labels | None, str]:
        """Return what a decoder finds, or why it cannot decode."""
        try:
            return decode(), ""
        except UndecodableError as error:
            return None, str(error)


def picture_of(path: Path, size: Size, pad: int) -> tuple[Picture, Letterbox]:
    """Return an image as the picture that the camera would give, and its place in it.

    Raises:
        ValueError: it cannot be read.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("the image cannot be read; it may be cut off")
    place = Letterbox.of(Size(*pixels.shape[:2]), size)
    if place.inner != place.image:
        pixels = cv2.resize(pixels, (place.inner.width, place.inner.height))
    return place.framed(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), pad), place


def compared_images(count: int) -> range:
    """Return the ids of those of some images on which outputs are compared although a decoder fits."""
    return range(0, count, -(-count // _MOST_COMPARED))


def in_image(place: Letterbox, found: Detections | Labels | None) -> Detections | Labels | None:
    """Return what was found in pixels of the image."""
    return place.in_image(found) if isinstance(found, Detections) else found


def main(
    folder: Path, options: dict[str, Any], files: Sequence[Path], parts: Parts, only: range | None = None
) -> None:
    """Evaluate a network on the images of a folder, and write its figures and detections to three files.

    Args:
        folder: with the images.
        options: those of the evaluation.
        files: for figures, and for detections as the field and as the camera see them.
        parts: what an evaluation with the same key had finished.
        only: the numbers of the groups that are evaluated, and each written to a file; None for all groups.
    """
    result, detections, camera_detections = files
    evaluation, images, together = Evaluation(options, folder), options["images"], options["together"]
    labels = json.loads(Path(options["labels"]).read_text(encoding="utf-8")) if options["labels"] else None
    groups = {
        start // together: images[start : start + together] for start in range(0, len(images), together)
    }
    if only is not None:
        groups = {number: group for number, group in groups.items() if number in only}
    count = sum(map(len, groups.values()))
    ids = {number: [image["id"] for image in group] for number, group in groups.items()}
    found: dict[int, list[Seen]] = {}
    for number in groups:
        earlier = parts.read(number, functools.partial(of_json, images=ids[number]))
        if earlier is not None:
            found[number] = earlier
    done = sum(map(len, found.values()))
    sys.stdout.write(f"{count - done} of {count} images are to be evaluated\n")
    for known in found.values():
        refuse_misfit(options, labels, known[0])
    left = {number: group for number, group in groups.items() if number not in found}
    # A bar in the form that cvimake reads. The clock stands still, so it must not wait for a time to pass.
    steps = max(1, count // _STEPS)
    take_more(can=True)
    with tqdm(total=count, initial=done, desc="images", mininterval=0, miniters=steps) as bar:
        name = operator.itemgetter("name")
        for number, values in each_group(left, evaluation.see, lambda: bounds().processes, name, bar.update):
            found[number] = [Seen(**value) for value in values]
            refuse_misfit(options, labels, found[number][0])
            parts.write(number, values)
            if only is not None:
                Path(name_of(number)).write_text(json.dumps(values), encoding="utf-8")
    take_more(can=False)
    if only is not None:
        return
    everything = [seen for number in sorted(found) for seen in found[number]]
    text = json.dumps(
        measured(options, labels, everything, bounds().processes), indent=1, sort_keys=True, allow_nan=False
    )
    result.write_text(text + "\n", encoding="utf-8")
    for path, view in ((detections, "field"), (camera_detections, "camera")):
        path.write_text(coco_results.text(of_all(everything, view)), encoding="utf-8")


def refuse_misfit(options: dict[str, Any], labels: dict[str, Any] | None, seen: Seen) -> None:
    """End the program if the network cannot be compared with its labels."""
    of_kind = Figures(options, labels, seen.kind, thresholds(options, seen.kind).score)
    if misfit := of_kind.misfit(None if seen.field_reason else seen.points):
        sys.exit(misfit)


def of_all(everything: Sequence[Seen], view: str) -> Results:
    """Return what was found in all images by one of the two views."""
    return [one for seen in everything for one in getattr(seen, view)]


def measured(
    options: dict[str, Any], labels: dict[str, Any] | None, everything: Sequence[Seen], processes: int
) -> dict[str, Any]:
    """Return everything that was measured, as JSON.

    Args:
        options: those of the evaluation.
        labels: COCO's; None if the images have none.
        everything: what was seen in each image.
        processes: how many figures may be computed at one time.
    """
    first = everything[0]
    of_kind = Figures(options, labels, first.kind, thresholds(options, first.kind).score)
    compared = [
        (seen, image["name"])
        for seen, image in zip(everything, options["images"], strict=True)
        if seen.compared
    ]
    comparisons = [Comparison() for _ in first.compared]
    for seen, _ in compared:
        for comparison, sums in zip(comparisons, seen.compared, strict=True):
            comparison.add(np.array(sums))
    similarity = figures.of_outputs(comparisons, [name for _, name in compared])
    decoded = not first.field_reason
    # These stand for the whole; beside detections, they are one figure more.
    outputs = [] if decoded else similarity

    def agreement() -> tuple[dict[str, Any] | None, dict[str, Any]]:
        if not decoded or not options["float"]:
            return figures.agreement_of_outputs(outputs), {}
        of_float = figures.read_results(Path(options["float"]))
        return of_kind.agreement(of_float, of_all(everything, "field"))

    # The longest one first.
    views = {"field": decoded, "camera": decoded and not first.camera_reason}

    def compute(name: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        if name in views:
            return of_kind.accuracy(of_all(everything, name)) if views[name] else (None, {})
        return agreement()

    names = ["agreement", *views]
    # A process of their own would cost more than it brings.
    alone = map(compute, names) if processes == 1 else each(names, compute, processes, _OF_FIGURES.format)
    (agreeing, agreement_details), (field, field_details), (camera, camera_details) = alone
    network = options["cvimodel"] or options["network"]
    return {
        "schema_version": 1,
        "network": network,
        "sha256": hashlib.sha256(Path(network).read_bytes()).hexdigest(),
        "images": len(options["images"]),
        "kind": first.kind,
        "figure": field,
        "figure_reason": first.field_reason or of_kind.why_no_figure,
        "camera": camera,
        "camera_reason": first.camera_reason,
        "agreement": agreeing,
        "field_details": field_details,
        "camera_details": camera_details,
        "agreement_details": agreement_details,
        "outputs": outputs,
        "similarity": similarity if decoded else [],
    }


def thresholds(options: dict[str, Any], kind: str) -> Thresholds:
    """Return the thresholds of the camera for a kind, or for networks of no kind."""
    return Thresholds(**options["thresholds"].get(kind, options["thresholds"]["others"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="evaluation")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--earlier", type=Path, default=Path())
    parser.add_argument("options", type=Path)
    parser.add_argument("files", type=Path, nargs=3)
    parser.add_argument("--only", type=lambda text: range(*map(int, text.split(":"))))
    given = parser.parse_args()
    options = json.loads(given.options.read_text(encoding="utf-8"))
    main(given.images, options, given.files, Parts(given.earlier), given.only)
