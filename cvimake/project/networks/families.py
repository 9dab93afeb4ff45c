"""Recognises the family and the task of a network by its structure, not by its file's name.

Each recogniser gets the graph and returns its findings or None; the first findings count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from cvimake.camera.camera_picture import Declared, Rows, sheared
from cvimake.camera.recognition import recognise as as_the_camera
from cvimake.project.networks import classifiers, other_families, ssd, yolo
from cvimake.project.networks.findings import Findings, Preprocessing
from cvimake.project.networks.heads import Image, image_of
from cvimake.project.networks.network import Network, class_names
from cvimake.toolchain.cvimodel import Tensor

_AXES = 4
_ULTRALYTICS = re.compile(r"Ultralytics (\S+) model")
_GRAY = Preprocessing((0.0,), (0.0039216,), "gray")

_RESHAPING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})

Recogniser = Callable[[Network, Image], Findings | None]
_RECOGNISERS: Sequence[Recogniser] = (
    yolo.yolox,
    yolo.anchor_free,
    yolo.anchors,
    ssd.ssd,
    other_families.yunet,
    other_families.centerface,
    other_families.blazeface,
    other_families.fastestdet,
    other_families.nanodet,
    other_families.text_detector,
    other_families.text_reader,
    classifiers.classifier,
)


def recognise(network: Network) -> Findings | None:
    """Return the family of a network and the rest of its findings; None if it is not recognised."""
    image = image_of(network)
    if image is None:
        return None
    found = next((found for look in _RECOGNISERS if (found := look(network, image))), None)
    return None if found is None else _completed(network, found)


def _completed(network: Network, found: Findings) -> Findings:
    """Complete findings with the camera's recognition, the exporter's notes, and general doubts."""
    why, unsure = list(found.why), list(found.unsure)
    preprocessing = found.preprocessing
    if found.image.channels == 1:
        preprocessing = _GRAY
        unsure.append("it takes one channel: gray from 0 to 1 is a guess")
    if name := _ULTRALYTICS.search(network.metadata.get("description", "")):
        why.append(f"its exporter calls it {name[1]}")
    task = network.metadata.get("task")
    if task and task != found.task:
        unsure.append(f"its exporter says that its task is {task}")
    names = class_names(network.metadata)
    if names and len(names) != found.classes:
        unsure.append(f"its exporter names {len(names)} classes, but the graph has {found.classes}")
    unsure += [f"{axis}. A cvimodel's shapes are fixed" for axis in network.assumed]
    # If alignment helps, the draft declares it.
    width = found.image.width
    fault = None if Rows.of(width).readable else next(sheared(width, aligned_input=True), None)
    camera = as_the_camera(
        (_picture(found.image),),
        [_tensor(network, name) for name in found.outputs],
        relative_boxes=found.relative_boxes,
        declared=Declared(fault=fault),
    )
    unsure += [doubt for doubt in (camera.trouble, *camera.warnings) if doubt]
    return replace(
        found,
        why=tuple(why),
        unsure=tuple(unsure),
        preprocessing=preprocessing,
        camera=camera.as_,
        works=camera.works,
    )


def _picture(image: Image) -> Tensor:
    """Return the input of a cvimodel with fused preprocessing: bytes, channels last."""
    shape = (image.batch, image.height, image.width, image.channels)
    return Tensor(name=image.name, shape=shape, type="uint8", scale=1.0)


def _tensor(network: Network, name: str) -> Tensor:
    """Return the tensor that a cvimodel would have: four axes (0 if unknown), its operation in its name."""
    shape = [length or 0 for length in network.shape(name)][:_AXES]
    batch, channels, height, width = [*shape, *[1] * (_AXES - len(shape))]
    named = f"{name}_{_operation(network, name)}"
    return Tensor(name=named, shape=(batch, channels, height, width), type="fp32", scale=1.0)


def _operation(network: Network, name: str) -> str:
    """Return the last operation that computes a tensor, not counting those that only change its shape."""
    node = network.producers.get(name)
    while node is not None and node.op in _RESHAPING and node.input_at(0) in network.producers:
        node = network.producers[node.input_at(0)]
    return node.op if node else ""
