"""Write docs/errors.md from the known failures: `python docs/list_errors.py`."""

import re
from pathlib import Path

from cvimake.fetching.faults import FAULTS, Fault
from cvimake.toolchain.known_failures import KNOWN, Known

_HEAD = """# Errors and what to do

A failed stage says what happened, what to do, and where its whole log is. `./doit log MODEL:STAGE` shows
the log. This page lists the known failures. If a failure is not known, the stage shows the last lines of its
log instead. `tests/integration/failures.py` causes each of these failures in the real toolchain.
(`docs/list_errors.py` writes this page from `cvimake/toolchain/known_failures.py`.)

Most mistakes are found before a container starts: unknown outputs (with similar names that exist), shapes
and channels that differ from the network's, weights that are in other files, missing or empty datasets,
images and arrays that cannot be read, arrays whose names or shapes differ from the network's inputs, and
tables of another network. An npz contains a list of its arrays and their sizes. If their sum is larger than
a stage's memory limit, the npz is refused. If the list is false, the memory limit stops the tool later, in
its container. Wrong labels of a dataset are told with file and line:
[declaring.md](declaring.md#labels) lists what is refused.

Below, words in CAPITALS stand for a name or a number of your model.
"""
_FETCH_HEAD = """## Errors of ./doit fetch

[fetching.md](fetching.md) says how files are declared and fetched. (`docs/list_errors.py` writes this
table from `cvimake/fetching/faults.py`.)

| id | what happened to a file | what to do |
|---|---|---|"""
_ENDINGS = {
    "memory": "the engine says that the memory limit stopped the tool",
    "time": "the tool ran longer than its time limit",
    "workspace": "the files that the tool wrote exceeded their limit",
    "killed": "the tool ended with exit code 137, but no limit stopped it",
}


def _sentence(text: str) -> str:
    """Return a template for people, with its placeholders in capitals."""
    named = re.sub(
        r"\{(\w+)[^}]*\}", lambda match: match[1].upper(), text.replace("{{", "\0").replace("}}", "\1")
    )
    return named.replace("\0", "{").replace("\1", "}").replace("\n", " ")


def _section(known: Known) -> str:
    sign = (
        _ENDINGS[known.sign]
        if isinstance(known.sign, str)
        else f"the log contains `{_plain(known.sign.pattern)}`"
    )
    more = f" {known.link}" if known.link else ""
    return (
        f"## {known.id}\n\n> {_sentence(known.cause)}\n\n"
        f"{_sentence(known.remedy)}{more}\n\nRecognised because {sign}.\n"
    )


def _plain(pattern: str) -> str:
    return pattern.replace("`", "'")


def page() -> str:
    """Return the text of docs/errors.md."""
    return "\n".join([_HEAD, *map(_section, KNOWN), _FETCH_HEAD, *map(_fetch_row, FAULTS), ""])


def _fetch_row(fault: Fault) -> str:
    return f"| `{fault.id}` | {_sentence(fault.cause)} | {_sentence(fault.remedy)} |"


if __name__ == "__main__":
    Path(__file__).with_name("errors.md").write_text(page(), encoding="utf-8")
