"""The README of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cvimake.builder import accuracy_table
from cvimake.builder.accuracy_table import Accuracy
from cvimake.camera.device_time import MEANING
from cvimake.core import clock, units
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.stage import Row
from cvimake.release.contents import PROVENANCE, SUMS, Cvimodel
from cvimake.release.provenance import Origin

# The headings of the table; those of accuracy are between them.
_PROPERTIES = ("file", "size", "ION memory", "TPU time", "similarity")
_RECOGNITION = ("recognised as", "on the camera", "for")
_SHOWN_OF_DIGEST = 12
_DIRTY = "**Made from uncommitted sources (`--allow-dirty`): it cannot be built again.**"


def write(origin: Origin, infos: Sequence[tuple[Cvimodel, Info]], descriptions: Mapping[str, str]) -> bytes:
    """Return the README, in UTF-8.

    Args:
        origin: the sources and conditions of the release.
        infos: the info of each cvimodel.
        descriptions: the description of each model, by its name.
    """
    changed = ", and changes to it" if origin.dirty else ""
    commit = (f"`{origin.commit}`" if origin.commit else "none") + changed
    label = f"{origin.name}-{origin.version}"
    measured = {cvimodel.row: accuracy_table.read(cvimodel.row) for cvimodel, _ in infos}
    columns = accuracy_table.Columns(measured)
    described = [f"- **{model}**: {text}" for model, text in descriptions.items() if text]
    lines = [
        f"# {origin.name} {origin.version}",
        "",
        *([_DIRTY, ""] if origin.dirty else []),
        f"| {' | '.join((*_PROPERTIES, *columns.headings, *_RECOGNITION))} |",
        f"|---|--:|--:|--:|--:|{'--:|' * len(columns.headings)}---|---|---|",
        *(_row(cvimodel, info, columns) for cvimodel, info in infos),
        "",
        *_of_accuracy(measured),
        "Similarity is the smallest cosine between a compared layer and the same layer of the float network.",
        "The camera recognises a kind of model by the file's outputs; the column after it says whether the",
        "camera then decodes them correctly. Both follow from the firmware's sources and were not tried on a",
        "camera.",
        f"TPU time is {MEANING}.",
        "",
        *_troubles(infos),
        *([*described, ""] if described else []),
        "Beside each `NAME.cvimodel` are `NAME.json`, its description for the camera (there:",
        "`/userdata/Models/model.json`), `NAME_info.json` with its contents and the tensor of the source",
        "network that each output is (`declared`), and the calibration table and qtable that made it.",
        "",
        "## Made from",
        "",
        f"- commit: {commit}",
        *_images(origin),
        f"- all files have the time {clock.written(origin.epoch)} UTC, whenever they were built",
        *(f"- option: `{option}`" for option in origin.allowed),
        "",
    ]
    if origin.not_held:
        lines += ["Reasons why another machine may get other bytes:", ""]
        lines += [*(f"- {text}" for text in origin.not_held), ""]
    lines += [
        f"`{PROVENANCE}` has every source, option, action and digest.",
        "",
        "## How to check it",
        "",
        f"In this folder: `sha256sum --check {SUMS}`. In a checkout of the project:",
        "",
        f"    ./doit release:verify {label}              # the sums, the signature, the provenance",
        f"    ./doit release:verify {label} --rebuild    # also builds it again and compares",
        "",
    ]
    return "\n".join(lines).encode()


def _row(cvimodel: Cvimodel, info: Info, columns: accuracy_table.Columns) -> str:
    """Return a cvimodel's row of the table."""
    cosine = info.similarity[0].cosine if info.similarity else None
    cells = (
        f"[{cvimodel.file.name}]({cvimodel.name})",
        units.size(info.size),
        f"{info.ion_memory:.2f} MB",
        str(info.time or "") or "no estimate",
        "not validated" if not info.similarity else "" if cosine is None else f"{cosine:.4f}",
        *columns.cells(cvimodel.row),
        info.recognition.name,
        info.recognition.in_words,
        info.processor,
    )
    return f"| {' | '.join(cells)} |"


def _of_accuracy(measured: Mapping[Row, Accuracy | None]) -> Iterator[str]:
    """Yield a line for each model that was measured, then how to read the figures; nothing without one."""
    lines = [f"- {line}" for line in accuracy_table.explanations(measured)]
    if not lines:
        return
    yield from [*lines, ""]
    yield "These figures were measured on the toolchain's simulator. A number in parentheses is the"
    yield "difference from the float network. The column `on camera` has the same figure with the thresholds"
    yield "and the decoding of the camera. `NAME_accuracy.json` has all figures of a cvimodel,"
    yield "`MODEL_float_accuracy.json` those of the float network."
    yield ""


def _troubles(infos: Sequence[tuple[Cvimodel, Info]]) -> Iterator[str]:
    """Yield a line for each cvimodel that does not work on the camera, and an empty one after them."""
    troubled = [
        f"- **{cvimodel.name}**: {info.recognition.trouble}"
        for cvimodel, info in infos
        if info.recognition.trouble
    ]
    if troubled:
        yield from [*troubled, ""]


def _images(origin: Origin) -> Iterator[str]:
    """Yield a line for each image that stages ran in."""
    shown = {name: fingerprint[:_SHOWN_OF_DIGEST] for name, fingerprint in origin.fingerprints.items()}
    packages = origin.identities[TOOLCHAIN.stem].get("packages", {})
    version = packages.get("tpu-mlir", {}).get("version", "unknown")
    yield f"- toolchain: tpu_mlir {version}, fingerprint `{shown[TOOLCHAIN.stem]}`"
    if FRAMEWORKS.stem in shown:
        yield (
            "- Caffe, PyTorch and TFLite networks were read in the frameworks image, "
            f"fingerprint `{shown[FRAMEWORKS.stem]}`"
        )
    if EXPORT.stem in shown:
        packages = origin.identities[EXPORT.stem].get("packages", {})
        version = packages.get("ultralytics", {}).get("version", "unknown")
        yield (
            f"- checkpoints were exported by Ultralytics {version} (AGPL-3.0) in the export image, "
            f"fingerprint `{shown[EXPORT.stem]}`"
        )
