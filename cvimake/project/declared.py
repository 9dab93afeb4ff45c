"""What all declared tables have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    StringConstraints,
    Tag,
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Bytes of a name, on every file system.
_LONGEST = 255

# Cosine or Euclidean similarity.
Similarity = Annotated[float, Field(ge=-1.0, le=1.0)]
# A TOML array is a list.
Similarities = Annotated[tuple[Similarity, Similarity], Strict(strict=False)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]


def unusable_file(name: str) -> str:
    """Say why no file of a project can be called so; empty if one can."""
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
        raise ValueError(f"{text!r} holds a comma, and the tool would take it for several names")
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
# One value or an array of them. Told apart before they are looked at, so that a mistake is explained once.
OneOrMany = Annotated[
    Annotated[Item, Tag(ONE)] | Annotated[Annotated[list[Item], Field(min_length=1)], Tag(MANY)],
    Discriminator(_one_or_many),
]


# The same, and an empty array for none.
AnyNumber = Annotated[
    Annotated[Item, Tag(ONE)] | Annotated[list[Item], Tag(MANY)], Discriminator(_one_or_many)
]


class Declared(BaseModel):
    """A table of a TOML file: strict, so that a mistyped key or value is an error and not ignored."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    def given(self) -> dict[str, Any]:
        """The values that were given, without the defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}
