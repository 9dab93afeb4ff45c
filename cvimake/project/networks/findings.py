"""The family of a network, and everything that follows from it for a declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cvimake.camera.decoding import Works
from cvimake.project.networks.heads import Image

Task = Literal["detect", "segment", "pose", "classify", "read"]


@dataclass(frozen=True)
class Preprocessing:
    """The way from an image to the input: (pixel - mean) · scale, one number for each channel."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    pixel_format: str


# The input of TensorFlow's and MediaPipe's networks: RGB from -1 to 1.
SIGNED_RGB = Preprocessing((127.5,) * 3, (0.0078431,) * 3, "rgb")
# The input of Ultralytics' networks: RGB from 0 to 1.
UNIT = Preprocessing((0.0,) * 3, (0.0039216,) * 3, "rgb")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The family of a recognised network, and what follows from it.

    Attributes:
        outputs: the tensors that a cvimodel of it should end in.
        relative_boxes: whether its boxes have to become fractions of the input, for the camera.
        float_layers: the layers that have to stay float in INT8, by the toolchain's names; empty if a
            search finds them.
        camera: the kind of model that the camera recognises in these outputs; empty if it recognises none.
        works: whether that kind works on the camera.
        why: the evidence in the graph.
        unsure: values that the graph does not have, and surprises that the camera may have.
    """

    family: str
    task: Task
    image: Image
    classes: int
    outputs: tuple[str, ...]
    preprocessing: Preprocessing
    relative_boxes: bool = False
    float_layers: tuple[str, ...] = ()
    camera: str = ""
    works: Works = "no"
    why: tuple[str, ...]
    unsure: tuple[str, ...] = field(default=())
