"""How the samples of a calibration may be shared out to processes; plain functions of values.

The toolchain computes one layer after the other, each for all samples, and tensors of different layers lie in
the same memory. Most layers write all of their output, so that it depends on the sample alone. Some do not:
the padding of `top.Pad` is what lay there before, and some layers are not handed all of their operands.
Whether a network has such layers is found out by computing its first sample in different circumstances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

# The digest of every tensor of the sample that is looked at.
Tensors = Mapping[str, bytes]


class Order(Enum):
    """The order that samples have to be computed in so that the toolchain's bytes come out.

    Attributes:
        ANY: a sample's tensors depend on nothing else.
        LAST: they depend on which sample was computed last by the layers before. All processes compute the
            last one after their own.
        ALL: they depend on more. One process computes all, as the toolchain does.
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
    """The order that a network needs.

    Args:
        alone: computes the sample in a network that has computed nothing before.
        disturbed: the same, with other values in the place of every output before it is computed, and with
            each layer also computing another sample afterwards.
        after_another: the same as `alone`, with each layer computing another sample first.
        leftovers: some layer is known to be handed less than it reads.
    """
    expected = alone()
    if not leftovers and disturbed() == expected:
        return Order.ANY
    return Order.LAST if after_another() == expected else Order.ALL
