"""Draws the breakdown of a build: a bar for each stage, as high as the cores that it could use."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bench import picture
from bench.breakdown import Breakdown, Ran
from bench.picture import TEXT

# Colours that colour-blind people can tell apart (Okabe and Ito), by the kind of stage.
_COLOURS = {
    "onnx": "#999999",
    "mlir": "#0072b2",
    "calibration": "#d55e00",
    "search": "#cc79a7",
    "cvimodel": "#009e73",
    "other": "#e69f00",
}
_WAIT = "#b00020"
# In inches.
_ROW, _MARGIN = 0.24, 1.6
# The fraction of a row that the bar of a stage of one core takes, and that of a stage with all cores.
_THIN, _THICK = 0.35, 0.8
# A number for each core has room beside the axis up to this many cores.
_MOST_TICKS = 4


def draw(of: Breakdown, path: Path) -> None:
    """Write the picture, in the format that its name says. The same breakdown gives the same bytes."""
    title = f"one build: {of.name}, {of.seconds:.0f} s on {of.cores} cores"
    with picture.written(path, _ROW * len(of.stages) + _MARGIN + 0.9, title) as figure:
        bars, used = figure.subplots(2, 1, sharex=True, height_ratios=[max(1.0, _ROW * len(of.stages)), 0.9])
        _draw_stages(bars, of)
        _draw_use(used, of)
        kinds = dict.fromkeys(_kind(ran.stage) for ran in of.stages)
        handles = [Patch(color=_COLOURS[kind], label=kind) for kind in kinds]
        handles.append(Patch(color=_WAIT, alpha=0.35, label="waits for a core"))
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
        )


def _draw_stages(axes: Axes, of: Breakdown) -> None:
    for row, ran in enumerate(of.stages):
        for begin, end, cores in ran.parts:
            height = _THIN + (_THICK - _THIN) * (cores - 1) / max(1, of.cores - 1)
            axes.barh(row, end - begin, left=begin, height=height, color=_COLOURS[_kind(ran.stage)])
        if ran.waited:
            axes.barh(row, ran.waited, left=ran.ready, height=0.12, color=_WAIT, alpha=0.35)
        axes.annotate(
            _label(ran), (ran.ended, row), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=7, color=TEXT,
        )  # fmt: skip
    axes.set_yticks(range(len(of.stages)), [ran.stage for ran in of.stages], fontsize=7.5, color=TEXT)
    axes.set_ylim(len(of.stages) - 0.4, -0.6)
    # Room for the labels of the last bars.
    axes.set_xlim(0, of.seconds * 1.12)
    _plain(axes)


def _draw_use(axes: Axes, of: Breakdown) -> None:
    """Draw how many cores stages could use at each moment."""
    parts = [part for ran in of.stages for part in ran.parts]
    moments = sorted({0.0, of.seconds, *(moment for begin, end, _ in parts for moment in (begin, end))})
    counts = [sum(cores for begin, end, cores in parts if begin <= moment < end) for moment in moments]
    axes.fill_between(moments, counts, step="post", color=_COLOURS["mlir"], alpha=0.35, linewidth=0)
    axes.axhline(of.cores, color=TEXT, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, of.cores * 1.15)
    axes.set_yticks(range(of.cores + 1) if of.cores <= _MOST_TICKS else [0, of.cores])
    axes.set_ylabel("cores that\nstages have", fontsize=7.5, color=TEXT)
    axes.set_xlabel("seconds after the start of the command", fontsize=8, color=TEXT)
    _plain(axes)


def _plain(axes: Axes) -> None:
    picture.look(axes, "x")
    axes.tick_params(labelsize=7.5, colors=TEXT, length=0)


def _label(ran: Ran) -> str:
    plural = "s" if ran.all_cores != "1" else ""
    return f"{ran.seconds:.1f} s, {ran.all_cores} core{plural}"


def _kind(stage: str) -> str:
    """Return the kind of a stage, from its name."""
    name = stage.rpartition(":")[2]
    if name in {"onnx", "mlir", "calibration"}:
        return name
    if name.endswith("_qtable"):
        return "search"
    return "other" if name.endswith("_info") or ":" not in stage else "cvimodel"
