"""What all declared tables have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

# Cosine or Euclidean similarity.
Similarity = Annotated[float, Field(ge=-1.0, le=1.0)]
# A TOML array is a list.
Similarities = Annotated[tuple[Similarity, Similarity], Strict(strict=False)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Declared(BaseModel):
    """A table of a TOML file: strict, so that a mistyped key or value is an error and not ignored."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    def given(self) -> dict[str, Any]:
        """The values that were given, without the defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def unusable_name(name: str, kind: str, taken: frozenset[str]) -> str:
    """Why a model, variant or dataset cannot be called so; empty if it can."""
    if NAME.fullmatch(name) and name not in taken:
        return ""
    reserved = f", and is not one of {', '.join(sorted(taken))}" if taken else ""
    return (
        f"a {kind} cannot be called {name!r}: a name takes letters, digits, '_', '.' and '-', "
        f"begins with a letter or digit{reserved}"
    )
