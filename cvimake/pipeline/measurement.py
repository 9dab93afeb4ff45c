"""Images and thresholds of a measurement, as container programs get them."""

from __future__ import annotations

from cvimake.camera import thresholds as camera_thresholds
from cvimake.camera.kinds import KINDS
from cvimake.core.action import Folder
from cvimake.project.accuracy import Accuracy, DeclaredAccuracy

# The folder in the container with the images.
IMAGES = "/images"


def names(declared: DeclaredAccuracy) -> dict[str, str]:
    """Return the user's name of each image, by its name in the container.

    The user's names can hold anything, so the container gets numbers.
    """
    return {
        f"{place:05}{path.suffix.lower()}": name for place, (name, path) in enumerate(declared.images.items())
    }


def folder(declared: DeclaredAccuracy) -> Folder:
    """Return the folder with all images."""
    files = {own: declared.images[name] for own, name in names(declared).items()}
    return Folder(target=IMAGES, files=files)


def listed(declared: DeclaredAccuracy) -> list[dict[str, object]]:
    """Return the id, the file in the container and the name of each image, as a JSON value."""
    return [
        {"id": place, "file": own, "name": name} for place, (own, name) in enumerate(names(declared).items())
    ]


def thresholds(options: Accuracy) -> dict[str, dict[str, float]]:
    """Return the camera's thresholds for `others`, and for each kind that has its own.

    They are the declared ones, or the firmware's.
    """

    def of_kind(kind: str) -> dict[str, float]:
        usual = camera_thresholds.of_firmware(kind)
        return {
            "score": usual.score if options.score_threshold is None else options.score_threshold,
            "overlap": usual.overlap if options.iou_threshold is None else options.iou_threshold,
        }

    others = of_kind("")
    own = {kind.name: found for kind in KINDS if (found := of_kind(kind.name)) != others}
    return {"others": others, **own}
