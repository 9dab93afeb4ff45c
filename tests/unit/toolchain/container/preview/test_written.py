from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.preview.written import shortened, shown

LATIN = frozenset([*range(0x20, 0x7F), 0xE9, 0x416, 0x5D0, 0x661, 0x301, 0x202E, 0xA0, 0x2026])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("traffic light", "traffic light"),
        ("café Ж", "café Ж"),
        # One letter, written as two characters.
        ("cafe\u0301", "café"),
        ("x\u0301", r"x\u0301"),
        ("red\x1b[31m\n\t\0", r"red\x1b[31m\x0a\x09\x00"),
        # Hebrew, Arabic digits, and the character that turns the direction round.
        ("\u05d0\u0661\u202e", r"\u05d0\u0661\u202e"),
        ("人😀", r"\u4eba\U0001f600"),
        ("a\u00a0b", r"a\xa0b"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_character_that_cannot_be_drawn_by_itself_is_escaped(name: str, expected: str) -> None:
    assert shown(name, LATIN) == expected


@given(st.text(st.characters(), max_size=40))
def test_only_characters_of_the_font_are_left(name: str) -> None:
    drawn = shown(name, LATIN)
    assert {ord(letter) for letter in drawn} <= LATIN
    assert drawn.isprintable()
    assert shown(drawn, LATIN) == drawn


@given(st.text(max_size=60), st.integers(1, 80))
def test_a_text_is_shortened_to_its_width_and_keeps_its_ends(text: str, width: int) -> None:
    short = shortened(text, width, len)
    assert len(short) == min(len(text), width)
    if short != text:
        start, _, end = short.partition("…") if "…" not in text else (short[: (width + 1) // 2 - 1], "", "")
        assert text.startswith(start)
        assert text.endswith(end)
