"""What is said of a network's file before anything is built: what it is, its faults, a draft for it."""

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
    """What a file was found to hold.

    Attributes:
        weights: the file with a Caffe network's weights.
        external: the files with an ONNX network's weights, relative to its folder; none where it holds them.
        findings: None where the network is not recognised.
        classes: the names of the classes, where the exporter noted them.
        attends: whether it multiplies computed tensors with each other, as attention does.
        layout: nhwc where the channels of its one input, an image, stand last; else empty.
        problems: what will stop a build, or the camera; each says where and what to do.
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
    """Looks at a network's file.

    Args:
        path: the file.
        shapes: others for the inputs of an ONNX network than the file has.

    Raises:
        CvimakeError: the toolchain cannot read it, and why.
        OSError: it cannot be read.
    """
    kind = network_file.check(path)
    if kind is Kind.ONNX:
        return _onnx(path, shapes)
    if shapes:
        raise CvimakeError(
            f"--shape is for ONNX networks, and {path} is none", "Write [input] shapes afterwards."
        )
    if kind is Kind.CAFFE:
        weights = path.with_suffix(".caffemodel")
        if not weights.is_file():
            raise CvimakeError(
                f"{path} is a Caffe network, and there is no {weights.name} beside it with its weights"
            )
        return Examined(path=path, kind=kind, weights=weights, inputs=caffe.inputs(path))
    if kind is Kind.TFLITE:
        return _tflite(path)
    return Examined(path=path, kind=kind)


def _tflite(path: Path) -> Examined:
    network = tflite.read(path)
    remedy = tflite.REMEDY.format(name=path.name, stem=path.stem)
    return Examined(
        path=path,
        kind=Kind.TFLITE,
        inputs=network.planar,
        candidates=tuple(Candidate(name, shape) for name, shape in network.outputs),
        problems=(*network.faults, *network.doubts, *([remedy] if network.faults or network.doubts else ())),
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
        attends=any(
            node.op == "MatMul" and network.constants.isdisjoint(node.inputs)
            for node in network.behind(outputs)
        ),
    )


class Candidate(NamedTuple):
    """A tensor that a network could end in.

    Attributes:
        why: the reason for it, where it is not an output already; one line.
    """

    name: str
    shape: Shape
    why: str = ""


def candidates(network: Network) -> tuple[Candidate, ...]:
    """Tensors that a network could end in.

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
    """The network and what it is; with inputs of other shapes as a whole, or ended before its decoding.

    Raises:
        CvimakeError: it cannot take such inputs.
    """
    try:
        network = reading.read(path, shapes)
        return network, recognise(network)
    except CvimakeError:
        # The decoding of detectors holds sizes, and a declaration mostly ends before it.
        own = recognise(reading.read(path)) if shapes else None
        if own is None:
            raise
    network = reading.read(path, shapes, own.outputs)
    image = image_of(network)
    return network, recognise(network) or (replace(own, image=image) if image else None)


def _advice(network: Network) -> Iterator[str]:
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
                f"{name} has its channels last, and fuse_preprocess is not possible with that: images are "
                f"prepared where the cvimodel is fed. tf2onnx --inputs-as-nchw {name} makes the network with "
                "its channels first, which the camera's image goes into as it is"
            )
        if shape and shape[0] and shape[0] > 1:
            yield f"{name} takes {shape[0]} images at a time, the camera gives one: export with batch 1"
        if None in shape:
            yield f"{name} has axes of open length: say [input] shapes, or init --shape"
    if network.parameters > LARGEST_ADVISED:
        yield (
            f"it has {network.parameters / 1e6:.1f} million weights: about as many MB in INT8, twice in F16; "
            "the guide advises 8 to 16 MB at most for the camera"
        )
