"""Writes the text of a `model.toml` for a network, with comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cvimake.camera.camera_picture import PAD_VALUE, Rows
from cvimake.project import draft_variants
from cvimake.project.networks.findings import Findings
from cvimake.project.toml_text import comment, string

# Placeholders: the declaration is refused, with file and line, until somebody has replaced them.
CHOOSE_DATASET = "CHOOSE-A-DATASET"
CHOOSE_IMAGE = "CHOOSE-AN-IMAGE.jpg"
CHOOSE_FORMAT = "CHOOSE: rgb, bgr or gray"
_GUIDE_SAMPLES = 100
# The tasks whose labels a data.yaml has.
_MEASURED_TASKS = frozenset({"detect", "segment", "pose"})


@dataclass(frozen=True)
class Samples:
    """The samples to calibrate and check a network with.

    Attributes:
        dataset: the dataset's name; empty if the user has to choose.
        count: the number of its samples; 0 if it is not known.
        image: an image of it or of another dataset, relative to the model's folder; empty if there is none.
        known: the project's datasets.
        is_awaited: some of its files are still to be fetched.
    """

    dataset: str = ""
    count: int = 0
    image: str = ""
    known: tuple[str, ...] = ()
    is_awaited: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The images that accuracy is measured on.

    Attributes:
        dataset: the dataset's name.
        keypoints: the number of keypoints of an object; 0 if there are none.
    """

    dataset: str
    keypoints: int = 0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The content of a declaration.

    Attributes:
        weights: the file with a Caffe network's weights.
        external: the files with an ONNX network's weights.
        findings: None if the network is not recognised.
        inputs: name and shape of each input, if they are known.
        candidates: tensors that the network could end in, each with its shape and the reason.
        remarks: further comments for the top.
        layout: the inputs' `channel_format`; empty for the usual one, channels first.
        attends: whether the network multiplies computed tensors with each other, as attention does.
        measured: the images to measure on; None if it is not known which.
    """

    source: str
    weights: str = ""
    external: Sequence[str] = ()
    classes: str = ""
    samples: Samples
    findings: Findings | None = None
    inputs: Sequence[tuple[str, Sequence[int | None]]] = ()
    candidates: Sequence[tuple[str, Sequence[int | None], str]] = ()
    remarks: Sequence[str] = ()
    layout: str = ""
    attends: bool = False
    measured: Measured | None = None


def declaration(draft: Draft) -> str:
    """Return the text of a `model.toml`."""
    parts = (_head, _input, _output, _verify, _calibration, _deploy, _accuracy, _budget, draft_variants.lines)
    return "\n".join(line for part in parts for line in part(draft))


def _head(draft: Draft) -> Iterator[str]:
    found = draft.findings
    if found:
        yield f"# Recognised as {found.family}, {found.task}:"
        for reason in found.why:
            yield from comment(f"- {reason}")
        if found.unsure:
            yield "# Not sure:"
        for doubt in found.unsure:
            yield from comment(f"- {doubt}")
    else:
        yield from comment("Not recognised: see to [input] and [output] yourself.")
    for remark in draft.remarks:
        yield from comment(remark)
    description = ""
    if found:
        description = f"{found.family}, {found.task}, {found.classes} class{'es' * (found.classes != 1)}"
    yield f"description = {string(description)}"
    yield f"source = {string(draft.source)}"
    if draft.weights:
        yield f"weights = {string(draft.weights)}"
    if draft.classes:
        yield f"classes = {string(draft.classes)}"
    else:
        yield '# classes = "classes.txt"        # one name a line; travels to the camera'
    yield ""
    if draft.external:
        yield "[onnx]"
        yield "# Its weights are in files of their own, beside it."
        yield "external_data = ["
        yield from (f"    {string(name)}," for name in draft.external)
        yield "]"
        yield ""


def _input(draft: Draft) -> Iterator[str]:
    yield "[input]"
    found = draft.findings
    if found is None:
        if draft.inputs and all(length for _, shape in draft.inputs for length in shape):
            yield f"shapes = {[list(shape) for _, shape in draft.inputs]}"
        else:
            for name, shape in draft.inputs:
                yield from comment(f"{name} is {_shape(shape)}")
            yield "# shapes = [[1, 3, 224, 224]]"
        yield from _layout(draft)
        if draft.layout == "none":
            yield ""
            return
        yield from comment(
            "How the network was trained: it computes (pixel - mean) * scale, pixels from 0 to 255."
        )
        yield "# mean = [0.0, 0.0, 0.0]"
        yield "# scale = [0.0039216, 0.0039216, 0.0039216]"
        if draft.weights:
            yield "# Caffe reads images as BGR; this network may have been trained with another order."
        yield f"pixel_format = {string('bgr' if draft.weights else CHOOSE_FORMAT)}"
        yield ""
        return
    image, how = found.image, found.preprocessing
    yield f"shapes = [{list(image.shape)}]"
    yield from _layout(draft)
    yield from comment("An input is (pixel - mean) * scale, pixels from 0 to 255.")
    yield f"mean = {list(how.mean)}"
    yield f"scale = [{', '.join(f'{value:.7f}' for value in how.scale)}]"
    yield f"pixel_format = {string(how.pixel_format)}"
    yield "# As the camera gives pictures: whole, on a border."
    yield "keep_aspect_ratio = true"
    yield f"pad_value = {PAD_VALUE}"
    yield ""


def _layout(draft: Draft) -> Iterator[str]:
    if draft.layout == "nhwc":
        yield "# Its channels stand last."
    elif draft.layout == "none":
        yield "# Its inputs are no images: samples and test inputs are npz or npy files."
    if draft.layout:
        yield f"channel_format = {string(draft.layout)}"


def _output(draft: Draft) -> Iterator[str]:
    found = draft.findings
    if found is None:
        yield "[output]"
        if draft.candidates:
            yield "# Without names the network ends in its own outputs. Tensors that it could end in:"
        yield "# names = ["
        for name, shape, why in draft.candidates:
            if why:
                yield from comment(f"- {why}:")
            yield f"#     {string(name)},  # {_shape(shape)}"
        yield "# ]"
        yield ""
        return
    if found.camera:
        in_this_order = ", in this order," if len(found.outputs) > 1 else ""
        yield from comment(f"With these{in_this_order} the camera takes it for {found.camera}.")
    yield "[output]"
    yield "names = ["
    yield from (f"    {string(name)}," for name in found.outputs)
    yield "]"
    if found.relative_boxes:
        yield from comment(
            "Boxes in fractions of the input: of boxes in pixels the camera divides every score by 100 and "
            "finds nothing."
        )
        yield "relative_boxes = true"
    yield ""


def _verify(draft: Draft) -> Iterator[str]:
    yield "[verify]"
    if draft.samples.image:
        yield f"input = {string(draft.samples.image)}"
    else:
        yield "# An image that shows what the network is for, relative to this folder."
        yield f"input = {string(CHOOSE_IMAGE)}"
    yield ""


def _calibration(draft: Draft) -> Iterator[str]:
    samples = draft.samples
    yield "[calibration]"
    if samples.dataset:
        yield f"dataset = {string(samples.dataset)}"
    else:
        known = f"one of {', '.join(samples.known)}" if samples.known else "there is none here yet"
        yield from comment(f"To be chosen: a folder in datasets/ with a dataset.toml; {known}.")
        yield f"dataset = {string(CHOOSE_DATASET)}"
    yield f"input_num = {min(samples.count or _GUIDE_SAMPLES, _GUIDE_SAMPLES)}"
    yield ""


def _deploy(draft: Draft) -> Iterator[str]:
    yield "[deploy]"
    yield "quant_input = true"
    if draft.layout:
        yield from comment(
            "fuse_preprocess, with which the camera's image goes in as it is, does not work with this "
            "channel_format: prepare the inputs where the cvimodel is fed."
        )
    elif draft.findings is None:
        yield "# The camera's image goes in as it is; for this, the network's one input is an image."
        yield "# fuse_preprocess = true"
        yield '# customization_format = "RGB_PACKED"'
    else:
        yield "# The camera's image goes in as it is; mean and scale become part of the network."
        yield "fuse_preprocess = true"
        yield f"customization_format = {string(_customization(draft.findings))}"
        yield from _alignment(draft.findings)
    yield ""


def _accuracy(draft: Draft) -> Iterator[str]:
    found, measured = draft.findings, draft.measured
    if found is None or measured is None or found.task not in _MEASURED_TASKS:
        return
    yield "[accuracy]"
    yield f"dataset = {string(measured.dataset)}"
    if found.task != "detect":
        yield f"task = {string(found.task)}"
    if found.task == "pose" and measured.keypoints:
        yield f"keypoints = {measured.keypoints}"
    yield from comment(
        "These are all validation images of the training, so the figures compare with Ultralytics' own. Some "
        "of them are calibrated with, too."
    )
    yield "calibrated_too = true"
    yield ""


def _budget(draft: Draft) -> Iterator[str]:
    if draft.findings and draft.findings.works == "yes":
        yield "[budget]"
        yield "# A variant that the camera would not decode rightly fails the build."
        yield "works_on_camera = true"
        yield ""


def _customization(found: Findings) -> str:
    return "GRAYSCALE" if found.preprocessing.pixel_format == "gray" else "RGB_PACKED"


def _alignment(found: Findings) -> Iterator[str]:
    """Yield `aligned_input` if the camera's rows have gaps, or a comment if they do not fit at all."""
    rows = Rows.of(found.image.width)
    if rows.camera == rows.plain or found.preprocessing.pixel_format == "gray":
        return
    if rows.readable:
        yield "# The camera's rows have gaps at this width, and the network has to pass over them."
        yield "aligned_input = true"
    else:
        yield from comment(f"The picture is sheared on the camera: {rows.advice}.")


def _shape(shape: Sequence[int | None]) -> str:
    if not shape:
        return "of a shape that the file does not say"
    return f"[{', '.join('?' if length is None else str(length) for length in shape)}]"
