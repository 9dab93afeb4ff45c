from __future__ import annotations

import pytest

from cvimake.toolchain.container.sample_order import Order, Tensors, needed

SAME, OTHER = {"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3"}


@pytest.mark.parametrize(
    ("disturbed", "after_another", "leftovers", "order"),
    [
        (SAME, SAME, False, Order.ANY),
        (OTHER, SAME, False, Order.LAST),
        (SAME, SAME, True, Order.LAST),
        (OTHER, OTHER, False, Order.ALL),
        (SAME, OTHER, True, Order.ALL),
    ],
)
def test_the_order_is_the_least_that_gives_the_same_tensors(
    disturbed: Tensors,
    after_another: Tensors,
    leftovers: bool,  # noqa: FBT001 - a parameter of this test
    order: Order,
) -> None:
    found = needed(lambda: SAME, lambda: disturbed, lambda: after_another, leftovers=leftovers)
    assert found is order


def test_an_independent_network_computes_the_sample_only_twice() -> None:
    def never() -> Tensors:
        raise AssertionError

    assert needed(lambda: SAME, lambda: SAME, never, leftovers=False) is Order.ANY
    assert needed(lambda: SAME, never, lambda: SAME, leftovers=True) is Order.LAST
