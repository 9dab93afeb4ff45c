"""`schema`: writes the JSON schemas of what can be declared, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvimake import terminal
from cvimake.commands.base import PlainCommand

FOLDER = Path("schemas")


class Schema(PlainCommand):
    """Writes `schemas/*.schema.json`."""

    doc_purpose = "write the JSON schemas of model.toml, dataset.toml and the settings, for editors"
    doc_usage = ""
    doc_description = (
        "An editor with Taplo or Even Better TOML uses them where a file begins with\n"
        "#:schema ../../schemas/model.schema.json"
    )

    def perform(self, _options: dict[str, Any], _arguments: list[str]) -> int:
        """Writes them and names them."""
        from cvimake.spec.schema import schemas  # noqa: PLC0415 - slow to make, and only needed here

        FOLDER.mkdir(exist_ok=True)
        for name, text in schemas().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
            terminal.write(f"{FOLDER / name}\n")
        return 0
