from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import random_graphs

from cvimake.cli.drawing.layers import arrange

GAP = 10.0


@settings(deadline=None)
@given(random_graphs(), st.data())
def test_nothing_overlaps_and_every_line_goes_to_the_right(
    needs: dict[str, list[str]], data: st.DataObject
) -> None:
    heights = {name: data.draw(st.floats(10, 80)) for name in needs}
    edges = [(needed, name) for name, others in needs.items() for needed in others]
    layout = arrange(heights, edges, GAP)
    taken: dict[int, list[tuple[float, float]]] = {}
    for name, height in heights.items():
        taken.setdefault(layout.columns[name], []).append((layout.centres[name], height))
    for (start, end), bends in layout.bends.items():
        assert [column for column, _ in bends] == list(range(layout.columns[start] + 1, layout.columns[end]))
        for column, centre in bends:
            taken[column].append((centre, 0.0))
    for places in taken.values():
        lower_end = -GAP
        for centre, height in sorted(places):
            assert centre - height / 2 >= lower_end + GAP - 1e-6
            lower_end = centre + height / 2
        assert lower_end <= layout.height + 1e-6
    assert layout == arrange(heights, edges, GAP)


def test_ends_stand_under_each_other_and_a_lone_line_is_straight() -> None:
    layout = arrange(
        dict.fromkeys("abcdef", 20.0), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "e"), ("e", "f")], GAP
    )
    assert layout.columns == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 2, "f": 3}
    assert layout.centres["e"] == pytest.approx(layout.centres["f"], abs=1.5)
    assert layout.centres["b"] == pytest.approx(layout.centres["c"], abs=1.5)


def test_an_empty_picture_takes_no_space() -> None:
    assert arrange({}, [], GAP).height == 0.0
