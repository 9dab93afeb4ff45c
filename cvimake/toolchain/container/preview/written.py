"""Names as they can be drawn: a stranger's name never breaks a picture, and never poses as another one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container

# Marks that follow a letter, control and format characters, and places that belong to nobody.
_UNDRAWN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mc", "Me", "Mn", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"AL", "AN", "R"})
_GAP = "…"


def shown(text: str, glyphs: Container[int]) -> str:
    r"""Return a text in which every character can be drawn by itself, from left to right.

    All others are escaped as in Python: `\x1b`, `\u05d0`, `\U0001f600`.

    Args:
        text: any text.
        glyphs: the code points that the font has.
    """
    return "".join(
        letter if _is_drawn(letter, glyphs) else _escaped(letter)
        for letter in unicodedata.normalize("NFC", text)
    )


def shortened(text: str, width: float, measure: Callable[[str], float]) -> str:
    """Return a text that is at most so wide, with a gap in its middle if it had to be shortened.

    Args:
        text: one that can be drawn.
        width: in pixels.
        measure: the width of a text.
    """
    if measure(text) <= width:
        return text
    fits, tried = 0, len(text) - 1
    while fits < tried:
        middle = (fits + tried + 1) // 2
        if measure(_cut(text, middle)) <= width:
            fits = middle
        else:
            tried = middle - 1
    return _cut(text, fits)


def _cut(text: str, kept: int) -> str:
    """Return a text with so many of its characters, from both ends."""
    end = kept // 2
    return f"{text[: kept - end]}{_GAP}{text[len(text) - end :]}"


def _is_drawn(letter: str, glyphs: Container[int]) -> bool:
    if letter == " ":
        return True
    return (
        ord(letter) in glyphs
        and unicodedata.category(letter) not in _UNDRAWN
        and unicodedata.bidirectional(letter) not in _RIGHT_TO_LEFT
        and not letter.isspace()
    )


def _escaped(letter: str) -> str:
    return (
        f"\\x{ord(letter):02x}" if letter.isascii() else letter.encode("ascii", "backslashreplace").decode()
    )
