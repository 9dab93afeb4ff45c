"""The page of a release that a person reads first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cvimake.camera.device_time import MEANING
from cvimake.core import clock, units
from cvimake.core.paths import FRAMEWORKS, TOOLCHAIN
from cvimake.pipeline.cvimodel_info import Info
from cvimake.release.contents import PROVENANCE, SUMS, Cvimodel
from cvimake.release.provenance import Origin

_SHOWN_OF_DIGEST = 12
_DIRTY = "**Made of a tree that no commit holds (`--allow-dirty`): it cannot be rebuilt from its sources.**"


def write(origin: Origin, infos: Sequence[tuple[Cvimodel, Info]], descriptions: Mapping[str, str]) -> bytes:
    """The page.

    Args:
        origin: what the release is made of.
        infos: what is in each cvimodel.
        descriptions: of the models, by name.
    """
    changed = ", and changes to it" if origin.dirty else ""
    commit = (f"`{origin.commit}`" if origin.commit else "none") + changed
    label = f"{origin.name}-{origin.version}"
    described = [f"- **{model}**: {text}" for model, text in descriptions.items() if text]
    lines = [
        f"# {origin.name} {origin.version}",
        "",
        *([_DIRTY, ""] if origin.dirty else []),
        "| file | size | ION memory | TPU time | similarity | recognised as | on the camera | for |",
        "|---|--:|--:|--:|--:|---|---|---|",
        *(_row(cvimodel, info) for cvimodel, info in infos),
        "",
        "Similarity is the least cosine of any compared layer with the float network. Recognised as is the",
        "kind of model that the camera takes the file for, by its outputs; the next column says whether the",
        "camera decodes it rightly. Both follow from the firmware's sources, and were not tried on a camera.",
        f"TPU time is {MEANING}.",
        "",
        *_troubles(infos),
        *([*described, ""] if described else []),
        "Beside each `NAME.cvimodel` lie `NAME.json`, what the camera wants to know of it (there:",
        "`/userdata/Models/model.json`), `NAME_info.json`, what is in it and which tensor of the source",
        "network each output is (`declared`), and the calibration table and the qtable that made it.",
        "",
        "## Made of",
        "",
        f"- commit: {commit}",
        *_images(origin),
        f"- dated {clock.written(origin.epoch)} UTC, whenever it was built",
        *(f"- option: `{option}`" for option in origin.allowed),
        "",
    ]
    if origin.not_held:
        lines += ["What could not be held still, so that another machine may get other bytes:", ""]
        lines += [*(f"- {text}" for text in origin.not_held), ""]
    lines += [
        f"`{PROVENANCE}` has every source, option, action and digest.",
        "",
        "## To check it",
        "",
        f"In this folder: `sha256sum --check {SUMS}`. In a checkout of the project:",
        "",
        f"    ./doit release:verify {label}              # that, signature and provenance",
        f"    ./doit release:verify {label} --rebuild    # builds it anew, and compares",
        "",
    ]
    return "\n".join(lines).encode()


def _row(cvimodel: Cvimodel, info: Info) -> str:
    """A cvimodel's line of the table."""
    cosine = info.similarity[0].cosine if info.similarity else None
    cells = (
        f"[{cvimodel.file.name}]({cvimodel.name})",
        units.size(info.size),
        f"{info.ion_memory:.2f} MB",
        str(info.time or "") or "no estimate",
        "not validated" if not info.similarity else "" if cosine is None else f"{cosine:.4f}",
        info.recognition.name,
        info.recognition.in_words,
        info.processor,
    )
    return f"| {' | '.join(cells)} |"


def _troubles(infos: Sequence[tuple[Cvimodel, Info]]) -> Iterator[str]:
    """A line for each cvimodel that does not work on the camera as it should."""
    troubled = [
        f"- **{cvimodel.name}**: {info.recognition.trouble}"
        for cvimodel, info in infos
        if info.recognition.trouble
    ]
    if troubled:
        yield from [*troubled, ""]


def _images(origin: Origin) -> Iterator[str]:
    """What the steps ran in."""
    shown = {name: fingerprint[:_SHOWN_OF_DIGEST] for name, fingerprint in origin.fingerprints.items()}
    packages = origin.identities[TOOLCHAIN.stem].get("packages", {})
    version = packages.get("tpu-mlir", {}).get("version", "unknown")
    yield f"- toolchain: tpu_mlir {version}, fingerprint `{shown[TOOLCHAIN.stem]}`"
    if FRAMEWORKS.stem in shown:
        yield (
            "- networks of Caffe, PyTorch and TFLite were read in the frameworks image, "
            f"fingerprint `{shown[FRAMEWORKS.stem]}`"
        )
