"""Counts the slots of a simulated cluster that ran a stage at each moment of a build, and draws them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench import picture
from bench.picture import BOUND, TEXT
from bench.simulated import Ran

# Colours that colour-blind people can tell apart (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
# The picture has so many moments of a build.
_MOMENTS = 240
# In inches.
_HEIGHT = 3.4


@dataclass(frozen=True, kw_only=True)
class Busy:
    """One build.

    Attributes:
        slots: of all workers together.
        scale: simulated seconds in a second.
        least: the least time of the build, in simulated seconds.
        most: the largest allowed multiple of that.
        makespan: its time, in simulated seconds.
        running: the mean number of slots that ran a stage, in equal parts of the makespan.
    """

    slots: int
    scale: float
    least: float
    most: float
    makespan: float
    running: tuple[float, ...]


def running(stages: Sequence[Ran], moments: int = _MOMENTS) -> tuple[float, ...]:
    """Return the mean number of stages that ran, in equal parts of the time from the first to the last."""
    begin, end = min(ran.began for ran in stages), max(ran.ended for ran in stages)
    part = (end - begin) / moments
    changes = sorted([*((ran.began, 1) for ran in stages), *((ran.ended, -1) for ran in stages)])
    edges = [begin + number * part for number in range(moments + 1)]
    sums = [0.0] * moments
    count, place, before = 0, 0, begin
    for moment, change in [*changes, (end, 0)]:
        while place < moments and edges[place + 1] <= moment:
            sums[place] += count * (edges[place + 1] - before)
            before, place = edges[place + 1], place + 1
        if place < moments:
            sums[place] += count * (moment - before)
            before = moment
        count += change
    return tuple(round(each / part, 3) for each in sums)


def draw(builds: Iterable[Busy], path: Path) -> None:
    """Write the picture, in the format that its name says. The same builds give the same bytes."""
    found = list(builds)
    with picture.written(path, _HEIGHT, "1,000 models on a simulated cluster") as figure:
        axes = figure.subplots()
        for of, colour in zip(found, itertools.cycle(_COLOURS), strict=False):
            part = of.makespan / of.least / len(of.running)
            places = [part * number for number in range(len(of.running) + 1)]
            heights = [*(count / of.slots for count in of.running), 0.0]
            label = f"{of.slots} slots: {of.makespan / of.least:.3f} times the least time"
            axes.step(places, heights, where="post", color=colour, linewidth=1.2, label=label)
        axes.axvline(1.0, color=TEXT, linewidth=0.8, linestyle=":", label="the least time")
        for most in sorted({of.most for of in found}):
            axes.axvline(most, color=BOUND, linewidth=1.5, label=f"at most: {most:g} times")
        axes.set_xlim(0, max([1.2, *(1.02 * of.makespan / of.least for of in found)]))
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("simulated time, as a multiple of the least time", fontsize=8, color=TEXT)
        axes.set_ylabel("slots that run a stage", fontsize=8, color=TEXT)
        axes.yaxis.set_major_formatter(lambda value, _place: f"{value:.0%}")
        picture.look(axes)
        axes.tick_params(labelsize=7.5, colors=TEXT, length=0)
        axes.legend(loc="lower center", fontsize=8, frameon=False)


def beside(results: Path) -> Path:
    """Return the path of the builds that belong to a file of results."""
    return results.with_name(f"{results.stem}-cluster.json")


_BUILDS = TypeAdapter(list[Busy])


def save(builds: Sequence[Busy], path: Path) -> None:
    """Write them as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each build is a line.
    text = ",\n".join(map(json.dumps, _BUILDS.dump_python(list(builds), mode="json")))
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def load(path: Path) -> list[Busy]:
    """Read a file that `save` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    return _BUILDS.validate_json(path.read_bytes())
