"""Examines a network's file before anything is built: its kind, its family, and its faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import (
    activations,
    caffe,
    network_file,
    onnx_header,
    onnx_names,
    operators,
    reading,
    tflite,
)
from cvimake.project.networks import network as graph
from cvimake.project.networks.families import recognise
from cvimake.project.networks.findings import Findings
from cvimake.project.networks.heads import image_of, last_convolutions
from cvimake.project.networks.network import Network, Shape
from cvimake.project.networks.network_file import Kind

# The guide's advice for a cvimodel, in bytes; INT8 takes one for each weight.
LARGEST_ADVISED = 16_000_000
_FEW = 24


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The result of examining a file.

    Attributes:
        weights: the file with a Caffe network's weights.
        external: the files with an ONNX network's weights, relative to its folder; empty if it holds them.
        findings: None if the network is not recognised.
        classes: the names of the classes, if the exporter noted them.
        attends: whether the network multiplies computed tensors with each other, as attention does.
        layout: nhwc if the network's one input is an image with its channels last; else empty.
        problems: reasons why a build or the camera will fail, each with the place and the remedy.
    """

    path: Path
    kind: Kind
    weights: Path | None = None
    external: tuple[str, ...] = ()
    findings: Findings | None = None
    inputs: Sequence[tuple[str, Shape]] = ()
    candidates: Sequence[Candidate] = ()
    classes: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())
    attends: bool = False
    layout: str = ""


def examine(path: Path, shapes: Sequence[Sequence[int]] | None = None) -> Examined:
    """Examine a network's file.

    Args:
        path: the file.
        shapes: shapes for the inputs of an ONNX network, instead of those in the file.

    Raises:
        CvimakeError: the toolchain cannot read it; the error has the reason.
        OSError: it cannot be read.
    """
    kind = network_file.check(path)
    if kind is Kind.ONNX:
        return _onnx(path, shapes)
    if shapes:
        raise CvimakeError(
            f"--shape is only for ONNX networks, and {path} is not one", "Declare [input] shapes afterwards."
        )
    if kind is Kind.CAFFE:
        weights = path.with_suffix(".caffemodel")
        if not weights.is_file():
            raise CvimakeError(
                f"{path} is a Caffe network, but {weights.name}, the file with its weights, is not beside it"
            )
        return Examined(path=path, kind=kind, weights=weights, inputs=caffe.inputs(path))
    if kind is Kind.TFLITE:
        return _tflite(path)
    return Examined(path=path, kind=kind)


def _tflite(path: Path) -> Examined:
    network = tflite.read(path)
    found = (*network.faults, *network.doubts)
    return Examined(
        path=path,
        kind=Kind.TFLITE,
        inputs=network.planar,
        candidates=tuple(Candidate(name, shape) for name, shape in network.outputs),
        problems=(*found, network.conversion(path)) if found else (),
    )


def _onnx(path: Path, shapes: Sequence[Sequence[int]] | None) -> Examined:
    external = onnx_names.read(path).external
    onnx_header.check(path, external)
    network, findings = _recognised(path, shapes)
    outputs = findings.outputs if findings else tuple(network.outputs)
    names = graph.class_names(network.metadata)
    return Examined(
        path=path,
        kind=Kind.ONNX,
        external=external,
        findings=findings,
        inputs=tuple(network.inputs.items()),
        candidates=() if findings else candidates(network),
        classes=names if findings and len(names) == findings.classes else (),
        problems=(*_advice(network), *operators.problems(network, outputs)),
        layout="nhwc" if (image := image_of(network)) and image.channels_last else "",
        attends=network.attends(outputs),
    )


class Candidate(NamedTuple):
    """A tensor that a network could end in.

    Attributes:
        why: the reason, in one line; empty if it is an output already.
    """

    name: str
    shape: Shape
    why: str = ""


def candidates(network: Network) -> tuple[Candidate, ...]:
    """Return the tensors that a network could end in.

    These are its own outputs, each followed by the tensor before its last sigmoid or softmax, and the last
    convolutions before them.
    """
    reasons: dict[str, str] = {}
    for output in network.outputs:
        reasons.setdefault(output, "")
        name, op = activations.before(network, output)
        if name:
            reasons.setdefault(name, activations.why(op))
    for name in last_convolutions(network, network.outputs):
        reasons.setdefault(name, "the last convolution before the decoding")
    return tuple(Candidate(name, network.shape(name), why) for name, why in list(reasons.items())[:_FEW])


def _recognised(path: Path, shapes: Sequence[Sequence[int]] | None) -> tuple[Network, Findings | None]:
    """Return the network and its family, with the given input shapes: whole, or ended before its decoding.

    Raises:
        CvimakeError: the network cannot take inputs of these shapes.
    """
    try:
        network = reading.read(path, shapes)
        return network, recognise(network)
    except CvimakeError:
        # The decoding of detectors has fixed sizes, and a declaration mostly ends the network before it.
        own = recognise(reading.read(path)) if shapes else None
        if own is None:
            raise
    network = reading.read(path, shapes, own.outputs)
    image = image_of(network)
    return network, recognise(network) or (replace(own, image=image) if image else None)


def _advice(network: Network) -> Iterator[str]:
    if network.metadata.get("task") == "obb":
        yield (
            "its exporter says that its task is obb: boxes with an angle. The camera's firmware has no such "
            "kind of model. A program of your own can decode its heads: declare these as [output] names"
        )
    if network.ir > operators.NEWEST_IR or network.opset > operators.NEWEST_OPSET:
        yield (
            f"it is IR {network.ir}, opset {network.opset}; tpu_mlir 1.7 reads up to IR "
            f"{operators.NEWEST_IR}, opset {operators.NEWEST_OPSET}: the onnx stage converts it, and proves "
            "that both compute the same"
        )
    for name, shape in network.inputs.items():
        image = image_of(network)
        if image and image.channels_last:
            yield (
                f"{name} has its channels last, so fuse_preprocess does not work: your program must prepare "
                f"the images. tf2onnx --inputs-as-nchw {name} makes the network with its channels first, "
                "which can take the camera's image as it is"
            )
        if shape and shape[0] and shape[0] > 1:
            yield f"{name} takes {shape[0]} images at a time, but the camera gives one: export with batch 1"
        if None in shape:
            yield f"{name} has axes of open length: declare [input] shapes, or use init --shape"
    if network.parameters > LARGEST_ADVISED:
        yield (
            f"it has {network.parameters / 1e6:.1f} million weights: about as many MB in INT8, twice in F16; "
            "the guide advises 8 to 16 MB at most for the camera"
        )
