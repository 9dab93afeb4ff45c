"""The errors that a user can meet, as values: an id for programs, the cause, the remedy.

Only a command makes text of an error, for the terminal (`str(error)`) or as JSON (`error.problem()`).

Exit codes of every command:

====  ==========================================================================
0     done, or nothing to do
1     a stage failed, or a release is not what it says
2     something is wrong around the stages: a declaration, the engine, the image
3     doit refused the command line or `dodo.py`
130   interrupted (Ctrl-C); 143, 129: ended by SIGTERM, SIGHUP; 141: the reader of its output has gone
====  ==========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvimake.core import log_tail

EXIT_STAGE_FAILED = 1
EXIT_NOT_POSSIBLE = 2
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130
EXIT_BY_SIGNAL = 128

# The control characters C0 (but tab and line feed), DEL and C1, which a terminal obeys; the characters that
# change the direction of writing; and half surrogates, which cannot be written.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """Return a text in which every character that steers a terminal, or cannot be written, is replaced."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error as plain data, for JSON and for the history.

    Attributes:
        id: names the kind of error for programs; it stays when the words change. `docs/json.md` lists them.
        cause: what happened, and where.
        remedy: what to do, one or more lines; empty where the cause says it.
        link: a page that explains the cause in full; empty where there is none.
        log: the path of the tool's whole log; empty where no tool ran.
    """

    id: str
    cause: str
    remedy: str = ""
    link: str = ""
    log: str = ""


class CvimakeError(Exception):
    """Something that a user can put right.

    Attributes:
        id: names the kind of error for programs.
        exit_code: the exit code of a command that ends with it.

    Args:
        cause: what happened, and where.
        remedy: what to do, one or more lines; empty where the cause says it.
    """

    id = "error"
    exit_code = EXIT_NOT_POSSIBLE

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return harmless("\n".join([self.cause, *(f"  {line}" for line in self._advice())]))

    @property
    def in_short(self) -> str:
        """The error for a user who did not ask for what it is about."""
        return str(self)

    def _advice(self) -> list[str]:
        """Return the lines that follow the cause where the error is printed."""
        return self.remedy.splitlines()

    def problem(self, name: str = "") -> Problem:
        """Return the error as plain data.

        Args:
            name: of the stage that it belongs to; its cause is given without it.
        """
        cause = self.cause.removeprefix(f"{name}: ")
        return Problem(id=self.id, cause=harmless(cause), remedy=harmless(self.remedy))


class DeclarationError(CvimakeError):
    """A `model.toml`, a `dataset.toml` or a setting is wrong."""

    id = "declaration"


class DiskError(CvimakeError):
    """A file cannot be read or written, or the disk is full."""

    id = "disk"


class EngineError(CvimakeError):
    """No container engine answers, or it stopped answering."""

    id = "engine"


class ImageError(CvimakeError):
    """The toolchain image cannot be made or is not what it should be."""

    id = "image"


class StageFailedError(CvimakeError):
    """A stage's tool failed, did not write what it should, or made a result that is refused."""

    id = "stage-failed"
    exit_code = EXIT_STAGE_FAILED


class OverBudgetError(StageFailedError):
    """A stage's results are made and in place, but they exceed a budget."""


class ToolFailedError(StageFailedError):
    """A stage's tool failed, and its log is there.

    Args:
        cause: what happened, and where.
        remedy: what to do; empty where the failure is not a known one.
        log: where the tool's whole log is.
        known: the id of the known failure; empty where it is none.
        link: a page that explains the cause in full; empty where there is none.
        excerpt: the log's last lines, where nothing else is known.
    """

    id = "tool-failed"

    def __init__(  # noqa: PLR0913 - all that is known of a failure, by keyword
        self,
        cause: str,
        remedy: str = "",
        *,
        log: Path,
        known: str = "",
        link: str = "",
        excerpt: Sequence[str] = (),
    ) -> None:
        super().__init__(cause, remedy)
        self.id = known or self.id
        self.log = log
        self.link = link
        self.excerpt = tuple(excerpt)

    def _advice(self) -> list[str]:
        more = [f"More: {self.link}"] if self.link else []
        return [*super()._advice(), *self.excerpt, *more, log_tail.whole(self.log)]

    def problem(self, name: str = "") -> Problem:
        """Return the error as plain data, with its log and its link."""
        return replace(super().problem(name), log=harmless(str(self.log)), link=self.link)
