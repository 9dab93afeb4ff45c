"""Why a stage runs: every kind of reason, in plain words and as JSON."""

from __future__ import annotations

import dataclasses
import os
import time
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvimake.core.errors import DeclarationError, Problem

# Longer values are cut when they are shown.
_LONGEST_VALUE = 60
_SHOWN_OF_SHA256 = 12


@dataclass(frozen=True)
class NeverBuilt:
    """There is no record of a success."""

    def __str__(self) -> str:
        return "was never built"


@dataclass(frozen=True)
class NoRecord:
    """The record of the last success is gone."""

    def __str__(self) -> str:
        return "its last run failed, or its record was removed"


@dataclass(frozen=True)
class LastFailed:
    """Its last run failed.

    Attributes:
        id: names the kind of failure for programs.
        cause: what happened.
        remedy: what to do; empty where the cause says it.
        link: a page that explains the cause in full; empty where there is none.
        log: the path of the tool's whole log; empty where no tool ran.
        ended: when, in seconds since 1970.
    """

    id: str
    cause: str
    remedy: str
    link: str
    log: str
    ended: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.ended))
        first_line = self.cause.partition("\n")[0]
        return f"failed last time, at {when}: {first_line}"


@dataclass(frozen=True)
class Asked:
    """It would not have to run."""

    def __str__(self) -> str:
        return "was up to date, and asked for all the same (--always-execute)"


@dataclass(frozen=True)
class DefinitionChanged:
    """It is defined otherwise, and what it was is not known."""

    def __str__(self) -> str:
        return "is declared otherwise than when it last ran; what has changed is not on record"


@dataclass(frozen=True)
class EngineChanged:
    """Stages would now run with containers and did not, or the other way round."""

    def __str__(self) -> str:
        return "stages would run on another kind of engine (with or without containers)"


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


@dataclass(frozen=True)
class InputAdded:
    """It did not read this file."""

    path: str

    def __str__(self) -> str:
        return f"now reads {_place(self.path)}"


@dataclass(frozen=True)
class InputRemoved:
    """It no longer reads this file."""

    path: str

    def __str__(self) -> str:
        return f"no longer reads {_place(self.path)}"


@dataclass(frozen=True)
class InputChanged:
    """A file that it reads holds other bytes; both are given as sha256."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{_place(self.path)} has changed: sha256 was {_cut(self.old)}, is {_cut(self.new)}"


@dataclass(frozen=True)
class InputMissing:
    """A file that it reads is not there."""

    path: str

    def __str__(self) -> str:
        return f"its input {_place(self.path)} is missing"


@dataclass(frozen=True)
class MemberAdded:
    """A dataset has a member more."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is new in its dataset"


@dataclass(frozen=True)
class MemberRemoved:
    """A dataset has a member less."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is no longer in its dataset"


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


@dataclass(frozen=True)
class TargetMissing:
    """A file that it makes is not there."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is missing"


@dataclass(frozen=True)
class TargetDamaged:
    """A file that it made holds other bytes than those that it wrote; both are given as sha256.

    Attributes:
        new: empty where it cannot be read, or is no file.
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path} is not what was made: sha256 was {_cut(self.old)}, is {_cut(self.new)}"


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
    | ChoiceOpen | DeclarationWrong | OptionChanged | InputAdded | InputRemoved | InputChanged
    | InputMissing | MemberAdded | MemberRemoved | ToolchainChanged | TargetMissing | TargetDamaged | Follows
)  # fmt: skip
# Reasons why a model cannot be built
Hindrance = SourceMissing | ChoiceOpen | DeclarationWrong
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
