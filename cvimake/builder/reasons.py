"""Why a stage runs: every kind of reason, in plain words and as JSON."""

from __future__ import annotations

import dataclasses
import os
import time
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cvimake.core.errors import DeclarationError, Problem
from cvimake.project.awaiting import counted

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
        return self.words.format(_place(self.path))


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
class SourceMissing:
    """A model's source is not there yet.

    Attributes:
        path: where to put it.
        model: the model's name.
        source_from: how to get it, in the words of the declaration; empty if it does not say so.
    """

    path: str
    model: str
    source_from: str = ""

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        remedy = "\n".join(filter(None, [f"Put it at {_place(self.path)}.", self.source_from]))
        return Problem(id="source-missing", cause="its source is missing", remedy=remedy)

    def __str__(self) -> str:
        more = f" (`./doit {self.model}` says how to get it)" if self.source_from else ""
        return f"waits for its source: put it at {_place(self.path)}{more}"


@dataclass(frozen=True)
class NotFetched:
    """Files that it needs are declared in `[fetch]` and not there yet.

    Attributes:
        owner: the model or dataset that declares them.
        count: how many files.
        size: bytes to download; None if that is not declared.
    """

    owner: str
    count: int
    size: int | None

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        return Problem(
            id="not-fetched",
            cause=f"{counted(self.count, self.owner, self.size)} not fetched yet",
            remedy=f"Run ./doit fetch {self.owner}.",
        )

    def __str__(self) -> str:
        return f"waits for {counted(self.count, self.owner, self.size)}: ./doit fetch {self.owner}"


@dataclass(frozen=True)
class ChoiceOpen:
    """A value of a model's declaration is still to be filled in.

    Attributes:
        what: which, with file and line.
    """

    what: str

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        return Problem(id="choice-open", cause=self.what, remedy="Fill in the value.")

    def __str__(self) -> str:
        return f"waits for a choice: {self.what}"


@dataclass(frozen=True)
class DeclarationWrong:
    """A model's declaration has a mistake.

    Attributes:
        what: which, with file and line.
    """

    what: str

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        return Problem(id=DeclarationError.id, cause=self.what)

    def __str__(self) -> str:
        return self.what


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
# Reasons why a model cannot be built
Hindrance = SourceMissing | NotFetched | ChoiceOpen | DeclarationWrong
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


def _place(path: str) -> str:
    """Return a path without the `..` by which a declaration reaches it."""
    return os.path.normpath(path)


def _cut(sha256: str) -> str:
    return sha256[:_SHOWN_OF_SHA256] or "not readable"
