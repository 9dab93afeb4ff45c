"""Options of tpu_mlir's tools, and how their values are written on a command line.

An option that a user can set is declared once, as the metadata of a field in `cvimake/project/options.py`. An
option whose value a stage chooses stands here with its tool. Source: `--help` of each tool in tpu_mlir 1.7.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class FilledIn:
    """An option whose value a stage chooses.

    Attributes:
        name: the tool's name for it, without the dashes.
        meaning: the value, or where a user declares it; for the docs.
        before: the declared option that it precedes on the command line; without one it stands at the end.
    """

    name: str
    meaning: str
    before: str = ""


@dataclass(frozen=True)
class Tool:
    """A command-line tool.

    Attributes:
        filled_in: its options whose values a stage chooses.
    """

    name: str
    filled_in: tuple[FilledIn, ...]


@dataclass(frozen=True)
class Option:
    """Metadata of a declared field: the tool's option that takes the field's value.

    Attributes:
        name: the tool's name for it, without the dashes; empty for the name of the field.
        as_json: whether a list is written as JSON. Other lists of numbers or texts are joined by commas.
    """

    tool: Tool
    name: str = ""
    as_json: bool = False

    def arguments(self, value: object) -> tuple[str, ...]:
        """Return the arguments for a value; none for None and for a switch that is off."""
        if value is None or value is False:
            return ()
        if value is True:
            return (f"--{self.name}",)
        # One argument, so that a value may begin with a dash.
        return (f"--{self.name}={self._written(value)}",)

    def _written(self, value: object) -> str:
        if not isinstance(value, list | tuple):
            return str(value)
        if self.as_json:
            return json.dumps(value, separators=(",", ":"))
        # str writes a number in the shortest form that reads back as the same number.
        return ",".join(map(str, value))


ONNX_DOWNGRADE = Tool(
    "onnx_downgrade",
    (
        FilledIn("fixed", "always: sizes that are not fixed become those of `[input] shapes`"),
        FilledIn("external", "follows from `[onnx] external_data`"),
        FilledIn("keep-metadata", "only in `./doit onnx:downgrade`"),
        FilledIn("figures", "only in `./doit onnx:downgrade`"),
    ),
)
MODEL_TRANSFORM = Tool(
    "model_transform",
    (
        FilledIn("model_name", "the name of the model's folder", before="input_shapes"),
        FilledIn("model_def", "`source`", before="input_shapes"),
        FilledIn("model_data", "`weights`", before="input_shapes"),
        FilledIn("test_result", "always `build/NAME/NAME_top_outputs.npz`", before="tolerance"),
        FilledIn("mlir", "always `build/NAME/NAME.mlir`"),
    ),
)
RUN_CALIBRATION = Tool(
    "run_calibration",
    (
        FilledIn(
            "calibration_table",
            "always `build/NAME/NAME_calibration_table`; your own table is `[variant.X] calibration_table`",
        ),
    ),
)
RUN_QTABLE = Tool(
    "run_qtable",
    (
        FilledIn("calibration_table", "the calibration's, or the variant's own", before="fp_type"),
        FilledIn("processor", "the variant's", before="fp_type"),
        FilledIn("loss_table", "always `build/NAME/NAME_PROCESSOR_X_loss_table.txt`", before="debug_cmd"),
        FilledIn(
            "quantize_table",
            'always `build/NAME/NAME_PROCESSOR_X_qtable`; your own table is `[variant.X] qtable = "FILE"`',
        ),
    ),
)
MODEL_DEPLOY = Tool(
    "model_deploy",
    (
        FilledIn("mlir", "always `build/NAME/NAME.mlir`", before="quantize"),
        FilledIn("calibration_table", "the calibration's, or the variant's own", before="quant_input"),
        FilledIn("quantize_table", "the search's, or `[variant.X] qtable`", before="quant_input"),
        FilledIn("model", "always `build/NAME/NAME_PROCESSOR_X.cvimodel`"),
    ),
)
TOOLS = (ONNX_DOWNGRADE, MODEL_TRANSFORM, RUN_CALIBRATION, RUN_QTABLE, MODEL_DEPLOY)


def of_field(name: str, field: FieldInfo) -> Iterator[Option]:
    """Yield the options that a declared field is given to, each with its name."""
    for option in field.metadata:
        if isinstance(option, Option):
            yield Option(option.tool, option.name or name, option.as_json)


def arguments(
    tool: Tool, tables: Sequence[BaseModel], values: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    """Return a tool's arguments.

    Args:
        tool: whose options are written.
        tables: what is declared. The order of the tables and of their fields is that of the arguments.
        values: the values that the stage chooses, by option; they replace declared ones.

    Raises:
        KeyError: a value for an option that the tool does not have.
    """
    line = _command_line(tool, tuple(type(table) for table in tables))
    given = values or {}
    if unknown := given.keys() - {place.option.name for place in line}:
        raise KeyError(f"{tool.name} does not have the options {', '.join(sorted(unknown))}")
    return tuple(
        argument
        for place in line
        for argument in place.option.arguments(given.get(place.option.name, place.declared(tables)))
    )


@dataclass(frozen=True)
class _Place:
    """The place of an option on the command line.

    Attributes:
        table: the number of the table that declares its value.
        field: the field there; empty for an option whose value a stage chooses.
    """

    option: Option
    table: int = 0
    field: str = ""

    def declared(self, tables: Sequence[BaseModel]) -> object:
        """Return the declared value; None where there is none."""
        return getattr(tables[self.table], self.field) if self.field else None


# The stages of many models have the same tables, and looking through the fields of a table is slow.
@functools.cache
def _command_line(tool: Tool, tables: tuple[type[BaseModel], ...]) -> tuple[_Place, ...]:
    """Return all options of a tool in their order, for tables of these types."""
    declared = {
        option.name: _Place(option, number, name)
        for number, table in enumerate(tables)
        for name, field in table.model_fields.items()
        for option in of_field(name, field)
        if option.tool is tool
    }
    places = {option.name: _Place(Option(tool, option.name)) for option in tool.filled_in} | declared
    return tuple(places[name] for name in _ordered(tool, list(declared)))


def _ordered(tool: Tool, declared: list[str]) -> Iterator[str]:
    """Yield the names of all options in the order of the command line."""
    for name in declared:
        yield from (option.name for option in tool.filled_in if option.before == name)
        yield name
    yield from (option.name for option in tool.filled_in if option.before not in declared)
