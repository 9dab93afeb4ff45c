from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cvimake.release import sums

NAMES = st.text("ab_.-/", min_size=1, max_size=12).filter(sums.is_safe)
SUMS = st.dictionaries(NAMES, st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1)


@given(SUMS)
def test_written_sums_read_back_without_faults(listed: dict[str, str]) -> None:
    assert sums.read(sums.write(listed)) == (listed, [])


@given(SUMS, st.data())
def test_no_other_text_says_the_same_without_a_fault(listed: dict[str, str], data: st.DataObject) -> None:
    text = sums.write(listed)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + other + text[place + 1 :]
    found, faults = sums.read(changed)
    assert changed == text or faults or found != listed


@given(st.text(max_size=200))
def test_any_text_of_sums_can_be_read(text: str) -> None:
    listed, faults = sums.read(text)
    assert faults or sums.write(listed) == text
    assert all(sums.is_safe(name) for name in listed)
