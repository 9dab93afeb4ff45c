"""What a network was recognised as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cvimake.camera.decoding import Works
from cvimake.project.networks.heads import Image

Task = Literal["detect", "segment", "pose", "classify", "read"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input: (pixel - mean) · scale, one number for each channel."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    pixel_format: str


# Of TensorFlow's and MediaPipe's networks: RGB from -1 to 1.
SIGNED_RGB = Preprocessing((127.5,) * 3, (0.0078431,) * 3, "rgb")
# Of Ultralytics' networks: RGB from 0 to 1.
UNIT = Preprocessing((0.0,) * 3, (0.0039216,) * 3, "rgb")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a network was recognised as.

    Attributes:
        classes: how many.
        outputs: the tensors that a cvimodel of it should end in.
        relative_boxes: whether its boxes have to become fractions of the input, for the camera.
        float_layers: the layers that have to stay float in INT8, by the toolchain's names; empty where a
            search finds them.
        camera: the kind of model that the camera takes these for; empty if for nothing.
        works: whether that kind works on the camera.
        why: what in the graph says so.
        unsure: what the graph does not say, or where the camera will not do what one might expect.
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
