"""Small graphs for property tests: the names that each node needs; none needs itself or a later one."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def random_graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"n{number}" for number in range(draw(st.integers(0, 8)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }
