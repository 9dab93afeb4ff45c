"""The files of a release."""

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
from cvimake.pipeline.stage import Row, Stage

README, SUMS, PROVENANCE = "README.md", "SHA256SUMS", "provenance.intoto.json"
# The content of a file of a release: its bytes, or the path of a file with them.
Content = bytes | Path


@dataclass(frozen=True, kw_only=True)
class Cvimodel:
    """One cvimodel of a release, and the files that go with it.

    Attributes:
        row: its row of the table at the end of a build.
        file: its path in `build`.
        tables: the calibration table and the qtable that it was made with, by their names in a release.
        qtable: the name of the qtable in a release; empty if there is none.
    """

    row: Row
    file: Path
    tables: dict[str, Path]
    qtable: str

    @property
    def model(self) -> str:
        """Return the name of its model."""
        return self.row.model

    @property
    def variant(self) -> str:
        """Return the name of its stage, without the model's."""
        return self.row.variant

    @property
    def info(self) -> Path:
        """Return the path of its info in `build`."""
        return self.row.info

    @property
    def name(self) -> str:
        """Return its name in a release."""
        return f"{self.model}/{self.file.name}"

    @property
    def info_name(self) -> str:
        """Return the name of its info in a release."""
        return f"{self.model}/{self.info.name}"

    @property
    def measured(self) -> dict[str, Path]:
        """Return the accuracy of the float network and its own, by their names in a release."""
        return {f"{self.model}/{path.name}": path for path in self.row.accuracy}

    @property
    def sidecar_name(self) -> str:
        """Return the name in a release of its description for the camera."""
        return f"{self.model}/{self.file.stem}.json"


def cvimodels(stages: Iterable[Stage]) -> Iterator[Cvimodel]:
    """Yield the cvimodels that stages make."""
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
                row=stage.row,
                file=output.path,
                tables={names[option]: table.path for option, table in found.items() if table},
                qtable=names.get("quantize_table", ""),
            )


def _named(action: Action, option: str) -> Input | None:
    """Return the input that an option of the tool names; None if there is none."""
    prefix = f"--{option}="
    names = {part[len(prefix) :] for part in action.argv if part.startswith(prefix)}
    return next((file for file in action.inputs if file.name in names), None)


def _table_name(stem: str, table: Input) -> str:
    """Return a table's name in a release. A user's table can have any name, so it gets the cvimodel's."""
    return table.path.name if table.path.is_relative_to(BUILD) else f"{stem}_{table.name}"


def sidecar(cvimodel: Cvimodel, classes: Sequence[str], md5: str, recognition: Recognition) -> bytes:
    """Return the description of a model for the camera; see `getModelInfo` of the camera's supervisor.

    The last two fields are for people. The camera passes them on and does not read them.
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
    """Return the md5 of a file, which the camera uses as a checksum."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def as_json(value: object) -> bytes:
    """Return a JSON value as bytes, equal for equal values."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def sha256_of(content: Content) -> str:
    """Return the sha256 of the content of a file of a release."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else digest.of_file(content)
