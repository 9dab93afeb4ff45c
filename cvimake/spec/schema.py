"""JSON schemas of what can be declared, for editors that complete and check TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import BaseModel

from cvimake.conclusions import Info
from cvimake.spec.dataset import Dataset
from cvimake.spec.model import Model
from cvimake.spec.settings import Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "model": (Model, "model.toml: one network and the cvimodels to make of it"),
    "dataset": (Dataset, "dataset.toml: samples to calibrate with"),
    "settings": (Settings, "[tool.cvimake] in pyproject.toml: what is common to all models"),
    "info": (Info, "…_info.json: what is in a cvimodel"),
}


def schemas() -> Mapping[str, str]:
    """The text of every schema, by its file's name."""
    return {
        f"{name}.schema.json": json.dumps(
            {"$schema": _DIALECT, **model.model_json_schema(), "title": title}, indent=2
        )
        + "\n"
        for name, (model, title) in _SCHEMAS.items()
    }
