from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.preview.choice import choose
from cvimake.toolchain.container.preview.objects import Marked, Seen

CAT, DOG = Seen(0, 0.9, (10, 10, 40, 40)), Seen(1, 0.6, (100, 10, 40, 40))


def test_the_images_with_the_greatest_differences_come_first() -> None:
    of_float = {0: [CAT], 1: [CAT], 2: [CAT, DOG]}
    variant = {0: [CAT], 1: [], 2: [CAT]}
    shown = choose(range(3), None, of_float, [variant], count=2)
    assert [(one.image, one.disagreement) for one in shown] == [(1, 0.9), (2, 0.6)]
    assert shown[0].columns == ((Marked(CAT),), (Marked(CAT, "missed"),))


def test_of_equal_images_those_with_most_objects_come_first_then_the_earlier_ones() -> None:
    of_float = {1: [CAT], 2: [CAT, DOG], 3: [CAT]}
    shown = choose(range(4), None, of_float, [of_float], count=4)
    assert [one.image for one in shown] == [2, 1, 3, 0]


def test_the_difference_is_the_mean_of_all_variants() -> None:
    (shown,) = choose([0], None, {0: [CAT]}, [{0: [CAT]}, {}], count=1)
    assert shown.disagreement == 0.45


def test_labels_are_the_first_column_even_of_an_image_that_has_none() -> None:
    label = Seen(0, None, (10, 10, 40, 40))
    shown = choose(range(2), {0: [label]}, {}, [{}], count=None)
    assert [one.columns[0] for one in shown] == [(Marked(label),), ()]
    assert [len(one.columns) for one in shown] == [3, 3]


def test_without_a_count_all_images_keep_their_order() -> None:
    shown = choose(range(3), None, {2: [CAT]}, [{}], count=None)
    assert [one.image for one in shown] == [0, 1, 2]


@given(st.integers(0, 12), st.lists(st.sampled_from([(), (CAT,), (CAT, DOG)]), max_size=8))
def test_no_image_is_shown_twice_and_the_differences_fall(count: int, found: list[tuple[Seen, ...]]) -> None:
    shown = choose(range(len(found)), None, {}, [dict(enumerate(found))], count=count)
    assert len({one.image for one in shown}) == len(shown) == min(count, len(found))
    differences = [one.disagreement for one in shown]
    assert differences == sorted(differences, reverse=True)
