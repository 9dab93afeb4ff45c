"""Explains faults of TOML files: the parser says what it expected, and this module what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")
_WORD = re.compile(r"[^\s,\]}#]+")
_TYPOGRAPHIC_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
_LONGEST = 40
# Patterns of words that are not values in TOML, and the advice for each.
_WORDS = (
    ("(true|false)$", "{word} is written in small letters: {lower}"),
    ("(none|null|nil)$", "there is no {word}: leave the line out instead"),
    (r"[+-]?\.\d", "a number needs a digit before its point: 0.5"),
    (r"\(", "a list stands in square brackets: [1, 2]"),
    (f"[{_TYPOGRAPHIC_QUOTES}]", 'strings need straight quotes: "{plain}"'),
)
_STATEMENT = "a line is KEY = VALUE, or a [TABLE] in brackets"


def explain(message: str, text: str) -> tuple[int, str]:
    """Return the line number of a fault, and what is wrong there.

    Args:
        message: the parser's message, with the place.
        text: the text of the file.
    """
    place = _PLACE.search(message)
    what = _PLACE.sub("", message)
    lines = text.split("\n")
    if place and place["line"]:
        number, column = int(place["line"]), int(place["column"])
    else:
        # The fault is in the last statement, which can have several lines.
        last = [number for number, line in enumerate(lines, 1) if "=" in line.partition("#")[0]]
        number = last[-1] if last else 1
        column = len(lines[number - 1]) + 1
    line = lines[number - 1].rstrip("\r")
    for sign, advice in _ADVICE:
        if sign in what:
            return number, advice(line[: column - 1], line[column - 1 :]) if callable(advice) else advice
    return number, what


def _invalid_value(before: str, rest: str) -> str:
    match = _WORD.match(rest)
    word = match[0][:_LONGEST] if match else ""
    if not word:
        if rest.startswith(","):
            return "a value is missing before the comma"
        opened = before.count("[") > before.count("]")
        return "a comma or the closing ] is missing" if opened else "a value is missing after ="
    for pattern, advice in _WORDS:
        if re.match(pattern, word, re.IGNORECASE):
            return advice.format(word=word, lower=word.lower(), plain=word.strip(_TYPOGRAPHIC_QUOTES))
    return f'strings need quotes: "{word}"'


def _after_a_statement(before: str, rest: str) -> str:
    key, _, value = before.partition("=")
    value = value.strip()
    if rest.startswith(","):
        return f"a list stands in square brackets: {key.strip()[:_LONGEST]} = [{value[:_LONGEST]}, ...]"
    if rest.startswith(("]", "}")):
        return f"there is a {rest[0]} that nothing opened"
    if not value or value[-1] in "\"']}":
        return f"nothing can follow on the same line: {rest[:_LONGEST]!r}"
    match = _WORD.match(rest)
    word = f"{value}{match[0] if match else ''}"
    if word.rstrip(".").isdigit():
        return "a number has no 0 in front, and a digit behind its point: 7, 5.0"
    return f'strings need quotes: "{word[:_LONGEST]}"'


def _no_equals_sign(before: str, rest: str) -> str:
    if rest.lstrip().startswith(":"):
        return f"write = instead of the colon: {before.strip()[:_LONGEST]} = ..."
    return "a key is one word, and = stands behind it" if "=" in rest else _STATEMENT


# A part of the parser's message, and the advice for it. The first that fits is used.
_ADVICE: tuple[tuple[str, str | Callable[[str, str], str]], ...] = (
    ("Invalid value", _invalid_value),
    ("Expected newline or end of document after a statement", _after_a_statement),
    ("Expected '=' after a key", _no_equals_sign),
    ("Invalid statement", _STATEMENT),
    ("Cannot overwrite a value", "this key stands there twice"),
    ("Cannot declare", "this table stands there twice"),
    ("Duplicate inline table key", "a key stands there twice"),
    ("Unterminated string", "the closing quote is missing"),
    ('Expected "\'"', "the closing quote is missing"),
    (r"Illegal character '\n'", "the closing quote is missing on this line"),
    ("Unclosed array", "a comma or the closing ] is missing"),
    ("Unclosed inline table", "a comma or the closing } is missing"),
    ("at the end of a table declaration", "the closing ] is missing"),
    ("at the end of an array declaration", "the closing ]] is missing"),
    ("Invalid initial character for a key part", "a key is missing here, or there is a comma too many"),
    ("Unescaped '\\'", r"a \ is written twice between double quotes; between single ones it stands once"),
)
