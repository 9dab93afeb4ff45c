"""Tells what `init` has recognised and written, and what is left to fill in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.core import listing
from cvimake.project.networks.network_file import Kind

if TYPE_CHECKING:
    from cvimake.project.draft import Samples
    from cvimake.project.networks.examine import Examined

DECLARATION, CLASSES = "model.toml", "classes.txt"
_FEW = 4


def lines(
    folder: Path, examined: Examined, samples: Samples, files: Iterable[str], how: str
) -> Iterator[str]:
    """Yield what was recognised and written, and what is left to do.

    Args:
        folder: the model's folder, which is written.
        examined: the network.
        samples: the samples to calibrate and check it with.
        files: the names of the network's files in the model's folder.
        how: how the test image was chosen; empty if nothing is to be said of it.
    """
    place = Path(os.path.relpath(folder))
    found = examined.findings
    yield f"wrote {place / DECLARATION}"
    if not (folder / examined.path.name).samefile(examined.path):
        yield f"  copied {listing.line(files, _FEW)} into {place}; what was given is untouched"
    if examined.classes:
        noted = f"class name{'s' * (len(examined.classes) > 1)} that the exporter noted"
        yield f"  {CLASSES} has the {len(examined.classes)} {noted}"
    if found:
        size = f"{found.image.width} x {found.image.height}"
        classes = f"{found.classes} class{'es' * (found.classes != 1)}"
        yield f"  recognised as {found.family}, {found.task}: {classes}, images of {size}"
        yield from _listed("because", found.why)
        yield from _listed("ends in", found.outputs)
        if found.camera:
            works = {"yes": "and that works", "no": "and that does not work"}.get(found.works, "with a doubt")
            yield f"  the camera takes it for {found.camera}, {works}"
        yield from _listed("not sure", found.unsure)
    elif examined.kind in {Kind.ONNX, Kind.CHECKPOINT}:
        yield "  not recognised. Its inputs and what it could end in:"
        yield from (f"    input   {name} {_shape(shape)}" for name, shape in examined.inputs)
        yield from _outputs(examined)
    else:
        yield f"  {_KINDS[examined.kind]}"
        yield from (f"    input   {name} {_shape(shape)}" for name, shape in examined.inputs)
        yield from _outputs(examined)
    yield from _listed("to see to", examined.problems)
    if samples.dataset:
        only = ", the only dataset" if len(samples.known) == 1 else ""
        fetch = f"; its files are still to be fetched: ./doit fetch {samples.dataset}"
        yield f"  calibrates with {samples.dataset}{only}{fetch if samples.is_awaited else ''}"
    if how:
        yield f"  checks with {samples.image}: {how}"
    missing = list(_choices(examined, samples))
    yield from _listed(f"to fill in, in {place / DECLARATION}", missing)
    if not missing:
        yield f"  next: ./doit {folder.name}"


def _outputs(examined: Examined) -> Iterator[str]:
    for name, shape, why in examined.candidates:
        yield f"    output  {name} {_shape(shape)}" + (f": {why}" if why else "")


_KINDS = {
    Kind.CAFFE: "a Caffe network: its layers are not looked at",
    Kind.TFLITE: "a TFLite network; the toolchain has its inputs with channels first:",
    Kind.TORCHSCRIPT: "a TorchScript network: its layers are not looked at",
}


def _choices(examined: Examined, samples: Samples) -> Iterator[str]:
    if examined.findings is None and examined.kind is Kind.CAFFE:
        yield "[input] mean and scale, if it has some, and whether bgr is right"
    elif examined.findings is None:
        yield "[input]: how an image becomes its input"
    if not samples.dataset:
        yield f"[calibration] dataset: {', '.join(samples.known) or 'there is none yet'}"
    if not samples.image:
        yield "[verify] input: an image"


def _listed(title: str, entries: Iterable[str]) -> Iterator[str]:
    entries = list(entries)
    if entries:
        yield f"  {title}:"
        yield from (f"    - {entry}" for entry in entries)


def _shape(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("?" if length is None else str(length) for length in shape) + "]"
