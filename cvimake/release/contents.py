"""Which files make up a release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.camera.recognition import Recognition
from cvimake.core import digest
from cvimake.core.action import Action, FileKind, Input
from cvimake.core.paths import BUILD
from cvimake.pipeline.stage import Stage

README, SUMS, PROVENANCE = "README.md", "SHA256SUMS", "provenance.intoto.json"
# What a file of a release holds: the bytes themselves, or where they lie.
Content = bytes | Path


@dataclass(frozen=True, kw_only=True)
class Cvimodel:
    """One cvimodel that is shipped, and what goes with it.

    Attributes:
        variant: its stage's name.
        file: where it was built.
        info: the file that says what is in it.
        tables: the calibration table and the qtable that it was made with, by their names in a release.
        qtable: the name of the latter; empty where there is none.
    """

    model: str
    variant: str
    file: Path
    info: Path
    tables: dict[str, Path]
    qtable: str

    @property
    def name(self) -> str:
        """Its name in a release."""
        return f"{self.model}/{self.file.name}"

    @property
    def info_name(self) -> str:
        """The name of its info in a release."""
        return f"{self.model}/{self.info.name}"

    @property
    def sidecar_name(self) -> str:
        """The name in a release of what the camera wants to know of it."""
        return f"{self.model}/{self.file.stem}.json"


def cvimodels(stages: Iterable[Stage]) -> Iterator[Cvimodel]:
    """The cvimodels that stages make."""
    for stage in stages:
        for output in stage.action.outputs:
            if output.kind is not FileKind.CVIMODEL or stage.row is None:
                continue
            model, stem = stage.row.model, output.path.stem
            found = {
                option: _named(stage.action, option) for option in ("calibration_table", "quantize_table")
            }
            names = {
                option: f"{model}/{_table_name(stem, table)}" for option, table in found.items() if table
            }
            yield Cvimodel(
                model=model,
                variant=stage.row.variant,
                file=output.path,
                info=stage.row.info,
                tables={names[option]: table.path for option, table in found.items() if table},
                qtable=names.get("quantize_table", ""),
            )


def _named(action: Action, option: str) -> Input | None:
    """The input that an option of the tool names."""
    prefix = f"--{option}="
    names = {part[len(prefix) :] for part in action.argv if part.startswith(prefix)}
    return next((file for file in action.inputs if file.name in names), None)


def _table_name(stem: str, table: Input) -> str:
    """Tables of the user's own may be called anything: they get the cvimodel's name."""
    return table.path.name if table.path.is_relative_to(BUILD) else f"{stem}_{table.name}"


def sidecar(cvimodel: Cvimodel, classes: Sequence[str], md5: str, recognition: Recognition) -> bytes:
    """What the camera wants to know of a model; see `getModelInfo` of its supervisor.

    The last two are for people: the camera hands them on and does not read them.
    """
    return as_json(
        {
            "model_id": cvimodel.file.stem,
            "model_name": f"{cvimodel.model} {cvimodel.variant}",
            "classes": list(classes),
            "checksum": md5,
            "recognised_as": recognition.name,
            "works_on_camera": recognition.works,
        }
    )


def md5_of(path: Path) -> str:
    """The md5 of a file, which the camera wants for a checksum."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def as_json(value: object) -> bytes:
    """A JSON value, the same bytes for equal values."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def sha256_of(content: Content) -> str:
    """The sha256 of what a file of a release holds."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else digest.of_file(content)
