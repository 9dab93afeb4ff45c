"""The program that draws previews; see `__init__.py`."""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from . import choice, objects
from .objects import Marked
from .sheet import Heading, Row, found, sheet
from .tile import Form, tile

# Pixels: of a tile in the picture, and of one by itself.
_WIDTH, _LETTERS = 320, 14
_LARGE, _LARGE_LETTERS, _QUALITY = 640, 18, 80
# Objects of one image that are drawn, and classes of a whole image.
_MOST, _MOST_CLASSES = 300, 5
# The least score of a class that is shown as the field measures.
_LEAST_CLASS = 0.01
_CLASSIFIER = "classifier"
NOTHING = "the camera shows nothing"
# The year with which a zip begins.
_DATE = (1980, 1, 1, 0, 0, 0)


class Preview:
    """The preview of one model.

    Args:
        options: those of the program.
        images: the folder with the images.
    """

    def __init__(self, options: dict[str, Any], images: Path) -> None:
        self._options, self._images = options, images
        measured = [_read(network["accuracy"]) for network in options["networks"]]
        self._kind: str = measured[0]["kind"]
        # Why the camera shows nothing, of each network.
        self._reasons = [one["camera_reason"] for one in measured]
        if not self._kind or any(one["outputs"] for one in measured):
            # Their outputs were compared instead.
            sys.exit(
                f"nothing can be drawn: {measured[0]['figure_reason'] or self._reasons[0]}. "
                "Declare a decoder in [accuracy]"
            )
        self.view = self._view()
        self._thresholds = options["thresholds"].get(self._kind, options["thresholds"]["others"])
        self._labels = _read(options["labels"]) if options["labels"] else None
        self._names = dict(enumerate(options["classes"]))

    def _view(self) -> str:
        """Return the view: the one that is asked for, else the camera's if it has one.

        Raises:
            SystemExit: there is no such view.
        """
        asked, reason = self._options["view"], self._reasons[0]
        if asked == "camera" and reason:
            sys.exit(f"there is no view of the camera: {reason}. --field draws the detections all the same")
        return asked or ("field" if reason else "camera")

    def choose(self) -> list[choice.Shown]:
        """Return the images to draw, with their objects."""
        classifies = self._kind == _CLASSIFIER
        least = self._thresholds["score"]
        if classifies and self.view == "field":
            least = _LEAST_CLASS
        most = _MOST_CLASSES if classifies else _MOST
        of_float, *of_variants = (
            objects.of_results(_read(network[self.view]), least=least, most=most)
            for network in self._options["networks"]
        )
        labels = objects.of_labels(self._labels) if self._labels else None
        return choice.choose(
            range(len(self._options["images"])), labels, of_float, of_variants, count=self._options["count"]
        )

    def columns(self) -> list[dict[str, str]]:
        """Return the name and the kind of each column, and why a network has nothing to show."""
        labels = [{"name": "labels", "kind": "labels", "reason": ""}] if self._labels else []
        networks = [
            {
                "name": network["name"],
                "kind": "variant" if place else "float",
                "reason": reason if self.view == "camera" else "",
            }
            for place, (network, reason) in enumerate(
                zip(self._options["networks"], self._reasons, strict=True)
            )
        ]
        return labels + networks

    def picture_of(self, image: int) -> Image.Image:
        """Return an image in its colours.

        Raises:
            SystemExit: it cannot be read.
        """
        import cv2  # noqa: PLC0415 - the toolchain's; unit tests of the rest need none

        given = self._options["images"][image]
        pixels = cv2.imread(str(self._images / given["file"]), cv2.IMREAD_COLOR)
        if pixels is None:
            sys.exit(f"{given['name']}: the image cannot be read; it may be cut off")
        return Image.fromarray(pixels[..., ::-1].copy())

    def name(self, number: int) -> str:
        """Return the name of a class, or its number."""
        return str(self._names.get(number, f"class {number}"))

    def heading(self, shown: int) -> Heading:
        """Return the words above the picture."""
        score, overlap = (f"{self._thresholds[key]:g}" for key in ("score", "overlap"))
        if self._kind == _CLASSIFIER:
            rules = {
                "camera": f"classes with a score from {score}",
                "field": f"the {_MOST_CLASSES} surest classes",
            }
        else:
            rules = {
                "camera": f"decoded as its firmware does, score from {score}, overlap {overlap}",
                "field": f"decoded as average precision is measured, score from {score}",
            }
        view = {"camera": "as the camera shows it", "field": "as the field measures it"}[self.view]
        of_all = len(self._options["images"])
        which = (
            f"{shown} of {of_all} images"
            if shown < of_all
            else "1 image"
            if of_all == 1
            else f"{of_all} images"
        )
        if self._options["count"] is not None:
            which = f"{which}, those that differ most from float first"
        return Heading(
            f"{self._options['model']}, {view}",
            (rules[self.view], *self._nothing_shown(), which),
            is_classes=self._kind == _CLASSIFIER,
        )

    def _nothing_shown(self) -> Iterator[str]:
        """Yield why the camera shows nothing: of the network, or of a variant."""
        if self.view == "field" and self._reasons[0] and not self._options["view"]:
            yield f"the camera shows nothing of it: {self._reasons[0]}"
        for column in self.columns():
            if column["reason"]:
                yield f"{column['name']}: {NOTHING}: {column['reason']}"

    def listing(self, shown: Sequence[choice.Shown], sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """Return everything that is drawn, as JSON.

        Args:
            shown: the images.
            sizes: the width and height of each.
        """
        return {
            "schema_version": 1,
            "model": self._options["model"],
            "view": self.view,
            "kind": self._kind,
            "thresholds": dict(self._thresholds),
            "classes": list(self._options["classes"]),
            "measured": len(self._options["images"]),
            "columns": self.columns(),
            "images": [
                {
                    "path": self._options["images"][one.image]["name"],
                    "width": width,
                    "height": height,
                    "disagreement": one.disagreement,
                    "columns": [
                        {
                            "tile": tile_name(row, column),
                            "objects": [objects.as_json(each, self._names) for each in marked],
                        }
                        for column, marked in enumerate(one.columns)
                    ],
                }
                for row, (one, (width, height)) in enumerate(zip(shown, sizes, strict=True))
            ],
        }


def tile_name(row: int, column: int) -> str:
    """Return the name of a tile in the archive."""
    return f"{row:03}_{column:03}.webp"


def main(images: Path, options: dict[str, Any], files: Sequence[Path]) -> None:
    """Draw the preview of a model, and write the picture, its listing and its tiles."""
    picture, listing, tiles = files
    preview = Preview(options, images)
    shown, columns = preview.choose(), preview.columns()
    rows: list[Row] = []
    sizes: list[tuple[int, int]] = []
    with zipfile.ZipFile(tiles, "w", zipfile.ZIP_STORED) as archive:
        for number, one in enumerate(shown):
            image = preview.picture_of(one.image)
            sizes.append(image.size)
            lines = max(sum(not each.seen.box for each in marked) for marked in one.columns)
            small, large = _forms(image.size, lines)
            for place, marked in enumerate(one.columns):
                drawn = tile(image, marked, preview.name, large)
                archive.writestr(zipfile.ZipInfo(tile_name(number, place), _DATE), _webp(drawn))
            rows.append(
                Row(
                    options["images"][one.image]["name"],
                    f"{image.width} x {image.height}, difference {one.disagreement:.2f}",
                    tuple(map(_caption, columns, one.columns)),
                    tuple(tile(image, marked, preview.name, small) for marked in one.columns),
                )
            )
    sheet(preview.heading(len(shown)), rows, _WIDTH).save(picture, "PNG", optimize=True)
    text = json.dumps(preview.listing(shown, sizes), indent=1, sort_keys=True, allow_nan=False)
    listing.write_text(text + "\n", encoding="utf-8")


def _caption(column: Mapping[str, str], marked: Sequence[Marked]) -> tuple[str, str]:
    if column["reason"]:
        return column["name"], NOTHING
    return column["name"], found(marked, is_labels=column["kind"] == "labels")


def _forms(size: tuple[int, int], lines: int) -> tuple[Form, Form]:
    """Return the form of a tile in the picture, and by itself: as large as the image, within limits."""
    large = min(_LARGE, max(_WIDTH, size[0]))
    return Form.of(size, _WIDTH, lines, _LETTERS), Form.of(size, large, lines, _LARGE_LETTERS)


def _webp(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=_QUALITY, method=4)
    return written.getvalue()


def _read(path: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(Path(path).read_text(encoding="utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="preview")
    parser.add_argument("--images", type=Path)
    parser.add_argument("options", type=Path)
    parser.add_argument("files", type=Path, nargs=3)
    given = parser.parse_args()
    main(given.images, json.loads(given.options.read_text(encoding="utf-8")), given.files)
