"""The look that all pictures of the benchmarks share, and how they are written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TEXT, GRID, BOUND = "#222222", "#e4e4e4", "#b00020"
# The width of all pictures, in inches.
_WIDTH = 9.5


@contextlib.contextmanager
def written(path: Path, height: float, title: str) -> Iterator[Figure]:
    """Give an empty figure, and write it afterwards. The same drawing gives the same bytes.

    Args:
        path: the file; its name says the format. A missing folder is made.
        height: of the picture, in inches.
        title: stands above it.
    """
    # Letters stay letters, which one can search. Names inside the file do not depend on the time.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cvimake", "font.family": "sans-serif"}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.suptitle(title, fontsize=11, color=TEXT)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def look(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """Give axes their grid, and take away the frame above and on the right."""
    axes.grid(axis=grid, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
