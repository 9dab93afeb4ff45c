"""The base of all declared tables, and the types and metadata of their fields."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Strict,
    StringConstraints,
    Tag,
)
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from cvimake.toolchain.tools import of_field

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Bytes of a file's name on every file system.
_LONGEST = 255

# Cosine or Euclidean similarity.
Similarity = Annotated[float, Field(ge=-1.0, le=1.0)]
# A TOML array is a list.
Similarities = Annotated[tuple[Similarity, Similarity], Strict(strict=False)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]


def unusable_file(name: str) -> str:
    """Say why a file of a project cannot have a name; return an empty text if it can."""
    if not name:
        return "a file's name is empty"
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"{name!r} is not UTF-8; rename it"
    if _CONTROL.search(name):
        return f"{name!r} holds control characters"
    if any(len(part.encode()) > _LONGEST for part in name.split("/")):
        return f"{name[:40]}... is longer than a file's name can be"
    return ""


def _without_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} holds control characters")
    return text


def _without_comma(text: str) -> str:
    if "," in text:
        raise ValueError(f"{text!r} holds a comma, which the tool reads as several names")
    return text


def _file_name(name: str) -> str:
    if reason := unusable_file(name):
        raise ValueError(reason)
    return name


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_without_control)]
# An entry of a list that the tool takes as one argument, joined by commas.
Listed = Annotated[Text, AfterValidator(_without_comma)]
# A TOML array is a list; the tuple cannot be changed.
Texts = Annotated[tuple[Text, ...], Strict(strict=False)]
FileName = Annotated[str, StringConstraints(min_length=1), AfterValidator(_file_name)]


def _one_or_many(value: object) -> str:
    return MANY if isinstance(value, list | tuple) else ONE


# Names of the branches in pydantic's locations; no key looks like them.
ONE, MANY = "<one>", "<many>"
Item = TypeVar("Item")
# One value or an array of them. They are told apart before they are checked, so that a mistake is told once.
OneOrMany = Annotated[
    Annotated[Item, Tag(ONE)] | Annotated[Annotated[list[Item], Field(min_length=1)], Tag(MANY)],
    Discriminator(_one_or_many),
]


# One value or an array of them, which may be empty.
AnyNumber = Annotated[
    Annotated[Item, Tag(ONE)] | Annotated[list[Item], Tag(MANY)], Discriminator(_one_or_many)
]


@dataclass(frozen=True)
class Needs:
    """Metadata of a field: another key of the same table without which its value has no effect.

    Attributes:
        value: the value that the other key must have.
    """

    key: str
    value: object = True

    def __str__(self) -> str:
        return f"needs {self.key} = {json.dumps(self.value)}"


@dataclass(frozen=True)
class Refused:
    """Metadata of a field: values that the tool's option has and that are refused here.

    Attributes:
        because: the reason, to be read after the value.
    """

    values: tuple[object, ...]
    because: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._checked, handler(source))

    def __str__(self) -> str:
        return f"{', '.join(map(json.dumps, self.values))} {self.because}"

    def _checked(self, value: object) -> object:
        if value in self.values:
            raise ValueError(f"{json.dumps(value)} {self.because}")
        return value


def example(value: object) -> Any:  # noqa: ANN401 - pydantic's
    """Give a field's value for people to follow, in messages and in the JSON schema."""
    return Field(examples=[value])


def text_of(field: FieldInfo) -> str:
    """Return a field's text with the key that it needs and the values that are refused."""
    needed = [f"It {item}." for item in field.metadata if isinstance(item, Needs)]
    refused = [f"Refused: {item}." for item in field.metadata if isinstance(item, Refused)]
    return " ".join([field.description or "", *needed, *refused]).strip()


def _describe(schema: dict[str, Any], table: type[BaseModel]) -> None:
    """Tell in the JSON schema which other key a key needs, and which option of a tool it is."""
    for name, field in table.model_fields.items():
        options = [f"{option.tool.name} --{option.name}" for option in of_field(name, field)]
        if text := text_of(field):
            tools = f" ({', '.join(options)})" if options else ""
            schema["properties"][name]["description"] = f"{text}{tools}"


class Declared(BaseModel):
    """A table of a TOML file. It is strict: a mistyped key or value is an error."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
        json_schema_extra=_describe,
        strict=True,
        use_attribute_docstrings=True,
    )

    def given(self) -> dict[str, Any]:
        """Return the values that were given, without the defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def merged(*tables: Declared) -> dict[str, Any]:
    """Return the values given in any of the tables; a later one wins."""
    values: dict[str, Any] = {}
    for table in tables:
        values.update(table.given())
    return values
