"""What is said of a network's file before anything is built: what it is, its faults, a draft for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cvimake import network_file, onnx_header, onnx_names
from cvimake.errors import CvimakeError
from cvimake.intake import caffe, operators, reading, tflite
from cvimake.intake import network as graph
from cvimake.intake.families import recognise
from cvimake.intake.findings import Findings
from cvimake.intake.heads import last_convolutions
from cvimake.intake.network import Network, Shape
from cvimake.network_file import Kind

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
        problems: what will stop a build, or the camera; each says where and what to do.
    """

    path: Path
    kind: Kind
    weights: Path | None = None
    external: tuple[str, ...] = ()
    findings: Findings | None = None
    inputs: Sequence[tuple[str, Shape]] = ()
    candidates: Sequence[tuple[str, Shape]] = ()
    classes: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())
    attends: bool = False


def examine(path: Path) -> Examined:
    """Looks at a network's file.

    Raises:
        CvimakeError: the toolchain cannot read it, and why.
        OSError: it cannot be read.
    """
    kind = network_file.check(path)
    if kind is Kind.ONNX:
        return _onnx(path)
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
        candidates=network.outputs,
        problems=(*network.faults, *network.doubts, *([remedy] if network.faults or network.doubts else ())),
    )


def _onnx(path: Path) -> Examined:
    external = onnx_names.read(path).external
    onnx_header.check(path, external)
    network = reading.read(path)
    findings = recognise(network)
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
        attends=any(
            node.op == "MatMul" and network.constants.isdisjoint(node.inputs)
            for node in network.behind(outputs)
        ),
    )


def candidates(network: Network) -> tuple[tuple[str, Shape], ...]:
    """Tensors that a network could end in: its own outputs, and its last convolutions before each."""
    names = dict.fromkeys([*network.outputs, *last_convolutions(network, network.outputs)])
    return tuple((name, network.shape(name)) for name in list(names)[:_FEW])


def _advice(network: Network) -> Iterator[str]:
    if network.ir > operators.NEWEST_IR or network.opset > operators.NEWEST_OPSET:
        yield (
            f"it is IR {network.ir}, opset {network.opset}; tpu_mlir 1.7 reads up to IR "
            f"{operators.NEWEST_IR}, opset {operators.NEWEST_OPSET}: the onnx stage converts it, and proves "
            "that both compute the same"
        )
    for name, shape in network.inputs.items():
        if shape and shape[0] and shape[0] > 1:
            yield f"{name} takes {shape[0]} images at a time, the camera gives one: export with batch 1"
        if None in shape:
            yield f"{name} has axes of open length: say [input] shapes"
    if network.parameters > LARGEST_ADVISED:
        yield (
            f"it has {network.parameters / 1e6:.1f} million weights: about as many MB in INT8, twice in F16; "
            "the guide advises 8 to 16 MB at most for the camera"
        )
