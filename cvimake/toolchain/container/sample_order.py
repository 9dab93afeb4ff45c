"""Tells how the samples of a calibration may be shared out to processes; plain functions without effects.

The toolchain computes one layer after the other, each for all samples, and tensors of different layers lie in
the same memory. Most layers write their whole output, which then depends on the sample alone. Some do not:
the padding of `top.Pad` keeps the values that were in the memory before, and some layers are not handed all
of their operands. To find out if a network has such layers, its first sample is computed in several ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

# The digests of all tensors that are computed from one sample.
Tensors = Mapping[str, bytes]


class Order(Enum):
    """The order in which samples have to be computed to get the toolchain's bytes.

    Attributes:
        ANY: a sample's tensors depend on nothing else.
        LAST: they depend on the sample that the layers before have computed last. All processes compute the
            last sample after their own.
        ALL: they depend on more. One process computes all samples, as the toolchain does.
    """

    ANY = "any"
    LAST = "last"
    ALL = "all"


def needed(
    alone: Callable[[], Tensors],
    disturbed: Callable[[], Tensors],
    after_another: Callable[[], Tensors],
    *,
    leftovers: bool,
) -> Order:
    """Return the order that a network needs.

    Args:
        alone: computes the sample in a network that has computed nothing before.
        disturbed: does the same, but writes other values to every output before it is computed, and lets each
            layer compute another sample afterwards.
        after_another: does the same as `alone`, but lets each layer compute another sample first.
        leftovers: some layer is known to read more than it is handed.
    """
    expected = alone()
    if not leftovers and disturbed() == expected:
        return Order.ANY
    return Order.LAST if after_another() == expected else Order.ALL
