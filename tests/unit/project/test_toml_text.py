from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.project import toml_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# TOML holds no halves of surrogate pairs.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_a_string_reads_back_as_the_same_text(text: str) -> None:
    assert tomllib.loads(f"key = {toml_text.string(text)}") == {"key": text}


@given(TEXTS)
def test_every_line_of_a_comment_is_a_comment(text: str) -> None:
    assert tomllib.loads("\n".join(toml_text.comment(text))) == {}


@pytest.mark.parametrize(("start", "indent"), [("", "# "), ("- ", "#   ")])
def test_a_long_comment_is_broken_between_words(start: str, indent: str) -> None:
    first, second = toml_text.comment(f"{start}{'word ' * 30}")
    assert first.startswith(f"# {start}word")
    assert second.startswith(f"{indent}word")
    assert len(first) <= 105
