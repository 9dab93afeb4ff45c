"""The errors a user can meet. Each says what is wrong and what to do; only the commands print them.

Exit codes of every command:

====  ==========================================================================
0     done, or nothing to do
1     a step failed, or a release is not what it says
2     something is wrong around the steps: a declaration, the engine, the image
3     doit refused the command line or `dodo.py`
130   interrupted (Ctrl-C); 143, 129: ended by SIGTERM, SIGHUP; 141: nobody reads its output any more
====  ==========================================================================
"""

from __future__ import annotations

import re

EXIT_STEP_FAILED = 1
EXIT_NOT_POSSIBLE = 2
EXIT_INTERRUPTED = 130
EXIT_BY_SIGNAL = 128

# C0 but tab and line feed, DEL, C1; what a terminal obeys, and what turns the direction of writing.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """A text from elsewhere, with what would steer a terminal, or cannot be written, replaced."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


class CvimakeError(Exception):
    """Something that a user can put right.

    Args:
        what: what is wrong, and where.
        remedy: what to do, one or more lines; empty where `what` says it.
    """

    exit_code = EXIT_NOT_POSSIBLE

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        if not self.remedy:
            return harmless(self.what)
        return harmless("\n".join([self.what, *(f"  {line}" for line in self.remedy.splitlines())]))


class DeclarationError(CvimakeError):
    """A `model.toml` or setting is wrong."""


class EngineError(CvimakeError):
    """No container engine answers, or it stopped answering."""


class ImageError(CvimakeError):
    """The toolchain image cannot be made or is not what it should be."""


class StepFailedError(CvimakeError):
    """A step's tool failed or did not write what it should."""

    exit_code = EXIT_STEP_FAILED
