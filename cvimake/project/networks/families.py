"""What family and task a network is of, by its structure; nothing is told by a file's name.

Each recogniser looks at the graph and answers with its findings or with None; the first answer counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from cvimake.camera.feed import Declared, Rows, sheared
from cvimake.camera.recognition import recognise as as_the_camera
from cvimake.project.networks import classifiers, others, ssd, yolo
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
    others.yunet,
    others.centerface,
    others.blazeface,
    others.fastestdet,
    others.nanodet,
    others.text_detector,
    others.text_reader,
    classifiers.classifier,
)


def recognise(network: Network) -> Findings | None:
    """What a network is; None where it is nothing that is known here."""
    image = image_of(network)
    if image is None:
        return None
    found = next((found for look in _RECOGNISERS if (found := look(network, image))), None)
    return None if found is None else _completed(network, found)


def _completed(network: Network, found: Findings) -> Findings:
    """With what the camera takes it for, what its exporter says, and doubts that hold for all."""
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
        unsure.append(f"its exporter names {len(names)} classes, and the graph has {found.classes}")
    unsure += [f"{axis}. A cvimodel's shapes are fixed" for axis in network.assumed]
    # Where alignment helps, the draft declares it.
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
    """The input as a cvimodel with fused preprocessing has it: bytes, channels last."""
    shape = (image.batch, image.height, image.width, image.channels)
    return Tensor(name=image.name, shape=shape, type="uint8", scale=1.0)


def _tensor(network: Network, name: str) -> Tensor:
    """A tensor as a cvimodel would have it: four axes, its operation in its name; an unknown axis is 0."""
    shape = [length or 0 for length in network.shape(name)][:_AXES]
    batch, channels, height, width = [*shape, *[1] * (_AXES - len(shape))]
    named = f"{name}_{_operation(network, name)}"
    return Tensor(name=named, shape=(batch, channels, height, width), type="fp32", scale=1.0)


def _operation(network: Network, name: str) -> str:
    """The last operation that computes a tensor; those that only change its shape do not count."""
    node = network.producers.get(name)
    while node is not None and node.op in _RESHAPING and node.input_at(0) in network.producers:
        node = network.producers[node.input_at(0)]
    return node.op if node else ""
