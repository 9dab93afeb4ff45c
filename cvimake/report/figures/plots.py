"""Draws the figures of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cvimake.report.accuracy import FLOAT, largest_difference
from cvimake.report.data import Breakdown, Curve, Model, Series, Threshold
from cvimake.report.figures.svg import FAINT, INK, SERIES, canvas, drawn, text_of
from cvimake.report.variant_data import Search, Variant

_WIDE = 680.0
_BAR, _GAP = 9.0, 9.0
# More classes are not readable. The table below the figure has all of them.
MOST_PARTS = 20
# With more points than that, their names would cover each other.
_MOST_NAMED = 12
# The length of a bar for 0: otherwise it would look as if the network were missing.
_VISIBLE = 0.004
_MOST_BARS = 60
_MOST_IN_A_ROW = 5
# The height of a figure in which no layer loses anything.
_LEAST_LOSS = 1e-6
_MARKERS = "osD^vPX"
_MEGABYTE = 1000**2


def accuracy_against_size(models: Iterable[Model]) -> str:
    """Draw the accuracy of every cvimodel against its size; an empty text if nothing was measured."""
    points = [
        (model, variant, value)
        for model in models
        for variant in model.variants
        if variant.contents and variant.figure and (value := variant.figure.value) is not None
    ]
    if not points:
        return ""
    names = list(dict.fromkeys(variant.name for _, variant, _ in points))
    with canvas("accuracy", (0.14, 0.17, 0.82, 0.68), 260, _WIDE / 1.6) as axes:
        for place, name in enumerate(names):
            of_name = [
                (variant.contents.size, value)
                for _, variant, value in points
                if variant.contents and variant.name == name
            ]
            sizes, values = zip(*of_name, strict=True)
            axes.plot(
                [size / _MEGABYTE for size in sizes],
                values,
                linestyle="",
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=7 if len(points) <= _MOST_NAMED else 4,
                color=_colour(place + 1),
                label=text_of(name, 14),
            )
        if len(points) <= _MOST_NAMED and len({model.name for model, _, _ in points}) > 1:
            _name_models(axes, points)
        axes.set_xlabel("size of the file in MB")
        axes.set_ylabel("accuracy, or agreement")
        axes.margins(x=0.06, y=0.25)
        axes.set_xlim(left=0)
        lowest, highest = axes.get_ylim()
        axes.set_ylim(max(lowest, -0.02), min(highest, 1.02))
        axes.grid(visible=True)
        _legend(axes, len(names))
        return drawn(axes, f"accuracy against size of {len(points)} cvimodels; the table has the numbers")


def _name_models(axes: Any, points: Sequence[tuple[Model, Variant, float]]) -> None:  # noqa: ANN401 - matplotlib.axes.Axes
    """Write the name of each model beside its largest cvimodel, on the side with more space."""
    sizes = {id(variant): variant.contents.size / _MEGABYTE for _, variant, _ in points if variant.contents}
    largest = {
        model.name: (sizes[id(variant)], value)
        for model, variant, value in sorted(points, key=lambda point: sizes[id(point[1])])
    }
    for name, (size, value) in largest.items():
        is_right = size > max(sizes.values()) * 0.7
        axes.annotate(
            text_of(name, 16),
            (size, value),
            xytext=(-7 if is_right else 7, -3),
            textcoords="offset points",
            horizontalalignment="right" if is_right else "left",
            color=FAINT,
            fontsize=8,
        )


def of_parts(breakdown: Breakdown, shown: Sequence[int], *, as_differences: bool = False) -> str:
    """Draw a bar for each part and network.

    Args:
        breakdown: the figures.
        shown: the places of the parts to draw.
        as_differences: draw how far each variant is from the float network, which has no bars then. Otherwise
            small differences could not be seen.
    """
    first, *others = breakdown.series
    series = others if as_differences else breakdown.series
    step = _BAR * len(series) + _GAP
    height = step * len(shown) + 62
    with canvas("parts", (0.3, 30 / height, 0.66, 1 - 62 / height), height) as axes:
        for number, one in enumerate(series):
            lengths = _differences(first, one) if as_differences else [_seen(value) for value in one.values]
            boxes = [
                (0.0, row * step + (number - 0.5) * _BAR, lengths[part], _BAR - 1.5)
                for row, part in enumerate(shown)
            ]
            _boxes(axes, boxes, _colour(number + as_differences), text_of(one.name, 12))
        middle = _BAR * (len(series) - 1) / 2
        axes.set_yticks(
            [row * step + middle for row in range(len(shown))],
            [text_of(breakdown.parts[part], 15) for part in shown],
        )
        axes.set_ylim(len(shown) * step - _GAP / 2, -_BAR)
        farthest = (largest_difference(breakdown) or 0.0) * 1.1
        axes.set_xlim(*((-farthest, farthest) if as_differences else (0, 1)))
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        _legend(axes, len(series), height)
        what = f"difference of the {breakdown.metric}" if as_differences else breakdown.metric
        return drawn(axes, f"{what} of each {breakdown.of}: {_listed(one.name for one in series)}")


def _differences(of_float: Series, one: Series) -> list[float]:
    return [
        0.0 if None in {theirs, ours} else (ours or 0.0) - (theirs or 0.0)
        for theirs, ours in zip(of_float.values, one.values, strict=True)
    ]


def _seen(value: float | None) -> float:
    """Return the length of a bar that can be seen, also for 0."""
    return max(value or 0.0, _VISIBLE)


def curves(found: Sequence[Curve]) -> str:
    """Draw precision over recall."""
    with canvas("curves", (0.14, 0.17, 0.82, 0.68), 250) as axes:
        for number, curve in enumerate(found):
            precision = curve.precision
            axes.plot(
                [place / (len(precision) - 1) for place in range(len(precision))],
                precision,
                color=_colour(number if found[0].name == FLOAT else number + 1),
                linewidth=1.6,
                linestyle="--" if curve.name == FLOAT else "-",
                label=text_of(curve.name, 12),
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.grid(visible=True)
        _legend(axes, len(found))
        return drawn(axes, f"precision over recall of {_listed(one.name for one in found)}")


def losses(name: str, search: Search, order: Sequence[str], floats: Sequence[str]) -> str:
    """Draw the loss of each layer that the search of a variant has tried, over the depth in the network."""
    depth = {name: place for place, name in enumerate(order)}
    known = [one for one in search.losses if one.name in depth]
    if not known:
        return ""
    worst = min(known, key=lambda one: one.value)
    with canvas("losses", (0.19, 0.17, 0.77, 0.68), 240) as axes:
        width = _bar_width(len(order))
        for label, colour, of_kind in (
            ("stays float", SERIES[1], [one for one in known if one.name in floats]),
            ("INT8", SERIES[0], [one for one in known if one.name not in floats]),
        ):
            if of_kind:
                boxes = [(depth[one.name] - width / 2, 0.0, width, 1 - one.value) for one in of_kind]
                _boxes(axes, boxes, colour, label)
        is_late = depth[worst.name] > len(order) / 2
        axes.annotate(
            text_of(worst.name, 30),
            (depth[worst.name], 1 - worst.value),
            xytext=(-7 if is_late else 7, 0),
            textcoords="offset points",
            horizontalalignment="right" if is_late else "left",
            color=INK,
            fontsize=8.5,
        )
        axes.set_xlim(-0.5, len(order) - 0.5)
        _count_in_whole_numbers(axes)
        axes.set_ylim(0, max(1 - worst.value, _LEAST_LOSS) * 1.08)
        axes.set_xlabel("depth: layers from the input to the outputs")
        axes.set_ylabel("loss of the layer (1 - cosine)")
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        _legend(axes, 2)
        return drawn(axes, f"{name}: loss of {len(known)} layers over the depth; the worst is {worst.name}")


def mixtures(name: str, search: Search) -> str:
    """Draw the loss of every mixture of layers that a search has tried; an empty text if none is known."""
    tried = [one for one in search.mixtures if one.cosine is not None]
    if not tried or search.int8_cos is None:
        return ""
    points = [(0, 1 - search.int8_cos), *((one.float_layers, 1 - (one.cosine or 0.0)) for one in tried)]
    aim = 1 - search.expected_cos
    with canvas("mixtures", (0.19, 0.17, 0.77, 0.68), 240) as axes:
        layers, lost = zip(*points, strict=True)
        axes.plot(layers, lost, color=SERIES[1], linewidth=1.6, marker="o", markersize=5, label="mixtures")
        axes.axhline(aim, color=SERIES[0], linewidth=1.4, linestyle="--", label="aim: expected_cos")
        axes.set_xlim(-0.5, max(layers) + 0.5)
        _count_in_whole_numbers(axes)
        axes.set_ylim(0, max(*lost, aim, _LEAST_LOSS) * 1.08)
        axes.set_xlabel("layers that are float")
        axes.set_ylabel("loss of the outputs (1 - cosine)")
        axes.grid(visible=True)
        _legend(axes, 2)
        return drawn(axes, f"{name}: loss of the outputs of {len(points)} mixtures of layers")


def clipping(thresholds: Sequence[Threshold]) -> str:
    """Draw which part of the seen values each layer clips, over the depth in the network."""
    with canvas("clipping", (0.14, 0.19, 0.82, 0.76), 220) as axes:
        values = [100 * one.clipped for one in thresholds]
        if len(values) > _MOST_BARS:
            # One outline is much shorter than many boxes that touch.
            axes.stairs(values, [place - 0.5 for place in range(len(values) + 1)], fill=True, color=SERIES[1])
        else:
            width = _bar_width(len(values))
            boxes = [(place - width / 2, 0.0, width, value) for place, value in enumerate(values)]
            _boxes(axes, boxes, SERIES[1], "")
        axes.set_xlim(-0.7, len(values) - 0.3)
        _count_in_whole_numbers(axes)
        axes.set_ylim(0, max(10, *values) * 1.08)
        axes.set_xlabel("depth: layers from the input to the outputs")
        axes.set_ylabel("clipped, % of the extreme")
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        return drawn(
            axes, f"the clipped part of the values of {len(values)} layers; the table has the largest"
        )


def _boxes(axes: Any, boxes: Sequence[tuple[float, float, float, float]], colour: str, label: str) -> None:  # noqa: ANN401 - matplotlib.axes.Axes
    """Draw boxes as one shape: as many shapes, they would take most of the time that a page takes.

    Args:
        axes: where.
        boxes: left, bottom, width and height of each.
        colour: of all.
        label: for the legend.
    """
    import numpy as np  # noqa: PLC0415 - only there for a report
    from matplotlib.patches import PathPatch  # noqa: PLC0415 - only there for a report
    from matplotlib.path import Path as Shape  # noqa: PLC0415 - only there for a report

    corners = [
        [(left, bottom), (left + width, bottom), (left + width, bottom + height), (left, bottom + height)]
        for left, bottom, width, height in boxes
    ]
    shape = Shape.make_compound_path_from_polys(np.array(corners))
    # As a patch, it would be searched for its extremes, and these are known.
    axes.add_artist(PathPatch(shape, facecolor=colour, linewidth=0, label=label))


def _bar_width(bars: int) -> float:
    """Return the width of one of several bars: gaps between many would make a pattern of their own."""
    return 0.8 if bars <= _MOST_BARS else 1.0


def _count_in_whole_numbers(axes: Any) -> None:  # noqa: ANN401 - matplotlib.axes.Axes
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - only there for a report

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _legend(axes: Any, entries: int, height: float = 250) -> None:  # noqa: ANN401 - matplotlib.axes.Axes
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0 + 1 / height),
        ncols=entries if entries <= _MOST_IN_A_ROW else -(-entries // 2),
        frameon=False,
        fontsize=8.5,
        handlelength=1.1,
        handletextpad=0.5,
        columnspacing=1.0,
        borderpad=0.3,
    )


def _colour(number: int) -> str:
    return SERIES[number] if number < len(SERIES) else SERIES[1 + (number - 1) % (len(SERIES) - 1)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def shown_parts(breakdown: Breakdown) -> list[int]:
    """Return the places of the parts to draw: all, or those in which a variant loses most."""
    places = range(len(breakdown.parts))
    if len(places) <= MOST_PARTS:
        return list(places)
    first, *others = breakdown.series

    def lost(place: int) -> float:
        before = first.values[place] or 0.0
        return max((before - (one.values[place] or 0.0) for one in others), default=0.0)

    return sorted(sorted(places, key=lost, reverse=True)[:MOST_PARTS])
