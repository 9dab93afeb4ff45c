"""Chooses the images to show: those with the greatest differences to the float network first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .marks import Compared, compare
from .objects import Marked, Seen

Objects = Mapping[int, Sequence[Seen]]


@dataclass(frozen=True)
class Shown:
    """An image to show.

    Attributes:
        image: its id.
        disagreement: the mean difference of the cvimodels to the float network.
        columns: the objects of each column: the labels if there are any, the float network, each cvimodel.
    """

    image: int
    disagreement: float
    columns: tuple[tuple[Marked, ...], ...]


def choose(
    images: Sequence[int],
    labels: Objects | None,
    of_float: Objects,
    of_variants: Sequence[Objects],
    *,
    count: int | None,
) -> list[Shown]:
    """Return the images to show.

    Args:
        images: the ids of all images.
        labels: the labelled objects of each image; None if there are no labels.
        of_float: those of the float network.
        of_variants: those of each cvimodel.
        count: how many are shown, the worst first, and of equal ones those with most objects; None for all,
            in their order.
    """
    compared: dict[int, list[Compared]] = {
        image: [compare(of_float.get(image, ()), own.get(image, ())) for own in of_variants]
        for image in images
    }
    mean = {
        image: sum(one.difference for one in several) / max(1, len(several))
        for image, several in compared.items()
    }
    order = list(images)
    if count is not None:
        order.sort(key=lambda image: (-mean[image], -len(of_float.get(image, ()))))
    return [
        Shown(
            image,
            round(mean[image], 4),
            (
                *([_plain(labels.get(image, ()))] if labels is not None else []),
                _plain(of_float.get(image, ())),
                *(one.objects for one in compared[image]),
            ),
        )
        for image in order[:count]
    ]


def _plain(objects: Sequence[Seen]) -> tuple[Marked, ...]:
    return tuple(map(Marked, objects))
