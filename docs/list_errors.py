"""Writes docs/errors.md from the known failures: `python docs/list_errors.py`."""

import re
from pathlib import Path

from cvimake.toolchain.known_failures import KNOWN, Known

_HEAD = """# Errors people meet

A step that fails says what happened, what to do, and where its whole log is; `./doit log MODEL:STAGE` shows
that. Where the failure is none of these, it shows the log's last lines instead. Each was caused in the real
toolchain, by `tests/integration/failures.py`. (Written by `docs/list_errors.py` from
`cvimake/toolchain/known_failures.py`.)

Much is found before a container starts: unknown outputs with the nearest names, shapes and channels that are
not the network's, weights in other files, missing or empty datasets, images and arrays that cannot be read,
arrays of other names and shapes than the network's inputs, tables of another network.
An npz is refused by its directory where it would unpack to more than a step's memory limit; one whose
directory lies meets that limit in its container, as any network, image or array does.
"""
_ENDINGS = {
    "memory": "the engine says that the memory limit ended it",
    "time": "it ran longer than its time limit",
    "workspace": "the files that it wrote took more than they may",
    "killed": "it ended with exit code 137, by none of the limits",
}


def _sentence(text: str) -> str:
    """A template for people: what is filled in stands in capitals."""
    named = re.sub(
        r"\{(\w+)[^}]*\}", lambda match: match[1].upper(), text.replace("{{", "\0").replace("}}", "\1")
    )
    return named.replace("\0", "{").replace("\1", "}").replace("\n", " ")


def _section(known: Known) -> str:
    sign = (
        _ENDINGS[known.sign]
        if isinstance(known.sign, str)
        else f"its log holds `{_plain(known.sign.pattern)}`"
    )
    more = f" {known.link}" if known.link else ""
    return (
        f"## {known.id}\n\n> {_sentence(known.cause)}\n\n"
        f"{_sentence(known.remedy)}{more}\n\nTold by: {sign}.\n"
    )


def _plain(pattern: str) -> str:
    return pattern.replace("`", "'")


def page() -> str:
    """All of docs/errors.md."""
    return "\n".join([_HEAD, *map(_section, KNOWN)])


if __name__ == "__main__":
    Path(__file__).with_name("errors.md").write_text(page(), encoding="utf-8")
