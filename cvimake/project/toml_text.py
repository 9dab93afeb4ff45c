"""Writes strings and comments of a TOML file."""

from __future__ import annotations

import json
from collections.abc import Iterator

# The most characters of a line of a comment.
_WIDTH = 100


def string(value: str) -> str:
    """Return a TOML string. JSON has the same escapes, but does not escape the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def comment(text: str) -> Iterator[str]:
    """Yield a comment in lines of readable length. No character of the text can end a line."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    line, indent = "#", "   " if clean.startswith("- ") else " "
    for word in clean.split():
        if len(line) + len(word) > _WIDTH and line != "#":
            yield line
            line = f"#{indent[:-1]}"
        line += f" {word}"
    yield line
