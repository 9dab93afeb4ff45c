"""Draws results: cvimake's figures as ratios to those of others.

Figures at several sizes are drawn as lines, in panels. All others are points, one below the other. Processor
time, and memory at several sizes, are only in the table.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from bench import picture
from bench.measure import Comparison, Result, Unit
from bench.picture import BOUND, GRID, TEXT
from bench.records import Record

# Colours that colour-blind people can tell apart (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_LESS = "#f0f6f0"
# In inches.
_PANEL, _ROW, _MARGIN = 2.7, 0.3, 1.0
# The room at either end of an axis of ratios, as a factor.
_ROOM = 1.5
# Labels at the ends of lines: their size, and the least distance between them, in points.
_LABEL, _BETWEEN = 7.5, 9.5
# Characters in a line of a panel's title.
_TITLE = 52


@dataclass(frozen=True)
class _Panel:
    """A panel of lines: the results of each line, by its name."""

    title: str
    lines: dict[str, list[Result]]


@dataclass(frozen=True)
class _End:
    """The end of a line: its size and its ratio. The only line of a panel has no name."""

    name: str
    colour: str
    place: int
    ratio: float


def draw(records: Iterable[Record], path: Path) -> None:
    """Write the picture, in the format that its name says. The same results give the same bytes."""
    results = [record.result for record in records if record.result.ratio is not None]
    panels, points = _panels(results)
    # Two panels are drawn beside each other.
    rows = math.ceil(len(panels) / 2)
    heights = {"points": (_ROW * len(points) + _MARGIN / 2) * bool(points), "lines": _PANEL * rows}
    heights = {part: height for part, height in heights.items() if height}
    title = "time or memory of cvimake, as a multiple of the other's"
    with picture.written(path, sum(heights.values()) + _MARGIN, title) as figure:
        figure.legend(handles=_marks(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
        grids = figure.subfigures(
            max(1, len(heights)), 1, height_ratios=[*heights.values()] or [1], squeeze=False
        )
        parts = dict(zip(heights, grids[:, 0], strict=False))
        if points:
            _draw_points(parts["points"].subplots(), points)
        places = list(parts["lines"].subplots(rows, 2, squeeze=False).flat) if panels else []
        for axes in places[len(panels) :]:
            axes.remove()
        drawn = [(axes, _draw_lines(axes, panel)) for axes, panel in zip(places, panels, strict=False)]
        # The sizes of everything are only known now.
        figure.draw_without_rendering()
        for axes, ends in drawn:
            _name_lines(axes, ends, figure.dpi)


def _panels(results: Sequence[Result]) -> tuple[list[_Panel], list[Result]]:
    """Return the results that are drawn as lines, in panels, and those that are drawn as points."""
    of_several: list[Result] = []
    points: list[Result] = []
    for result in results:
        same = (result.benchmark, result.figure, result.against, result.unit)
        sizes = {
            other.scale for other in results
            if (other.benchmark, other.figure, other.against, other.unit) == same
        }  # fmt: skip
        (of_several if len(sizes) > 1 else points).append(result)
    panels: dict[str, _Panel] = {}
    for result in (result for result in of_several if result.unit in {Unit.SECONDS, Unit.MILLISECONDS}):
        alike = [other for other in of_several if other.benchmark == result.benchmark]
        # If all are compared with the same thing, they share a panel; otherwise each thing has its own.
        if len({other.against for other in alike}) == 1:
            title, name = f"{result.benchmark}, against {result.against}", result.figure
        elif len({other.against for other in alike if other.figure == result.figure}) == 1:
            title, name = f"{result.figure}, against {result.against}", ""
        else:
            title, name = f"{result.figure}, against other tools", result.against
        panels.setdefault(title, _Panel(title, {})).lines.setdefault(name, []).append(result)
    return list(panels.values()), points


def _draw_lines(axes: Axes, panel: _Panel) -> list[_End]:
    """Draw a panel; return the ends of its lines, where their names belong."""
    scales = {result.scale for line in panel.lines.values() for result in line if result.scale}
    place = {scale: number for number, scale in enumerate(sorted(scales, key=lambda scale: scale.number))}
    _ratios(axes.yaxis, [result for line in panel.lines.values() for result in line])
    axes.axhspan(axes.get_ylim()[0], 1.0, color=_LESS, zorder=0)
    axes.axhline(1.0, color=TEXT, linewidth=1)
    # Leave room for names on the right.
    axes.set_xlim(-0.3, len(place) * 1.45 - 0.45)
    axes.set_xticks(range(len(place)), [f"{scale.number:,}" for scale in place])
    axes.set_xlabel(str(max(place, key=lambda scale: scale.number)).partition(" ")[2], fontsize=8, color=TEXT)
    axes.set_title(textwrap.fill(panel.title, _TITLE), fontsize=9, fontweight="bold", loc="left", color=TEXT)
    ends = []
    for (name, results), colour in zip(panel.lines.items(), itertools.cycle(_COLOURS), strict=False):
        points = sorted(
            ((place[result.scale], result) for result in results if result.scale), key=lambda point: point[0]
        )
        for (start, before), (end, result) in itertools.pairwise(points):
            line = "--" if result.projected else "-"
            ratios = [before.ratio or 1.0, result.ratio or 1.0]
            axes.plot([start, end], ratios, line, color=colour, linewidth=1.3)
        for where, result in points:
            _mark(axes, result, (where, result.ratio or 1.0), colour)
            if bound := _bound(result):
                axes.plot(where, bound, "_", color=BOUND, markersize=16, markeredgewidth=2)
        ends.append(_End(name, colour, points[-1][0], points[-1][1].ratio or 1.0))
    return ends


def _name_lines(axes: Axes, ends: Sequence[_End], dpi: float) -> None:
    """Write the name of each line at its end; names that would meet are moved apart."""
    highest = -math.inf
    for end in sorted((end for end in ends if end.name), key=lambda end: end.ratio):
        own = axes.transData.transform((end.place, end.ratio))[1] * 72 / dpi
        highest = max(own, highest + _BETWEEN)
        axes.annotate(
            end.name, (end.place, end.ratio), xytext=(7, highest - own), textcoords="offset points",
            va="center", fontsize=_LABEL, color=end.colour,
            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.5},
        )  # fmt: skip


# The words for a figure that is not a time.
_COUNTED = {Unit.MEBIBYTES: ", memory", Unit.MEBIBYTES_ON_DISK: ", files"}


def _draw_points(axes: Axes, results: Sequence[Result]) -> None:
    _ratios(axes.xaxis, results)
    axes.axvspan(axes.get_xlim()[0], 1.0, color=_LESS, zorder=0)
    axes.axvline(1.0, color=TEXT, linewidth=1)
    axes.set_ylim(len(results) - 0.4, -0.6)
    names = [f"{result.name}{_COUNTED.get(result.unit, '')}, against {result.against}" for result in results]
    axes.set_yticks(range(len(results)), names, fontsize=8, color=TEXT)
    axes.tick_params(axis="y", length=0)
    for place, result in enumerate(results):
        _mark(axes, result, (result.ratio or 1.0, place), _COLOURS[0])
        if bound := _bound(result):
            axes.plot(bound, place, "|", color=BOUND, markersize=13, markeredgewidth=2)


def _mark(axes: Axes, result: Result, point: tuple[float, float], colour: str) -> None:
    marker, face = "v" if result.theirs.ended else "o", "white" if result.projected else colour
    axes.plot(*point, marker, color=colour, markerfacecolor=face, markersize=5.5)


def _bound(result: Result) -> float | None:
    """Return the largest allowed ratio; None if the bound is not one of the ratio."""
    return result.bound if result.comparison is Comparison.RATIO else None


def _ratios(axis: Axis, results: Iterable[Result]) -> None:
    """Turn an axis into one of ratios, and make it as long as it has to be."""
    values = [result.ratio or 1.0 for result in results]
    values += [bound for result in results if (bound := _bound(result))]
    low, high = min([0.7, *values]) / _ROOM, max([1.4, *values]) * _ROOM
    few = math.log10(high / low) < 2  # noqa: PLR2004 - decades; in more there are enough powers of ten
    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(low, high)
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda ratio, _place: f"{ratio:g}\N{MULTIPLICATION SIGN}"))
    axis.set_minor_formatter(NullFormatter())
    picture.look(axes, "x" if axis is axes.xaxis else "y")
    axes.tick_params(labelsize=8, colors=TEXT)


def _marks() -> list[Line2D]:
    def mark(marker: str, label: str, **looks: object) -> Line2D:
        return Line2D([], [], marker=marker, linestyle="none", label=label, **({"color": TEXT} | looks))  # type: ignore[arg-type]

    return [
        mark("o", "measured (median)"),
        mark("o", "projected", markerfacecolor="white"),
        mark("v", "or less: the other one was ended"),
        mark("_", "at most", color=BOUND, markersize=13, markeredgewidth=2),
        mark("s", "cvimake takes less", color=_LESS, markeredgecolor=GRID, markersize=9),
    ]
