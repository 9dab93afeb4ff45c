"""Writes the table of options in docs/declaring.md: `python docs/list_options.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cvimake.project.declared import Refused, text_of
from cvimake.project.model import Model
from cvimake.project.refused import REFUSED
from cvimake.toolchain.tools import ONNX_DOWNGRADE, TOOLS, Tool, of_field

BEGIN, END = (
    "<!-- Written by docs/list_options.py -->\n",
    "<!-- End of what docs/list_options.py writes -->\n",
)
_PAGE = Path(__file__).with_name("declaring.md")
# The stage `onnx` runs a program of cvimake in place of the guide's tool.
_TITLES = {ONNX_DOWNGRADE.name: "onnx_downgrade (the guide's ONNX_Downgrade)"}


def section() -> str:
    """Return all that stands between the two marks."""
    fields = list(_fields(Model, ""))
    tables = [_table(tool, fields) for tool in TOOLS]
    refused = [f"| `{name}` | {reason} |" for name, reason in sorted(REFUSED.items())]
    return "\n".join(
        [
            *tables,
            "#### Options that are refused\n",
            "| option | reason |\n|---|---|",
            *refused,
            "",
        ]
    )


def page(text: str) -> str:
    """Return a page with the section in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{section()}\n{END}{after}"


def _table(tool: Tool, fields: list[tuple[str, str, FieldInfo]]) -> str:
    rows = [
        f"| `--{option.name}` | `{place}` | {_text(field)} |"
        for place, name, field in fields
        for option in of_field(name, field)
        if option.tool is tool
    ]
    rows += [f"| `--{option.name}` | | {option.meaning} |" for option in tool.filled_in]
    head = ["| option | in `model.toml` | meaning |", "|---|---|---|"]
    return "\n".join([f"#### {_TITLES.get(tool.name, tool.name)}", "", *head, *rows, ""])


def _fields(table: type[BaseModel], place: str) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield each key of a table: where it is declared, its name, and its field."""
    for name, field in table.model_fields.items():
        # [deploy] has the same keys as a variant.
        if name == "deploy":
            continue
        yield f"[{place}] {name}" if place else name, name, field
        for inner in _tables_in(field.annotation):
            yield from _fields(inner, "variant.X" if name == "variant" else f"{place}.{name}".strip("."))


def _tables_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables_in(inner)


def _text(field: FieldInfo) -> str:
    refused = [value for item in field.metadata if isinstance(item, Refused) for value in item.values]
    # A value or a list of them has the same values twice.
    choices = dict.fromkeys(value for value in _choices(field.annotation) if value not in refused)
    values = ", ".join(f"`{value}`" for value in choices)
    return f"{text_of(field)} Values: {values}." if values else text_of(field)


def _choices(annotation: object) -> Iterator[object]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for inner in get_args(annotation):
            yield from _choices(inner)


if __name__ == "__main__":
    _PAGE.write_text(page(_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
