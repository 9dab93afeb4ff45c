"""`init`: write a model's declaration from what its network's file tells."""

from __future__ import annotations

import contextlib
import dataclasses
import filecmp
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cvimake.cli import drafted_datasets, init_report, surroundings
from cvimake.cli.base import PlainCommand
from cvimake.cli.exported_checkpoint import readable
from cvimake.cli.init_report import CLASSES, DECLARATION
from cvimake.cli.options import option
from cvimake.cli.surroundings import as_declared, invoked_from
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError
from cvimake.project.networks.network_file import Kind

if TYPE_CHECKING:
    from cvimake.project import DeclaredDataset
    from cvimake.project.draft import Samples
    from cvimake.project.networks.examine import Examined

_SHAPES = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*(,[1-9]\d{0,8}(x[1-9]\d{0,8})*)*")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class Init(PlainCommand):
    """Write `models/NAME/model.toml` for a network."""

    doc_purpose = "declare a model: reads its graph and writes models/NAME/model.toml"
    doc_usage = (
        "FILE [--name NAME] [--dataset DATASET | --data FILE] [--shape SHAPE] [--test-image FILE] "
        "[--layout LAYOUT]"
    )
    doc_description = (
        "FILE is a network, or a checkpoint of Ultralytics (best.pt), which is exported in a container. "
        "Recognises YOLO, SSD-like and face detectors, PP-OCR, classifiers and others by "
        "the structure of an ONNX graph; it prints why, and what it is not sure of. For any other network it "
        "lists inputs and possible outputs, and leaves marked lines for you to fill in.\n"
        "FILE is copied into models/NAME, unless it is there already; no file is overwritten."
    )
    takes_arguments = True
    cmd_options = (
        option("name", str, "the model's name [default: the file's, without its suffix]"),
        option("dataset", str, "the dataset to calibrate with [default: the project's only one]"),
        option(
            "data",
            str,
            "the training's data.yaml: its validation images are calibrated with and measured on "
            "[default: the one beside a checkpoint]",
        ),
        option(
            "shape",
            str,
            "the inputs' shapes, if not the network's own: 1x3x320x320, several joined by commas",
        ),
        option("test-image", str, "the image, npz or npy that the network and its variants are checked with"),
        option("layout", str, "the order of the inputs' axes: nchw, nhwc, or none if they are no images"),
    )

    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Write the declaration and print what was recognised."""
        from cvimake.project.draft import Draft, declaration  # noqa: PLC0415 - only this needs them
        from cvimake.project.networks.examine import examine  # noqa: PLC0415 - as above

        if len(arguments) != 1:
            raise CvimakeError("`init` takes one file", "./doit init network.onnx")
        # A link is not followed: its name counts, and the network's other files lie beside the link.
        path = (invoked_from() / arguments[0]).absolute()
        root = surroundings.folder()
        folder, datasets = _place(root, path, options["name"])
        shapes = _shapes(options["shape"])
        trained = drafted_datasets.of_training(root, path, folder.name, options["data"], options["dataset"])
        try:
            with readable(path, shapes) as network:
                is_exported = network != path
                examined = examine(network, None if is_exported else shapes)
                samples, images = (
                    (trained.samples(datasets), trained.calibration_images)
                    if trained
                    else _samples(datasets, options["dataset"], folder)
                )
                how = ""
                if options["test-image"]:
                    image = _test_image(invoked_from() / options["test-image"])
                    samples = dataclasses.replace(samples, image=as_declared(image, folder))
                elif images:
                    from cvimake.cli import choose_test_image  # noqa: PLC0415 - takes a while to load

                    name, how = choose_test_image.choose(examined, images, root)
                    samples = dataclasses.replace(samples, image=as_declared(images[name], folder))
        except OSError as error:
            raise CvimakeError(f"{path}: {error.strerror}") from error
        if is_exported:
            examined = dataclasses.replace(examined, path=path, kind=Kind.CHECKPOINT)
        draft = Draft(
            source=path.name,
            weights=examined.weights.name if examined.weights else "",
            external=examined.external,
            classes=CLASSES if examined.classes else "",
            samples=samples,
            findings=examined.findings,
            inputs=examined.inputs,
            candidates=examined.candidates,
            remarks=examined.problems,
            attends=examined.attends,
            layout=_layout(options["layout"], examined),
            measured=trained.measured if trained else None,
        )
        _write(folder, examined, declaration(draft), trained.files if trained else {})
        for written in trained.files if trained else ():
            terminal.line(f"wrote {os.path.relpath(written, root)}")
        terminal.write(
            "".join(
                f"{line}\n" for line in init_report.lines(folder, examined, samples, _files(examined), how)
            )
        )
        return 0


def _shapes(text: str) -> list[list[int]] | None:
    """Return the shapes that --shape gives.

    Raises:
        CvimakeError: they are not shapes.
    """
    if not text:
        return None
    if not _SHAPES.fullmatch(text):
        raise CvimakeError(f"--shape {text} is no shape", "Write it as in --shape 1x3x320x320.")
    return [[int(length) for length in shape.split("x")] for shape in text.split(",")]


def _test_image(path: Path) -> Path:
    from cvimake.project.rules import test_input_faults  # noqa: PLC0415 - only this needs it

    if not path.is_file():
        raise CvimakeError(f"--test-image: no file {path}")
    if what := next(test_input_faults([path.name]), ""):
        raise CvimakeError(f"--test-image {path}: {what}")
    return path


def _layout(wanted: str, examined: Examined) -> str:
    """Return the layout as a declaration writes it; empty for channels first, the default."""
    if wanted not in {"", "nchw", "nhwc", "none"}:
        raise CvimakeError(f"--layout {wanted}: it can be nchw, nhwc or none")
    return "" if wanted == "nchw" else wanted or examined.layout


def _place(root: Path, path: Path, name: str) -> tuple[Path, Mapping[str, DeclaredDataset]]:
    """Return the model's folder, and the project's datasets.

    Raises:
        CvimakeError: there is no such file, the name is no name for a model, or the model exists.
    """
    from cvimake.project.declared import unusable_file  # noqa: PLC0415 - takes a while to load
    from cvimake.project.names import RESERVED_NAMES, unusable_name  # noqa: PLC0415 - as above
    from cvimake.project.reader import read_datasets  # noqa: PLC0415 - as above

    if not path.is_file():
        raise CvimakeError(f"no file {path}")
    if reason := unusable_file(path.name):
        # Before a checkpoint is exported, which takes a while.
        raise CvimakeError(f"{path.parent}: {reason}", "Save the network under another name.")
    settings, datasets = read_datasets(root)
    called = name or _NOT_IN_NAMES.sub("-", path.stem).strip("-._") or path.stem
    if reason := unusable_name(called, "model", RESERVED_NAMES):
        raise CvimakeError(reason, f"./doit init {path.name} --name ANOTHER")
    folder = root / settings.models / called
    if (folder / DECLARATION).exists():
        raise CvimakeError(
            f"{folder / DECLARATION} is there already, and is left as it is",
            f"./doit init {path.name} --name ANOTHER, or remove it",
        )
    return folder, datasets


def _samples(
    datasets: Mapping[str, DeclaredDataset], wanted: str, folder: Path
) -> tuple[Samples, dict[str, Path]]:
    """Return what to calibrate and check with, and the images of the dataset by name."""
    from cvimake.project.draft import Samples  # noqa: PLC0415 - only this needs it
    from cvimake.project.mistakes import did_you_mean  # noqa: PLC0415 - as above
    from cvimake.project.rules import FUSABLE_IMAGES  # noqa: PLC0415 - as above

    if wanted and wanted not in datasets:
        hint = did_you_mean(wanted, datasets) or f"; there are: {', '.join(datasets) or 'none'}"
        raise CvimakeError(f"no dataset {wanted!r}{hint}")
    chosen = wanted or (next(iter(datasets)) if len(datasets) == 1 else "")
    image, count, images = "", 0, dict[str, Path]()
    # Of a dataset that is still to be fetched, some images may be there, but their number says nothing.
    for name in [each for each in ([chosen] if chosen else datasets) if not datasets[each].missing]:
        with contextlib.suppress(OSError, ValueError):  # A build tells what is wrong with the dataset.
            files = datasets[name].samples.files
            count = len(files) if name == chosen else 0
            found = {key: file for key, file in files.items() if file.suffix.lower() in FUSABLE_IMAGES}
            images = found if name == chosen else {}
            image = image or next((as_declared(file, folder) for file in found.values()), "")
    awaited = bool(chosen and datasets[chosen].missing)
    samples = Samples(dataset=chosen, count=count, image=image, known=tuple(datasets), is_awaited=awaited)
    return samples, images


def _write(folder: Path, examined: Examined, text: str, others: Mapping[Path, bytes]) -> None:
    """Write other files and the model's folder; its declaration comes last, and only if all else is there."""
    made: list[Path] = []
    try:
        for path, content in others.items():
            _add(path, lambda file, content=content: file.write(content), made)  # type: ignore[misc] # a lambda with a default
        for name, source in _files(examined).items():
            _add(folder / name, partial(_copy, source), made, same_as=source)
        if examined.classes:
            names = "".join(f"{name}\n" for name in examined.classes).encode()
            _add(folder / CLASSES, lambda file: file.write(names), made)
        if examined.findings and examined.findings.float_layers:
            from cvimake.project.draft_variants import FLOAT_LAYERS, qtable  # noqa: PLC0415 - only this needs them

            layers = qtable(examined.findings.float_layers).encode()
            _add(folder / FLOAT_LAYERS, lambda file: file.write(layers), made)
        _add(folder / DECLARATION, lambda file: file.write(text.encode()), made)
    except BaseException as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise CvimakeError(f"{folder} cannot be written: {error.strerror}") from error
        raise


def _files(examined: Examined) -> dict[str, Path]:
    """Return the network's files by the names that they get in the model's folder.

    Raises:
        CvimakeError: a declaration cannot hold the name of one.
    """
    from cvimake.project.declared import unusable_file  # noqa: PLC0415 - takes a while to load

    path = examined.path
    files = {source.name: source for source in (path, examined.weights) if source}
    files |= {name: path.parent / name for name in examined.external}
    if reason := next(filter(None, map(unusable_file, files)), ""):
        raise CvimakeError(f"{path}: {reason}", "Save the network under other names.")
    return files


def _copy(source: Path, file: IO[bytes]) -> None:
    with source.open("rb") as opened:
        shutil.copyfileobj(opened, file)


def _add(
    path: Path, write: Callable[[IO[bytes]], object], made: list[Path], same_as: Path | None = None
) -> None:
    """Add a file, completely or not at all, and never in the place of another.

    Raises:
        CvimakeError: there is another file of that name.
        OSError: it cannot be written.
    """
    if path.exists():
        if same_as and (path.samefile(same_as) or filecmp.cmp(path, same_as, shallow=False)):
            return
        raise CvimakeError(f"{path} is there already and holds something else; nothing was written")
    for parent in [above for above in reversed(path.parents) if not above.exists()]:
        parent.mkdir()
        made.append(parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".init-") as file:
        write(file)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        # Fails if another process was faster.
        os.link(file.name, path)
    made.append(path)
