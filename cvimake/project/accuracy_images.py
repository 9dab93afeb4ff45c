"""The images that a network is measured on, with their labels."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvimake.core.errors import DeclarationError
from cvimake.project import accuracy_warnings, labels_cache, sampling
from cvimake.project.accuracy import Accuracy, DeclaredAccuracy
from cvimake.project.dataset import Samples
from cvimake.project.labels import Labels, Purpose, label_files, read_labels
from cvimake.project.lines import Key
from cvimake.project.mistakes import File
from cvimake.project.model import Budget
from cvimake.project.options import ModelInput
from cvimake.project.sampling import Datasets

if TYPE_CHECKING:
    # It imports this module.
    from cvimake.project.declarations import DeclaredVariant

# The most core seconds that the simulator may take where no number of images is declared: ten minutes of two.
_MOST_SECONDS = 1200.0
# Seconds of the simulator for one value of the input and one byte of the network's file: measured 3.3e-13 for
# shapes and 1.2e-13 for YOLO11n as INT8, twice as much in float.
_SECONDS = 3e-13
_UNKNOWN_BYTES = 10_000_000
_USUAL_SHAPE = (3, 640, 640)
_KEY = ("accuracy",)
# The number of keypoints of a person in COCO.
_KEYPOINTS = 17
_FORMATS = frozenset({None, "RGB_PACKED", "RGB_PLANAR", "BGR_PACKED", "BGR_PLANAR", "GRAYSCALE"})


@dataclass(frozen=True, kw_only=True)
class MeasuredModel:
    """The part of a model that decides what is measured.

    Attributes:
        source: the network's file.
        classes: the file with the names of the classes; None if there is none.
        variants: all of them; each is measured.
        outputs: the declared names of the network's outputs.
        calibration: the samples that the network is calibrated with.
        budget: the least that is declared.
    """

    inputs: ModelInput
    source: Path
    classes: Path | None
    variants: Sequence[DeclaredVariant]
    outputs: Sequence[str]
    calibration: Samples | None
    budget: Budget


def find(
    file: File, options: Accuracy, model: MeasuredModel, datasets: Datasets
) -> tuple[DeclaredAccuracy | None, list[str]]:
    """Return the images to measure on, None if there are none or they cannot be used, and the mistakes.

    Args:
        file: the declaration, for the place of a mistake.
        options: `[accuracy]`.
        model: the model that declares it.
        datasets: all that there are.
    """
    if not options.dataset:
        return None, [file.mistake(key, what) for key, what in _unmeasured(options, model.budget)]
    samples, mistakes = sampling.named(file, _KEY, options.dataset, datasets)
    if samples is None or mistakes:
        return None, mistakes
    faults = [*faults_of(options, model.inputs, model.variants, samples)]
    if datasets.right[options.dataset].labels:
        faults += [*_class_faults(model.classes), *_without_figure(options, model.budget)]
    else:
        faults += _unlabelled(options, model.budget)
    if mistakes := [file.mistake(key, what) for key, what in faults]:
        return None, mistakes
    seconds = seconds_per_image(model.inputs, model.source)
    count = sum(len(variant.processors) for variant in model.variants)
    images = _spread(samples, options.input_num or max(1, int(_MOST_SECONDS / (seconds * count))))
    names = lines(model.classes)
    try:
        labels = _labels(datasets, file.path.parent.name, options, names, images)
    except DeclarationError as error:
        return None, error.cause.splitlines()
    declared = DeclaredAccuracy(
        options=options,
        images=images,
        labels=labels["coco"],
        notes=(*labels["notes"], *_warnings(options, model, len(images))),
        classes=tuple(labels["classes"]),
        seconds=seconds,
        calibration=None if options.calibrated_too else model.calibration,
    )
    return declared, []


def _warnings(options: Accuracy, model: MeasuredModel, images: int) -> Iterator[str]:
    yield from accuracy_warnings.few_images(images)
    yield from accuracy_warnings.int8_outputs(model.variants)
    calibrates = model.calibration is not None
    yield from accuracy_warnings.other_pictures(model.inputs, model.variants, calibrates=calibrates)
    yield from accuracy_warnings.yolo26_scores(options, model.outputs)


def _labels(
    datasets: Datasets,
    model: str,
    options: Accuracy,
    classes: tuple[str, ...],
    images: Mapping[str, Path],
) -> dict[str, Any]:
    """Return the labels of some images in COCO's form, their notes, and the names of the classes.

    Raises:
        DeclarationError: with every mistake in the labels.
    """
    dataset = datasets.right[options.dataset or ""]
    if dataset.labels is None:
        return {"coco": "", "notes": (), "classes": classes}
    purpose = Purpose(task=options.task, classes=classes, keypoints=options.keypoints or _KEYPOINTS)

    def read() -> bytes:
        every = read_labels(dataset, purpose)
        found = _of(every, images)
        values = {
            "coco": found.coco().decode(),
            "notes": (*found.notes, *_lost_classes(every, found)),
            "classes": found.classes,
        }
        return json.dumps(values).encode()

    try:
        files = [*dataset.samples.files.values(), *label_files(dataset, purpose.task)]
    except (OSError, ValueError):
        # Reading the labels tells it.
        text = read()
    else:
        decided_by = purpose, str(dataset.labels), *images
        text = labels_cache.kept(datasets.root, f"{dataset.name}.{model}", decided_by, files, read)
    values: dict[str, Any] = json.loads(text)
    return values


def faults_of(
    options: Accuracy, inputs: ModelInput, variants: Sequence[DeclaredVariant], samples: Samples
) -> Iterator[tuple[Key, str]]:
    """Yield each reason why a network cannot be run on images, with the key that is at fault."""
    for key, what in _option_faults(options, inputs, samples):
        yield (*_KEY, key), what
    for variant in variants:
        if variant.options.fuse_preprocess and variant.options.customization_format not in _FORMATS:
            what = f"accuracy cannot be measured with {variant.options.customization_format}"
            yield ("variant", variant.name, "customization_format"), what


def _unmeasured(options: Accuracy, budget: Budget) -> Iterator[tuple[Key, str]]:
    """Yield a fault for each declaration that has no effect without images."""
    if options.model_fields_set:
        yield (*_KEY, "dataset"), "is missing, so nothing would be measured"
        return
    for name in ("accuracy", "accuracy_drop", "agreement"):
        if getattr(budget, name) is not None:
            yield ("budget", name), "needs images to measure on: declare dataset in [accuracy]"


def _unlabelled(options: Accuracy, budget: Budget) -> Iterator[tuple[Key, str]]:
    """Yield a fault for each declaration that has no effect without labels."""
    what = f"needs labels, and the dataset {options.dataset} has none"
    if options.metric not in {None, "agreement"}:
        yield (*_KEY, "metric"), what
    for name in ("accuracy", "accuracy_drop"):
        if getattr(budget, name) is not None:
            yield ("budget", name), what


def _without_figure(options: Accuracy, budget: Budget) -> Iterator[tuple[Key, str]]:
    """Yield a fault for each budget of a figure that is not made."""
    for name in ("accuracy", "accuracy_drop"):
        if options.metric == "agreement" and getattr(budget, name) is not None:
            yield ("budget", name), 'needs another metric than metric = "agreement" in [accuracy]'


def _class_faults(path: Path | None) -> Iterator[tuple[Key, str]]:
    """Yield a fault if the names of the classes cannot be matched with those of labels."""
    if path is None or not path.is_file():
        return
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        yield ("classes",), f"{path} is not UTF-8 text"
    names = Counter(lines(path))
    if doubles := [name for name, count in names.items() if count > 1]:
        yield ("classes",), f"{path} has the name {doubles[0]!r} twice"


def _option_faults(options: Accuracy, inputs: ModelInput, samples: Samples) -> Iterator[tuple[str, str]]:
    if samples.kinds - {"image"}:
        yield "dataset", "has arrays (npy, npz), but accuracy is measured on images"
    if len(inputs.shapes or [0]) > 1:
        yield (
            "dataset",
            "accuracy is measured of networks with one image as input, and [input] shapes has more",
        )
    batch = next((shape[0] for shape in inputs.shapes or [] if shape), 1)
    if batch != 1:
        yield (
            "dataset",
            f"accuracy is measured with one image at a time, and the batch of [input] shapes is {batch}",
        )
    if inputs.pixel_format not in {None, "rgb", "bgr", "gray"}:
        yield "dataset", f'accuracy is not measured with pixel_format = "{inputs.pixel_format}"'
    if options.input_num and options.input_num > samples.count:
        yield "input_num", f"is {options.input_num}, but the number of images is {samples.count}"
    of_classes = options.metric in {"top1", "top5"}
    if options.metric not in {None, "agreement"} and of_classes != (options.task == "classify"):
        yield "metric", f'{options.metric} is not a figure of task = "{options.task}"'
    if options.keypoints and options.task != "pose":
        yield "keypoints", 'needs task = "pose"'


def _spread(samples: Samples, wanted: int) -> dict[str, Path]:
    """Return so many images of a dataset, evenly spread; all if there are not so many."""
    names = list(samples.files)
    count = min(wanted, len(names))
    places = [place * len(names) // count for place in range(count)]
    return {names[place]: samples.files[names[place]] for place in places}


def _of(labels: Labels, images: Mapping[str, Path]) -> Labels:
    """Return the labels of some images alone."""
    kept = [place for place, image in enumerate(labels.images) if image.name in images]
    new = {old: place for place, old in enumerate(kept)}
    return dataclasses.replace(
        labels,
        images=tuple(labels.images[place] for place in kept),
        annotations=tuple(
            dataclasses.replace(each, image=new[each.image])
            for each in labels.annotations
            if each.image in new
        ),
    )


def _lost_classes(every: Labels, chosen: Labels) -> Iterator[str]:
    """Yield a note if the labels of the chosen images lack classes that other images have."""
    ours, all_of_them = ({one.category for one in labels.annotations} for labels in (chosen, every))
    if lost := len(all_of_them - ours):
        yield (
            f"{lost} of the dataset's classes are on none of the {len(chosen.images)} measured images; "
            "figures leave them out"
        )


def lines(path: Path | None) -> tuple[str, ...]:
    """Return the lines of a file; empty if there is none, which is told elsewhere."""
    try:
        text = path.read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def seconds_per_image(inputs: ModelInput, source: Path) -> float:
    """Return the seconds that the simulator takes for an image, estimated from the network's size."""
    shapes: Sequence[Sequence[int]] = inputs.shapes or [_USUAL_SHAPE]
    size = source.stat().st_size if source.is_file() else _UNKNOWN_BYTES
    return 0.05 + _SECONDS * math.prod(shapes[0]) * size
