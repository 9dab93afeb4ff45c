"""The drawing on a terminal while stages run: a line for each, and one for the whole build."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from cvimake.builder.activity import Activities, Activity
from cvimake.core import terminal
from cvimake.core.units import duration

_BAR_WIDTH = 24
_REFRESHES = 8
# A stage that takes longer than expected is shown as almost done, never as done.
_ALMOST = 0.97


class LiveView:
    """A drawing below the printed lines; it vanishes at the end.

    Args:
        out: a terminal.
        activities: the stages that run.
        needed: the names of all tasks of this build.
        settled: the tasks that are done, failed or left out; grows while the build runs.
        expected: how long a task takes, in seconds; None if that is not known.
    """

    def __init__(
        self,
        out: TextIO,
        activities: Activities,
        needed: AbstractSet[str],
        settled: AbstractSet[str],
        expected: Callable[[str], float | None],
    ) -> None:
        self._activities = activities
        self._needed = needed
        self._settled = settled
        # Only the main thread may read doit's records, and another one draws.
        self._expected = {name: expected(name) for name in needed}
        self._spinner = Spinner("dots")
        self._console = Console(file=out)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_REFRESHES,
            transient=True,
            # Lines that others print to this terminal appear above the drawing.
            redirect_stdout=out is sys.stdout,
            redirect_stderr=sys.stderr.isatty(),
        )

    def start(self) -> None:
        """Begin to draw."""
        self._live.start()

    def stop(self) -> None:
        """Remove the drawing."""
        self._live.stop()

    def print(self, text: str) -> None:
        """Print a text above the drawing."""
        self._console.print(terminal.styled(text.rstrip("\n")), soft_wrap=True)

    def _draw(self) -> RenderableType:
        return view(self._activities.running(), self._status(), self._spinner)

    def _status(self) -> str:
        done = len(self._needed & self._settled)
        text = f"{done} of {len(self._needed)} stages done"
        left = [self._expected[name] for name in self._needed - self._settled]
        known = [seconds for seconds in left if seconds is not None]
        if not left or len(known) < len(left):
            return text
        running = self._activities.running()
        spent = sum(min(activity.elapsed, activity.expected or 0.0) for activity in running)
        remaining = (sum(known) - spent) / max(1, len(running))
        return f"{text}, about {_whole(remaining)} left"


def view(running: list[Activity], status: str, spinner: RenderableType) -> RenderableType:
    """Return the drawing of the running stages."""
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for activity in running:
        fraction = _fraction(activity)
        table.add_row(
            spinner,
            terminal.styled(activity.name),
            ProgressBar(
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                pulse=fraction is None,
                width=_BAR_WIDTH,
                complete_style="cyan",
                pulse_style="cyan",
            ),
            terminal.styled(_time(activity)),
            terminal.styled(_doing(activity), style="dim"),
        )
    return Group(table, terminal.styled(status, style="dim"))


def _fraction(activity: Activity) -> float | None:
    """Return how far a stage is, from 0 to 1: by its last time, else by its tool, else by an estimate."""
    if activity.expected and not (activity.is_guess and activity.percent is not None):
        return min(activity.elapsed / activity.expected, _ALMOST)
    return None if activity.percent is None else activity.percent / 100


def _time(activity: Activity) -> str:
    elapsed = _whole(activity.elapsed)
    return f"{elapsed} of about {_whole(activity.expected)}" if activity.expected else elapsed


def _whole(seconds: float) -> str:
    return duration(round(max(0.0, seconds))).replace(".0 s", " s")


def _doing(activity: Activity) -> str:
    on = f"on {activity.where}" if activity.where else ""
    if activity.percent is None:
        return on
    return " ".join(part for part in (on, activity.doing, f"{activity.percent} %") if part)
