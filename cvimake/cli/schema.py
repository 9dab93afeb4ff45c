"""`schema`: writes the JSON schemas of declarations, results and events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cvimake.builder.events import Event
from cvimake.cli.base import PlainCommand
from cvimake.core import terminal
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.preview import Preview
from cvimake.project.dataset import Dataset
from cvimake.project.model import Model
from cvimake.project.settings import Settings
from cvimake.report.data import Report

FOLDER = Path("schemas")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "model": (Model, "model.toml: one network and the cvimodels to make of it"),
    "dataset": (Dataset, "dataset.toml: samples to calibrate with"),
    "settings": (Settings, "[tool.cvimake] in pyproject.toml: what is common to all models"),
    "info": (Info, "…_info.json: what is in a cvimodel"),
    "accuracy": (Measured, "…_accuracy.json: what a network or a cvimodel sees"),
    "preview": (Preview, "…_preview.json: what the networks of a model see, side by side"),
    "report": (Report, "./doit report --json: what a project has built, and how good it is"),
    "event": (Event, "one line of ./doit run --json: what happens in a build"),
}


class Schema(PlainCommand):
    """Writes `schemas/*.schema.json`."""

    doc_purpose = "write the JSON schemas of declarations, results and events, for editors and programs"
    doc_usage = ""
    doc_description = (
        "An editor with Taplo or Even Better TOML uses them where a file begins with\n"
        "#:schema ../../schemas/model.schema.json"
    )

    def perform(self, _options: dict[str, Any], _arguments: list[str]) -> int:
        """Write the schemas and name their files."""
        FOLDER.mkdir(exist_ok=True)
        for name, text in schemas().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
            terminal.write(f"{FOLDER / name}\n")
        return 0


def schemas() -> Mapping[str, str]:
    """Return the text of every schema, by its file's name."""
    return {
        f"{name}.schema.json": json.dumps(
            {"$schema": _DIALECT, **model.model_json_schema(), "title": title}, indent=2
        )
        + "\n"
        for name, (model, title) in _SCHEMAS.items()
    }
