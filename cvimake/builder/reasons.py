"""Why a stage runs: every kind of reason, in plain words and as JSON."""

from __future__ import annotations

import dataclasses
import os
import time
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cvimake.builder.hindrances import ChoiceOpen, DeclarationWrong, Hindrance, NotFetched, SourceMissing
from cvimake.core.errors import Problem

# Longer values are cut when they are shown.
_LONGEST_VALUE = 60
_SHOWN_OF_SHA256 = 12


@dataclass(frozen=True)
class _Plain:
    """A reason that always has the same words."""

    words: ClassVar[str]

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class _OfFile:
    """A reason about one file. Its words have {} in the place of the path."""

    words: ClassVar[str]
    path: str

    def __str__(self) -> str:
        return self.words.format(os.path.normpath(self.path))


@dataclass(frozen=True)
class _OtherBytes(_OfFile):
    """A reason about the bytes of one file.

    Attributes:
        old: the sha256 that it had.
        new: the sha256 that it has; empty where it cannot be read, or is no file.
    """

    old: str
    new: str

    def __str__(self) -> str:
        return f"{super().__str__()}: sha256 was {_cut(self.old)}, is {_cut(self.new)}"


class NeverBuilt(_Plain):
    """There is no record of a success."""

    words = "was never built"


class NoRecord(_Plain):
    """The record of the last success is gone."""

    words = "its last run failed, or its record was removed"


@dataclass(frozen=True, kw_only=True)
class LastFailed(Problem):
    """Its last run failed.

    Attributes:
        ended: when, in seconds since 1970.
    """

    ended: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.ended))
        first_line = self.cause.partition("\n")[0]
        return f"failed last time, at {when}: {first_line}"


class Asked(_Plain):
    """It would not have to run."""

    words = "was up to date, and asked for all the same (--always-execute)"


class DefinitionChanged(_Plain):
    """It is defined otherwise, and what it was is not known."""

    words = "is declared otherwise than when it last ran; what has changed is not on record"


class EngineChanged(_Plain):
    """Stages would now run with containers and did not, or the other way round."""

    words = "stages would run on another kind of engine (with or without containers)"


@dataclass(frozen=True)
class OptionChanged:
    """Part of the definition is another.

    Attributes:
        old: None where it was not set.
        new: None where it no longer is.
    """

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.name} was {_shown(self.old)}, is {_shown(self.new)}"


class InputAdded(_OfFile):
    """It did not read this file."""

    words = "now reads {}"


class InputRemoved(_OfFile):
    """It no longer reads this file."""

    words = "no longer reads {}"


class InputChanged(_OtherBytes):
    """A file that it reads holds other bytes."""

    words = "{} has changed"


class InputMissing(_OfFile):
    """A file that it reads is not there."""

    words = "its input {} is missing"


class MemberAdded(_OfFile):
    """A dataset has a member more."""

    words = "{} is new in its dataset"


class MemberRemoved(_OfFile):
    """A dataset has a member less."""

    words = "{} is no longer in its dataset"


@dataclass(frozen=True)
class ToolchainChanged:
    """A part of the toolchain changed.

    Attributes:
        part: its place in the toolchain's identity.
        old: None where it was not there.
        new: None where it no longer is.
    """

    part: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"toolchain: {self.part} was {_shown(self.old)}, is {_shown(self.new)}"


class TargetMissing(_OfFile):
    """A file that it makes is not there."""

    words = "{} is missing"


class TargetDamaged(_OtherBytes):
    """A file that it made holds other bytes than those that it wrote."""

    words = "{} is not what was made"


@dataclass(frozen=True)
class Follows:
    """It reads what another one makes anew. Where those bytes are equal, it need not run.

    Attributes:
        certain: whether the other one is sure to run.
    """

    task: str
    certain: bool

    def __str__(self) -> str:
        return f"needs {self.task}, which {'will' if self.certain else 'may'} run"


Reason = (
    NeverBuilt | NoRecord | LastFailed | Asked | DefinitionChanged | EngineChanged | SourceMissing
    | NotFetched | ChoiceOpen | DeclarationWrong | OptionChanged | InputAdded | InputRemoved | InputChanged
    | InputMissing | MemberAdded | MemberRemoved | ToolchainChanged | TargetMissing | TargetDamaged | Follows
)  # fmt: skip
_KINDS: dict[str, type[Reason]] = {kind.__name__: kind for kind in typing.get_args(Reason)}


def to_json(reason: Reason) -> dict[str, Any]:
    """Return a reason as a JSON value: its kind, its attributes, and its words as `text`.

    A reason why a model cannot be built also has what an error has: `id`, `cause`, `remedy`.
    """
    attributes = dataclasses.asdict(reason)
    if isinstance(reason, Hindrance):
        attributes |= dataclasses.asdict(reason.problem)
    return {"kind": type(reason).__name__, **attributes, "text": str(reason)}


def from_json(value: Mapping[str, Any]) -> Reason | None:
    """Return the reason that `to_json` made a value of; None where another version of cvimake made it."""
    try:
        kind = _KINDS[value["kind"]]
        return kind(**{field.name: value[field.name] for field in dataclasses.fields(kind)})
    except (AttributeError, KeyError, TypeError):
        return None


def _shown(value: str | None) -> str:
    if value is None:
        return "not there"
    line = " ".join(value.split()) or '""'
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}..."


def _cut(sha256: str) -> str:
    return sha256[:_SHOWN_OF_SHA256] or "not readable"
