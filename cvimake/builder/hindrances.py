"""Why a model cannot be built: what it waits for, and mistakes in its declaration."""

from __future__ import annotations

from dataclasses import dataclass

from cvimake.core.errors import DeclarationError, Problem
from cvimake.project.awaiting import counted


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
        remedy = "\n".join(filter(None, [f"Put it at {self.path}.", self.source_from]))
        return Problem(id="source-missing", cause="its source is missing", remedy=remedy)

    def __str__(self) -> str:
        more = f" (`./doit {self.model}` says how to get it)" if self.source_from else ""
        return f"waits for its source: put it at {self.path}{more}"


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
class _OfDeclaration:
    """A place in a model's declaration.

    Attributes:
        what: which, with file and line.
    """

    what: str


class ChoiceOpen(_OfDeclaration):
    """A value is still to be filled in."""

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        return Problem(id="choice-open", cause=self.what, remedy="Fill in the value.")

    def __str__(self) -> str:
        return f"waits for a choice: {self.what}"


class DeclarationWrong(_OfDeclaration):
    """The declaration has a mistake."""

    @property
    def problem(self) -> Problem:
        """Return the reason as an error is told."""
        return Problem(id=DeclarationError.id, cause=self.what)

    def __str__(self) -> str:
        return self.what


Hindrance = SourceMissing | NotFetched | ChoiceOpen | DeclarationWrong
